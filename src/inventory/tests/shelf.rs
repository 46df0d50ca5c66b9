//! A catalogue of tiny pages in this process, in which items and collections come and go at random while it is read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::clients::http::{Sender, Tracer};
use crate::clients::stac::Stac;
use crate::config::{Config, Environment, Flags, Service};

/// How a catalogue finds the next page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paging {
    /// What comes after the last item of the page before.
    Behind,
    /// The same; where that item is gone it fails, as pgstac does.
    BehindOneThatIsThere,
    /// What comes after so many items.
    Counted,
}

/// The id of a collection, and of an item in it.
pub(super) type Name = (String, String);

/// What is there, and what is to happen.
pub(super) struct Shelf {
    random: SmallRng,
    paging: Paging,
    /// Whether a search of all collections loses items, as pgstac's does where two collections have one of the same id.
    loses: bool,
    page: usize,
    /// How likely it is that something goes, and nothing comes.
    removing: f64,
    /// How often something may still happen.
    events: usize,
    /// Whether nothing happens before one collection alone is asked for.
    waits: bool,
    pub(super) collections: BTreeSet<String>,
    pub(super) items: BTreeSet<Name>,
    /// What was there all the time.
    pub(super) lasting: BTreeSet<Name>,
    pub(super) lasting_collections: BTreeSet<String>,
    pub(super) happened: usize,
}

pub(super) type Shared = Arc<Mutex<Shelf>>;

pub(super) fn lock(shelf: &Shared) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shelf {
    pub(super) fn new(seed: u64) -> Shelf {
        let mut random = SmallRng::seed_from_u64(seed);
        let pagings = [
            Paging::Behind,
            Paging::BehindOneThatIsThere,
            Paging::Counted,
        ];
        let paging = pagings[random.random_range(0..3)];
        let loses = random.random_bool(0.5);
        let waits = loses && random.random_bool(0.7);
        // What counting cannot tell: that a catalogue which passes an item over was given another meanwhile, and lost one.
        let is_sound = paging != Paging::Counted && (!loses || waits);
        let shares = if is_sound {
            [0.2, 0.5, 0.8]
        } else {
            [0.0, 1.0, 1.0]
        };
        let removing = shares[random.random_range(0..3)];
        let mut shelf = Shelf {
            paging,
            loses,
            page: random.random_range(1..5),
            removing,
            events: random.random_range(0..12),
            waits,
            collections: BTreeSet::new(),
            items: BTreeSet::new(),
            lasting: BTreeSet::new(),
            lasting_collections: BTreeSet::new(),
            happened: 0,
            random,
        };
        for _ in 0..shelf.random.random_range(0..15) {
            shelf.insert();
        }
        shelf.lasting = shelf.items.clone();
        shelf.lasting_collections = shelf.collections.clone();
        shelf.happened = 0;
        shelf
    }

    fn insert(&mut self) {
        let collection = format!("c{}", self.random.random_range(0..4));
        let id = format!("i{:02}", self.random.random_range(0..30));
        self.collections.insert(collection.clone());
        self.items.insert((collection, id));
        self.happened += 1;
    }

    fn remove(&mut self) {
        if self.random.random_bool(0.1) {
            let nth = self.random.random_range(0..self.collections.len().max(1));
            let Some(collection) = self.collections.iter().nth(nth).cloned() else {
                return;
            };
            self.collections.remove(&collection);
            self.lasting_collections.remove(&collection);
            self.items.retain(|(known, _)| *known != collection);
            self.lasting.retain(|(known, _)| *known != collection);
        } else {
            let nth = self.random.random_range(0..self.items.len().max(1));
            let Some(name) = self.items.iter().nth(nth).cloned() else {
                return;
            };
            self.items.remove(&name);
            self.lasting.remove(&name);
        }
        self.happened += 1;
    }

    /// What others do before the next answer.
    fn disturb(&mut self) {
        while !self.waits && self.events > 0 && self.random.random_bool(0.3) {
            self.events -= 1;
            if self.random.random_bool(self.removing) {
                self.remove();
            } else {
                self.insert();
            }
        }
    }

    fn those(&self, body: &Value) -> Vec<Name> {
        let wanted = body["collections"][0].as_str();
        let those = self.items.iter();
        let is_it = |(collection, _): &&Name| wanted.is_none_or(|wanted| wanted == collection);
        those.filter(is_it).cloned().collect()
    }

    fn search(&mut self, body: &Value) -> Option<Value> {
        let those = self.those(body);
        if body["conf"].is_object() {
            return Some(json!({"features": [], "numberMatched": those.len()}));
        }
        let from = self.from(body["token"].as_str(), &those)?;
        let end = those.len().min(from + self.page);
        let page = &those[from..end];
        let mut features: Vec<Value> = page.iter().map(item).collect();
        if self.loses && body["collections"].is_null() {
            features.pop();
        }
        let mut links = Vec::new();
        if let Some((collection, id)) = page.last().filter(|_| end < those.len()) {
            let token = match self.paging {
                Paging::Counted => end.to_string(),
                _ => format!("{collection}/{id}"),
            };
            let mut body = body.clone();
            body["token"] = token.into();
            links.push(json!({"rel": "next", "method": "POST", "href": "/search", "body": body}));
        }
        Some(json!({"features": features, "links": links}))
    }

    /// Where a page begins; nowhere if what it is to come after is gone.
    fn from(&self, token: Option<&str>, those: &[Name]) -> Option<usize> {
        let Some(token) = token else {
            return Some(0);
        };
        if self.paging == Paging::Counted {
            return Some(token.parse::<usize>().ok()?.min(those.len()));
        }
        let place = |(collection, id): &Name| format!("{collection}/{id}");
        let is_there = those.iter().any(|name| place(name) == token);
        if self.paging == Paging::BehindOneThatIsThere && !is_there {
            return None;
        }
        Some(those.iter().filter(|name| *place(name) <= *token).count())
    }

    /// Collections come after so many, in pgstac too.
    fn listing(&self, offset: usize, limit: usize) -> Value {
        let size = limit.min(self.page);
        let page = self.collections.iter().skip(offset).take(size);
        let page: Vec<Value> = page
            .map(|id| json!({"type": "Collection", "id": id}))
            .collect();
        let end = offset + page.len();
        let href = format!("/collections?limit={limit}&offset={end}");
        let next = json!({"rel": "next", "href": href});
        let links = if end < self.collections.len() {
            json!([next])
        } else {
            json!([])
        };
        json!({"collections": page, "links": links, "numberMatched": self.collections.len()})
    }
}

