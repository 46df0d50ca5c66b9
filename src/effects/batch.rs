//! Steps on many targets that belong together, done together: all looked at, all written down, all done, and what came of
//! each written down at once.

use futures::StreamExt;

use super::call::{Call, begun, ended, why};
use super::deletion::{self, deletes};
use super::hands::{Done, Number, Seen};
use super::journal::Ended;
use super::judge::{Judged, judge};
use super::many::AT_ONCE;
use super::row::{Row, State};
use super::{Change, Recorder};
use crate::error::{Error, Kind, Result};

impl Call<'_> {
    /// Does these steps, each if its target is still what it was. Gives them with what came of each.
    pub(super) fn settle_all(&self, open: Vec<Row>) -> Result<Vec<Row>> {
        if open.is_empty() {
            return Ok(open);
        }
        let recorder = self.recorder()?;
        let planned = open.first().map(|row| row.after.clone());
        if let Some(why) = self.held_back(&planned.unwrap_or_default())? {
            let held = |row| (row, State::Held, Some(why.clone()), None);
            return self.end_all(&recorder, open.into_iter().map(held).collect());
        }
        recorder.check_locks()?;
        let (ready, judged) = self.look_at_all(&recorder, open)?;
        let mut settled = self.end_all(&recorder, judged)?;
        let (ready, named) = self.part_named(ready)?;
        settled.extend(self.end_all(&recorder, named)?);
        settled.extend(self.carry_out_all(&recorder, ready)?);
        Ok(settled)
    }

    /// What a look at its target says of a step.
    pub(super) fn judged(&self, recorder: &Recorder, row: Row, seen: Seen) -> Result<Looked> {
        Ok(Looked::Over(match judge(&row, &seen) {
            Judged::AsPlanned => return Ok(Looked::Ready(row, seen)),
            Judged::Gone => (row, State::Gone, None, None),
            Judged::Changed(why) => (row, State::Left, Some(why), None),
            Judged::SoAlready => {
                let found = self.session.finish(self.found(recorder, &row, &seen))?;
                (row, State::Gone, None, Some(found))
            }
            Judged::DoneAlready => {
                self.session.finish(self.hands.complete(&row.change))?;
                let found = self.session.finish(self.found(recorder, &row, &seen))?;
                (row, State::Done, None, Some(found))
            }
        }))
    }

    /// Looks at every target. Gives the steps that can be done, and those that need not or must not be, with why.
    fn look_at_all(&self, recorder: &Recorder, open: Vec<Row>) -> Result<(Vec<Ready>, Vec<Came>)> {
        let looks = self.session.wait(async {
            let changes: Vec<&Change> = open.iter().map(|row| &row.change).collect();
            if deletes(&changes) {
                return Ok(self.hands.look_at_all(&changes).await);
            }
            let looks = futures::stream::iter(&open)
                .map(|row| self.hands.look_again(&recorder.run().id, row));
            Ok(looks.buffered(AT_ONCE).collect().await)
        })?;
        let (mut ready, mut judged) = (Vec::new(), Vec::new());
        for (row, seen) in open.into_iter().zip(looks) {
            match seen {
                Ok(seen) => match self.judged(recorder, row, seen)? {
                    Looked::Ready(row, seen) => ready.push((row, seen)),
                    Looked::Over(came) => judged.push(came),
                },
                Err(error) if ends_all(&error) => return Err(error),
                // The service says no to this one; the others are none the worse for it.
                Err(error) => judged.push((row, State::Failed, Some(why(&error)), None)),
            }
        }
        Ok((ready, judged))
    }

    fn carry_out_all(&self, recorder: &Recorder, ready: Vec<Ready>) -> Result<Vec<Row>> {
        if ready.is_empty() {
            return Ok(Vec::new());
        }
        for (row, _) in &ready {
            self.session.wait(self.hands.ready(&row.change))?;
        }
        recorder.begun(ready.iter().map(|(row, seen)| begun(row, seen)).collect())?;
        let run = recorder.run().id.clone();
        let is_deletion = |(row, _): &Ready| matches!(row.change, Change::DeleteObject { .. });
        let (deletions, others): (Vec<Ready>, Vec<Ready>) =
            ready.into_iter().partition(is_deletion);
        let outcomes = self
            .session
            .finish(deletion::delete(self.hands, &run, &deletions))?;
        let deleted = deletions.into_iter().zip(outcomes);
        let deleted = deleted.map(|((row, _), (state, why, done))| (row, state, why, done));
        let mut settled = self.end_all(recorder, deleted.collect())?;
        let doing = futures::stream::iter(others)
            .map(async |(row, seen)| {
                let number = Number {
                    run: &run,
                    effect: row.number,
                };
                match self.hands.perform(number, &row.change, &seen).await {
                    Ok(done) => (row, State::Done, None, Some(done)),
                    Err(error) if error.kind() == Kind::Conflict => {
                        (row, State::Left, Some(error.to_string()), None)
                    }
                    Err(error) => (row, State::Failed, Some(why(&error)), None),
                }
            })
            .buffered(AT_ONCE);
        let came: Vec<Came> = self.session.finish(async { Ok(doing.collect().await) })?;
        settled.extend(self.end_all(recorder, came)?);
        Ok(settled)
    }

    /// Writes down what came of a step.
    pub(super) fn end(&self, recorder: &Recorder, came: Came) -> Result<Row> {
        let mut ended = self.end_all(recorder, vec![came])?;
        ended
            .pop()
            .ok_or_else(|| Error::internal("a step that came to nothing"))
    }

    /// Writes down what came of these steps.
    fn end_all(&self, recorder: &Recorder, came: Vec<Came>) -> Result<Vec<Row>> {
        let mut rows = Vec::with_capacity(came.len());
        let mut all: Vec<Ended> = Vec::with_capacity(came.len());
        for (mut row, state, why, done) in came {
            let ended = ended(&row, state, why.as_deref(), done);
            self.inner()
                .ledger()?
                .note(row.number, state, why.as_deref(), &ended.value)?;
            (row.state, row.why, row.value) = (state, why, ended.value.clone());
            rows.push(row);
            all.push(ended);
        }
        if !all.is_empty() {
            recorder.ended(all)?;
        }
        Ok(rows)
    }

    pub(super) fn recorder(&self) -> Result<std::sync::Arc<Recorder>> {
        let recorder = self.inner().recorder.clone();
        recorder.ok_or_else(|| Error::internal("a change without a journal"))
    }
}

/// Whether what failed for one target fails for the others as well.
pub(super) fn ends_all(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::Unavailable | Kind::Timeout | Kind::Interrupted | Kind::Unauthorized | Kind::Internal
    )
}

/// A step and what its target is now.
pub(super) type Ready = (Row, Seen);

/// A step whose target was looked at.
pub(super) enum Looked {
    /// It can be done.
    Ready(Row, Seen),
    /// It need not be done, or must not.
    Over(Came),
}

/// A step and what came of it: how far, why no further, what it made.
pub(super) type Came = (Row, State, Option<String>, Option<Done>);
