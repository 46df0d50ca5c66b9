//! Random catalogues and buckets: nothing that is referred to is ever an orphan, and whatever is not is one.

use jiff::{SignedDuration, Timestamp};

use super::case::{Case, seeds};
use super::lake;
use crate::inventory::in_flight::tests::idle;
use crate::inventory::referenced::tests::referenced;
use crate::inventory::{Granularity, Judge, Reason, Sweep, Wanted};
use crate::lake::Role;

pub(super) fn sweep() -> Sweep {
    Sweep {
        bucket: "processed".to_owned(),
        role: Role::Processed,
        granularity: Granularity::Dataset,
        min_age: SignedDuration::from_hours(1),
        since: "2026-11-01T00:00:00Z".parse().unwrap(),
        protect: Vec::new(),
        share: None,
        tabled: crate::inventory::Tabled::default(),
        known_for: crate::inventory::KNOWN_FOR,
    }
}

#[test]
fn of_random_catalogues_no_referenced_key_is_an_orphan_and_every_other_is() {
    let (sweep, idle, lake) = (sweep(), idle(), lake());
    let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let old: Timestamp = "2026-10-01T00:00:00Z".parse().unwrap();
    for seed in seeds() {
        let case = Case::new(seed);
        let known = referenced(&lake, Wanted::default(), &case.records());
        let mut judge = Judge::new(&sweep, &known, &idle, now);
        for (key, by) in case.kept() {
            let reason = judge.reason(key, Some(old));
            assert_ne!(
                reason,
                Reason::Orphan,
                "DASHICTL_TEST_SEED={seed}: {key:?}, kept by {by:?}"
            );
        }
        for key in &case.orphans {
            let reason = judge.reason(key, Some(old));
            let hrefs: Vec<_> = case.kept().collect();
            assert_eq!(
                reason,
                Reason::Orphan,
                "DASHICTL_TEST_SEED={seed}: {key:?} beside {hrefs:#?}"
            );
        }
    }
}
