//! The results of tests as JUnit XML, the form that CI systems read: a suite for each file.

use std::fs;
use std::path::Path;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::case::Case;
use super::verdict::{Outcome, Verdict};
use crate::error::{Error, Result};

/// Writes them, and those that were not run.
pub(super) fn write(path: &Path, verdicts: &[Verdict], left: &[Case]) -> Result<()> {
    let mut report = Report::new("dashictl test");
    for verdicts in verdicts.chunk_by(|one, next| one.case.file == next.case.file) {
        let mut suite = TestSuite::new(verdicts[0].case.file.display().to_string());
        suite.add_test_cases(verdicts.iter().map(case));
        report.add_test_suite(suite);
    }
    for cases in left.chunk_by(|one, next| one.file == next.file) {
        let mut suite = TestSuite::new(cases[0].file.display().to_string());
        let not_run = |case: &Case| TestCase::new(case.name.clone(), TestCaseStatus::skipped());
        suite.add_test_cases(cases.iter().map(not_run));
        report.add_test_suite(suite);
    }
    let text = report
        .to_string()
        .map_err(|error| Error::internal("the results have no JUnit form").caused_by(&error))?;
    fs::write(path, text).map_err(|error| Error::io("write", path, &error))
}

fn case(verdict: &Verdict) -> TestCase {
    let status = match verdict.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Failed | Outcome::TimedOut => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(in_xml(&verdict.reason()));
            status
        }
    };
    let mut case = TestCase::new(verdict.case.name.clone(), status);
    case.set_classname(verdict.case.file.display().to_string());
    case.set_time(verdict.took);
    case.extra.insert(
        XmlString::new("line"),
        XmlString::new(verdict.case.line.to_string()),
    );
    case.set_system_out(in_xml(&verdict.output));
    case
}

/// What is no letter has no place in XML; control characters are left out by the library.
fn in_xml(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'))
        .collect()
}
