//! One call of a function that changes one target: planned, performed as planned, or performed as it comes.

use std::sync::MutexGuard;

use serde_json::{Value, json};

use super::batch::Looked;
use super::gate::{Answer, Asked, Gate, NAMED, lock, step_of};
use super::gate_state::GateState;
use super::hands::{Done, Hands, Number, Seen};
use super::journal::{Begun, Ended};
use super::judge::{refuse_missing, refuse_unmet};
use super::plan::other_scripts;
use super::row::{Row, State};
use super::run::script_digests;
use super::{Change, Effect, Facts, Recorder};
use crate::error::{Error, Kind, Result};
use crate::session::Session;

/// One call of a function that changes something.
pub(super) struct Call<'a> {
    pub(super) gate: &'a Gate,
    pub(super) session: &'a Session,
    pub(super) hands: &'a Hands,
    pub(super) function: &'a str,
    pub(super) effect: Effect,
    pub(super) after: Vec<usize>,
}

impl Call<'_> {
    pub(super) fn inner(&self) -> MutexGuard<'_, GateState> {
        lock(&self.gate.inner)
    }

    pub(super) fn row(&self, step: usize, change: Change, facts: Facts) -> Row {
        let planned = Row::planned(step, change, facts);
        Row {
            function: self.function.to_owned(),
            effect: self.effect.max(planned.effect),
            after: self.after.clone(),
            ..planned
        }
    }

    /// Notes a change, or answers for one that an earlier part of the plan has done.
    pub(super) fn plan(&self, asked: Asked, known: &[u8; 16]) -> Result<Answer> {
        let earlier = self.inner().ledger()?.ask(known)?;
        if let Some(row) = earlier {
            return answered(row);
        }
        let target = asked.change.target();
        let facts = if let Some(step) = self.gate.will_change(&target)? {
            Facts::ByStep { step: step.number }
        } else {
            let seen = self.session.wait(self.hands.look(&asked.change))?;
            refuse_missing(&asked.change, seen)?.facts
        };
        if asked.change.removes() && facts == Facts::Absent {
            return Ok(Answer::Known(Value::Null));
        }
        refuse_unmet(&asked.change, &facts)?;
        let mut inner = self.inner();
        inner.see(&facts);
        let step = inner.next_step();
        let row = self.row(step, asked.change, facts);
        inner.ledger()?.add(known, &row)?;
        Ok(Answer::Planned(step_of(&row)))
    }

    /// Performs a change that the plan holds; any other is left alone.
    pub(super) fn perform_planned(&self, change: &Change, known: &[u8; 16]) -> Result<Answer> {
        self.check_scripts()?;
        let row = self.inner().ledger()?.ask(known)?;
        let Some(row) = row else {
            self.beyond(change, false)?;
            return left(change, NOT_PLANNED);
        };
        if row.state.is_over() {
            return answered(row);
        }
        answered(self.settle(row)?)
    }

    /// What the plan does not hold is not done. Beyond a plan that is not whole, the next part of it begins here, unless
    /// the call is known to be `within` it.
    pub(super) fn beyond(&self, change: &Change, within: bool) -> Result<()> {
        let mut inner = self.inner();
        if inner.partial && !within {
            drop(inner);
            self.session
                .interrupt()
                .end_part("the rest of the plan begins here");
            return Err(Error::interrupted());
        }
        inner.beyond_count += 1;
        if inner.beyond.len() < NAMED {
            inner.beyond.push(change.target());
        }
        Ok(())
    }

    /// Ends the run where a script is not one of those that made the plan. No `catch` of the script goes on from there.
    pub(super) fn check_scripts(&self) -> Result<()> {
        let mut inner = self.inner();
        let Some(known) = &inner.scripts else {
            return Ok(());
        };
        if script_digests(self.session).is_subset(known) {
            return Ok(());
        }
        inner.is_stale = true;
        self.session.interrupt().stop();
        Err(other_scripts(&inner.order))
    }

    /// Does one step of the plan, if its target is still what it was; writes down what came of it.
    pub(super) fn settle(&self, row: Row) -> Result<Row> {
        let recorder = self.recorder()?;
        if let Some(why) = self.held_back(&row.after)? {
            return self.end(&recorder, (row, State::Held, Some(why), None));
        }
        recorder.check_locks()?;
        let seen = self
            .session
            .wait(self.hands.look_again(&recorder.run().id, &row))?;
        match self.judged(&recorder, row, seen)? {
            Looked::Ready(row, seen) => self.carry_out(&recorder, row, seen),
            Looked::Over(came) => self.end(&recorder, came),
        }
    }

    /// What was done by a run that could not say so any more.
    pub(super) async fn found(&self, recorder: &Recorder, row: &Row, seen: &Seen) -> Result<Done> {
        let number = Number {
            run: &recorder.run().id,
            effect: row.number,
        };
        self.hands.found(number, &row.change, seen).await
    }

    /// Why this call must not be carried out, if it must not. What it comes after was also said when it was planned: what a
    /// step gave back that was left alone may name it no more.
    pub(super) fn held_back(&self, planned: &[usize]) -> Result<Option<String>> {
        let mut inner = self.inner();
        let ledger = inner.ledger()?;
        for step in self.after.iter().chain(planned) {
            if ledger.is_incomplete(*step)? {
                return Ok(Some(format!(
                    "step {step}, which comes before it, was not wholly done"
                )));
            }
        }
        Ok(None)
    }

    /// Makes a change whose target was just looked at.
    fn carry_out(&self, recorder: &Recorder, row: Row, seen: Seen) -> Result<Row> {
        self.session.wait(self.hands.ready(&row.change))?;
        if matches!(row.change, Change::Membership(_)) {
            recorder.speak_up();
        }
        recorder.begun(vec![begun(&row, &seen)])?;
        self.inner()
            .ledger()?
            .note(row.number, State::Begun, None, &Value::Null)?;
        let number = Number {
            run: &recorder.run().id,
            effect: row.number,
        };
        match self
            .session
            .finish(self.hands.perform(number, &row.change, &seen))
        {
            Ok(done) => self.end(recorder, (row, State::Done, None, Some(done))),
            Err(error) if error.kind() == Kind::Conflict && row.effect == Effect::Destroy => {
                self.end(recorder, (row, State::Left, Some(error.to_string()), None))
            }
            Err(error) => match self.end(recorder, (row, State::Failed, Some(why(&error)), None)) {
                Ok(_) => Err(error),
                Err(unwritten) => {
                    Err(error.cause(format!("nor could that be written down: {unwritten}")))
                }
            },
        }
    }

    /// Performs a change as it comes: looks, writes down, does, writes down.
    pub(super) fn perform_now(&self, asked: Asked, known: &[u8; 16]) -> Result<Answer> {
        if let Some(why) = self.held_back(&[])? {
            return left(&asked.change, &why);
        }
        let seen = self.session.wait(self.hands.look(&asked.change))?;
        let seen = refuse_missing(&asked.change, seen)?;
        if asked.change.removes() && seen.facts == Facts::Absent {
            return Ok(Answer::Known(Value::Null));
        }
        refuse_unmet(&asked.change, &seen.facts)?;
        let recorder = self.gate.recorder_now(self.session, &asked.change)?;
        let row = {
            let mut inner = self.inner();
            let step = inner.next_step();
            let mut row = self.row(step, asked.change, seen.facts.clone());
            row.number = inner.ledger()?.add(known, &row)?;
            row
        };
        match self.carry_out(&recorder, row.clone(), seen) {
            // Somebody was faster: what is there now is replaced, and kept like anything that is replaced.
            Err(error) if error.kind() == Kind::Conflict && is_upsert(&row.change) => {
                let seen = self.session.wait(self.hands.look(&row.change))?;
                let again = Row {
                    facts: seen.facts.clone(),
                    ..row
                };
                answered(self.carry_out(&recorder, again, seen)?)
            }
            other => answered(other?),
        }
    }
}

