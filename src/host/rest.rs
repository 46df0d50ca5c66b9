//! A run that was begun elsewhere or before: its journal and plan are found, here or in the lake, and become the steps of
//! this process.

use std::sync::Arc;

use crate::effects::{
    Account, Audit, Change, Ended, Ledger, Locks, Order, Origin, Plan, PlanHeader, Recorder, Row,
    Run, RunId, State, Store, held,
};
use crate::error::{Error, Kind, Result};
use crate::inventory::{Referenced, Wanted};
use crate::session::Session;

/// The journal of a run: what this machine knows of it, and what the lake does. Somebody may have gone on with it elsewhere,
/// and a run that was killed may have told its last step here alone.
pub(super) fn account(session: &Session, run: &RunId) -> Result<Account> {
    let in_lake = || session.wait(Store::of(session)?.read(run));
    let mut account = match here(session, run)? {
        None => return in_lake(),
        // One that is damaged here may be whole in the lake.
        Some(Err(error)) => return in_lake().map_err(|_| error),
        Some(Ok(account)) => account,
    };
    // A run without a plan is kept where it was made, and nowhere else; so is one that had no keys for the lake's store.
    if account.run()?.nonce.is_some() && has_store(session)? {
        session.wait(Store::of(session)?.add(run, &mut account))?;
    }
    Ok(account)
}

/// Whether there are keys for the lake's store, where destructive runs are kept.
fn has_store(session: &Session) -> Result<bool> {
    Ok(session.endpoints()?.has_s3_keys())
}

/// What this machine knows of a run, if it knows of it.
pub(super) fn here(session: &Session, run: &RunId) -> Result<Option<Result<Account>>> {
    let journals = session.journals()?;
    Ok(journals.has(run).then(|| journals.read(run)))
}

/// Fails where a run went on between being read and now, when its locks are ours.
pub(super) fn check_unchanged(session: &Session, account: &Account) -> Result<()> {
    if !has_store(session)? {
        return Ok(());
    }
    let run = &account.run()?.id;
    let pieces = session.wait(Store::of(session)?.segments(run))?;
    if pieces == account.pieces {
        return Ok(());
    }
    let message = format!("run {run} went on while it was read");
    Err(Error::new(Kind::Conflict, message).hint("try again"))
}

/// Fails where a run was not made on this lake.
pub(super) fn check_scene(session: &Session, run: &Run) -> Result<()> {
    let here = crate::effects::Scene::of(session)?;
    run.scene.check(&here, &format!("run {}", run.id))
}

/// Whether a lock in the lake is still in the hands of a run.
pub(super) fn holds_lock(session: &Session, run: &RunId) -> Result<bool> {
    if !has_store(session)? {
        return Ok(false);
    }
    let holders = held(session, &Store::of(session)?)?;
    Ok(holders.iter().any(|holder| holder.run == run.as_str()))
}

/// The steps of a run's plan with how far each has come, and the header of its last part. None where it had no plan.
pub(super) fn steps(session: &Session, account: &Account) -> Result<Option<(PlanHeader, Ledger)>> {
    let run = account.run()?;
    if run.nonce.is_none() {
        return Ok(None);
    }
    let mut ledger = Ledger::new()?;
    let mut last = None;
    for part in 1.. {
        let Some(plan) = plan(session, run, part)? else {
            break;
        };
        if part > 1 {
            ledger.begin_part();
        }
        plan.ledger.rows(true, |row| {
            let row = taken_over(account, row)?;
            let known = row.fingerprint();
            ledger.add(&known, &row).map(drop)
        })?;
        last = Some(plan.header);
    }
    match last {
        Some(header) => Ok(Some((header, ledger))),
        None => Err(Error::new(
            Kind::NotFound,
            format!(
                "the plan of run {} is neither on this machine nor in the lake",
                run.id
            ),
        )),
    }
}

/// A step of the plan, as far as the journal says it has come.
fn taken_over(account: &Account, mut row: Row) -> Result<Row> {
    let Some(step) = account.step(row.number)? else {
        return Ok(row);
    };
    match step.ended {
        Some(ended) if !matches!(ended.state, State::Failed | State::Held) => {
            (row.state, row.why, row.value) = (ended.state, ended.why, ended.value);
        }
        // What failed may have been done, and only its answer been lost; what was not is tried again, and with it what
        // was held back.
        _ => {
            if let Some(begun) = step.begun {
                (row.state, row.facts) = (State::Begun, begun.row.facts);
            }
        }
    }
    Ok(row)
}

