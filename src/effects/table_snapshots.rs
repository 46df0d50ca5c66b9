//! Snapshots of a table that its catalogue is to forget. Their files are objects like others; which of them nobody reads any
//! more is `warehouse`'s to say.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hands::{Done, Hands, Seen};
use super::payload::digest;
use super::table_rows::{is_unclear, refuse_another};
use super::{Facts, Permit};
use crate::clients::iceberg::TableName;
use crate::clients::iceberg_retention::{pointed_to, refs};
use crate::error::{Error, Kind, Result};

/// So often it is asked for anew where others commit at the same time.
const TRIES: u32 = 20;
/// What a snapshot may have beside it in the metadata, with what forgets that.
const STATISTICS: [(&str, &str); 2] = [
    ("statistics", "remove-statistics"),
    ("partition-statistics", "remove-partition-statistics"),
];

/// The table has these snapshots no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableSnapshots {
    /// The table, as `namespace.table`.
    pub table: String,
    /// Its UUID: a table of the same name that was made anew is another.
    pub uuid: String,
    /// Their ids.
    pub snapshots: Vec<i64>,
}

impl TableSnapshots {
    /// What it is done to.
    #[must_use]
    pub fn target(&self) -> String {
        match self.snapshots[..] {
            [one] => format!("snapshot {one} of {}", self.table),
            _ => format!("{} snapshots of {}", self.snapshots.len(), self.table),
        }
    }

    /// Those that the metadata still has, sorted.
    fn there(&self, metadata: &Value) -> Vec<i64> {
        let all = metadata["snapshots"].as_array().into_iter().flatten();
        let ids = all.filter_map(|snapshot| snapshot["snapshot-id"].as_i64());
        let mut there: Vec<i64> = ids.filter(|id| self.snapshots.contains(id)).collect();
        there.sort_unstable();
        there
    }

    fn refuse_pointed(&self, metadata: &Value) -> Result<()> {
        let Some((name, id)) = pointed_to(metadata, &self.snapshots).into_iter().next() else {
            return Ok(());
        };
        let message = format!("'{name}' of {} points to snapshot {id}", self.table);
        Err(Error::new(Kind::Conflict, message)
            .hint("what a branch or a tag points to is not expired: plan again"))
    }
}

/// Which of them are there.
pub(super) async fn look(hands: &Hands, change: &TableSnapshots) -> Result<Seen> {
    let metadata = metadata(hands, change).await?;
    Ok(Seen {
        facts: facts(&change.there(&metadata)),
        ..Seen::default()
    })
}

fn facts(there: &[i64]) -> Facts {
    if there.is_empty() {
        return Facts::Absent;
    }
    Facts::Record {
        sha256: digest(format!("{there:?}").as_bytes()),
    }
}

async fn metadata(hands: &Hands, change: &TableSnapshots) -> Result<Value> {
    let name = TableName::of(&change.table)?;
    let mut found = hands.tables()?.table(&name).await?;
    let metadata = found["metadata"].take();
    let uuid = metadata["table-uuid"].as_str().unwrap_or_default();
    refuse_another(&change.table, uuid, &change.uuid)?;
    Ok(metadata)
}

/// Has the catalogue forget them, if no branch or tag has come to point to one. Others may commit at the same time.
pub(super) async fn perform(
    hands: &Hands,
    permit: Permit,
    change: &TableSnapshots,
    seen: &Seen,
) -> Result<Done> {
    let mut tries = 0;
    loop {
        tries += 1;
        let metadata = metadata(hands, change).await?;
        let there = change.there(&metadata);
        if there.is_empty() {
            return Ok(done(hands, change));
        }
        if facts(&there) != seen.facts {
            let message = format!("somebody else expired some of the {}", change.target());
            return Err(Error::new(Kind::Conflict, message));
        }
        change.refuse_pointed(&metadata)?;
        match commit(hands, permit, change, (&metadata, &there)).await {
            Ok(()) => return Ok(done(hands, change)),
            Err(error) if error.kind() == Kind::Conflict && tries < TRIES => {}
            // Where no answer came, it is looked whether it was done.
            Err(error) if is_unclear(&error) => return settled(hands, change, error).await,
            Err(error) => return Err(error),
        }
    }
}

async fn settled(hands: &Hands, change: &TableSnapshots, error: Error) -> Result<Done> {
    match metadata(hands, change).await {
        Ok(now) if change.there(&now).is_empty() => Ok(done(hands, change)),
        _ => Err(error),
    }
}

fn done(hands: &Hands, change: &TableSnapshots) -> Done {
    hands.session().forget_tables();
    let ids = change.snapshots.iter().map(ToString::to_string);
    Done {
        value: json!({"table": change.table, "snapshots": ids.collect::<Vec<_>>()}),
        ..Done::default()
    }
}

async fn commit(
    hands: &Hands,
    permit: Permit,
    change: &TableSnapshots,
    (metadata, there): (&Value, &[i64]),
) -> Result<()> {
    let mut requirements = vec![json!({"type": "assert-table-uuid", "uuid": change.uuid})];
    for (name, found) in refs(metadata) {
        requirements.push(
            json!({"type": "assert-ref-snapshot-id", "ref": name, "snapshot-id": found["snapshot-id"]}),
        );
    }
    let mut updates = vec![json!({"action": "remove-snapshots", "snapshot-ids": there})];
    for (field, action) in STATISTICS {
        let kept = metadata[field].as_array().into_iter().flatten();
        let ids = kept.filter_map(|kept| kept["snapshot-id"].as_i64());
        let gone = ids.filter(|id| there.contains(id));
        updates.extend(gone.map(|id| json!({"action": action, "snapshot-id": id})));
    }
    let name = TableName::of(&change.table)?;
    let (requirements, updates) = (json!(requirements), json!(updates));
    let asked = hands
        .tables()?
        .commit(permit, &name, &requirements, &updates);
    asked.await
}
