//! `dashictl test`: the tests of scripts, each in a process of its own, on a lake that is fresh. What a test finds there is
//! `ground`; how the one in such a process is run is `alone`.

mod alone;
mod case;
mod ground;
mod junit;
mod verdict;

use std::collections::BTreeMap;

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
    let (cases, broken) = case::find(&run, wanted)?;
    if let Some(path) = &wanted.junit {
        // Where it cannot be written is told before anything is run.
        junit::write(path, &[], &[])?;
    }
    let began = std::time::Instant::now();
    if !host.console.json() {
        tell(host, &verdict::heading(cases.len() + broken.len()))?;
    }
    let mut verdicts = verdicts(host, &run, wanted, &cases)?;
    let left = &cases[verdicts.len()..];
    for (case, error) in &broken {
        let verdict = Verdict::of_broken(case, error);
        if !host.console.json() {
            tell(host, &verdict.line())?;
        }
        verdicts.push(verdict);
    }
    if let Some(path) = &wanted.junit {
        junit::write(path, &verdicts, left)?;
    }
    if host.console.json() {
        let not_run = left.iter().map(verdict::not_run);
        let rows: Vec<Value> = verdicts.iter().map(Verdict::row).chain(not_run).collect();
        tell(host, &format!("{:#}\n", Value::Array(rows)))?;
    } else {
        tell(
            host,
            &verdict::summary(&verdicts, left.len(), began.elapsed()),
        )?;
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
    let mut told = Told {
        host,
        verdicts: Vec::new(),
        waiting: BTreeMap::new(),
    };
    let all = async {
        let running = stream::iter(cases.iter().enumerate()).map(async |(at, case)| {
            (
                at,
                ground::verdict(case, host.environment, wanted.timeout).await,
            )
        });
        let mut ended = running.buffer_unordered(jobs);
        while let Some((at, verdict)) = ended.next().await {
            told.take(at, verdict?)?;
        }
        Ok(())
    };
    match run.session.wait(all) {
        Err(error) if run.session.interrupt().is_by_signal() => drop(error),
        other => other?,
    }
    told.all()
}

/// Verdicts as they come, each told once those before it are.
struct Told<'h, 'a> {
    host: &'h Host<'h>,
    verdicts: Vec<Verdict<'a>>,
    /// Those that came before their turn, by their place.
    waiting: BTreeMap<usize, Verdict<'a>>,
}

impl<'a> Told<'_, 'a> {
    fn take(&mut self, at: usize, verdict: Verdict<'a>) -> Result<()> {
        self.waiting.insert(at, verdict);
        while let Some(next) = self.waiting.remove(&self.verdicts.len()) {
            self.push(next)?;
        }
        Ok(())
    }

    /// All of them, also those whose turn never came.
    fn all(mut self) -> Result<Vec<Verdict<'a>>> {
        for verdict in std::mem::take(&mut self.waiting).into_values() {
            self.push(verdict)?;
        }
        Ok(self.verdicts)
    }

    fn push(&mut self, verdict: Verdict<'a>) -> Result<()> {
        self.say(&verdict.line())?;
        self.verdicts.push(verdict);
        Ok(())
    }

    /// Prints for a person, while it goes on.
    fn say(&self, text: &str) -> Result<()> {
        if self.host.console.json() {
            return Ok(());
        }
        tell(self.host, text)
    }
}
