//! Many objects deleted together: looked at by listing where they stand side by side, put aside at once, and taken away by
//! few requests. What is true of one object is `object`'s; this is only faster.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::StreamExt;

use super::call::why;
use super::hands::{Done, Hands, Number, Seen};
use super::many::AT_ONCE;
use super::object::{changed, is_copy, place_aside, seen, unlike};
use super::row::{Row, State};
use super::{Change, Facts, Permit, RunId};
use crate::clients::s3::S3;
use crate::clients::s3_bulk::{Doomed, Fate};
use crate::clients::s3_list::Part;
use crate::clients::s3_order::Order;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;

/// Copies that are asked for at a time; how many are under way is the pace's business.
const COPIES: usize = 64;

/// A page of a listing of which fewer than one in so many keys are wanted is the last that is read.
const SPARSE: usize = 20;

/// What came of one object: as of [`super::batch::Came`], without its row.
type Outcome = (State, Option<String>, Option<Done>);

/// Whether all of these delete objects.
pub(super) fn deletes(changes: &[&Change]) -> bool {
    changes
        .iter()
        .all(|change| matches!(change, Change::DeleteObject { .. }))
}

/// What many objects are now, in their order. An object that no listing shows is asked for alone.
pub(super) async fn look(s3: &S3, all: &[ObjectRef]) -> Vec<Result<Seen>> {
    let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for at in all {
        keys.entry(&at.bucket).or_default().push(&at.key);
    }
    let mut found: HashMap<(String, String), Facts> = HashMap::new();
    for (bucket, mut keys) in keys {
        keys.sort_unstable();
        // What a listing does not tell, or does not tell truly, the look at each tells.
        let _ = list(s3, bucket, &keys, &mut found).await;
    }
    let looks = futures::stream::iter(all).map(async |at| {
        match found.get(&(at.bucket.clone(), at.key.clone())) {
            Some(facts) => Ok(Seen {
                facts: facts.clone(),
                ..Seen::default()
            }),
            None => seen(s3, at).await,
        }
    });
    looks.buffered(AT_ONCE).collect().await
}

/// Lists from the first of these keys to the last, for as long as that is worth it.
async fn list(
    s3: &S3,
    bucket: &str,
    keys: &[&str],
    found: &mut HashMap<(String, String), Facts>,
) -> Result<()> {
    let [first, rest @ ..] = keys else {
        return Ok(());
    };
    let Some(last) = rest.last() else {
        return Ok(());
    };
    let mut pages = s3.pages(Part {
        bucket: bucket.to_owned(),
        prefix: common_folder(first, last).to_owned(),
        // The first is not listed then, and looked at alone.
        after: Some((*first).to_owned()),
        by_folder: false,
    });
    let mut missing = rest.len();
    while let Some(page) = pages.next().await {
        let page = page?;
        let mut wanted = 0;
        for object in &page.objects {
            if rest.binary_search(&object.key.as_str()).is_ok() {
                wanted += 1;
                let facts = Facts::of_object(&object.row(bucket));
                found.insert((bucket.to_owned(), object.key.clone()), facts);
            }
        }
        missing = missing.saturating_sub(wanted);
        let end = page.objects.last();
        let is_past = end.is_none_or(|end| Order::is_after_everywhere(&end.key, last));
        if missing == 0 || is_past || wanted * SPARSE < page.objects.len() {
            break;
        }
    }
    Ok(())
}

/// The folder that two keys are both in, with its slash.
fn common_folder<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one
        .bytes()
        .zip(other.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let same = &one[..one.floor_char_boundary(same)];
    &same[..same.rfind('/').map_or(0, |slash| slash + 1)]
}

/// Deletes objects that were just looked at. Gives what came of each, in their order.
pub(super) async fn delete(
    hands: &Hands,
    run: &RunId,
    ready: &[(Row, Seen)],
) -> Result<Vec<Outcome>> {
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    for (bucket, some) in by_bucket(ready)? {
        let mut deletion = Deletion {
            hands,
            s3: hands.s3()?,
            bucket,
            run,
            open: some,
            asides: HashMap::new(),
            outcomes: &mut outcomes,
        };
        deletion.perform().await;
    }
    Ok(outcomes.into_values().collect())
}

