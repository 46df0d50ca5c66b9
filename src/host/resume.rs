//! `dashictl resume RUN`: does what is left of a confirmed plan, each target looked at first. The script runs again only
//! where its plan was not whole, with what was done answering from the journal.

use std::sync::Arc;

use super::closing::finish;
use super::origin::Found;
use super::passes::{Caller, Passes};
use super::{Host, confirm, rest};
use crate::effects::{Effect, Row, RunId, State};
use crate::error::{Error, Kind, Result};
use crate::lake::Share;
use crate::script::library::Library;

/// Resumes a run.
pub(super) fn perform(host: &Host, library: &Library, run: &str) -> Result<u8> {
    of_share(host, library, run, None)
}

/// Resumes a run that does a share of what was judged as a whole.
pub(super) fn of_share(
    host: &Host,
    library: &Library,
    run: &str,
    share: Option<Share>,
) -> Result<u8> {
    let id = RunId::parse(run)?;
    if host.globals.dry_run {
        return Err(Error::usage("resume has no dry run").hint(format!(
            "what was done and what was not: dashictl log show {id}"
        )));
    }
    let started = host.start(Effect::Destroy)?;
    let session = &started.session;
    if share.is_some() {
        session.gate().set_judged(share);
    }
    session.endpoints()?;
    let account = rest::account(session, &id)?;
    let run = account.run()?.clone();
    rest::check_scene(session, &run)?;
    confirm::refuse_mixed(&host.globals, session.config(), &format!("resume {id}"))?;
    let Some((header, mut ledger)) = rest::steps(session, &account)? else {
        return Err(Error::new(
            Kind::Stale,
            format!(
                "run {id} had no plan that could be gone on with: it changed things as it went"
            ),
        )
        .hint(format!(
            "run it again, what it did is found in place: {}",
            run.order.command
        )));
    };
    let left = !ledger.unsettled_after(0, 1)?.is_empty();
    // A run that was stopped between two parts of its plan is not over.
    let is_over = account
        .finished
        .as_ref()
        .is_some_and(|(outcome, _)| header.partial.is_none() || outcome == "done");
    // One that was killed after its last change may have said here that it is over, and not in the lake, nor let its
    // locks go.
    if !left && is_over && !rest::holds_lock(session, &id)? {
        session.console().say("nothing is left to do");
        return Ok(0);
    }
    confirm::refuse_too_many(&host.globals, ledger.left_to_destroy()?)?;
    let recorder = rest::go_on(
        session,
        &account,
        &mut ledger,
        &session.redact(&host.command),
    )?;
    rest::leave_referenced(session, &recorder, &mut ledger)?;
    let gate = session.gate();
    gate.set_order(run.order.clone());
    gate.set_ledger(ledger);
    gate.begin_guarded(Arc::clone(&recorder), false, None)?;
    let done = gate.perform_rest(session, |row| tell(session, row));
    if done.is_err() || header.partial.is_none() {
        return finish(session, &recorder, done.map(|()| 0));
    }
    let found = Found::of(library, &run.order)?;
    gate.begin_part()?;
    let passes = Passes {
        host,
        started: &started,
        script: started.script(found.program(), run.order.arguments.clone()),
        caller: Caller::Command(header.confirm),
    };
    passes.parts(Some(recorder), header.part + 1)
}

/// One line for each step that is done without its script.
pub(super) fn tell(session: &crate::session::Session, row: &Row) {
    let what = match row.state {
        State::Done => "done",
        State::Gone => "was so already",
        State::Left | State::Held => "left alone",
        _ => "failed",
    };
    let why = row
        .why
        .as_deref()
        .map(|why| format!(": {why}"))
        .unwrap_or_default();
    session
        .console()
        .note(&format!("{} {} {what}{why}", row.function, row.target));
}
