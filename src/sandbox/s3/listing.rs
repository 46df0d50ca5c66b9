//! The walk that all listings share: rows in key order, keys below a delimiter rolled up, a page cut at its size,
//! and the marker that leads to the next one.
//!
//! A common prefix is passed by one seek, however many keys lie below it. Which rows there are, and how they are written,
//! belongs to each listing.

use std::sync::Arc;

use rusqlite::Connection;
use s3s::S3ErrorCode;
use s3s::dto::CommonPrefix;

use super::failure::{Answer, named};
use super::version;
use crate::sandbox::state::State;

/// A page holds at most so many entries.
const LARGEST_PAGE: i32 = 1000;
/// Rows are fetched in batches of this size while prefixes are rolled up.
const ROLLED_BATCH: usize = 64;

/// Something that a listing lists.
pub(crate) trait Listed {
    /// The key it is listed under.
    fn key(&self) -> &str;
    /// Where the walk goes on after it.
    fn after(&self) -> Position;
    /// Its version or upload id, where a key is listed more than once.
    fn within(&self) -> Option<&str> {
        None
    }
}

/// What a page begins after, as clients name it. Empty where the page is the first, or where none follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marker {
    /// A key or a common prefix.
    pub(crate) key: Option<String>,
    /// In that key, a version or upload id.
    pub(crate) within: Option<String>,
}

impl Marker {
    /// From a request's parameters; an empty one is none.
    pub(crate) fn new(key: Option<String>, within: Option<String>) -> Marker {
        Marker {
            key: key.filter(|key| !key.is_empty()),
            within: within.filter(|id| !id.is_empty()),
        }
    }

    /// Where the page begins. `find` places an id in its key.
    pub(crate) fn start(
        &self,
        scope: &Scope,
        find: impl FnOnce(&str, &str) -> Answer<Position>,
    ) -> Answer<Position> {
        match (&self.key, &self.within) {
            (None, _) => Ok(Position::at("")),
            (Some(key), None) => Ok(scope.after_marker(key)),
            (Some(key), Some(id)) => find(key, id),
        }
    }
}

/// Where a walk goes on: at this key, and in it beyond this place, if one is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// The first key that is looked at.
    pub(crate) key: String,
    /// In that key, what comes after this version or upload.
    pub(crate) within: Option<String>,
}

impl Position {
    /// At a key, with all that it holds.
    pub(crate) fn at(key: impl Into<String>) -> Position {
        Position {
            key: key.into(),
            within: None,
        }
    }

    /// Past a key and all that it holds.
    pub(crate) fn past(key: &str) -> Position {
        // The smallest text that is greater than the key.
        Position::at(format!("{key}\0"))
    }
}

/// What part of the keys is listed, and how.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The bucket.
    pub(crate) bucket: String,
    /// Keys begin with this.
    pub(crate) prefix: String,
    /// Keys that hold this after the prefix are rolled up.
    pub(crate) delimiter: Option<String>,
    /// At most so many entries.
    pub(crate) most: usize,
}

/// One entry of a page.
#[derive(Debug)]
pub(crate) enum Entry<T> {
    /// A row of its own.
    Row(T),
    /// All keys that begin with this.
    Prefix(String),
}

/// A page.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// The entries, in key order.
    pub(crate) entries: Vec<Entry<T>>,
    /// Whether there are more.
    pub(crate) truncated: bool,
    /// Where the next page begins.
    pub(crate) next: Position,
}

impl Scope {
    /// From a request's parameters; an empty delimiter is none.
    pub(crate) fn new(
        bucket: String,
        prefix: Option<String>,
        delimiter: Option<String>,
        most: Option<i32>,
    ) -> Answer<Scope> {
        let most = most.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
        let most = usize::try_from(most).map_err(|_| {
            named(
                S3ErrorCode::InvalidArgument,
                "Argument max-keys must be an integer between 0 and 2147483647",
            )
        })?;
        Ok(Scope {
            bucket,
            prefix: prefix.unwrap_or_default(),
            delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()),
            most,
        })
    }

    /// The position after a marker, which may be a key or a common prefix that a page ended with.
    pub(crate) fn after_marker(&self, marker: &str) -> Position {
        match self.rolled(marker) {
            Some(prefix) if prefix == marker => past_prefix(marker),
            _ => Position::past(marker),
        }
    }

    /// The first position at or after this one that the prefix allows.
    fn start(&self, position: Position) -> Position {
        if position.key < self.prefix {
            return Position::at(self.prefix.as_str());
        }
        position
    }

    /// The first key beyond the prefix; `None` when there is none.
    pub(crate) fn end(&self) -> Option<String> {
        successor(&self.prefix)
    }

    /// The common prefix that a key is rolled up into.
    fn rolled(&self, key: &str) -> Option<String> {
        let delimiter = self.delimiter.as_deref()?;
        let rest = key.strip_prefix(self.prefix.as_str())?;
        let end = rest.find(delimiter)? + delimiter.len();
        Some(key[..self.prefix.len() + end].to_owned())
    }
}

