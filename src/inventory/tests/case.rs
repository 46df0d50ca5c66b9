//! A random catalogue and a random bucket. Which key something refers to is known here by construction, and is spelt out
//! without the code under test: a key is made first, then the text that refers to it.

use std::ops::Range;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

/// Cases in an ordinary run of the tests, and in a full one.
const CASES: [u64; 2] = [10_000, 100_000];

/// The seeds of the cases: from `DASHICTL_TEST_SEED` on, or from a random one.
pub(super) fn seeds() -> Range<u64> {
    let whole = std::env::var_os("DASHICTL_TEST_FULL").is_some();
    let base = std::env::var("DASHICTL_TEST_SEED").ok();
    let base = base.and_then(|seed| seed.parse().ok());
    let base = base.unwrap_or_else(|| rand::random::<u32>().into());
    base..base + CASES[usize::from(whole)]
}

/// What names are made of: what encodings treat in their own ways. A `%` before two hexadecimal digits that are no text is
/// not among them, nor are dots that lead upwards: what is below such a folder is kept, whatever it is called.
const PARTS: [&str; 22] = [
    "a",
    "Z",
    "7",
    "-",
    "_",
    ".b",
    "~",
    " ",
    "+",
    "%-",
    "%20",
    "%2F",
    "&",
    "=",
    "?",
    "#",
    "ä",
    "a\u{308}",
    "\u{1}",
    "\u{1f30d}",
    "'",
    "@",
];

pub(super) struct Case {
    pub(super) random: SmallRng,
    pub(super) items: Vec<Item>,
    pub(super) orphans: Vec<String>,
    count: usize,
}

/// An item of the catalogue.
pub(super) struct Item {
    pub(super) record: Value,
    /// Keys that it keeps, each with the text that does.
    pub(super) kept: Vec<(String, String)>,
}

impl Case {
    pub(super) fn new(seed: u64) -> Case {
        let mut case = Case {
            random: SmallRng::seed_from_u64(seed),
            items: Vec::new(),
            orphans: Vec::new(),
            count: 0,
        };
        for _ in 0..case.random.random_range(1..4) {
            let keys: Vec<String> = (0..case.random.random_range(1..4))
                .map(|_| case.key())
                .collect();
            case.add_item(&keys);
        }
        for _ in 0..case.random.random_range(1..4) {
            let key = case.key();
            case.orphans.push(key);
        }
        case
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.random_range(0..from.len())]
    }

    /// A name that no other name of this case begins or ends with.
    fn name(&mut self) -> String {
        self.count += 1;
        let middle: String = (0..self.random.random_range(0..5))
            .map(|_| self.pick(&PARTS))
            .collect();
        let count = self.count;
        format!("n{count}x{middle}y{count}n")
    }

    /// A key in a dataset of its own.
    pub(super) fn key(&mut self) -> String {
        let depth = self.random.random_range(3..6);
        let names: Vec<String> = (0..depth).map(|_| self.name()).collect();
        names.join("/")
    }

    /// Everything in the catalogue.
    pub(super) fn records(&self) -> Vec<Value> {
        self.items.iter().map(|item| item.record.clone()).collect()
    }

    /// Every key that something refers to, with the text.
    pub(super) fn kept(&self) -> impl Iterator<Item = &(String, String)> {
        self.items.iter().flat_map(|item| &item.kept)
    }

    /// Registers an item that refers to these keys, or to a folder of which each is the name.
    pub(super) fn add_item(&mut self, keys: &[String]) {
        let (domain, id) = (self.name(), self.name());
        let mut assets = serde_json::Map::new();
        let (mut more, mut kept) = (Vec::new(), Vec::new());
        for key in keys {
            let is_folder = self.random.random_bool(0.3);
            let slash = if is_folder { self.pick(&["", "/"]) } else { "" };
            let href = self.spelt(&format!("{key}{slash}"));
            if slash.is_empty() {
                kept.push((key.clone(), href.clone()));
            }
            if is_folder {
                kept.push((format!("{key}/{}", self.name()), href.clone()));
            }
            // What lies beside it, in the dataset's folder.
            let dataset = dataset(key);
            kept.push((format!("{dataset}/_metadata.json"), href.clone()));
            self.refer(&href, &mut assets, &mut more);
        }
        let own = format!("{domain}/{id}/raster/a.tif");
        kept.push((own, format!("item {domain}/{id}")));
        let title = self.name();
        let record = json!({
            "id": id, "collection": domain, "assets": assets, "links": more, "properties": {"title": title},
        });
        self.items.push(Item { record, kept });
    }

    /// Puts a reference somewhere in an item.
    fn refer(
        &mut self,
        href: &str,
        assets: &mut serde_json::Map<String, Value>,
        links: &mut Vec<Value>,
    ) {
        let asset = match self.random.random_range(0..4) {
            0 => return links.push(json!({"rel": "data", "href": href})),
            1 => json!({"href": "https://else.where/", "alternate": {"s3": {"href": href}}}),
            2 => json!({"href": "x", "note": format!("see {href}")}),
            _ => json!({ "href": href }),
        };
        assets.insert(self.name(), asset);
    }

    /// One of the texts that mean this key.
    fn spelt(&mut self, key: &str) -> String {
        let encoded = || {
            let segments = key
                .split('/')
                .map(|it| utf8_percent_encode(it, NON_ALPHANUMERIC).to_string());
            segments.collect::<Vec<_>>().join("/")
        };
        let host = self.pick(&[
            "http://localhost:9000",
            "http://rustfs.dashi-platform.svc.cluster.local:9000",
            "HTTP://LOCALHOST:9000",
            "http://127.0.0.1:9000",
            "http://rustfs.dashi-platform:9000",
        ]);
        match self.random.random_range(0..8) {
            0 => format!("s3://processed/{key}"),
            1 => format!("s3a://processed/{key}"),
            2 => format!("/vsis3/processed/{key}"),
            3 => format!("{host}/processed/{}?X-Amz-Signature=0a", encoded()),
            4 => format!(
                "https://tiles.example/cog?url={}",
                percent_encode(format!("s3://processed/{key}").as_bytes(), NON_ALPHANUMERIC)
            ),
            5 => format!("https://a.host.nobody.declared/mirror/{}", encoded()),
            _ => format!("{host}/processed/{}", encoded()),
        }
    }
}

/// The folder of a key's dataset.
pub(super) fn dataset(key: &str) -> String {
    key.splitn(3, '/').take(2).collect::<Vec<_>>().join("/")
}
