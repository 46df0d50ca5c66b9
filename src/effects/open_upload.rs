//! What this machine remembers of an upload in parts that is not complete: which change it is part of, and the store's id
//! for it, so that the next try goes on from the parts that are there. One file an object, in the state folder.

use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Change;
use super::payload::digest;
use crate::error::{Error, Result};
use crate::lake::ObjectRef;
use crate::session::Session;

/// What is kept of one is small.
const LIMIT: u64 = 1 << 16;

/// An upload that is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OpenUpload {
    /// What it is part of: of another file, or with another media type, it is another.
    change: String,
    /// The store's id.
    pub(super) id: String,
}

/// What is remembered of uploads to one object.
pub(super) struct Memory {
    change: String,
    path: PathBuf,
    /// Held while the upload lasts. Another process that uploads to the same object at the same time remembers nothing. The
    /// file of the lock stays: one that is taken away while it is held keeps nobody out.
    lock: Option<File>,
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

impl Memory {
    /// Of uploads to this object, for this change.
    pub(super) fn of(session: &Session, at: &ObjectRef, change: &Change) -> Result<Memory> {
        let endpoint = session.config().s3()?.endpoint.to_string();
        let name = digest(format!("{endpoint} {at}").as_bytes());
        let folder = session.environment().state_dir()?.join("uploads");
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("make", &folder, &error))?;
        let path = folder.join(format!("{}.json", &name[..32]));
        let lock = path.with_extension("lock");
        let file = File::create(&lock).map_err(|error| Error::io("create", &lock, &error))?;
        Ok(Memory {
            lock: file.try_lock().is_ok().then_some(file),
            change: hex::encode(change.fingerprint(change.function())),
            path,
        })
    }

    /// What was begun and is not complete. What cannot be read is nothing.
    pub(super) fn recall(&self) -> Recalled {
        let bytes = self
            .lock
            .as_ref()
            .and_then(|_| crate::file::read(&self.path, LIMIT).ok());
        let open = bytes.and_then(|bytes| serde_json::from_slice::<OpenUpload>(&bytes).ok());
        match open {
            Some(open) if open.change == self.change => Recalled::Same(open.id),
            Some(open) => Recalled::Another(open.id),
            None => Recalled::Nothing,
        }
    }

    /// Remembers an upload that was begun.
    pub(super) fn keep(&self, id: &str) -> Result<()> {
        if self.lock.is_none() {
            return Ok(());
        }
        let open = OpenUpload {
            change: self.change.clone(),
            id: id.to_owned(),
        };
        let text = serde_json::to_vec(&open)
            .map_err(|error| Error::internal("an upload").cause(error.to_string()))?;
        crate::file::replace(&self.path, &text)
    }

    /// Forgets it: it is complete, or was given up.
    pub(super) fn forget(&self) {
        if self.lock.is_some() {
            // What stays names an upload that the store knows no more: the next try finds that out.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
