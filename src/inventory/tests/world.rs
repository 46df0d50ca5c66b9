//! A lake of random content that others work on, as far as garbage collection sees it. What its catalogue refers to is known
//! by construction.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::date_time::DateTime;
use rand::RngExt;

use super::case::{Case, dataset};
use crate::clients::s3_list::Listed;
use crate::effects::Facts;

/// The bucket that is swept.
pub(super) const BUCKET: &str = "processed";

/// Seconds since 1970 of the beginning of the run, and of when the objects were written.
const BEGAN: i64 = 1_793_491_200;
const WRITTEN: i64 = BEGAN - 31 * 24 * 3600;

/// An object of the store.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object {
    size: u64,
    etag: u64,
    /// In milliseconds.
    written: i64,
}

/// A lake that others work on.
pub(super) struct World {
    pub(super) case: Case,
    pub(super) objects: BTreeMap<String, Object>,
    /// Keys that were written since the plan.
    pub(super) written: BTreeSet<String>,
    /// Seconds since 1970.
    pub(super) now: i64,
    versions: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let case = Case::new(seed);
        let mut world = World {
            objects: BTreeMap::new(),
            written: BTreeSet::new(),
            now: WRITTEN,
            versions: 0,
            case,
        };
        let kept: Vec<String> = world.case.kept().map(|(key, _)| key.clone()).collect();
        // A reference may lead nowhere.
        for key in kept {
            if world.chance(0.8) {
                world.write(&key);
            }
        }
        for key in world.case.orphans.clone() {
            world.write(&key);
        }
        world.written.clear();
        world.now = BEGAN;
        world
    }

    fn chance(&mut self, likely: f64) -> bool {
        self.case.random.random_bool(likely)
    }

    fn up_to(&mut self, most: usize) -> usize {
        self.case.random.random_range(0..most)
    }

    /// Writes an object that differs from the one before in at least one of all that is seen of it.
    fn write(&mut self, key: &str) {
        self.versions += 1;
        let written = self.now * 1000 + i64::try_from(self.up_to(1000)).unwrap();
        let mut object = Object {
            size: self.versions,
            etag: self.versions,
            written,
        };
        if let Some(before) = self.objects.get(key).cloned() {
            match self.up_to(4) {
                0 => object.size = before.size,
                1 => (object.size, object.etag) = (before.size, before.etag),
                2 => (object.size, object.written) = (before.size, before.written),
                _ => {}
            }
        }
        self.objects.insert(key.to_owned(), object);
        self.written.insert(key.to_owned());
    }

    fn any_object(&mut self) -> Option<String> {
        let nth = self.up_to(self.objects.len().max(1));
        self.objects.keys().nth(nth).cloned()
    }

    fn any_orphan(&mut self) -> String {
        let nth = self.up_to(self.case.orphans.len());
        self.case.orphans[nth].clone()
    }

    /// What others do to the store.
    pub(super) fn disturb_objects(&mut self, most: usize) {
        for _ in 0..self.up_to(most + 1) {
            self.now += i64::try_from(1 + self.up_to(60)).unwrap();
            let key = if self.chance(0.5) {
                Some(self.any_orphan())
            } else {
                self.any_object()
            };
            match self.up_to(5) {
                0 | 1 => {
                    if let Some(key) = key.filter(|key| self.objects.contains_key(key)) {
                        self.write(&key);
                    }
                }
                2 => {
                    self.objects.remove(&key.unwrap_or_default());
                }
                // Also what is gone may come again.
                3 => self.write(&key.unwrap_or_else(|| "x/y/z".to_owned())),
                _ => {
                    let fresh = self.case.key();
                    let beside = format!("{}/{}", dataset(&self.any_orphan()), self.up_to(9));
                    let key = if self.chance(0.5) { fresh } else { beside };
                    self.write(&key);
                }
            }
        }
    }

    /// What others do to the catalogue.
    pub(super) fn disturb_records(&mut self, most: usize) {
        for _ in 0..self.up_to(most + 1) {
            let key = match self.up_to(4) {
                0 if !self.case.items.is_empty() => {
                    let nth = self.up_to(self.case.items.len());
                    self.case.items.remove(nth);
                    continue;
                }
                // Something else in its dataset, which is kept whole.
                1 => format!("{}/other/{}", dataset(&self.any_orphan()), self.up_to(9)),
                2 => self.any_object().unwrap_or_else(|| self.any_orphan()),
                _ => self.any_orphan(),
            };
            self.case.add_item(&[key]);
        }
    }

    /// The keys of the plan that something refers to, by construction: itself, or anything in its dataset.
    pub(super) fn is_referenced(&self, key: &str) -> bool {
        let own = dataset(key);
        self.case
            .kept()
            .any(|(kept, _)| *kept == key || dataset(kept) == own)
    }

    /// The bucket as a listing tells it.
    pub(super) fn listed(&self) -> Vec<Listed> {
        let objects = self.objects.iter();
        objects.map(|(key, object)| object.listed(key)).collect()
    }

    /// What a listing or a request for one object tells of it.
    pub(super) fn look(&mut self, key: &str) -> Facts {
        let Some(mut object) = self.objects.get(key).cloned() else {
            return Facts::Absent;
        };
        // A fraction of the second is what only listings tell.
        if self.chance(0.5) {
            object.written = object.written / 1000 * 1000;
        }
        Facts::of_object(&object.listed(key).row(BUCKET))
    }
}

impl Object {
    fn listed(&self, key: &str) -> Listed {
        Listed {
            key: key.to_owned(),
            size: self.size,
            etag: Some(format!("{:032x}", self.etag)),
            modified: Some(DateTime::from_millis(self.written)),
        }
    }
}