/// An object that is to go, by its place in the whole.
struct Target<'a> {
    place: usize,
    number: i64,
    at: &'a ObjectRef,
    /// The bucket that it is put aside in.
    trash: &'a str,
    there: &'a Facts,
}

fn by_bucket(ready: &[(Row, Seen)]) -> Result<BTreeMap<&str, Vec<Target<'_>>>> {
    let mut buckets: BTreeMap<&str, Vec<Target>> = BTreeMap::new();
    for (place, (row, seen)) in ready.iter().enumerate() {
        let Change::DeleteObject { at, .. } = &row.change else {
            return Err(Error::internal("this is no deletion of an object"));
        };
        buckets.entry(&at.bucket).or_default().push(Target {
            place,
            number: row.number,
            at,
            trash: row.change.trash().unwrap_or(&at.bucket),
            there: &seen.facts,
        });
    }
    Ok(buckets)
}

/// Objects of one bucket that are on their way out.
struct Deletion<'a> {
    hands: &'a Hands,
    s3: &'a S3,
    bucket: &'a str,
    run: &'a RunId,
    /// Those of which nothing is decided yet.
    open: Vec<Target<'a>>,
    /// Where each was put aside.
    asides: HashMap<usize, ObjectRef>,
    outcomes: &'a mut BTreeMap<usize, Outcome>,
}

