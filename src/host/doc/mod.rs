//! `dashictl doc`: what scripts may call, out of the same table that the engine was built from, the libraries and commands that
//! ship with the program, and the book. What it prints is here; whole sets of pages are `page` and `html`.

mod html;
mod page;
mod topic;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use self::page::Page;
use super::Host;
use crate::cli::{self, DocWanted};
use crate::effects::Effect;
use crate::engine::Engine;
use crate::engine::options::OptionRow;
use crate::engine::registry::{Function, NamespaceEntry, Registry};
use crate::error::{Error, Kind, Result, nearest};
use crate::file;
use crate::script::library::{self, Library, Script};
use crate::script::library_doc::{LibraryDoc, LibraryFunction};

/// Prints documentation of everything, a namespace, a function, an option, a library, a command or a topic.
pub(super) fn perform(host: &Host, library: &Library, wanted: &DocWanted) -> Result<u8> {
    let run = host.offline()?;
    if let Some(folder) = &wanted.markdown {
        return write_markdown(host, &run.engine, library, folder);
    }
    if let Some(folder) = &wanted.html {
        return write_html(host, &run.engine, library, folder);
    }
    let (name, source) = (&wanted.name, wanted.source);
    // A command may come as one quoted word.
    let name: Vec<String> = name
        .iter()
        .flat_map(|word| word.split_whitespace())
        .map(str::to_owned)
        .collect();
    if host.console.json() && !source && !library.scripts.contains_key(&name) {
        let functions = described(&run.engine, library, &name.join(" "))?;
        host.console.print(&format!("{functions:#}\n"))?;
        return Ok(0);
    }
    let text = text(&run.engine, library, &name, source)?;
    host.console.print(&text)?;
    Ok(0)
}

/// The documentation of a name as text.
pub(crate) fn text(
    engine: &Engine,
    library: &Library,
    name: &[String],
    source: bool,
) -> Result<String> {
    let registry = &engine.registry;
    if name.is_empty() {
        return Ok(overview(registry));
    }
    let path = name.join(" ");
    if source {
        return source_of(library, name, &path);
    }
    if let Some(script) = library.scripts.get(name) {
        return command(script);
    }
    if let Some(namespace) = registry
        .namespace(&path)
        .filter(|namespace| !namespace.name.is_empty())
    {
        return Ok(listing(namespace));
    }
    let functions: Vec<_> = registry.find(&path).collect();
    if functions.is_empty() {
        let mut found = option(registry, &path).or_else(|| of_topics(&path));
        // Reading the libraries takes a while.
        if found.is_none() && (path.starts_with("std/") || path.contains("::")) {
            found = of_libraries(&LibraryDoc::all(engine)?, &path);
        }
        let found = found.or_else(|| of_program(library, name));
        return found.ok_or_else(|| unknown(engine, library, &path));
    }
    Ok(functions
        .iter()
        .map(|function| in_full(function))
        .collect::<Vec<_>>()
        .join("\n"))
}

/// The text of a command's script or of a shipped library.
fn source_of(library: &Library, name: &[String], path: &str) -> Result<String> {
    let script = library
        .scripts
        .get(name)
        .map(|script| script.text.to_string());
    let source = script.or_else(|| path.strip_prefix("std/").and_then(library::standard));
    source.ok_or_else(|| {
        let commands = library.scripts.keys().map(|words| words.join(" "));
        let known: Vec<String> = commands.chain(library_paths()).collect();
        Error::new(Kind::NotFound, format!("'{path}' is no script"))
            .suggest(nearest(path, known.iter().map(String::as_str)))
            .hint("--source prints a command's script, or a library's: std/…")
    })
}

fn library_paths() -> impl Iterator<Item = String> {
    library::standard_names()
        .into_iter()
        .map(|name| format!("std/{name}"))
}

/// An option of a function, as in `s3::list by_folder` or `s3::list.by_folder`.
fn option(registry: &Registry, path: &str) -> Option<String> {
    let (function, name) = path.rsplit_once([' ', '.'])?;
    let mut functions = registry.find(function);
    functions.find_map(|function| {
        let row = function.options.iter().find(|row| row.name == name)?;
        Some(format!("{}\n\n{}", function.signature(), option_text(row)))
    })
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
    let alias = library.alias();
    let import = format!("import \"{}\" as {alias};", library.path);
    let Some(name) = name else {
        let lines = library.functions.iter().map(|function| {
            format!(
                "{alias}::{}\n    {}\n",
                function.signature,
                function.summary()
            )
        });
        return Some(format!(
            "{}\n\n{import}\n\n{}",
            library.text,
            lines.collect::<String>()
        ));
    };
    let function = library
        .functions
        .iter()
        .find(|function| function.name == name)?;
    Some(of_library(alias, &import, function))
}

fn of_library(alias: &str, import: &str, function: &LibraryFunction) -> String {
    format!(
        "{alias}::{}\n{import}\n\n{}\n",
        function.signature, function.text
    )
}

/// The help of a command of the program's own, or of a group of commands.
fn of_program(library: &Library, words: &[String]) -> Option<String> {
    let root = cli::built(library);
    let command = words
        .iter()
        .try_fold(&root, |command, word| command.find_subcommand(word))?;
    Some(cli::help_of(command))
}

/// A chapter of the book; `topics` lists them.
fn of_topics(name: &str) -> Option<String> {
    let topics = topic::all();
    if name == "topics" {
        return Some(
            topics
                .iter()
                .map(|topic| format!("{:24} {}\n", topic::name(topic), topic.title()))
                .collect(),
        );
    }
    let topic = topics.into_iter().find(|topic| topic::name(topic) == name);
    topic.map(|topic| topic.text)
}

