//! Random catalogues and buckets that others change between the two passes of a run and during the second: what is
//! referred to or was written since stays, and every other object of the plan goes.
//!
//! The world is made up here; what is an orphan, what an object was seen to be and whether it is still that is the real
//! code's to say.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::case::seeds;
use super::lake;
use super::random::sweep;
use super::world::{BUCKET, World};
use crate::clients::s3_list::Listed;
use crate::effects::{Change, Facts, Row, is_done};
use crate::inventory::in_flight::InFlight;
use crate::inventory::in_flight::tests::idle;
use crate::inventory::referenced::tests::referenced;
use crate::inventory::{Judge, Reason, Sweep, Wanted};
use crate::lake::{Lake, ObjectRef};

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
            (object.key, Row::planned(1, Change::delete(at), facts))
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
