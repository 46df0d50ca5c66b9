//! The gate: every change that a script asks for comes here, and is refused, noted, performed or left alone.
//!
//! A run that may only write performs its changes as they come, each written down before and after. A run that may
//! destroy goes twice: the first pass notes, the second performs what the first noted and nothing else, each target
//! looked at again right before.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::call::Call;
use super::gate_state::{GateState, Mode};
use super::hands::Hands;
use super::many::{BATCH, Many};
use super::plan::other_scripts;
use super::row::{Row, State};
use super::run::Order;
use super::standing::Standing;
use super::{Audit, Change, Effect, Facts, Ledger, Recorder, Run};
use crate::error::{Error, Kind, Result};
use crate::lake::Share;
use crate::session::Session;

/// Of what was asked for beyond the plan, so many are named.
pub(super) const NAMED: usize = 3;

/// A call whose change is only planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number in the plan, from 1.
    pub number: usize,
    /// The function that was called, as in `stac::put_collection`.
    pub function: String,
    /// What it is done to, as in `collection raw`.
    pub target: String,
}

/// What came of asking for a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is done, and this is what it gave back.
    Known(Value),
    /// It is noted as this step of the plan.
    Planned(Step),
}

/// A change that a script asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The change.
    pub change: Change,
    /// What a listing said of the target just now; none where nobody has looked.
    pub facts: Option<Facts>,
}

impl From<Change> for Asked {
    fn from(change: Change) -> Asked {
        Asked {
            change,
            facts: None,
        }
    }
}

/// Who is asked before a change that is done as it comes: at a prompt, nobody has declared anything beforehand.
pub trait Consent: Send + Sync {
    /// Fails where it is not to be done. A call may have more targets than the one that is named.
    fn give(&self, function: &str, target: &str) -> Result<()>;
}

