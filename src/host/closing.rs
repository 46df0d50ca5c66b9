//! The end of a run that changed something: what was not done is told and written down, the locks are let go, and what
//! came of it all becomes the exit code.

use std::collections::HashSet;

use crate::effects::{DELETE_FILES, EXPIRE, Effect, FOR_GOOD, Ledger, Recorder, Run, State};
use crate::error::{Error, Kind, Result};
use crate::prompt;
use crate::session::Session;

/// The end of a run that changed something: what was not done is told, written down, and the exit code.
pub(super) fn finish(session: &Session, recorder: &Recorder, ended: Result<u8>) -> Result<u8> {
    let run = recorder.run();
    let mut account = Accounted::of(session, run.order.effect)?;
    if ended.is_ok() {
        account.unasked = recorder.leave_unasked(session)?;
    }
    let (outcome, result) = judged(session, run, &account, ended);
    let why = result.as_ref().err().map(ToString::to_string);
    let written = recorder.finish(outcome, why, &account.counts());
    let result = match (result, written) {
        (Ok(code), Ok(())) => Ok(code),
        (Ok(_), Err(error)) => {
            Err(error.hint("what was done is done: only the end of the journal is missing"))
        }
        (Err(error), Ok(())) => Err(error),
        (Err(error), Err(unwritten)) => {
            Err(error.cause(format!("the end of the journal is missing: {unwritten}")))
        }
    };
    // Who only wrote is told on a terminal, where it helps, and not in a script's log.
    let tells = run.order.effect == Effect::Destroy || prompt::is_possible();
    if result.is_ok() && tells {
        let undo = session.config().command_line(&format!("undo {}", run.id));
        session.console().note(&account.sentence(&undo));
    }
    result
}

/// What came of a run, and its exit code: partly done is its own.
fn judged(
    session: &Session,
    run: &Run,
    account: &Accounted,
    ended: Result<u8>,
) -> (&'static str, Result<u8>) {
    let is_over = ended.is_ok();
    let again = |error| ways_on(session, run, account, is_over, error);
    // Nobody reads what it says: that is no fault of what it did, where it came to all of it.
    let ended = match ended {
        Err(error) if error.kind() == Kind::Closed && account.open == 0 => Ok(0),
        other => other,
    };
    match ended {
        Ok(code) if account.left + account.held + account.failed == account.moot => {
            ("done", Ok(code))
        }
        Ok(_) => {
            let error = Error::new(
                Kind::Partial,
                format!(
                    "partly done: {} done, {} left alone, {} failed",
                    account.done + account.gone,
                    account.left + account.held,
                    account.failed
                ),
            );
            let error = account
                .reasons
                .iter()
                .fold(error, |error, why| error.cause(session.redact(why)));
            ("partly", Err(again(error)))
        }
        Err(error) if error.kind() == Kind::Interrupted => ("interrupted", Err(again(error))),
        Err(mut error) if account.done + account.gone > 0 => {
            error.detail_mut().kind = Kind::Partial;
            ("partly", Err(again(error)))
        }
        Err(error) => ("failed", Err(error)),
    }
}

/// What can be done about a run that did not do all it was to. One that is over has asked for every step.
fn ways_on(
    session: &Session,
    run: &Run,
    account: &Accounted,
    is_over: bool,
    error: Error,
) -> Error {
    let line = |command: &str| {
        session
            .config()
            .command_line(&format!("{command} {}", run.id))
    };
    let mut error = error.hint(format!("what was done: {}", line("log show")));
    if run.nonce.is_none() {
        error = error.hint("do what is left: run it again, what it did is found in place");
    } else if !is_over || account.held + account.failed > 0 {
        error = error.hint(format!("do what is left: {}", line("resume")));
    }
    if account.left > 0 {
        error = error.hint(format!(
            "what was left alone is not what was planned any more; plan it anew: {}",
            run.order.command
        ));
    }
    if !account.can_be_undone || account.done == 0 {
        return error;
    }
    error.hint(format!("take it back: {}", line("undo")))
}

