//! `iceberg::` — the files of tables that nobody needs any more: of snapshots that are to be forgotten, and of nobody at all.
//! Which those are is `warehouse`'s to say.

use std::collections::HashSet;

use rhai::{Array, Dynamic, ImmutableString};
use serde_json::{Value, json};

use super::targets::{DELETED, Targets, unreferenced};
use crate::clients::iceberg::TableName;
use crate::clients::iceberg_retention::pointed_to;
use crate::effects::{Change, TableSnapshots};
use crate::engine::call::Call;
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::engine::value::from_json;
use crate::error::{Error, Kind, Result};

use super::iceberg::{left_alone, snapshot_id, uuid};

pub(super) fn add(ns: &mut Namespace) {
    native! { ns,
        /// The snapshots of a table that may be forgotten: `snapshots` (their ids, as texts), `going` (the same as rows of
        /// `iceberg::snapshots`), `kept` (how many stay), `files` (a stream of `uri` and `what`: those that only these
        /// snapshots name), and how many of them there are: `data`, `manifests`, `lists`, `statistics`. `outside` counts those
        /// that lie in no folder of the table, `referenced` those that an item refers to: both stay. What a branch or a tag
        /// points to is not among the snapshots (neither is ever removed), nor what the table's own properties keep
        /// (`history.expire.max-snapshot-age-ms`, 5 days; `history.expire.min-snapshots-to-keep`, 1). Where a plan is carried
        /// out, they are those of the plan. Throws `invalid` where `gc.enabled` of the table is false.
        ///
        /// ```rhai
        /// let found = iceberg::expirable("klima.stationen", #{older_than: "0s"});
        /// [found.snapshots.len(), found.kept, found.data, found.lists]
        /// //=> [1, 1, 0, 1]
        /// ```
        read fn expirable(call, table: ImmutableString) -> "map"
            options as options {
                /// Younger snapshots stay.
                older_than: Duration = "as the table says, else 5d",
                /// So many snapshots of each branch stay, however old they are.
                keep_last: Int = "as the table says, else 1"
            }
            { files::expirable(call, &table, &options)? }

        /// Files in the folders of all tables that no table names: left by writers that died and commits that nobody took.
        /// `objects` is a stream of rows as of `s3::list`, with their `table`; `account` counts what was found by `tables` and
        /// for `all`: `named`, `kept` (by an item of the catalogue, by `gc.protect`, by a name such as `_temporary`), `young`,
        /// `orphan`, each with `objects` and `bytes`; `samples`, `oldest`, `newest`; how many files readers need
        /// (`references`) and how many of those are there (`resolved`); `whole_buckets`, tables that have no folder of their
        /// own and are not looked at; and `guards`: why nothing may be deleted. A run that would delete ends there with an
        /// error unless `expect_delete` is the exact count. Reads every manifest of every table and the whole catalogue, and
        /// fails where that cannot be done.
        ///
        /// ```rhai
        /// iceberg::orphans().account.all.orphan.objects
        /// //=> 0
        /// ```
        read fn orphans(call) -> "map"
            options as options {
                /// Younger files are left alone: whoever writes a table names its files last.
                min_age: Duration = "3d",
                /// So many are meant to go, whatever looks wrong.
                expect_delete: Int
            }
            { files::orphans(call, &options)? }
    }
    changing(ns);
}

fn changing(ns: &mut Namespace) {
    native! { ns,
        /// Has a table forget snapshots, given by their ids: nobody goes back to them. Their files stay until
        /// `iceberg::delete_files`. Gives `table` and `snapshots`, and `left` (why) where they were left alone. This is
        /// not taken back. Throws `not_found` for a snapshot that is not there, `conflict` for one that a branch or a tag
        /// points to.
        ///
        /// ```rhai
        /// let found = iceberg::expirable("klima.stationen", #{older_than: "0s"});
        /// let done = iceberg::expire("klima.stationen", found.snapshots);
        /// iceberg::delete_files(found.files, #{after: done}).deleted
        /// //=> 1
        /// ```
        destroy fn expire(call, table: ImmutableString, snapshots: Array) -> "map"
            options as options {
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let name = TableName::of(&table)?;
                let id = |id: &Dynamic| snapshot_id(&id.to_string());
                let mut ids = snapshots.iter().map(id).collect::<Result<Vec<i64>>>()?;
                ids.sort_unstable();
                ids.dedup();
                expire(call, &name, ids, &options)?
            }

        /// Deletes files of tables that no reader needs: rows of `iceberg::expirable` or `iceberg::orphans`. Right before they
        /// go it is looked whether a table reads them by now; those are left alone, and so is what is not as it was planned.
        /// Throws `usage` for what lies in no table's folder, `conflict` for what an item of the catalogue refers to. Else as
        /// `s3::delete`.
        ///
        /// ```rhai
        /// let metadata = iceberg::table("klima.stationen").location + "/metadata";
        /// s3::write(`${metadata}/left-over.avro`, "x");
        /// iceberg::delete_files([`${metadata}/left-over.avro`]).deleted
        /// //=> 1
        /// ```
        destroy fn delete_files(call, files: Dynamic) -> "map"
            options as options {
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let targets = Targets::of(call, files)?;
                let targets = targets.map(|asked| files::of_table(call, unreferenced(call, asked?, &DELETED)?));
                call.changes(targets, &options)?
            }
    }
}

