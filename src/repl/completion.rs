//! What could stand at the cursor: names of the language and of this session, functions, members of a value, options, and in a
//! text the names that the lake has.

use std::collections::BTreeSet;

use super::command;
use super::cursor::{Argument, Place, at_end};
use super::guess::Guess;
use super::receiver::Receiver;
use super::shell::Shell;
use crate::script::library::standard_names;
use crate::script::tokens::pieces;

/// So many letters are shown of what something is.
const MOST: usize = 60;

/// Words of the language that begin something.
const KEYWORDS: [&str; 22] = [
    "let", "const", "if", "else", "switch", "for", "in", "while", "loop", "do", "until", "break",
    "continue", "return", "throw", "try", "catch", "fn", "import", "as", "true", "false",
];

/// Something that could stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// It, as it would be typed.
    pub(super) text: String,
    /// What it is, in a few words.
    pub(super) about: String,
}

impl Candidate {
    /// One with what it is.
    pub(super) fn new(text: impl Into<String>, about: impl Into<String>) -> Candidate {
        Candidate {
            text: text.into(),
            about: about.into(),
        }
    }

    /// It, as a list shows it: with one sentence at most, as far as it is short.
    pub(super) fn shown(&self) -> String {
        let sentence = self.about.split(". ").next().unwrap_or_default();
        let sentence = sentence.lines().next().unwrap_or_default();
        if sentence.is_empty() {
            return self.text.clone();
        }
        let mut about: String = sentence.chars().take(MOST).collect();
        if about.len() < sentence.len() {
            about.push('…');
        }
        format!("{}  {about}", self.text)
    }

    /// Whether it is the key of an option.
    fn is_key(&self, name: &str) -> bool {
        self.text.strip_suffix(": ") == Some(name)
    }
}

/// What could stand at the end of a text, and the byte where it would begin.
pub(super) fn complete(shell: &Shell, text: &str) -> (usize, Vec<Candidate>) {
    if text.trim_start().starts_with(':') {
        return command::complete(shell, text);
    }
    let pieces = pieces(text);
    let (start, place) = at_end(text, &pieces);
    let typed = &text[start..];
    let mut found = match &place {
        Place::Name => names(shell),
        Place::Qualified(root) => qualified(shell, root),
        Place::Member(receiver) => members(shell, receiver),
        Place::Option(function, given) => {
            let mut options = options(shell, function);
            options.retain(|option| !given.iter().any(|name| option.is_key(name)));
            options
        }
        Place::Text(argument) => texts(shell, argument, typed),
        Place::Value(key) => values(shell, key),
        Place::Import => libraries(),
        Place::Nothing => Vec::new(),
    };
    found.retain(|candidate| candidate.text.starts_with(typed));
    found.sort_by(|a, b| a.text.cmp(&b.text));
    found.dedup_by(|a, b| a.text == b.text);
    (start, found)
}

fn names(shell: &Shell) -> Vec<Candidate> {
    let registry = &shell.started.engine.registry;
    let spaces = registry
        .namespaces
        .iter()
        .filter(|space| !space.name.is_empty());
    let spaces = spaces.map(|space| Candidate::new(format!("{}::", space.name), space.summary));
    let imports = shell
        .imports
        .iter()
        .map(|import| Candidate::new(format!("{}::", import.alias), &import.path));
    let own = shell
        .functions
        .iter_functions()
        .filter(|own| !own.name.contains('$'));
    let own = own.map(|own| Candidate::new(format!("{}(", own.name), own.params.join(", ")));
    let free = registry
        .functions()
        .filter(|function| function.namespace.is_empty() && !function.method);
    let free =
        free.map(|function| Candidate::new(format!("{}(", function.name), function.summary()));
    let variables = shell
        .scope
        .iter_raw()
        .map(|(name, _, value)| Candidate::new(name, value.type_name()));
    let variables = variables.filter(|variable| variable.text != super::entry::LAST);
    let keywords = KEYWORDS.iter().map(|word| Candidate::new(*word, ""));
    spaces
        .chain(imports)
        .chain(own)
        .chain(free)
        .chain(variables)
        .chain(keywords)
        .collect()
}

