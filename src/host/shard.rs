//! One shard of a plan that several machines do together: its slice was judged with all the others, once. Whoever does it may be
//! killed; the next one goes on with the same run.

use std::path::Path;

use serde_json::Value;

use super::apply::Judged;
use super::{Host, apply, plan_file, resume};
use crate::effects::{Effect, Plan, RunId, Store};
use crate::error::{Error, Kind, Result};
use crate::lake::Share;
use crate::script::library::Library;
use crate::session::Session;

/// What a judgement may hold.
const LIMIT: usize = 16 << 20;

/// Applies the slice in an object of the lake's state.
pub(super) fn perform(host: &Host, library: &Library, place: &Path, judged: &str) -> Result<u8> {
    let (plan, run) = slice(host, place, judged)?;
    let share = share(&plan);
    match run {
        Some(run) => resume::of_share(host, library, run.as_str(), share),
        None => apply::guarded(host, library, place, plan, Some(Judged { share })),
    }
}

/// The slice, and the run that has begun with it, if one has. One that was not judged is refused.
fn slice(host: &Host, place: &Path, judged: &str) -> Result<(Plan, Option<RunId>)> {
    let started = host.start(Effect::Read)?;
    let session = &started.session;
    let store = Store::of(session)?;
    let at = plan_file::object(session, place)?;
    let plan = session.wait(store.plan(&at))?;
    refuse_unjudged(session, &store, &plan, judged)?;
    let run = session.wait(store.user_of(&plan.header.nonce))?;
    if let Some(run) = &run {
        // One that was killed at once has its nonce, and may not have its plan.
        session.wait(store.adopt_plan(run, &at))?;
    }
    Ok((plan, run))
}

fn refuse_unjudged(session: &Session, store: &Store, plan: &Plan, judged: &str) -> Result<()> {
    let at = session.lake()?.locate(judged)?;
    store.demand_below(&at)?;
    let bytes = session.wait(store.s3().read(&at.bucket, &at.key, None, LIMIT))?;
    let judgement: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if !judgement["plans"][&plan.digest].is_null() {
        return Ok(());
    }
    let message = format!("{judged} does not know this plan: it was not judged");
    Err(Error::new(Kind::Stale, message).hint("dashictl submit plans, judges and applies"))
}

/// The share that a plan is of, as its command was told.
fn share(plan: &Plan) -> Option<Share> {
    plan.header
        .order
        .arguments
        .get("shard")?
        .as_str()?
        .parse()
        .ok()
}
