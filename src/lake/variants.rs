//! What the text of a path may mean: where it may end, and how its characters may be encoded.
//!
//! A writer may have encoded the key or not, and may have put something behind it or not; nobody can tell from the text.
//! So every plausible path is produced. Which bucket or host it belongs to is not known here.

use super::href::{decoded, ends_text, resolved, unescaped};

/// Ends that are tried. A path with more keeps its directory as a whole.
const MAX_ENDS: usize = 64;

/// Bytes that are looked at: an S3 key has at most 1,024, each up to nine when encoded twice.
const MAX_TEXT: usize = 9 * 1024;

/// How the text is written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Style {
    /// It is the path of a URL, which a parser resolves.
    pub(crate) url: bool,
    /// It may go on inside an archive: `a.zip/inner.shp`.
    pub(crate) archive: bool,
    /// It is a text without scheme and host. Where it is prose, every sentence would be a path; so white space and
    /// punctuation end nothing.
    pub(crate) bare: bool,
}

/// What a path's text may mean.
#[derive(Debug, Default)]
pub(crate) struct Variants {
    /// Paths that may be meant.
    pub(crate) exact: Vec<String>,
    /// Directories (empty, or with a final slash) below which anything may be meant.
    pub(crate) beneath: Vec<String>,
}

impl Variants {
    /// Every meaning of this text.
    pub(crate) fn of(text: &str, style: Style) -> Variants {
        let mut variants = Variants::default();
        // What signs a URL is certain to be no part of a key, and should stand in no place that is shown.
        let text = text.split("?X-Amz-").next().unwrap_or(text);
        let (cuts, beneath) = cuts(text, style);
        for cut in cuts {
            variants.decode(cut);
            if style.url
                && let Some(resolved) = resolved(cut)
            {
                variants.decode(&resolved);
            }
        }
        if let Some(first) = beneath {
            variants.keep_directory(first);
            // Dots behind the first cut lead out of its directory.
            if style.url
                && let Some(resolved) = resolved(text)
            {
                variants.decode(&resolved);
            }
        }
        for paths in [&mut variants.exact, &mut variants.beneath] {
            paths.sort_unstable();
            paths.dedup();
        }
        variants
    }

    /// Keeps the directory of this path, however it is encoded.
    fn keep_directory(&mut self, path: &str) {
        let mut variants = Variants::default();
        variants.decode(path);
        let directories = variants.exact.iter().map(|path| parent(path).to_owned());
        self.beneath.extend(directories.chain(variants.beneath));
    }

    /// The paths and the directories. A directory ends in a slash, or is empty: the whole.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().chain(&self.beneath).map(String::as_str)
    }

    fn decode(&mut self, text: &str) {
        self.push(text.to_owned());
        self.push_decoded(text);
        if text.contains('+') {
            let spaced = text.replace('+', " ");
            self.push_decoded(&spaced);
            self.push(spaced);
        }
    }

    fn push_decoded(&mut self, text: &str) {
        if !text.contains('%') {
            return;
        }
        if let Some(path) = unescaped(text).filter(|path| path.contains('%')) {
            self.push(path);
        }
        match decoded(text) {
            Ok(path) => self.push(path),
            // No key has such bytes, so the writer meant another one: somewhere in that directory.
            Err(readable) => self.beneath.push(parent(&readable).to_owned()),
        }
    }

    fn push(&mut self, path: String) {
        // A template (`{z}/{x}`) or a glob (`*.parquet`) stands for many keys.
        if let Some(open) = path.find(['{', '*']) {
            self.beneath.push(parent(&path[..open]).to_owned());
        }
        self.exact.push(path);
    }
}

/// The directory of a path with its slash, or nothing.
fn parent(path: &str) -> &str {
    &path[..path.rfind('/').map_or(0, |slash| slash + 1)]
}

/// The text cut at each place where it may end, itself included; and, where there are too many such places, the
/// first cut, in whose directory the rest then lies.
fn cuts(text: &str, style: Style) -> (Vec<&str>, Option<&str>) {
    let window = &text[..text.floor_char_boundary(MAX_TEXT)];
    let mut cuts: Vec<&str> = ends(window, style)
        .take(MAX_ENDS + 1)
        .map(|end| &text[..end])
        .collect();
    if cuts.len() <= MAX_ENDS && window.len() == text.len() {
        cuts.push(text);
        return (cuts, None);
    }
    cuts.truncate(MAX_ENDS);
    let first = cuts.first().copied().unwrap_or(window);
    (cuts, Some(first))
}

fn ends(text: &str, style: Style) -> impl Iterator<Item = usize> {
    let ends = text.char_indices().filter(move |(at, c)| match c {
        '?' | '#' | ':' | '!' | '|' | '"' | '\\' => true,
        '/' => style.archive && parts_archive(text, *at),
        _ if style.bare => false,
        '.' => text[at + 1..].chars().next().is_none_or(ends_text),
        c => ends_text(*c),
    });
    ends.map(|(at, _)| at)
}

/// Whether the segment before this slash may be an archive: whichever has an extension.
fn parts_archive(text: &str, slash: usize) -> bool {
    let segment = &text[parent(&text[..slash]).len()..slash];
    segment.contains('.')
}
