//! `dashictl lock`: who holds which lock, and the end of one whose holder is gone for good.

use serde_json::json;

use super::Host;
use crate::effects::{Effect, Store, break_lock, held, holder_of};
use crate::engine::outcome::Outcome;
use crate::error::{Error, Result};
use crate::prompt;

/// Lists the locks.
pub(super) fn list(host: &Host) -> Result<u8> {
    let started = host.start(Effect::Read)?;
    let session = &started.session;
    let store = Store::of(session)?;
    let holders = held(session, &store)?;
    let columns = [
        "lock", "run", "actor", "host", "pid", "since", "expires", "command",
    ];
    host.console.show(&Outcome::table(json!(holders), &columns))
}

/// Breaks a lock, after its name was typed.
pub(super) fn break_one(host: &Host, name: &str) -> Result<u8> {
    if host.globals.dry_run {
        let started = host.start(Effect::Read)?;
        let session = &started.session;
        let holder = holder_of(session, &Store::of(session)?, name)?;
        session.console().note(&format!(
            "dry run: nothing was changed. The lock '{name}' is held by run {} ({} on {})",
            holder.run, holder.actor, holder.host
        ));
        return Ok(0);
    }
    if !host.globals.yes && !prompt::is_possible() {
        return Err(Error::usage(format!(
            "breaking the lock '{name}' must be confirmed, and there is no terminal to ask on"
        ))
        .hint("say yes beforehand: --yes, or DASHICTL_YES=1"));
    }
    let started = host.start(Effect::Destroy)?;
    let session = &started.session;
    let store = Store::of(session)?;
    if !host.globals.yes {
        let question = format!(
            "A run that still lives stops when its lock is broken. Type '{name}' to break it:"
        );
        prompt::demand(session, &question, name, name)?;
    }
    let holder = break_lock(session, &store, name)?;
    session.console().note(&format!(
        "the lock '{name}' of run {} ({} on {}) is broken; what it did: {}",
        holder.run,
        holder.actor,
        holder.host,
        session
            .config()
            .command_line(&format!("log show {}", holder.run))
    ));
    Ok(0)
}
