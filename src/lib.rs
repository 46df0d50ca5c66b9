//! dashictl, the operations shell of the dashi spatial data lake: every operation is a function of an embedded script
//! engine, and every command is a script.
//!
//! The rooms: `cli` (what was typed), `config` (what it means), `script` (what a script is), `engine` (Rhai), `modules`
//! (what scripts may call), `effects` (the gate before every change), `clients` (the services), `lake` (dashi's own
//! knowledge), `inventory` (what is really there: the catalogue and the buckets, read completely and joined), `host`
//! (commands that deal with scripts themselves), `scratch` (tables on disk for what may not fit in memory), `local_file`
//! (what is sent to the lake), `cron` (when a pattern comes next), `access` (which group stands for which role in which domain), `named_paths` (what was typed as one), `sandbox` (the embedded lake), `parent` (with whom this process ends), `output`, `progress`, `prompt`, `table` and `report` (what is
//! printed). This file runs one command and is the one place where an error is printed.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod access;
pub mod cli;
pub mod clients;
pub mod config;
pub mod cron;
pub mod effects;
pub mod engine;
pub mod error;
pub mod file;
pub mod host;
pub mod inventory;
pub mod lake;
pub mod local_file;
mod modules;
pub mod named_paths;
pub mod output;
mod parent;
pub mod progress;
pub mod prompt;
mod repl;
pub mod report;
pub mod sandbox;
mod scratch;
pub mod script;
pub mod session;
pub mod sources;
pub mod table;
pub mod time;
#[cfg(feature = "iceberg")]
pub mod warehouse;

use std::ffi::OsString;
use std::process::ExitCode;
use std::thread;

use crate::cli::{Parsed, Printed};
use crate::config::Environment;
use crate::error::{Error, Kind, Result};
use crate::output::{Colour, Console};
use crate::script::library::Library;

/// The engine's native stack grows with every script call; the main thread's 8 MiB are the system's to choose.
const STACK: usize = 64 << 20;

/// Runs one command line and prints its error, if it ends in one.
#[must_use]
pub fn run(arguments: Vec<OsString>, environment: Environment) -> ExitCode {
    let work = move || run_here(&arguments, &environment);
    let code = match thread::Builder::new()
        .name("script".to_owned())
        .stack_size(STACK)
        .spawn(work)
    {
        Ok(thread) => thread.join().unwrap_or(Kind::Internal.exit_code()),
        Err(error) => {
            let console = Console::of_process(false, Colour::Never, true);
            fail(
                &Error::new(Kind::Io, "no thread could be started").cause(error.to_string()),
                &console,
            )
        }
    };
    ExitCode::from(code)
}

fn run_here(arguments: &[OsString], environment: &Environment) -> u8 {
    parent::end_with(environment);
    let console = Console::of_process(
        cli::wants_json(arguments),
        cli::wanted_colour(arguments),
        output::plain_wanted(environment),
    );
    match perform(arguments, environment, &console) {
        Ok(code) => code,
        Err(error) => fail(&error, &console),
    }
}

fn perform(arguments: &[OsString], environment: &Environment, console: &Console) -> Result<u8> {
    if cli::asks_for_version(arguments) {
        console.print(concat!("dashictl ", env!("CARGO_PKG_VERSION"), "\n"))?;
        return Ok(0);
    }
    if let Some(shell) = environment.get(host::complete::VARIABLE) {
        return host::complete::answer(shell, arguments, environment);
    }
    let library = Library::find(environment);
    match cli::parse(&library, arguments, environment)? {
        Parsed::Printed(printed) => help(&printed, console),
        Parsed::Invocation(invocation) => {
            host::perform(*invocation, &library, environment, console)
        }
    }
}

/// Help is data where it was asked for, and the answer to a wrong command line where it was not.
fn help(printed: &Printed, console: &Console) -> Result<u8> {
    for warning in &printed.warnings {
        console.warn(warning);
    }
    if printed.was_asked_for {
        console.print(&printed.text)?;
        return Ok(0);
    }
    if console.json() {
        let error = Error::usage("the command line names no command");
        return Err(error.hint("dashictl --help lists them"));
    }
    console.say(printed.text.trim_end());
    Ok(Kind::Usage.exit_code())
}

/// The one place where an error is printed. Gives the exit code.
fn fail(error: &Error, console: &Console) -> u8 {
    if error.kind() != Kind::Closed {
        console.say_error(error);
    }
    error.kind().exit_code()
}
