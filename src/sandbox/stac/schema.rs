//! The shape that collections, items and query parameters must have, and pydantic's words for those that have not.
//!
//! Only shape is looked at here; whether an id is taken or a collection exists is for the handlers.

use serde_json::{Value, json};

use super::answer::Refusal;
use crate::sandbox::validation::{Fault, place};

/// What may not stand in an id (stac-fastapi-pgstac's default).
const FORBIDDEN_IN_ID: &str = ":/?#[]@!$&'()*+,;=";
/// The largest page; larger ones are cropped, not refused.
pub(crate) const LARGEST_PAGE: i64 = 10_000;

/// A body for POST or PUT of a collection.
pub(crate) fn collection(mut body: Value) -> Result<Value, Refusal> {
    let at = |name: &str| place(["body", name]);
    let mut faults = Vec::new();
    for name in ["id", "description", "links", "license", "extent"] {
        if body.get(name).is_none() {
            faults.push(Fault::missing(&at(name), &body));
        }
    }
    let typed = body.get("type").is_none_or(|kind| kind == "Collection");
    if !typed {
        faults.push(Fault::literal(&at("type"), "'Collection'", &body["type"]));
    }
    if let Some(extent) = body.get("extent") {
        for part in ["spatial", "temporal"] {
            if extent.get(part).is_none() {
                faults.push(Fault::missing(&place(["body", "extent", part]), extent));
            }
        }
    }
    if let Some(id) = body.get("id").filter(|id| !id.is_string()) {
        faults.push(Fault::of_type(&at("id"), "string", id));
    }
    if !faults.is_empty() {
        return Err(Refusal::Schema(faults, body));
    }
    id(body["id"].as_str().unwrap_or_default())?;
    body["type"] = json!("Collection");
    if body.get("stac_version").is_none() {
        body["stac_version"] = json!("1.0.0");
    }
    Ok(body)
}

/// What POST to a collection's items may bring.
#[derive(Debug)]
pub(crate) enum Posted {
    /// One item.
    Item(Value),
    /// A FeatureCollection; the items in it have been checked one by one.
    Items(Vec<Value>),
}

/// A body for POST of an item or a FeatureCollection into `collection`.
pub(crate) fn posted(mut body: Value, collection: &str) -> Result<Posted, Refusal> {
    if body["type"] == "FeatureCollection" && body["features"].is_array() {
        let mut items = Vec::new();
        let features = body["features"].as_array_mut().map(std::mem::take);
        for feature in features.unwrap_or_default() {
            let faults = item_faults(&feature, &["body", "ItemCollection", "features"]);
            if !faults.is_empty() {
                return Err(Refusal::Schema(faults, feature));
            }
            items.push(item_for(feature, collection, None)?);
        }
        return Ok(Posted::Items(items));
    }
    let mut faults = item_faults(&body, &["body", "Item"]);
    if faults.is_empty() {
        return Ok(Posted::Item(item_for(body, collection, None)?));
    }
    // The body is a union to pydantic: it says why it is neither.
    let at = |name: &str| place(["body", "ItemCollection", name]);
    faults.push(Fault::literal(
        &at("type"),
        "'FeatureCollection'",
        &body["type"],
    ));
    if body.get("features").is_none() {
        faults.push(Fault::missing(&at("features"), &body));
    }
    Err(Refusal::Schema(faults, body))
}

/// A body for PUT of the item `id` of `collection`.
pub(crate) fn item(body: Value, collection: &str, id: &str) -> Result<Value, Refusal> {
    let faults = item_faults(&body, &["body"]);
    if !faults.is_empty() {
        return Err(Refusal::Schema(faults, body));
    }
    item_for(body, collection, Some(id))
}

