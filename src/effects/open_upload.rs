//! What this machine remembers of an upload in parts that is not complete: which change it is part of, and the store's id
//! for it, so that the next try goes on from the parts that are there. One an object.

use serde::{Deserialize, Serialize};

use super::Change;
use super::memory::Memory;
use crate::error::Result;
use crate::lake::ObjectRef;
use crate::session::Session;

/// An upload that is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct OpenUpload {
    /// What it is part of: of another file, or with another media type, it is another.
    change: String,
    /// The store's id.
    id: String,
}

/// What is remembered of uploads to one object. Another process that uploads to the same object at the same time remembers
/// nothing.
pub(super) struct Uploads {
    change: String,
    memory: Memory,
}

/// What was remembered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recalled {
    /// Nothing.
    Nothing,
    /// This very change was begun, as this upload.
    Same(String),
    /// Another was begun, as this upload, and nobody will go on with it.
    Another(String),
}

impl Uploads {
    /// Those to this object, for this change.
    pub(super) fn of(session: &Session, at: &ObjectRef, change: &Change) -> Result<Uploads> {
        let config = session.config();
        let endpoint = config.remembered(config.s3()?.endpoint.as_str());
        Ok(Uploads {
            memory: Memory::of(session, "uploads", &format!("{endpoint} {at}"))?,
            change: hex::encode(change.fingerprint(change.function())),
        })
    }

    /// What was begun and is not complete.
    pub(super) fn recall(&self) -> Recalled {
        match self.memory.recall::<OpenUpload>() {
            Some(open) if open.change == self.change => Recalled::Same(open.id),
            Some(open) => Recalled::Another(open.id),
            None => Recalled::Nothing,
        }
    }

    /// Remembers an upload that was begun.
    pub(super) fn keep(&self, id: &str) -> Result<()> {
        self.memory.keep(&OpenUpload {
            change: self.change.clone(),
            id: id.to_owned(),
        })
    }

    /// Forgets it: it is complete, or was given up.
    pub(super) fn forget(&self) {
        self.memory.forget();
    }
}
