//! The commands of the prompt itself, which begin with a colon: they deal with the session, not with the lake.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::Instant;

use jiff::Timestamp;

use super::completion::Candidate;
use super::history::{History, without_secrets};
use super::kept::{changed_by_another, ends_the_run, runbook};
use super::shell::{Manner, SOURCE, Shell};
use super::subcommand;
use crate::engine::outcome::Outcome;
use crate::engine::value::{one_line, type_name};
use crate::error::{Error, Kind, Result, nearest};
use crate::host::doc;
use crate::script::library::{Library, has_ending};
use crate::time::spell;

/// The commands: name, argument, what it does.
const COMMANDS: [(&str, &str, &str); 17] = [
    ("help", "", "What there is to type"),
    ("doc", "NAME", "What a function, namespace or command does"),
    ("ctx", "[NAME]", "Go to another context, or list them"),
    ("vars", "", "The variables"),
    ("type", "ENTRY", "The type of what an entry gives back"),
    ("time", "ENTRY", "How long an entry takes"),
    (
        "json",
        "[ENTRY]",
        "Show it as JSON; alone: everything from now on, or no more",
    ),
    (
        "edit",
        "",
        "Write the next entry in $EDITOR, beginning with the last one",
    ),
    ("save", "FILE", "Write the session as a runbook"),
    ("load", "FILE", "Run the text of a file as an entry"),
    (
        "run",
        "COMMAND",
        "Run a command of dashictl here, as in :run domain list",
    ),
    ("apply", "", "Do what was planned last"),
    ("dry", "", "Only plan from now on, or no more"),
    (
        "arm",
        "CONTEXT",
        "Let a protected context be changed for 15 minutes",
    ),
    (
        "history",
        "[TEXT]",
        "What was typed before, with when, where and how long",
    ),
    ("clear", "", "Forget variables, functions and imports"),
    ("quit", "", "Leave, as Ctrl-D does"),
];

/// So many entries of the history are shown.
const SHOWN: usize = 200;

/// What a command leads to.
pub(super) enum Next {
    /// The next entry.
    Go(u8),
    /// A command that has failed, and has said so.
    Failed(u8),
    /// The end.
    Leave,
}

/// Does what was typed behind a colon.
pub(super) fn run(shell: &mut Shell, typed: &str) -> Result<Next> {
    let typed = typed.trim().trim_start_matches(':');
    let (name, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
    let rest = rest.trim();
    match full_name(name)? {
        "help" => help(shell)?,
        "doc" => print_doc(shell, rest)?,
        "ctx" if rest.is_empty() => contexts(shell)?,
        "ctx" => shell.go_to(rest)?,
        "vars" => variables(shell)?,
        "type" => {
            shell.run(
                needed(rest, "type", "ENTRY")?,
                Manner {
                    quiet: true,
                    ..Manner::default()
                },
            )?;
            let kind = type_name(&shell.given);
            shell.console.print(&format!("{kind}\n"))?;
        }
        "time" => return timed(shell, needed(rest, "time", "ENTRY")?),
        "json" if rest.is_empty() => {
            shell.is_json = !shell.is_json;
            let form = if shell.is_json { "JSON" } else { "tables" };
            shell.console.note(&format!("results are shown as {form}"));
        }
        "json" => {
            return shell
                .run(
                    rest,
                    Manner {
                        json: true,
                        ..Manner::default()
                    },
                )
                .map(Next::Go);
        }
        "edit" => return edited(shell),
        "save" => save(shell, needed(rest, "save", "FILE")?)?,
        "load" => return load(shell, needed(rest, "load", "FILE")?),
        "run" => {
            return match subcommand::run(shell, needed(rest, "run", "COMMAND")?)? {
                0 => Ok(Next::Go(0)),
                code => Ok(Next::Failed(code)),
            };
        }
        "apply" => return apply(shell),
        "dry" if !rest.is_empty() => {
            return Err(
                Error::usage(":dry takes no entry: it is for all that follow")
                    .hint("type :dry, then the entry, then :apply"),
            );
        }
        "dry" => shell.globals.dry_run = !shell.globals.dry_run,
        "arm" => shell.arm(needed(rest, "arm", "CONTEXT")?)?,
        "history" => past(shell, rest)?,
        "clear" => shell.clear(),
        _ => return Ok(Next::Leave),
    }
    Ok(Next::Go(0))
}

/// The command that is meant: its name, or a beginning that no other has.
fn full_name(name: &str) -> Result<&'static str> {
    let names = COMMANDS.iter().map(|(name, _, _)| *name);
    if let Some(known) = names.clone().find(|known| *known == name) {
        return Ok(known);
    }
    let begins: Vec<&str> = names
        .clone()
        .filter(|known| known.starts_with(name))
        .collect();
    match begins.as_slice() {
        [only] if !name.is_empty() => Ok(only),
        [] => Err(Error::usage(format!("there is no command ':{name}'"))
            .suggest(
                nearest(name, names)
                    .map(|near| format!(":{near}"))
                    .as_deref(),
            )
            .hint(":help lists them")),
        several => Err(
            Error::usage(format!("':{name}' may be {}", several.join(", ")))
                .hint(":help lists them"),
        ),
    }
}

