//! A catalogue that changes while it is walked: what is referred to by then stays, and the rest is judged rightly.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::catalogue::{Ask, Catalogue, Holding, What, plain};
use super::swept::{OBJECTS, ORPHANS, Swept};
use super::wire::reply;

/// More items than are read in one search of all collections.
const MANY: usize = 5_001;

/// What is to go, unless somebody registers it: its URIs.
fn orphans(swept: &Swept) -> [String; 2] {
    ORPHANS.map(|n| swept.bucket.uri(&swept.keys[n]))
}

/// So many items that every collection is read by itself, and one collection that refers to the first orphan.
fn many(swept: &Swept, catalogue: &Catalogue) {
    let mut holding = catalogue.holding();
    holding.page = 1000;
    for n in 0..MANY {
        holding.put("bulk", &format!("{n:05}"), &[]);
    }
    holding.put("passing", "one", &orphans(swept)[..1]);
}

/// Sweeps a bucket by a catalogue that this changes once, before it answers the first question of which it says so. Gives
/// what went of it.
fn gone(
    make: impl Fn(&Swept, &Catalogue),
    change: impl Fn(&Ask, &mut Holding, &[String; 2]) -> bool + Send + Sync + 'static,
) -> BTreeSet<usize> {
    let (swept, changed) = (Swept::new(), AtomicBool::new(false));
    let uris = orphans(&swept);
    let before = move |ask: &Ask, holding: &mut Holding| {
        if !changed.load(Ordering::SeqCst) && change(ask, holding, &uris) {
            changed.store(true, Ordering::SeqCst);
        }
    };
    let catalogue = Catalogue::of(&swept, before, plain);
    make(&swept, &catalogue);
    swept.gc(&[]).success();
    let there = swept.bucket.keys();
    (0..OBJECTS)
        .filter(|n| !there.contains(&swept.keys[*n]))
        .collect()
}

#[test]
fn an_item_that_is_inserted_behind_the_walk_keeps_what_it_refers_to() {
    let gone = gone(
        |_, _| (),
        |ask, holding, uris| {
            let is_it = ask.what == What::Items && ask.page == 2;
            if is_it {
                let domain = holding.collections[0].clone();
                holding.put(&domain, "aaa", &uris[1..]);
            }
            is_it
        },
    );
    assert_eq!(gone, BTreeSet::from([ORPHANS[0]]));
}

#[test]
fn an_item_that_is_inserted_before_the_walk_is_there_keeps_what_it_refers_to() {
    let gone = gone(
        |_, _| (),
        |ask, holding, uris| {
            let is_it = ask.what == What::Items && ask.page == 1;
            if is_it {
                let domain = holding.collections[0].clone();
                holding.put(&domain, "zzz", &uris[1..]);
            }
            is_it
        },
    );
    assert_eq!(gone, BTreeSet::from([ORPHANS[0]]));
}

#[test]
fn an_item_that_is_removed_during_the_walk_keeps_what_it_refers_to_only_where_it_was_read() {
    for (page, expected) in [(1, &ORPHANS[..]), (2, &ORPHANS[..1])] {
        let gone = gone(
            |swept, catalogue| {
                let domain = &swept.bucket.domains[0];
                let uris = orphans(swept);
                // The first of the second page.
                catalogue.holding().put(domain, "item-03-b", &uris[1..]);
            },
            move |ask, holding, _| {
                let is_it = ask.what == What::Items && ask.page == page;
                if is_it {
                    let domain = holding.collections[0].clone();
                    holding.items.remove(&(domain, "item-03-b".to_owned()));
                }
                is_it
            },
        );
        assert_eq!(gone, expected.iter().copied().collect(), "page {page}");
    }
}

#[test]
fn a_collection_that_vanishes_between_the_listing_and_its_walk_keeps_nothing_more() {
    let gone = gone(many, |ask, holding, _| {
        let is_it = ask.what == What::Count && ask.collection.as_deref() == Some("passing");
        if is_it {
            holding.remove("passing");
        }
        is_it
    });
    assert_eq!(gone, BTreeSet::from(ORPHANS));
}

#[test]
fn a_collection_that_vanishes_while_another_is_walked_is_no_reason_to_end() {
    let gone = gone(many, |ask, holding, _| {
        let is_it =
            ask.what == What::Items && ask.collection.as_deref() == Some("bulk") && ask.page == 3;
        if is_it {
            holding.remove("passing");
        }
        is_it
    });
    // It was read before, or not: either is right, and what nothing ever referred to goes.
    assert!(
        gone.contains(&ORPHANS[1]) && gone.is_subset(&ORPHANS.into()),
        "{gone:?}"
    );
}

#[test]
fn a_collection_that_appears_during_the_walk_is_walked_too() {
    let gone = gone(many, |ask, holding, uris| {
        let is_it =
            ask.what == What::Items && ask.collection.as_deref() == Some("bulk") && ask.page == 3;
        if is_it {
            holding.put("late", "one", &uris[1..]);
        }
        is_it
    });
    assert_eq!(gone, BTreeSet::new());
}

#[test]
fn a_catalogue_that_never_stands_still_is_not_planned_by() {
    let swept = Swept::new();
    let before = |ask: &Ask, holding: &mut Holding| {
        if ask.what == What::Items {
            let domain = holding.collections[0].clone();
            holding.put(&domain, &format!("new-{:05}", ask.before), &[]);
        }
    };
    Catalogue::of(&swept, before, plain);
    let url = swept.bucket.tapped.stac.url().to_owned();
    let why = [
        "the catalogue changed while it was read, so nothing was planned",
        &url,
    ];
    swept.refused(swept.gc(&["--expect-delete", "2"]), &why);
}

#[test]
fn what_is_registered_while_it_is_read_for_the_second_time_stays() {
    let swept = Swept::new();
    let (s3, uris) = (swept.bucket.tapped.s3.clone(), orphans(&swept));
    let before = move |ask: &Ask, holding: &mut Holding| {
        if ask.what == What::Items && ask.page == 2 && !s3.changes().is_empty() {
            let domain = holding.collections[0].clone();
            holding.put(&domain, "aaa", &uris[1..]);
        }
    };
    Catalogue::of(&swept, before, plain);
    let ran = swept.gc(&[]);
    let told = "1 done. 1 of the plan were not asked for again, and left as they are.";
    assert!(ran.stderr.contains(told), "{ran}");
    let _ = ran.success();
    let left = &swept.bucket.keys() - &swept.kept();
    assert_eq!(left, BTreeSet::from([swept.keys[ORPHANS[1]].clone()]));
}

#[test]
fn a_catalogue_that_fails_after_the_plan_deletes_nothing() {
    let swept = Swept::new();
    let s3 = swept.bucket.tapped.s3.clone();
    let after = move |ask: &Ask, answer| match ask.what {
        What::Items if ask.page == 2 && !s3.changes().is_empty() => reply(
            "500 Internal Server Error",
            r#"{"detail": "out of memory"}"#,
        ),
        _ => plain(ask, answer),
    };
    Catalogue::of(&swept, |_, _| (), after);
    let stderr = swept.gc(&[]).failure(1);
    assert!(stderr.contains("out of memory"), "{stderr}");
    assert!(stderr.contains("done=0 left=0 failed=0"), "{stderr}");
    assert_eq!(swept.bucket.keys().len(), OBJECTS);
}
