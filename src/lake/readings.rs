//! Every reading of a text: what it may refer to, however it was written.
//!
//! Generous on purpose. A reading too many keeps an object that could have gone; one too few deletes an object that an
//! item refers to. The one reading a person means is `meaning`.

use std::collections::HashSet;

use super::endpoint::{Known, StoreHost, below_base};
use super::href::{Form, Start, bucket_name, ends_text, split_authority, split_bucket, starts};
use super::meaning::{is_opaque, other_scheme};
use super::nested::{may_refer, nested};
use super::variants::{Style, Variants};
use super::{Foreign, Lake, Place, References};

/// Readings kept of one text: enough for a list of some hundred references in one. Only an adversary, or a book in a
/// property, has more.
const MAX_READINGS: usize = 50_000;

/// How many times a text is decoded, or a nested one taken out of it.
const MAX_DEPTH: usize = 8;

/// Bytes before a reference in which its handlers are looked for.
const MAX_HANDLERS: usize = 1024;

/// Every place this text may refer to.
pub(crate) fn read(lake: &Lake, text: &str) -> References {
    if !may_refer(text) {
        return References::new(None, Vec::new());
    }
    let mut reader = Reader::new(lake);
    reader.read(text, 0);
    while let Some((nested, depth)) = reader.nested.pop() {
        reader.read(&nested, depth);
    }
    let mut references = References::new(lake.place(text), reader.places);
    references.placed = reader.placed;
    references.host = reader.host;
    references.complete = reader.complete;
    references
}

struct Reader<'a> {
    lake: &'a Lake,
    places: Vec<Place>,
    /// A known name of the store stood in the text.
    placed: bool,
    /// The first host that is not known.
    host: Option<String>,
    complete: bool,
    /// Texts found inside the text that are still to be read, and how deep they lay.
    nested: Vec<(String, usize)>,
    seen: HashSet<String>,
}

