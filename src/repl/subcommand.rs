//! `:run`: a command of dashictl at the prompt, in the context that the prompt is in. It runs as a process of its own, as in a shell.

use std::process::Command;

use super::shell::Shell;
use crate::config::{Key, split};
use crate::error::{Error, Kind, Result};
use crate::parent::program;
use crate::script::library::{HOST_COMMANDS, Library};

/// Runs a command line, with the terminal. Gives its exit code.
pub(super) fn run(shell: &Shell, line: &str) -> Result<u8> {
    let mut words =
        split(line).map_err(|why| Error::usage(format!("the command line {why}: {line}")))?;
    if words.first().is_some_and(|first| first == "dashictl") {
        words.remove(0);
    }
    if let Some(flag) = words.first().filter(|first| first.starts_with('-')) {
        return Err(Error::usage(format!("'{flag}' stands before the command"))
            .hint("the command comes first, as in :run domain list --json"));
    }
    if words.first().is_none_or(|first| first == "repl") {
        return Err(Error::usage("this is the prompt already").hint("as in :run domain list"));
    }
    refuse_elsewhere(shell, &words)?;
    let mut command = Command::new(program()?);
    command
        .env_clear()
        .envs(shell.environment.pairs())
        .args(flags(shell))
        .args(&words);
    let ended = command
        .status()
        .map_err(|error| Error::new(Kind::Io, "dashictl cannot be run").caused_by(&error))?;
    Ok(u8::try_from(ended.code().unwrap_or(1)).unwrap_or(1))
}

/// Fails for what would not go where the prompt is, or would not only be planned where it may change nothing.
fn refuse_elsewhere(shell: &Shell, words: &[String]) -> Result<()> {
    let is_context = |word: &&String| *word == "--context" || word.starts_with("--context=");
    if words.iter().any(|word| is_context(&word)) {
        return Err(
            Error::usage("the command runs in the context of the prompt")
                .hint(":ctx NAME goes to another, and then :run …"),
        );
    }
    let first = words.first().map_or("", String::as_str);
    if only_plans(shell) && ["sandbox", "trust"].contains(&first) {
        return Err(
            Error::usage(format!("'{first}' has no dry run, and here it is one"))
                .hint("run it in a shell of its own"),
        );
    }
    Ok(())
}

/// What makes a command line mean what the prompt means: its lake, and whether it may be changed.
fn flags(shell: &Shell) -> Vec<String> {
    let globals = &shell.globals;
    let mut flags = Vec::new();
    if let Some(context) = &globals.flags.context {
        flags.extend(["--context".to_owned(), context.clone()]);
    }
    for (path, value) in &globals.flags.values {
        if let Some(flag) = Key::at(path).and_then(|key| key.flag) {
            flags.extend([format!("--{flag}"), value.clone()]);
        }
    }
    if only_plans(shell) && !globals.dry_run {
        shell.console.note(&format!(
            "the context '{}' is protected: changes are only planned",
            shell.session().config().context()
        ));
    }
    if only_plans(shell) {
        flags.push("--dry-run".to_owned());
    }
    if globals.yes {
        flags.push("--yes".to_owned());
    }
    flags
}

/// Whether nothing may be changed at this prompt.
fn only_plans(shell: &Shell) -> bool {
    shell.globals.dry_run || shell.refuse_protected().is_err()
}

/// Whether a command of dashictl begins with this word.
pub(super) fn begins_one(shell: &Shell, word: &str) -> bool {
    let library = Library::find(&shell.environment);
    let mut scripts = library.scripts.keys();
    HOST_COMMANDS.contains(&word)
        || scripts.any(|words| words.first().is_some_and(|first| first == word))
}
