//! The end of a run that changed something: what was not done is told and written down, the locks are let go, and what
//! came of it all becomes the exit code.

use crate::effects::{Effect, Recorder, RunId, State};
use crate::error::{Error, Kind, Result};
use crate::prompt;
use crate::session::Session;

/// The end of a run that changed something: what was not done is told, written down, and the exit code.
pub(super) fn finish(session: &Session, recorder: &Recorder, ended: Result<u8>) -> Result<u8> {
    let run = recorder.run().id.clone();
    let mut account = Accounted::of(session)?;
    if ended.is_ok() {
        account.unasked = recorder.leave_unasked(session)?;
    }
    let (outcome, result) = judged(session, &run, &account, ended);
    let why = result.as_ref().err().map(ToString::to_string);
    let written = recorder.finish(outcome, why, &account.counts());
    let result = match (result, written) {
        (Ok(code), Ok(())) => Ok(code),
        (Ok(_), Err(error)) => {
            Err(error.hint("what was done is done: only the end of the journal is missing"))
        }
        (Err(error), _) => Err(error),
    };
    // Who only wrote is told on a terminal, where it helps, and not in a script's log.
    let tells = recorder.run().order.effect == Effect::Destroy || prompt::is_possible();
    if result.is_ok() && tells {
        session.console().note(&account.sentence(&run));
    }
    result
}

/// What came of a run, and its exit code: partly done is its own.
fn judged(
    session: &Session,
    run: &RunId,
    account: &Accounted,
    ended: Result<u8>,
) -> (&'static str, Result<u8>) {
    let again = |error: Error| {
        error
            .hint(format!("what was done: dashictl log show {run}"))
            .hint(format!("do what is left: dashictl resume {run}"))
            .hint(format!("take it back: dashictl undo {run}"))
    };
    match ended {
        Ok(code) if account.left + account.failed == 0 => ("done", Ok(code)),
        Ok(_) => {
            let error = Error::new(
                Kind::Partial,
                format!(
                    "partly done: {} done, {} left alone, {} failed",
                    account.done, account.left, account.failed
                ),
            );
            let error = account
                .reasons
                .iter()
                .fold(error, |error, why| error.cause(session.redact(why)));
            ("partly", Err(again(error)))
        }
        Err(error) if error.kind() == Kind::Interrupted => ("interrupted", Err(again(error))),
        Err(mut error) if account.done > 0 => {
            error.detail_mut().kind = Kind::Partial;
            ("partly", Err(again(error)))
        }
        Err(error) => ("failed", Err(error)),
    }
}

/// The steps of a run, counted.
#[derive(Default)]
struct Accounted {
    done: u64,
    left: u64,
    failed: u64,
    bytes: u64,
    /// Why the first of them were not done.
    reasons: Vec<String>,
    beyond: u64,
    /// Planned steps that the script did not ask for again.
    unasked: usize,
}

impl Accounted {
    /// So many reasons are told.
    const REASONS: usize = 5;

    fn of(session: &Session) -> Result<Accounted> {
        let gate = session.gate();
        let mut account = Accounted {
            beyond: gate.beyond().0,
            ..Accounted::default()
        };
        gate.with_ledger(|ledger| {
            account.done =
                ledger.count(true, Some(State::Done))? + ledger.count(true, Some(State::Gone))?;
            account.left =
                ledger.count(true, Some(State::Left))? + ledger.count(true, Some(State::Held))?;
            account.failed = ledger.count(true, Some(State::Failed))?
                + ledger.count(true, Some(State::Begun))?;
            account.bytes = ledger.totals(true)?.iter().map(|total| total.bytes).sum();
            if account.left + account.failed > 0 {
                ledger.rows(true, |row| {
                    if matches!(row.state, State::Left | State::Held | State::Failed)
                        && account.reasons.len() < Self::REASONS
                    {
                        account.reasons.push(format!(
                            "{}: {}",
                            row.target,
                            row.why.unwrap_or_default()
                        ));
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })?;
        Ok(account)
    }

    fn counts(&self) -> [(&'static str, u64); 3] {
        [
            ("done", self.done),
            ("left", self.left),
            ("failed", self.failed),
        ]
    }

    fn sentence(&self, run: &RunId) -> String {
        let beyond = match self.beyond {
            0 => String::new(),
            count => format!(" {count} that appeared since the plan were not touched."),
        };
        let unasked = match self.unasked {
            0 => String::new(),
            count => {
                format!(" {count} of the plan were not asked for again, and left as they are.")
            }
        };
        format!(
            "{} done.{beyond}{unasked} Take it back: dashictl undo {run}",
            self.done
        )
    }
}
