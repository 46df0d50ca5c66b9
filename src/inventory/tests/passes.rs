//! Random catalogues and buckets that others change between the two passes of a run and during the second: what is
//! referred to or was written since stays, and every other object of the plan goes.
//!
//! The world is made up here; what is an orphan, what an object was seen to be and whether it is still that is the real
//! code's to say.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::date_time::DateTime;
use jiff::Timestamp;
use rand::RngExt;

use super::case::{Case, dataset, seeds};
use super::lake;
use super::random::sweep;
use crate::clients::s3_list::Listed;
use crate::effects::{Change, Facts, Row, is_done};
use crate::inventory::in_flight::InFlight;
use crate::inventory::in_flight::tests::idle;
use crate::inventory::referenced::tests::referenced;
use crate::inventory::{Judge, Reason, Sweep, Wanted};
use crate::lake::{Lake, ObjectRef};

const BUCKET: &str = "processed";

/// Seconds since 1970 of the beginning of the run, and of when the objects were written.
const BEGAN: i64 = 1_793_491_200;
const WRITTEN: i64 = BEGAN - 31 * 24 * 3600;

/// An object of the store.
#[derive(Debug, Clone, PartialEq)]
struct Object {
    size: u64,
    etag: u64,
    /// In milliseconds.
    written: i64,
}

/// A lake that others work on.
struct World {
    case: Case,
    objects: BTreeMap<String, Object>,
    /// Keys that were written since the plan.
    written: BTreeSet<String>,
    /// Seconds since 1970.
    now: i64,
    versions: u64,
}

impl World {
    fn new(seed: u64) -> World {
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
    fn disturb_objects(&mut self, most: usize) {
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
    fn disturb_records(&mut self, most: usize) {
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
    fn is_referenced(&self, key: &str) -> bool {
        let own = dataset(key);
        self.case
            .kept()
            .any(|(kept, _)| *kept == key || dataset(kept) == own)
    }

    /// The bucket as a listing tells it.
    fn listed(&self) -> Vec<Listed> {
        let objects = self.objects.iter();
        objects.map(|(key, object)| object.listed(key)).collect()
    }

    /// What a listing or a request for one object tells of it.
    fn look(&mut self, key: &str) -> Facts {
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

/// The rest of the program, as far as it decides.
struct Program {
    lake: Lake,
    sweep: Sweep,
    idle: InFlight,
}

impl Program {
    /// One pass: what is known now and, when others have had their turn, what of the listing is an orphan by that.
    fn orphans(&self, world: &mut World, disturbed: usize) -> Vec<Listed> {
        let known = referenced(&self.lake, Wanted::default(), &world.case.records());
        let now = Timestamp::from_second(world.now).unwrap();
        let mut judge = Judge::new(&self.sweep, &known, &self.idle, now);
        world.disturb_objects(disturbed);
        let mut listed = world.listed();
        listed.retain(|object| judge.reason(&object.key, object.written()) == Reason::Orphan);
        listed
    }

    /// The first pass.
    fn plan(&self, world: &mut World) -> BTreeMap<String, Row> {
        let orphans = self.orphans(world, 0).into_iter();
        let rows = orphans.map(|object| {
            let at = ObjectRef {
                bucket: BUCKET.to_owned(),
                key: object.key.clone(),
            };
            let facts = Facts::of_object(&object.row(BUCKET));
            (
                object.key,
                Row::planned(1, Change::DeleteObject { at }, facts),
            )
        });
        rows.collect()
    }

    /// The second pass. Gives the keys of what it deletes.
    fn apply(&self, world: &mut World, plan: &BTreeMap<String, Row>) -> BTreeSet<String> {
        let asked = self.orphans(world, 2);
        let planned = asked.iter().filter_map(|object| plan.get(&object.key));
        world.disturb_objects(3);
        let looked: Vec<(&Row, Facts)> = planned
            .map(|row| (row, world.look(key_of(row))))
            .filter(|(row, now)| is_done(row, now.clone()))
            .collect();
        // While they are put aside.
        world.disturb_objects(2);
        let still = looked
            .into_iter()
            .filter(|(row, seen)| seen.still(&world.look(key_of(row))));
        still.map(|(row, _)| key_of(row).to_owned()).collect()
    }
}

fn key_of(row: &Row) -> &str {
    &row.change.object().unwrap().key
}

#[test]
fn what_others_register_or_write_until_the_last_look_stays_and_the_rest_of_the_plan_goes() {
    let program = Program {
        lake: lake(),
        sweep: sweep(),
        idle: idle(),
    };
    let mut counts = [0; 3];
    for seed in seeds() {
        let mut world = World::new(seed);
        let plan = program.plan(&mut world);
        let orphans: BTreeSet<&String> = world.case.orphans.iter().collect();
        assert!(plan.keys().eq(orphans), "DASHICTL_TEST_SEED={seed}");
        for _ in 0..2 {
            world.disturb_objects(2);
            world.disturb_records(2);
        }
        let referenced: BTreeSet<&String> =
            plan.keys().filter(|key| world.is_referenced(key)).collect();
        let gone = program.apply(&mut world, &plan);
        for (key, row) in &plan {
            let is_written = world.written.contains(key);
            let is_there = world.objects.contains_key(key);
            let should_go = is_there && !is_written && !referenced.contains(key);
            assert_eq!(
                gone.contains(key),
                should_go,
                "DASHICTL_TEST_SEED={seed}: {key:?}, there: {is_there}, written since: {is_written}, referred to: {}, \
                 planned as {:?}",
                referenced.contains(key),
                row.facts
            );
            let outcomes = [should_go, is_written, referenced.contains(key)];
            (0..3).for_each(|at| counts[at] += usize::from(outcomes[at]));
        }
        assert!(
            gone.iter().all(|key| plan.contains_key(key)),
            "DASHICTL_TEST_SEED={seed}"
        );
    }
    assert!(
        counts.iter().all(|count| *count > 1000),
        "the cases are no cases: {counts:?}"
    );
}
