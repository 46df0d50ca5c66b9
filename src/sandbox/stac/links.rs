//! The links that answers carry: made anew for each answer on the base the client used, as the real server does.
//!
//! Which page follows which belongs to `page` and `collections`; how the link to it looks belongs here.

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::sandbox::reply::{Base, GEOJSON, JSON};

/// Links the server makes itself; stored ones of these kinds are dropped.
const INFERRED: [&str; 7] = [
    "self",
    "item",
    "parent",
    "collection",
    "root",
    "items",
    "child",
];

/// A link without a method.
pub(crate) fn link(rel: &str, media_type: &str, href: &str) -> Value {
    json!({"rel": rel, "type": media_type, "href": href})
}

/// The links of a collection, then those stored with it.
pub(crate) fn of_collection(base: &Base, id: &str, stored: Option<&Value>) -> Value {
    let root = &base.0;
    let mut links = vec![
        link(
            "items",
            GEOJSON,
            &format!("{root}collections/{}/items", segment(id)),
        ),
        link("parent", JSON, root),
        link("root", JSON, root),
        link("self", JSON, &format!("{root}collections/{}", segment(id))),
    ];
    links.extend(extra(base, stored));
    Value::Array(links)
}

/// The link to a collection's queryables, which only reading it adds.
pub(crate) fn queryables(base: &Base, id: &str) -> Value {
    json!({
        "rel": "http://www.opengis.net/def/rel/ogc/1.0/queryables",
        "type": "application/schema+json",
        "title": "Queryables",
        "href": format!("{}collections/{}/queryables", base.0, segment(id)),
    })
}

/// The links of an item, then those stored with it.
pub(crate) fn of_item(base: &Base, collection: &str, id: &str, stored: Option<&Value>) -> Value {
    let root = &base.0;
    let above = format!("{root}collections/{}", segment(collection));
    let mut links = vec![
        link("collection", JSON, &above),
        link("parent", JSON, &above),
        link("root", JSON, root),
        link("self", GEOJSON, &format!("{above}/items/{}", segment(id))),
    ];
    links.extend(extra(base, stored));
    Value::Array(links)
}

/// A link to another page that is asked for with GET: the query as it came, with this parameter set.
pub(crate) fn page_by_query(rel: &str, href: &str) -> Value {
    json!({"rel": rel, "type": GEOJSON, "method": "GET", "href": href})
}

/// A link to another page that is asked for with POST: the body as it came, with the token set.
pub(crate) fn page_by_body(rel: &str, href: &str, body: &Value, token: &str) -> Value {
    let mut body = body.clone();
    body["token"] = Value::from(token);
    json!({"rel": rel, "type": GEOJSON, "method": "POST", "href": href, "body": body})
}

/// The URL of this request with one parameter set, or taken away for `None`.
pub(crate) fn with_parameter(
    base: &Base,
    path: &str,
    query: Option<&str>,
    name: &str,
    value: Option<&str>,
) -> String {
    let mut pairs = Vec::new();
    let mut placed = false;
    for (key, old) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if key != name {
            pairs.push((key.into_owned(), old.into_owned()));
        } else if let (Some(value), false) = (value, placed) {
            pairs.push((key.into_owned(), value.to_owned()));
            placed = true;
        }
    }
    if let (Some(value), false) = (value, placed) {
        pairs.push((name.to_owned(), value.to_owned()));
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let url = here(base, path, None);
    if query.is_empty() {
        url
    } else {
        format!("{url}?{query}")
    }
}

/// The URL of this request as it came.
pub(crate) fn here(base: &Base, path: &str, query: Option<&str>) -> String {
    let url = format!("{}{}", base.0, path.trim_start_matches('/'));
    match query {
        Some(query) if !query.is_empty() => format!("{url}?{query}"),
        _ => url,
    }
}

/// Stored links that the server does not make itself, relative ones made whole.
fn extra(base: &Base, stored: Option<&Value>) -> Vec<Value> {
    let mut links = stored
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    links.retain(|link| {
        let rel = link["rel"].as_str().unwrap_or_default();
        !INFERRED.contains(&rel)
    });
    for link in &mut links {
        let href = link["href"].as_str().unwrap_or_default();
        let whole = url::Url::parse(&base.0).and_then(|root| root.join(href));
        if let Ok(whole) = whole {
            link["href"] = Value::from(whole.as_str());
        }
    }
    links
}

/// An id as one segment of a URL's path.
fn segment(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, SEGMENT).to_string()
}

/// What may not stand in a path segment as it is.
const SEGMENT: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_link_keeps_the_query_and_sets_its_token() {
        let base = Base("http://h/".into());
        let set = |query, value| with_parameter(&base, "/search", query, "token", value);
        assert_eq!(
            set(Some("token=next%3Aa&limit=2"), Some("next:b")),
            "http://h/search?token=next%3Ab&limit=2"
        );
        assert_eq!(set(None, Some("next:b")), "http://h/search?token=next%3Ab");
        assert_eq!(set(Some("token=x"), None), "http://h/search");
    }

    #[test]
    fn stored_links_of_the_servers_own_kinds_are_dropped() {
        let base = Base("http://h/".into());
        let stored = json!([{"rel": "self", "href": "x"}, {"rel": "license", "href": "terms.txt"}]);
        let links = of_collection(&base, "raw", Some(&stored));
        assert_eq!(links.as_array().map(Vec::len), Some(5));
        assert_eq!(links[4]["href"], "http://h/terms.txt");
    }
}