impl<T: Listed> Page<T> {
    /// What the next page begins after.
    pub(crate) fn next_marker(&self) -> Marker {
        match self.entries.last().filter(|_| self.truncated) {
            Some(Entry::Row(row)) => Marker {
                key: Some(row.key().to_owned()),
                within: row.within().map(str::to_owned),
            },
            Some(Entry::Prefix(prefix)) => Marker {
                key: Some(prefix.clone()),
                within: None,
            },
            None => Marker::default(),
        }
    }

    /// The rows, and the common prefixes as an answer lists them.
    pub(crate) fn split(self, spelling: Spelling) -> (Vec<T>, Vec<CommonPrefix>) {
        let (mut rows, mut prefixes) = (Vec::new(), Vec::new());
        for entry in self.entries {
            match entry {
                Entry::Row(row) => rows.push(row),
                Entry::Prefix(prefix) => prefixes.push(CommonPrefix {
                    prefix: Some(spelling.write(&prefix)),
                }),
            }
        }
        (rows, prefixes)
    }
}

/// Answers rows at or after a position, in order, at most so many.
pub(crate) type Fetch<T> = fn(&Connection, &Scope, &Position, i64) -> Answer<Vec<T>>;

/// A page from the position that `start` finds; an error when there is no such bucket.
pub(crate) async fn page<T: Listed + Send + 'static>(
    state: &Arc<State>,
    scope: Scope,
    start: impl FnOnce(&Connection, &Scope) -> Answer<Position> + Send + 'static,
    fetch: Fetch<T>,
) -> Answer<Page<T>> {
    state
        .read(move |database| {
            version::versioning(database, &scope.bucket)?;
            let start = start(database, &scope)?;
            walk(&scope, start, |from, most| {
                fetch(database, &scope, from, most)
            })
        })
        .await
}

/// Walks from a position on. `fetch` answers rows at or after a position, in order, at most so many.
fn walk<T: Listed>(
    scope: &Scope,
    start: Position,
    mut fetch: impl FnMut(&Position, i64) -> Answer<Vec<T>>,
) -> Answer<Page<T>> {
    let mut page = Page {
        entries: Vec::new(),
        truncated: false,
        next: scope.start(start),
    };
    if scope.most == 0 {
        return Ok(page);
    }
    loop {
        let room = scope.most - page.entries.len() + 1;
        let batch = match scope.delimiter {
            Some(_) => room.min(ROLLED_BATCH),
            None => room,
        };
        let rows = fetch(&page.next, i64::try_from(batch).unwrap_or(i64::MAX))?;
        let complete = rows.len() < batch;
        let jumped = take(scope, rows, &mut page);
        if page.truncated || (complete && !jumped) {
            return Ok(page);
        }
    }
}

/// Takes rows into the page. Answers whether it jumped past a prefix, so that the rest of the rows is of no use.
fn take<T: Listed>(scope: &Scope, rows: Vec<T>, page: &mut Page<T>) -> bool {
    for row in rows {
        if page.entries.len() == scope.most {
            page.truncated = true;
            return false;
        }
        if let Some(prefix) = scope.rolled(row.key()) {
            page.next = past_prefix(&prefix);
            page.entries.push(Entry::Prefix(prefix));
            return true;
        }
        page.next = row.after();
        page.entries.push(Entry::Row(row));
    }
    false
}

