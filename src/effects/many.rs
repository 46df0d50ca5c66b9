//! One call of a function with many targets: the same as one with one, batch by batch, each batch looked at, written
//! down and done together. Only counts and the first of the targets are kept in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::call::{Call, NOT_PLANNED};
use super::gate::{Answer, Asked, Gate, Step, lock, step_of};
use super::gate_state::Mode;
use super::hands::{Hands, Seen};
use super::row::{Row, State};
use super::{Change, Effect, Facts};
use crate::error::{Error, Result};
use crate::session::Session;

/// Targets of one call are worked on so many at a time.
pub(super) const BATCH: usize = 1000;
/// Of a batch, so many requests are under way at once.
pub(super) const AT_ONCE: usize = 16;
/// A call with many targets names at most so many of them in its result.
const NAMED: usize = 1000;

/// The count of what came of the targets of one call.
#[derive(Debug, Default)]
struct Outcomes {
    step: Option<usize>,
    counts: BTreeMap<&'static str, u64>,
    bytes: u64,
    named: Vec<Value>,
}

impl Outcomes {
    fn count(&mut self, state: State, target: &str, bytes: Option<u64>, why: Option<&str>) {
        *self.counts.entry(state.name()).or_default() += 1;
        if state == State::Done {
            self.bytes += bytes.unwrap_or(0);
        }
        if self.named.len() < NAMED {
            self.named.push(
                json!({"target": target, "outcome": state.name(), "bytes": bytes, "why": why}),
            );
        }
    }

    fn value(&self) -> Value {
        let of = |state: State| self.counts.get(state.name()).copied().unwrap_or(0);
        json!({
            "step": self.step,
            "deleted": of(State::Done),
            "gone": of(State::Gone),
            "left": of(State::Left) + of(State::Held),
            "failed": of(State::Failed),
            "bytes": self.bytes,
            "targets": self.named,
        })
    }
}

/// A call with many targets, batch by batch.
pub(super) struct Many<'a> {
    hands: Option<Hands>,
    gate: &'a Gate,
    session: &'a Session,
    function: &'a str,
    effect: Effect,
    after: Vec<usize>,
    mode: Mode,
    outcomes: Outcomes,
    planned: Option<Step>,
    /// Whether the plan holds a target of this call.
    is_known: bool,
}

