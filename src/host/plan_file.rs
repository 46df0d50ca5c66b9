//! Where a plan is written and read: a file of this machine, or an object of the lake's state, where another machine finds it.

use std::path::Path;

use super::Host;
use crate::effects::{Effect, Plan, PlanHeader, Store, write_plan};
use crate::engine::outcome::{Outcome, Raw};
use crate::error::{Error, Result};
use crate::lake::ObjectRef;
use crate::session::Session;

/// Whether a place is in a store and not on this machine.
fn is_object(place: &Path) -> bool {
    place
        .to_str()
        .is_some_and(|place| place.starts_with("s3://"))
}

/// The object that a place names.
pub(super) fn object(session: &Session, place: &Path) -> Result<ObjectRef> {
    session.lake()?.locate(&place.to_string_lossy())
}

/// Writes the plan of the session.
pub(super) fn write(session: &Session, header: &PlanHeader, place: &Path) -> Result<()> {
    let gate = session.gate();
    if !is_object(place) {
        return gate
            .with_ledger(|ledger| write_plan(ledger, header, place))
            .map(drop);
    }
    let folder = tempfile::tempdir();
    let folder =
        folder.map_err(|error| Error::io("make", Path::new("a folder for the plan"), &error))?;
    let file = folder.path().join("plan.jsonl");
    gate.with_ledger(|ledger| write_plan(ledger, header, &file))?;
    let at = object(session, place)?;
    session.wait(Store::of(session)?.keep_file(&at, &file))
}

/// Writes what the script gave back beside a plan in the store: whoever judges several wants to know it.
pub(super) fn write_result(session: &Session, place: &Path, outcome: &Outcome) -> Result<()> {
    if !is_object(place) {
        return Ok(());
    }
    let Raw::Value(value) = outcome.raw()? else {
        return Ok(());
    };
    let at = object(session, &place.with_extension("result.json"))?;
    session.wait(Store::of(session)?.keep_text(&at, &value.to_string()))
}

/// Reads a plan.
pub(super) fn read(host: &Host, place: &Path) -> Result<Plan> {
    if !is_object(place) {
        return Plan::read(place);
    }
    let started = host.start(Effect::Read)?;
    let session = &started.session;
    session.wait(Store::of(session)?.plan(&object(session, place)?))
}
