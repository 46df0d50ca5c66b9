//! `dashictl undo RUN`: takes a run back, the last step first. What somebody has changed since is left as it is. An undo
//! is a run like any other: it is journalled, and can itself be taken back.

use std::collections::{HashMap, HashSet};

use super::closing::finish;
use super::opening::prepare_run;
use super::resume::tell;
use super::{Host, confirm, plan_view, rest};
use crate::effects::{
    Account, Change, Effect, Effected, Facts, Inverse, Ledger, PlanHeader, Row, Run, RunId, State,
    find_out, inverse, is_submitted,
};
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::session::Session;

/// Takes a run back.
pub(super) fn perform(host: &Host, run: &str) -> Result<u8> {
    let id = RunId::parse(run)?;
    let started = host.start(Effect::Destroy)?;
    let session = &started.session;
    session.endpoints()?;
    let account = rest::account(session, &id)?;
    let undone = account.run()?.clone();
    rest::check_scene(session, &undone)?;
    confirm::refuse_mixed(&host.globals, session.config(), &format!("undo {id}"))?;
    find_out(session, &account)?;
    let (ledger, lost) = backwards(session, &account)?;
    for why in &lost {
        session.console().warn(why);
    }
    let gate = session.gate();
    gate.set_order(host.order(session));
    let steps = ledger.count(true, None)?;
    gate.set_ledger(ledger);
    let header = PlanHeader::new(session, gate.order(), 1, None, id.to_string())?;
    if host.globals.dry_run {
        plan_view::show(session, &header, None)?;
        session.console().say("dry run: nothing was changed");
        return Ok(0);
    }
    if steps == 0 {
        session.console().say("there is nothing to take back");
        return lost_or(lost, Ok(0));
    }
    let mut run = Run::begin(session, gate.order(), Some(header.nonce.clone()))?;
    run.undoes = Some(id);
    let recorder = prepare_run(session, &header, run)?;
    gate.begin_guarded(std::sync::Arc::clone(&recorder), false, None)?;
    let done = rest::check_unchanged(session, &account)
        .and_then(|()| gate.perform_rest(session, |row| tell(session, row)));
    lost_or(lost, finish(session, &recorder, done.map(|()| 0)))
}

/// What takes each step back, the last first, and what cannot be taken back.
fn backwards(session: &Session, account: &Account) -> Result<(Ledger, Vec<String>)> {
    let mut ledger = Ledger::new()?;
    let mut lost = Vec::new();
    let nets = nets(account)?;
    let submitted = submitted(account)?;
    let gone = taken_away(account)?;
    // A record must not come back before its objects, nor an object go before the record that names it.
    for class in [Class::Objects, Class::Records, Class::Removals] {
        account.steps(true, |number, step| {
            if step
                .begun
                .as_ref()
                .is_some_and(|begun| gone.contains(&begun.row.change.owned_with()))
            {
                return Ok(());
            }
            match inverse(&step) {
                Inverse::Lost(why) if class == Class::Objects => {
                    lost.push(lost_sentence(&step, &why));
                }
                Inverse::Change(change, mut facts) if Class::of(&change) == class => {
                    if let Some(Change::LandFile { .. }) =
                        step.begun.as_ref().map(|begun| &begun.row.change)
                        && let Some(at) = change.object()
                        && (submitted.contains(at) || is_submitted(session, at)?)
                    {
                        lost.push(lost_sentence(
                            &step,
                            "a flow run was started of it, which may still need it",
                        ));
                        return Ok(());
                    }
                    if let Some(net) = nets.get(&change.target()) {
                        if net.first != number {
                            return Ok(());
                        }
                        facts.clone_from(&net.now);
                    }
                    let row = Row::planned(class as usize, *change, facts);
                    ledger.add(&row.fingerprint(), &row)?;
                }
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok((ledger, lost))
}

/// What a run that may only write has taken away again: it had made that itself.
fn taken_away(account: &Account) -> Result<HashSet<String>> {
    let mut gone = HashSet::new();
    if account.run()?.order.effect != Effect::Write {
        return Ok(gone);
    }
    account.steps(false, |_, step| {
        let is_done = step
            .ended
            .as_ref()
            .is_some_and(|ended| ended.state == State::Done);
        if let Some(begun) = step
            .begun
            .filter(|begun| is_done && begun.row.change.removes())
        {
            gone.insert(begun.row.change.owned_with());
        }
        Ok(())
    })?;
    Ok(gone)
}

/// What flow runs were started of.
fn submitted(account: &Account) -> Result<HashSet<ObjectRef>> {
    let mut submitted = HashSet::new();
    account.steps(false, |_, step| {
        if let Some(Change::TriggerIngest { at, .. }) =
            step.begun.as_ref().map(|begun| begun.row.change.clone())
        {
            submitted.insert(at);
        }
        Ok(())
    })?;
    Ok(submitted)
}

/// A target that several steps changed: what it was before the first is brought back, if it is what the last made of it.
struct Net {
    first: i64,
    now: Facts,
}

fn nets(account: &Account) -> Result<HashMap<String, Net>> {
    let repeated = account.repeated()?;
    let mut nets: HashMap<String, Net> = HashMap::new();
    let mut single = HashSet::new();
    account.steps(false, |number, step| {
        let Inverse::Change(change, now) = inverse(&step) else {
            return Ok(());
        };
        let target = change.target();
        // The versions of an object go one by one.
        if matches!(*change, Change::RemoveVersion { .. }) {
            single.insert(target);
        } else if repeated.contains(&target) {
            let net = nets.entry(target);
            net.and_modify(|net| net.now.clone_from(&now))
                .or_insert(Net { first: number, now });
        }
        Ok(())
    })?;
    nets.retain(|target, _| !single.contains(target));
    Ok(nets)
}

/// What is taken back first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Objects = 1,
    Records,
    Removals,
}

impl Class {
    fn of(change: &Change) -> Class {
        match change {
            _ if change.removes() => Class::Removals,
            _ if change.is_record() => Class::Records,
            _ => Class::Objects,
        }
    }
}

fn lost_sentence(step: &Effected, why: &str) -> String {
    let target = step.begun.as_ref().map(|begun| begun.row.target.as_str());
    format!(
        "{} cannot be brought back: {why}",
        target.unwrap_or_default()
    )
}

/// What cannot be brought back makes an undo that went well a partial one.
fn lost_or(lost: Vec<String>, ended: Result<u8>) -> Result<u8> {
    match ended {
        Ok(_) if !lost.is_empty() => {
            let error = Error::new(Kind::Partial, "not all of it could be taken back");
            Err(lost.into_iter().fold(error, Error::cause))
        }
        other => other,
    }
}