fn is_upsert(change: &Change) -> bool {
    matches!(
        change,
        Change::PutItem { .. } | Change::PutCollection { .. }
    )
}

/// A step as it is written down before it is done.
pub(super) fn begun(row: &Row, seen: &Seen) -> Begun {
    Begun {
        row: Row {
            facts: seen.facts.clone(),
            ..row.clone()
        },
        image: seen.image.clone(),
    }
}

/// A step as it is written down after.
pub(super) fn ended(row: &Row, state: State, why: Option<&str>, done: Option<Done>) -> Ended {
    let (value, now, aside, marker) = done.map_or((Value::Null, None, None, None), |done| {
        (done.value, Some(done.after), done.aside, done.marker)
    });
    Ended {
        number: row.number,
        target: row.target.clone(),
        state,
        why: why.map(str::to_owned),
        value,
        now,
        aside,
        marker,
    }
}

/// An error in one sentence, with the service's own words.
pub(super) fn why(error: &Error) -> String {
    match error.detail().causes.first() {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    }
}

/// The answer for a step that was settled, now or in an earlier pass.
pub(super) fn answered(row: Row) -> Result<Answer> {
    match row.state {
        State::Done | State::Gone => Ok(Answer::Known(row.value)),
        State::Left | State::Held if row.change.is_of_table() => {
            Ok(Answer::Known(json!({"step": row.step, "left": row.why})))
        }
        State::Left | State::Held => left(&row.change, row.why.as_deref().unwrap_or("it changed")),
        State::Failed => Err(Error::new(
            Kind::Partial,
            format!("{} failed: {}", row.target, row.why.unwrap_or_default()),
        )),
        State::Open | State::Begun => Ok(Answer::Planned(step_of(&row))),
    }
}

/// Why what the plan does not hold is not done.
pub(super) const NOT_PLANNED: &str = "it is not in the plan";

/// The answer for a change that is left alone. Who deletes needs nothing of it; who makes something waits for it.
pub(super) fn left(change: &Change, why: &str) -> Result<Answer> {
    if change.removes() {
        return Ok(Answer::Known(Value::Null));
    }
    let error = Error::new(
        Kind::Partial,
        format!("{} was left alone: {why}", change.target()),
    );
    if why != NOT_PLANNED {
        return Err(error);
    }
    Err(error.hint(
        "what is written must be the same in both passes: ctx::began() instead of time::now(), no chance",
    ))
}