/// Whether a run did anything that can be taken back, where `taken_away` is nothing of it any more.
fn leaves_something(ledger: &Ledger, most: Effect, taken_away: &HashSet<String>) -> Result<bool> {
    let is_for_good = |function: &str| FOR_GOOD.contains(&function);
    if most != Effect::Write {
        let groups = ledger.totals(true)?;
        // The files of snapshots that are forgotten are of no use to anybody.
        let is_moot = |function: &str| {
            function == DELETE_FILES && groups.iter().any(|group| group.function == EXPIRE)
        };
        let is_left = |function: &str| !is_for_good(function) && !is_moot(function);
        return Ok(groups.iter().any(|group| is_left(&group.function)));
    }
    let mut leaves = false;
    ledger.rows(true, |row| {
        leaves |= row.state == State::Done
            && !is_for_good(&row.function)
            && !taken_away.contains(&row.change.owned_with());
        Ok(())
    })?;
    Ok(leaves)
}

/// What a run took away again. One that may only write has made that itself: nothing of it is left.
fn taken_away(ledger: &Ledger, most: Effect) -> Result<HashSet<String>> {
    let mut gone = HashSet::new();
    if most == Effect::Write {
        ledger.rows(true, |row| {
            if row.state == State::Done && row.change.removes() {
                gone.insert(row.change.owned_with());
            }
            Ok(())
        })?;
    }
    Ok(gone)
}

/// The steps of a run, counted.
#[derive(Default)]
struct Accounted {
    done: u64,
    /// So already, when it was come to.
    gone: u64,
    /// Not what was planned any more.
    left: u64,
    /// Not done because what comes before was not.
    held: u64,
    failed: u64,
    /// Not come to.
    open: u64,
    /// How many of those that failed were to be done to what the run took away again: nothing of them is left to do.
    moot: u64,
    /// Why the first of them were not done.
    reasons: Vec<String>,
    /// How many things appeared since the plan, and some of them.
    beyond: (u64, Vec<String>),
    /// Planned steps that the script did not ask for again.
    unasked: usize,
    /// Whether there is anything among them that can be taken back.
    can_be_undone: bool,
}

impl Accounted {
    /// So many reasons are told.
    const REASONS: usize = 5;

    fn of(session: &Session, most: Effect) -> Result<Accounted> {
        let gate = session.gate();
        let mut account = Accounted {
            beyond: gate.beyond(),
            ..Accounted::default()
        };
        gate.with_ledger(|ledger| {
            let count = |state| ledger.count(true, Some(state));
            account.done = count(State::Done)?;
            account.gone = count(State::Gone)?;
            account.left = count(State::Left)?;
            account.held = count(State::Held)?;
            account.failed = count(State::Failed)? + count(State::Begun)?;
            account.open = count(State::Open)?;
            let taken_away = taken_away(ledger, most)?;
            account.can_be_undone = leaves_something(ledger, most, &taken_away)?;
            if account.left + account.held + account.failed > 0 {
                ledger.rows(true, |row| {
                    let is_gone = taken_away.contains(&row.change.owned_with());
                    account.moot += u64::from(is_gone && row.state == State::Failed);
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
            ("done", self.done + self.gone),
            ("left", self.left + self.held),
            ("failed", self.failed),
        ]
    }

    fn sentence(&self, undo: &str) -> String {
        let done = match (self.done, self.gone) {
            (done, 0) => format!("{done} done."),
            (0, gone) => format!("Nothing was to be done: {gone} were so already."),
            (done, gone) => format!("{done} done, {gone} were so already."),
        };
        let unasked = match self.unasked {
            0 => String::new(),
            count => {
                format!(" {count} of the plan were not asked for again, and left as they are.")
            }
        };
        let back = match self.done {
            done if done > 0 && self.can_be_undone => format!(" Take it back: {undo}"),
            _ => String::new(),
        };
        format!("{done}{}{unasked}{back}", self.appeared())
    }

    /// What appeared since the plan.
    fn appeared(&self) -> String {
        let (count, named) = &self.beyond;
        if *count == 0 {
            return String::new();
        }
        let more = if *count > named.len() as u64 {
            ", …"
        } else {
            ""
        };
        let named = named.join(", ");
        format!(" {count} that are not in the plan were not touched: {named}{more}.")
    }
}