/// A part of a run's plan; fetched from the lake where this machine does not have it.
fn plan(session: &Session, run: &Run, part: i64) -> Result<Option<Plan>> {
    let path = session.journals()?.plan_path(&run.id, part);
    if !path.exists() && !has_store(session)? {
        return Ok(None);
    }
    if !path.exists() {
        let store = Store::of(session)?;
        match session.wait(store.fetch_plan(&run.id, part, &path)) {
            Ok(()) => {}
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Plan::read(&path).map(Some)
}

/// Adds what another run has done, so that a script that runs again finds it done.
pub(super) fn add_done(session: &Session, run: &RunId, ledger: &mut Ledger) -> Result<()> {
    let account = account(session, run)?;
    account.steps(false, |_, step| {
        let (Some(begun), Some(ended)) = (step.begun, step.ended) else {
            return Ok(());
        };
        let mut row = begun.row;
        (row.state, row.why, row.value) = (ended.state, ended.why, ended.value);
        let known = row.fingerprint();
        ledger.add_earlier(&known, &row)
    })
}

/// Goes on with a run's journal, with its locks held; `command` is what was typed for it.
pub(super) fn go_on(
    session: &Session,
    account: &Account,
    ledger: &mut Ledger,
    command: &str,
) -> Result<Arc<Recorder>> {
    let run = account.run()?;
    let share = session.gate().judged_share();
    let places = super::opening::of_share(super::opening::locked(ledger)?, share);
    // What changes nothing of the lake's own needs no keys for its store.
    let store = (!places.is_empty() || has_store(session)?)
        .then(|| Store::of(session))
        .transpose()?;
    let warn = |text: &str| session.console().warn(text);
    let locks = store
        .as_ref()
        .map(|store| Locks::take(session, store, &places, run, warn))
        .transpose()?;
    check_unchanged(session, account)?;
    let recorder = Recorder::resume(session, run.clone(), store, account.pieces)?;
    if let Some(locks) = locks {
        recorder.hold(locks);
    }
    recorder.announce(audit(session, (run, command), ledger, &places)?)?;
    Ok(Arc::new(recorder))
}

/// Who goes on with a run stands on record before the first change, like who began it.
fn audit(
    session: &Session,
    (run, command): (&Run, &str),
    ledger: &Ledger,
    places: &[String],
) -> Result<Audit> {
    let order = Order {
        command: command.to_owned(),
        origin: Origin::Host,
        ..run.order.clone()
    };
    let acting = Run {
        id: run.id.clone(),
        script: run.script.clone(),
        undoes: run.undoes.clone(),
        ..Run::begin(session, order, None)?
    };
    let open = ledger.count(true, Some(State::Open))? + ledger.count(true, Some(State::Begun))?;
    let counts = [("bucket", places.join(",")), ("open", open.to_string())];
    Ok(Audit::of(&acting, &counts))
}

/// Leaves alone every object of what is left that the catalogue refers to by now, other than by the records that are to
/// go with it: nobody asks a script again.
pub(super) fn leave_referenced(
    session: &Session,
    recorder: &Recorder,
    ledger: &mut Ledger,
) -> Result<()> {
    let (mut going, mut objects) = (Vec::new(), Vec::new());
    ledger.rows(true, |row| {
        match &row.change {
            Change::DeleteItem { collection, id } => going.push((collection.clone(), id.clone())),
            Change::DeleteObject { at, .. } if !row.state.is_settled() => {
                let at = at.clone();
                objects.push((row, at));
            }
            _ => {}
        }
        Ok(())
    })?;
    if objects.is_empty() {
        return Ok(());
    }
    let lake = session.lake()?;
    objects.retain(|(_, at)| lake.has_bucket(&at.bucket));
    if objects.is_empty() {
        return Ok(());
    }
    let stac = session.stac()?;
    let wanted = Wanted {
        going: &going,
        ..Wanted::default()
    };
    let referenced = session.wait(Referenced::read(stac, lake, wanted))?;
    let why = "the catalogue refers to it by now";
    let mut left = Vec::new();
    for (row, at) in objects {
        if referenced.has(&at.bucket, &at.key) {
            ledger.note(row.number, State::Left, Some(why), &serde_json::Value::Null)?;
            left.push(Ended::left(&row, why));
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    recorder.ended(left)
}
