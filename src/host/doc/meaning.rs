//! What a name may mean: a command, a namespace, a function, an option, a setting, a chapter, a library. The first is printed, and
//! of the others is said how to ask for them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::page::Page;
use super::{setting, text, topic};
use crate::engine::Engine;
use crate::engine::registry::{Function, NamespaceEntry};
use crate::error::Result;
use crate::script::header::Header;
use crate::script::library::{Library, Script};
use crate::script::library_doc::LibraryDoc;

/// What stands before the path of a chapter where its name alone means something else.
const BOOK: &str = "book/";

/// Something that a name may mean.
pub(super) enum Meaning<'a> {
    /// A command that is a script.
    Command(&'a Script),
    /// A namespace.
    Namespace(&'a NamespaceEntry),
    /// Functions of that name, of several types.
    Functions(Vec<&'a Arc<Function>>),
    /// Text of something else, and what it is.
    Text(&'static str, String),
    /// A chapter, or the page of all settings.
    Chapter(Page),
}

/// What there is to look in.
pub(super) struct Sources<'a> {
    pub(super) engine: &'a Engine,
    pub(super) library: &'a Library,
}

impl<'a> Sources<'a> {
    /// What a name may mean, the likeliest first.
    pub(super) fn meanings(&self, words: &[String]) -> Result<Vec<Meaning<'a>>> {
        let words = match words {
            [first, rest @ ..] if first == "dashictl" && !rest.is_empty() => rest,
            all => all,
        };
        let path = words.join(" ");
        let registry = &self.engine.registry;
        let mut found = Vec::new();
        if let Some(script) = self.library.scripts.get(words) {
            found.push(Meaning::Command(script));
        }
        let space = registry.namespace(path.trim_end_matches("::"));
        if let Some(space) = space.filter(|space| !space.name.is_empty()) {
            found.push(Meaning::Namespace(space));
        }
        let functions: Vec<_> = registry.find(&path).collect();
        if !functions.is_empty() {
            found.push(Meaning::Functions(functions));
        }
        found.extend(text::option(registry, &path).map(|text| Meaning::Text("option", text)));
        found.extend(setting::text(&path).map(|text| Meaning::Text("setting", text)));
        if path == "std" || path == "libraries" {
            let libraries = LibraryDoc::all(self.engine)?;
            found.push(Meaning::Text("list", text::libraries(&libraries)));
        }
        found.extend(text::methods(registry, &path).map(|text| Meaning::Text("type", text)));
        if path == setting::ALL {
            found.push(Meaning::Chapter(setting::page()));
        }
        found.extend(chapter(&path));
        // Reading the libraries takes a while.
        if found.is_empty() && (path.starts_with("std/") || path.contains("::")) {
            let libraries = LibraryDoc::all(self.engine)?;
            found
                .extend(of_libraries(&libraries, &path).map(|text| Meaning::Text("library", text)));
        }
        // So does the tree of all commands.
        if let (true, Some((name, command))) = (found.is_empty(), words.split_last()) {
            let option = text::option_of_program(self.library, command, name);
            found.extend(option.map(|text| Meaning::Text("option", text)));
        }
        if found.is_empty() || words.len() == 1 {
            let has_command = matches!(found.first(), Some(Meaning::Command(_)));
            let program = text::of_program(self.library, words).filter(|_| !has_command);
            found.extend(program.map(|text| Meaning::Text("command", text)));
        }
        Ok(found)
    }
}

/// A chapter of the book; `topics` lists them.
fn chapter(name: &str) -> Option<Meaning<'static>> {
    let topics = topic::all();
    if name == "topics" {
        let lines = topics
            .iter()
            .map(|topic| format!("{:24} {}\n", topic::name(topic), topic.title()));
        return Some(Meaning::Text("list", lines.collect()));
    }
    let path = name.strip_prefix(BOOK).unwrap_or(name);
    let is_it =
        |topic: &Page| topic::name(topic) == name || topic.path.strip_suffix(".md") == Some(path);
    topics.into_iter().find(is_it).map(Meaning::Chapter)
}

