//! A word that names nothing: what is called nearly so, and where it is written.

use super::meaning::Sources;
use super::topic;
use crate::config::KEYS;
use crate::error::{Error, Kind, Result, nearest};
use crate::script::library_doc::LibraryDoc;

/// So many places are told.
const MOST: usize = 12;

/// Something that can be asked for, and what is looked through for a word.
struct Known {
    name: String,
    about: String,
}

/// The error of a name that means nothing.
pub(super) fn unknown(sources: &Sources, path: &str) -> Error {
    let known = all(sources).unwrap_or_default();
    let names = || known.iter().map(|known| known.name.as_str());
    // A function may be asked for without its namespace.
    let last = |name: &str| name.rsplit("::").next().unwrap_or_default().to_owned();
    let lasts: Vec<String> = names().map(last).collect();
    let near = nearest(path, names()).or_else(|| {
        let near = nearest(path, lasts.iter().map(String::as_str))?;
        let at = lasts.iter().position(|last| last == near)?;
        names().nth(at)
    });
    let found: Vec<&str> = found(&known, path);
    let error = Error::new(
        Kind::NotFound,
        format!("there is no documentation of '{path}'"),
    )
    .suggest(near);
    let error = match found.len() {
        0 => error,
        count if count > MOST => error.hint(format!(
            "the word is in {} and {} more",
            found[..MOST].join(", "),
            count - MOST
        )),
        _ => error.hint(format!("the word is in {}", found.join(", "))),
    };
    error.hint("`dashictl doc` lists what there is")
}

/// The names of what has a word, those that have it in their names first.
fn found<'k>(known: &'k [Known], word: &str) -> Vec<&'k str> {
    let word = word.to_lowercase();
    if word.chars().count() < 3 {
        return Vec::new();
    }
    let is_named = |known: &&Known| known.name.to_lowercase().contains(&word);
    // A chapter with a section on it explains it.
    let is_explained = |known: &&Known| {
        let mut headings = known.about.lines().filter(|line| line.starts_with('#'));
        headings.any(|heading| heading.to_lowercase().contains(&word))
    };
    let is_about = |known: &&Known| known.about.to_lowercase().contains(&word);
    let named = known.iter().filter(is_named);
    let explained = known.iter().filter(is_explained);
    let mut found: Vec<&str> = Vec::new();
    for known in explained.chain(named).chain(known.iter().filter(is_about)) {
        if !found.contains(&known.name.as_str()) {
            found.push(&known.name);
        }
    }
    found
}

fn all(sources: &Sources) -> Result<Vec<Known>> {
    let known = |name: String, about: String| Known { name, about };
    let registry = &sources.engine.registry;
    let mut all = Vec::new();
    for script in sources.library.scripts.values() {
        let header = script.header().unwrap_or_default();
        all.push(known(
            script.words.join(" "),
            format!("{} {}", header.summary, header.help),
        ));
    }
    let spaces = registry
        .namespaces
        .iter()
        .filter(|space| !space.name.is_empty());
    all.extend(spaces.map(|space| known(space.name.to_owned(), space.summary.to_owned())));
    for function in registry.functions() {
        let options = function.options.iter();
        let options = options.map(|option| format!("{} {}", option.name, option.doc));
        let about = function.text.clone() + &options.collect::<Vec<_>>().join(" ");
        all.push(known(function.path(), about));
    }
    for library in LibraryDoc::all(sources.engine)? {
        for function in &library.functions {
            all.push(known(
                format!("{}::{}", library.alias(), function.name),
                function.text.clone(),
            ));
        }
        all.push(known(library.path, library.text));
    }
    all.extend(
        KEYS.iter()
            .map(|key| known(key.path.to_owned(), key.about.to_owned())),
    );
    let chapters = topic::all();
    all.extend(
        chapters
            .iter()
            .map(|chapter| known(topic::name(chapter).to_owned(), chapter.text.clone())),
    );
    Ok(all)
}
