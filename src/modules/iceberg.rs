//! `iceberg::` — tables: which there are, what they are made of, how they came to be so.

use rhai::ImmutableString;

use super::stac::absent;
use crate::clients::iceberg::TableName;
use crate::clients::iceberg_metadata::{described, snapshots};
use crate::engine::registry::{Namespace, native};
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
        read fn namespaces(call) -> "Stream" {
            call.stream("namespaces", call.session().iceberg()?.namespaces())
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
            serde_json::Value::from(snapshots(&found["metadata"]))
        }
    }
    namespace
}
