//! The branch `main` of a table as a target: moved to another of its snapshots, so that readers see the table as it was. No
//! row or file is touched; what was committed after stays a snapshot until it is expired.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hands::{Done, Hands, Seen};
use super::inverse::Inverse;
use super::payload::digest;
use super::table_rows::{is_unclear, refuse_another};
use super::{Change, Facts, Permit};
use crate::clients::iceberg::TableName;
use crate::clients::iceberg_metadata::head;
use crate::error::Result;

/// The branch points to a snapshot from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableBranch {
    /// The table, as `namespace.table`.
    pub table: String,
    /// Its UUID: a table of the same name that was made anew is another.
    pub uuid: String,
    /// The snapshot.
    pub to: i64,
}

impl TableBranch {
    /// What it is done to.
    #[must_use]
    pub fn target(&self) -> String {
        format!("branch main of {} to snapshot {}", self.table, self.to)
    }

    /// Whether the branch that was looked at points there.
    pub(super) fn is_made(&self, found: &Value) -> bool {
        found["snapshot"].as_str() == Some(&self.to.to_string())
    }

    /// What moves the branch back to where it was, if it is still where it was moved to.
    pub(super) fn inverse(&self, image: Option<&Value>, now: Facts) -> Inverse {
        let was = image.and_then(|image| image["snapshot"].as_str()?.parse().ok());
        let Some(was) = was else {
            return Inverse::Lost("nobody knows where the branch was before".to_owned());
        };
        let back = TableBranch {
            to: was,
            ..self.clone()
        };
        Inverse::Change(Box::new(Change::TableBranch(back)), now)
    }

    fn value(&self) -> Value {
        json!({"table": self.table, "snapshot": self.to.to_string()})
    }
}

/// Where the branch points.
pub(super) async fn look(hands: &Hands, change: &TableBranch) -> Result<Seen> {
    let catalogue = hands.tables()?;
    let name = TableName::of(&change.table)?;
    let found = catalogue.table(&name).await?;
    let metadata = &found["metadata"];
    let uuid = metadata["table-uuid"].as_str().unwrap_or_default();
    refuse_another(&change.table, uuid, &change.uuid)?;
    let snapshots = metadata["snapshots"].as_array();
    let is_there = |snapshot: &Value| snapshot["snapshot-id"] == change.to;
    if !snapshots.is_some_and(|all| all.iter().any(is_there)) {
        return Err(name.no_snapshot(change.to));
    }
    let at = head(metadata).map(|id| id.to_string());
    Ok(Seen {
        facts: facts(at.as_deref().unwrap_or_default()),
        image: Some(json!({"table": change.table, "snapshot": at})),
        ..Seen::default()
    })
}

fn facts(snapshot: &str) -> Facts {
    Facts::Record {
        sha256: digest(snapshot.as_bytes()),
    }
}

/// Moves it, if it still points where it was seen to.
pub(super) async fn perform(
    hands: &Hands,
    permit: Permit,
    change: &TableBranch,
    seen: &Seen,
) -> Result<Done> {
    let catalogue = hands.tables()?;
    let image = seen.image.as_ref();
    let was = image.and_then(|image| image["snapshot"].as_str()?.parse::<i64>().ok());
    let requirements = json!([
        {"type": "assert-table-uuid", "uuid": change.uuid},
        {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": was},
    ]);
    let updates = json!([
        {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": change.to},
    ]);
    let name = TableName::of(&change.table)?;
    if let Err(error) = catalogue
        .commit(permit, &name, &requirements, &updates)
        .await
    {
        // Where no answer came, it is looked whether it was done.
        let now = if is_unclear(&error) {
            look(hands, change).await.ok()
        } else {
            None
        };
        let image = now.and_then(|now| now.image);
        if !image.is_some_and(|image| change.is_made(&image)) {
            return Err(error);
        }
    }
    Ok(Done {
        value: change.value(),
        after: facts(&change.to.to_string()),
        ..Done::default()
    })
}
