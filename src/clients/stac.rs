//! The STAC catalogue (STAC API 1.0 with transactions, as stac-fastapi-pgstac serves it): collections, items, search.
//! A walk is followed to its end, or fails: a page that repeats, lacks its list or names its own token again is an
//! error, never a short answer.

use std::collections::BTreeSet;

use futures::StreamExt;
use futures::stream;
use serde_json::{Value, json};
use url::Url;

use super::Pages;
use super::http::{Answer, Request, Sender, path};
use crate::effects::Permit;
use crate::error::{Error, Kind, Result};

/// How many records to ask for a page, where the caller has no wish.
const PAGE: usize = 250;

/// The client of the catalogue.
#[derive(Clone)]
pub struct Stac {
    sender: Sender,
}

impl Stac {
    /// A client that sends through `sender`.
    #[must_use]
    pub fn new(sender: Sender) -> Stac {
        Stac { sender }
    }

    /// The same client, with a bound on each whole call.
    #[must_use]
    pub fn within(&self, bound: Option<std::time::Duration>) -> Stac {
        Stac {
            sender: self.sender.within(bound),
        }
    }

    /// Where the catalogue is, without credentials.
    #[must_use]
    pub fn url(&self) -> &str {
        self.sender.settings().url.as_str()
    }

    /// The landing page: id, title, links, conformance classes.
    pub async fn landing(&self) -> Result<Answer> {
        self.sender.send(Request::get("/")).await
    }

    /// The conformance classes.
    pub async fn conformance(&self) -> Result<Vec<Value>> {
        let mut answer = self.sender.json(Request::get("/conformance")).await?;
        match answer.get_mut("conformsTo").map(Value::take) {
            Some(Value::Array(classes)) => Ok(classes),
            _ => Err(Error::new(
                Kind::Protocol,
                "stac's /conformance has no list 'conformsTo'",
            )),
        }
    }

    /// All collections, page by page.
    #[must_use]
    pub fn collections(&self, page: Option<usize>) -> Pages {
        let first = Request::get("/collections").query("limit", page.unwrap_or(PAGE));
        self.walk(Listing::Collections, first)
    }

    /// How many collections there are, where the server says so.
    pub async fn collection_count(&self) -> Result<Option<u64>> {
        let first = Request::get("/collections").query("limit", 1);
        let answer = self.sender.json(first).await?;
        Ok(answer["numberMatched"].as_u64())
    }

    /// One collection.
    pub async fn collection(&self, id: &str) -> Result<Value> {
        self.sender
            .json(Request::get(path(&["collections", id])?))
            .await
    }

    /// Creates a collection; one of that id is a conflict.
    pub async fn create_collection(&self, permit: Permit, collection: Value) -> Result<Value> {
        self.sender
            .json(Request::post(permit, "/collections", collection))
            .await
    }

    /// Replaces the collection of that id.
    pub async fn replace_collection(&self, permit: Permit, collection: Value) -> Result<Value> {
        let path = path(&["collections", id_of(&collection, "collection")?])?;
        self.sender
            .json(Request::put(permit, path, collection))
            .await
    }

    /// Removes a collection with all its items.
    pub async fn delete_collection(&self, permit: Permit, id: &str) -> Result<()> {
        self.sender
            .send(Request::delete(permit, path(&["collections", id])?))
            .await
            .map(drop)
    }

    /// The items of one collection, page by page, with these query parameters (`datetime`, `bbox`, `limit`, …).
    pub fn items(&self, collection: &str, query: Vec<(String, String)>) -> Result<Pages> {
        let mut query = query;
        if !query.iter().any(|(name, _)| name == "limit") {
            query.push(("limit".to_owned(), PAGE.to_string()));
        }
        let first = Request::get(path(&["collections", collection, "items"])?).with_query(query);
        let collection = collection.to_owned();
        let missing = move |mut error: Error| {
            if error.kind() == Kind::NotFound {
                error.detail_mut().message =
                    format!("there is no collection (domain) '{collection}'");
            }
            error
        };
        Ok(self
            .walk(Listing::Items, first)
            .map(move |page| page.map_err(&missing))
            .boxed())
    }

    /// The items that a search body finds (STAC API, item search), page by page.
    #[must_use]
    pub fn search(&self, body: Value) -> Pages {
        let mut body = body;
        if let Some(fields) = body.as_object_mut() {
            fields.entry("limit").or_insert_with(|| PAGE.into());
        }
        self.walk(Listing::Items, Request::ask("/search", body))
    }

