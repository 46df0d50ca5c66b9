//! What stands before the first change of a confirmed plan: its locks, its journal here and in the lake, its nonce, its
//! audit line. Where one of them fails, nothing is changed.

use std::sync::Arc;

use crate::effects::{
    Audit, CATALOGUE, Ledger, Locks, PlanHeader, Recorder, Run, Store, Totals, held, sums,
    write_plan,
};
use crate::error::Result;
use crate::lake::Share;
use crate::session::Session;

/// What stands before the first change of a confirmed plan: its locks, its journal here and in the lake, its nonce, its
/// audit line. Where one of them fails, nothing is changed.
pub(super) fn prepare(session: &Session, header: &PlanHeader) -> Result<Arc<Recorder>> {
    let mut run = Run::begin(session, header.order.clone(), Some(header.nonce.clone()))?;
    // A plan that comes from a file has read its scripts in another process.
    run.script.clone_from(&header.script);
    prepare_run(session, header, run)
}

/// The same for a run that is known already.
pub(super) fn prepare_run(
    session: &Session,
    header: &PlanHeader,
    run: Run,
) -> Result<Arc<Recorder>> {
    let (places, totals) = session
        .gate()
        .with_ledger(|ledger| Ok((locked(ledger)?, ledger.totals(false)?)))?
        .unwrap_or_default();
    let mut places = of_share(places, session.gate().judged_share());
    let id = run.id.clone();
    // What stays on this machine asks nothing of the lake.
    let store = (!places.is_empty())
        .then(|| Store::of(session))
        .transpose()?;
    // A run that is still at it holds locks of more than it has changed so far.
    if let (Some(undone), Some(store)) = (&run.undoes, &store) {
        let held = held(session, store)?.into_iter();
        places.extend(
            held.filter(|holder| holder.run == undone.as_str())
                .map(|holder| holder.lock),
        );
        places.sort();
        places.dedup();
    }
    let warn = |text: &str| session.console().warn(text);
    let locks = store
        .as_ref()
        .map(|store| Locks::take(session, store, &places, &run, warn))
        .transpose()?;
    let recorder = Arc::new(Recorder::begin(session, run, store.clone())?);
    if let Some(locks) = locks {
        recorder.hold(locks);
    }
    if let Err(error) = use_nonce(session, header, store.as_ref(), &id) {
        // What is refused has done nothing, and is no run that could be gone on with.
        recorder.finish("failed", Some(error.to_string()), &[])?;
        return Err(error);
    }
    keep_plan(session, &recorder, header)?;
    let audit = Audit::of(recorder.run(), &counts(&totals, &places));
    recorder.announce(audit)?;
    Ok(recorder)
}

/// Notes that a plan is done by this run; fails where it was done before.
fn use_nonce(
    session: &Session,
    header: &PlanHeader,
    store: Option<&Store>,
    id: &crate::effects::RunId,
) -> Result<()> {
    session.journals()?.use_nonce(&header.nonce, id)?;
    match store {
        Some(store) => session.finish(store.use_nonce(&header.nonce, id)),
        None => Ok(()),
    }
}

/// What a run locks: its buckets, or the catalogue where it changes records alone.
pub(super) fn locked(ledger: &mut Ledger) -> Result<Vec<String>> {
    let mut places = ledger.places()?;
    if places.len() > 1 {
        places.retain(|place| place != CATALOGUE);
    }
    Ok(places)
}

/// The locks of one share of what was judged as a whole: the other shares are no strangers to it.
pub(super) fn of_share(places: Vec<String>, share: Option<Share>) -> Vec<String> {
    let lock = |place: String| match share {
        Some(share) if !Share::is_lock(&place) => share.lock(&place),
        _ => place,
    };
    places.into_iter().map(lock).collect()
}

/// What a run is about to change, for its audit line.
pub(super) fn counts<'a>(totals: &[Totals], places: &[String]) -> Vec<(&'a str, String)> {
    let sums = sums(totals);
    // The targets of a group are all in one place.
    let of = |kinds: &[&str]| -> u64 {
        totals
            .iter()
            .filter(|total| kinds.iter().any(|kind| total.first.starts_with(kind)))
            .map(|total| total.targets)
            .sum()
    };
    let mut counts = Vec::new();
    if !places.is_empty() {
        counts.push(("bucket", places.join(",")));
    }
    counts.extend([
        ("objects", of(&["s3://"]).to_string()),
        ("records", of(&["item ", "collection "]).to_string()),
        ("bytes", sums["bytes"].to_string()),
    ]);
    let memberships = of(&["user "]);
    if memberships > 0 {
        counts.push(("memberships", memberships.to_string()));
    }
    counts
}

/// Writes a part of the plan down, here and in the lake.
pub(super) fn keep_plan(session: &Session, recorder: &Recorder, header: &PlanHeader) -> Result<()> {
    let run = &recorder.run().id;
    let path = session.journals()?.plan_path(run, header.part);
    session
        .gate()
        .with_ledger(|ledger| write_plan(ledger, header, &path))?;
    if let Some(store) = recorder.store() {
        session.finish(store.write_plan(run, header.part, &path))?;
    }
    Ok(())
}
