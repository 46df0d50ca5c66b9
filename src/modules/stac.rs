//! `stac::` — the STAC catalogue: collections (dashi's domains), items, search.

use futures::StreamExt;
use rhai::{Array, ImmutableString, Map};
use serde_json::{Value, json};

use crate::clients::stac::{Stac, collection_of};
use crate::effects::Change;
use crate::engine::call::Call;
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::engine::value::to_json;
use crate::error::{Error, Kind, Result, nearest};
use crate::session::Session;

/// Asking a server for all its ids, to name the nearest to a wrong one, stops here.
const NEAREST_AMONG: usize = 10_000;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut ns = Namespace::new(
        session,
        "stac",
        "The STAC catalogue: collections (dashi's domains), items, search.",
    );
    catalogue(&mut ns);
    collections(&mut ns);
    items(&mut ns);
    changes(&mut ns);
    ns
}

fn catalogue(ns: &mut Namespace) {
    native! { ns,
        /// The catalogue's own description: `id`, `title`, `stac_version`, and `clock_skew`, by how many seconds its
        /// clock is ahead of this machine's (nothing where it sends no date).
        ///
        /// ```rhai
        /// stac::landing(#{timeout: "5s"}).type
        /// //=> "Catalog"
        /// ```
        read fn landing(call) -> "map"
            options as options {
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            {
                let stac = call.session().stac()?.within(options.duration("timeout")?);
                let answer = call.wait(stac.landing())?;
                let mut landing = answer.json()?;
                landing["clock_skew"] = answer.date().map_or(Value::Null, |date| super::time::skew(date).into());
                landing
            }

        /// The conformance classes that the server declares.
        ///
        /// ```rhai
        /// stac::conformance().some(|class| class.contains("item-search"))
        /// //=> true
        /// ```
        read fn conformance(call) -> "array" {
            call.wait(call.session().stac()?.conformance())?
        }
    }
}

fn collections(ns: &mut Namespace) {
    native! { ns,
        /// All collections, read page by page to the last (the server's own page is 10).
        ///
        /// ```rhai
        /// stac::collections().map(|c| c.id).collect().contains("gelaende-umwelt")
        /// //=> true
        /// ```
        read fn collections(call) -> "Stream"
            options as options {
                /// How many to ask for at once.
                page: Int = "250",
                /// A bound on the call for each page.
                timeout: Duration = "as configured"
            }
            {
                let stac = call.session().stac()?.within(options.duration("timeout")?);
                call.stream("collections", stac.collections(options.count("page")?))
            }

        /// One collection. Throws `not_found`, naming the nearest id, where there is none.
        ///
        /// ```rhai
        /// stac::collection("gelaende-umwelt").id
        /// //=> "gelaende-umwelt"
        /// ```
        read fn collection(call, id: ImmutableString) -> "map" {
            call.reads(&format!("collection {id}"))?;
            let found = call.wait(call.session().stac()?.collection(&id));
            found.map_err(|error| no_collection(call, &id, error))?
        }

        /// One collection, or `()` where there is none. Any other failure throws.
        ///
        /// ```rhai
        /// stac::try_collection("no-such-domain")
        /// //=> ()
        /// ```
        read fn try_collection(call, id: ImmutableString) -> "map or ()" {
            call.reads(&format!("collection {id}"))?;
            absent(call.wait(call.session().stac()?.collection(&id)))?
        }
    }
}

fn items(ns: &mut Namespace) {
    native! { ns,
        /// The items of one collection, newest first, read page by page.
        ///
        /// ```rhai
        /// stac::items("gelaende-umwelt").count() > 0
        /// //=> true
        /// ```
        read fn items(call, collection: ImmutableString) -> "Stream"
            options as options {
                /// Only items in this time or interval, as in `2026-01-01T00:00:00Z/..`.
                datetime: Text,
                /// Only items that touch `[west, south, east, north]`.
                bbox: Array,
                /// How many to ask for at once.
                page: Int = "250"
            }
            {
                let query = items_query(&options)?;
                call.stream("items", call.session().stac()?.items(&collection, query)?)
            }

        /// The items that a search finds (STAC API, item search), read page by page.
        ///
        /// ```rhai
        /// stac::search(#{collections: ["klima-historisch"], page: 2}).all(|i| i.collection == "klima-historisch")
        /// //=> true
        /// ```
        read fn search(call) -> "Stream"
            options as options {
                /// Only these collections.
                collections: Array,
                /// Only these item ids.
                ids: Array,
                /// Only items that touch `[west, south, east, north]`.
                bbox: Array,
                /// Only items that touch this GeoJSON geometry.
                intersects: Map,
                /// Only items in this time or interval.
                datetime: Text,
                /// A CQL2-JSON filter.
                filter: Map,
                /// The order, as in `[#{field: "properties.datetime", direction: "desc"}]`.
                sortby: Array,
                /// Fields to `include` and `exclude`.
                fields: Map,
                /// How many to ask for at once.
                page: Int = "250"
            }
            {
                let body = search_body(&options)?;
                call.stream("items", call.session().stac()?.search(body))
            }

        /// How many items the whole catalogue holds, exactly and now.
        ///
        /// ```rhai
        /// stac::count() >= stac::count("gelaende-umwelt")
        /// //=> true
        /// ```
        read fn count(call) -> "int" {
            let count = call.wait(call.session().stac()?.count(json!({})))?;
            i64::try_from(count).map_err(|_| Error::new(Kind::Protocol, format!("stac counts {count} items")))?
        }

        /// How many items a collection holds, exactly and now. Throws `not_found` where there is no such collection.
        ///
        /// ```rhai
        /// stac::count("gelaende-umwelt") == stac::items("gelaende-umwelt").count()
        /// //=> true
        /// ```
        read fn count(call, collection: ImmutableString) -> "int" {
            let body = json!({"collections": [collection.as_str()]});
            let stac = call.session().stac()?;
            let count = call.wait(stac.count(body))?;
            if count == 0 {
                // A search in a collection that is not there finds nothing, and says so with a straight face.
                call.wait(stac.collection(&collection)).map_err(|error| no_collection(call, &collection, error))?;
            }
            i64::try_from(count).map_err(|_| Error::new(Kind::Protocol, format!("stac counts {count} items")))?
        }

        /// One item. Throws `not_found` where there is none.
        ///
        /// ```rhai
        /// let first = stac::items("gelaende-umwelt").first();
        /// stac::item("gelaende-umwelt", first.id).id == first.id
        /// //=> true
        /// ```
        read fn item(call, collection: ImmutableString, id: ImmutableString) -> "map" {
            call.reads(&format!("item {collection}/{id}"))?;
            let stac = call.session().stac()?;
            let found = call.wait(stac.item(&collection, &id));
            found.map_err(|error| no_item(call, stac, (&collection, &id), error))?
        }

        /// One item, or `()` where there is none. Any other failure throws.
        ///
        /// ```rhai
        /// stac::try_item("gelaende-umwelt", "no-such-item")
        /// //=> ()
        /// ```
        read fn try_item(call, collection: ImmutableString, id: ImmutableString) -> "map or ()" {
            call.reads(&format!("item {collection}/{id}"))?;
            absent(call.wait(call.session().stac()?.item(&collection, &id)))?
        }
    }
}

fn changes(ns: &mut Namespace) {
    native! { ns,
        /// Creates a collection, or replaces the one of that `id`. Gives back what the server made of it.
        ///
        /// ```rhai
        /// let domain = stac::collection("klima-historisch");
        /// domain.id = "klima-kopie";
        /// domain.links = [];
        /// stac::put_collection(domain).id
        /// //=> "klima-kopie"
        /// ```
        write fn put_collection(call, collection: Map) -> "map"
            options as options {
                /// The result of a change that must be wholly done before.
                after: Any
            }
            { call.change(Change::PutCollection { record: to_json(&collection.into())? }, &options)? }

        /// Removes an empty collection. One with items is refused: delete its items first.
        ///
        /// ```rhai
        /// stac::put_collection(#{ id: "leer", type: "Collection", stac_version: "1.0.0", description: "leer",
        ///     license: "various", links: [], extent: #{ spatial: #{ bbox: [[-180, -90, 180, 90]] },
        ///     temporal: #{ interval: [[(), ()]] } } });
        /// stac::delete_collection("leer");
        /// stac::try_collection("leer")
        /// //=> ()
        /// ```
        destroy fn delete_collection(call, id: ImmutableString) -> "()"
            options as options {
                /// Take away only what this very run made: then a script that may write may do it.
                own: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let deleted = call.change(Change::DeleteCollection { id: id.to_string() }, &options);
                deleted.map_err(|error| no_collection(call, &id, error))?
            }

        /// Creates an item in the collection it names, or replaces the one of that `id`.
        ///
        /// ```rhai
        /// let item = stac::items("klima-historisch").first();
        /// item.properties.title = "renamed";
        /// stac::put_item(item).properties.title
        /// //=> "renamed"
        /// ```
        write fn put_item(call, item: Map) -> "map"
            options as options {
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let record = to_json(&item.into())?;
                let collection = collection_of(&record)?.to_owned();
                let put = call.change(Change::PutItem { record }, &options);
                put.map_err(|error| into_no_collection(call, &collection, error))?
            }

        /// Removes the record of an item. Its objects stay: `item delete` removes both.
        ///
        /// ```rhai
        /// let id = stac::items("klima-historisch").first().id;
        /// stac::delete_item("klima-historisch", id);
        /// stac::try_item("klima-historisch", id)
        /// //=> ()
        /// ```
        destroy fn delete_item(call, collection: ImmutableString, id: ImmutableString) -> "()"
            options as options {
                /// Take away only what this very run made: then a script that may write may do it.
                own: Bool = "false",
                /// The result of a change that must be wholly done before, as of `s3::delete`: where it was not, the
                /// record stays.
                after: Any
            }
            {
                let change = Change::DeleteItem { collection: collection.to_string(), id: id.to_string() };
                let stac = call.session().stac()?;
                call.change(change, &options).map_err(|error| no_item(call, stac, (&collection, &id), error))?
            }
    }
}

/// Nothing where the thing does not exist.
pub(super) fn absent(found: Result<Value>) -> Result<Option<Value>> {
    match found {
        Ok(record) => Ok(Some(record)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The error for a missing collection, with the nearest id there is.
pub(super) fn no_collection(call: &Call, id: &str, error: Error) -> Error {
    if error.kind() != Kind::NotFound {
        return error;
    }
    let Ok(stac) = call.session().stac() else {
        return error;
    };
    let ids = call.wait(ids(stac.collections(None))).unwrap_or_default();
    reworded(error, format!("there is no collection (domain) '{id}'"))
        .suggest(nearest(id, ids.iter().map(String::as_str)))
}

/// The server only says "internal server error" where the collection of an item is missing: look whether that is why.
fn into_no_collection(call: &Call, collection: &str, error: Error) -> Error {
    if error.detail().status != Some(500) {
        return error;
    }
    let Ok(stac) = call.session().stac() else {
        return error;
    };
    match call.wait(stac.collection(collection)) {
        Err(missing) if missing.kind() == Kind::NotFound => {
            no_collection(call, collection, missing)
        }
        _ => error,
    }
}

/// The error for a missing item: its collection may be what is wrong.
fn no_item(call: &Call, stac: &Stac, (collection, id): (&str, &str), error: Error) -> Error {
    if error.kind() != Kind::NotFound {
        return error;
    }
    if let Err(missing) = call.wait(stac.collection(collection)) {
        return no_collection(call, collection, missing);
    }
    let query = vec![
        ("limit".to_owned(), "1000".to_owned()),
        ("fields".to_owned(), "id".to_owned()),
    ];
    let ids = stac
        .items(collection, query)
        .and_then(|items| call.wait(ids(items)))
        .unwrap_or_default();
    reworded(
        error,
        format!("there is no item '{id}' in collection '{collection}'"),
    )
    .suggest(nearest(id, ids.iter().map(String::as_str)))
}

fn reworded(mut error: Error, message: String) -> Error {
    error.detail_mut().message = message;
    error
}

async fn ids(mut pages: crate::clients::Pages) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await {
        ids.extend(
            page?
                .iter()
                .filter_map(|record| record["id"].as_str().map(str::to_owned)),
        );
        if ids.len() >= NEAREST_AMONG {
            break;
        }
    }
    Ok(ids)
}

/// The query of an items listing.
fn items_query(options: &Options) -> Result<Vec<(String, String)>> {
    let mut query = Vec::new();
    if let Some(page) = options.count("page")? {
        query.push(("limit".to_owned(), page.to_string()));
    }
    if let Some(datetime) = options.text("datetime") {
        query.push(("datetime".to_owned(), datetime.to_string()));
    }
    if let Some(bbox) = options.array("bbox") {
        query.push(("bbox".to_owned(), numbers(&bbox)?));
    }
    Ok(query)
}

fn numbers(bbox: &Array) -> Result<String> {
    let wrong = || {
        Error::usage("option 'bbox' takes an array of 4 or 6 numbers: [west, south, east, north]")
    };
    if bbox.len() != 4 && bbox.len() != 6 {
        return Err(wrong());
    }
    let number = |value: &rhai::Dynamic| {
        let int = value.as_int().map(|int| int.to_string());
        int.or_else(|_| value.as_float().map(|float| float.to_string()))
    };
    let numbers = bbox
        .iter()
        .map(number)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|_| wrong())?;
    Ok(numbers.join(","))
}

/// The body of a search: the options under the names that the STAC API gives them.
fn search_body(options: &Options) -> Result<Value> {
    let page = options.count("page")?;
    if let Some(bbox) = options.array("bbox") {
        numbers(&bbox)?;
    }
    let mut body = to_json(&options.to_map().into())?;
    if let Some(fields) = body.as_object_mut() {
        fields.remove("page");
        if let Some(page) = page {
            fields.insert("limit".to_owned(), page.into());
        }
        if fields.contains_key("filter") {
            fields.insert("filter-lang".to_owned(), "cql2-json".into());
        }
    }
    Ok(body)
}
