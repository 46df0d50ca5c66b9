//! One n-th of a bucket, for several machines that sweep it together: all of a dataset is in one share, and every share
//! knows its own without the others. How it is listed is `clients::s3_share`'s.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};

/// More shares than this are more than anybody has machines.
const MOST: u64 = 10_000;

/// The i-th of n shares, written `i/n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share {
    /// Which, from 1.
    index: u64,
    /// Of how many.
    of: u64,
}

impl Share {
    /// Whether a key, or what lies below a folder of two segments, is in it. Every program that asks, on whatever machine,
    /// gets the same answer.
    #[must_use]
    pub fn has(self, key: &str) -> bool {
        // The folder of the dataset, or of what lies in none the key itself.
        let mut slashes = key.match_indices('/').map(|(slash, _)| slash);
        let end = slashes.nth(1).unwrap_or(key.len());
        xxh3_64(&key.as_bytes()[..end]) % self.of == self.index - 1
    }

    /// Whether it is known of a path in which share all below it is.
    #[must_use]
    pub fn tells(path: &str) -> bool {
        path.contains('/')
    }

    /// The name of what is locked while this share of a bucket is swept.
    #[must_use]
    pub fn lock(self, bucket: &str) -> String {
        format!("{bucket}.{}-of-{}", self.index, self.of)
    }

    /// Whether two locks are of the same objects: one of a bucket and one of a share of it, or those of shares of another
    /// count.
    #[must_use]
    pub fn overlap(one: &str, other: &str) -> bool {
        let (a, b) = (Share::of_lock(one), Share::of_lock(other));
        match (a, b) {
            (Some((bucket, a)), Some((other, b))) => bucket == other && a.of != b.of,
            (Some((bucket, _)), None) => bucket == other,
            (None, Some((bucket, _))) => bucket == one,
            (None, None) => false,
        }
    }

    /// Whether a lock is that of a share.
    #[must_use]
    pub fn is_lock(name: &str) -> bool {
        Share::of_lock(name).is_some()
    }

    fn of_lock(name: &str) -> Option<(&str, Share)> {
        let (bucket, share) = name.rsplit_once('.')?;
        let (index, of) = share.split_once("-of-")?;
        Some((bucket, format!("{index}/{of}").parse().ok()?))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl From<Share> for String {
    fn from(share: Share) -> String {
        share.to_string()
    }
}

impl TryFrom<String> for Share {
    type Error = Error;

    fn try_from(text: String) -> Result<Share> {
        text.parse()
    }
}

impl FromStr for Share {
    type Err = Error;

    fn from_str(text: &str) -> Result<Share> {
        let parts = text.split_once('/');
        let parts = parts.and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match parts {
            // An Indexed Job counts from 0.
            Some((0, of)) if (1..=MOST).contains(&of) => Ok(Share { index: of, of }),
            Some((index, of)) if (1..=of).contains(&index) && of <= MOST => Ok(Share { index, of }),
            _ => Err(Error::usage(format!("'{text}' is no share")).hint(format!(
                "write i/n, from 1/n to n/n, as in 1/4; n is at most {MOST}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(text: &str) -> Share {
        text.parse().unwrap()
    }

    #[test]
    fn every_key_is_in_one_share_and_a_dataset_wholly() {
        let shares: Vec<Share> = (1..=7).map(|index| share(&format!("{index}/7"))).collect();
        let mut counts = [0; 7];
        for n in 0..7000 {
            let dataset = format!("domain-{}/set-{n}", n % 5);
            let mine: Vec<usize> = (0..7).filter(|at| shares[*at].has(&dataset)).collect();
            assert_eq!(mine.len(), 1);
            counts[mine[0]] += 1;
            for key in ["/a.tif", "/vector/part-0", "/"] {
                assert!(shares[mine[0]].has(&format!("{dataset}{key}")));
            }
        }
        assert!(
            counts.iter().all(|count| (800..1200).contains(count)),
            "{counts:?}"
        );
        assert!(share("1/1").has("x") && share("1/1").has(""));
    }

    #[test]
    fn a_share_is_the_same_on_every_machine() {
        let of = |key: &str| (1..=16).find(|index| share(&format!("{index}/16")).has(key));
        assert_eq!(of("raw/set-1/a.tif"), of("raw/set-1"));
        assert_eq!(xxh3_64(b"raw/set-1") % 16 + 1, of("raw/set-1/b").unwrap());
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "1", "0/0", "5/4", "1/0", "a/b", "1/99999", "-1/4"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert_eq!(share("3/4").to_string(), "3/4");
    }

    #[test]
    fn locks_overlap_where_their_objects_do() {
        let lock = |text: &str| share(text).lock("raw.x");
        for (one, other, overlaps) in [
            (lock("1/4"), lock("2/4"), false),
            (lock("1/4"), lock("1/2"), true),
            (lock("1/4"), "raw.x".to_owned(), true),
            ("raw.x".to_owned(), lock("1/4"), true),
            ("raw".to_owned(), lock("1/4"), false),
            ("raw".to_owned(), "raw.x".to_owned(), false),
        ] {
            assert_eq!(Share::overlap(&one, &other), overlaps, "{one} {other}");
        }
    }
}
