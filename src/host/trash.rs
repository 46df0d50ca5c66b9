//! `dashictl trash`: the objects that runs have put aside, and the end of them. Deleting for good is a run like any other
//! that destroys: planned, shown, confirmed, audited.

use std::collections::BTreeMap;

use futures::StreamExt;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::closing::finish;
use super::opening::prepare;
use super::resume::tell;
use super::{Host, confirm, plan_view};
use crate::effects::{Change, Effect, Facts, Ledger, PlanHeader, Row, RunId, State, TRASH};
use crate::engine::outcome::Outcome;
use crate::error::{Error, Result};
use crate::lake::ObjectRef;
use crate::session::Session;
use crate::{table, time};

/// What a run put aside in a bucket.
#[derive(Default)]
struct Heap {
    objects: u64,
    bytes: u64,
}

/// Lists what was put aside, by run and bucket.
pub(super) fn list(host: &Host) -> Result<u8> {
    let started = host.start(Effect::Read)?;
    let mut heaps: BTreeMap<(String, String), Heap> = BTreeMap::new();
    each(&started.session, |bucket, run, object| {
        let heap = heaps
            .entry((run.to_owned(), bucket.to_owned()))
            .or_default();
        heap.objects += 1;
        heap.bytes += object["size"].as_u64().unwrap_or(0);
        Ok(())
    })?;
    let rows = heaps.into_iter().map(|((run, bucket), heap)| {
        let size = table::size(i64::try_from(heap.bytes).unwrap_or(i64::MAX));
        json!({"run": run, "bucket": bucket, "objects": heap.objects, "bytes": heap.bytes, "size": size})
    });
    let outcome = Outcome::table(rows.collect(), &["run", "bucket", "objects", "size"]);
    host.console.show(&outcome)
}

/// Every object in the trash of the lake's buckets: its bucket, its run, its row.
fn each(session: &Session, mut visit: impl FnMut(&str, &str, &Value) -> Result<()>) -> Result<()> {
    let (s3, lake) = (session.s3()?, session.lake()?);
    let mut buckets: Vec<&str> = lake.buckets().collect();
    buckets.sort_unstable();
    buckets.dedup();
    for bucket in buckets {
        let mut pages = s3.list(bucket, TRASH, None);
        while let Some(page) = session.wait(async { pages.next().await.transpose() })? {
            for object in &page {
                let key = object["key"].as_str().unwrap_or_default();
                let run = key
                    .strip_prefix(TRASH)
                    .and_then(|rest| rest.split('/').next());
                visit(bucket, run.unwrap_or_default(), object)?;
            }
        }
    }
    Ok(())
}

/// Deletes for good what was put aside.
pub(super) fn purge(host: &Host, run: Option<&str>, older_than: &str) -> Result<u8> {
    let run = run.map(RunId::parse).transpose()?;
    let age = time::duration(older_than)?;
    let started = host.start(Effect::Destroy)?;
    let session = &started.session;
    let apply = host.globals.changes.apply && !host.globals.dry_run;
    if apply {
        confirm::refuse_unconfirmed(
            &host.globals,
            session.config(),
            "trash purge",
            "leave --apply out",
        )?;
    }
    let before = session
        .now()
        .checked_sub(jiff::SignedDuration::try_from(age).unwrap_or_default());
    let before =
        before.map_err(|error| Error::usage(format!("'{older_than}' is too long ago: {error}")))?;
    let ledger = planned(session, run.as_ref(), before)?;
    let (count, destroyed, totals) = (
        ledger.count(true, None)?,
        ledger.destroyed()?,
        ledger.totals(true)?,
    );
    let gate = session.gate();
    gate.set_order(host.order(session));
    gate.set_ledger(ledger);
    let word = session.config().context().to_owned();
    let header = PlanHeader::new(session, gate.order(), 1, None, word.clone())?;
    if !apply || count == 0 {
        plan_view::show(session, &header, None)?;
        if count > 0 {
            session.console().note(&format!(
                "dry run: nothing was changed. To do this: {} --apply",
                header.order.command
            ));
        }
        return Ok(0);
    }
    confirm::refuse_too_many(&host.globals, destroyed)?;
    confirm::ask(session, &host.globals, &totals, &word)?;
    let recorder = prepare(session, &header)?;
    gate.begin_guarded(std::sync::Arc::clone(&recorder), false, None)?;
    let done = gate.perform_rest(session, |row| {
        if row.state != State::Done {
            tell(session, row);
        }
    });
    finish(session, &recorder, done.map(|()| 0))
}

fn planned(session: &Session, run: Option<&RunId>, before: Timestamp) -> Result<Ledger> {
    let mut ledger = Ledger::new()?;
    each(session, |bucket, of, object| {
        let written: Option<Timestamp> = object["last_modified"]
            .as_str()
            .and_then(|time| time.parse().ok());
        let is_old = written.is_some_and(|written| written <= before);
        if run.is_some_and(|run| run.as_str() != of) || !is_old {
            return Ok(());
        }
        let at = ObjectRef {
            bucket: bucket.to_owned(),
            key: object["key"].as_str().unwrap_or_default().to_owned(),
        };
        let row = Row::planned(1, Change::PurgeObject { at }, Facts::of_object(object));
        ledger.add(&row.fingerprint(), &row).map(drop)
    })?;
    Ok(ledger)
}
