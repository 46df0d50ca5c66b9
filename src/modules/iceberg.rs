//! `iceberg::` — tables: which there are, what they are made of, how they came to be so; rows taken out of them.

use rhai::{Dynamic, ImmutableString};
use serde_json::{Value, json};

use super::stac::absent;
use crate::clients::iceberg::{Rows, TableName};
use crate::clients::iceberg_metadata::{described, head, is_before, snapshots};
use crate::effects::{Change, TableBranch, TableRows};
use crate::engine::call::Call;
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::engine::value::from_json;
use crate::error::{Error, Kind, Result};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "iceberg", "Iceberg: the tables of the lake.");
    let ns = &mut namespace;
    native! { ns,
        /// All namespaces, those within others as well: `namespace`, its levels with dots between.
        ///
        /// ```rhai
        /// iceberg::namespaces().map(|found| found.namespace).collect()
        /// //=> ["klima"]
        /// ```
        read fn namespaces(call) -> "Stream"
            options as options {
                /// A bound on each request, retries included.
                timeout: Duration = "as configured"
            }
            {
                let tables = call.session().iceberg()?.within(options.duration("timeout")?);
                call.stream("namespaces", tables.namespaces())
            }

        /// The tables of a namespace: `table` (what other functions call it), `namespace`, `name`.
        ///
        /// ```rhai
        /// iceberg::tables("klima").map(|found| found.table).collect()
        /// //=> ["klima.stationen"]
        /// ```
        read fn tables(call, namespace: ImmutableString) -> "Stream" {
            let pages = call.wait(call.session().iceberg()?.tables(&namespace))?;
            call.stream("tables", pages)
        }

        /// A table: `table`, `location`, `uuid`, `format_version`, `snapshot` (the current one's id, a text), `snapshots` (how
        /// many), `updated`, `records`, `files`, `bytes`, `columns`, `partitions`, `properties`, `metadata` (where that is).
        /// Throws `not_found`, with the nearest name.
        ///
        /// ```rhai
        /// iceberg::table("klima.stationen").columns.map(|column| column.name)
        /// //=> ["dataset_id", "station", "jahr", "mittel"]
        /// ```
        read fn table(call, table: ImmutableString) -> "map" {
            let name = TableName::of(&table)?;
            described(&name.to_string(), &call.wait(call.session().iceberg()?.table(&name))?)
        }

        /// The same, or `()` where there is no such table.
        ///
        /// ```rhai
        /// iceberg::try_table("klima.nothing")
        /// //=> ()
        /// ```
        read fn try_table(call, table: ImmutableString) -> "map or ()" {
            let name = TableName::of(&table)?;
            let found = absent(call.wait(call.session().iceberg()?.table(&name)))?;
            found.map(|found| described(&name.to_string(), &found))
        }

        /// The snapshots of a table, the newest first: `snapshot` and `parent` (ids, as texts), `sequence`, `at`, `operation`,
        /// `added_files`, `deleted_files`, `added_records`, `deleted_records`, `records` and `files` (in all), `refs` (the
        /// branches and tags that point to it), `manifest_list`, `summary`.
        ///
        /// ```rhai
        /// iceberg::snapshots("klima.stationen").map(|made| [made.operation, made.records])
        /// //=> [["append", 7], ["append", 3]]
        /// ```
        read fn snapshots(call, table: ImmutableString) -> "array" {
            let name = TableName::of(&table)?;
            let found = call.wait(call.session().iceberg()?.table(&name))?;
            Value::from(snapshots(&found["metadata"]))
        }

        /// The files that a table is read from: `path`, `format`, `records`, `bytes`, `partition` (each value as text, `()`
        /// where it is null), `snapshot` (the id of that which added it), `content` (`data`, `position deletes`, `equality
        /// deletes`).
        ///
        /// ```rhai
        /// iceberg::files("klima.stationen").map(|file| file.records)
        /// //=> [4, 3]
        /// ```
        read fn files(call, table: ImmutableString) -> "array"
            options as options {
                /// The id of another snapshot than the current one.
                snapshot: Text
            }
            {
                let name = TableName::of(&table)?;
                let snapshot = options.text("snapshot").map(|id| snapshot_id(&id)).transpose()?;
                files(call, &name, snapshot)?
            }
    }
    changing(ns);
    super::iceberg_files::add(ns);
    namespace
}

