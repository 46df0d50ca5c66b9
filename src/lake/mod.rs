//! The lake's own knowledge: which place in the object store a text means.
//!
//! One object has many spellings (`s3://`, the store's URL by any of its names, a GDAL path, a tile server's `?url=`);
//! this room turns them into a bucket and a raw key. What a catalogue is, how objects are listed and what may be
//! deleted is decided elsewhere, from what stands here. No network, no script types.
//!
//! Three questions, three functions:
//! - [`Lake::locate`]: a person typed it; which object is it? One answer, or an error that says what to change.
//! - [`Lake::place`]: a record holds it; what does it mean? One answer, where a directory is a directory.
//! - [`Lake::references`]: something is about to be deleted; what could this text mean? Every plausible answer, since
//!   an object too many that is kept costs space, and a reference that is missed costs the object.

mod authority;
mod endpoint;
mod fingerprints;
mod foreign;
mod href;
mod location;
mod meaning;
mod nested;
mod place;
mod readings;
mod references;
mod share;
mod strings;
mod variants;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::error::{Error, Result};

use endpoint::Endpoints;
use meaning::{Meaning, meaning};

pub use fingerprints::{Fingerprint, Fingerprints, Gathered, Seed};
pub use foreign::Foreign;
pub(crate) use href::without_secrets;
pub use place::{ObjectRef, Place, PrefixRef};
pub use references::References;
pub use share::Share;
pub use strings::{Found, Strings, strings};

/// The store's name inside the cluster, as the ingest flow writes it into every asset href. Always an alias.
pub const IN_CLUSTER: &str = "rustfs.dashi-platform.svc.cluster.local:9000";

/// What a wrong bucket name is told.
const BUCKET_NAME: &str = "a bucket name has 3 to 63 lower-case letters, digits, dots and hyphens";

/// What a bucket of the lake is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Raw uploads, which no item names.
    Landing,
    /// What the flows made of them: the assets of items.
    Processed,
    /// Tables, tiles and other products.
    Curated,
}

impl Role {
    /// Every role, in the order data passes through them.
    pub const ALL: [Role; 3] = [Role::Landing, Role::Processed, Role::Curated];

    /// The role's name: `landing`, `processed`, `curated`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Landing => "landing",
            Role::Processed => "processed",
            Role::Curated => "curated",
        }
    }

    /// The setting that names the role's bucket.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Role::Landing => "s3.landing_bucket",
            Role::Processed => "s3.processed_bucket",
            Role::Curated => "s3.curated_bucket",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the configuration says about the lake, as it is written there.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// `s3.endpoint`: `http(s)://host[:port][/base]` or `k8s://<namespace>/<service>:<port>`.
    pub endpoint: &'a str,
    /// `s3.aliases`: further names of the same store, each a URL or `host[:port]`. [`IN_CLUSTER`] is always among them.
    pub aliases: &'a [String],
    /// `s3.landing_bucket`.
    pub landing: &'a str,
    /// `s3.processed_bucket`.
    pub processed: &'a str,
    /// `s3.curated_bucket`.
    pub curated: &'a str,
    /// Further buckets of the same store that belong to the lake.
    pub others: &'a [String],
    /// Services that hold no objects, each by its setting and URL: the catalogue's own address above all. Links to
    /// them are in every item and refer to nothing in the store; as links to an unknown host they would be reported
    /// and cost memory.
    pub services: &'a [(&'a str, &'a str)],
}

/// The object store as hrefs name it: its hosts, and its buckets by role.
#[derive(Debug, Clone)]
pub struct Lake {
    endpoints: Endpoints,
    roles: [String; 3],
    others: Vec<String>,
}

