//! `lake::` — what dashi knows of its lake: which object an href means, which buckets there are.

use rhai::{ImmutableString, Map};
use serde_json::{Value, json};

use crate::config::Service;
use crate::engine::object_set::ObjectSet;
use crate::engine::registry::{Namespace, native};
use crate::engine::value::to_json;
use crate::error::{Error, Result};
use crate::inventory::{self, Belongings, Granularity, Kept};
use crate::lake::{ObjectRef, Place, Role};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(
        session,
        "lake",
        "What dashi knows of its lake: where an href leads, which buckets there are.",
    );
    let ns = &mut namespace;
    native! { ns,
        /// Where an href leads, however it is spelt: `kind` is `object`, `prefix`, `bucket` or `foreign` (a host that
        /// is not the store's); objects and prefixes have `uri`, `bucket`, `key`. `()` for what is no place at all.
        ///
        /// ```rhai
        /// lake::place("http://rustfs.dashi-platform.svc.cluster.local:9000/processed/a/b%20c.tif").uri
        /// //=> "s3://processed/a/b c.tif"
        /// ```
        read fn place(call, href: ImmutableString) -> "map or ()" {
            call.session().lake()?.place(&href).map(|place| described(&place))
        }

        /// What belongs to an item of the catalogue and goes with it: `objects` (rows as of `s3::list`, with the `asset`
        /// that names them), `kept` (those that another record or an Iceberg table covers, and `by` which), `missing`, `foreign` (assets
        /// outside the lake), `left` (what lies in its dataset and belongs to no asset), `rows`: its rows in an Iceberg table,
        /// `()` where it names none, else `table`, `where` or `snapshot` (which rows, as `dashi:iceberg_where` and
        /// `dashi:iceberg_snapshot` say), `by_hand` (why they cannot be deleted with it, if they cannot), `others` (what other
        /// items name of that table: `by` and `where` or `snapshot`), `unclear` (how many more have rows there and do not say
        /// which). Reads the whole catalogue, and fails where that cannot be done.
        ///
        /// ```rhai
        /// let item = stac::item("gelaende-umwelt", "landbedeckung-2025");
        /// lake::belongings(item).objects.map(|o| o.asset)
        /// //=> ["sidecar", "data", "data", "data"]
        /// ```
        read fn belongings(call, item: Map) -> "map" {
            let item = to_json(&item.into())?;
            let session = call.session();
            let (stac, s3, lake) = (session.stac()?, session.s3()?, session.lake()?);
            let mut found = call.wait(inventory::belongings(stac, s3, lake, &item))?;
            keep_tabled(session, &mut found)?;
            if let Some(rows) = &mut found.rows {
                let reach = out_of_reach(session)?;
                rows.by_hand = rows.by_hand.take().or(reach);
            }
            serde_json::to_value(found).map_err(|error| Error::internal(error.to_string()))?
        }

        /// The objects of a bucket that nothing refers to: `objects`, a stream of rows as of `s3::list`, `uploads`, rows as
        /// of `s3::uploads` that have been open for more than seven days, and `account`:
        /// all objects of the bucket by `reasons` (`referenced`, `protected`, `young`, `in_flight`, `orphan`, each with
        /// `objects` and `bytes`), the orphans by `domains`, `oldest`, `newest`, `samples`, how many `references` there
        /// are and how many of them are `resolved`, and `guards`: why nothing may be deleted. A run that would delete ends
        /// there with an error unless `expect_delete` is the exact count. What an open upload, a flow run that is not over
        /// or one that failed lately needs is kept. Reads the whole catalogue, all runs and the whole bucket, and fails
        /// where any of that cannot be done.
        ///
        /// ```rhai
        /// let found = lake::orphans(#{bucket: "processed"});
        /// [found.account.reasons.orphan.objects, found.objects.count()]
        /// //=> [3, 3]
        /// ```
        read fn orphans(call) -> "map"
            options as options {
                /// The bucket: that of landing, processed or curated.
                bucket: Text = "the landing bucket",
                /// Younger objects are left alone.
                min_age: Duration = "1h",
                /// `dataset` keeps the folder of a live dataset whole, `object` tells its objects apart.
                granularity: Text = "dataset",
                /// So many are meant to go, whatever looks wrong.
                expect_delete: Int,
                /// One n-th of the bucket, `i/n`, where n machines sweep it together; a dataset is in one of them.
                shard: Text = "all of it"
            }
            {
                super::orphans::find(call, &options)?
            }

        /// What the catalogue refers to, as a set of objects: all that records name in whatever spelling, what lies below the
        /// folders that they name, and the items' own folders. Reads the whole catalogue, once a run and again after five
        /// minutes, and fails where that cannot be done. `stream.minus(set)` leaves out what is in it, `set.has(uri)` asks for
        /// one. (What may be deleted is more than what is not in it: see `lake::orphans`.)
        ///
        /// ```rhai
        /// let refs = lake::references();
        /// s3::list("s3://processed/").minus(refs).all(|o| !refs.has(o.uri))
        /// //=> true
        /// ```
        read fn references(call) -> "ObjectSet"
            options as options {
                /// `dataset` has the folder of a live dataset whole, `object` tells its objects apart.
                granularity: Text = "object"
            }
            {
                let granularity = match options.text("granularity") {
                    None => Granularity::Object,
                    Some(text) => super::orphans::granularity(Some(&text))?,
                };
                ObjectSet::Referenced(call.session().referenced()?, granularity)
            }

        /// Why an object stays, or that it need not: `verdict` is `referenced`, `protected`, `young`, `in_flight`, `orphan`
        /// or `missing`, `because` the evidence, `records` how many records keep it. By the same code as `lake::orphans`.
        ///
        /// ```rhai
        /// let orphan = lake::orphans(#{bucket: "processed"}).objects.first();
        /// lake::why(orphan.uri).verdict
        /// //=> "orphan"
        /// ```
        read fn why(call, uri: ImmutableString) -> "map"
            options as options {
                /// Younger objects are left alone.
                min_age: Duration = "1h",
                /// `dataset` keeps the folder of a live dataset whole, `object` tells its objects apart.
                granularity: Text = "dataset"
            }
            {
                super::orphans::why(call, &uri, &options)?
            }

        /// The buckets of the lake by role: `landing`, `processed`, `curated`.
        ///
        /// ```rhai
        /// lake::buckets().processed
        /// //=> "processed"
        /// ```
        read fn buckets(call) -> "map" {
            let lake = call.session().lake()?;
            Value::Object(Role::ALL.into_iter().map(|role| (role.name().to_owned(), lake.bucket(role).into())).collect())
        }
    }
    namespace
}