/// Writes the reference as Markdown, as the book has it.
fn write_markdown(host: &Host, engine: &Engine, library: &Library, folder: &Path) -> Result<u8> {
    let pages = page::all(&engine.registry, library, &LibraryDoc::all(engine)?)?;
    for page in &pages {
        write(folder, &page.path, &page.text)?;
    }
    told(host, pages.len(), folder)
}

/// Writes the book and the reference as HTML.
fn write_html(host: &Host, engine: &Engine, library: &Library, folder: &Path) -> Result<u8> {
    let pages = page::all(&engine.registry, library, &LibraryDoc::all(engine)?)?;
    let all: Vec<Page> = topic::all().into_iter().chain(pages).collect();
    for page in &all {
        write(folder, &html::file(&page.path), &html::document(page, &all))?;
    }
    // What a browser opens of a folder.
    if let Some(first) = all.first() {
        write(folder, "index.html", &html::document(first, &all))?;
    }
    told(host, all.len(), folder)
}

fn write(folder: &Path, path: &str, text: &str) -> Result<()> {
    file::replace(&folder.join(path), text.as_bytes())
}

fn told(host: &Host, count: usize, folder: &Path) -> Result<u8> {
    let folder = folder.display().to_string();
    if host.console.json() {
        host.console
            .print(&format!("{}\n", json!({"folder": folder, "pages": count})))?;
    } else {
        host.console.note(&format!("{count} pages are in {folder}"));
    }
    Ok(0)
}

/// The functions of everything, a namespace or a name, as data.
fn described(engine: &Engine, library: &Library, path: &str) -> Result<Value> {
    let named = |function: &&Arc<Function>| {
        path.is_empty() || function.path() == path || function.namespace == path
    };
    let rows: Vec<Value> = engine
        .registry
        .functions()
        .filter(named)
        .map(|function| row(function))
        .collect();
    if rows.is_empty() {
        Err(unknown(engine, library, path))
    } else {
        Ok(Value::Array(rows))
    }
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
        "examples": function.examples(),
    })
}

fn unknown(engine: &Engine, library: &Library, path: &str) -> Error {
    let registry = &engine.registry;
    let mut known: Vec<String> = registry
        .functions()
        .map(|function| function.path())
        .collect();
    known.extend(
        registry
            .namespaces
            .iter()
            .map(|namespace| namespace.name.to_owned()),
    );
    known.extend(library.scripts.keys().map(|words| words.join(" ")));
    known.extend(library_paths());
    known.extend(
        topic::all()
            .iter()
            .map(|topic| topic::name(topic).to_owned()),
    );
    let group = library
        .scripts
        .keys()
        .filter(|words| words.len() > 1 && words[0] == path);
    let group: Vec<String> = group.map(|words| words.join(" ")).collect();
    if !group.is_empty() {
        return Error::new(Kind::NotFound, format!("'{path}' is a group of commands"))
            .hint(format!("there are {}", group.join(", ")));
    }
    Error::new(
        Kind::NotFound,
        format!("there is no documentation of '{path}'"),
    )
    .suggest(nearest(path, known.iter().map(String::as_str)))
    .hint("`dashictl doc` lists everything")
}

fn overview(registry: &Registry) -> String {
    let mut text = String::new();
    for namespace in &registry.namespaces {
        let title = if namespace.name.is_empty() {
            String::new()
        } else {
            format!("{}:: ", namespace.name)
        };
        text.push_str(&format!("{title}{}\n", namespace.summary));
        let mut names: Vec<&str> = namespace
            .functions
            .iter()
            .map(|function| function.name)
            .collect();
        names.dedup();
        text.push_str(&format!("  {}\n\n", names.join(", ")));
    }
    text.push_str(
        "`dashictl doc stac` lists a namespace, `dashictl doc stac::items` explains a function,\n`dashictl doc std/assert` a library, `dashictl doc topics` lists the chapters of the book.\n",
    );
    text
}

fn listing(namespace: &NamespaceEntry) -> String {
    let lines = namespace.functions.iter().map(|function| {
        let effect = if function.effect == Effect::Read {
            String::new()
        } else {
            format!(" [{}]", function.effect.name())
        };
        format!(
            "{}{effect}\n    {}\n",
            function.signature(),
            function.summary()
        )
    });
    format!("{}\n\n{}", namespace.summary, lines.collect::<String>())
}

/// A function with its text, options and examples.
fn in_full(function: &Function) -> String {
    let mut text = format!("{}\n", function.signature());
    text.push_str(&format!(
        "effect: {}\n\n{}\n",
        function.effect.name(),
        function.text.trim()
    ));
    if !function.options.is_empty() {
        text.push_str("\nOptions:\n");
    }
    text.extend(function.options.iter().map(option_text));
    text
}

fn option_text(option: &OptionRow) -> String {
    let default = option
        .default
        .map(|default| format!(" (default: {default})"));
    let about: Vec<&str> = option
        .doc
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    format!(
        "  {}: {}{}\n      {}\n",
        option.name,
        option.kind.name(),
        default.unwrap_or_default(),
        about.join("\n      ")
    )
}

/// A command: what its header says, and where it is.
fn command(script: &Script) -> Result<String> {
    let header = script.header()?;
    let mut text = format!(
        "dashictl {}: {}\neffect: {}\n",
        script.words.join(" "),
        header.summary,
        header.effect.name()
    );
    if !header.help.is_empty() {
        text.push_str(&format!("\n{}\n", header.help));
    }
    for parameter in header.parameters() {
        text.push_str(&format!("  {}: {}\n", parameter.name, parameter.help));
    }
    text.push_str(&format!(
        "\nscript: {} (`dashictl doc --source {}` prints it)\n",
        script.source,
        script.words.join(" ")
    ));
    Ok(text)
}
