//! `dashictl check`: scripts are parsed and checked, and nothing is run.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Host;
use crate::error::{Error, Kind, Result};
use crate::report;
use crate::script::check::check;
use crate::script::header::Header;
use crate::script::library::{self, Script};
use crate::script::program::Program;

/// Checks files and folders of scripts. Exit code 1 where something is wrong.
pub(super) fn perform(host: &Host, paths: &[PathBuf]) -> Result<u8> {
    let run = host.offline()?;
    let scripts = scripts(paths)?;
    let mut findings = Vec::new();
    for script in &scripts {
        // What cannot be read is a finding like any other: it hides none of the rest.
        let examined = script.as_ref().map_err(Error::clone);
        let (errors, warnings) = match examined.and_then(|script| examine(&run, script)) {
            Ok(found) => found,
            Err(error) => (vec![error], Vec::new()),
        };
        findings.extend(errors.into_iter().map(|error| (true, error)));
        findings.extend(warnings.into_iter().map(|warning| (false, warning)));
    }
    let wrong = findings.iter().filter(|(is_error, _)| *is_error).count();
    if host.console.json() {
        let rows = findings
            .iter()
            .map(|(is_error, error)| row(*is_error, error))
            .collect::<Vec<Value>>();
        host.console.print(&format!("{:#}\n", Value::Array(rows)))?;
    } else {
        for (is_error, error) in &findings {
            match is_error {
                true => host.console.say_error(error),
                false => host.console.warn_of(error),
            }
        }
        host.console.print(&format!(
            "{} script(s) checked, {wrong} error(s), {} warning(s)\n",
            scripts.len(),
            findings.len() - wrong
        ))?;
    }
    Ok(u8::from(wrong > 0))
}

type Findings = (Vec<Error>, Vec<Error>);

fn examine(run: &super::Started, script: &Script) -> Result<Findings> {
    let header = Header::parse(&script.source, &script.text)?;
    let checked = check(&run.engine, &run.session, &Program::of(script, &header))?;
    Ok((checked.errors, [checked.warnings, checked.idle].concat()))
}

fn row(is_error: bool, error: &Error) -> Value {
    let mut row = report::json(error)["error"].take();
    row["severity"] = if is_error { "error" } else { "warning" }.into();
    row
}

/// The scripts of files and folders. A folder without any is an error: checking nothing must not look like success.
fn scripts(paths: &[PathBuf]) -> Result<Vec<Result<Script>>> {
    let mut scripts = Vec::new();
    for path in paths {
        if path.is_dir() {
            let files = library::files(path);
            if files.is_empty() {
                return Err(Error::new(
                    Kind::NotFound,
                    format!("there are no scripts in {}", shown(path)),
                ));
            }
            scripts.extend(files.iter().map(|file| library::read(file)));
        } else if paths.len() > 1 {
            scripts.push(library::read(path));
        } else {
            scripts.push(Ok(library::read(path)?));
        }
    }
    Ok(scripts)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
