//! The one best reading of an href: what a reader of that kind of href would fetch.
//!
//! Strict where `readings` is generous: the href has to begin where the text begins, an `s3://` key is raw, a URL is
//! read as URLs are. What it means for a command, or for a record, is decided by those who ask.

use super::Foreign;
use super::endpoint::{Endpoints, Known, StoreHost, below_base};
use super::href::{
    Form, bucket_name, decoded, form_decoded, parameters, resolved, split_authority, split_bucket,
    starts,
};

/// A tile server's link holds the link of what it draws; no writer nests deeper than this.
const MAX_DEPTH: usize = 8;

/// What an href means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A bucket of the store and a raw key, which is empty where only the bucket is named.
    Stored { bucket: String, key: String },
    /// The store itself: its host and no bucket.
    StoreRoot,
    /// A service that holds no objects.
    Service,
    /// A path at a host that is not known, or with no host.
    Foreign(Foreign),
    /// Nothing that could be an object.
    Nothing,
}

impl Meaning {
    fn stored(bucket: &str, key: impl Into<String>) -> Meaning {
        let bucket = bucket.to_owned();
        let key = key.into();
        Meaning::Stored { bucket, key }
    }
}

/// The best reading of the href.
pub(crate) fn meaning(endpoints: &Endpoints, href: &str) -> Meaning {
    of(endpoints, href, 0)
}

fn of(endpoints: &Endpoints, href: &str, depth: usize) -> Meaning {
    let href = href.trim_start();
    if depth > MAX_DEPTH || is_opaque(href) {
        return Meaning::Nothing;
    }
    if href.starts_with("/vsi") {
        return of_gdal(endpoints, href, depth);
    }
    match starts(href).find(|start| start.at == 0) {
        Some(start) if start.form == Form::Bucket => of_bucket(endpoints, start.tail, depth),
        Some(start) => of_url(endpoints, start.tail, depth),
        None => of_bare(endpoints, href, depth),
    }
}

fn of_bucket(endpoints: &Endpoints, tail: &str, depth: usize) -> Meaning {
    let (bucket, rest) = split_bucket(tail);
    if bucket.is_empty() {
        return of_url(endpoints, tail, depth);
    }
    if let Some(key) = rest.strip_prefix('/') {
        return Meaning::stored(bucket, key);
    }
    if rest.trim_end().is_empty() || rest.starts_with(['?', '#']) {
        return Meaning::stored(bucket, "");
    }
    // `s3://host:9000/bucket/key`, as some clients write it.
    of_url(endpoints, tail, depth)
}

fn of_url(endpoints: &Endpoints, tail: &str, depth: usize) -> Meaning {
    let (authority, rest) = split_authority(tail.trim_end());
    let path = rest.split(['?', '#']).next().unwrap_or(rest);
    let path = resolved(path).unwrap_or_else(|| path.to_owned());
    let path = decoded(&path).unwrap_or(path);
    let known = endpoints.known(authority, &path);
    if let Known::Store(stores) = &known
        && let Some(stored) = stores.iter().find_map(|store| of_path(store, &path))
    {
        return stored;
    }
    if let Some(drawn @ Meaning::Stored { .. }) = drawn(endpoints, rest, depth) {
        return drawn;
    }
    match known {
        Known::Service => Meaning::Service,
        _ => Meaning::Foreign(Foreign::new(Some(authority), path)),
    }
}

/// A URL's path in the store: behind the bucket's own host it is the key, else the bucket is its first segment.
/// `None` where it does not lie below the store's base.
fn of_path(store: &StoreHost<'_>, path: &str) -> Option<Meaning> {
    let path = below_base(path, store.base)?;
    if let Some(bucket) = &store.bucket {
        return Some(Meaning::stored(
            bucket,
            path.strip_prefix('/').unwrap_or(path),
        ));
    }
    let path = path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    if bucket.is_empty() || bucket_name(bucket).len() < bucket.len() {
        return Some(Meaning::StoreRoot);
    }
    Some(Meaning::stored(bucket, key))
}

