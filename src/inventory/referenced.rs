//! Which objects the catalogue refers to, as one set that answers for any key.
//!
//! It holds fingerprints: two texts that share one keep an object too many, and never lose one. How the catalogue is read
//! whole is `catalogue`'s, what its records refer to `gathering`'s, how a key is judged `keeper`'s.

use std::collections::BTreeMap;

use super::catalogue::{Record, Walked, walk};
use super::gathering::Gathering;
use super::keeper::{Keeper, Keeps};
use crate::clients::stac::Stac;
use crate::error::Result;
use crate::lake::{Fingerprint, Fingerprints, Lake, Seed, Share};

/// References of one part of the bucket: fewer are listed in a few requests.
const SHARE: usize = 4000;

/// Parts, at most.
const SHARES: usize = 64;

/// How finely what belongs to a live item is told from what does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// A dataset's folder, `<domain>/<dataset>/`, is kept whole where an item refers to anything in it.
    Dataset,
    /// An object is kept where something refers to it, to a folder above it, or where it lies in an item's own folder.
    Object,
}

/// What the catalogue refers to in the buckets of the lake.
#[derive(Debug)]
pub struct Referenced {
    pub(super) seed: Seed,
    /// Objects and folders that a text names. Those are marked that a resolving bucket should hold.
    pub(super) named: Fingerprints,
    /// `<collection>/<item>` of every item, in whichever bucket.
    pub(super) items: Fingerprints,
    /// `<domain>/<dataset>` of all that an item names, in its bucket or, where that is not known, in any.
    pub(super) datasets: Fingerprints,
    pub(super) whole: BTreeMap<String, String>,
    /// Hrefs that say where they lead only from where their record lies, which nobody knows.
    pub(super) tails: Fingerprints,
    pub(super) relative: u64,
    /// Other readings of a marked text, each with the marked one.
    pub(super) readings: Vec<(Fingerprint, Fingerprint)>,
    pub(super) walked: Walked,
    pub(super) strangers: BTreeMap<String, u64>,
    pub(super) samples: Vec<String>,
    pub(super) drawn_from: usize,
}

/// Which records count, and what is to be known of the references.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Items, by collection and id, that are counted as gone.
    pub going: &'a [(String, String)],
    /// The bucket of which is to be known how many of its references lead to an object.
    pub resolving: Option<&'a str>,
    /// The share of that bucket which is listed; none: all of it.
    pub share: Option<Share>,
}

impl Referenced {
    /// Reads it from the whole catalogue, or fails.
    pub async fn read(stac: &Stac, lake: &Lake, wanted: Wanted<'_>) -> Result<Referenced> {
        Referenced::read_with(stac, lake, wanted, |_| ()).await
    }

    /// The same; each record is shown to `also`, some of them twice.
    pub(super) async fn read_with(
        stac: &Stac,
        lake: &Lake,
        wanted: Wanted<'_>,
        mut also: impl FnMut(&Record<'_>),
    ) -> Result<Referenced> {
        let mut gathering = Gathering::new(lake, wanted);
        let shown = |record: Record<'_>| {
            also(&record);
            gathering.add(&record)
        };
        let walked = walk(stac, shown).await?;
        Ok(gathering.into_referenced(walked))
    }

    /// Whether something refers to this object or to a folder above it, or an item's own folder holds it.
    #[must_use]
    pub fn has(&self, bucket: &str, key: &str) -> bool {
        self.keeps(bucket, key, Granularity::Object).is_some()
    }

    /// Why the catalogue keeps an object, if it does.
    #[must_use]
    pub fn keeps(&self, bucket: &str, key: &str, granularity: Granularity) -> Option<Keeps> {
        Keeper::new(self, bucket, granularity).keeps(key)
    }

    /// How many records it was made of.
    #[must_use]
    pub fn walked(&self) -> Walked {
        self.walked
    }

    /// Buckets that something refers to as a whole, each with the first record that does: a fault of the catalogue.
    #[must_use]
    pub fn whole_buckets(&self) -> &BTreeMap<String, String> {
        &self.whole
    }

