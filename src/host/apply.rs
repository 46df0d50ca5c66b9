//! `dashictl apply FILE`: runs the script of a plan with that plan as the guard, once. Never beyond the plan: where the
//! rest depends on results, its plan is written to a file of its own.

use std::path::{Path, PathBuf};

use super::closing::finish;
use super::opening::prepare;
use super::origin::Found;
use super::passes::{Caller, Passes};
use super::{Host, confirm, plan_file, plan_view, shard};
use crate::config::quoted;
use crate::effects::{Effect, Plan, PlanHeader, State};
use crate::error::{Error, Kind, Result};
use crate::lake::Share;
use crate::script::check::check;
use crate::script::library::Library;

/// Applies the plan in a file.
pub(super) fn perform(
    host: &Host,
    library: &Library,
    file: &Path,
    judged: Option<&str>,
) -> Result<u8> {
    if let Some(judged) = judged {
        return shard::perform(host, library, file, judged);
    }
    let plan = plan_file::read(host, file)?;
    guarded(host, library, file, plan, None)
}

/// What is known of a plan that was judged with those of other machines.
pub(super) struct Judged {
    /// The share that is done here.
    pub(super) share: Option<Share>,
}

/// Runs the script of a plan with it as the guard. What was `judged` before is not judged again.
pub(super) fn guarded(
    host: &Host,
    library: &Library,
    file: &Path,
    plan: Plan,
    judged: Option<Judged>,
) -> Result<u8> {
    let header = plan.header;
    let found = Found::of(library, &header.order).map_err(|error| {
        Error::new(Kind::Stale, "the script of this plan is not what it was").caused_by(&error)
    })?;
    let started = host.start(header.order.effect.max(Effect::Write))?;
    let session = &started.session;
    if !host.globals.dry_run {
        confirm::refuse_unconfirmed(&host.globals, session.config(), &command(file), "--dry-run")?;
    }
    header.check(session)?;
    // Before anything is asked of a service: what a changed script would do is of no interest.
    let checked = check(&started.engine, session, &found.program());
    header.check_scripts(session)?;
    checked?;
    let gate = session.gate();
    gate.set_order(header.order.clone());
    let mut ledger = plan.ledger;
    let (destroyed, totals) = (ledger.destroyed()?, ledger.totals(false)?);
    if let Some(run) = &header.continues {
        super::rest::add_done(session, run, &mut ledger)?;
    }
    gate.set_ledger(ledger);
    if host.globals.dry_run {
        plan_view::show(session, &header, None)?;
        session.console().note("dry run: nothing was changed");
        return Ok(0);
    }
    if let Some(judged) = judged {
        gate.set_judged(judged.share);
    }
    confirm::refuse_too_many(&host.globals, destroyed)?;
    confirm::ask(session, &host.globals, &totals, &header.confirm)?;
    let recorder = prepare(session, &header)?;
    let passes = Passes {
        host,
        started: &started,
        script: started.script(found.program(), header.order.arguments.clone()),
        caller: Caller::Command(header.confirm.clone()),
    };
    let scripts = Some(header.scripts.clone());
    let ended = passes.guarded(&recorder, header.partial.is_some(), scripts);
    let goes_on = session.interrupt().part_end().is_some() && ended.is_ok();
    let ended = if goes_on {
        next_part(&passes, &header, file, recorder.run().id.clone())
    } else {
        ended
    };
    finish(session, &recorder, ended)
}

/// Plans the rest, and writes that plan to a file beside the first.
fn next_part(
    passes: &Passes,
    header: &PlanHeader,
    file: &Path,
    run: crate::effects::RunId,
) -> Result<u8> {
    let session = &passes.started.session;
    let part = header.part + 1;
    session.gate().begin_part()?;
    passes.plan(part)?;
    let open = session
        .gate()
        .with_ledger(|ledger| ledger.count(false, Some(State::Open)))?;
    if open.unwrap_or(0) == 0 {
        return Ok(0);
    }
    let mut next = passes.header(part)?;
    next.continues = Some(run);
    let beside = place(file, part);
    plan_file::write(session, &next, &beside)?;
    Err(Error::new(
        Kind::Partial,
        "this plan is done, and the rest could only be planned now",
    )
    .hint(format!(
        "look at it, then: {}",
        session.config().command_line(&command(&beside))
    )))
}

/// The command that applies the plan in a file.
pub(super) fn command(file: &Path) -> String {
    format!("apply {}", quoted(&file.to_string_lossy()))
}

/// The file of a part: of a further one, `plan.jsonl` becomes `plan.part-2.jsonl`.
pub(super) fn place(file: &Path, part: i64) -> PathBuf {
    if part == 1 {
        return file.to_path_buf();
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.split(".part-").next().unwrap_or(&stem).to_owned();
    let end = file
        .extension()
        .map(|end| format!(".{}", end.to_string_lossy()))
        .unwrap_or_default();
    file.with_file_name(format!("{stem}.part-{part}{end}"))
}