fn changing(ns: &mut Namespace) {
    native! { ns,
        /// Deletes the rows of a table of which a condition is true: as SQL writes it behind WHERE, with `=`, `<>`, `<`, `<=`,
        /// `>`, `>=`, `IN`, `BETWEEN`, `LIKE 'text%'`, `IS NULL`, `AND`, `OR`, `NOT`. A comparison with what is null is not
        /// true. Files that hold nothing else are left out of the next snapshot, others written anew without the rows; the old
        /// ones stay until they are expired, and older snapshots are read as before. Gives `table`, `snapshot` (the new one's
        /// id), `rows`, `deleted_files`, `rewritten_files`; where no row is meant, only `table` and `rows: 0`,
        /// and `left` (why) where they were left alone since somebody changed them. Throws `invalid`
        /// for tables of version 3, with rows that other files say are gone, and where no row would be left.
        ///
        /// ```rhai
        /// iceberg::delete_where("klima.stationen", "dataset_id = 'klimaatlas-2024'").rows
        /// //=> 3
        /// ```
        destroy fn delete_where(call, table: ImmutableString, condition: ImmutableString) -> "map"
            options as options {
                /// Also where no row is left then.
                may_empty: Bool = "false",
                /// Rows that others name, as `lake::belongings` gives them: none of these may be among them.
                others: Any,
                /// The result of a change that must be wholly done before.
                after: Any
            }
            { delete(call, &table, Rows::Where(condition.trim().to_owned()), &options)? }

        /// Deletes the rows that a snapshot brought, given by its id: the files that it added. Throws `invalid` where they are
        /// not all in the table as it added them. Else as `delete_where`.
        ///
        /// ```rhai
        /// let made = iceberg::snapshots("klima.stationen")[0];
        /// iceberg::delete_snapshot("klima.stationen", made.snapshot).rows == made.added_records
        /// //=> true
        /// ```
        destroy fn delete_snapshot(call, table: ImmutableString, snapshot: ImmutableString) -> "map"
            options as options {
                /// Also where no row is left then.
                may_empty: Bool = "false",
                /// Rows that others name, as `lake::belongings` gives them: none of these may be among them.
                others: Any,
                /// The result of a change that must be wholly done before.
                after: Any
            }
            { delete(call, &table, Rows::Of(snapshot_id(&snapshot)?), &options)? }

        /// Has a table be again as it was at one of its earlier snapshots, given by its id: the branch `main` is moved to it.
        /// What was committed since is not deleted; it stays a snapshot, and can be had again by its id. Gives `table` and
        /// `snapshot`. Throws `invalid` for a snapshot that does not come before the current one.
        ///
        /// ```rhai
        /// let first = iceberg::snapshots("klima.stationen")[1].snapshot;
        /// iceberg::rollback("klima.stationen", first).snapshot == first
        /// //=> true
        /// ```
        destroy fn rollback(call, table: ImmutableString, snapshot: ImmutableString) -> "map"
            options as options {
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let (name, to) = (TableName::of(&table)?, snapshot_id(&snapshot)?);
                let found = call.wait(call.session().iceberg()?.table(&name))?;
                let metadata = &found["metadata"];
                let change = TableBranch { table: name.to_string(), uuid: uuid(metadata), to };
                match head(metadata) {
                    Some(at) if at == to => return Ok(from_json(json!({"table": change.table, "snapshot": to.to_string()}))),
                    Some(at) if is_before(metadata, to, at) => {}
                    _ => return Err(not_before(&change).into()),
                }
                call.change(Change::TableBranch(change), &options)?
            }
    }
}

fn not_before(change: &TableBranch) -> Error {
    let TableBranch { table, to, .. } = change;
    Error::new(
        Kind::Invalid,
        format!("snapshot {to} does not come before the current one of {table}"),
    )
    .hint(format!("see which do: dashictl table snapshots {table}"))
}

pub(super) fn uuid(metadata: &Value) -> String {
    let uuid = metadata["table-uuid"].as_str();
    uuid.unwrap_or_default().to_owned()
}