fn item((collection, id): &Name) -> Value {
    json!({"type": "Feature", "id": id, "collection": collection, "assets": {}})
}

type Asked = Vec<(String, usize)>;
type Answer = (StatusCode, String);

async fn search(State(shelf): State<Shared>, body: Bytes) -> Answer {
    let mut shelf = lock(&shelf);
    let body: Value = serde_json::from_slice(&body).unwrap();
    shelf.waits &= body["collections"].is_null();
    shelf.disturb();
    match shelf.search(&body) {
        Some(answer) => (StatusCode::OK, answer.to_string()),
        None => (StatusCode::INTERNAL_SERVER_ERROR, "\"gone\"".to_owned()),
    }
}

async fn collections(State(shelf): State<Shared>, Query(asked): Query<Asked>) -> Answer {
    let mut shelf = lock(&shelf);
    shelf.disturb();
    let of = |name: &str| {
        asked
            .iter()
            .find(|(asked, _)| asked == name)
            .map(|(_, value)| *value)
    };
    let answer = shelf.listing(of("offset").unwrap_or(0), of("limit").unwrap_or(10));
    (StatusCode::OK, answer.to_string())
}

/// Serves it on a port of loopback. Gives a client.
pub(super) async fn serve(shelf: Shared) -> Stac {
    let router = Router::new()
        .route("/search", post(search))
        .route("/collections", get(collections))
        .with_state(shelf);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let variables = [
        ("HOME", "/nonexistent"),
        ("DASHI_STAC_URL", url.as_str()),
        ("DASHI_HTTP_RETRIES", "0"),
    ];
    let environment: Environment = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let flags = Flags {
        context: None,
        values: Vec::new(),
    };
    let config = Config::load(&flags, &environment).unwrap();
    let settings = config.service(Service::Stac).unwrap();
    Stac::new(Sender::new(settings, Tracer::new(|_| (), 0, Vec::new())))
}
