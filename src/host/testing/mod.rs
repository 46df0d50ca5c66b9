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
use crate::error::{Error, Result};

/// Runs them. Gives exit code 1 where one has failed.
pub(super) fn perform(host: &Host, wanted: &TestWanted) -> Result<u8> {
    if let Some((name, outcome)) = &wanted.alone {
        return alone::perform(host, wanted.paths.first(), name, outcome);
    }
    let run = host.offline()?;
    let cases = case::find(&run, wanted)?;
    let began = std::time::Instant::now();
    let verdicts = verdicts(host, &run, wanted, &cases)?;
    let left = cases.len() - verdicts.len();
    if let Some(path) = &wanted.junit {
        junit::write(path, &verdicts)?;
    }
    if host.console.json() {
        let rows: Vec<Value> = verdicts.iter().map(Verdict::row).collect();
        host.console.print(&format!("{:#}\n", Value::Array(rows)))?;
    } else {
        host.console
            .print(&verdict::summary(&verdicts, left, began.elapsed()))?;
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
        host.console.print(&verdict::heading(cases.len()))?;
    }
    let all = async {
        let running =
            stream::iter(cases).map(|case| ground::verdict(case, host.environment, wanted.timeout));
        let mut ended = running.buffered(jobs);
        while let Some(verdict) = ended.next().await {
            let verdict = verdict?;
            if tells {
                host.console.print(&verdict.line())?;
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
