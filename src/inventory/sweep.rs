//! Which objects of a bucket nothing refers to. Every object has one reason to stay, or is an orphan.
//!
//! A missed object is garbage that stays; a missed reference is an object that is lost. So whatever cannot be told keeps
//! the object. What is known of catalogue, runs and uploads is `knowledge`'s, what was found is kept in `orphans`.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::in_flight::InFlight;
use super::keeper::{Keeper, Keeps};
use super::referenced::{Granularity, Referenced};
use crate::clients::s3_bulk::has_dots;
use crate::lake::{ObjectRef, Role, Share};

/// What the program itself keeps in a bucket.
const OWN: &str = ".dashi-";

/// What others keep in the curated bucket, of which no item speaks.
const CURATED: [&str; 3] = ["iceberg/", "tiles/", "3dtiles/"];

/// What is to be swept, and what is left alone in any case.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The bucket.
    pub bucket: String,
    /// What it is for.
    pub role: Role,
    /// How finely what is kept is told from what is not.
    pub granularity: Granularity,
    /// Younger objects are left alone.
    pub min_age: SignedDuration,
    /// What was written since, by the store's clock, is left alone.
    pub since: Timestamp,
    /// Prefixes of keys that are never touched.
    pub protect: Vec<String>,
    /// What Iceberg tables name.
    pub tabled: Tabled,
    /// The share of the bucket that is swept; none: all of it.
    pub share: Option<Share>,
    /// While orphans are worked off, what is known is read again after so long.
    pub known_for: Duration,
}

/// Whether an object is one that an Iceberg table names, as far as anybody knows.
#[derive(Clone, Default)]
pub struct Tabled(Option<Names>);

/// What tells whether a table names an object.
type Names = Arc<dyn Fn(&ObjectRef) -> bool + Send + Sync>;

impl Tabled {
    /// As this says.
    pub fn by(names: impl Fn(&ObjectRef) -> bool + Send + Sync + 'static) -> Tabled {
        Tabled(Some(Arc::new(names)))
    }

    /// Whether a table names the object of a key.
    #[must_use]
    pub fn has(&self, bucket: &str, key: &str) -> bool {
        self.0.as_ref().is_some_and(|names| {
            names(&ObjectRef {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            })
        })
    }
}

impl std::fmt::Debug for Tabled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() {
            "Tabled"
        } else {
            "no tables"
        })
    }
}

impl Sweep {
    /// Whether an object is in what is swept.
    #[must_use]
    pub fn covers(&self, key: &str) -> bool {
        self.share.is_none_or(|share| share.has(key))
    }

    /// Whether an object is never touched, whoever refers to it.
    #[must_use]
    pub fn protects(&self, key: &str) -> Option<&str> {
        let curated = CURATED.iter().filter(|_| self.role == Role::Curated);
        let own = [OWN].into_iter().chain(curated.copied());
        let mut all = own.chain(self.protect.iter().map(String::as_str));
        all.find(|prefix| key.starts_with(prefix))
    }
}

/// Why an object stays, or that it need not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Something refers to it, or to a folder above it.
    Referenced,
    /// It lies below a prefix that is never touched, or in the folder of a live item or dataset.
    Protected,
    /// It was written too lately, or nobody knows when.
    Young,
    /// It is being worked on.
    InFlight,
    /// Nothing keeps it.
    Orphan,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 5] = [
        Reason::Referenced,
        Reason::Protected,
        Reason::Young,
        Reason::InFlight,
        Reason::Orphan,
    ];

    /// Its name: `referenced`, `protected`, `young`, `in_flight`, `orphan`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reason::Referenced => "referenced",
            Reason::Protected => "protected",
            Reason::Young => "young",
            Reason::InFlight => "in_flight",
            Reason::Orphan => "orphan",
        }
    }
}

/// Finds the reason for one object after the other.
pub struct Judge<'a> {
    sweep: &'a Sweep,
    referenced: &'a Referenced,
    keeper: Keeper<'a>,
    in_flight: &'a InFlight,
    /// The store's clock.
    now: Timestamp,
}

impl<'a> Judge<'a> {
    /// For the objects of a bucket, by what is known.
    #[must_use]
    pub fn new(
        sweep: &'a Sweep,
        referenced: &'a Referenced,
        in_flight: &'a InFlight,
        now: Timestamp,
    ) -> Judge<'a> {
        Judge {
            sweep,
            referenced,
            keeper: Keeper::new(referenced, &sweep.bucket, sweep.granularity).remembering(),
            in_flight,
            now,
        }
    }

    /// Why an object stays, or that it need not.
    pub fn reason(&mut self, key: &str, written: Option<Timestamp>) -> Reason {
        // Asked of every key, whatever else keeps it: which references lead to an object must not depend on that.
        let keeps = self.keeper.keeps(key);
        if self.sweep.protects(key).is_some() || has_dots(key) {
            return Reason::Protected;
        }
        match keeps {
            Some(Keeps::Bucket | Keeps::Named) => return Reason::Referenced,
            Some(Keeps::Item | Keeps::Dataset) => return Reason::Protected,
            None if self.referenced.ends_like(key) => return Reason::Referenced,
            None if self.sweep.tabled.has(&self.sweep.bucket, key) => return Reason::Referenced,
            None => {}
        }
        match written.filter(|written| self.is_old(*written)) {
            None => Reason::Young,
            Some(written) => match self.in_flight.keeps(&self.sweep.bucket, key, written) {
                Some(_) => Reason::InFlight,
                None => Reason::Orphan,
            },
        }
    }

    /// Stores tell times in seconds: what was written in the second of the beginning may have been written after it.
    fn is_old(&self, written: Timestamp) -> bool {
        let age = self.now.duration_since(written);
        let is_before = written.as_second() < self.sweep.since.as_second();
        age >= self.sweep.min_age && !age.is_negative() && is_before
    }

    /// How many references this bucket should hold, and how many of them led to an object.
    #[must_use]
    pub fn resolved(&self) -> (u64, u64) {
        self.keeper.resolved()
    }
}
