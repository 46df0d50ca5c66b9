//! Searches over HTTP: the three ways to ask (a body, a query, a collection's items) and the answer with its links.
//!
//! Reading the request and writing the answer belong here; what is found belongs to `page`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State as Held};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::answer::{self, Refusal};
use super::fields::Fields;
use super::interval::Interval;
use super::page::{self, Page, Search};
use super::sort::Sort;
use super::{collections, filter, items, links, schema};
use crate::sandbox::reply::{self, Base, GEOJSON, JSON};
use crate::sandbox::sql::Condition;
use crate::sandbox::state::State;
use crate::sandbox::validation::{Fault, place};

/// A page holds this many unless `limit` says otherwise.
const PAGE: i64 = 10;

/// `POST /search`
pub(crate) async fn by_body(
    Held(state): Held<Arc<State>>,
    base: Base,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = answer::body(&body)?;
    let search = from_body(&body)?;
    let href = links::here(&base, "/search", None);
    let to_page = |rel: &str, token: &str| links::page_by_body(rel, &href, &body, token);
    of_catalogue(&state, &base, search, to_page).await
}

/// `GET /search`
pub(crate) async fn by_query(
    Held(state): Held<Arc<State>>,
    base: Base,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let search = from_query(&query)?;
    let to_page = page_by_query(&base, "/search", &query);
    of_catalogue(&state, &base, search, to_page).await
}

/// `GET /collections/{id}/items`
pub(crate) async fn items_of_collection(
    Held(state): Held<Arc<State>>,
    base: Base,
    Path(collection): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let query = uri.query().unwrap_or_default();
    let mut search = from_query(query)?;
    search.collections = Some(vec![collection.clone()]);
    let fields = search.fields.clone();
    let within = collection.clone();
    let page = state
        .read(move |database| {
            collections::find(database, &within)?;
            page::find(database, &search)
        })
        .await?;
    let above = format!("{}collections/{collection}", base.0);
    let own = vec![
        links::link("collection", JSON, &above),
        links::link("parent", JSON, &above),
        links::link("root", JSON, &base.0),
        links::link("self", GEOJSON, &format!("{above}/items")),
    ];
    let to_page = page_by_query(&base, uri.path(), query);
    answer_page(&base, page, &fields, own, to_page)
}

/// Searches all collections. `to_page` makes a link of a relation and a token.
async fn of_catalogue(
    state: &Arc<State>,
    base: &Base,
    search: Search,
    to_page: impl Fn(&str, &str) -> Value,
) -> Result<Response, Refusal> {
    let fields = search.fields.clone();
    let page = state
        .read(move |database| page::find(database, &search))
        .await?;
    // With the fields extension the real server stops short of making `self` GeoJSON.
    let kind = if fields.is_set() { JSON } else { GEOJSON };
    let own = vec![
        links::link("root", JSON, &base.0),
        links::link("self", kind, &links::here(base, "/search", None)),
    ];
    answer_page(base, page, &fields, own, to_page)
}

fn page_by_query(base: &Base, path: &str, query: &str) -> impl Fn(&str, &str) -> Value {
    move |rel, token| {
        let href = links::with_parameter(base, path, Some(query), "token", Some(token));
        links::page_by_query(rel, &href)
    }
}

fn answer_page(
    base: &Base,
    page: Page,
    fields: &Fields,
    mut own: Vec<Value>,
    to_page: impl Fn(&str, &str) -> Value,
) -> Result<Response, Refusal> {
    own.extend(page.next.as_deref().map(|token| to_page("next", token)));
    own.extend(
        page.previous
            .as_deref()
            .map(|token| to_page("previous", token)),
    );
    let mut features = Vec::with_capacity(page.items.len());
    for stored in &page.items {
        features.push(shown(base, answer::stored(stored)?, fields));
    }
    let mut body = json!({
        "type": "FeatureCollection",
        "links": own,
        "numberReturned": features.len(),
    });
    body["features"] = Value::Array(features);
    if let Some(matched) = page.matched {
        body["numberMatched"] = json!(matched);
    }
    let kind = if fields.is_set() { JSON } else { GEOJSON };
    Ok(reply::reply(StatusCode::OK, kind, body.to_string()))
}

fn shown(base: &Base, item: Value, fields: &Fields) -> Value {
    let collection = item["collection"].as_str().unwrap_or_default().to_owned();
    let kept = fields.apply(item);
    if fields.keeps_links() {
        items::linked(base, &collection, kept)
    } else {
        kept
    }
}

