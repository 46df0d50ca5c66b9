//! The manifest of an object of a cluster as a change holds it. The values of a Secret are known to the process that was
//! given them, and stand in plan and journal as a digest alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::payload::digest;
use crate::clients::k8s_objects::{hide, is_secret};
use crate::error::{Error, Kind, Result};

/// A manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// It, without what nobody may see.
    shown: Value,
    /// The digest of the whole, where something is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip)]
    whole: Option<Value>,
}

impl Manifest {
    /// This one.
    #[must_use]
    pub fn new(whole: Value) -> Manifest {
        if !is_secret(&whole) {
            return Manifest {
                shown: whole,
                sha256: None,
                whole: None,
            };
        }
        let mut shown = whole.clone();
        hide(&mut shown);
        Manifest {
            shown,
            // Maps of JSON values are sorted by key.
            sha256: Some(digest(whole.to_string().as_bytes())),
            whole: Some(whole),
        }
    }

    /// It, as far as everybody may see it.
    #[must_use]
    pub fn shown(&self) -> &Value {
        &self.shown
    }

    /// Whether something of it is not shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.sha256.is_some()
    }

    /// All of it. A plan or journal does not hold what a Secret holds.
    pub(super) fn whole(&self) -> Result<&Value> {
        match (&self.sha256, &self.whole) {
            (None, _) => Ok(&self.shown),
            (Some(_), Some(whole)) => Ok(whole),
            (Some(_), None) => Err(lost()),
        }
    }

    /// Takes over what only this process knows, from the same manifest.
    pub(super) fn with_values_of(mut self, same: Option<&Manifest>) -> Manifest {
        if let Some(same) = same.filter(|same| same.sha256 == self.sha256)
            && self.whole.is_none()
        {
            self.whole.clone_from(&same.whole);
        }
        self
    }
}

fn lost() -> Error {
    Error::new(
        Kind::Stale,
        "the values of the Secret are not kept in plan and journal",
    )
    .hint("run the command again: what it has done already is found in place")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secrets_values_are_written_nowhere_and_another_value_is_another_manifest() {
        let secret = |value: &str| {
            Manifest::new(json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"k": value}}))
        };
        let written = serde_json::to_string(&secret("hush")).unwrap();
        assert!(!written.contains("hush"), "{written}");
        assert_ne!(written, serde_json::to_string(&secret("rush")).unwrap());
        let read: Manifest = serde_json::from_str(&written).unwrap();
        assert_eq!(read.whole().unwrap_err().kind(), Kind::Stale);
        let known = read.clone().with_values_of(Some(&secret("hush")));
        assert_eq!(known.whole().unwrap()["stringData"]["k"], "hush");
        let other = read.with_values_of(Some(&secret("rush")));
        assert!(other.whole().is_err());
    }

    #[test]
    fn any_other_manifest_is_whole() {
        let manifest = Manifest::new(json!({"kind": "Job"}));
        let read: Manifest =
            serde_json::from_str(&serde_json::to_string(&manifest).unwrap()).unwrap();
        assert_eq!(read.whole().unwrap()["kind"], "Job");
    }
}
