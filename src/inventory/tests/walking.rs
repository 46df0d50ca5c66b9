//! A catalogue that changes at random while it is walked: the walk fails, or it has seen everything that was there from
//! its beginning to its end.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::shelf::{Name, Shelf, lock, serve};
use crate::error::Kind;
use crate::inventory::catalogue::{Record, walk};

/// Walks in an ordinary run of the tests, and in a full one.
const WALKS: [u64; 2] = [600, 6_000];

#[tokio::test]
async fn a_walk_fails_or_has_seen_all_that_was_there_all_the_time() {
    let whole = std::env::var_os("DASHICTL_TEST_FULL").is_some();
    let base = super::case::seeds().start;
    let shelf = Arc::new(Mutex::new(Shelf::new(base)));
    let stac = serve(Arc::clone(&shelf)).await;
    let (mut whole_walks, mut disturbed) = (0, 0);
    for seed in base..base + WALKS[usize::from(whole)] {
        *lock(&shelf) = Shelf::new(seed);
        let (mut items, mut collections) = (BTreeSet::<Name>::new(), BTreeSet::new());
        let walked = walk(&stac, |record: Record<'_>| {
            match record {
                Record::Item { collection, id, .. } => {
                    items.insert((collection.to_owned(), id.to_owned()));
                }
                Record::Collection { id, .. } => {
                    collections.insert(id.to_owned());
                }
            }
            Ok(())
        })
        .await;
        let shelf = lock(&shelf);
        match walked {
            Ok(_) => {
                whole_walks += 1;
                disturbed += u64::from(shelf.happened > 0);
                let missed: Vec<_> = shelf.lasting.difference(&items).collect();
                let unlisted: Vec<_> = shelf.lasting_collections.difference(&collections).collect();
                assert!(
                    missed.is_empty() && unlisted.is_empty(),
                    "DASHICTL_TEST_SEED={seed}: {missed:?} {unlisted:?}"
                );
            }
            Err(error) => {
                let kinds = [Kind::Conflict, Kind::Protocol, Kind::Unavailable];
                assert!(
                    kinds.contains(&error.kind()),
                    "DASHICTL_TEST_SEED={seed}: {error}"
                );
            }
        }
    }
    assert!(
        whole_walks > 200 && disturbed > 100,
        "{whole_walks} walks ended, {disturbed} of them disturbed"
    );
}