    /// How many items a search body finds, exactly and now: `conf` makes the server count, and `context_stats_ttl` keeps
    /// pgstac from answering with the count of the same search that it remembers for a day.
    pub async fn count(&self, body: Value) -> Result<u64> {
        let mut body = body;
        if let Some(fields) = body.as_object_mut() {
            fields.insert("limit".to_owned(), 1.into());
            fields.insert(
                "conf".to_owned(),
                json!({"context": "on", "context_stats_ttl": "0 seconds"}),
            );
            fields.insert(
                "fields".to_owned(),
                json!({"include": ["id"], "exclude": ["geometry", "assets", "links"]}),
            );
        }
        let answer = self.sender.send(Request::ask("/search", body)).await?;
        answer.json()?["numberMatched"].as_u64().ok_or_else(|| {
            answer
                .fault("no 'numberMatched'")
                .hint("the server must be able to count: pgstac's context extension")
        })
    }

    /// One item.
    pub async fn item(&self, collection: &str, id: &str) -> Result<Value> {
        self.sender
            .json(Request::get(item_path(collection, id)?))
            .await
    }

    /// Creates an item in the collection it names; one of that id is a conflict.
    pub async fn create_item(&self, permit: Permit, item: Value) -> Result<Value> {
        let path = path(&["collections", collection_of(&item)?, "items"])?;
        self.sender.json(Request::post(permit, path, item)).await
    }

    /// Replaces the item of that id in the collection it names.
    pub async fn replace_item(&self, permit: Permit, item: Value) -> Result<Value> {
        let path = item_path(collection_of(&item)?, id_of(&item, "item")?)?;
        self.sender.json(Request::put(permit, path, item)).await
    }

    /// Removes the record of an item; its objects stay.
    pub async fn delete_item(&self, permit: Permit, collection: &str, id: &str) -> Result<()> {
        self.sender
            .send(Request::delete(permit, item_path(collection, id)?))
            .await
            .map(drop)
    }

    /// Follows a listing from its first page to its last.
    fn walk(&self, listing: Listing, first: Request) -> Pages {
        let walk = Walk {
            sender: self.sender.clone(),
            listing,
            next: Some(first),
            seen: BTreeSet::new(),
        };
        stream::unfold(walk, |mut walk| async move {
            let page = walk.page().await.transpose()?;
            if page.is_err() {
                walk.next = None;
            }
            Some((page, walk))
        })
        .boxed()
    }
}

fn item_path(collection: &str, id: &str) -> Result<String> {
    path(&["collections", collection, "items", id])
}

/// The id of a record.
pub(crate) fn id_of<'a>(record: &'a Value, what: &str) -> Result<&'a str> {
    record["id"]
        .as_str()
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Error::usage(format!("the {what} has no 'id' (a string)")))
}

/// The collection that an item names.
pub(crate) fn collection_of(item: &Value) -> Result<&str> {
    item["collection"].as_str().ok_or_else(|| {
        Error::usage("the item does not say which collection it is in")
            .hint("set its field 'collection'")
    })
}

#[derive(Clone, Copy)]
enum Listing {
    Collections,
    Items,
}

impl Listing {
    fn field(self) -> &'static str {
        match self {
            Listing::Collections => "collections",
            Listing::Items => "features",
        }
    }
}

struct Walk {
    sender: Sender,
    listing: Listing,
    next: Option<Request>,
    /// What was asked so far: asking the same again would go round for ever, or count records twice.
    seen: BTreeSet<String>,
}

impl Walk {
    async fn page(&mut self) -> Result<Option<Vec<Value>>> {
        let Some(request) = self.next.take() else {
            return Ok(None);
        };
        let answer = self.sender.send(request.clone()).await?;
        let mut page = answer.json()?;
        let Some(Value::Array(records)) = page.get_mut(self.listing.field()).map(Value::take)
        else {
            return Err(answer.fault(&format!("a page without a list '{}'", self.listing.field())));
        };
        if let Some(odd) = records.iter().find(|record| !record["id"].is_string()) {
            let odd: String = odd.to_string().chars().take(100).collect();
            return Err(answer
                .fault(&format!(
                    "a record without an id among its '{}'",
                    self.listing.field()
                ))
                .cause(odd));
        }
        self.seen.insert(request.fingerprint());
        self.next = next_request(&page, &request, &self.sender.settings().url, &answer.url)
            .map_err(|what| answer.fault(&what))?;
        if let Some(next) = &self.next
            && self.seen.contains(&next.fingerprint())
        {
            return Err(answer.fault("a 'next' link that leads back to a page already read"));
        }
        Ok(Some(records))
    }
}

