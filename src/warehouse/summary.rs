//! What a snapshot's summary says: what it added and took away, and what there is in all. The keys and their meaning are the
//! format's (<https://iceberg.apache.org/spec/#optional-snapshot-summary-fields>).

use std::collections::{BTreeMap, HashSet};

use iceberg::spec::{DataFile, Struct};

use super::contents::Contents;

/// Files and what is in them.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    files: u64,
    records: u64,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, file: &DataFile) {
        self.files += 1;
        self.records += file.record_count();
        self.bytes += file.file_size_in_bytes();
    }
}

/// What a snapshot comes to.
#[derive(Debug, Default)]
pub(super) struct Summary {
    before: Sum,
    added: Sum,
    deleted: Sum,
    partitions: HashSet<(i32, Struct)>,
}

impl Summary {
    /// The summary of a snapshot that follows one of these contents, and changes nothing yet.
    pub(super) fn of(contents: &Contents) -> Summary {
        let mut summary = Summary::default();
        for live in contents.live() {
            summary.before.add(live.entry.data_file());
        }
        summary
    }

    /// A file that is there from now on, of a partition by this number of the partitioning.
    pub(super) fn adds(&mut self, spec: i32, file: &DataFile) {
        self.added.add(file);
        self.partitions.insert((spec, file.partition().clone()));
    }

    /// A file that is there no more.
    pub(super) fn deletes(&mut self, spec: i32, file: &DataFile) {
        self.deleted.add(file);
        self.partitions.insert((spec, file.partition().clone()));
    }

    /// The operation, by its name in the format.
    pub(super) fn operation(&self) -> &'static str {
        match (self.added.files, self.deleted.files) {
            (0, _) => "delete",
            (_, 0) => "append",
            _ => "overwrite",
        }
    }

    /// All of it as texts, what is none left out where the format leaves it out.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        let Summary {
            before,
            added,
            deleted,
            partitions,
        } = self;
        let total = |of: fn(&Sum) -> u64| of(before) + of(added) - of(deleted);
        let changed = [
            ("added-data-files", added.files),
            ("added-records", added.records),
            ("added-files-size", added.bytes),
            ("deleted-data-files", deleted.files),
            ("deleted-records", deleted.records),
            ("removed-files-size", deleted.bytes),
            ("changed-partition-count", partitions.len() as u64),
        ];
        let totals = [
            ("total-data-files", total(|sum| sum.files)),
            ("total-records", total(|sum| sum.records)),
            ("total-files-size", total(|sum| sum.bytes)),
            ("total-delete-files", 0),
            ("total-position-deletes", 0),
            ("total-equality-deletes", 0),
        ];
        let changed = changed.into_iter().filter(|(_, count)| *count > 0);
        changed
            .chain(totals)
            .map(|(name, count)| (name.to_owned(), count.to_string()))
            .chain([("operation".to_owned(), self.operation().to_owned())])
            .collect()
    }
}