/// Past all keys that begin with a prefix.
fn past_prefix(prefix: &str) -> Position {
    // A prefix of nothing but the last character has no successor: past it is past everything.
    let end = successor(prefix).unwrap_or_else(|| format!("{prefix}{}", char::MAX));
    Position::at(end)
}

/// The smallest text greater than all texts that begin with this one.
fn successor(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    while let Some(last) = text.pop() {
        // The characters before and after the surrogates follow each other.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// How keys are written in an answer: as they are, or percent-encoded when the client asked for `url`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spelling {
    encoded: bool,
}

impl Spelling {
    /// From a request's `encoding-type`.
    pub(crate) fn new(encoding: Option<&s3s::dto::EncodingType>) -> Spelling {
        Spelling {
            encoded: encoding.is_some_and(|encoding| encoding.as_str() == "url"),
        }
    }

    /// A key, prefix, marker or delimiter.
    pub(crate) fn write(self, text: &str) -> String {
        if !self.encoded {
            return text.to_owned();
        }
        // Amazon writes a space as a plus, and leaves the slash alone.
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        encoded.replace("%2F", "/")
    }

    /// The same for what may be absent.
    pub(crate) fn maybe(self, text: Option<&str>) -> Option<String> {
        text.map(|text| self.write(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Key(&'static str);

    impl Listed for Key {
        fn key(&self) -> &str {
            self.0
        }
        fn after(&self) -> Position {
            Position::past(self.0)
        }
    }

    fn list(keys: &[&'static str], scope: &Scope, start: Position) -> (Vec<String>, Page<Key>) {
        let page = walk(scope, start, |from, most| {
            let below = keys.iter().filter(|key| **key >= from.key.as_str());
            let inside = below.filter(|key| key.starts_with(&scope.prefix));
            let most = usize::try_from(most).unwrap_or(0);
            Ok(inside.take(most).map(|key| Key(key)).collect())
        });
        let Ok(page) = page else {
            unreachable!("the walk itself cannot fail");
        };
        let names = page.entries.iter().map(|entry| match entry {
            Entry::Row(Key(key)) => (*key).to_owned(),
            Entry::Prefix(prefix) => format!("{prefix}*"),
        });
        (names.collect(), page)
    }

    fn scope(prefix: &str, delimiter: Option<&str>, most: usize) -> Scope {
        Scope {
            bucket: "b".to_owned(),
            prefix: prefix.to_owned(),
            delimiter: delimiter.map(str::to_owned),
            most,
        }
    }

    const KEYS: [&str; 6] = ["a", "b/1", "b/2", "b/3", "c", "d/1"];

    #[test]
    fn keys_below_a_delimiter_are_one_entry() {
        let (names, page) = list(&KEYS, &scope("", Some("/"), 1000), Position::at(""));
        assert_eq!(names, ["a", "b/*", "c", "d/*"]);
        assert!(!page.truncated);
    }

    #[test]
    fn a_page_that_ends_with_a_prefix_goes_on_behind_it() {
        let scope = scope("", Some("/"), 2);
        let (names, page) = list(&KEYS, &scope, Position::at(""));
        assert_eq!(
            (names.join(" "), page.truncated),
            ("a b/*".to_owned(), true)
        );
        let (names, page) = list(&KEYS, &scope, page.next);
        assert_eq!(
            (names.join(" "), page.truncated),
            ("c d/*".to_owned(), false)
        );
        let (names, _) = list(&KEYS, &scope, scope.after_marker("b/"));
        assert_eq!(names, ["c", "d/*"]);
    }

    #[test]
    fn a_page_that_is_just_full_is_not_truncated() {
        let (names, page) = list(&KEYS, &scope("b/", None, 3), Position::at(""));
        assert_eq!((names.len(), page.truncated), (3, false));
        let (_, page) = list(&KEYS, &scope("b/", None, 2), Position::at(""));
        assert!(page.truncated);
    }

    #[test]
    fn a_key_is_spelt_as_amazon_spells_it() {
        let spelling = Spelling { encoded: true };
        assert_eq!(spelling.write("a b/ä+%\u{1}"), "a+b/%C3%A4%2B%25%01");
    }

    #[test]
    fn the_successor_of_a_prefix_skips_the_surrogates() {
        assert_eq!(successor("a/").as_deref(), Some("a0"));
        assert_eq!(successor("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(successor("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(successor(""), None);
    }
}
