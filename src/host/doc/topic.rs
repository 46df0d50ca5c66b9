//! The chapters of the book that are written by hand, as the program carries them: `dashictl doc safety` prints one.

use include_dir::{Dir, include_dir};

use super::page::Page;

static BOOK: Dir = include_dir!("$CARGO_MANIFEST_DIR/docs/src");
static EXAMPLES: Dir = include_dir!("$CARGO_MANIFEST_DIR/examples");

/// How a chapter says that a runbook of the examples stands there.
const INCLUDE: &str = "{{#include ../../../examples/";

/// All of them, in the order of the book's summary.
pub(super) fn all() -> Vec<Page> {
    let summary = BOOK
        .get_file("SUMMARY.md")
        .and_then(|file| file.contents_utf8());
    let paths = summary.unwrap_or_default().split("](").skip(1);
    let paths = paths.filter_map(|rest| rest.split(')').next());
    let by_hand = paths.filter(|path| !is_written(path));
    by_hand.filter_map(at).collect()
}

fn at(path: &str) -> Option<Page> {
    let text = BOOK.get_file(path)?.contents_utf8()?;
    Some(Page::new(path, with_examples(text)))
}

/// The word by which a chapter is asked for.
pub(super) fn name(page: &Page) -> &str {
    let path = page.path.trim_end_matches(".md").trim_end_matches("/index");
    path.rsplit('/').next().unwrap_or(path)
}

/// The text with the runbooks that it includes.
fn with_examples(text: &str) -> String {
    let Some((before, rest)) = text.split_once(INCLUDE) else {
        return text.to_owned();
    };
    let (name, after) = rest.split_once("}}").unwrap_or((rest, ""));
    let file = EXAMPLES
        .get_file(name)
        .and_then(|file| file.contents_utf8());
    format!(
        "{before}{}{}",
        file.unwrap_or_default().trim_end(),
        with_examples(after)
    )
}

/// Whether a chapter is what `doc --markdown` writes.
fn is_written(path: &str) -> bool {
    path.starts_with("commands/") || path.starts_with("reference/")
}
