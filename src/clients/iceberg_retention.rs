//! Which snapshots of a table may be forgotten, as its metadata says: what each branch keeps, what tags keep, how old the
//! others are. What is deleted then is decided elsewhere.
//!
//! Rules: <https://iceberg.apache.org/spec/#snapshot-retention-policy>.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Map, Value};

/// How long a snapshot is kept where nothing says otherwise.
const MAX_AGE: Duration = Duration::from_hours(5 * 24);
/// The property of a table that says otherwise, in milliseconds.
const MAX_AGE_PROPERTY: &str = "history.expire.max-snapshot-age-ms";
/// The property that says how many snapshots of a branch are kept however old they are.
const MIN_KEPT_PROPERTY: &str = "history.expire.min-snapshots-to-keep";

/// What was asked for; what was not is as the table says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retention {
    /// Younger snapshots stay.
    pub older_than: Option<Duration>,
    /// So many snapshots of each branch stay, however old they are.
    pub keep_last: Option<u64>,
}

/// The snapshots that may be forgotten at this time (in milliseconds since 1970), in the order of the metadata. A tag keeps
/// its own, a branch its newest; those of no branch or tag are kept as long as they are young. What a branch says of itself
/// goes before what was asked for.
#[must_use]
pub fn expired(metadata: &Value, asked: Retention, now: i64) -> Vec<i64> {
    let policy = Policy::of(metadata, asked);
    let (mut reached, mut kept) = (HashSet::new(), HashSet::new());
    for branch_or_tag in named(metadata) {
        let target = branch_or_tag["snapshot-id"].as_i64();
        if branch_or_tag["type"] == "tag" {
            kept.extend(target);
            reached.extend(target);
            continue;
        }
        let own = policy.of_branch(&branch_or_tag);
        let mut is_kept = true;
        for (count, snapshot) in (0..).zip(history(metadata, target)) {
            let id = snapshot["snapshot-id"].as_i64();
            // What comes after the first that goes, goes as well.
            is_kept = is_kept && (count < own.min_kept || own.is_young(snapshot, now));
            if is_kept {
                kept.extend(id);
            }
            reached.extend(id);
        }
    }
    let all = metadata["snapshots"].as_array().into_iter().flatten();
    let gone = all.filter_map(|snapshot| {
        let id = snapshot["snapshot-id"].as_i64()?;
        let is_loose = !reached.contains(&id);
        let stays = kept.contains(&id) || (is_loose && policy.is_young(snapshot, now));
        (!stays).then_some(id)
    });
    gone.collect()
}

/// Of these snapshots, those that a branch or tag points to now, each with its name.
#[must_use]
pub fn pointed_to(metadata: &Value, snapshots: &[i64]) -> Vec<(String, i64)> {
    let all = refs(metadata).into_iter();
    let pointed = all.filter_map(|(name, found)| Some((name, found["snapshot-id"].as_i64()?)));
    pointed.filter(|(_, id)| snapshots.contains(id)).collect()
}

/// The branches and tags by their names. A table of version 1 may tell of none, and has `main` all the same.
#[must_use]
pub fn refs(metadata: &Value) -> Map<String, Value> {
    let mut all = metadata["refs"].as_object().cloned().unwrap_or_default();
    if !all.contains_key("main")
        && let Some(head) = super::iceberg_metadata::head(metadata)
    {
        let main = serde_json::json!({"snapshot-id": head, "type": "branch"});
        all.insert("main".to_owned(), main);
    }
    all
}

fn named(metadata: &Value) -> impl Iterator<Item = Value> {
    refs(metadata).into_iter().map(|(_, found)| found)
}

/// A snapshot and those before it, the newest first, as far as they are known.
fn history(metadata: &Value, from: Option<i64>) -> Vec<&Value> {
    let all = metadata["snapshots"].as_array().into_iter().flatten();
    let all: std::collections::HashMap<i64, &Value> = all
        .filter_map(|snapshot| Some((snapshot["snapshot-id"].as_i64()?, snapshot)))
        .collect();
    let mut seen = HashSet::new();
    let mut line = Vec::new();
    let mut at = from;
    while let Some(snapshot) = at.and_then(|id| all.get(&id))
        && at.is_some_and(|id| seen.insert(id))
    {
        line.push(*snapshot);
        at = snapshot["parent-snapshot-id"].as_i64();
    }
    line
}

/// What is kept of a branch.
#[derive(Clone, Copy)]
struct Policy {
    max_age: i64,
    min_kept: u64,
}