/// The gate of one run.
pub struct Gate {
    /// Held while a run that performs as it goes begins: of two threads at once, one begins it for both.
    beginning: Mutex<()>,
    pub(super) inner: Mutex<GateState>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gate for {}", self.most().name())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    fn new(most: Effect, mode: Mode) -> Gate {
        Gate {
            beginning: Mutex::new(()),
            inner: Mutex::new(GateState::new(most, mode)),
        }
    }

    /// Makes this the gate of another run, of which nothing has been asked yet.
    pub fn renew(&self, most: Effect, consent: Option<Arc<dyn Consent>>) {
        let mut inner = GateState::new(most, Mode::Performing);
        inner.consent = consent;
        *lock(&self.inner) = inner;
    }

    /// The most that this run may do.
    #[must_use]
    pub fn most(&self) -> Effect {
        lock(&self.inner).most
    }

    /// A gate that lets through what is at most `most`, and performs it.
    #[must_use]
    pub fn performing(most: Effect) -> Gate {
        Gate::new(most, Mode::Performing)
    }

    /// A gate that lets through what is at most `most`, and only notes it.
    #[must_use]
    pub fn planning(most: Effect) -> Gate {
        Gate::new(most, Mode::Planning)
    }

    /// Whether changes are only noted.
    #[must_use]
    pub fn is_planning(&self) -> bool {
        lock(&self.inner).mode == Mode::Planning
    }

    /// Whether nothing is done in this run, whatever it plans: a dry run.
    #[must_use]
    pub fn is_preview(&self) -> bool {
        lock(&self.inner).standing == Standing::Preview
    }

    /// Whether this run may end in anything being destroyed.
    #[must_use]
    pub fn may_destroy(&self) -> bool {
        self.most() == Effect::Destroy && !self.is_preview()
    }

    /// Makes this a run that does nothing.
    pub fn set_preview(&self) {
        lock(&self.inner).standing = Standing::Preview;
    }

    /// What speaks against the plan as a part was judged with the other parts: it is no reason to stop any more.
    pub fn set_judged(&self, share: Option<Share>) {
        lock(&self.inner).standing = Standing::Judged(share);
    }

    /// The share that is done here of a plan that was judged as a whole.
    #[must_use]
    pub fn judged_share(&self) -> Option<Share> {
        match lock(&self.inner).standing {
            Standing::Judged(share) => share,
            _ => None,
        }
    }

    /// Whether the plan was judged with those of other machines.
    pub fn is_judged(&self) -> bool {
        matches!(lock(&self.inner).standing, Standing::Judged(_))
    }

    /// What was typed, for journal and plan.
    pub fn set_order(&self, order: Order) {
        lock(&self.inner).order = order;
    }

    /// What was typed.
    #[must_use]
    pub fn order(&self) -> Order {
        lock(&self.inner).order.clone()
    }

    /// The run's recorder, if it has changed anything or is about to.
    #[must_use]
    pub fn recorder(&self) -> Option<Arc<Recorder>> {
        lock(&self.inner).recorder.clone()
    }

    /// Begins a pass that notes what is not done yet.
    pub fn begin_planning(&self) -> Result<()> {
        let mut inner = lock(&self.inner);
        inner.mode = Mode::Planning;
        inner.begin_pass()
    }

    /// Begins a pass that performs what this ledger holds and nothing else. `scripts` are the digests that scripts may
    /// have, where they are not the ones that were just planned with.
    pub fn begin_guarded(
        &self,
        recorder: Arc<Recorder>,
        partial: bool,
        scripts: Option<BTreeSet<String>>,
    ) -> Result<()> {
        let mut inner = lock(&self.inner);
        inner.mode = Mode::Guarded;
        inner.recorder = Some(recorder);
        inner.partial = partial;
        inner.scripts = scripts;
        inner.begin_pass()
    }

    /// Takes over the steps of a plan or of a run that is resumed.
    pub fn set_ledger(&self, ledger: Ledger) {
        lock(&self.inner).ledger = Some(ledger);
    }

    /// Looks at the steps; nothing where there are none.
    pub fn with_ledger<T>(&self, look: impl FnOnce(&mut Ledger) -> Result<T>) -> Result<Option<T>> {
        lock(&self.inner).ledger.as_mut().map(look).transpose()
    }

    /// The change of a function that the plan holds, in a pass that does what is planned.
    pub fn planned(&self, function: &str, is: impl Fn(&Change) -> bool) -> Result<Option<Change>> {
        let mut inner = lock(&self.inner);
        let mut found = None;
        if inner.mode == Mode::Guarded {
            inner.ledger()?.rows(true, |row| {
                if row.function == function && is(&row.change) {
                    found = Some(row.change);
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Begins the next part of the plan.
    pub fn begin_part(&self) -> Result<()> {
        lock(&self.inner).ledger()?.begin_part();
        Ok(())
    }

    /// Fails where the pass was ended because a script is none of those that made its plan.
    pub fn refuse_stale(&self) -> Result<()> {
        let inner = lock(&self.inner);
        if inner.is_stale {
            return Err(other_scripts(&inner.order));
        }
        Ok(())
    }

    /// What was asked for beyond the plan: how often, and some of it.
    #[must_use]
    pub fn beyond(&self) -> (u64, Vec<String>) {
        let inner = lock(&self.inner);
        (inner.beyond_count, inner.beyond.clone())
    }

    /// The latest second that an object of the plan was written in, as RFC 3339.
    #[must_use]
    pub fn newest(&self) -> Option<String> {
        lock(&self.inner).newest.clone()
    }

    /// Whether an earlier step of this run is noted to change this target, so that nobody knows yet what it will be.
    pub fn will_change(&self, target: &str) -> Result<Option<Step>> {
        let inner = lock(&self.inner);
        if inner.mode != Mode::Planning {
            return Ok(None);
        }
        let Some(ledger) = &inner.ledger else {
            return Ok(None);
        };
        let last = ledger.last_of(target)?;
        Ok(last
            .filter(|row| row.state == State::Open)
            .map(|row| step_of(&row)))
    }

    /// Asks for one change. `after` are the steps that must be wholly done before.
    pub fn ask(
        &self,
        session: &Session,
        (function, effect): (&str, Effect),
        asked: Asked,
        after: Vec<usize>,
    ) -> Result<Answer> {
        self.admit(session, function, effect, &asked.change)?;
        let hands = Hands::of(session, &asked.change)?;
        let known = asked.change.fingerprint(function);
        let call = Call {
            gate: self,
            session,
            hands: &hands,
            function,
            effect,
            after,
        };
        let mode = lock(&self.inner).mode;
        match mode {
            Mode::Planning => call.plan(asked, &known),
            Mode::Guarded => call.perform_planned(&asked.change, &known),
            Mode::Performing => {
                self.demand_consent(function, &asked.change)?;
                call.perform_now(asked, &known)
            }
        }
    }

    fn demand_consent(&self, function: &str, change: &Change) -> Result<()> {
        let (mode, consent) = {
            let inner = lock(&self.inner);
            (inner.mode, inner.consent.clone())
        };
        match consent {
            Some(consent) if mode == Mode::Performing => consent.give(function, &change.target()),
            _ => Ok(()),
        }
    }

    /// Asks for the same kind of change of many targets, as one step.
    pub fn ask_many(
        &self,
        session: &Session,
        (function, effect): (&str, Effect),
        all: impl Iterator<Item = Result<Asked>>,
        after: Vec<usize>,
    ) -> Result<Answer> {
        let mut many = Many::new(self, session, function, effect, after);
        let mut batch = Vec::with_capacity(BATCH);
        let mut is_agreed = false;
        for asked in all {
            let asked = asked?;
            self.admit(session, function, effect, &asked.change)?;
            if !is_agreed {
                self.demand_consent(function, &asked.change)?;
                is_agreed = true;
            }
            batch.push(asked);
            if batch.len() == BATCH {
                many.take(std::mem::take(&mut batch))?;
            }
        }
        many.take(batch)?;
        Ok(many.answer())
    }

    /// Refuses what is beyond the run's effect. What this very run made, it may take away again.
    fn admit(
        &self,
        session: &Session,
        function: &str,
        effect: Effect,
        change: &Change,
    ) -> Result<()> {
        if session.interrupt().is_stopping() {
            return Err(Error::interrupted());
        }
        if effect < change.effect() {
            return Err(Error::internal(format!(
                "{function} does more than it is registered for"
            )));
        }
        let most = self.most();
        if effect <= most {
            return Ok(());
        }
        let target = change.target();
        if most == Effect::Write && self.made(&change.owned_with())? {
            return Ok(());
        }
        Err(self.refusal(function, effect, &target))
    }

    /// Whether this very run made the target, or plans to, and it was not there before.
    fn made(&self, target: &str) -> Result<bool> {
        let inner = lock(&self.inner);
        let Some(ledger) = &inner.ledger else {
            return Ok(false);
        };
        let last = ledger.last_of(target)?;
        Ok(last.is_some_and(|row| row.facts == Facts::Absent && !row.change.removes()))
    }

    /// Refuses a target that this very run did not make, for a call that says it takes away only its own.
    pub fn refuse_strange(&self, change: &Change) -> Result<()> {
        let target = change.owned_with();
        if self.made(&target)? {
            return Ok(());
        }
        Err(Error::new(
            Kind::EffectRefused,
            format!(
                "{target} was not made by this run, and #{{own: true}} takes away nothing else"
            ),
        ))
    }

    fn refusal(&self, function: &str, effect: Effect, target: &str) -> Error {
        let would = if effect == Effect::Destroy {
            "destroy"
        } else {
            "change"
        };
        let may = if self.most() == Effect::Read {
            "read"
        } else {
            "create or update"
        };
        let message = format!("{function} would {would} {target}, and this run may only {may}");
        let name = effect.name();
        Error::new(Kind::EffectRefused, message).hint(format!(
            "say so in the script's header: effect = \"{name}\" (for `dashictl eval`: --effect {name})"
        ))
    }

    /// The recorder of a run that performs as it goes, which begins with its first change.
    pub(super) fn recorder_now(&self, session: &Session, change: &Change) -> Result<Arc<Recorder>> {
        let _beginning = lock(&self.beginning);
        if let Some(recorder) = self.recorder() {
            return Ok(recorder);
        }
        session.endpoints()?;
        let run = Run::begin(session, self.order(), None)?;
        let recorder = Arc::new(Recorder::begin(session, run, None)?);
        lock(&self.inner).recorder = Some(Arc::clone(&recorder));
        // What stays on this machine is nobody else's business.
        if change.is_shared() {
            let first = [("first", change.target())];
            recorder.announce(Audit::of(recorder.run(), &first))?;
        }
        Ok(recorder)
    }

    /// Performs what is left of a plan without its script, in order, each target looked at first: the objects of one call
    /// together, everything else one by one. `each` is told what came of it.
    pub fn perform_rest(&self, session: &Session, mut each: impl FnMut(&Row)) -> Result<()> {
        let mut number = 0;
        loop {
            if session.interrupt().is_stopping() {
                return Err(Error::interrupted());
            }
            let rows = lock(&self.inner).ledger()?.unsettled_after(number, BATCH)?;
            let Some(first) = rows.first() else {
                return Ok(());
            };
            let (step, function, after) = (first.step, first.function.clone(), first.after.clone());
            // Objects of one step are done together, each once; all else one by one.
            let mut targets = HashSet::new();
            let rows: Vec<Row> = match first.change.object() {
                Some(_) => rows
                    .into_iter()
                    .take_while(|row| row.step == step && row.change.object().is_some())
                    .take_while(|row| targets.insert(row.target.clone()))
                    .collect(),
                None => rows.into_iter().take(1).collect(),
            };
            number = rows.last().map_or(number, |row| row.number);
            let hands = Hands::of(session, &rows[0].change)?;
            let call = Call {
                gate: self,
                session,
                hands: &hands,
                function: &function,
                effect: rows[0].effect,
                after,
            };
            call.settle_all(rows)?.iter().for_each(&mut each);
        }
    }
}

pub(super) fn step_of(row: &Row) -> Step {
    Step {
        number: row.step,
        function: row.function.clone(),
        target: row.target.clone(),
    }
}
