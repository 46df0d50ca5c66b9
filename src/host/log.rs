//! `dashictl log`: the runs that changed something, of this machine and of the lake, and what each did to which target.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Host, rest};
use crate::effects::{Account, Effect, RunId, Store};
use crate::engine::outcome::Outcome;
use crate::error::Result;
use crate::session::Session;

/// Lists the runs, the newest first.
pub(super) fn list(host: &Host, limit: usize) -> Result<u8> {
    let started = host.start(Effect::Read)?;
    let session = &started.session;
    let journals = session.journals()?;
    // Each with the number of its pieces in the lake.
    let mut runs: BTreeMap<RunId, usize> =
        journals.runs()?.into_iter().map(|run| (run, 0)).collect();
    match in_lake(session) {
        Ok(in_lake) => runs.extend(in_lake),
        Err(error) => session.console().warn(&format!(
            "only the runs of this machine are listed: {error}"
        )),
    }
    let mut rows = Vec::new();
    for (run, pieces) in runs.into_iter().rev().take(limit) {
        match account(session, &run, pieces) {
            Ok(account) => rows.push(row(&account, journals.has(&run))?),
            // One that is damaged must not hide the others.
            Err(error) => session.console().warn(&error.to_string()),
        }
    }
    let columns = [
        "run", "started", "context", "outcome", "done", "left", "failed", "actor", "command",
    ];
    let outcome = Outcome::table(Value::Array(rows), &columns);
    host.console.show(&outcome)
}

/// The account of a run. The lake is asked for it only where it knows more of the run than this machine.
fn account(session: &Session, run: &RunId, pieces: usize) -> Result<Account> {
    match rest::here(session, run)? {
        Some(Ok(account)) if account.lines >= pieces => Ok(account),
        Some(Err(error)) if pieces == 0 => Err(error),
        _ => rest::account(session, run),
    }
}

fn in_lake(session: &Session) -> Result<BTreeMap<RunId, usize>> {
    let store = Store::of(session)?;
    session.wait(store.runs())
}

fn row(account: &Account, is_here: bool) -> Result<Value> {
    let run = account.run()?;
    let [done, left, failed, unknown] = account.counts()?;
    Ok(json!({
        "run": run.id, "started": run.started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), "context": run.scene.context, "outcome": outcome(account),
        "done": done, "left": left, "failed": failed, "unknown": unknown,
        "actor": run.actor, "host": run.host, "effect": run.order.effect, "command": run.order.command,
        "undoes": run.undoes, "here": is_here,
    }))
}

/// How a run ended. One that did not was killed, or is still at it.
fn outcome(account: &Account) -> &str {
    account
        .finished
        .as_ref()
        .map_or("unfinished", |(outcome, _)| outcome)
}

/// Shows one run with its steps.
pub(super) fn show(host: &Host, run: &str) -> Result<u8> {
    let id = RunId::parse(run)?;
    let started = host.start(Effect::Read)?;
    let session = &started.session;
    let account = match (rest::account(session, &id), rest::here(session, &id)?) {
        (Ok(account), _) => account,
        (Err(error), Some(Ok(account))) => {
            session.console().warn(&format!(
                "only what this machine knows of it is shown: {error}"
            ));
            account
        }
        (Err(error), _) => return Err(error),
    };
    let mut rows = Vec::new();
    account.steps(false, |number, step| {
        let begun = step.begun.as_ref();
        let ended = step.ended.as_ref();
        rows.push(json!({
            "number": number,
            "function": begun.map(|begun| begun.row.function.as_str()),
            "target": begun.map(|begun| begun.row.target.as_str()).or(ended.map(|ended| ended.target.as_str())),
            "bytes": begun.and_then(|begun| begun.row.bytes()),
            "outcome": ended.map_or("begun", |ended| ended.state.name()),
            "why": ended.and_then(|ended| ended.why.as_deref()),
            "aside": ended.and_then(|ended| ended.aside.as_ref()).map(ToString::to_string),
        }));
        Ok(())
    })?;
    if host.console.json() {
        let mut whole = row(&account, session.journals()?.has(&id))?;
        whole["audit"] = json!(account.audits);
        whole["why"] = json!(account.finished.as_ref().and_then(|(_, why)| why.clone()));
        whole["script"] = json!(account.run()?.script);
        whole["steps"] = Value::Array(rows);
        host.console.print(&format!("{whole:#}\n"))?;
        return Ok(0);
    }
    for line in &account.audits {
        host.console.note(line);
    }
    let columns = ["number", "function", "target", "bytes", "outcome", "why"];
    host.console
        .show(&Outcome::table(Value::Array(rows), &columns))?;
    let why = account
        .finished
        .as_ref()
        .and_then(|(_, why)| why.as_deref());
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    host.console.note(&format!("{}{why}", outcome(&account)));
    Ok(0)
}
