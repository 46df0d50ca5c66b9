//! `dashictl new`: a runbook to begin with, of one of the three effects, with tests that pass.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Host;
use crate::config::quoted;
use crate::effects::Effect;
use crate::error::{Error, Kind, Result};
use crate::script::library::{HOST_COMMANDS, Library, has_ending};

/// What a runbook of an effect begins as: its text, and what it is about where nobody says.
fn template(effect: Effect) -> (&'static str, &'static str) {
    match effect {
        Effect::Read => (
            include_str!("new/read.rhai"),
            "Count the items of each domain, the largest first.",
        ),
        Effect::Write => (
            include_str!("new/write.rhai"),
            "Give a retention to domains that have none.",
        ),
        Effect::Destroy => (
            include_str!("new/destroy.rhai"),
            "Delete the items of a domain that are older than they may be.",
        ),
    }
}

/// Writes it, and says what can be done with it.
pub(super) fn perform(
    host: &Host,
    library: &Library,
    name: &[String],
    effect: Effect,
    about: Option<&str>,
) -> Result<u8> {
    let place = Place::of(host, library, name)?;
    let about = about.map(sentence).transpose()?;
    let (text, usual) = template(effect);
    let text = text
        .replace("{{command}}", &place.command)
        .replace("{{words}}", &place.words.join(" "))
        .replace("{{about}}", about.as_deref().unwrap_or(usual));
    if host.globals.dry_run {
        host.console
            .note(&format!("would write {}:", place.path.display()));
        host.console.print(&text)?;
        return Ok(0);
    }
    write(&place.path, &text)?;
    let path = place.path.display().to_string();
    if host.console.json() {
        host.console.print(&format!(
            "{}\n",
            json!({"path": path, "command": place.command})
        ))?;
        return Ok(0);
    }
    host.console.print(&format!("{path}\n"))?;
    let path = quoted(&path);
    host.console.note("next:");
    let sandboxed = place
        .command
        .replacen("dashictl", "dashictl --context sandbox", 1);
    let usual = if effect == Effect::Destroy {
        " klima-historisch"
    } else {
        ""
    };
    for line in [
        format!("dashictl check {path}"),
        format!("dashictl test {path}"),
        format!("{sandboxed}{usual}"),
    ] {
        host.console.note(&format!("  {line}"));
    }
    Ok(0)
}

/// A text as the one line that a header begins with.
fn sentence(about: &str) -> Result<String> {
    let words: Vec<&str> = about
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    if line.is_empty() || line.contains("```") {
        return Err(
            Error::usage("--about says in a sentence what the runbook does")
                .hint("as in --about 'Count the items of each domain.'"),
        );
    }
    Ok(line)
}

/// Where a new runbook is, and how it is called.
struct Place {
    path: PathBuf,
    /// The words that call it where the scripts beside it are commands.
    words: Vec<String>,
    /// The command line that calls it here.
    command: String,
}

impl Place {
    /// Words make a command of the operator's own; a path is where it says.
    fn of(host: &Host, library: &Library, name: &[String]) -> Result<Place> {
        if let [path] = name
            && (path.contains('/') || has_ending(Path::new(path)))
        {
            return Place::at(path);
        }
        for word in name {
            if !is_word(word) {
                return Err(Error::usage(format!("'{word}' cannot be a word of a command"))
                    .hint("lower-case letters, digits and `-`, as in `dashictl new item sweep`; or a path: ./sweep.rhai"));
            }
        }
        refuse_taken(library, name)?;
        let scripts = host.environment.config_dir()?.join("scripts");
        let below: PathBuf = name.iter().collect();
        Ok(Place {
            path: scripts.join(below.with_extension("rhai")),
            words: name.to_vec(),
            command: format!("dashictl {}", name.join(" ")),
        })
    }

    fn at(path: &str) -> Result<Place> {
        let path = if has_ending(Path::new(path)) {
            path.to_owned()
        } else {
            format!("{path}.rhai")
        };
        let stem = Path::new(&path)
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let stem = stem.filter(|stem| is_word(stem)).ok_or_else(|| {
            Error::usage(format!("'{path}' cannot be the file of a command"))
                .hint("name it in lower-case letters, digits and `-`, as in ./sweep.rhai")
        })?;
        Ok(Place {
            command: format!("dashictl run {}", quoted(&path)),
            path: PathBuf::from(path),
            words: vec![stem],
        })
    }
}

fn is_word(word: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(is_letter)
}

/// Refuses the words of a command that is there, and those that the program keeps for its own.
fn refuse_taken(library: &Library, name: &[String]) -> Result<()> {
    let is_host = name
        .first()
        .is_some_and(|first| HOST_COMMANDS.contains(&first.as_str()));
    let taken = match name {
        [first, ..] if is_host => first.clone(),
        _ if library.scripts.contains_key(name) => name.join(" "),
        _ => return Ok(()),
    };
    let error = Error::new(
        Kind::Conflict,
        format!("'dashictl {taken}' is a command already"),
    );
    Err(error.hint("choose another name"))
}

/// Writes a file that must not be there yet.
fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .map_err(|error| Error::io("create the folder", folder, &error))?;
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Error::new(
            Kind::Conflict,
            format!("{} is there already", path.display()),
        )
        .hint("choose another name, or remove it first"),
        _ => Error::io("write", path, &error),
    })
}
