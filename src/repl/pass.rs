//! An entry while it is run: once, or in several passes of which each begins with the same variables.

use std::cell::RefCell;

use rhai::{AST, Dynamic, Scope};

use super::result;
use super::shell::SOURCE;
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
struct Captured(Vec<(String, Dynamic)>);

impl Captured {
    /// Those of a scope, as they are now.
    fn of(scope: &Scope) -> Captured {
        let shared = scope.iter_raw().filter(|(_, _, value)| value.is_shared());
        Captured(
            shared
                .map(|(name, _, value)| (name.to_owned(), value.flatten_clone()))
                .collect(),
        )
    }

    /// Makes them what they were.
    fn restore(&self, scope: &mut Scope) {
        for (name, value) in &self.0 {
            let cell = scope.get_mut(name).and_then(Dynamic::write_lock::<Dynamic>);
            if let Some(mut cell) = cell {
                cell.clone_from(value);
            }
        }
    }
}

/// What an entry has left.
pub(super) struct Left {
    pub(super) scope: Scope<'static>,
    /// What it gave back.
    pub(super) value: Dynamic,
    /// Whether that came as a list in parts, and was read to its end.
    pub(super) is_read: bool,
}

/// An entry while it is run.
pub(super) struct Entry<'a> {
    started: &'a Started,
    whole: &'a AST,
    /// Whether nothing is shown.
    quiet: bool,
    base: RefCell<Scope<'static>>,
    captured: Captured,
    may_go_again: bool,
    left: RefCell<Option<Left>>,
}

impl<'a> Entry<'a> {
    /// One that begins with these variables.
    pub(super) fn new(
        started: &'a Started,
        whole: &'a AST,
        quiet: bool,
        base: Scope<'static>,
        may_go_again: bool,
    ) -> Entry<'a> {
        Entry {
            started,
            whole,
            quiet,
            captured: Captured::of(&base),
            base: RefCell::new(base),
            may_go_again,
            left: RefCell::new(None),
        }
    }

    /// Runs it once.
    pub(super) fn pass(&self) -> Result<Outcome> {
        self.captured.restore(&mut self.base.borrow_mut());
        let mut scope = if self.may_go_again {
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
        let came = value.and_then(|value| {
            let was_stream = value.is::<Stream>();
            let (kept, shown) = result::shown(value, self.quiet)?;
            Ok((was_stream && kept.is_array(), kept, shown))
        });
        // The variables stay, whatever comes of the value.
        let (is_read, value) = came
            .as_ref()
            .map_or((false, Dynamic::UNIT), |(is_read, kept, _)| {
                (*is_read, kept.clone())
            });
        *self.left.borrow_mut() = Some(Left {
            scope,
            value,
            is_read,
        });
        came.map(|(_, _, shown)| Outcome::of(shown))
    }

    /// What its last pass has left.
    pub(super) fn left(self) -> Option<Left> {
        self.left.into_inner()
    }

    /// Leaves everything as it was: what was planned is not done.
    pub(super) fn give_up(self) {
        self.captured.restore(&mut self.base.borrow_mut());
    }
}
