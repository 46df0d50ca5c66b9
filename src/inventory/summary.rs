//! The account of a bucket: all its objects by the reason for which they stay, what its orphans are, and what speaks against
//! deleting them.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::knowledge::Knowledge;
use super::sweep::{Reason, Sweep};
use crate::clients::s3_list::Listed;
use crate::lake::{Role, Share};

/// Orphans that are shown as samples.
const SAMPLES: usize = 10;

/// Domains that are told apart; the rest is one.
const DOMAINS: usize = 1000;

/// What keys of this program's own begin with.
const OWN: &str = ".dashi-";

/// Of the references of a bucket, so many percent at least must lead to an object.
pub(crate) const RESOLVED: u64 = 99;

/// Of a bucket's objects and bytes, so many percent at most may be orphans.
const ORPHANS: u64 = 20;

/// A count of objects, with their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Count {
    /// Counts one more.
    pub fn add(&mut self, bytes: u64) {
        *self += Count { objects: 1, bytes };
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

/// The account of a bucket: all its objects by the reason for which they stay, and what its orphans are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// The bucket.
    pub bucket: String,
    /// The share of it that was swept; none: all of it.
    pub share: Option<Share>,
    /// The objects by reason; every reason is there.
    pub reasons: BTreeMap<Reason, Count>,
    /// The orphans by the first segment of their keys.
    pub domains: BTreeMap<String, Count>,
    /// When the oldest orphan was written, as RFC 3339.
    pub oldest: Option<Timestamp>,
    /// When the newest was.
    pub newest: Option<Timestamp>,
    /// The first of the orphans.
    pub samples: Vec<String>,
    /// The records that were read.
    pub collections: u64,
    /// The items among them.
    pub items: u64,
    /// References that this bucket should hold.
    pub references: u64,
    /// Those of them that lead to an object.
    pub resolved: u64,
    /// Hosts in hrefs that nobody declared, with how many hrefs name each.
    pub strangers: BTreeMap<String, u64>,
    /// Buckets that a record refers to as a whole, each with the first that does.
    pub whole_buckets: BTreeMap<String, String>,
    /// Hrefs that are relative: keys that end like them are kept.
    pub relative: u64,
    /// Among the objects those of this program itself: what was put aside, journals, locks.
    #[serde(default)]
    pub own: Count,
    /// Why nothing may be deleted, each a sentence.
    pub guards: Vec<String>,
}

impl Summary {
    pub(super) fn new(sweep: &Sweep) -> Summary {
        Summary {
            bucket: sweep.bucket.clone(),
            share: sweep.share,
            reasons: Reason::ALL.map(|reason| (reason, Count::default())).into(),
            domains: BTreeMap::new(),
            oldest: None,
            newest: None,
            samples: Vec::new(),
            collections: 0,
            items: 0,
            references: 0,
            resolved: 0,
            strangers: BTreeMap::new(),
            whole_buckets: BTreeMap::new(),
            relative: 0,
            own: Count::default(),
            guards: Vec::new(),
        }
    }

