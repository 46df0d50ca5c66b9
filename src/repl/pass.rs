//! An entry while it is run: once, or in several passes of which each begins with the same variables.

use std::cell::{Cell, RefCell};

use rhai::{AST, Dynamic, Scope};

use super::result;
use super::shell::{Manner, SOURCE};
use crate::effects::{Gate, State};
use crate::engine::outcome::Outcome;
use crate::engine::stream::Stream;
use crate::error::Result;
use crate::host::Started;
use crate::script::run::ended;

/// Whether a plan has steps that are still to be done.
pub(super) fn has_open_steps(gate: &Gate) -> Result<bool> {
    let open = gate.with_ledger(|ledger| ledger.count(true, Some(State::Open)))?;
    Ok(open.unwrap_or(0) > 0)
}

/// The values of the variables that closures see too. A copy of the variables shares them, so what a pass does to them must be
/// taken back before the next one.
pub(super) struct Captured(Vec<(String, Dynamic)>);

impl Captured {
    /// Those of a scope, as they are now.
    pub(super) fn of(scope: &Scope) -> Captured {
        let shared = scope.iter_raw().filter(|(_, _, value)| value.is_shared());
        Captured(
            shared
                .map(|(name, _, value)| (name.to_owned(), value.flatten_clone()))
                .collect(),
        )
    }

    /// Makes them what they were.
    pub(super) fn restore(&self, scope: &mut Scope) {
        for (name, value) in &self.0 {
            let cell = scope.get_mut(name).and_then(Dynamic::write_lock::<Dynamic>);
            if let Some(mut cell) = cell {
                cell.clone_from(value);
            }
        }
    }
}

/// An entry while it is run, once or in several passes, each of which begins with the same variables.
pub(super) struct Entry<'a> {
    pub(super) started: &'a Started,
    pub(super) whole: &'a AST,
    pub(super) manner: Manner,
    pub(super) is_read: &'a Cell<bool>,
    pub(super) base: RefCell<Scope<'static>>,
    /// Whether another pass may follow.
    pub(super) is_kept: bool,
    pub(super) latest: RefCell<Option<(Scope<'static>, Dynamic)>>,
}

impl Entry<'_> {
    /// Runs it once.
    pub(super) fn pass(&self) -> Result<Outcome> {
        let mut scope = if self.is_kept {
            self.base.borrow().clone()
        } else {
            self.base.take()
        };
        let (engine, session) = (&self.started.engine, &self.started.session);
        let value = ended(engine, session, SOURCE, || {
            engine
                .rhai
                .eval_ast_with_scope::<Dynamic>(&mut scope, self.whole)
        });
        // The variables stay, whatever comes of the value.
        *self.latest.borrow_mut() = Some((scope, Dynamic::UNIT));
        let value = value?;
        let was_stream = value.is::<Stream>();
        let (kept, shown) = result::shown(value, self.manner.quiet)?;
        self.is_read.set(was_stream && kept.is_array());
        if let Some((_, last)) = &mut *self.latest.borrow_mut() {
            *last = kept;
        }
        Ok(Outcome::of(shown))
    }
}
