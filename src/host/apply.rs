//! `dashictl apply FILE`: runs the script of a plan with that plan as the guard, once. Never beyond the plan: where the
//! rest depends on results, its plan is written to a file of its own.

use std::path::{Path, PathBuf};

use super::closing::finish;
use super::opening::prepare;
use super::origin::Found;
use super::passes::Passes;
use super::{Host, confirm, plan_view};
use crate::effects::{Effect, Plan, PlanHeader, State, write_plan};
use crate::error::{Error, Kind, Result};
use crate::script::check::check;
use crate::script::library::Library;
use crate::script::run;

/// Applies the plan in a file.
pub(super) fn perform(host: &Host, library: &Library, file: &Path) -> Result<u8> {
    let plan = Plan::read(file)?;
    let header = plan.header;
    let found = Found::of(library, &header.order).map_err(|error| {
        Error::new(Kind::Stale, "the script of this plan is not what it was").caused_by(&error)
    })?;
    let started = host.start(header.order.effect.max(Effect::Write))?;
    let session = &started.session;
    if !host.globals.dry_run {
        let command = format!("apply {}", file.display());
        confirm::refuse_unconfirmed(&host.globals, session.config(), &command)?;
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
    confirm::refuse_too_many(&host.globals, destroyed)?;
    confirm::ask(session, &host.globals, &totals, &header.confirm)?;
    let recorder = prepare(session, &header)?;
    let passes = Passes {
        host,
        started: &started,
        program: found.program(),
        arguments: header.order.arguments.clone(),
        confirm: header.confirm.clone(),
    };
    session.begin_pass();
    gate.begin_guarded(
        std::sync::Arc::clone(&recorder),
        header.partial.is_some(),
        Some(header.scripts.clone()),
    )?;
    let outcome = run::run(
        &started.engine,
        session,
        passes.program.clone(),
        passes.arguments.clone(),
    );
    let ended = passes.show_guarded(outcome);
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
    session.gate().with_ledger(|ledger| {
        ledger.begin_part();
        Ok(())
    })?;
    passes.plan(part)?;
    let open = session
        .gate()
        .with_ledger(|ledger| ledger.count(false, Some(State::Open)))?;
    if open.unwrap_or(0) == 0 {
        return Ok(0);
    }
    let mut next = PlanHeader::new(
        session,
        header.order.clone(),
        part,
        session.interrupt().part_end(),
        header.confirm.clone(),
    )?;
    next.continues = Some(run);
    let beside = beside(file, part);
    session
        .gate()
        .with_ledger(|ledger| write_plan(ledger, &next, &beside))?;
    Err(Error::new(
        Kind::Partial,
        "this plan is done, and the rest could only be planned now",
    )
    .hint(format!(
        "look at it, then: dashictl apply {}",
        beside.display()
    )))
}

/// The file of a further part: `plan.jsonl` becomes `plan.part-2.jsonl`.
fn beside(file: &Path, part: i64) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.split(".part-").next().unwrap_or(&stem).to_owned();
    let end = file
        .extension()
        .map(|end| format!(".{}", end.to_string_lossy()))
        .unwrap_or_default();
    file.with_file_name(format!("{stem}.part-{part}{end}"))
}
