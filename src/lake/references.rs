//! The set of places one text may refer to.
//!
//! A value only: how the set is found is `readings`, what is done with many of them is the reference set's business.

use super::{ObjectRef, Place};

/// Everything one text may refer to. Every place in it has to be kept: an object and what lies below it, a directory,
/// a bucket, the suffixes of a foreign path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct References {
    places: Vec<Place>,
    pub(super) placed: bool,
    pub(super) host: Option<String>,
    pub(super) complete: bool,
}

impl References {
    /// The set of these places, of which the best, if there is one, comes first. Repeated ones are dropped.
    pub(crate) fn new(best: Option<Place>, mut others: Vec<Place>) -> References {
        if others.len() > 1 {
            others.sort_unstable();
            others.dedup();
        }
        others.retain(|other| Some(other) != best.as_ref());
        References {
            places: best.into_iter().chain(others).collect(),
            placed: false,
            host: None,
            complete: true,
        }
    }

    /// The places; the best reading, where [`super::Lake::place`] has one, comes first.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Whether the text refers to nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.complete
    }

    /// Whether the text names a place in the store by a name that is known. Without it the places are guesses: they
    /// keep objects, but a guess that resolves to no object says nothing about the catalogue.
    #[must_use]
    pub fn is_placed(&self) -> bool {
        self.placed
    }

    /// The host that nobody declared, when the text has a URL that is not in the store: what to report if the text is
    /// an asset's href. Declaring it in `s3.aliases`, or as a service, settles it.
    #[must_use]
    pub fn unknown_host(&self) -> Option<&str> {
        self.host.as_deref().filter(|_| !self.placed)
    }

    /// Whether every reading is there. Where it is not, the text has more than are worth keeping and counts as one
    /// that cannot be read: keep the whole data set it stands in, or stop.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The objects among the places.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        self.places.iter().filter_map(|place| match place {
            Place::Object(object) => Some(object),
            _ => None,
        })
    }

    /// The buckets that are meant as a whole: a fault of the catalogue, to be reported.
    pub fn whole_buckets(&self) -> impl Iterator<Item = &str> {
        self.places.iter().filter_map(|place| match place {
            Place::Bucket(bucket) => Some(bucket.as_str()),
            _ => None,
        })
    }

    /// Whether one of the places keeps the object of that bucket and raw key.
    #[must_use]
    pub fn covers(&self, bucket: &str, key: &str) -> bool {
        self.places.iter().any(|place| place.covers(bucket, key))
    }
}
