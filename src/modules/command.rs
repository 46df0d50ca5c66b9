//! `command::` — command lines of dashictl that are to be run elsewhere: what they would do and what they need. They are read
//! as if they were typed there, without the variables of this machine.

use std::ffi::OsString;
use std::path::Path;

use rhai::{Array, Dynamic};
use serde_json::{Value, json};

use crate::cli::{self, Action, Invocation, Parsed};
use crate::config::{Environment, Setting, quoted};
use crate::effects::Effect;
use crate::engine::call::Call;
use crate::engine::registry::{Namespace, native};
use crate::error::{Error, Result};
use crate::parent;
use crate::script::bundle::bundle;
use crate::script::header::{Header, Need};
use crate::script::library::{Library, Owner, Script};
use crate::script::shape::Shape;
use crate::session::Session;

/// What lets a command destroy, and whether a value follows.
const DESTROYING: [(&str, bool); 4] = [
    ("--apply", false),
    ("--yes", false),
    ("-y", false),
    ("--max-delete", true),
];

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(
        session,
        "command",
        "Command lines of dashictl that are to be run elsewhere.",
    );
    let ns = &mut namespace;
    native! { ns,
        /// Reads a command line, an array of words without `dashictl`, as it would be read where no variable is set. Gives
        /// `line` (its text), `settings` (the settings that its flags set), `words` (with the context of this run, where none is named), `effect`, `apply`, `yes`,
        /// `here` (the words that run it from another folder of this machine), `planning` (the words that only plan it), `max_delete`, `plan_out` (whether a plan is to be written), `context`, `arguments`, `paths` (the files of this machine that it names), `needs` (`service`, `right`, `rights` in the cluster as pairs, `namespace`),
        /// `options` (the flags that its script takes), and of a script that does not ship with the program `files` (`path` below
        /// a configuration folder, `text`) with `file` (the path of its script here); then `words` run it from `folder`. Throws `usage` where it cannot be run.
        ///
        /// ```rhai
        /// let told = command::parse(["domain", "list"]);
        /// [told.line, told.effect, told.needs[0].service, told.files]
        /// //=> ["dashictl --context sandbox domain list", "read", "stac", []]
        /// ```
        read fn parse(call, words: Array) -> "map"
            options as options {
                /// The configuration folder of where it will be run.
                folder: Text = "/etc/dashi",
                /// Words that it is given only where it is run.
                given: Array
            }
            {
                let words: Result<Vec<String>> = words.iter().map(word).collect();
                let folder = options.text("folder").map_or_else(|| "/etc/dashi".to_owned(), |text| text.to_string());
                let given: Result<Vec<String>> = options.array("given").unwrap_or_default().iter().map(word).collect();
                told(call, words?, &given?, Path::new(&folder))?
            }

        /// The file of the running program.
        ///
        /// ```rhai
        /// command::program().starts_with("/")
        /// //=> true
        /// ```
        read fn program(call) -> "string" {
            let _ = call;
            parent::program()?.display().to_string()
        }

        /// Words as a shell reads them again.
        ///
        /// ```rhai
        /// command::quoted(["eval", "1 + 1"])
        /// //=> "eval '1 + 1'"
        /// ```
        read fn quoted(call, words: Array) -> "string" {
            let _ = call;
            let words: Result<Vec<String>> = words.iter().map(word).collect();
            line(&words?)
        }
    }
    namespace
}

/// A word of a command line.
pub(super) fn word(value: &Dynamic) -> Result<String> {
    value
        .clone()
        .into_immutable_string()
        .map(|text| text.to_string())
        .map_err(|kind| Error::usage(format!("a {kind} is no word of a command line")))
}

fn line(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    quoted.join(" ")
}