impl Lake {
    /// The lake of this configuration.
    ///
    /// Errors are of kind `config` and name the setting: an endpoint, alias or service that is no URL, carries
    /// credentials or a query; a bucket name that no store accepts.
    pub fn new(settings: &Settings<'_>) -> Result<Lake> {
        let roles = [settings.landing, settings.processed, settings.curated];
        for (role, bucket) in Role::ALL.into_iter().zip(roles) {
            check_bucket(role.setting(), bucket)?;
        }
        for bucket in settings.others {
            check_bucket("a further bucket", bucket)?;
        }
        Ok(Lake {
            endpoints: Endpoints::new(settings)?,
            roles: roles.map(str::to_owned),
            others: settings.others.to_vec(),
        })
    }

    /// The bucket of a role.
    #[must_use]
    pub fn bucket(&self, role: Role) -> &str {
        &self.roles[role as usize]
    }

    /// The roles of a bucket: none where it is not the lake's or only a further bucket, several where roles share one.
    pub fn roles(&self, bucket: &str) -> impl Iterator<Item = Role> {
        Role::ALL
            .into_iter()
            .filter(move |role| self.bucket(*role) == bucket)
    }

    /// Every bucket of the lake: by role first, then the further ones. A bucket of two roles comes twice.
    pub fn buckets(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().chain(&self.others).map(String::as_str)
    }

    /// Whether the bucket is one of the lake's.
    #[must_use]
    pub fn has_bucket(&self, bucket: &str) -> bool {
        self.buckets().any(|known| known == bucket)
    }

    /// What this href means, by its best reading: the one a reader of that kind of href would follow.
    ///
    /// `None` where it can be no object: a `mailto:`, a plain word, the store's own root, a link to one of the
    /// services. An `s3://` href is raw, an `http(s)://` one is read as a URL (query cut, dots resolved, decoded once).
    /// Use it to follow a record, as in deleting an item's assets. To decide that *nothing* refers to an object, use
    /// [`Lake::references`].
    #[must_use]
    pub fn place(&self, href: &str) -> Option<Place> {
        match meaning(&self.endpoints, href) {
            Meaning::Stored { bucket, key } => Some(Place::stored(bucket, key)),
            Meaning::Foreign(foreign) => Some(Place::Foreign(foreign)),
            Meaning::StoreRoot | Meaning::Service | Meaning::Nothing => None,
        }
    }

    /// Everything this text could refer to: what garbage collection has to keep.
    ///
    /// Takes any string of a record, not only an href: prose that holds a URL, a GDAL connection string, a path
    /// without a host. Readings: raw, decoded once, `+` as a space, cut at each character that may end a reference,
    /// as a URL parser resolves it, and each reference nested in a query or an archive path.
    #[must_use]
    pub fn references(&self, text: &str) -> References {
        readings::read(self, text)
    }

    /// The object a person typed, as in `dashictl why <uri>`.
    ///
    /// `s3://bucket/key` is raw: nothing is decoded, nothing is cut at `?` or `#`, so that the Display of an
    /// [`ObjectRef`] always leads back to it. A URL of the store is read as a URL, a GDAL path as GDAL does, a tile
    /// server's link as what it draws.
    /// Errors are of kind `usage`: an unknown host (names the known ones and `s3.aliases`), a bucket without a key,
    /// a text that is no place in the store.
    pub fn locate(&self, text: &str) -> Result<ObjectRef> {
        location::object(self, text)
    }

    /// The prefix a person typed, as in `dashictl s3 ls <uri>`: the same spellings as [`Lake::locate`], but a bucket
    /// alone is its empty prefix, and nothing is added to a prefix that does not end in a slash.
    pub fn locate_prefix(&self, text: &str) -> Result<PrefixRef> {
        location::prefix(self, text)
    }
}

/// Refuses what no S3 store takes as a bucket name; laxer than AWS' rules of today, since old buckets have old names.
fn check_bucket(setting: &str, bucket: &str) -> Result<()> {
    let length_fits = (3..=255).contains(&bucket.len());
    let name = href::bucket_name(bucket);
    if length_fits && name.len() == bucket.len() && !bucket.ends_with('.') {
        return Ok(());
    }
    Err(Error::config(format!("{setting}: '{bucket}' is not a bucket name")).hint(BUCKET_NAME))
}