/// Keeps what an Iceberg table names or has in its folder: an item that refers to it is not the only one that needs it.
fn keep_tabled(session: &Session, found: &mut Belongings) -> Result<()> {
    if found.objects.is_empty() || !session.endpoints()?.has(Service::Iceberg) {
        return Ok(());
    }
    let (tabled, folders) = (super::orphans::tabled(session)?, session.table_folders()?);
    for object in std::mem::take(&mut found.objects) {
        let at = ObjectRef {
            bucket: object.bucket.clone(),
            key: object.key.clone(),
        };
        let by = if tabled.has(&at.bucket, &at.key) {
            "an Iceberg table, which names it"
        } else if folders.cover(&at) {
            "an Iceberg table, in whose folder it is"
        } else {
            found.objects.push(object);
            continue;
        };
        let by = by.to_owned();
        found.kept.push(Kept { object, by });
    }
    found
        .kept
        .sort_by(|one, other| one.object.uri.cmp(&other.object.uri));
    Ok(())
}

/// Why rows of tables cannot be changed in this run, if they cannot.
fn out_of_reach(session: &Session) -> Result<Option<String>> {
    if !cfg!(feature = "iceberg") {
        return Ok(Some(
            "this program was built without the files of tables".to_owned(),
        ));
    }
    let is_known = session.endpoints()?.has(Service::Iceberg);
    Ok((!is_known).then(|| "iceberg_url is not set".to_owned()))
}

fn described(place: &Place) -> Value {
    match place {
        Place::Object(at) => {
            json!({"kind": "object", "uri": at.to_string(), "bucket": at.bucket, "key": at.key})
        }
        Place::Prefix(at) => {
            json!({"kind": "prefix", "uri": at.to_string(), "bucket": at.bucket, "key": at.prefix})
        }
        Place::Bucket(bucket) => {
            json!({"kind": "bucket", "uri": format!("s3://{bucket}/"), "bucket": bucket, "key": ""})
        }
        Place::Foreign(foreign) => {
            json!({"kind": "foreign", "host": foreign.host(), "path": foreign.path()})
        }
    }
}
