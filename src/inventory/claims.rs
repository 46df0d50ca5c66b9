//! What other records keep of an item's objects and datasets, with the first record that says so.
//!
//! A pure decision, fed one record after the other. It looks at every string of a record, since a reference too many only
//! keeps garbage. A claim is a uri: it keeps the object of that uri and all below it.

use std::collections::BTreeSet;
use std::ops::Range;

use super::catalogue::Record;
use super::found::Candidate;
use super::names::Names;
use super::rows::TableRows;
use crate::error::{Error, Kind, Result};
use crate::lake::{Found, Lake, Place, strings};

/// Who keeps what: `None` where nobody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdicts {
    /// For each candidate, in the order they came in.
    pub(crate) objects: Vec<Option<String>>,
    /// For each dataset of the item: who else lives there.
    pub(crate) datasets: Vec<Option<String>>,
    /// The item's rows in a table, with what others name of it.
    pub(crate) rows: Option<TableRows>,
}

/// What is kept of an item, so far.
pub(crate) struct Claims<'a> {
    lake: &'a Lake,
    names: &'a Names,
    /// Where a path that could not be placed may lie.
    buckets: BTreeSet<&'a str>,
    kept: Holdings<'a>,
}

impl<'a> Claims<'a> {
    /// Nothing is kept yet. The candidates are in the order of their uris.
    pub(crate) fn new(lake: &'a Lake, names: &'a Names, candidates: &'a [Candidate]) -> Claims<'a> {
        let objects = candidates
            .iter()
            .map(|candidate| candidate.object.bucket.as_str());
        let datasets = names.datasets.iter().map(|dataset| dataset.bucket.as_str());
        Claims {
            lake,
            names,
            buckets: objects.chain(datasets).collect(),
            kept: Holdings::new(names, candidates),
        }
    }

    /// Takes in what one record keeps. The item itself keeps nothing.
    ///
    /// A text with more meanings than are read is an error: what it keeps is not known.
    pub(crate) fn add(&mut self, record: &Record<'_>) -> Result<()> {
        if self.is_own(record) {
            return Ok(());
        }
        if let Some(rows) = &mut self.kept.verdicts.rows {
            rows.add(record);
        }
        for found in strings(record.value()) {
            let references = self.lake.references(found.text);
            for place in references.places() {
                self.add_place(record, &found, place);
            }
            if !references.is_complete() {
                return Err(unreadable(record, &found));
            }
        }
        if let Record::Item { collection, id, .. } = record {
            let by = || format!("{}, whose dataset it is in", record.name());
            for bucket in &self.buckets {
                self.kept
                    .keep(&format!("s3://{bucket}/{collection}/{id}/"), by);
            }
        }
        Ok(())
    }

    /// Who keeps what, after the last record.
    pub(crate) fn verdicts(self) -> Verdicts {
        self.kept.verdicts
    }

    fn is_own(&self, record: &Record<'_>) -> bool {
        matches!(record, Record::Item { collection, id, .. }
            if *collection == self.names.collection && *id == self.names.id)
    }

    fn add_place(&mut self, record: &Record<'_>, found: &Found<'_>, place: &Place) {
        let by = || format!("{}, {}", record.name(), found.path());
        let Place::Foreign(foreign) = place else {
            return self.kept.keep(&place.to_string(), by);
        };
        for suffix in foreign.suffixes() {
            for bucket in &self.buckets {
                self.kept.keep(&format!("s3://{bucket}/{suffix}"), by);
            }
        }
    }
}

/// An item's objects and datasets as uris, with who keeps each.
struct Holdings<'a> {
    /// The candidates, sorted: what a claim keeps is found by binary search, so that thousands of records meet thousands
    /// of objects quickly.
    uris: Vec<&'a str>,
    datasets: Vec<String>,
    verdicts: Verdicts,
}

impl<'a> Holdings<'a> {
    fn new(names: &Names, candidates: &'a [Candidate]) -> Holdings<'a> {
        Holdings {
            uris: candidates
                .iter()
                .map(|candidate| candidate.object.uri.as_str())
                .collect(),
            datasets: names.datasets.iter().map(ToString::to_string).collect(),
            verdicts: Verdicts {
                objects: vec![None; candidates.len()],
                datasets: vec![None; names.datasets.len()],
                rows: names.rows.clone(),
            },
        }
    }

    /// Keeps the object of that uri and all below it, and marks each dataset that the claim is in or above of.
    fn keep(&mut self, uri: &str, by: impl Fn() -> String) {
        for range in self.covered(uri) {
            for kept in &mut self.verdicts.objects[range] {
                kept.get_or_insert_with(&by);
            }
        }
        for (dataset, neighbour) in self.datasets.iter().zip(&mut self.verdicts.datasets) {
            if uri.starts_with(dataset) || covers(uri, dataset) {
                neighbour.get_or_insert_with(&by);
            }
        }
    }

    /// Where the uris stand that a claim keeps: itself, and what is below it.
    fn covered(&self, uri: &str) -> [Range<usize>; 2] {
        if uri.ends_with('/') {
            return [self.beginning_with(uri), 0..0];
        }
        let itself = match self.uris.binary_search(&uri) {
            Ok(at) => at..at + 1,
            Err(_) => 0..0,
        };
        [itself, self.beginning_with(&format!("{uri}/"))]
    }

    fn beginning_with(&self, start: &str) -> Range<usize> {
        let first = self.uris.partition_point(|uri| *uri < start);
        let count = self.uris[first..].partition_point(|uri| uri.starts_with(start));
        first..first + count
    }
}

/// Whether a claim keeps all below a directory.
fn covers(uri: &str, directory: &str) -> bool {
    directory
        .strip_prefix(uri)
        .is_some_and(|rest| uri.ends_with('/') || rest.starts_with('/'))
}

/// The error for a text that could mean anything.
pub(super) fn unreadable(record: &Record<'_>, found: &Found<'_>) -> Error {
    let message = format!(
        "{}, {} names more places than can be read, so it is not known what it keeps, and nothing was planned",
        record.name(),
        found.path()
    );
    let put = match record {
        Record::Collection { .. } => "stac::put_collection",
        Record::Item { .. } => "stac::put_item",
    };
    Error::new(Kind::Conflict, message).hint(format!("shorten that text with {put}"))
}