fn from_body(body: &Value) -> Result<Search, Refusal> {
    if !body.is_object() {
        let fault = Fault::of_type(&place(["body"]), "dict", body);
        return Err(Refusal::Schema(vec![fault], body.clone()));
    }
    let present = |name: &str| body.get(name).filter(|value| !value.is_null());
    let text = |name: &str| -> Result<Option<&str>, Refusal> {
        let refuse = |value: &Value| {
            let fault = Fault::of_type(&place(["body", name]), "string", value);
            Refusal::Schema(vec![fault], body.clone())
        };
        present(name)
            .map(|value| value.as_str().ok_or_else(|| refuse(value)))
            .transpose()
    };
    for unknown in ["intersects", "query", "q"] {
        if present(unknown).is_some() {
            return Err(not_evaluated(unknown));
        }
    }
    Ok(Search {
        collections: names(body, "collections")?,
        ids: names(body, "ids")?,
        bbox: present("bbox")
            .map(|value| bbox_in_body(value, body))
            .transpose()?,
        interval: text("datetime")?.map(Interval::parse).transpose()?,
        filter: match present("filter") {
            Some(expression) => cql2(expression, text("filter-lang")?)?,
            None => Condition::default(),
        },
        sort: Sort::from_body(present("sortby"))?,
        fields: present("fields").map(Fields::from_body).unwrap_or_default(),
        limit: match present("limit") {
            Some(limit) => schema::limit_in_body(limit, body)?,
            None => PAGE,
        },
        token: text("token")?.map(str::to_owned),
        counted: matches!(body["conf"]["context"].as_str(), Some("on" | "auto")),
    })
}

fn from_query(query: &str) -> Result<Search, Refusal> {
    let mut search = Search {
        collections: None,
        ids: None,
        bbox: None,
        interval: None,
        filter: Condition::default(),
        sort: Sort::from_body(None)?,
        fields: Fields::default(),
        limit: PAGE,
        token: None,
        counted: false,
    };
    let (mut expression, mut language) = (None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let list = || Some(value.split(',').map(str::to_owned).collect());
        match &*name {
            _ if value.is_empty() => {}
            "collections" => search.collections = list(),
            "ids" => search.ids = list(),
            "bbox" => search.bbox = Some(bbox_in_query(&value)?),
            "datetime" => search.interval = Some(Interval::parse(&value)?),
            "fields" => search.fields = Fields::from_query(&value),
            "sortby" => search.sort = Sort::from_query(&value)?,
            "limit" => search.limit = schema::limit_in_query(&value)?,
            "token" => search.token = Some(value.into_owned()),
            "filter" => expression = Some(value.into_owned()),
            "filter-lang" => language = Some(value.into_owned()),
            "intersects" | "query" | "q" => return Err(not_evaluated(&name)),
            _ => {}
        }
    }
    if let Some(expression) = expression {
        let parsed = serde_json::from_str(&expression)
            .map_err(|error| Refusal::Detail(format!("Invalid filter: {error}")))?;
        search.filter = cql2(&parsed, language.as_deref())?;
    }
    Ok(search)
}

fn cql2(expression: &Value, language: Option<&str>) -> Result<Condition, Refusal> {
    match language {
        None | Some("cql2-json") => filter::compile(expression),
        Some(_) => Err(Refusal::Raised),
    }
}

fn names(body: &Value, name: &str) -> Result<Option<Vec<String>>, Refusal> {
    let listed = match body.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(listed) => listed,
    };
    let refuse = |wanted: &str, value: &Value| {
        let fault = Fault::of_type(&place(["body", name]), wanted, value);
        Refusal::Schema(vec![fault], body.clone())
    };
    let listed = listed.as_array().ok_or_else(|| refuse("list", listed))?;
    let mut names = Vec::with_capacity(listed.len());
    for value in listed {
        let text = value.as_str().ok_or_else(|| refuse("string", value))?;
        names.push(text.to_owned());
    }
    Ok(Some(names))
}

fn bbox_in_body(bbox: &Value, body: &Value) -> Result<[f64; 4], Refusal> {
    let numbers: Option<Vec<f64>> = bbox
        .as_array()
        .and_then(|edges| edges.iter().map(Value::as_f64).collect());
    numbers.as_deref().and_then(flat).ok_or_else(|| {
        let fault = Fault::of_type(&place(["body", "bbox"]), "list", bbox);
        Refusal::Schema(vec![fault], body.clone())
    })
}

fn bbox_in_query(text: &str) -> Result<[f64; 4], Refusal> {
    let numbers: Option<Vec<f64>> = text
        .split(',')
        .map(|edge| edge.trim().parse().ok())
        .collect();
    let numbers = numbers.ok_or_else(|| Refusal::Detail(format!("invalid bbox: {text}")))?;
    flat(&numbers).ok_or_else(|| Refusal::Detail(format!("BBox '{text}' must have 4 or 6 values.")))
}

/// The flat box of one that may have heights.
fn flat(edges: &[f64]) -> Option<[f64; 4]> {
    match *edges {
        [west, south, east, north] | [west, south, _, east, north, _] => {
            Some([west, south, east, north])
        }
        _ => None,
    }
}

fn not_evaluated(name: &str) -> Refusal {
    Refusal::Parameter(format!("the sandbox does not evaluate '{name}'"))
}