/// A library (`std/assert`), or a function of one (`assert::equal`, `std/assert::equal`).
fn of_libraries(libraries: &[LibraryDoc], path: &str) -> Option<String> {
    let (wanted, name) = path
        .split_once("::")
        .map_or((path, None), |(library, name)| (library, Some(name)));
    let is_it = |library: &&LibraryDoc| {
        library.path == wanted || (name.is_some() && library.alias() == wanted)
    };
    let library = libraries.iter().find(is_it)?;
    let Some(name) = name else {
        return Some(text::library(library));
    };
    let function = library
        .functions
        .iter()
        .find(|function| function.name == name)?;
    Some(text::of_library(library, function))
}

impl Meaning<'_> {
    /// It, in full.
    pub(super) fn text(&self, library: &Library) -> Result<String> {
        Ok(match self {
            Meaning::Command(script) => text::command(library, script)?,
            Meaning::Namespace(space) => text::listing(space),
            Meaning::Functions(functions) => {
                let each = functions.iter().map(|function| text::in_full(function));
                each.collect::<Vec<_>>().join("\n")
            }
            Meaning::Text(_, text) => text.clone(),
            Meaning::Chapter(page) => page.text.clone(),
        })
    }

    /// How it is asked for where the name means something else as well.
    pub(super) fn way(&self, name: &str) -> String {
        match self {
            Meaning::Command(script) => {
                format!("`dashictl {} --help`, the command", script.words.join(" "))
            }
            Meaning::Namespace(space) => {
                format!("`dashictl doc {}::`, the namespace", space.name)
            }
            Meaning::Functions(functions) => format!(
                "`dashictl doc {}`, the function",
                functions.first().map_or(name, |function| &function.path)
            ),
            Meaning::Text("command", _) => format!("`dashictl {name} --help`, the commands"),
            Meaning::Text(what, _) => format!("`dashictl doc {name}`, the {what}"),
            Meaning::Chapter(page) => format!(
                "`dashictl doc {BOOK}{}`, the chapter",
                page.path.trim_end_matches(".md")
            ),
        }
    }

    /// It, as data.
    pub(super) fn json(&self, name: &str, library: &Library) -> Result<Value> {
        Ok(match self {
            Meaning::Command(script) => command(script, &script.header()?),
            Meaning::Namespace(space) => rows(&space.functions),
            Meaning::Functions(functions) => rows(functions.iter().copied()),
            Meaning::Text(what, text) => json!({"name": name, "kind": what, "text": text}),
            Meaning::Chapter(_) => {
                json!({"name": name, "kind": "chapter", "text": self.text(library)?})
            }
        })
    }
}

/// Functions as data.
pub(super) fn rows<'f>(functions: impl IntoIterator<Item = &'f Arc<Function>>) -> Value {
    functions
        .into_iter()
        .map(|function| row(function))
        .collect()
}

fn row(function: &Function) -> Value {
    let parameters = function
        .parameters
        .iter()
        .map(|parameter| json!({"name": parameter.name, "type": parameter.kind}));
    let options = function.options.iter().map(|option| {
        json!({"name": option.name, "type": option.kind.name(), "default": option.default, "about": option.doc.trim()})
    });
    json!({
        "name": function.path(),
        "signature": function.signature(),
        "method": function.method,
        "effect": function.effect.name(),
        "parameters": parameters.collect::<Vec<_>>(),
        "options": options.collect::<Vec<_>>(),
        "returns": function.returns,
        "summary": function.summary(),
        "text": function.text.trim(),
        "examples": function.examples(),
    })
}

fn command(script: &Script, header: &Header) -> Value {
    let parameter = |parameter: &crate::script::header::Parameter| {
        json!({
            "name": parameter.name, "type": parameter.shape.name(), "help": parameter.help, "default": parameter.default,
            "required": parameter.required, "multiple": parameter.multiple, "choices": parameter.choices, "short": parameter.short, "env": parameter.env,
        })
    };
    let examples = header.examples.iter();
    let examples = examples.map(|example| json!({"run": example.run, "about": example.about}));
    let needs = header.needs.iter();
    let needs = needs.map(|need| json!({"service": need.service, "right": need.right}));
    json!({
        "name": script.words.join(" "),
        "kind": "command",
        "summary": header.summary,
        "help": header.help,
        "effect": header.effect.name(),
        "arguments": header.arguments.iter().map(parameter).collect::<Vec<_>>(),
        "options": header.options.iter().map(parameter).collect::<Vec<_>>(),
        "examples": examples.collect::<Vec<_>>(),
        "needs": needs.collect::<Vec<_>>(),
        "source": script.source,
    })
}