fn expire(call: &Call, name: &TableName, ids: Vec<i64>, options: &Options) -> Result<Dynamic> {
    let nothing = json!({"table": name.to_string(), "snapshots": []});
    if ids.is_empty() {
        return Ok(from_json(nothing));
    }
    let found = call.wait(call.session().iceberg()?.table(name))?;
    let metadata = &found["metadata"];
    // What is carried out is looked at again in its turn.
    if call.session().gate().is_planning() {
        refuse_unfit(call, name, metadata, &ids)?;
    }
    files::check_all(call)?;
    let change = TableSnapshots {
        table: name.to_string(),
        uuid: uuid(metadata),
        snapshots: ids,
    };
    let answer = call.change(Change::TableSnapshots(change), options)?;
    if let Some(mut left) = left_alone(&answer, name) {
        left.insert("snapshots".into(), Dynamic::from_array(Array::new()));
        return Ok(Dynamic::from_map(left));
    }
    Ok(if answer.is_unit() {
        from_json(nothing)
    } else {
        answer
    })
}

/// Refuses snapshots that are not there, and that this run has not expired itself, and those that a branch or a tag points to.
fn refuse_unfit(call: &Call, name: &TableName, metadata: &Value, ids: &[i64]) -> Result<()> {
    let all = metadata["snapshots"].as_array().into_iter().flatten();
    let ids_of = all.filter_map(|made| made["snapshot-id"].as_i64());
    let mut known: HashSet<i64> = ids_of.collect();
    call.session().gate().with_ledger(|ledger| {
        ledger.rows(true, |row| {
            if let Change::TableSnapshots(own) = row.change {
                known.extend(own.snapshots);
            }
            Ok(())
        })
    })?;
    if let Some(strange) = ids.iter().find(|id| !known.contains(id)) {
        return Err(name.no_snapshot(*strange));
    }
    match pointed_to(metadata, ids).into_iter().next() {
        None => Ok(()),
        Some((branch, id)) => Err(Error::new(
            Kind::Conflict,
            format!("'{branch}' of {name} points to snapshot {id}, so it is not expired"),
        )
        .hint(format!(
            "see what points where: dashictl table snapshots {name}"
        ))),
    }
}

#[cfg(feature = "iceberg")]
mod files {
    use std::collections::BTreeMap;

    use jiff::SignedDuration;
    use rhai::Dynamic;
    use serde_json::{Value, json};

    use crate::clients::iceberg::TableName;
    use crate::clients::iceberg_metadata::snapshots;
    use crate::clients::iceberg_retention::{Retention, expired};
    use crate::effects::{Asked, Change, EXPIRE};
    use crate::engine::call::Call;
    use crate::engine::options::Options;
    use crate::engine::raise::{Raised, raise_unplaced};
    use crate::engine::stream::Stream;
    use crate::engine::value::from_json;
    use crate::error::{Error, Result};
    use crate::inventory::store_clock;
    use crate::lake::{ObjectRef, Role};
    use crate::modules::orphans::{kept_prefixes, refuse_guarded};
    use crate::warehouse::{self, Care, Files, Table};

    /// What deletes other objects than files of tables is told.
    const NOT_BELOW: &str = "iceberg::delete_files takes rows of iceberg::expirable and iceberg::orphans; s3::delete deletes other objects";
    /// Younger files are left alone, where nothing else is said: three days.
    const MIN_AGE: SignedDuration = SignedDuration::from_hours(3 * 24);

    pub(super) fn expirable(call: &Call, table: &str, options: &Options) -> Result<Dynamic> {
        let session = call.session();
        let name = TableName::of(table)?;
        let keep_last = options.int("keep_last").map(u64::try_from).transpose();
        let keep_last = keep_last.ok().flatten();
        if options.int("keep_last").is_some() && keep_last.is_none_or(|count| count == 0) {
            return Err(Error::usage("keep_last is a number from 1 up"));
        }
        let asked = Retention {
            older_than: options.duration("older_than")?,
            keep_last,
        };
        let now = session.now().as_millisecond();
        let (ways, planned) = (session.warehouse()?, planned(call, &name)?);
        let referenced = session.referenced()?;
        let kept = |at: &ObjectRef| referenced.has(&at.bucket, &at.key);
        let (going, rows, left) = call.wait(async {
            let found = ways.catalogue.table(&name).await?;
            let metadata = &found["metadata"];
            let going = planned.unwrap_or_else(|| expired(metadata, asked, now));
            let rows = snapshots(metadata);
            let table = Table::of(&ways.catalogue, &ways.s3, &name, found)?;
            let left = table.leftover(&ways.lake, &going, kept).await?;
            Ok((going, rows, left))
        })?;
        let ids: Vec<String> = going.iter().map(ToString::to_string).collect();
        let goes = |row: &&Value| ids.iter().any(|id| row["snapshot"] == id.as_str());
        let (go, stay): (Vec<&Value>, Vec<&Value>) = rows.iter().partition(goes);
        let mut map = json!({
            "snapshots": ids, "going": go, "kept": stay.len(), "outside": left.outside, "referenced": left.referenced,
        });
        let mut counts: BTreeMap<&str, u64> = ["data", "manifests", "lists", "statistics"]
            .map(|what| (what, 0))
            .into();
        counts.extend(left.counts);
        for (what, count) in counts {
            map[what] = count.into();
        }
        Ok(with_stream(map, "files", left.files))
    }

