//! What the catalogue refers to while it is read, one record after the other. What it becomes when all is read, and what it
//! then answers, is `referenced`.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::catalogue::{Record, Walked};
use super::claims::unreadable;
use super::referenced::{Referenced, Wanted};
use crate::error::Result;
use crate::lake::{Fingerprint, Gathered, Lake, Place, References, Seed, Share, strings};

/// Keys that are kept as samples: where a bucket is cut to be listed in several places.
const SAMPLES: usize = 256;

/// What is read so far.
pub(super) struct Gathering<'a> {
    lake: &'a Lake,
    wanted: Wanted<'a>,
    seed: Seed,
    buckets: BTreeMap<&'a str, Seed>,
    named: Gathered,
    items: Gathered,
    datasets: Gathered,
    whole: BTreeMap<String, String>,
    tails: Gathered,
    relative: u64,
    readings: Vec<(Fingerprint, Fingerprint)>,
    strangers: BTreeMap<String, u64>,
    samples: Vec<String>,
    /// How many keys there were to be drawn from.
    drawn_from: usize,
}

impl<'a> Gathering<'a> {
    pub(super) fn new(lake: &'a Lake, wanted: Wanted<'a>) -> Gathering<'a> {
        let seed = Seed::random();
        Gathering {
            lake,
            wanted,
            seed,
            buckets: lake.buckets().map(|name| (name, seed.of(name))).collect(),
            named: Gathered::default(),
            items: Gathered::default(),
            datasets: Gathered::default(),
            whole: BTreeMap::new(),
            tails: Gathered::default(),
            relative: 0,
            readings: Vec::new(),
            strangers: BTreeMap::new(),
            samples: Vec::new(),
            drawn_from: 0,
        }
    }

    pub(super) fn into_referenced(self, walked: Walked) -> Referenced {
        Referenced {
            seed: self.seed,
            named: self.named.into_set(),
            items: self.items.into_set(),
            datasets: self.datasets.into_set(),
            whole: self.whole,
            tails: self.tails.into_set(),
            relative: self.relative,
            readings: self.readings,
            walked,
            strangers: self.strangers,
            samples: self.samples,
            drawn_from: self.drawn_from,
        }
    }

    /// Keeps a key as a sample, as likely as each before it.
    fn draw(&mut self, key: &str) {
        self.drawn_from += 1;
        if self.samples.len() < SAMPLES {
            self.samples.push(key.to_owned());
            return;
        }
        let place = rand::random_range(0..self.drawn_from);
        if let Some(sample) = self.samples.get_mut(place) {
            key.clone_into(sample);
        }
    }

    /// Takes in what one record refers to.
    ///
    /// A text with more meanings than are read is an error: what it keeps is not known.
    pub(super) fn add(&mut self, record: &Record<'_>) -> Result<()> {
        let is_item = matches!(record, Record::Item { .. });
        if let Record::Item { collection, id, .. } = record {
            let going = self.wanted.going.iter();
            if going.clone().any(|(c, i)| c == collection && i == id) {
                return Ok(());
            }
            let folder = format!("{collection}/{id}");
            self.items.add(self.seed.print(&folder), false);
        }
        for found in strings(record.value()) {
            let references = self.lake.references(found.text);
            if !references.is_complete() {
                return Err(unreadable(record, &found));
            }
            self.add_text(&references, is_item);
            for bucket in references.whole_buckets() {
                let by = || format!("{}, {}", record.name(), found.path());
                self.whole.entry(bucket.to_owned()).or_insert_with(by);
            }
            if found.name() != Some("href") {
                continue;
            }
            self.add_tail(found.text);
            if let Some(host) = references.unknown_host()
                && found.path().starts_with("assets")
            {
                *self.strangers.entry(host.to_owned()).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Takes in what one text refers to.
    pub(super) fn add_text(&mut self, references: &References, of_item: bool) {
        let mut places = references.places().iter();
        let best = references.is_placed().then(|| places.next()).flatten();
        let marked = best.and_then(|place| self.add_place(place, true, of_item));
        for place in places {
            let print = self.add_place(place, false, of_item);
            if let (Some(print), Some(marked)) = (print, marked) {
                self.readings.push((print, marked));
            }
        }
    }

    /// Keeps what ends like a relative href.
    fn add_tail(&mut self, href: &str) {
        let Some(tail) = tail(href) else {
            return;
        };
        self.relative += 1;
        let decoded = percent_decode_str(&tail).decode_utf8_lossy();
        for text in [tail.as_str(), &*decoded] {
            self.tails.add(self.seed.print(text), false);
        }
    }

    /// Keeps a place. Gives its fingerprint where it is one that the resolving bucket may hold.
    fn add_place(&mut self, place: &Place, is_best: bool, of_item: bool) -> Option<Fingerprint> {
        let (bucket, path) = match place {
            Place::Object(at) => (&at.bucket, at.key.as_str()),
            Place::Prefix(at) => (&at.bucket, at.prefix.trim_end_matches('/')),
            Place::Bucket(_) => return None,
            Place::Foreign(foreign) => {
                for suffix in foreign.suffixes() {
                    let path = suffix.strip_suffix('/').unwrap_or(suffix);
                    self.named.add(self.seed.print(path), false);
                    // It may lie in any bucket, and so may its dataset.
                    if of_item && let Some(dataset) = dataset(path, suffix.ends_with('/')) {
                        self.datasets.add(self.seed.print(dataset), false);
                    }
                }
                return None;
            }
        };
        let seed = *self.buckets.get(bucket.as_str())?;
        let print = seed.print(path);
        let is_listed = |share: Share| Share::tells(path) && share.has(path);
        let resolves =
            self.wanted.resolving == Some(bucket) && self.wanted.share.is_none_or(is_listed);
        if is_best && resolves {
            self.draw(path);
        }
        self.named.add(print, is_best && resolves);
        if of_item && let Some(dataset) = dataset(path, matches!(place, Place::Prefix(_))) {
            self.datasets.add(seed.print(dataset), false);
        }
        resolves.then_some(print)
    }
}

/// The first two segments of a path that lies below them, or is them as a folder.
pub(super) fn dataset(path: &str, is_folder: bool) -> Option<&str> {
    let mut slashes = path.match_indices('/').map(|(slash, _)| slash);
    let end = match (slashes.next(), slashes.next()) {
        (Some(_), Some(second)) => second,
        (Some(_), None) if is_folder => path.len(),
        _ => return None,
    };
    Some(&path[..end])
}

/// What a relative href ends in; none where the href is not relative.
fn tail(href: &str) -> Option<String> {
    let path = href.trim().split(['?', '#']).next().unwrap_or_default();
    let is_scheme = |scheme: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-');
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_part)
    };
    let has_scheme = path
        .split_once(':')
        .is_some_and(|(scheme, _)| is_scheme(scheme));
    if path.starts_with(['/', '\\']) || has_scheme {
        return None;
    }
    let segments = path
        .split('/')
        .filter(|segment| !matches!(*segment, "" | "." | ".."));
    let tail = segments.collect::<Vec<_>>().join("/");
    (!tail.is_empty()).then_some(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_the_first_two_segments_of_what_lies_in_it() {
        for (path, is_folder, of) in [
            ("a/b/c", false, Some("a/b")),
            ("a/b/c/d", true, Some("a/b")),
            ("a/b", true, Some("a/b")),
            ("a/b", false, None),
            ("a", true, None),
        ] {
            assert_eq!(dataset(path, is_folder), of, "{path}");
        }
    }

    #[test]
    fn an_href_is_relative_where_it_has_neither_scheme_nor_root() {
        for (href, ends_in) in [
            ("./a b.tif?x#y", Some("a b.tif")),
            ("../two/vector/", Some("two/vector")),
            ("C/b", Some("C/b")),
            ("s3://a/b", None),
            ("/a/b", None),
            ("mailto:a@b", None),
            ("", None),
            ("../..", None),
            ("#top", None),
        ] {
            assert_eq!(tail(href).as_deref(), ends_in, "{href}");
        }
    }
}
