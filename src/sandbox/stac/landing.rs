//! The API's front: landing page, conformance, health, and the properties a filter can name.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::sandbox::reply::{self, Base, JSON};

/// What the recorded server conforms to. It is wider than what the sandbox evaluates; the rest is refused when asked for.
const CONFORMANCE: [&str; 28] = [
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/simple-query",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "https://api.stacspec.org/v1.0.0-rc.1/collection-search",
    "https://api.stacspec.org/v1.0.0-rc.1/collection-search#fields",
    "https://api.stacspec.org/v1.0.0-rc.1/collection-search#filter",
    "https://api.stacspec.org/v1.0.0-rc.1/collection-search#free-text",
    "https://api.stacspec.org/v1.0.0-rc.1/collection-search#query",
    "https://api.stacspec.org/v1.0.0-rc.2/item-search#filter",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/collections/extensions/transaction",
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#fields",
    "https://api.stacspec.org/v1.0.0/item-search#query",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#fields",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#query",
    "https://api.stacspec.org/v1.0.0/ogcapi-features/extensions/transaction",
    "https://api.stacspec.org/v1.1.0/collection-search#sort",
    "https://api.stacspec.org/v1.1.0/item-search#sort",
    "https://api.stacspec.org/v1.1.0/ogcapi-features#sort",
];

/// `GET /`
pub(crate) async fn catalogue(base: Base) -> Response {
    let titled = |rel: &str, title: &str, path: &str| json!({"rel": rel, "type": JSON, "title": title, "href": format!("{}{path}", base.0)});
    let body = json!({
        "type": "Catalog",
        "id": "stac-fastapi",
        "title": "stac-fastapi",
        "description": "stac-fastapi",
        "stac_version": "1.0.0",
        "conformsTo": CONFORMANCE,
        "links": [
            titled("self", "This document", ""),
            titled("root", "Root", ""),
            titled("data", "Collections available for this Catalog", "collections"),
            titled("conformance", "STAC/OGC conformance classes implemented by this server", "conformance"),
        ],
        "stac_extensions": [],
    });
    reply::json(StatusCode::OK, &body)
}

/// `GET /conformance`
pub(crate) async fn conformance() -> Response {
    reply::json(StatusCode::OK, &json!({ "conformsTo": CONFORMANCE }))
}

/// `GET /_mgmt/ping`
pub(crate) async fn ping() -> Response {
    reply::json(StatusCode::OK, &json!({"message": "PONG"}))
}

/// `GET /_mgmt/health`
pub(crate) async fn health() -> Response {
    let body = json!({
        "status": "UP",
        "lifespan": {"status": "UP"},
        "pgstac": {"status": "UP", "pgstac_version": "0.10.0"},
    });
    reply::json(StatusCode::OK, &body)
}

/// `GET /queryables`, of the whole catalogue and of a collection: the columns; any other property can be named too.
pub(crate) async fn queryables(base: Base, uri: axum::http::Uri) -> Response {
    let property = |kind: &str, description: &str| -> Value {
        json!({"type": kind, "description": description})
    };
    let body = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": format!("{}{}", base.0, uri.path().trim_start_matches('/')),
        "type": "object",
        "title": "STAC Queryables.",
        "properties": {
            "id": property("string", "Item identifier"),
            "collection": property("string", "Collection identifier"),
            "datetime": {"type": "string", "format": "date-time", "description": "Datetime"},
            "geometry": {"$ref": "https://geojson.org/schema/Feature.json"},
        },
        "additionalProperties": true,
    });
    reply::reply(StatusCode::OK, "application/schema+json", body.to_string())
}
