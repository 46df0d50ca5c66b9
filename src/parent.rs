//! Programs that this one starts of itself, tests and the commands in them, end when it does, however it does.

use std::path::PathBuf;
use std::process::{Stdio, exit};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal, test_kill_process};

use tokio::process::Command;

use crate::config::Environment;
use crate::error::{Error, Kind, Result};

/// The variable that names the process with which this one is to end.
const VARIABLE: &str = "DASHICTL_PARENT";

/// The file of this program.
pub(crate) fn program() -> Result<PathBuf> {
    std::env::current_exe()
        .map_err(|error| Error::new(Kind::Io, "dashictl cannot find itself").caused_by(&error))
}

/// This program once more, with these variables and no others and nothing to read. It ends with this process.
pub(crate) fn child<'a>(variables: impl IntoIterator<Item = (&'a str, String)>) -> Result<Command> {
    let mut command = Command::new(program()?);
    command
        .env_clear()
        .envs(variables)
        .env(VARIABLE, std::process::id().to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

/// Ends this process when the one that has started it ends, where that has asked for it.
pub(crate) fn end_with(environment: &Environment) {
    let named = environment.get(VARIABLE).and_then(|pid| pid.parse().ok());
    let Some(parent) = named.and_then(Pid::from_raw) else {
        return;
    };
    if getppid() == Some(parent) {
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
    }
    // It may have ended before it could be watched: then this process is an orphan. What others have started of us is theirs.
    let now = getppid();
    let is_orphan = now.is_none_or(Pid::is_init) || test_kill_process(parent).is_err();
    if now != Some(parent) && is_orphan {
        exit(i32::from(Kind::Interrupted.exit_code()));
    }
}
