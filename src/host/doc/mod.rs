//! `dashictl doc`: what scripts may call, out of the same table that the engine was built from, the libraries and commands that
//! ship with the program, the settings, and the book. What a name may mean is in `meaning`, whole sets of pages are `page` and `html`.

mod html;
mod meaning;
mod page;
mod search;
mod setting;
mod terminal;
mod text;
mod topic;

use std::path::Path;

use serde_json::{Value, json};

use self::meaning::{Sources, rows};
use self::page::Page;
use super::Host;
use crate::cli::DocWanted;
use crate::engine::Engine;
use crate::error::{Error, Kind, Result, nearest};
use crate::file;
use crate::output::Console;
use crate::script::library::{self, Library};
use crate::script::library_doc::LibraryDoc;

/// Prints documentation of everything, a namespace, a function, an option, a library, a command, a setting or a chapter.
pub(super) fn perform(host: &Host, library: &Library, wanted: &DocWanted) -> Result<u8> {
    let run = host.offline()?;
    if let Some(folder) = &wanted.markdown {
        return write_markdown(host, &run.engine, library, folder);
    }
    if let Some(folder) = &wanted.html {
        return write_html(host, &run.engine, library, folder);
    }
    // A command may come as one quoted word.
    let words = wanted.name.iter().flat_map(|word| word.split_whitespace());
    let name: Vec<String> = words.map(str::to_owned).collect();
    if wanted.source && name.is_empty() {
        return Err(Error::usage("--source prints the text of a script: which?")
            .hint("as in `dashictl doc --source gc`, or std/retry"));
    }
    if wanted.source {
        let source = source_of(library, &name, &name.join(" "))?;
        host.console.print(&source)?;
    } else if host.console.json() {
        let told = described(&run.engine, library, &name)?;
        host.console.print(&format!("{told:#}\n"))?;
    } else {
        show(host.console, &run.engine, library, &name)?;
    }
    Ok(0)
}

/// Prints the documentation of a name, laid out for a terminal where there is one.
pub(crate) fn show(
    console: &Console,
    engine: &Engine,
    library: &Library,
    name: &[String],
) -> Result<()> {
    let (text, others) = text(engine, library, name)?;
    match console.width() {
        Some(width) => {
            console.print(&terminal::laid_out(&text, width, console.colours_errors()))?;
        }
        None => console.print(&text)?,
    }
    for other in others {
        console.note(&format!("see also {other}"));
    }
    Ok(())
}

/// The documentation of a name as Markdown, and how to get to what else the name means.
fn text(engine: &Engine, library: &Library, name: &[String]) -> Result<(String, Vec<String>)> {
    if name.is_empty() {
        let chapters = topic::all();
        let chapters: Vec<String> = chapters
            .iter()
            .map(|chapter| topic::name(chapter).to_owned())
            .collect();
        let libraries = LibraryDoc::all(engine)?;
        let text = text::overview(&engine.registry, &libraries, &chapters);
        return Ok((text, Vec::new()));
    }
    let path = name.join(" ");
    let sources = Sources { engine, library };
    let meanings = sources.meanings(name)?;
    let Some((first, others)) = meanings.split_first() else {
        return Err(search::unknown(&sources, &path));
    };
    let others = others.iter().map(|other| other.way(&path)).collect();
    Ok((first.text(library)?, others))
}

/// The documentation of everything or of a name, as data.
fn described(engine: &Engine, library: &Library, name: &[String]) -> Result<Value> {
    if name.is_empty() {
        return Ok(rows(engine.registry.functions()));
    }
    let path = name.join(" ");
    let sources = Sources { engine, library };
    match sources.meanings(name)?.first() {
        Some(first) => first.json(&path, library),
        None => Err(search::unknown(&sources, &path)),
    }
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
        let libraries = library::standard_names().into_iter();
        let known: Vec<String> = commands
            .chain(libraries.map(|name| format!("std/{name}")))
            .collect();
        Error::new(Kind::NotFound, format!("'{path}' is no script"))
            .suggest(nearest(path, known.iter().map(String::as_str)))
            .hint("--source prints a command's script, or a library's: std/…")
    })
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
    refuse_foreign(folder)?;
    let places = html::places(&all);
    for page in &all {
        write(
            folder,
            &html::file(&page.path),
            &html::document(page, &all, &places),
        )?;
    }
    write(folder, html::INDEX, &html::index(&all, &places))?;
    // What a browser opens of a folder.
    if let Some(first) = all.first() {
        write(folder, "index.html", &html::document(first, &all, &places))?;
    }
    told(host, all.len(), folder)
}

/// Fails where a folder holds pages of something else.
fn refuse_foreign(folder: &Path) -> Result<()> {
    let first = folder.join("index.html");
    match std::fs::read_to_string(&first) {
        Ok(text) if !text.contains(html::MARK) => Err(Error::usage(format!(
            "{} is there already, and is no page of this documentation",
            first.display()
        ))
        .hint("name another folder, or remove it first")),
        _ => Ok(()),
    }
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