    /// How many hrefs are relative.
    #[must_use]
    pub fn relative(&self) -> u64 {
        self.relative
    }

    /// Whether an object, or a folder above it, ends like a relative href.
    #[must_use]
    pub fn ends_like(&self, key: &str) -> bool {
        if self.tails.is_empty() {
            return false;
        }
        let slashes = key.match_indices('/').map(|(slash, _)| slash);
        let mut ends = slashes.chain([key.len()]);
        ends.any(|end| {
            let path = &key[..end];
            let starts = path.match_indices('/').map(|(slash, _)| slash + 1);
            let mut starts = std::iter::once(0).chain(starts);
            starts.any(|start| self.tails.has(self.seed.print(&path[start..])))
        })
    }

    /// Hosts in the hrefs of assets that are neither the store's nor a service's, with how many hrefs name each.
    #[must_use]
    pub fn strangers(&self) -> &BTreeMap<String, u64> {
        &self.strangers
    }

    /// Keys that part what the resolving bucket should hold into shares of some thousand references.
    #[must_use]
    pub fn cuts(&self) -> Vec<String> {
        let shares = (self.drawn_from / SHARE).min(SHARES);
        if shares < 2 {
            return Vec::new();
        }
        let mut samples = self.samples.clone();
        samples.sort_unstable();
        let places = (1..shares).map(|share| share * samples.len() / shares);
        let mut cuts: Vec<String> = places.map(|place| samples[place].clone()).collect();
        cuts.dedup();
        cuts
    }

    /// The seeds of paths in a bucket, and in any.
    pub(super) fn seeds(&self, bucket: &str) -> [Seed; 2] {
        [self.seed.of(bucket), self.seed]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::inventory::tests::{as_record, lake};
    use serde_json::{Value, json};

    /// What these records refer to.
    pub(in crate::inventory) fn referenced(
        lake: &Lake,
        wanted: Wanted,
        records: &[Value],
    ) -> Referenced {
        let mut gathering = Gathering::new(lake, wanted);
        for record in records {
            gathering.add(&as_record(record)).unwrap();
        }
        gathering.into_referenced(Walked {
            collections: 0,
            items: records.len() as u64,
        })
    }

    fn item(hrefs: &[&str]) -> Value {
        let assets: Value = hrefs
            .iter()
            .enumerate()
            .map(|(at, href)| (format!("a{at}"), json!({ "href": href })))
            .collect::<serde_json::Map<_, _>>()
            .into();
        json!({"id": "set", "collection": "other", "assets": assets})
    }

    #[test]
    fn what_an_item_names_and_what_lies_below_is_kept_in_every_spelling() {
        let referenced = referenced(
            &lake(),
            Wanted::default(),
            &[item(&[
                "s3a://processed/d/x/scene%20.tif",
                "http://rustfs.dashi-platform.svc.cluster.local:9000/processed/d/y/vector",
                "https://elsewhere.example/mirror/d/z/scene.tif",
            ])],
        );
        for (key, why) in [
            ("d/x/scene%20.tif", Keeps::Named),
            ("d/y/vector/h3=1/part.parquet", Keeps::Named),
            ("d/z/scene.tif", Keeps::Named),
            ("other/set/raster/scene.tif", Keeps::Item),
            ("d/x/other.tif", Keeps::Dataset),
            ("d/y/vectors/part.parquet", Keeps::Dataset),
            ("d/z/other.tif", Keeps::Dataset),
        ] {
            let keeps = referenced.keeps("processed", key, Granularity::Dataset);
            assert_eq!(keeps, Some(why), "{key}");
            let is_finer = why != Keeps::Dataset;
            assert_eq!(referenced.has("processed", key), is_finer, "{key}");
        }
        for key in ["other/sets/scene.tif", "d", "x/scene%20.tif"] {
            let keeps = referenced.keeps("processed", key, Granularity::Dataset);
            assert_eq!(keeps, None, "{key}");
        }
        assert!(referenced.has("landing", "other/set/a"));
        assert!(!referenced.has("landing", "d/x/scene%20.tif"));
        let strangers: Vec<_> = referenced.strangers().iter().collect();
        assert_eq!(strangers, [(&"elsewhere.example".to_owned(), &1)]);
    }

    #[test]
    fn an_item_that_is_counted_as_gone_keeps_nothing() {
        let going = [("other".to_owned(), "set".to_owned())];
        let wanted = Wanted {
            going: &going,
            ..Wanted::default()
        };
        let referenced = referenced(&lake(), wanted, &[item(&["s3://processed/d/x/a.tif"])]);
        assert!(!referenced.has("processed", "d/x/a.tif"));
        assert!(!referenced.has("processed", "other/set/a"));
    }

    #[test]
    fn a_text_with_many_references_keeps_all_of_them_or_is_an_error() {
        let keys: Vec<String> = (0..200).map(|n| format!("manif/ds{n:04}/f.tif")).collect();
        for (start, between) in [
            ("s3://processed/", "\n"),
            ("/vsis3/processed/", " "),
            ("http://localhost:9000/processed/", ", "),
        ] {
            let text: Vec<String> = keys.iter().map(|key| format!("{start}{key}")).collect();
            let record = json!({"id": "i", "collection": "c", "assets": {}, "properties": {"files": text.join(between)}});
            let referenced = referenced(&lake(), Wanted::default(), &[record]);
            let lost = keys.iter().filter(|key| !referenced.has("processed", key));
            assert_eq!(lost.count(), 0, "{start}");
        }
        let flood = "s3://processed/d/x?y ".repeat(20_000);
        let record =
            json!({"id": "i", "collection": "c", "assets": {}, "properties": {"files": flood}});
        let lake = lake();
        let error = Gathering::new(&lake, Wanted::default()).add(&as_record(&record));
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("item c/i, properties.files names more places")
        );
    }

