//! The question before a change at the prompt: yes, no, or yes to all of this entry.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::effects::Consent;
use crate::error::{Error, Result};
use crate::prompt;
use crate::session::Session;
use crate::table::visible;

/// Asks before each change of one entry.
pub(super) struct Asking {
    session: Session,
    is_agreed: AtomicBool,
    /// Of two threads that want to ask, one waits.
    one_at_a_time: Mutex<()>,
}

impl Asking {
    /// Asks who sits at the terminal, unless yes was said beforehand.
    pub(super) fn new(session: &Session, yes: bool) -> Asking {
        Asking {
            session: session.clone(),
            is_agreed: AtomicBool::new(yes),
            one_at_a_time: Mutex::new(()),
        }
    }
}

impl Consent for Asking {
    fn give(&self, function: &str, target: &str) -> Result<()> {
        let _one = self
            .one_at_a_time
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.is_agreed.load(Ordering::SeqCst) {
            return Ok(());
        }
        if !prompt::is_possible() {
            let message =
                format!("{function} would change {target}, and there is no terminal to ask on");
            return Err(Error::usage(message).hint("say yes beforehand: dashictl repl --yes"));
        }
        let context = self.session.config().context();
        let question = format!(
            "{}: {} in '{context}'? [y/N/a]",
            visible(function),
            visible(target)
        );
        match prompt::ask(&self.session, &question)?
            .trim()
            .to_lowercase()
            .as_str()
        {
            "y" | "yes" => Ok(()),
            "a" | "all" => {
                self.is_agreed.store(true, Ordering::SeqCst);
                Ok(())
            }
            _ => Err(Error::usage(format!("{target} was left as it is"))),
        }
    }
}