    /// The snapshots that the plan has, where it is carried out: time has passed since, and others have committed.
    fn planned(call: &Call, name: &TableName) -> Result<Option<Vec<i64>>> {
        let table = name.to_string();
        let is_of = |change: &Change| match change {
            Change::TableSnapshots(change) => change.table == table,
            _ => false,
        };
        Ok(match call.session().gate().planned(EXPIRE, is_of)? {
            Some(Change::TableSnapshots(change)) => Some(change.snapshots),
            _ => None,
        })
    }

    /// Fails where it is not known what tables name: before a snapshot is forgotten, not after.
    pub(super) fn check_all(call: &Call) -> Result<()> {
        call.session().table_names().map(drop)
    }

    pub(super) fn orphans(call: &Call, options: &Options) -> Result<Dynamic> {
        let session = call.session();
        let ways = session.warehouse()?;
        let referenced = session.referenced()?;
        let min_age = options.duration("min_age")?;
        let min_age = min_age.map(SignedDuration::try_from).transpose();
        let min_age =
            min_age.map_err(|error| Error::usage(format!("min_age is too long: {error}")))?;
        let protect = kept_prefixes(session)?;
        let keeps = |at: &ObjectRef| {
            referenced.has(&at.bucket, &at.key)
                || referenced.ends_like(&at.key)
                || protect.iter().any(|kept| kept.keeps(at))
        };
        let found = call.wait(async {
            let care = Care {
                min_age: min_age.unwrap_or(MIN_AGE),
                since: session.gate().order().began,
                now: store_clock(&ways.s3).await?,
                keeps: &keeps,
            };
            warehouse::orphans(&ways, &care).await
        })?;
        if session.gate().may_destroy() && !session.gate().is_judged() {
            let summary = &found.summary;
            refuse_guarded(
                ("files of tables", "the tables"),
                (summary.all.orphan.objects, &summary.guards),
                options.int("expect_delete"),
            )?;
        }
        session.know_names(&found.names);
        let account = serde_json::to_value(&found.summary);
        let account = account.map_err(|error| Error::internal(error.to_string()))?;
        Ok(with_stream(
            json!({"account": account}),
            "objects",
            found.files,
        ))
    }

    fn with_stream(map: Value, name: &str, files: Files) -> Dynamic {
        let rows = files.map(|row| -> Raised<Dynamic> {
            row.map(from_json).map_err(|error| raise_unplaced(&error))
        });
        let stream = Dynamic::from(Stream::of_values("files", rows));
        let mut map = from_json(map);
        if let Some(mut map) = map.write_lock::<rhai::Map>() {
            map.insert(name.into(), stream);
        }
        map
    }

    /// The deletion of a file in a table's folder; refuses what is in none. A bucket that is not the lake's may take nothing
    /// but tables, and nobody looks for trash there: what goes from it is put aside in the curated bucket.
    pub(super) fn of_table(call: &Call, mut asked: Asked) -> Result<Asked> {
        let session = call.session();
        if let Change::DeleteObject { at, trash, .. } = &mut asked.change {
            if !session.table_folders()?.cover(at) {
                let message = format!("{at} is in no table's folder");
                return Err(Error::usage(message).hint(NOT_BELOW));
            }
            let lake = session.lake()?;
            if !lake.has_bucket(&at.bucket) {
                *trash = Some(lake.bucket(Role::Curated).to_owned());
            }
        }
        Ok(asked)
    }
}

#[cfg(not(feature = "iceberg"))]
mod files {
    use rhai::Dynamic;

    use crate::clients::iceberg::not_built_in;
    use crate::effects::Asked;
    use crate::engine::call::Call;
    use crate::engine::options::Options;
    use crate::error::Result;

    pub(super) fn expirable(_: &Call, _: &str, _: &Options) -> Result<Dynamic> {
        Err(not_built_in())
    }

    pub(super) fn orphans(_: &Call, _: &Options) -> Result<Dynamic> {
        Err(not_built_in())
    }

    pub(super) fn check_all(_: &Call) -> Result<()> {
        Err(not_built_in())
    }

    pub(super) fn of_table(_: &Call, _: Asked) -> Result<Asked> {
        Err(not_built_in())
    }
}