/// The request that a page's `next` link stands for. A link to another origin (the server's own name behind a proxy
/// or tunnel) is asked of the configured one: it carries credentials, and the way to the service is ours to know.
fn next_request(
    page: &Value,
    current: &Request,
    base: &Url,
    asked: &Url,
) -> std::result::Result<Option<Request>, String> {
    let links = page["links"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let Some(link) = links.iter().find(|link| link["rel"] == "next") else {
        return Ok(None);
    };
    let href = link["href"]
        .as_str()
        .ok_or("a 'next' link without 'href'")?;
    let href = asked
        .join(href)
        .map_err(|_| format!("a 'next' link to '{href}', which is no URL"))?;
    if link["method"]
        .as_str()
        .is_some_and(|method| method.eq_ignore_ascii_case("POST"))
    {
        return Ok(Some(current.with_body(posted_body(link, current))));
    }
    let query = href.query_pairs().into_owned().collect();
    let below = href.path().strip_prefix(base.path().trim_end_matches('/'));
    let request = match below.filter(|_| href.origin() == base.origin()) {
        Some(path) => Request::get(path),
        // A page that was POSTed cannot be gone on from by GET at a path that is not ours to know.
        None if current.body().is_some() => {
            return Err(
                "a 'next' link to another origin that does not say what to post".to_owned(),
            );
        }
        None => current.clone(),
    };
    Ok(Some(request.with_query(query)))
}

/// The body to POST for the next page: the link's, on top of the current one where the link says `merge`.
fn posted_body(link: &Value, current: &Request) -> Value {
    let body = link["body"].clone();
    if link["merge"] != true && body.is_object() {
        return body;
    }
    let mut merged = current.body().cloned().unwrap_or_default();
    if let (Some(merged), Value::Object(fields)) = (merged.as_object_mut(), body) {
        merged.extend(fields);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        "https://lake.example/api/stac".parse().unwrap()
    }

    fn page(link: Value) -> Value {
        json!({"links": [{"rel": "self", "href": "x"}, link]})
    }

    fn next(link: Value, current: &Request) -> Option<Request> {
        next_request(&page(link), current, &base(), &base()).unwrap()
    }

    #[test]
    fn a_get_link_is_followed_below_the_configured_url() {
        let current = Request::get("/collections").query("limit", 10);
        let link = json!({"rel": "next", "method": "GET", "href": "https://lake.example/api/stac/collections?offset=10"});
        let expected = Request::get("/collections").query("offset", 10);
        assert_eq!(
            next(link, &current).unwrap().fingerprint(),
            expected.fingerprint()
        );
    }

    #[test]
    fn a_link_to_another_origin_is_asked_of_the_configured_one() {
        let current = Request::get("/collections").query("limit", 10);
        let link = json!({"rel": "next", "href": "http://stac-fastapi:8080/collections?offset=10"});
        let expected = Request::get("/collections").query("offset", 10);
        assert_eq!(
            next(link, &current).unwrap().fingerprint(),
            expected.fingerprint()
        );
    }

    #[test]
    fn a_post_link_is_posted_as_given_or_merged() {
        let current = Request::ask("/search", json!({"limit": 2}));
        let whole = json!({"rel": "next", "method": "POST", "href": "http://x/search", "body": {"token": "next:a"}});
        assert_eq!(
            next(whole, &current).unwrap().body(),
            Some(&json!({"token": "next:a"}))
        );
        let merged = json!({"rel": "next", "method": "POST", "merge": true, "href": "http://x/s", "body": {"token": "next:a"}});
        assert_eq!(
            next(merged, &current).unwrap().body(),
            Some(&json!({"limit": 2, "token": "next:a"}))
        );
    }

    #[test]
    fn a_page_without_next_is_the_last() {
        let current = Request::get("/collections");
        assert!(
            next_request(&json!({"links": []}), &current, &base(), &base())
                .unwrap()
                .is_none()
        );
        assert!(next_request(&page(json!({"rel": "next"})), &current, &base(), &base()).is_err());
    }
}