impl Policy {
    fn of(metadata: &Value, asked: Retention) -> Policy {
        let property = |name: &str| -> Option<u64> { number(&metadata["properties"][name]) };
        let asked_age = asked.older_than.map(|age| millis(age.as_millis()));
        let of_table = property(MAX_AGE_PROPERTY).map(millis);
        Policy {
            max_age: asked_age
                .or(of_table)
                .unwrap_or_else(|| millis(MAX_AGE.as_millis())),
            min_kept: asked
                .keep_last
                .or_else(|| property(MIN_KEPT_PROPERTY))
                .unwrap_or(1)
                .max(1),
        }
    }

    fn of_branch(self, branch: &Value) -> Policy {
        let says = |field: &str| number(&branch[field]);
        Policy {
            max_age: says("max-snapshot-age-ms").map_or(self.max_age, millis),
            min_kept: says("min-snapshots-to-keep")
                .unwrap_or(self.min_kept)
                .max(1),
        }
    }

    /// One that does not say when it was made is young.
    fn is_young(self, snapshot: &Value, now: i64) -> bool {
        let made = snapshot["timestamp-ms"].as_i64();
        made.is_none_or(|made| made >= now.saturating_sub(self.max_age))
    }
}

/// A number, which properties hold as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn millis(span: impl TryInto<i64>) -> i64 {
    span.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DAY: i64 = 24 * 3600 * 1000;

    /// Four snapshots a day apart, a fifth beside them that no branch has.
    fn metadata() -> Value {
        let made = |id: i64, parent: Option<i64>| json!({"snapshot-id": id, "parent-snapshot-id": parent, "timestamp-ms": id * DAY});
        json!({
            "refs": {"main": {"snapshot-id": 4, "type": "branch"}},
            "snapshots": [made(1, None), made(2, Some(1)), made(3, Some(2)), made(4, Some(3)), {"snapshot-id": 5, "parent-snapshot-id": 2, "timestamp-ms": 2 * DAY}],
        })
    }

    fn older(days: i64) -> Retention {
        Retention {
            older_than: Some(Duration::from_hours(24 * u64::try_from(days).unwrap())),
            keep_last: None,
        }
    }

    #[test]
    fn the_newest_of_a_branch_stays_however_old_it_is() {
        assert_eq!(expired(&metadata(), older(0), 9 * DAY), [1, 2, 3, 5]);
        let two = Retention {
            keep_last: Some(2),
            ..older(0)
        };
        assert_eq!(expired(&metadata(), two, 9 * DAY), [1, 2, 5]);
    }

    #[test]
    fn what_is_young_stays_also_where_no_branch_has_it() {
        assert_eq!(expired(&metadata(), older(2), 4 * DAY), [1]);
        assert_eq!(expired(&metadata(), Retention::default(), 7 * DAY), [1]);
        assert_eq!(expired(&metadata(), older(9), 7 * DAY), [0_i64; 0]);
    }

    #[test]
    fn what_the_table_and_its_branches_say_is_kept() {
        let mut metadata = metadata();
        metadata["properties"] = json!({MAX_AGE_PROPERTY: "0", MIN_KEPT_PROPERTY: "3"});
        assert_eq!(expired(&metadata, Retention::default(), 9 * DAY), [1, 5]);
        metadata["refs"]["kept"] = json!({"snapshot-id": 1, "type": "tag"});
        assert_eq!(expired(&metadata, older(0), 9 * DAY), [5]);
        metadata["refs"]["other"] =
            json!({"snapshot-id": 5, "type": "branch", "min-snapshots-to-keep": 2});
        metadata["refs"]["main"]["min-snapshots-to-keep"] = json!(1);
        metadata["properties"] = json!({});
        assert_eq!(expired(&metadata, older(0), 9 * DAY), [3]);
    }

    #[test]
    fn a_table_without_refs_has_a_branch_all_the_same() {
        let mut metadata = metadata();
        metadata["refs"] = json!({});
        metadata["current-snapshot-id"] = json!(4);
        assert_eq!(expired(&metadata, older(0), 9 * DAY), [1, 2, 3, 5]);
        assert_eq!(pointed_to(&metadata, &[3, 4]), [("main".to_owned(), 4)]);
    }

    #[test]
    fn snapshots_that_go_round_in_a_circle_end() {
        let mut metadata = metadata();
        metadata["snapshots"][0]["parent-snapshot-id"] = json!(4);
        assert_eq!(expired(&metadata, older(0), 9 * DAY), [1, 2, 3, 5]);
    }
}
