//! A place in the object store: an object, a directory, a whole bucket, or a path at a host that is not known.
//!
//! Keys are raw: the bytes the store holds, neither decoded nor normalised. How a text becomes a place stands elsewhere.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Foreign;

/// One object: a bucket and a raw key. Its Display, `s3://bucket/key`, is read back by [`super::Lake::locate`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The bucket's name.
    pub bucket: String,
    /// The raw key, never empty.
    pub key: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// The objects of a bucket whose raw keys begin with a text; all of them where it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PrefixRef {
    /// The bucket's name.
    pub bucket: String,
    /// What the keys begin with.
    pub prefix: String,
}

impl fmt::Display for PrefixRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// What an href means.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// An object. It may be a directory written without its slash, so it covers what lies below it as well.
    Object(ObjectRef),
    /// A directory of the bucket: the prefix ends in a slash.
    Prefix(PrefixRef),
    /// A bucket as a whole.
    Bucket(String),
    /// A path that could not be placed.
    Foreign(Foreign),
}

impl Place {
    /// The place of a raw key in a bucket of the store, by the key's own shape: none, a final slash, or neither.
    #[must_use]
    pub fn stored(bucket: impl Into<String>, key: impl Into<String>) -> Place {
        let (bucket, key) = (bucket.into(), key.into());
        if key.is_empty() {
            Place::Bucket(bucket)
        } else if key.ends_with('/') {
            let prefix = key;
            Place::Prefix(PrefixRef { bucket, prefix })
        } else {
            Place::Object(ObjectRef { bucket, key })
        }
    }

    /// Whether a reference to this place keeps the object of that bucket and raw key.
    #[must_use]
    pub fn covers(&self, bucket: &str, key: &str) -> bool {
        match self {
            Place::Object(object) => object.bucket == bucket && covers(&object.key, key),
            Place::Prefix(prefix) => prefix.bucket == bucket && covers(&prefix.prefix, key),
            Place::Bucket(whole) => whole == bucket,
            Place::Foreign(foreign) => foreign.covers(key),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Object(object) => object.fmt(f),
            Place::Prefix(prefix) => prefix.fmt(f),
            Place::Bucket(bucket) => write!(f, "s3://{bucket}/"),
            Place::Foreign(foreign) => foreign.fmt(f),
        }
    }
}

/// Whether a referenced path keeps a key: it is the key, or a directory above it, with or without its slash.
pub(crate) fn covers(path: &str, key: &str) -> bool {
    key.strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || path.ends_with('/') || rest.starts_with('/'))
}