fn item_faults(item: &Value, within: &[&str]) -> Vec<Fault> {
    let at = |name: &str| -> Vec<Value> {
        within
            .iter()
            .chain([&name])
            .map(|name| Value::from(*name))
            .collect()
    };
    let mut faults = Vec::new();
    if item.get("type").is_none_or(|kind| kind != "Feature") {
        faults.push(Fault::literal(&at("type"), "'Feature'", &item["type"]));
    }
    for name in ["geometry", "properties", "id", "assets", "links"] {
        if item.get(name).is_none() {
            faults.push(Fault::missing(&at(name), item));
        }
    }
    let typed = [("id", "string"), ("properties", "dict"), ("assets", "dict")];
    for (name, wanted) in typed {
        let fits = |value: &Value| match wanted {
            "string" => value.is_string(),
            _ => value.is_object(),
        };
        if let Some(value) = item.get(name).filter(|value| !fits(value)) {
            faults.push(Fault::of_type(&at(name), wanted, value));
        }
    }
    if let Some(properties) = item.get("properties").filter(|value| value.is_object()) {
        faults.extend(time_fault(properties, &at("properties")));
    }
    faults
}

fn time_fault(properties: &Value, at: &[Value]) -> Option<Fault> {
    let known = |name: &str| properties.get(name).is_some_and(|value| !value.is_null());
    let timed = known("datetime") || (known("start_datetime") && known("end_datetime"));
    let message =
        "Value error, start_datetime and end_datetime must be specified when datetime is null";
    (!timed).then(|| Fault::new("value_error", at, message, properties))
}

/// Checks an item against where it is sent to, and fills in what the server fills in.
fn item_for(mut item: Value, collection: &str, expected: Option<&str>) -> Result<Value, Refusal> {
    let own = item["id"].as_str().unwrap_or_default().to_owned();
    id(&own)?;
    if item["geometry"].is_null() {
        return Err(Refusal::Detail(format!(
            "Missing or null `geometry` for Item ({own}). Geometry is required in pgstac."
        )));
    }
    if let Some(named) = item["collection"]
        .as_str()
        .filter(|name| *name != collection)
    {
        return Err(Refusal::Detail(format!(
            "Collection ID from path parameter ({collection}) does not match Collection ID from Item ({named})"
        )));
    }
    if let Some(expected) = expected.filter(|expected| *expected != own) {
        return Err(Refusal::Detail(format!(
            "Item ID from path parameter ({expected}) does not match Item ID from Item ({own})"
        )));
    }
    item["collection"] = json!(collection);
    if item.get("stac_version").is_none() {
        item["stac_version"] = json!("1.0.0");
    }
    Ok(item)
}

fn id(id: &str) -> Result<(), Refusal> {
    if id.contains(|letter| FORBIDDEN_IN_ID.contains(letter)) {
        let listed: Vec<String> = FORBIDDEN_IN_ID.chars().map(String::from).collect();
        return Err(Refusal::Detail(format!(
            "ID ({id}) cannot contain the following characters: {}",
            listed.join(" ")
        )));
    }
    Ok(())
}

/// `limit` in a query: a positive number, cropped to the largest page.
pub(crate) fn limit_in_query(text: &str) -> Result<i64, Refusal> {
    let limit = count_in_query("limit", text)?;
    positive(limit, &place(["query", "limit"]), &json!(text))
}

/// A number from 0 in a query.
pub(crate) fn count_in_query(name: &str, text: &str) -> Result<i64, Refusal> {
    let number = text.trim().parse().ok().filter(|number| *number >= 0);
    number.ok_or_else(|| {
        let message = "Input should be a valid integer, unable to parse string as an integer";
        let fault = Fault::new(
            "int_parsing",
            &place(["query", name]),
            message,
            &json!(text),
        );
        Refusal::Schema(vec![fault], Value::Null)
    })
}

/// `limit` in a body.
pub(crate) fn limit_in_body(limit: &Value, body: &Value) -> Result<i64, Refusal> {
    let at = place(["body", "limit"]);
    match limit.as_i64() {
        Some(number) => positive(number, &at, limit),
        None => Err(Refusal::Schema(
            vec![Fault::of_type(&at, "int", limit)],
            body.clone(),
        )),
    }
}

fn positive(limit: i64, at: &[Value], input: &Value) -> Result<i64, Refusal> {
    if limit <= 0 {
        let fault = Fault::new("greater_than", at, "Input should be greater than 0", input)
            .context(json!({"gt": 0}));
        return Err(Refusal::Schema(vec![fault], Value::Null));
    }
    Ok(limit.min(LARGEST_PAGE))
}
