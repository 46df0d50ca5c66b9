//! The local paths that the operator typed as arguments of type `path`, now or when an upload began that goes on. What a script may touch with them is
//! `modules::paths`'s to say.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// The paths of one run.
#[derive(Debug, Default)]
pub struct NamedPaths(Mutex<BTreeSet<String>>);

impl NamedPaths {
    /// Takes down the value of one argument: a path, or several.
    pub fn add(&self, argument: Option<&Value>) {
        let paths = match argument {
            Some(Value::Array(paths)) => paths.as_slice(),
            Some(path) => std::slice::from_ref(path),
            None => return,
        };
        let paths = paths.iter().filter_map(Value::as_str);
        self.lock().extend(paths.map(str::to_owned));
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> BTreeSet<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
