//! The chapters of the book that are written by hand, as the program carries them: `dashictl doc safety` prints one.

use include_dir::{Dir, include_dir};

static BOOK: Dir = include_dir!("$CARGO_MANIFEST_DIR/docs/src");
static EXAMPLES: Dir = include_dir!("$CARGO_MANIFEST_DIR/examples");

/// How a chapter says that a runbook of the examples stands there.
const INCLUDE: &str = "{{#include ../../../examples/";

/// A chapter.
pub(super) struct Topic {
    /// Its place below the book, as in `cookbook/retention-sweep.md`.
    pub(super) path: String,
    /// Its text.
    pub(super) text: String,
}

impl Topic {
    /// All of them, in the order of the book's summary.
    pub(super) fn all() -> Vec<Topic> {
        let summary = BOOK
            .get_file("SUMMARY.md")
            .and_then(|file| file.contents_utf8());
        let paths = summary.unwrap_or_default().split("](").skip(1);
        let paths = paths.filter_map(|rest| rest.split(')').next());
        let by_hand = paths.filter(|path| !is_written(path));
        by_hand.filter_map(Topic::at).collect()
    }

    fn at(path: &str) -> Option<Topic> {
        let text = BOOK.get_file(path)?.contents_utf8()?;
        Some(Topic {
            path: path.to_owned(),
            text: with_examples(text),
        })
    }

    /// The word by which it is asked for.
    pub(super) fn name(&self) -> &str {
        let path = self.path.trim_end_matches(".md").trim_end_matches("/index");
        path.rsplit('/').next().unwrap_or(path)
    }

    /// Its title.
    pub(super) fn title(&self) -> &str {
        self.text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("# ")
    }
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
