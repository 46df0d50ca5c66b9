//! Files below the working folder as targets.

use std::path::Path;

use super::hands::{Done, Seen};
use super::payload::{Payload, digest};
use super::{Change, Facts};
use crate::error::{Error, Result};
use crate::file;

/// A file larger than this is not kept when it is replaced.
const LIMIT: u64 = 64 << 20;

/// What the file is that a change is about.
pub(super) fn look(path: &Path) -> Result<Seen> {
    match file::read(path, LIMIT) {
        Ok(bytes) => Ok(Seen {
            facts: Facts::File {
                sha256: digest(&bytes),
            },
            image: serde_json::to_value(Payload::new(bytes)).ok(),
            ..Seen::default()
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Seen {
            missing: Some(Error::io("find", path, &error)),
            ..Seen::default()
        }),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

/// Makes the change.
pub(super) fn perform(change: &Change) -> Result<Done> {
    let after = match change {
        Change::WriteFile { path, content } => {
            file::replace(path, &content.bytes()?)?;
            Facts::File {
                sha256: content.sha256().to_owned(),
            }
        }
        Change::RemoveFile { path } => {
            std::fs::remove_file(path).map_err(|error| Error::io("remove", path, &error))?;
            Facts::Absent
        }
        _ => return Err(Error::internal("this is no change of a file")),
    };
    Ok(Done {
        after,
        ..Done::default()
    })
}
