//! One test in a process of its own: it may do anything on the sandbox of its HOME, and writes down what it ended with.

use std::fs;
use std::path::{Path, PathBuf};

use rhai::{Array, Dynamic};
use serde_json::{Map, json};

use super::super::passes::both;
use super::super::{Host, Started};
use crate::effects::{Effect, Gate, Order, Origin, State};
use crate::engine::raise::{Raised, caught};
use crate::engine::stream::Stream;
use crate::engine::view::View;
use crate::error::{Error, Kind, Result};
use crate::report;
use crate::script::check::with_excerpt;
use crate::script::header::Header;
use crate::script::library::{self, Script};
use crate::script::program::Program;
use crate::script::run;
use crate::session::Session;

/// Runs one.
pub(super) fn perform(
    host: &Host,
    file: Option<&PathBuf>,
    name: &str,
    outcome: &Path,
) -> Result<u8> {
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
    let session = &started.session;
    session.gate().set_order(Order {
        command: session.redact(&host.command),
        origin: Origin::Host,
        arguments: Map::new(),
        // Nobody looks at a plan, and nobody else is to hear of it.
        effect: Effect::Write,
        began: session.now(),
    });
    let called = called(&started, &script, &header, name);
    let deferred = session.run_deferred();
    // What it changes is done as it comes; how to go on with it is of no use to a lake that is gone in a moment.
    let failed = closed(session)?;
    let explained = |error| session.redacted(with_excerpt(error, session));
    both(session, called, deferred).map_err(explained)?;
    if failed > 0 {
        return Err(Error::new(
            Kind::Partial,
            format!("{failed} of its changes were not done"),
        ));
    }
    match session.interrupt().exit_code() {
        None => Ok(0),
        Some(code) => Err(Error::new(
            Kind::Script,
            format!("exit({code}) ended the test before its end"),
        )
        .hint(
            "run the command as an operator would, and look at its code: sandbox::run([…]).code",
        )),
    }
}

/// Ends the run where it has changed anything. Gives how many of its changes were not done.
fn closed(session: &Session) -> Result<u64> {
    let count = |state| {
        session
            .gate()
            .with_ledger(|ledger| ledger.count(true, Some(state)))
    };
    let failed = count(State::Failed)?.unwrap_or(0) + count(State::Left)?.unwrap_or(0);
    if let Some(recorder) = session.gate().recorder() {
        recorder.finish("done", None, &[])?;
    }
    Ok(failed)
}

/// Calls the test. What it gives back is nobody's business, but a list that is read as it comes has yet to fail.
fn called(started: &Started, script: &Script, header: &Header, name: &str) -> Result<()> {
    let program = Program::of(script, header);
    let given = run::call(&started.engine, &started.session, &program, name)?;
    drain(given).map_err(|error| caught(&error, program.source))
}

/// Reads all lists in a value.
fn drain(value: Dynamic) -> Raised<()> {
    let view = value.read_lock::<View>().map(|view| view.value.clone());
    if let Some(inner) = view {
        return drain(inner);
    }
    let stream = value.read_lock::<Stream>().map(|stream| stream.clone());
    while let Some(next) = stream.as_ref().and_then(Stream::pull) {
        drain(next?)?;
    }
    if let Some(values) = value.read_lock::<Array>() {
        values.iter().cloned().try_for_each(drain)?;
    }
    if let Some(map) = value.read_lock::<rhai::Map>() {
        map.values().cloned().try_for_each(drain)?;
    }
    Ok(())
}
