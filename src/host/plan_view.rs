//! How a plan is shown: grouped by call with counts, bytes, first and last target; with `--json` every step on every
//! target, as it is read from disk.

use serde_json::{Value, json};

use crate::effects::{Ledger, PlanHeader, Row, Totals, sums};
use crate::engine::outcome::{Outcome, Raw};
use crate::error::Result;
use crate::output::Console;
use crate::session::Session;
use crate::table;

const COLUMNS: [&str; 7] = [
    "step", "effect", "function", "targets", "size", "first", "last",
];

/// The groups of a plan as rows for people.
pub(super) fn rows(totals: &[Totals]) -> Vec<Value> {
    totals
        .iter()
        .map(|total| {
            let size = i64::try_from(total.bytes).ok().filter(|bytes| *bytes > 0);
            json!({
                "step": total.step,
                "effect": total.effect,
                "function": total.function,
                "targets": total.targets,
                "size": size.map(table::size),
                "first": first(total),
                "last": if total.targets > 1 { total.last.as_str() } else { "" },
            })
        })
        .collect()
}

/// The plan as text for a question on stderr: a line for each call, with its first and last target below where there are
/// several, so that no target is cut or lost in a wide table.
pub(super) fn text(totals: &[Totals]) -> String {
    totals.iter().map(group).collect::<Vec<_>>().join("\n")
}

/// The first target, with what there is to be said of it.
fn first(total: &Totals) -> String {
    format!("{}{}", total.first, told(total))
}

fn told(total: &Totals) -> String {
    let told = total.told.as_ref();
    told.map(|told| format!(" ({told})")).unwrap_or_default()
}

fn group(total: &Totals) -> String {
    let size = i64::try_from(total.bytes).ok().filter(|bytes| *bytes > 0);
    let size = size
        .map(|bytes| format!(", {}", table::size(bytes)))
        .unwrap_or_default();
    let head = format!(
        "{:>3}  {} ({}{size})",
        total.step, total.function, total.effect
    );
    // A key may hold a line break, which must not look like another target.
    let [first, last] = [&total.first, &total.last].map(|target| target.replace('\n', "\\n"));
    match total.targets {
        1 => format!("{head}  {first}{}", told(total)),
        2 => format!("{head}\n       {first}\n       {last}"),
        more => format!("{head}  {more} targets\n       {first}\n       …\n       {last}"),
    }
}

/// Shows a plan and what the script gave back, on stdout.
pub(super) fn show(
    session: &Session,
    header: &PlanHeader,
    outcome: Option<&Outcome>,
) -> Result<()> {
    let console = session.console();
    let gate = session.gate();
    if console.json() {
        let totals = gate
            .with_ledger(|ledger| ledger.totals(false))?
            .unwrap_or_default();
        console.print(&opening(header, &totals))?;
        gate.with_ledger(|ledger| print_steps(console, ledger))?;
        return close(console, outcome);
    }
    if let Some(outcome) = outcome {
        console.show(outcome)?;
    }
    let totals = gate
        .with_ledger(|ledger| ledger.totals(false))?
        .unwrap_or_default();
    if totals.is_empty() {
        console.say("nothing would be changed");
        return Ok(());
    }
    console.show(&Outcome::table(rows(&totals).into(), &COLUMNS))?;
    Ok(())
}

/// The plan as JSON up to its steps.
fn opening(header: &PlanHeader, totals: &[Totals]) -> String {
    let mut plan = json!(header);
    plan["totals"] = sums(totals);
    let text = plan.to_string();
    let open = text.strip_suffix('}').unwrap_or(&text);
    format!("{{\"plan\":{open},\"effects\":[\n")
}

fn print_steps(console: &Console, ledger: &mut Ledger) -> Result<()> {
    let mut before = "";
    ledger.rows(false, |row| {
        console.print(&format!("{before}{}\n", step(&row)))?;
        before = ",";
        Ok(())
    })
}

/// A step without what would be written: that is in the plan's file.
fn step(row: &Row) -> Value {
    json!({
        "number": row.number, "step": row.step, "effect": row.effect, "function": row.function,
        "target": row.target, "bytes": row.bytes(), "facts": row.facts, "after": row.after,
    })
}

fn close(console: &Console, outcome: Option<&Outcome>) -> Result<()> {
    let result = match outcome.map(Outcome::raw).transpose()? {
        Some(Raw::Value(value)) => value,
        Some(Raw::Rows(_)) | None => Value::Null,
    };
    console.print(&format!("]}},\"result\":{result}}}\n"))
}