fn needed<'t>(rest: &'t str, name: &str, what: &str) -> Result<&'t str> {
    if rest.is_empty() {
        return Err(
            Error::usage(format!(":{name} needs more")).hint(format!("as in :{name} {what}"))
        );
    }
    Ok(rest)
}

fn help(shell: &Shell) -> Result<()> {
    let mut text = String::from(
        "Type statements of Rhai; the value of the last one is shown, and is _ from then on.\n\
         An entry goes over several lines until it is whole. Ctrl-C stops it, Ctrl-D leaves.\n\
         What writes asks first; what destroys shows its plan, and asks for the name.\n\
         A space before an entry keeps it out of the history.\n\n  stac::collections().map(|it| it.id)\n  s3::du(\"s3://landing/\")\n\n",
    );
    for (name, argument, about) in COMMANDS {
        let typed = format!(":{name} {argument}");
        text.push_str(&format!("  {typed:<16} {about}\n"));
    }
    shell.console.print(&text)
}

fn print_doc(shell: &Shell, name: &str) -> Result<()> {
    let library = Library::find(&shell.environment);
    let name: Vec<String> = name
        .split_whitespace()
        .map(|word| word.trim_end_matches('(').to_owned())
        .collect();
    doc::show(&shell.console, &shell.started.engine, &library, &name)
}

fn contexts(shell: &Shell) -> Result<()> {
    let config = shell.session().config();
    let names = config.context_names().map(|name| {
        let here = if name == config.context() { "here" } else { "" };
        serde_json::json!({"context": name, "": here})
    });
    let rows: Vec<_> = names.collect();
    shell.show(&Outcome::table(rows.into(), &["context", ""]))
}

fn variables(shell: &Shell) -> Result<()> {
    let mut rows: Vec<_> = shell
        .scope
        .iter_raw()
        .map(|(name, _, value)| serde_json::json!({"name": name, "type": type_name(value), "value": brief(&one_line(value))}))
        .collect();
    let functions = shell.functions.iter_functions();
    rows.extend(
        functions
            .filter(|function| !function.name.contains('$'))
            .map(|function| {
                let called = format!("{}({})", function.name, function.params.join(", "));
                serde_json::json!({"name": called, "type": "function", "value": ""})
            }),
    );
    rows.reverse();
    let mut seen = std::collections::BTreeSet::new();
    rows.retain(|row| seen.insert(row["name"].to_string()));
    shell.show(&Outcome::table(rows.into(), &["name", "type", "value"]))
}

/// A value that is only to be told from others.
fn brief(text: &str) -> String {
    const LETTERS: usize = 60;
    let mut brief: String = text.chars().take(LETTERS).collect();
    if brief.len() < text.len() {
        brief.push('…');
    }
    brief
}