impl<'a> Many<'a> {
    pub(super) fn new(
        gate: &'a Gate,
        session: &'a Session,
        function: &'a str,
        effect: Effect,
        after: Vec<usize>,
    ) -> Many<'a> {
        let mode = lock(&gate.inner).mode;
        Many {
            hands: None,
            gate,
            session,
            function,
            effect,
            after,
            mode,
            outcomes: Outcomes::default(),
            planned: None,
            is_known: false,
        }
    }

    pub(super) fn answer(self) -> Answer {
        match self.planned {
            Some(step) => Answer::Planned(step),
            None => Answer::Known(self.outcomes.value()),
        }
    }

    pub(super) fn take(&mut self, batch: Vec<Asked>) -> Result<()> {
        let Some(first) = batch.first() else {
            return Ok(());
        };
        let hands = match self.hands.take() {
            Some(hands) => hands,
            None => Hands::of(self.session, &first.change)?,
        };
        let call = Call {
            gate: self.gate,
            session: self.session,
            hands: &hands,
            function: self.function,
            effect: self.effect,
            after: self.after.clone(),
        };
        match self.mode {
            Mode::Planning => self.plan(&call, batch)?,
            Mode::Guarded => self.perform_planned(&call, batch)?,
            Mode::Performing => self.perform_now(&call, batch)?,
        }
        self.hands = Some(hands);
        Ok(())
    }

    fn plan(&mut self, call: &Call, batch: Vec<Asked>) -> Result<()> {
        let (fresh, earlier) = self.split(call, batch)?;
        for row in earlier {
            // Planned in an earlier part, which did not come to it: it is still to be done.
            if self.planned.is_none() && !row.state.is_over() {
                self.planned = Some(step_of(&row));
            }
            self.count(&row);
        }
        let seen = self.look(call, fresh)?;
        for (asked, seen) in seen {
            if asked.change.removes() && seen.facts == Facts::Absent {
                self.outcomes
                    .count(State::Gone, &asked.change.target(), None, None);
                continue;
            }
            self.note(call, asked.change, seen.facts)?;
        }
        Ok(())
    }

    /// Those that the plan does not hold, and those that it does.
    fn split(&self, call: &Call, batch: Vec<Asked>) -> Result<(Vec<Asked>, Vec<Row>)> {
        let (mut fresh, mut held) = (Vec::new(), Vec::new());
        for asked in batch {
            let known = asked.change.fingerprint(self.function);
            match call.inner().ledger()?.ask(&known)? {
                Some(row) => held.push(row),
                None => fresh.push(asked),
            }
        }
        Ok((fresh, held))
    }

    /// Looks at the targets of which nothing is known yet.
    fn look(&self, call: &Call, mut batch: Vec<Asked>) -> Result<Vec<(Asked, Seen)>> {
        let known = batch.iter_mut().map(|asked| self.known(asked));
        let known = known.collect::<Result<Vec<_>>>()?;
        let open = batch
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none());
        let open: Vec<&Change> = open.map(|(asked, _)| &asked.change).collect();
        let looked = self
            .session
            .wait(async { Ok(call.hands.look_at_all(&open).await) })?;
        let mut looked = looked.into_iter();
        let seen = known.into_iter().map(|known| match known {
            Some(seen) => Ok(seen),
            None => looked
                .next()
                .unwrap_or_else(|| Err(Error::internal("a target that nobody looked at"))),
        });
        let seen = seen.collect::<Result<Vec<_>>>()?;
        Ok(batch.into_iter().zip(seen).collect())
    }

    /// What is known of a target without a look: what an earlier step makes of it, or what a listing said.
    fn known(&self, asked: &mut Asked) -> Result<Option<Seen>> {
        let step = self.gate.will_change(&asked.change.target())?;
        let facts = match step {
            Some(step) => Some(Facts::ByStep { step: step.number }),
            None => asked.facts.take(),
        };
        Ok(facts.map(|facts| Seen {
            facts,
            ..Seen::default()
        }))
    }

    fn note(&mut self, call: &Call, change: Change, facts: Facts) -> Result<()> {
        let known = change.fingerprint(self.function);
        let mut inner = call.inner();
        inner.see(&facts);
        let step = match &self.planned {
            Some(step) => step.number,
            None => inner.next_step(),
        };
        let row = call.row(step, change, facts);
        inner.ledger()?.add(&known, &row)?;
        if self.planned.is_none() {
            self.planned = Some(step_of(&row));
        }
        Ok(())
    }

    fn count(&mut self, row: &Row) {
        self.outcomes.step = Some(row.step);
        self.outcomes
            .count(row.state, &row.target, row.bytes(), row.why.as_deref());
    }

    fn perform_planned(&mut self, call: &Call, batch: Vec<Asked>) -> Result<()> {
        call.check_scripts()?;
        let (fresh, known) = self.split(call, batch)?;
        let mut open = Vec::new();
        for row in known {
            self.is_known = true;
            if row.state.is_over() {
                self.count(&row);
            } else {
                open.push(row);
            }
        }
        self.settle(call, open)?;
        for asked in self.still_there(call, fresh)? {
            // Of a call that the plan holds, what it does not hold has appeared since; any other call is beyond it.
            call.beyond(&asked.change, self.is_known)?;
            let target = asked.change.target();
            self.outcomes
                .count(State::Left, &target, None, Some(NOT_PLANNED));
        }
        Ok(())
    }

    /// Those that the plan does not hold and that are there; what was to go and is gone is counted as that.
    fn still_there(&mut self, call: &Call, fresh: Vec<Asked>) -> Result<Vec<Asked>> {
        let mut there = Vec::new();
        for (asked, seen) in self.look(call, fresh)? {
            if asked.change.removes() && seen.facts == Facts::Absent {
                let target = asked.change.target();
                self.outcomes.count(State::Gone, &target, None, None);
            } else {
                there.push(asked);
            }
        }
        Ok(there)
    }

    /// Does the steps of one batch, and counts what came of each.
    fn settle(&mut self, call: &Call, open: Vec<Row>) -> Result<()> {
        for row in call.settle_all(open)? {
            self.count(&row);
        }
        Ok(())
    }

    fn perform_now(&mut self, call: &Call, batch: Vec<Asked>) -> Result<()> {
        let Some(first) = batch.first() else {
            return Ok(());
        };
        self.gate.recorder_now(self.session, &first.change)?;
        let mut open = Vec::new();
        for (asked, seen) in self.look(call, batch)? {
            let target = asked.change.target();
            if asked.change.removes() && seen.facts == Facts::Absent {
                self.outcomes.count(State::Gone, &target, None, None);
                continue;
            }
            let known = asked.change.fingerprint(self.function);
            let mut inner = call.inner();
            let step = match self.outcomes.step {
                Some(step) => step,
                None => inner.next_step(),
            };
            self.outcomes.step = Some(step);
            let mut row = call.row(step, asked.change, seen.facts);
            row.number = inner.ledger()?.add(&known, &row)?;
            drop(inner);
            open.push(row);
        }
        self.settle(call, open)
    }
}