/// What a tile server draws: its `url` parameter, which is an href itself.
fn drawn(endpoints: &Endpoints, rest: &str, depth: usize) -> Option<Meaning> {
    let (_, query) = rest.split_once('?')?;
    let query = query.split('#').next().unwrap_or(query);
    let (_, url) = parameters(query).find(|(name, _)| *name == "url")?;
    Some(of(endpoints, &form_decoded(url)?, depth + 1))
}

/// A text that begins with no scheme of ours: a host of the store, another scheme, a path.
fn of_bare(endpoints: &Endpoints, text: &str, depth: usize) -> Meaning {
    if let Some(tail) = text
        .strip_prefix("//")
        .filter(|tail| !tail.starts_with('/'))
    {
        return of_url(endpoints, tail, depth);
    }
    let (authority, rest) = split_authority(text);
    if rest.starts_with('/') && !endpoints.stores(authority).is_empty() {
        return of_url(endpoints, text, depth);
    }
    let foreign = other_scheme(text).unwrap_or_else(|| Foreign::new(None, text));
    if foreign.suffixes().next().is_none() && foreign.host().is_none() {
        return Meaning::Nothing;
    }
    Meaning::Foreign(foreign)
}

/// `gs://bucket/key`, `file:///path`: any scheme with an authority that is not one of ours.
pub(crate) fn other_scheme(text: &str) -> Option<Foreign> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let (authority, path) = split_authority(rest);
    let host = (!authority.is_empty()).then_some(authority);
    is_scheme.then(|| Foreign::new(host, path))
}

/// Schemes that name no file.
pub(crate) fn is_opaque(text: &str) -> bool {
    ["mailto:", "tel:", "data:", "javascript:"]
        .iter()
        .any(|scheme| {
            let start = text.get(..scheme.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
}

/// A GDAL path: the store's own handlers, or others chained before them, of which the innermost counts.
fn of_gdal(endpoints: &Endpoints, path: &str, depth: usize) -> Meaning {
    for handler in ["/vsis3/", "/vsis3_streaming/"] {
        if let Some(tail) = path.strip_prefix(handler) {
            return of_bucket(endpoints, tail, depth);
        }
    }
    for handler in ["/vsicurl/", "/vsicurl_streaming/"] {
        if let Some(href) = path.strip_prefix(handler) {
            return of(endpoints, href, depth + 1);
        }
    }
    if path.starts_with("/vsicurl") {
        return drawn(endpoints, path, depth).unwrap_or(Meaning::Nothing);
    }
    match chained(path) {
        Some(inner) => of(endpoints, inner, depth + 1),
        None => Meaning::Foreign(Foreign::new(None, path)),
    }
}

/// The path behind the first handler of a chain, without what lies inside an archive.
fn chained(path: &str) -> Option<&str> {
    let handler = path[1..].find("/vsi").map(|slash| slash + 1);
    let scheme = starts(path)
        .map(|start| start.at)
        .filter(|at| *at > 0)
        .min();
    let at = match (handler, scheme) {
        (Some(handler), Some(scheme)) => handler.min(scheme),
        (found, other) => found.or(other)?,
    };
    let inner = &path[at..];
    if path[..at].ends_with('{') {
        return Some(inner.split('}').next().unwrap_or(inner));
    }
    Some(without_inner_path(inner))
}

fn without_inner_path(path: &str) -> &str {
    const ARCHIVES: [&str; 7] = [
        ".zip/", ".tar/", ".tar.gz/", ".tgz/", ".kmz/", ".7z/", ".rar/",
    ];
    let ends = ARCHIVES
        .iter()
        .filter_map(|archive| Some(path.find(archive)? + archive.len() - 1));
    ends.min().map_or(path, |end| &path[..end])
}
