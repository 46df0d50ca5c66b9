//! Rows of a table that are taken away or brought back: looked for, and committed as a snapshot. Whoever commits in between
//! is not in the way unless the rows are not the same any more.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::hands::{Done, Hands, Number, Seen};
use super::payload::digest;
use super::table_rows::{is_unclear, refuse_another};
use super::{Facts, Permit, TableRows};
use crate::clients::iceberg::{Rows, TableName};
use crate::error::{Error, Kind, Result};
use crate::warehouse::{Draft, Origin, Pen, Table, Touched};

/// So often a snapshot is made anew where others commit at the same time.
const TRIES: u32 = 20;
/// What its summary says of the run that made a snapshot.
const RUN: &str = "dashictl.run";
/// What it says of the step.
const STEP: &str = "dashictl.step";
/// What it says of the snapshot whose rows it brings back.
const RESTORES: &str = "dashictl.restores";

async fn open(hands: &Hands, change: &TableRows) -> Result<Table> {
    let name = TableName::of(&change.table)?;
    let table = Table::open(hands.tables()?, hands.s3()?, &name).await?;
    refuse_another(&change.table, &table.uuid(), &change.uuid)?;
    Ok(table)
}

/// What the rows are now, as the table has them.
pub(super) async fn look(hands: &Hands, change: &TableRows) -> Result<Seen> {
    let table = open(hands, change).await?;
    let Some(taker) = change.taken_by else {
        let found = table.find(&change.rows).await?;
        refuse_emptying(change, found.rows, found.of_rows)?;
        return Ok(Seen {
            facts: facts(&found),
            ..Seen::default()
        });
    };
    let Some(again) = restored(&table, taker) else {
        refuse_rolled_back(change, &table, taker)?;
        return Ok(Seen::default());
    };
    Ok(Seen {
        facts: brought_back(&table, again).await,
        image: Some(value(change, again, &Value::Null)),
        ..Seen::default()
    })
}

fn facts(found: &Touched) -> Facts {
    if found.rows == 0 {
        return Facts::Absent;
    }
    Facts::Rows {
        rows: found.rows,
        files: found.whole(),
        rewritten: found.partly(),
        sha256: found.digest(),
    }
}

/// What rows are known by that a snapshot brought back: as those are that it is to be taken back with.
async fn brought_back(table: &Table, snapshot: i64) -> Facts {
    match table.find(&Rows::Of(snapshot)).await {
        Ok(found) if found.rows > 0 => facts(&found),
        // They are in other files by now, or deleted again.
        _ => Facts::Record {
            sha256: digest(snapshot.to_string().as_bytes()),
        },
    }
}

fn value(change: &TableRows, snapshot: i64, counts: &Value) -> Value {
    let mut value = json!({"table": change.table, "snapshot": snapshot.to_string()});
    for (name, count) in counts.as_object().into_iter().flatten() {
        value[name] = count.clone();
    }
    value
}

