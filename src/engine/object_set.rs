//! A set of objects as a value of a script: asked whether it has one, and taken from a stream of others. Of a large set only
//! fingerprints are kept, so that at worst something is said to be in it that is not.

use std::fmt;
use std::sync::Arc;

use rhai::{Dynamic, Engine, ImmutableString, Map};

use super::value::type_name;
use crate::error::{Error, Result};
use crate::inventory::{Granularity, Referenced};
use crate::lake::{Fingerprints, Gathered, Lake, ObjectRef, Seed};

/// A set of objects. Clones are the same set.
#[derive(Clone)]
pub enum ObjectSet {
    /// What the catalogue refers to, folders with all below them.
    Referenced(Arc<Referenced>, Granularity),
    /// Objects that were named one by one.
    Named(Arc<(Seed, Fingerprints)>),
}

impl fmt::Debug for ObjectSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectSet::Referenced(..) => f.write_str("what the catalogue refers to"),
            ObjectSet::Named(set) => write!(f, "{} objects", set.1.len()),
        }
    }
}

impl ObjectSet {
    /// The set of these objects.
    pub(crate) fn of(all: impl Iterator<Item = Result<ObjectRef>>) -> Result<ObjectSet> {
        let seed = Seed::random();
        let mut gathered = Gathered::default();
        for at in all {
            let at = at?;
            gathered.add(seed.of(&at.bucket).print(&at.key), false);
        }
        Ok(ObjectSet::Named(Arc::new((seed, gathered.into_set()))))
    }

    /// Whether an object is in it.
    #[must_use]
    pub fn has(&self, at: &ObjectRef) -> bool {
        match self {
            ObjectSet::Referenced(all, granularity) => {
                all.keeps(&at.bucket, &at.key, *granularity).is_some() || all.ends_like(&at.key)
            }
            ObjectSet::Named(set) => set.1.has(set.0.of(&at.bucket).print(&at.key)),
        }
    }
}

/// The object that a value is or names: a row of a listing, or its URI in any spelling.
pub(crate) fn object_of(lake: &Lake, value: &Dynamic) -> Result<ObjectRef> {
    if let Some(uri) = value.read_lock::<ImmutableString>() {
        return lake.locate(&uri);
    }
    let row = value.read_lock::<Map>();
    let text = |name: &str| row.as_ref()?.get(name)?.clone().into_string().ok();
    match (text("bucket"), text("key"), text("uri")) {
        (Some(bucket), Some(key), _) => Ok(ObjectRef { bucket, key }),
        (_, _, Some(uri)) => lake.locate(&uri),
        _ => Err(Error::usage(format!(
            "a {} is no object: URIs and rows of s3::list are",
            type_name(value)
        ))),
    }
}

/// Registers the type.
pub(crate) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<ObjectSet>("ObjectSet")
        .register_fn("to_string", |set: &mut ObjectSet| format!("{set:?}"))
        .register_fn("to_debug", |set: &mut ObjectSet| format!("{set:?}"));
}
