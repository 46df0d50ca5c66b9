//! Records of the catalogue as targets: how one is looked at, put and deleted.

use serde_json::{Value, json};

use super::facts::without_server_links;
use super::hands::{Done, Seen};
use super::{Change, Facts, Permit};
use crate::clients::stac::{Stac, collection_of, id_of};
use crate::error::{Error, Kind, Result};

/// What the record is that a change is about.
pub(super) async fn look(stac: &Stac, change: &Change) -> Result<Seen> {
    let found = match change {
        Change::PutCollection { record } => stac.collection(id_of(record, "collection")?).await,
        Change::DeleteCollection { id } => {
            refuse_with_items(stac, id).await?;
            stac.collection(id).await
        }
        Change::PutItem { record } => {
            let id = id_of(record, "item")?;
            stac.item(collection_of(record)?, id).await
        }
        Change::DeleteItem { collection, id } => stac.item(collection, id).await,
        _ => return Err(Error::internal("this is no change of a record")),
    };
    Seen::of(
        found.map(|record| without_server_links(&record)),
        Facts::of_record,
    )
}

/// A collection is deleted with its items by the server: one that has any is refused.
async fn refuse_with_items(stac: &Stac, id: &str) -> Result<()> {
    let items = stac.count(json!({"collections": [id]})).await?;
    if items == 0 {
        return Ok(());
    }
    let message = format!("collection '{id}' holds {items} items");
    Err(Error::new(Kind::Conflict, message)
        .hint("delete its items first, with what belongs to them"))
}

/// Makes the change to what was seen.
pub(super) async fn perform(
    stac: &Stac,
    permit: Permit,
    change: &Change,
    seen: &Seen,
) -> Result<Done> {
    let is_new = seen.facts == Facts::Absent;
    let made = match change {
        Change::PutCollection { record } if is_new => {
            stac.create_collection(permit, record.clone()).await?
        }
        Change::PutCollection { record } => stac.replace_collection(permit, record.clone()).await?,
        Change::PutItem { record } if is_new => stac.create_item(permit, record.clone()).await?,
        Change::PutItem { record } => stac.replace_item(permit, record.clone()).await?,
        Change::DeleteCollection { id } => {
            settled(stac.delete_collection(permit, id).await)?;
            Value::Null
        }
        Change::DeleteItem { collection, id } => {
            settled(stac.delete_item(permit, collection, id).await)?;
            Value::Null
        }
        _ => return Err(Error::internal("this is no change of a record")),
    };
    Ok(Done {
        after: if made.is_null() {
            Facts::Absent
        } else {
            kept(stac, change, &made).await?
        },
        value: made,
        ..Done::default()
    })
}

/// What the server will say of the record that it has just made: 8.0 it may give back as 8. What somebody else has made of
/// it by now is none of this run's.
async fn kept(stac: &Stac, change: &Change, made: &Value) -> Result<Facts> {
    match look(stac, change).await?.image {
        Some(found) if holds(&found, made) => Ok(Facts::of_record(&found)),
        _ => Ok(Facts::of_record(made)),
    }
}

/// What somebody else deleted between the look and the request is deleted.
pub(super) fn settled(deleted: Result<()>) -> Result<()> {
    match deleted {
        Err(error) if error.kind() == Kind::NotFound => Ok(()),
        other => other,
    }
}

/// What a server adds to a record by itself.
const ADDED: [&str; 6] = [
    "links",
    "type",
    "stac_version",
    "stac_extensions",
    "bbox",
    "conformsTo",
];

/// Whether a record is what was to be put, and nothing more than its server adds.
pub(super) fn is(record: &Value, wanted: &Value) -> bool {
    let names = |value: &Value| {
        value.as_object().map_or(0, |fields| {
            fields
                .keys()
                .filter(|name| !ADDED.contains(&name.as_str()))
                .count()
        })
    };
    holds(record, wanted) && names(record) == names(wanted)
}

/// Whether a record holds all that was to be put: the server only adds to it.
pub(super) fn holds(record: &Value, wanted: &Value) -> bool {
    match (record, wanted) {
        (Value::Object(record), Value::Object(wanted)) => wanted.iter().all(|(name, wanted)| {
            name == "links" || record.get(name).is_some_and(|record| holds(record, wanted))
        }),
        (Value::Array(record), Value::Array(wanted)) => {
            record.len() == wanted.len() && record.iter().zip(wanted).all(|(a, b)| holds(a, b))
        }
        // One server writes 8.0 back as 8.
        (Value::Number(record), Value::Number(wanted)) => record.as_f64() == wanted.as_f64(),
        _ => record == wanted,
    }
}