impl<'a> Reader<'a> {
    fn new(lake: &'a Lake) -> Reader<'a> {
        Reader {
            lake,
            places: Vec::new(),
            placed: false,
            host: None,
            complete: true,
            nested: Vec::new(),
            seen: HashSet::new(),
        }
    }

    fn read(&mut self, text: &str, depth: usize) {
        let text = text.trim_start();
        let mut leads = false;
        for start in starts(text) {
            if !self.complete {
                return;
            }
            leads |= start.at == 0;
            let style = Style {
                archive: names_archive(&text[..start.at]),
                ..Style::default()
            };
            match start.form {
                Form::Bucket => self.bucket(&start, style),
                Form::Url => self.url(start.tail, style),
            }
        }
        if is_opaque(text) {
            return;
        }
        if !leads {
            self.bare(text);
        }
        self.queue_nested(text, depth);
    }

    /// `bucket/key` behind `s3://` and its kin.
    fn bucket(&mut self, start: &Start<'_>, style: Style) {
        let (bucket, rest) = split_bucket(start.tail);
        let ends = |c| matches!(c, '/' | '?' | '#') || ends_text(c);
        // A sentence may end with the bucket's name; no bucket's name ends with a dot.
        let bucket = bucket.trim_end_matches('.');
        let is_bucket = !bucket.is_empty() && rest.chars().next().is_none_or(ends);
        let (authority, _) = split_authority(start.tail);
        if !is_bucket || !self.lake.endpoints.stores(authority).is_empty() {
            self.url(start.tail, style);
        }
        if is_bucket {
            self.placed = true;
            let key = rest.strip_prefix('/').unwrap_or_default();
            self.keys(bucket, &Variants::of(key, style));
        }
    }

    /// `authority/path` behind `http://`.
    fn url(&mut self, tail: &str, style: Style) {
        let style = Style { url: true, ..style };
        let (authority, rest) = split_authority(tail);
        let path = if rest.starts_with(['/', '\\']) {
            rest
        } else {
            ""
        };
        let lake = self.lake;
        match lake.endpoints.known(authority, path) {
            Known::Store(stores) => {
                self.placed = true;
                let paths = Variants::of(path, style);
                for store in &stores {
                    self.stored(store, authority, &paths);
                }
            }
            Known::Nothing => {
                let paths = Variants::of(path, style);
                self.unknown(authority, &paths);
            }
            // Its own routes are in every record; anything else there may be the store behind the same name.
            Known::Service if is_route(path) => {}
            Known::Service => {
                let paths = Variants::of(path, style);
                self.foreign(Some(authority), &paths);
            }
        }
    }

    fn stored(&mut self, store: &StoreHost<'_>, authority: &str, paths: &Variants) {
        let Some(bucket) = &store.bucket else {
            return self.path_keys(store.base, authority, paths);
        };
        self.host_keys(bucket, paths);
        // Not one of ours: the label may be a host's name, and the store behind it one that nobody declared.
        if !self.lake.has_bucket(bucket) {
            self.foreign(Some(authority), paths);
        }
    }

    /// A host that nobody declared.
    fn unknown(&mut self, authority: &str, paths: &Variants) {
        let host = authority
            .rsplit('@')
            .next()
            .unwrap_or(authority)
            .to_lowercase();
        self.foreign(Some(&host), paths);
        self.guess_host(&host, paths);
        self.host.get_or_insert(host);
    }

    /// Virtual-host style: the path is the key.
    fn host_keys(&mut self, bucket: &str, paths: &Variants) {
        for path in paths.all() {
            let key = path.strip_prefix('/').unwrap_or(path);
            self.key(bucket, key);
        }
    }

    /// Path style: the bucket is the first segment below the base.
    fn path_keys(&mut self, base: &str, authority: &str, paths: &Variants) {
        for path in paths.all() {
            let Some(below) = below_base(path, base) else {
                self.foreign_path(Some(authority), path);
                continue;
            };
            let below = below.trim_start_matches('/');
            let (bucket, key) = below.split_once('/').unwrap_or((below, ""));
            let is_bucket = !bucket.is_empty() && bucket_name(bucket).len() == bucket.len();
            if is_bucket {
                self.key(bucket, key);
            }
            // Not one of ours: the store may answer below a path that nobody declared.
            if !self.lake.has_bucket(bucket) {
                self.foreign_path(Some(authority), path);
            }
        }
    }

    fn keys(&mut self, bucket: &str, keys: &Variants) {
        for key in keys.all() {
            self.key(bucket, key);
        }
    }

    /// One key of a bucket, and what it is when doubled slashes were an accident.
    fn key(&mut self, bucket: &str, key: &str) {
        self.push(Place::stored(bucket, key));
        if key.starts_with('/') {
            self.push(Place::stored(bucket, key.trim_start_matches('/')));
        }
        if key.contains("//") {
            let single = single_slashes(key);
            self.push(Place::stored(bucket, single.trim_start_matches('/')));
        }
    }

    /// A text without a scheme of ours at its beginning.
    fn bare(&mut self, text: &str) {
        if let Some(tail) = text.strip_prefix("//") {
            self.url(tail.trim_start_matches('/'), Style::default());
            return;
        }
        let (authority, rest) = split_authority(text);
        if rest.starts_with('/') && !self.lake.endpoints.stores(authority).is_empty() {
            self.url(text, Style::default());
            return;
        }
        let style = Style {
            archive: names_archive(text),
            bare: true,
            url: false,
        };
        let other = other_scheme(text);
        let path = other.as_ref().map_or(text, Foreign::path);
        let paths = Variants::of(path, style);
        match other.as_ref().and_then(Foreign::host) {
            Some(host) => self.unknown(host, &paths),
            None => self.foreign(None, &paths),
        }
    }

    fn foreign(&mut self, host: Option<&str>, paths: &Variants) {
        for path in paths.all() {
            self.foreign_path(host, path);
            if path.contains("//") {
                self.foreign_path(host, &single_slashes(path));
            }
        }
    }

    /// A path that could not be placed, and the buckets of the lake that stand in it.
    fn foreign_path(&mut self, host: Option<&str>, path: &str) {
        let foreign = Foreign::new(host, path);
        if foreign.suffixes().next().is_none() {
            return;
        }
        self.push(Place::Foreign(foreign));
        let slashes = path.match_indices('/').map(|(slash, _)| slash);
        let mut begin = 0;
        for slash in slashes {
            let (segment, key) = (&path[begin..slash], &path[slash + 1..]);
            if !key.is_empty() && self.lake.has_bucket(segment) {
                self.key(segment, key);
            }
            begin = slash + 1;
        }
    }

    /// An unknown host whose first label, or whole name, is a bucket of the lake.
    fn guess_host(&mut self, host: &str, paths: &Variants) {
        let lake = self.lake;
        let named = lake.buckets().filter(|bucket| {
            let rest = host.strip_prefix(bucket);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
        });
        for bucket in named {
            let keys = paths
                .all()
                .map(|path| path.strip_prefix('/').unwrap_or(path));
            for key in keys.filter(|key| !key.is_empty()) {
                self.key(bucket, key);
            }
        }
    }

    fn push(&mut self, place: Place) {
        if self.places.len() < MAX_READINGS {
            self.places.push(place);
        } else {
            self.complete = false;
        }
    }

    /// Remembers what stands inside the text, once.
    fn queue_nested(&mut self, text: &str, depth: usize) {
        for inner in nested(text) {
            if self.seen.contains(&inner) {
                continue;
            }
            if depth >= MAX_DEPTH {
                self.complete = false;
                return;
            }
            self.seen.insert(inner.clone());
            self.nested.push((inner, depth + 1));
        }
    }
}

/// Whether a path is one of those that the services of a lake answer.
fn is_route(path: &str) -> bool {
    const ROUTES: [&str; 10] = [
        "collections",
        "search",
        "conformance",
        "queryables",
        "api",
        "api.html",
        "docs",
        "flow-runs",
        "runs",
        "loki",
    ];
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let mut segments = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .peekable();
    segments.peek().is_none() || segments.any(|segment| ROUTES.contains(&segment))
}

/// Whether what stands before a reference opens an archive: GDAL's handlers, `zip+s3://`, `tar://…::s3://`.
fn names_archive(before: &str) -> bool {
    let near = before.ceil_char_boundary(before.len().saturating_sub(MAX_HANDLERS));
    ["zip", "tar", "7z", "rar", "gz"]
        .iter()
        .any(|archive| before[near..].contains(archive))
}

fn single_slashes(path: &str) -> String {
    let mut single = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !single.ends_with('/') {
            single.push(c);
        }
    }
    single
}