fn timed(shell: &mut Shell, entry: &str) -> Result<Next> {
    let begun = Instant::now();
    let ended = shell.run(entry, Manner::default());
    shell
        .console
        .note(&format!("{:.3} s", begun.elapsed().as_secs_f64()));
    ended.map(Next::Go)
}

/// The next entry, written in an editor.
fn edited(shell: &mut Shell) -> Result<Next> {
    let text = shell.latest.clone();
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, "the entry could not be handed to an editor").cause(error.to_string())
    };
    let file = tempfile::Builder::new()
        .prefix("dashictl-")
        .suffix(".rhai")
        .tempfile()
        .map_err(failed)?;
    std::fs::write(file.path(), &text).map_err(failed)?;
    let editor = shell
        .environment
        .get("VISUAL")
        .or(shell.environment.get("EDITOR"))
        .unwrap_or("vi")
        .to_owned();
    // Through a shell: the variable may hold arguments too.
    let ended = Process::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(file.path())
        .status();
    let ended = ended.map_err(|error| failed(error).hint(format!("it is {editor}: set EDITOR")))?;
    if !ended.success() {
        return Err(
            Error::usage(format!("{editor} ended with {ended}: nothing was run"))
                .hint("set EDITOR"),
        );
    }
    let edited = std::fs::read_to_string(file.path()).map_err(failed)?;
    if edited.trim().is_empty() || edited.trim_end() == text.trim_end() {
        shell
            .console
            .note("nothing was changed, and nothing is run");
        return Ok(Next::Go(0));
    }
    shell.console.say(edited.trim_end());
    shell.edited = Some(edited.trim_end().to_owned());
    shell.run(&edited, Manner::default()).map(Next::Go)
}

/// A path as it is typed: of the home folder with `~`, perhaps in quotes.
fn typed_path(shell: &Shell, typed: &str) -> PathBuf {
    let typed = typed.trim_matches(['"', '\'']);
    match (typed.strip_prefix("~/"), shell.environment.get("HOME")) {
        (Some(below), Some(home)) => Path::new(home).join(below),
        _ => PathBuf::from(typed),
    }
}

fn save(shell: &Shell, path: &str) -> Result<()> {
    let path = &typed_path(shell, path);
    if shell.kept.is_empty() {
        return Err(Error::usage("nothing was typed yet that could be saved"));
    }
    let text = runbook(&shell.kept, &shell.imports, Timestamp::now());
    for name in changed_by_another(&shell.kept) {
        shell.console.warn(&format!(
            "{name} was another function when it was used to change something: the runbook calls the last one"
        ));
    }
    if ends_the_run(&shell.kept) {
        shell.console.warn(
            "an entry leaves before its end, with return: the runbook ends there, where the prompt went on",
        );
    }
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::usage(format!(
            "{} is there already, and is not written over",
            path.display()
        ))
        .hint("name another file"),
        _ => Error::io("write", path, &error),
    };
    if without_secrets(shell.session(), &text) != text {
        shell.console.warn(
            "what was typed looks as if it held a secret, and is saved as it is: put env::secret(\"NAME\") in its place",
        );
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    shell.console.note(&format!(
        "{0}: dashictl check {0} looks at it, dashictl run {0} runs it",
        path.display()
    ));
    Ok(())
}

fn load(shell: &mut Shell, path: &str) -> Result<Next> {
    let path = &typed_path(shell, path);
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::io("read", path, &error)
            .hint("a path is from the folder that dashictl was started in; Tab completes it")
    })?;
    let before = shell.lines();
    let code = shell
        .run(&text, Manner::default())
        .map_err(|error| in_file(error, path, before))?;
    if shell
        .functions
        .iter_functions()
        .any(|function| function.name == "main")
    {
        shell
            .console
            .note("main is defined: main(#{ … }) calls it with its arguments");
    }
    Ok(Next::Go(code))
}

/// An error of a file that was loaded, with its place there.
fn in_file(mut error: Error, path: &Path, before: usize) -> Error {
    let Some(trace) = error.detail_mut().trace.as_mut() else {
        return error;
    };
    let calls = trace.calls.iter_mut().map(|(_, place)| place);
    for place in trace.at.iter_mut().chain(calls) {
        if place.source == SOURCE && place.line > before {
            place.source = path.display().to_string();
            place.line -= before;
        }
    }
    error
}

