//! A bucket of which little is to go, swept through services that misbehave.

use std::collections::BTreeSet;

use super::bucket::Bucket;
use super::lakes::Lake;
use super::operator::Ran;
use super::wire::{Request, reply};

/// Objects of the bucket.
pub const OBJECTS: usize = 10;

/// Those that nothing refers to, by their places: one on the first page of a listing, one on the last.
pub const ORPHANS: [usize; 2] = [1, 9];

/// Objects of one page.
pub const PAGE: usize = 4;

/// The bucket.
pub struct Swept {
    pub bucket: Bucket,
    /// Its keys, in order.
    pub keys: Vec<String>,
}

impl Swept {
    /// On a sandbox, with an item for each object that is to stay.
    pub fn new() -> Swept {
        Swept::on(Lake::Sandbox)
    }

    /// The same on this lake.
    pub fn on(lake: Lake) -> Swept {
        let bucket = Bucket::new(lake, 1);
        let domain = &bucket.domains[0];
        let keys: Vec<String> = (0..OBJECTS)
            .map(|n| format!("{domain}/set-{n:02}/a.tif"))
            .collect();
        let kept = (0..OBJECTS).filter(|n| !ORPHANS.contains(n));
        let items: Vec<_> = kept
            .map(|n| (format!("item-{n:02}"), vec![bucket.uri(&keys[n])]))
            .collect();
        bucket.put_items(domain, &items);
        bucket.put(&keys);
        Swept { bucket, keys }
    }

    /// Sweeps it for good, through the taps, with these flags.
    pub fn gc(&self, flags: &[&str]) -> Ran {
        self.gc_in(&[], flags)
    }

    /// The same, with more variables.
    pub fn gc_in(&self, more: &[(&str, String)], flags: &[&str]) -> Ran {
        let line = ["gc", "--bucket", &self.bucket.name];
        let apply = ["--min-age-hours", "0", "--apply", "--yes"];
        self.run_in(more, &[&line[..], &apply, flags].concat())
    }

    /// Runs the program through the taps, with more variables.
    pub fn run_in(&self, more: &[(&str, String)], line: &[&str]) -> Ran {
        let tapped = &self.bucket.tapped;
        let mut variables = vec![
            ("DASHI_S3_ENDPOINT", tapped.s3.url().to_owned()),
            ("DASHI_S3_ALIASES", tapped.served.addresses.s3.clone()),
            ("DASHI_STAC_URL", tapped.stac.url().to_owned()),
            ("DASHI_HTTP_TIMEOUT", "3s".to_owned()),
            ("DASHI_HTTP_RETRIES", "1".to_owned()),
        ];
        variables.extend_from_slice(more);
        self.bucket.operator.run_in(&variables, line)
    }

    /// The keys of what nothing refers to.
    pub fn orphans(&self) -> BTreeSet<String> {
        ORPHANS.map(|n| self.keys[n].clone()).into()
    }

    /// The keys of all else.
    pub fn kept(&self) -> BTreeSet<String> {
        let all: BTreeSet<String> = self.keys.iter().cloned().collect();
        &all - &self.orphans()
    }

    /// Nothing was planned, announced or deleted. Gives what was said.
    pub fn refused(&self, ran: Ran, why: &[&str]) {
        let stderr = ran.failure(1);
        for why in why {
            assert!(stderr.contains(why), "no {why:?} in: {stderr}");
        }
        assert!(!stderr.contains("[audit]"), "{stderr}");
        assert_eq!(self.bucket.keys().len(), OBJECTS);
        assert!(self.bucket.tapped.s3.changes().is_empty(), "{stderr}");
    }

    /// What nothing refers to is gone, all else is there, and that is what was said.
    pub fn done(&self, ran: Ran) {
        let stderr = ran.stderr.clone();
        let _ = ran.success();
        assert!(stderr.contains("2 done."), "{stderr}");
        assert_eq!(self.bucket.keys(), self.kept());
    }

    /// Gives the pages of the listing of the whole bucket in the store's place: each by its number from 0 on, the objects
    /// as the store lists them, in order.
    pub fn listing(
        &self,
        page: impl Fn(usize, &[String]) -> Option<String> + Send + Sync + 'static,
    ) {
        let name = self.bucket.name.clone();
        let objects = self.bucket.listed();
        self.bucket.tapped.s3.answering(move |request| {
            lists(request, &name)
                .then(|| page(number(request), &objects))
                .flatten()
        });
    }
}

/// Whether a request lists a whole bucket.
pub fn lists(request: &Request, bucket: &str) -> bool {
    let target = &request.target;
    let is_part = ["prefix=", "start-after="]
        .iter()
        .any(|part| target.contains(part));
    request.method == "GET"
        && target.starts_with(&format!("/{bucket}"))
        && target.contains("list-type=2")
        && !is_part
}

/// The number of the page that a request asks for.
fn number(request: &Request) -> usize {
    let token = request.target.split("continuation-token=page-").nth(1);
    token.map_or(0, |rest| rest[..1].parse().unwrap())
}

/// A page that holds these objects, and the number of the next.
pub fn page(objects: &[String], next: Option<usize>) -> String {
    let token = next.map(|next| {
        format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>page-{next}</NextContinuationToken>"
        )
    });
    let objects = objects.concat();
    reply(
        "200 OK",
        &format!(
            "<?xml version=\"1.0\"?><ListBucketResult>{}{objects}</ListBucketResult>",
            token.unwrap_or_default()
        ),
    )
}

/// The page of this number, as a sound store gives it.
pub fn sound(number: usize, objects: &[String]) -> String {
    let some = objects.chunks(PAGE).nth(number).unwrap();
    let is_last = (number + 1) * PAGE >= objects.len();
    page(some, (!is_last).then_some(number + 1))
}
