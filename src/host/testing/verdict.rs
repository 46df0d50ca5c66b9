//! What came of a test, and how that is told.

use std::time::Duration;

use serde_json::{Value, json};

use super::case::Case;
use crate::error::Error;
use crate::report;
use crate::table::visible;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    TimedOut,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed out",
        }
    }
}

/// What came of one test.
pub(super) struct Verdict<'a> {
    pub(super) case: &'a Case,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
    /// What it ended with: an error as `--json` shows one, or a sentence where there is none.
    pub(super) error: Option<Value>,
    /// What it printed, errors included.
    pub(super) output: String,
}

impl Verdict<'_> {
    /// That of a script whose tests cannot be run.
    pub(super) fn of_broken<'a>(case: &'a Case, error: &Error) -> Verdict<'a> {
        Verdict {
            case,
            outcome: Outcome::Failed,
            took: Duration::ZERO,
            error: Some(report::json(error)["error"].take()),
            output: report::draw(error, false),
        }
    }

    /// It in one line.
    pub(super) fn line(&self) -> String {
        let word = match self.outcome {
            Outcome::Passed => "ok",
            Outcome::Failed => "FAILED",
            Outcome::TimedOut => "FAILED (timed out)",
        };
        format!(
            "test {} ... {word} ({:.2}s)\n",
            self.case.title(),
            self.took.as_secs_f64()
        )
    }

    /// Why it failed, in one sentence.
    pub(super) fn reason(&self) -> String {
        let error = self.error.as_ref();
        let message = error.and_then(|error| error["message"].as_str().or(error.as_str()));
        message.unwrap_or_default().to_owned()
    }

    /// It as data.
    pub(super) fn row(&self) -> Value {
        json!({
            "file": self.case.file.display().to_string(),
            "name": self.case.name,
            "line": self.case.line,
            "outcome": self.outcome.name(),
            "seconds": self.took.as_secs_f64(),
            "error": self.error,
            "output": self.output,
        })
    }

    fn in_full(&self) -> String {
        let title = format!("---- {} (line {}) ----", self.case.title(), self.case.line);
        let lines = self.output.trim_end().lines().map(visible);
        // An error that it ended with stands in its output; a sentence of ours does not.
        let sentence = self
            .error
            .as_ref()
            .and_then(Value::as_str)
            .map(str::to_owned);
        let lines: Vec<String> = std::iter::once(title)
            .chain(lines)
            .chain(sentence)
            .collect();
        format!("{}\n\n", lines.join("\n"))
    }
}

/// A test that was not run, as data.
pub(super) fn not_run(case: &Case) -> Value {
    json!({"file": case.file.display().to_string(), "name": case.name, "line": case.line, "outcome": "not run"})
}

/// What stands before the results.
pub(super) fn heading(count: usize) -> String {
    format!("running {count} {}\n", tests(count))
}

fn tests(count: usize) -> &'static str {
    if count == 1 { "test" } else { "tests" }
}

/// The failures in full, and the sum; `left` were not run.
pub(super) fn summary(verdicts: &[Verdict], left: usize, took: Duration) -> String {
    let failed: Vec<&Verdict> = verdicts
        .iter()
        .filter(|verdict| verdict.outcome != Outcome::Passed)
        .collect();
    let mut text = String::from("\n");
    if !failed.is_empty() {
        text.push_str("failures:\n\n");
        text.extend(failed.iter().map(|verdict| verdict.in_full()));
        text.push_str("failures:\n");
        text.extend(
            failed
                .iter()
                .map(|verdict| format!("    {}\n", verdict.case.title())),
        );
        text.push('\n');
    }
    let word = match (failed.len(), left) {
        (0, 0) => "ok",
        (0, _) => "stopped",
        _ => "FAILED",
    };
    let not_run = match left {
        0 => String::new(),
        left => format!(" {left} not run;"),
    };
    text.push_str(&format!(
        "test result: {word}. {} passed; {} failed;{not_run} finished in {:.2}s\n",
        verdicts.len() - failed.len(),
        failed.len(),
        took.as_secs_f64()
    ));
    text
}