fn apply(shell: &mut Shell) -> Result<Next> {
    shell.refuse_protected()?;
    let planned = shell.planned.take();
    let planned = planned.ok_or_else(|| {
        Error::usage("nothing is planned").hint("with :dry, what changes something is only planned")
    })?;
    if let Some(other) = shell.differs(&planned) {
        return Err(Error::new(
            Kind::Conflict,
            format!("{other} is not what it was when this was planned"),
        )
        .hint(format!(
            "type it again, and look at the plan: {}",
            planned.typed.trim()
        )));
    }
    let manner = Manner {
        apply: Some(planned.destroys),
        ..Manner::default()
    };
    let ended = shell.run(&planned.typed, manner);
    if ended.is_err() && shell.planned.is_none() {
        // What was declined can be had again.
        shell.planned = Some(planned);
    }
    ended.map(Next::Go)
}

fn past(shell: &Shell, text: &str) -> Result<()> {
    let past = History::of(&shell.environment)?.read();
    let found: Vec<_> = past
        .iter()
        .filter(|past| past.entry.contains(text))
        .collect();
    let left_out = found.len().saturating_sub(SHOWN);
    if left_out > 0 {
        shell.console.note(&format!(
            "the last {SHOWN} of {}: :history TEXT finds others",
            found.len()
        ));
    }
    let rows = found[left_out..].iter().map(|past| {
        let took = std::time::Duration::try_from_secs_f64(past.seconds)
            .map_or_else(|_| String::new(), spell);
        let at = past.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        serde_json::json!({"at": at, "context": past.context, "took": took, "entry": past.entry})
    });
    shell.show(&Outcome::table(
        rows.collect::<Vec<_>>().into(),
        &["at", "context", "took", "entry"],
    ))
}

/// What could stand at the end of a command.
pub(super) fn complete(shell: &Shell, text: &str) -> (usize, Vec<Candidate>) {
    let start = text.len() - text.trim_start().trim_start_matches(':').len();
    let Some((name, rest)) = text[start..].split_once(' ') else {
        let typed = &text[start..];
        let found = COMMANDS
            .iter()
            .filter(|(name, _, _)| name.starts_with(typed));
        return (
            start,
            found
                .map(|(name, _, about)| Candidate::new(*name, *about))
                .collect(),
        );
    };
    let behind = text.len() - rest.len();
    match full_name(name) {
        Ok("ctx" | "arm") => {
            let names = shell
                .session()
                .config()
                .context_names()
                .filter(|name| name.starts_with(rest));
            (behind, names.map(|name| Candidate::new(name, "")).collect())
        }
        Ok("load" | "save") => (behind, files(shell.session().folder(), rest)),
        Ok("type" | "time" | "json" | "doc") => {
            let (start, found) = super::completion::complete(shell, rest);
            (behind + start, found)
        }
        _ => (text.len(), Vec::new()),
    }
}

/// The scripts and folders whose paths begin as typed. Hidden ones are for who types the dot.
fn files(working: &Path, typed: &str) -> Vec<Candidate> {
    let (folder, begun) = match typed.rfind('/') {
        Some(at) => typed.split_at(at + 1),
        None => ("", typed),
    };
    let entries = fs::read_dir(working.join(folder))
        .into_iter()
        .flatten()
        .flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let is_folder = entry.path().is_dir();
        let is_script = has_ending(&entry.path());
        let is_wanted = name.starts_with(begun) && (is_folder || is_script);
        let is_shown = begun.starts_with('.') || !name.starts_with('.');
        let end = if is_folder { "/" } else { "" };
        (is_wanted && is_shown).then(|| Candidate::new(format!("{folder}{name}{end}"), ""))
    });
    let mut named: Vec<Candidate> = named.collect();
    named.sort_by(|one, other| one.text.cmp(&other.text));
    named
}
