//! A catalogue of small pages that answers in the place of the real one, and that a test changes while it is walked, or
//! breaks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::bucket::item;
use super::swept::{ORPHANS, Swept};
use super::wire::{Request, Wire, reply};

/// Items of one page.
const PAGE: usize = 3;

/// What is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// How many items there are.
    Count,
    /// A page of items.
    Items,
    /// How many collections there are.
    CollectionCount,
    /// The collections.
    Collections,
}

/// One question.
#[derive(Debug, Clone)]
pub struct Ask {
    pub what: What,
    /// The collection that it is about, where it is about one.
    pub collection: Option<String>,
    /// The number of the page, from 0 on.
    pub page: usize,
    /// How many questions of this kind came before.
    pub before: usize,
}

/// What is there.
#[derive(Debug, Clone, Default)]
pub struct Holding {
    pub collections: Vec<String>,
    /// By collection and id.
    pub items: BTreeMap<(String, String), Value>,
    /// Items of one page.
    pub page: usize,
    asked: BTreeMap<String, usize>,
}

/// The catalogue. Clones are the same.
#[derive(Clone)]
pub struct Catalogue {
    url: String,
    holding: Arc<Mutex<Holding>>,
}

impl Catalogue {
    /// With an item for each object of a bucket that is to stay, behind the tap of its lake. `before` runs before every
    /// question, and may change what is there; `after` makes of every answer what goes over the wire.
    pub fn of(
        swept: &Swept,
        before: impl Fn(&Ask, &mut Holding) + Send + Sync + 'static,
        after: impl Fn(&Ask, Value) -> String + Send + Sync + 'static,
    ) -> Catalogue {
        let wire: &Wire = &swept.bucket.tapped.stac;
        let domain = &swept.bucket.domains[0];
        let mut holding = Holding {
            collections: vec![domain.clone()],
            page: PAGE,
            ..Holding::default()
        };
        for (n, key) in swept.keys.iter().enumerate() {
            if !ORPHANS.contains(&n) {
                holding.put(domain, &format!("item-{n:02}"), &[swept.bucket.uri(key)]);
            }
        }
        let catalogue = Catalogue {
            url: wire.url().to_owned(),
            holding: Arc::new(Mutex::new(holding)),
        };
        let own = catalogue.clone();
        wire.answering(move |request| {
            let mut holding = own.holding();
            let (ask, body) = holding.asked(request)?;
            before(&ask, &mut holding);
            let answer = holding.answer(&ask, &body, &own.url);
            drop(holding);
            Some(after(&ask, answer))
        });
        catalogue
    }

    /// What it holds.
    pub fn holding(&self) -> MutexGuard<'_, Holding> {
        self.holding.lock().unwrap()
    }
}

/// An answer as it is.
pub fn plain(_: &Ask, answer: Value) -> String {
    reply("200 OK", &answer.to_string())
}

impl Holding {
    /// Adds an item that refers to these, and its collection where that is new.
    pub fn put(&mut self, collection: &str, id: &str, hrefs: &[String]) {
        if !self.collections.iter().any(|known| known == collection) {
            self.collections.push(collection.to_owned());
        }
        let key = (collection.to_owned(), id.to_owned());
        self.items.insert(key, item(collection, id, hrefs));
    }

    /// Removes a collection with all that is in it.
    pub fn remove(&mut self, collection: &str) {
        self.collections.retain(|known| known != collection);
        self.items.retain(|(known, _), _| known != collection);
    }

    fn asked(&mut self, request: &Request) -> Option<(Ask, Value)> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let is_one = request.target.ends_with("limit=1");
        let what = match (request.method.as_str(), request.target.split('?').next()?) {
            ("POST", path) if path.ends_with("/search") && body["conf"].is_object() => What::Count,
            ("POST", path) if path.ends_with("/search") => What::Items,
            ("GET", path) if path.ends_with("/collections") && is_one => What::CollectionCount,
            ("GET", path) if path.ends_with("/collections") => What::Collections,
            _ => return None,
        };
        let collection = body["collections"][0].as_str().map(str::to_owned);
        let count = self.asked.entry(format!("{what:?}")).or_default();
        let before = *count;
        *count += 1;
        let mut ask = Ask {
            what,
            collection,
            page: 0,
            before,
        };
        let token = body["token"].as_str();
        let behind = |(key, _): &(&(String, String), &Value)| {
            token.is_some_and(|it| joined(key).as_str() <= it)
        };
        ask.page = self.those(&ask).filter(behind).count() / self.page;
        Some((ask, body))
    }

    fn those(&self, ask: &Ask) -> impl Iterator<Item = (&(String, String), &Value)> {
        let wanted = ask.collection.clone();
        self.items.iter().filter(move |((collection, _), _)| {
            wanted.as_ref().is_none_or(|wanted| wanted == collection)
        })
    }

    fn answer(&self, ask: &Ask, body: &Value, url: &str) -> Value {
        let collections = self
            .collections
            .iter()
            .map(|id| json!({"type": "Collection", "id": id}));
        match ask.what {
            What::Count => json!({"features": [], "numberMatched": self.those(ask).count()}),
            What::Items => self.page_of(ask, body, url),
            What::CollectionCount => {
                let first: Vec<Value> = collections.take(1).collect();
                json!({"collections": first, "numberMatched": self.collections.len()})
            }
            What::Collections => {
                let all: Vec<Value> = collections.collect();
                json!({"collections": all, "numberMatched": all.len(), "links": []})
            }
        }
    }

    fn page_of(&self, ask: &Ask, body: &Value, url: &str) -> Value {
        let token = body["token"].as_str().unwrap_or_default();
        let rest = self
            .those(ask)
            .filter(|(key, _)| joined(key).as_str() > token);
        let mut page: Vec<_> = rest.take(self.page + 1).collect();
        let has_more = page.len() > self.page;
        page.truncate(self.page);
        let next = page.last().filter(|_| has_more).map(|(key, _)| {
            let mut body = body.clone();
            body["token"] = joined(key).into();
            json!({"rel": "next", "method": "POST", "href": format!("{url}/search"), "body": body})
        });
        let features: Vec<&Value> = page.iter().map(|(_, item)| *item).collect();
        let links: Vec<Value> = next.into_iter().collect();
        json!({"type": "FeatureCollection", "features": features, "links": links})
    }
}

/// The place of an item in the order of all.
pub fn joined((collection, id): &(String, String)) -> String {
    format!("{collection}/{id}")
}