fn qualified(shell: &Shell, root: &str) -> Vec<Candidate> {
    let engine = &shell.started.engine;
    if let Some(space) = engine.registry.namespace(root) {
        let call = |function: &std::sync::Arc<crate::engine::registry::Function>| {
            Candidate::new(format!("{}(", function.name), function.summary())
        };
        return space.functions.iter().map(call).collect();
    }
    let names = shell.functions_of(root);
    names
        .into_iter()
        .map(|(name, parameters)| Candidate::new(format!("{name}("), parameters))
        .collect()
}

fn members(shell: &Shell, receiver: &Receiver) -> Vec<Candidate> {
    let guess = Guess::of(shell, receiver);
    let properties = guess.properties().into_iter();
    let properties = properties
        .filter(|name| is_property(name))
        .map(|name| Candidate::new(name, ""));
    let methods = guess
        .kind()
        .into_iter()
        .flat_map(|kind| methods(shell, kind));
    properties.chain(methods).collect()
}

fn methods(shell: &Shell, kind: std::any::TypeId) -> impl Iterator<Item = Candidate> {
    let names: BTreeSet<&String> = shell.vocabulary.methods(kind).collect();
    names
        .into_iter()
        .map(|name| Candidate::new(format!("{name}("), ""))
}

/// Whether a key can be written behind a dot.
fn is_property(name: &str) -> bool {
    name.starts_with(char::is_alphabetic)
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn options(shell: &Shell, function: &str) -> Vec<Candidate> {
    let registry = &shell.started.engine.registry;
    let rows = registry
        .find(function)
        .flat_map(|function| function.options);
    rows.map(|row| {
        Candidate::new(
            format!("{}: ", row.name),
            row.doc.lines().next().unwrap_or_default().trim(),
        )
    })
    .collect()
}

/// The names that the lake has of what stands behind a key.
fn values(shell: &Shell, key: &str) -> Vec<Candidate> {
    let source = match key {
        "bucket" => "buckets",
        "domain" | "domains" | "collection" | "collections" => "domains",
        "deployment" => "deployments",
        _ => return Vec::new(),
    };
    let names = shell.live_names.of(shell.session(), source);
    names
        .into_iter()
        .map(|name| Candidate::new(name, ""))
        .collect()
}

/// The libraries that ship with the program.
fn libraries() -> Vec<Candidate> {
    let names = standard_names().into_iter();
    names
        .map(|name| Candidate::new(format!("std/{name}"), ""))
        .collect()
}

/// The names that the lake has of what an argument is.
fn texts(shell: &Shell, argument: &Argument, typed: &str) -> Vec<Candidate> {
    let registry = &shell.started.engine.registry;
    let parameter = registry.find(&argument.function).find_map(|function| {
        function
            .parameters
            .get(argument.index)
            .map(|parameter| parameter.name)
    });
    let space = argument.function.split("::").next().unwrap_or_default();
    let source = match (space, parameter) {
        ("stac", Some("collection")) | (_, Some("domain")) => "domains".to_owned(),
        ("stac", Some("id")) => match argument.before.first() {
            None => "domains".to_owned(),
            Some(Some(collection)) => format!("items/{collection}"),
            Some(None) => return Vec::new(),
        },
        (_, Some("bucket" | "uri" | "from" | "to")) => "buckets".to_owned(),
        ("prefect", Some("deployment")) => "deployments".to_owned(),
        ("prefect", Some("name")) if argument.function.ends_with("deployment") => {
            "deployments".to_owned()
        }
        ("prefect", Some("id" | "run")) => "flow_runs".to_owned(),
        ("identity", Some("user" | "name")) => "users".to_owned(),
        ("identity", Some("role")) => "roles".to_owned(),
        ("iceberg", Some("table")) => "tables".to_owned(),
        ("k8s", Some("target")) => "pods".to_owned(),
        _ => return Vec::new(),
    };
    let is_uri = parameter != Some("bucket") && source == "buckets";
    let typed_bucket = typed.strip_prefix("s3://").unwrap_or_default();
    if is_uri && typed_bucket.contains('/') {
        return Vec::new();
    }
    let names = shell.live_names.of(shell.session(), &source);
    names
        .into_iter()
        .map(|name| {
            Candidate::new(
                if is_uri {
                    format!("s3://{name}/")
                } else {
                    name
                },
                "",
            )
        })
        .collect()
}