fn delete(call: &Call, table: &str, rows: Rows, options: &Options) -> Result<Dynamic> {
    let name = TableName::of(table)?;
    let found = call.wait(call.session().iceberg()?.table(&name))?;
    if let Some(others) = options.any("others") {
        refuse_shared(call, &name, &rows, &others)?;
    }
    let change = TableRows {
        table: name.to_string(),
        uuid: uuid(&found["metadata"]),
        rows,
        taken_by: None,
        may_empty: options.flag("may_empty"),
    };
    let answer = call.change(Change::TableRows(change), options)?;
    if answer.is_unit() {
        return Ok(from_json(json!({"table": name.to_string(), "rows": 0})));
    }
    if let Some(mut left) = left_alone(&answer, &name) {
        left.insert("rows".into(), Dynamic::ZERO);
        return Ok(Dynamic::from_map(left));
    }
    Ok(answer)
}

/// What a change of a table that was left alone gave back, with the table: `step`, `left` (why).
pub(super) fn left_alone(answer: &Dynamic, name: &TableName) -> Option<rhai::Map> {
    let mut map = answer.clone().try_cast::<rhai::Map>()?;
    map.contains_key("left").then(|| {
        map.insert("table".into(), name.to_string().into());
        map
    })
}

pub(super) fn snapshot_id(text: &str) -> Result<i64> {
    let id: Option<i64> = text.parse().ok();
    id.filter(|id| id.to_string() == text).ok_or_else(|| {
        Error::usage(format!("'{text}' is no snapshot"))
            .hint("its id is a number: dashictl table snapshots TABLE")
    })
}

/// Refuses rows of which some are another's.
#[cfg(feature = "iceberg")]
fn refuse_shared(call: &Call, name: &TableName, rows: &Rows, others: &Dynamic) -> Result<()> {
    let others = crate::engine::value::to_json(others)?;
    let others = others.as_array().ok_or_else(|| {
        Error::usage("option 'others' takes an array, as lake::belongings(item).rows.others")
    })?;
    let claims = others.iter().map(|other| {
        let text = |field: &str| other[field].as_str().map(str::to_owned);
        let by = text("by").unwrap_or_else(|| "somebody else".to_owned());
        let rows = match (text("where"), text("snapshot")) {
            (Some(condition), _) => Rows::Where(condition),
            (None, Some(id)) => Rows::Of(snapshot_id(&id).map_err(|error| unread(&by, &error))?),
            (None, None) => {
                return Err(Error::usage(
                    "each of 'others' has 'by' and 'where' or 'snapshot'",
                ));
            }
        };
        Ok(crate::warehouse::Claim { by, rows })
    });
    let claims = claims.collect::<Result<Vec<_>>>()?;
    let ways = call.session().warehouse()?;
    call.wait(async {
        let table = crate::warehouse::Table::open(&ways.catalogue, &ways.s3, name).await?;
        table.refuse_shared(rows, &claims).await
    })
}

#[cfg(feature = "iceberg")]
fn unread(by: &str, error: &Error) -> Error {
    let message = format!(
        "the dashi:iceberg_snapshot of {by} cannot be read, so it is not known which rows are its own"
    );
    Error::new(Kind::Conflict, message)
        .caused_by(error)
        .hint("mend that item, then plan again")
}

#[cfg(not(feature = "iceberg"))]
fn refuse_shared(_: &Call, _: &TableName, _: &Rows, _: &Dynamic) -> Result<()> {
    Err(crate::clients::iceberg::not_built_in())
}

#[cfg(feature = "iceberg")]
fn files(call: &Call, name: &TableName, snapshot: Option<i64>) -> Result<Value> {
    let (tables, s3) = (call.session().iceberg()?, call.session().s3()?);
    let files = async {
        let table = crate::warehouse::Table::open(tables, s3, name).await?;
        table.files(snapshot).await
    };
    call.wait(files).map(Value::from)
}

#[cfg(not(feature = "iceberg"))]
fn files(_: &Call, _: &TableName, _: Option<i64>) -> Result<Value> {
    Err(crate::clients::iceberg::not_built_in())
}