impl Deletion<'_> {
    async fn perform(&mut self) {
        let versions = match self.hands.keeps_versions(self.bucket).await {
            Ok(versions) => versions,
            Err(error) => return self.fail_all(&error),
        };
        if !versions && self.hands.has_trash(self.bucket) {
            self.copy_aside().await;
            self.check_copies().await;
            self.check_originals().await;
        }
        let doomed: Vec<Doomed> = self.open.iter().map(doomed).collect();
        let permit = Permit::granted();
        let fates = self.s3.delete_many(permit, self.bucket, &doomed).await;
        let all = std::mem::take(&mut self.open);
        let deleted = all.iter().zip(&fates);
        let deleted = deleted.filter(|(_, fate)| matches!(fate, Fate::Deleted(_)));
        let deleted: Vec<&Target> = deleted.map(|(target, _)| target).collect();
        let still_there = self.still_there(&deleted).await;
        for (target, fate) in all.into_iter().zip(fates) {
            let outcome = match fate {
                Fate::Deleted(_) if still_there.contains(&target.place) => {
                    let message = format!(
                        "the store said that it deleted {}, and it is there",
                        target.at
                    );
                    failed(&Error::new(Kind::Protocol, message))
                }
                Fate::Deleted(marker) => {
                    let done = Done {
                        marker: marker.filter(|_| versions),
                        aside: self.asides.remove(&target.place),
                        ..Done::default()
                    };
                    (State::Done, None, Some(done))
                }
                Fate::Changed => left(&target),
                Fate::Failed(error) => failed(&error),
            };
            self.outcomes.insert(target.place, outcome);
        }
    }

    /// Those of the deleted that are there all the same, by their places: some stores say that they deleted what they did
    /// not. Told by a listing, as far as one tells it, and by a look at what it shows.
    async fn still_there(&self, deleted: &[&Target<'_>]) -> HashSet<usize> {
        let targets: BTreeMap<&str, &Target> = deleted
            .iter()
            .map(|target| (target.at.key.as_str(), *target))
            .collect();
        let keys: Vec<&str> = targets.keys().copied().collect();
        let mut listed = HashMap::new();
        let _ = list(self.s3, self.bucket, &keys, &mut listed).await;
        let listed = listed.keys().map(|(_, key)| key.as_str());
        // The listing begins after the first.
        let doubtful = keys.first().copied().into_iter().chain(listed);
        let looks = futures::stream::iter(doubtful).filter_map(async |key| {
            let target = targets.get(key)?;
            let now = seen(self.s3, target.at).await.ok()?;
            target.there.still(&now.facts).then_some(target.place)
        });
        looks.collect().await
    }

    fn fail_all(&mut self, error: &Error) {
        for target in std::mem::take(&mut self.open) {
            self.outcomes.insert(target.place, failed(error));
        }
    }

    /// Copies each to the trash.
    async fn copy_aside(&mut self) {
        let (s3, run) = (self.s3, self.run);
        let copying = futures::stream::iter(std::mem::take(&mut self.open)).map(async |target| {
            let number = Number {
                run,
                effect: target.number,
            };
            let copied = async {
                let aside = place_aside(number, target.at, target.trash)?;
                let (etag, size) = (target.there.etag(), target.there.size());
                s3.copy(Permit::granted(), target.at, &aside, etag, size)
                    .await
                    .map_err(|error| changed_or(&target, error))?;
                Ok(aside)
            };
            let copied = copied.await;
            (target, copied)
        });
        let copied: Vec<(Target, Result<ObjectRef>)> = copying.buffered(COPIES).collect().await;
        for (target, aside) in copied {
            match aside {
                Ok(aside) => {
                    self.asides.insert(target.place, aside);
                    self.open.push(target);
                }
                Err(error) => self.give_up(&target, &error),
            }
        }
    }

    /// Keeps those whose copy is like the original.
    async fn check_copies(&mut self) {
        let asides = self
            .open
            .iter()
            .map(|target| self.asides[&target.place].clone());
        let asides: Vec<ObjectRef> = asides.collect();
        let copies = look(self.s3, &asides).await;
        let open = std::mem::take(&mut self.open);
        for ((target, aside), copy) in open.into_iter().zip(&asides).zip(copies) {
            match copy {
                Ok(copy) if is_copy(&copy.facts, target.there) => self.open.push(target),
                Ok(_) => self.give_up(&target, &unlike(target.at, aside)),
                Err(error) => self.give_up(&target, &error),
            }
        }
    }

    /// Keeps those that are still what was copied: what was written since must not go.
    async fn check_originals(&mut self) {
        let originals: Vec<ObjectRef> = self.open.iter().map(|target| target.at.clone()).collect();
        let now = look(self.s3, &originals).await;
        for (target, now) in std::mem::take(&mut self.open).into_iter().zip(now) {
            match now {
                Ok(now) if target.there.still(&now.facts) => self.open.push(target),
                Ok(_) => {
                    self.outcomes.insert(target.place, left(&target));
                }
                Err(error) => self.give_up(&target, &error),
            }
        }
    }

    fn give_up(&mut self, target: &Target<'_>, error: &Error) {
        let outcome = match error.kind() {
            Kind::Conflict => (State::Left, Some(error.to_string()), None),
            _ => failed(error),
        };
        self.outcomes.insert(target.place, outcome);
    }
}

fn doomed(target: &Target<'_>) -> Doomed {
    Doomed {
        key: target.at.key.clone(),
        etag: target.there.etag().map(str::to_owned),
    }
}

fn left(target: &Target<'_>) -> Outcome {
    (State::Left, Some(changed(target.at).to_string()), None)
}

fn failed(error: &Error) -> Outcome {
    (State::Failed, Some(why(error)), None)
}

/// A copy that was refused since its original is not what was seen.
fn changed_or(target: &Target<'_>, error: Error) -> Error {
    match error.detail().status {
        Some(412) => changed(target.at),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_have_the_folder_in_common_that_both_are_in() {
        for (one, other, folder) in [
            ("a/b/c", "a/b/d", "a/b/"),
            ("a/b", "a/bc", "a/"),
            ("a/b/c", "a/bb/c", "a/"),
            ("a", "b", ""),
            ("a/ä", "a/ö", "a/"),
        ] {
            assert_eq!(common_folder(one, other), folder);
        }
    }
}
