//! Whether the catalogue keeps a key of one bucket, for very many keys after another.
//!
//! Keys of a listing that stand side by side mostly have one folder: what is known of it is kept from one to the next. It
//! also remembers which references led to something, so that a catalogue or a listing that is not whole shows.

use super::referenced::{Granularity, Referenced};
use crate::lake::{Fingerprint, Seed};

/// Why the catalogue keeps an object. The first that holds counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keeps {
    /// Something refers to its bucket as a whole.
    Bucket,
    /// Something refers to it or to a folder above it.
    Named,
    /// It lies in an item's own folder, `<collection>/<item>/`.
    Item,
    /// It lies in a dataset's folder, `<domain>/<dataset>/`, that an item refers to.
    Dataset,
}

/// Judges the keys of one bucket.
pub struct Keeper<'a> {
    of: &'a Referenced,
    granularity: Granularity,
    seeds: [Seed; 2],
    is_whole: bool,
    /// The folder of the last key that has one, and what it says of all below it.
    folder: Option<String>,
    above: Option<Keeps>,
    /// A bit for each named place: whether a key was found there or below.
    found: Vec<u64>,
}

impl<'a> Keeper<'a> {
    /// For the keys of a bucket.
    #[must_use]
    pub fn new(of: &'a Referenced, bucket: &str, granularity: Granularity) -> Keeper<'a> {
        Keeper {
            of,
            granularity,
            seeds: of.seeds(bucket),
            is_whole: of.whole.contains_key(bucket),
            folder: None,
            above: None,
            found: Vec::new(),
        }
    }

    /// The same, which remembers what was found.
    #[must_use]
    pub fn remembering(mut self) -> Keeper<'a> {
        self.found = vec![0; self.of.named.len().div_ceil(64)];
        self
    }

    /// Why a key is kept, if it is.
    pub fn keeps(&mut self, key: &str) -> Option<Keeps> {
        let path = key.strip_suffix('/').unwrap_or(key);
        let folder = path.rsplit_once('/').map(|(folder, _)| folder);
        if self.folder.as_deref() != folder {
            self.above = folder.and_then(|folder| self.above(folder));
            self.folder = folder.map(str::to_owned);
        }
        let itself = self.at(path);
        let bucket = self.is_whole.then_some(Keeps::Bucket);
        [bucket, itself, self.above].into_iter().flatten().min()
    }

    /// What a folder and those above it say.
    fn above(&mut self, folder: &str) -> Option<Keeps> {
        let slashes = folder.match_indices('/').map(|(slash, _)| slash);
        let ends = slashes.chain([folder.len()]);
        let mut keeps: Option<Keeps> = None;
        for (depth, end) in (1..).zip(ends) {
            let path = &folder[..end];
            let here = [self.at(path), self.folder_at(path, depth)];
            keeps = here.into_iter().chain([keeps]).flatten().min();
        }
        keeps
    }

    /// What is said of a path as such.
    fn at(&mut self, path: &str) -> Option<Keeps> {
        let mut named = None;
        for seed in self.seeds {
            if let Some(place) = self.of.named.place(seed.print(path)) {
                named = Some(Keeps::Named);
                if let Some(bits) = self.found.get_mut(place / 64) {
                    *bits |= 1 << (place % 64);
                }
            }
        }
        named
    }

    /// What is said of a path as the folder of an item or a dataset.
    fn folder_at(&self, path: &str, depth: usize) -> Option<Keeps> {
        let [here, anywhere] = self.seeds;
        if self.of.items.has(anywhere.print(path)) {
            return Some(Keeps::Item);
        }
        let is_dataset = depth == 2
            && self.granularity == Granularity::Dataset
            && [here, anywhere]
                .iter()
                .any(|seed| self.of.datasets.has(seed.print(path)));
        is_dataset.then_some(Keeps::Dataset)
    }

    /// How many references this bucket should hold, and how many of them led to a key that was judged.
    #[must_use]
    pub fn resolved(&self) -> (u64, u64) {
        let mut found = self.found.clone();
        let place = |print: &Fingerprint| self.of.named.place(*print);
        // One that was read in several ways is found in whichever way.
        for (reading, marked) in &self.of.readings {
            if let (Some(reading), Some(marked)) = (place(reading), place(marked))
                && is_set(&self.found, reading)
            {
                found[marked / 64] |= 1 << (marked % 64);
            }
        }
        let marked = (0..self.of.named.len()).filter(|place| self.of.named.is_marked(*place));
        marked.fold((0, 0), |(all, resolved), place| {
            (all + 1, resolved + u64::from(is_set(&found, place)))
        })
    }
}

fn is_set(bits: &[u64], place: usize) -> bool {
    bits.get(place / 64)
        .is_some_and(|bits| bits >> (place % 64) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::referenced::Wanted;
    use crate::inventory::referenced::tests::referenced;
    use crate::inventory::tests::lake;
    use serde_json::json;

    #[test]
    fn what_is_known_of_one_folder_does_not_go_on_to_the_next() {
        let item = json!({"id": "i", "collection": "c", "assets": {
            "a": {"href": "s3://processed/d/x/vector/"},
            "b": {"href": "s3://processed/top.tif"},
        }});
        let referenced = referenced(&lake(), Wanted::default(), &[item]);
        let mut keeper = Keeper::new(&referenced, "processed", Granularity::Object);
        for (key, keeps) in [
            ("d/x/vector/1", Some(Keeps::Named)),
            ("d/x/vector/2", Some(Keeps::Named)),
            ("d/x/other/2", None),
            ("d/x/vector", Some(Keeps::Named)),
            ("d/x/vector/", Some(Keeps::Named)),
            ("d/x/vectors", None),
            ("top.tif", Some(Keeps::Named)),
            ("top.tif.aux", None),
            ("c/i/", None),
            ("c/i/a", Some(Keeps::Item)),
        ] {
            assert_eq!(keeper.keeps(key), keeps, "{key}");
        }
    }

    #[test]
    fn empty_segments_are_folders_like_any_other() {
        let item = json!({"id": "i", "collection": "c", "assets": {
            "a": {"href": "s3://processed//x/"},
            "b": {"href": "s3://landing/a//b"},
        }});
        let referenced = referenced(&lake(), Wanted::default(), &[item]);
        assert!(referenced.has("processed", "/x/y") && !referenced.has("processed", "/y/x"));
        assert!(referenced.has("landing", "a//b/c") && !referenced.has("landing", "a//c"));
    }

    #[test]
    fn a_reference_is_resolved_by_a_key_at_it_or_below_it_in_any_of_its_readings() {
        let item = json!({"id": "i", "collection": "c", "assets": {
            "exact": {"href": "s3://processed/d/x/a.tif"},
            "folder": {"href": "http://localhost:9000/processed/d/x/vector"},
            "raw": {"href": "http://localhost:9000/processed/d/x/50%25.tif"},
            "gone": {"href": "s3://processed/d/x/gone.tif"},
            "elsewhere": {"href": "s3://landing/d/x/gone.tif"},
            "foreign": {"href": "https://example.org/d/x/gone.tif"},
        }});
        let wanted = Wanted {
            resolving: Some("processed"),
            ..Wanted::default()
        };
        let referenced = referenced(&lake(), wanted, &[item]);
        let mut keeper = Keeper::new(&referenced, "processed", Granularity::Dataset).remembering();
        assert_eq!(keeper.resolved(), (4, 0));
        for key in ["d/x/a.tif", "d/x/vector/part", "d/x/50%25.tif", "d/y/z"] {
            let _ = keeper.keeps(key);
        }
        assert_eq!(keeper.resolved(), (4, 3));
    }
}