    /// How many orphans there are.
    #[must_use]
    pub fn orphans(&self) -> Count {
        self.reasons
            .get(&Reason::Orphan)
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn add(&mut self, object: &Listed, reason: Reason) {
        self.reasons.entry(reason).or_default().add(object.size);
        if object.key.starts_with(OWN) {
            self.own.add(object.size);
        }
        if reason != Reason::Orphan {
            return;
        }
        let domain = object.key.split_once('/').map_or("", |(domain, _)| domain);
        let is_known = self.domains.contains_key(domain) || self.domains.len() < DOMAINS;
        let domain = if is_known { domain } else { "…" };
        self.domains
            .entry(domain.to_owned())
            .or_default()
            .add(object.size);
        let written = object.written();
        if let Some(written) = written {
            self.oldest = Some(self.oldest.map_or(written, |oldest| oldest.min(written)));
            self.newest = Some(self.newest.map_or(written, |newest| newest.max(written)));
        }
        if self.samples.len() < SAMPLES {
            self.samples
                .push(format!("s3://{}/{}", self.bucket, object.key));
        }
    }

    /// Ends the account with what is known, and finds what speaks against deleting anything.
    pub(super) fn end(&mut self, sweep: &Sweep, known: &Knowledge, resolved: (u64, u64)) {
        let walked = known.referenced.walked();
        (self.collections, self.items) = (walked.collections, walked.items);
        (self.references, self.resolved) = resolved;
        self.strangers.clone_from(known.referenced.strangers());
        self.whole_buckets
            .clone_from(known.referenced.whole_buckets());
        self.relative = known.referenced.relative();
        self.guards = self.all_guards(sweep.role == Role::Landing);
    }

    /// The accounts of all shares of a bucket as one; none where there is none. Each share has read the same catalogue.
    #[must_use]
    pub fn merged(accounts: Vec<Summary>) -> Option<Summary> {
        let mut accounts = accounts.into_iter();
        let mut whole = accounts.next()?;
        for account in accounts {
            for (reason, count) in account.reasons {
                *whole.reasons.entry(reason).or_default() += count;
            }
            for (domain, count) in account.domains {
                *whole.domains.entry(domain).or_default() += count;
            }
            whole.oldest = whole.oldest.into_iter().chain(account.oldest).min();
            whole.newest = whole.newest.max(account.newest);
            whole.samples.extend(account.samples);
            whole.own += account.own;
            whole.references += account.references;
            whole.resolved += account.resolved;
            // Of a catalogue that was written meanwhile, the smaller one counts.
            whole.items = whole.items.min(account.items);
        }
        whole.samples.truncate(SAMPLES);
        whole.share = None;
        Some(whole)
    }

    /// What speaks against deleting the orphans. Raw uploads are named by no item.
    #[must_use]
    pub fn all_guards(&self, is_landing: bool) -> Vec<String> {
        let mut all = Vec::new();
        if self.items == 0 && self.orphans().objects > 0 {
            all.push("the catalogue has no items at all".to_owned());
        }
        if !is_landing {
            all.extend(self.guards());
        }
        all
    }

    fn guards(&self) -> Vec<String> {
        let orphans = self.orphans();
        let mut all = Count::default();
        self.reasons.values().for_each(|count| all += *count);
        // What earlier runs have put aside would make every sweep a small one.
        let all = Count {
            objects: all.objects.saturating_sub(self.own.objects),
            bytes: all.bytes.saturating_sub(self.own.bytes),
        };
        let bucket = match self.share {
            Some(share) => format!("share {share} of '{}'", self.bucket),
            None => format!("'{}'", self.bucket),
        };
        let mut guards = Vec::new();
        if orphans.objects == 0 {
            return guards;
        }
        if self.references == 0 {
            guards.push(format!(
                "no record of the catalogue refers to anything in {bucket}"
            ));
        }
        if self.resolved * 100 < self.references * RESOLVED {
            guards.push(format!(
                "of {} references to {bucket} only {} lead to an object: catalogue or listing is not whole",
                self.references, self.resolved
            ));
        }
        guards.extend(too_many(orphans, all, "objects", &bucket));
        guards
    }
}

/// That more would go of a whole than looks right, by number and by size. `things` is what they are, `of` what is whole.
pub(crate) fn too_many(
    part: Count,
    whole: Count,
    things: &str,
    of: &str,
) -> impl Iterator<Item = String> {
    let shares = [
        (part.objects, whole.objects, things),
        (part.bytes, whole.bytes, "bytes"),
    ];
    shares
        .into_iter()
        .filter(|(part, whole, _)| {
            u128::from(*part) * 100 > u128::from(*whole) * u128::from(ORPHANS)
        })
        .map(move |(part, whole, what)| {
            format!("{part} of {whole} {what} of {of} would go, more than {ORPHANS} %")
        })
}
