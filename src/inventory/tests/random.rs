//! Random catalogues and buckets: nothing that is referred to is ever an orphan, and whatever is not is one.
//!
//! What is true is known here by construction, and is spelt out without the code under test: a key is made first, then the
//! text that refers to it.

use jiff::{SignedDuration, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::lake;
use crate::inventory::in_flight::tests::idle;
use crate::inventory::referenced::tests::referenced;
use crate::inventory::{Granularity, Judge, Reason, Sweep, Wanted};
use crate::lake::Role;

/// Catalogues in an ordinary run of the tests, and in a full one.
const CASES: [u64; 2] = [10_000, 100_000];

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

struct Case {
    random: SmallRng,
    items: Vec<Value>,
    /// Keys that something refers to, each with the text.
    kept: Vec<(String, String)>,
    orphans: Vec<String>,
    count: usize,
}

impl Case {
    fn new(seed: u64) -> Case {
        let mut case = Case {
            random: SmallRng::seed_from_u64(seed),
            items: Vec::new(),
            kept: Vec::new(),
            orphans: Vec::new(),
            count: 0,
        };
        for _ in 0..case.random.random_range(1..4) {
            case.add_item();
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
    fn key(&mut self) -> String {
        let depth = self.random.random_range(3..6);
        let names: Vec<String> = (0..depth).map(|_| self.name()).collect();
        names.join("/")
    }

    fn add_item(&mut self) {
        let (domain, id) = (self.name(), self.name());
        let mut assets = serde_json::Map::new();
        let mut more = Vec::new();
        for _ in 0..self.random.random_range(1..4) {
            let key = self.key();
            let is_folder = self.random.random_bool(0.3);
            let (href, kept) = if is_folder {
                let slash = self.pick(&["", "/"]);
                (
                    self.spelt(&format!("{key}{slash}")),
                    format!("{key}/{}", self.name()),
                )
            } else {
                (self.spelt(&key), key.clone())
            };
            self.kept.push((kept, href.clone()));
            // What lies beside it, in the dataset's folder.
            let dataset: Vec<&str> = key.splitn(3, '/').take(2).collect();
            self.kept.push((
                format!("{}/_metadata.json", dataset.join("/")),
                href.clone(),
            ));
            match self.random.random_range(0..4) {
                0 => more.push(json!({"rel": "data", "href": href})),
                1 => {
                    let alternate =
                        json!({"href": "https://else.where/", "alternate": {"s3": {"href": href}}});
                    assets.insert(self.name(), alternate);
                }
                2 => {
                    assets.insert(
                        self.name(),
                        json!({"href": "x", "note": format!("see {href}")}),
                    );
                }
                _ => {
                    assets.insert(self.name(), json!({ "href": href }));
                }
            }
        }
        self.kept.push((
            format!("{domain}/{id}/raster/a.tif"),
            format!("item {domain}/{id}"),
        ));
        let title = self.name();
        self.items.push(json!({
            "id": id, "collection": domain, "assets": assets, "links": more, "properties": {"title": title},
        }));
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

fn sweep() -> Sweep {
    Sweep {
        bucket: "processed".to_owned(),
        role: Role::Processed,
        granularity: Granularity::Dataset,
        min_age: SignedDuration::from_hours(1),
        since: "2026-11-01T00:00:00Z".parse().unwrap(),
        protect: Vec::new(),
        share: None,
    }
}

#[test]
fn of_random_catalogues_no_referenced_key_is_an_orphan_and_every_other_is() {
    let whole = std::env::var_os("DASHICTL_TEST_FULL").is_some();
    let base = std::env::var("DASHICTL_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let base = base.unwrap_or_else(|| rand::random::<u32>().into());
    let (sweep, idle, lake) = (sweep(), idle(), lake());
    let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let old: Timestamp = "2026-10-01T00:00:00Z".parse().unwrap();
    for seed in base..base + CASES[usize::from(whole)] {
        let case = Case::new(seed);
        let known = referenced(&lake, Wanted::default(), &case.items);
        let mut judge = Judge::new(&sweep, &known, &idle, now);
        for (key, by) in &case.kept {
            let reason = judge.reason(key, Some(old));
            assert_ne!(
                reason,
                Reason::Orphan,
                "DASHICTL_TEST_SEED={seed}: {key:?}, kept by {by:?}"
            );
        }
        for key in &case.orphans {
            let reason = judge.reason(key, Some(old));
            let hrefs = &case.kept;
            assert_eq!(
                reason,
                Reason::Orphan,
                "DASHICTL_TEST_SEED={seed}: {key:?} beside {hrefs:#?}"
            );
        }
    }
}
