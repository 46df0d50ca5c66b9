//! `dashictl test`: the tests of scripts, each in a process of its own, on a lake that is fresh. What a test finds there is
//! `ground`; how the one in such a process is run is `alone`.

mod alone;
mod case;
mod ground;
mod junit;
mod verdict;

use futures::StreamExt;
use futures::stream;
use serde_json::Value;

use self::case::Case;
use self::verdict::{Outcome, Verdict};
use super::{Host, Started};
use crate::cli::TestWanted;
use crate::config::SANDBOX;
use crate::error::{Error, Kind, Result};

/// Runs them. Gives exit code 1 where one has failed.
pub(super) fn perform(host: &Host, wanted: &TestWanted) -> Result<u8> {
    if let Some((name, outcome)) = &wanted.alone {
        return alone::perform(host, wanted.paths.first(), name, outcome);
    }
    refuse_nonsense(host, wanted)?;
    let run = host.offline()?;
    ground::sweep();
    let cases = case::find(&run, wanted)?;
    if let Some(path) = &wanted.junit {
        // Where it cannot be written is told before anything is run.
        junit::write(path, &[])?;
    }
    let began = std::time::Instant::now();
    let verdicts = verdicts(host, &run, wanted, &cases)?;
    let left = cases.len() - verdicts.len();
    if let Some(path) = &wanted.junit {
        junit::write(path, &verdicts)?;
    }
    if host.console.json() {
        let rows: Vec<Value> = verdicts.iter().map(Verdict::row).collect();
        tell(host, &format!("{:#}\n", Value::Array(rows)))?;
    } else {
        tell(host, &verdict::summary(&verdicts, left, began.elapsed()))?;
    }
    if run.session.interrupt().is_by_signal() {
        return Err(Error::interrupted());
    }
    Ok(u8::from(
        verdicts
            .iter()
            .any(|verdict| verdict.outcome != Outcome::Passed),
    ))
}

fn refuse_nonsense(host: &Host, wanted: &TestWanted) -> Result<()> {
    let context = host.globals.flags.context.as_deref();
    if let Some(context) = context.filter(|context| *context != SANDBOX) {
        let message = format!("tests are run on sandboxes of their own, and not on '{context}'");
        return Err(Error::usage(message).hint("leave --context out"));
    }
    if wanted.timeout.is_zero() {
        let message = "a test without any time has failed before it begins";
        return Err(Error::usage(message).hint("--timeout 2m"));
    }
    Ok(())
}

/// Prints. Whoever reads no more keeps no test from failing the run.
fn tell(host: &Host, text: &str) -> Result<()> {
    match host.console.print(text) {
        Err(error) if error.kind() == Kind::Closed => Ok(()),
        other => other,
    }
}

/// What came of each, told in their order as they end; of those that were run where it was stopped.
fn verdicts<'a>(
    host: &Host,
    run: &Started,
    wanted: &TestWanted,
    cases: &'a [Case],
) -> Result<Vec<Verdict<'a>>> {
    let jobs = wanted
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut verdicts = Vec::new();
    let tells = !host.console.json();
    if tells {
        tell(host, &verdict::heading(cases.len()))?;
    }
    let all = async {
        let running =
            stream::iter(cases).map(|case| ground::verdict(case, host.environment, wanted.timeout));
        let mut ended = running.buffered(jobs);
        while let Some(verdict) = ended.next().await {
            let verdict = verdict?;
            if tells {
                tell(host, &verdict.line())?;
            }
            verdicts.push(verdict);
        }
        Ok(())
    };
    match run.session.wait(all) {
        Err(error) if run.session.interrupt().is_by_signal() => drop(error),
        other => other?,
    }
    Ok(verdicts)
}