/// A command line that was read, as scripts see it.
fn told(call: &Call, typed: Vec<String>, given: &[String], folder: &Path) -> Result<Value> {
    let session = call.session();
    let library = Library::find(session.environment());
    let invocation = read(&library, &[&typed, given].concat())?;
    let mut words = typed;
    let context = invocation.globals.flags.context.clone();
    let config = session.config();
    if context.is_none() && (config.context_is_named() || config.is_sandbox()) {
        words.splice(0..0, ["--context".to_owned(), config.context().to_owned()]);
    }
    let known = Known::of(&invocation)?;
    let mut files = Vec::new();
    let mut file = Value::Null;
    let text = format!("dashictl {}", line(&words));
    let mut here = words.clone();
    if let Some(script) = known.script.filter(|script| script.owner != Owner::Shipped) {
        let path = session.folder().join(&script.source);
        files = bundle(session, &script.source, &script.text)?;
        here = placed(words.clone(), script, &path);
        words = placed(words, script, &folder.join(&files[0].path));
        file = Value::from(path.display().to_string());
    }
    let changes = &invocation.globals.changes;
    Ok(json!({
        "line": text,
        "settings": invocation.globals.flags.values.iter().map(|(path, _)| *path).collect::<Vec<_>>(),
        "words": words,
        "here": here,
        "planning": cli::without_flags(words.iter().cloned(), &DESTROYING),
        "effect": known.effect.name(),
        "apply": changes.apply,
        "yes": invocation.globals.yes,
        "plan_out": changes.plan_out.is_some(),
        "max_delete": changes.max_delete,
        "context": context.unwrap_or_else(|| config.context().to_owned()),
        "paths": known.local_paths(),
        "arguments": known.arguments,
        "options": known.header.iter().flat_map(|header| &header.options).map(|option| option.name.as_str()).collect::<Vec<_>>(),
        "needs": known.header.iter().flat_map(|header| &header.needs).map(|need| needed(call, need)).collect::<Result<Vec<_>>>()?,
        "file": file,
        "files": files.iter().map(|file| json!({"path": file.path.display().to_string(), "text": file.text})).collect::<Vec<_>>(),
    }))
}

/// What a command line means. Variables of this machine say nothing about where it will be run.
fn read(library: &Library, words: &[String]) -> Result<Invocation> {
    let nowhere: Environment = std::iter::empty::<(String, String)>().collect();
    let arguments: Vec<OsString> = std::iter::once("dashictl")
        .chain(words.iter().map(String::as_str))
        .map(OsString::from)
        .collect();
    match cli::parse(library, &arguments, &nowhere)? {
        Parsed::Invocation(invocation) => Ok(*invocation),
        Parsed::Printed(_) => Err(Error::usage(format!(
            "'{}' only asks for help",
            line(words)
        ))),
    }
}

/// What is known of a command.
struct Known<'a> {
    script: Option<&'a Script>,
    header: Option<&'a Header>,
    effect: Effect,
    arguments: Value,
}

impl Known<'_> {
    /// The values of arguments and options that are paths, unless they are the header's defaults or URIs.
    fn local_paths(&self) -> Vec<&str> {
        let parameters = self.header.iter().flat_map(|header| header.parameters());
        let paths = parameters.filter(|parameter| parameter.shape == Shape::Path);
        paths
            .flat_map(|parameter| {
                let given = &self.arguments[parameter.field()];
                let one = given
                    .as_str()
                    .filter(|path| parameter.default.as_deref() != Some(path));
                let many = given
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                one.into_iter().chain(many)
            })
            .filter(|path| !path.contains("://"))
            .collect()
    }

    fn of(invocation: &Invocation) -> Result<Known<'_>> {
        let of_host = |effect, arguments| Known {
            script: None,
            header: None,
            effect,
            arguments,
        };
        Ok(match &invocation.action {
            Action::Script {
                script,
                header,
                arguments,
            } => Known {
                script: Some(script),
                header: Some(header),
                effect: header.effect,
                arguments: Value::Object(arguments.clone()),
            },
            Action::Eval { text, effect } => of_host(*effect, json!({"expression": text})),
            Action::TrashPurge { run, older_than } => of_host(
                Effect::Destroy,
                json!({"run": run, "older_than": older_than}),
            ),
            _ => {
                return Err(
                    Error::usage(format!("'{}' is not run elsewhere", invocation.command))
                        .hint("commands that are scripts are, run FILE, eval, and trash purge"),
                );
            }
        })
    }
}

/// A need with its rights taken apart, and the namespace that a setting names.
fn needed(call: &Call, need: &Need) -> Result<Value> {
    let config = call.session().config();
    let setting = |name: &String| config.setting(name).map(Setting::json).unwrap_or_default();
    let is_met = need
        .when
        .as_ref()
        .is_none_or(|name| !setting(name).is_null());
    let rights = if is_met {
        need.cluster_rights()?
    } else {
        Vec::new()
    };
    Ok(json!({
        "service": need.service,
        "right": need.right,
        "rights": rights,
        "namespace": need.namespace.as_ref().map(setting),
    }))
}

/// The words that run a script from where its files will be: its own words where that is the operator's folder, else `run` and its path.
fn placed(words: Vec<String>, script: &Script, path: &Path) -> Vec<String> {
    if script.path.is_none() && script.owner == Owner::Operator {
        return words;
    }
    let path = path.display().to_string();
    let typed = match script.path {
        Some(_) => 2,
        None => script.words.len(),
    };
    let is_there = |at: &usize| match script.path {
        Some(_) => words[*at] == "run",
        None => words[*at..].starts_with(&script.words),
    };
    let Some(at) = (0..words.len()).find(is_there) else {
        return words;
    };
    let mut placed = words;
    placed.splice(at..(at + typed).min(placed.len()), ["run".to_owned(), path]);
    placed
}
