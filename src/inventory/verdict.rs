//! Why one object stays, or that it need not, with the evidence: by the same code that judges a whole bucket.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::catalogue::Record;
use super::gathering::dataset;
use super::knowledge::{Knowledge, Services};
use super::referenced::Granularity;
use super::sweep::{Reason, Sweep};
use crate::error::{Kind, Result};
use crate::lake::{Lake, ObjectRef, Place, strings};

/// Records that are named as evidence.
const NAMED: usize = 10;

/// The verdict on one object.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The object.
    pub uri: String,
    /// Its name as of [`Reason`], or `missing` where there is no such object.
    pub verdict: &'static str,
    /// What says so, each a sentence.
    pub because: Vec<String>,
    /// How many records keep it; the first of them are among the evidence.
    pub records: u64,
    /// Its bytes.
    pub size: Option<u64>,
    /// When it was written, as RFC 3339.
    pub last_modified: Option<String>,
}

impl Verdict {
    /// Reads all that must be known, and judges one object.
    pub async fn of(services: &Services, sweep: &Sweep, at: &ObjectRef) -> Result<Verdict> {
        let object = match services.s3.head(&at.bucket, &at.key).await {
            Ok(object) => Some(object),
            Err(error) if error.kind() == Kind::NotFound => {
                services.s3.check_bucket(&at.bucket).await?;
                None
            }
            Err(error) => return Err(error),
        };
        let mut evidence = Evidence {
            lake: &services.lake,
            at,
            granularity: sweep.granularity,
            because: Vec::new(),
            records: 0,
        };
        let known = Knowledge::read_with(services, sweep, |record| evidence.take(record)).await?;
        let Evidence {
            mut because,
            records,
            ..
        } = evidence;
        let text = |object: &Value, name: &str| object[name].as_str().map(str::to_owned);
        let modified = object
            .as_ref()
            .and_then(|object| text(object, "last_modified"));
        let written: Option<Timestamp> = modified.as_ref().and_then(|time| time.parse().ok());
        let reason = known.judge(sweep).reason(&at.key, written);
        because.extend(told(sweep, &known, at, (object.is_some(), written), reason));
        Ok(Verdict {
            uri: at.to_string(),
            verdict: object.as_ref().map_or("missing", |_| reason.name()),
            because,
            records,
            size: object.as_ref().and_then(|object| object["size"].as_u64()),
            last_modified: modified,
        })
    }
}

/// What is to be said beside the records.
fn told(
    sweep: &Sweep,
    known: &Knowledge,
    at: &ObjectRef,
    (exists, written): (bool, Option<Timestamp>),
    reason: Reason,
) -> Vec<String> {
    let mut told = Vec::new();
    if !exists {
        told.push("there is no such object".to_owned());
    }
    if let Some(prefix) = sweep.protects(&at.key) {
        told.push(format!("below '{prefix}' nothing is ever touched"));
    }
    if known.referenced.ends_like(&at.key) {
        told.push("it ends like an href that is relative".to_owned());
    }
    if sweep.tabled.has(&at.bucket, &at.key) {
        told.push("an Iceberg table names it".to_owned());
    }
    match (reason, written) {
        _ if !exists => {}
        (Reason::Young, None) => told.push("it is not told when it was written".to_owned()),
        (Reason::Young, Some(written)) => {
            let age = known.now.duration_since(written);
            told.push(format!("it was written {} seconds ago", age.as_secs()));
        }
        (Reason::InFlight, Some(written)) => {
            told.extend(known.in_flight.keeps(&at.bucket, &at.key, written));
        }
        (Reason::Orphan, _) => told.push("no record, run or upload has to do with it".to_owned()),
        _ => {}
    }
    told
}

/// The records that keep an object.
struct Evidence<'a> {
    lake: &'a Lake,
    at: &'a ObjectRef,
    granularity: Granularity,
    because: Vec<String>,
    records: u64,
}

impl Evidence<'_> {
    fn take(&mut self, record: &Record<'_>) {
        let Some(why) = self.why(record) else {
            return;
        };
        let why = format!("{}, {why}", record.name());
        // A record may be shown twice.
        if self.because.contains(&why) {
            return;
        }
        self.records += 1;
        if self.because.len() < NAMED {
            self.because.push(why);
        }
    }

    fn why(&self, record: &Record<'_>) -> Option<String> {
        let mut neighbour = None;
        for found in strings(record.value()) {
            let references = self.lake.references(found.text);
            if references.covers(&self.at.bucket, &self.at.key) {
                return Some(found.path());
            }
            let is_near = || references.places().iter().any(|place| self.is_near(place));
            if neighbour.is_none() && matches!(record, Record::Item { .. }) && is_near() {
                neighbour = Some(format!("{}, in the same dataset", found.path()));
            }
        }
        let Record::Item { collection, id, .. } = record else {
            return None;
        };
        let folder = format!("{collection}/{id}/");
        if self.at.key.starts_with(&folder) {
            return Some("whose own folder it is in".to_owned());
        }
        neighbour.filter(|_| self.granularity == Granularity::Dataset)
    }

    /// Whether a place is in the dataset that the object is in.
    fn is_near(&self, place: &Place) -> bool {
        let own = dataset(&self.at.key, false);
        let is_own = |path: &str, is_folder| {
            let path = path.trim_end_matches('/');
            own.is_some() && dataset(path, is_folder) == own
        };
        match place {
            Place::Object(at) => at.bucket == self.at.bucket && is_own(&at.key, false),
            Place::Prefix(at) => at.bucket == self.at.bucket && is_own(&at.prefix, true),
            Place::Foreign(foreign) => foreign.suffixes().any(|it| is_own(it, it.ends_with('/'))),
            Place::Bucket(_) => false,
        }
    }
}