    #[test]
    fn what_ends_like_a_relative_href_is_told_from_what_does_not() {
        let hrefs = ["./scene%201.tif", "../two/vector/", "plain.json?x#y"];
        let referenced = referenced(&lake(), Wanted::default(), &[item(&hrefs)]);
        assert_eq!(referenced.relative(), 3);
        for key in [
            "q/9/scene 1.tif",
            "q/two/vector/part",
            "plain.json",
            "a/plain.json",
        ] {
            assert!(referenced.ends_like(key), "{key}");
        }
        for key in [
            "q/9/my scene 1.tif",
            "q/vector/part",
            "plain.json.aux",
            "two",
        ] {
            assert!(!referenced.ends_like(key), "{key}");
        }
    }

    #[test]
    fn a_bucket_that_is_named_as_a_whole_is_kept_whole_and_told() {
        let referenced = referenced(&lake(), Wanted::default(), &[item(&["s3://processed/"])]);
        assert_eq!(
            referenced.keeps("processed", "any/thing", Granularity::Object),
            Some(Keeps::Bucket)
        );
        assert!(!referenced.has("landing", "any/thing"));
        let whole: Vec<_> = referenced.whole_buckets().iter().collect();
        let by = "item other/set, assets.a0.href";
        assert_eq!(whole, [(&"processed".to_owned(), &by.to_owned())]);
    }

    #[test]
    fn a_bucket_is_cut_where_its_references_are_and_only_where_there_are_many() {
        let wanted = Wanted {
            resolving: Some("processed"),
            ..Wanted::default()
        };
        let many: Vec<Value> = (0..16_000)
            .map(|n| {
                let href = format!("s3://processed/d/{n:05}/a.tif");
                json!({"id": n.to_string(), "collection": "c", "assets": {"a": {"href": href}}})
            })
            .collect();
        let few = referenced(&lake(), wanted, &many[..7_000]);
        assert_eq!(few.cuts(), [""; 0]);
        let cuts = referenced(&lake(), wanted, &many).cuts();
        assert_eq!(cuts.len(), 3);
        assert!(cuts.is_sorted() && cuts[0].as_str() > "d/01", "{cuts:?}");
        assert!(cuts[2].as_str() < "d/15", "{cuts:?}");
    }
}
