//! One test in a process of its own: it may do anything on the sandbox of its HOME, and writes down what it ended with.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use rhai::Dynamic;
use serde_json::{Map, json};

use super::super::passes::{Caller, Passes};
use super::super::{Host, Started};
use crate::effects::{Effect, Gate, Order, Origin};
use crate::engine::outcome::Outcome;
use crate::error::{Error, Kind, Result};
use crate::report;
use crate::script::header::Header;
use crate::script::library::{self, Script};
use crate::script::program::Program;
use crate::script::run;

/// Runs one.
pub(super) fn perform(
    host: &Host,
    file: Option<&PathBuf>,
    name: &str,
    outcome: &Path,
) -> Result<u8> {
    end_with_parent();
    let ended = file
        .ok_or_else(|| Error::internal("a test without its script"))
        .and_then(|file| tested(host, file, name));
    let error = ended
        .as_ref()
        .err()
        .map(|error| report::json(error)["error"].take());
    let text = json!({ "error": error }).to_string();
    fs::write(outcome, text).map_err(|error| Error::io("write", outcome, &error))?;
    ended
}

/// Ends this process as soon as who has started it is gone, which closes the pipe that this reads.
fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(i32::from(Kind::Interrupted.exit_code()));
    });
}

fn tested(host: &Host, file: &Path, name: &str) -> Result<u8> {
    let script = library::read(file)?;
    let header = script.header()?;
    let config = host.config()?;
    if !config.is_sandbox() {
        return Err(Error::usage(
            "a test is run on a sandbox: --context sandbox",
        ));
    }
    let started = host.run(config, Gate::performing(Effect::Destroy))?;
    let passes = Passes {
        host,
        started: &started,
        script: Box::new(|| called(&started, &script, &header, name)),
        caller: Caller::Command(name.to_owned()),
    };
    // What it changes is done as it comes: there is nobody to look at a plan.
    let code = passes.run(Order {
        command: host.command.clone(),
        origin: Origin::Host,
        arguments: Map::new(),
        effect: Effect::Write,
        began: started.session.now(),
    })?;
    match started.session.interrupt().exit_code() {
        None => Ok(code),
        Some(code) => Err(Error::new(
            Kind::Script,
            format!("exit({code}) ended the test before its end"),
        )
        .hint(
            "run the command as an operator would, and look at its code: sandbox::run([…]).code",
        )),
    }
}

/// Calls the test. What it gives back is nobody's business.
fn called(started: &Started, script: &Script, header: &Header, name: &str) -> Result<Outcome> {
    let program = Program::of(script, header);
    let _ = run::call(&started.engine, &started.session, &program, name)?;
    Ok(Outcome::of(Dynamic::UNIT))
}