/// Makes the snapshot.
pub(super) async fn perform(
    hands: &Hands,
    (permit, number): (Permit, Number<'_>),
    change: &TableRows,
    seen: &Seen,
) -> Result<Done> {
    let mut origin: Origin = BTreeMap::from([
        (RUN.to_owned(), number.run.to_string()),
        (STEP.to_owned(), number.effect.to_string()),
    ]);
    if let Some(taker) = change.taken_by {
        origin.insert(RESTORES.to_owned(), taker.to_string());
    }
    let mut tries = 0;
    loop {
        tries += 1;
        let table = open(hands, change).await?;
        let mut pen = table.pen(permit);
        let drafting = drafted(&table, &mut pen, change, seen, &origin);
        let (draft, counts) = match hands.session().stoppable(drafting).await {
            Ok(drafted) => drafted,
            Err(error) => {
                pen.take_back().await;
                return Err(error);
            }
        };
        match committed(hands, &table, permit, change, &draft).await {
            Ok(()) => return done(hands, change, draft.id, &counts).await,
            Err(error) if error.kind() == Kind::Conflict => {
                pen.take_back().await;
                if tries >= TRIES {
                    let message = format!("others commit to {} all the time", change.table);
                    return Err(Error::new(Kind::Unavailable, message)
                        .caused_by(&error)
                        .hint("run it again when they are done"));
                }
            }
            Err(error) => {
                // Where it is not known whether the catalogue took it, what was written may be read.
                if !is_unclear(&error) {
                    pen.take_back().await;
                }
                return Err(error);
            }
        }
    }
}

async fn done(hands: &Hands, change: &TableRows, snapshot: i64, counts: &Value) -> Result<Done> {
    let after = match change.taken_by {
        None => Facts::Absent,
        Some(_) => match open(hands, change).await {
            Ok(table) => brought_back(&table, snapshot).await,
            // It is done all the same.
            Err(_) => Facts::Absent,
        },
    };
    Ok(Done {
        value: value(change, snapshot, counts),
        after,
        ..Done::default()
    })
}

async fn drafted(
    table: &Table,
    pen: &mut Pen,
    change: &TableRows,
    seen: &Seen,
    origin: &Origin,
) -> Result<(Draft, Value)> {
    if let Some(taker) = change.taken_by {
        refuse_rolled_back(change, table, taker)?;
        // Somebody may have been faster.
        if let Some(again) = restored(table, taker) {
            let message = format!("snapshot {again} has brought the {} back", change.target());
            return Err(Error::new(Kind::Conflict, message));
        }
        let draft = table.with_again(pen, taker, &change.rows, origin).await?;
        return Ok((draft, Value::Null));
    }
    let found = table.find(&change.rows).await?;
    if facts(&found) != seen.facts {
        let message = format!("somebody else changed the {}", change.target());
        return Err(Error::new(Kind::Conflict, message));
    }
    refuse_emptying(change, found.rows, found.of_rows)?;
    let draft = table.without(pen, &found, origin).await?;
    let counts = json!({
        "rows": found.rows, "deleted_files": found.whole(), "rewritten_files": found.partly(),
    });
    Ok((draft, counts))
}

/// The snapshot that has brought back what another took away.
fn restored(table: &Table, taker: i64) -> Option<i64> {
    table.snapshot_of(&[(RESTORES, &taker.to_string())])
}

/// Refuses to bring back what nobody misses: the table does not go back to the snapshot that took it away.
fn refuse_rolled_back(change: &TableRows, table: &Table, taker: i64) -> Result<()> {
    if table.follows(taker) {
        return Ok(());
    }
    let message = format!(
        "snapshot {taker} is no more in the history of {}: the table was rolled back, or the snapshot expired",
        change.table
    );
    Err(Error::new(Kind::Invalid, message).hint(format!(
        "see what the table holds: dashictl table snapshots {}",
        change.table
    )))
}

/// Commits; where no answer came, it is looked whether the catalogue took it.
async fn committed(
    hands: &Hands,
    table: &Table,
    permit: Permit,
    change: &TableRows,
    draft: &Draft,
) -> Result<()> {
    let Err(error) = table.commit(permit, draft).await else {
        return Ok(());
    };
    if !is_unclear(&error) {
        return Err(error);
    }
    match open(hands, change).await {
        Ok(now) if now.has(draft.id) => Ok(()),
        // The branch has moved, and not to this: it never will.
        Ok(now) if now.head() != draft.parent => {
            Err(Error::new(Kind::Conflict, "somebody else committed first"))
        }
        _ => Err(error.hint(format!(
            "nobody knows whether it was done: dashictl table snapshots {}",
            change.table
        ))),
    }
}

/// What a run that was killed had the catalogue take.
pub(super) async fn found(hands: &Hands, number: Number<'_>, change: &TableRows) -> Result<Value> {
    let table = open(hands, change).await?;
    let (run, step) = (number.run.to_string(), number.effect.to_string());
    let made = table.snapshot_of(&[(RUN, &run), (STEP, &step)]);
    Ok(made.map_or(Value::Null, |id| value(change, id, &Value::Null)))
}

/// Refuses to take the last rows of a table, unless that was asked for.
fn refuse_emptying(change: &TableRows, rows: u64, of: u64) -> Result<()> {
    if rows < of || rows == 0 || change.may_empty {
        return Ok(());
    }
    let message = format!("{} would have no row left", change.table);
    Err(Error::new(Kind::Invalid, message).hint(
        "is the condition what you meant? --may-empty lets it, in a runbook #{may_empty: true}",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_snapshot_is_told_as_text() {
        let change = TableRows {
            table: "a.t".to_owned(),
            uuid: String::new(),
            rows: Rows::Where("n = 1".to_owned()),
            taken_by: None,
            may_empty: false,
        };
        let told = value(&change, i64::MAX, &json!({"rows": 3}));
        assert_eq!(
            told,
            json!({"table": "a.t", "snapshot": "9223372036854775807", "rows": 3})
        );
    }
}
