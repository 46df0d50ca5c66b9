//! Local files as targets. How one is filled from the store is `download`'s.

use std::fs::File;
use std::path::Path;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::hands::{Done, Seen};
use super::payload::{Payload, digest};
use super::{Change, Facts};
use crate::error::{Error, Kind, Result};
use crate::file;
use crate::local_file::read_through;

/// A file larger than this is not kept when it is replaced.
const LIMIT: u64 = 64 << 20;

/// What the file is that a change is about.
pub(super) fn look(change: &Change) -> Result<Seen> {
    let (path, facts) = match change {
        // Only what was downloaded is so large: it can be downloaded again.
        Change::RemoveFile { path } if is_large(path) => {
            (path, digests(path).map(|read| read.sha256))
        }
        Change::WriteFile { path, .. } | Change::RemoveFile { path } => {
            return look_to_replace(path);
        }
        // One that is there is in the way, whatever it is.
        Change::DownloadObject { path, .. } => {
            (path, std::fs::symlink_metadata(path).map(|_| String::new()))
        }
        _ => return Err(Error::internal("this is no change of a file")),
    };
    match facts {
        Ok(sha256) => Ok(Seen {
            facts: Facts::File { sha256 },
            ..Seen::default()
        }),
        Err(error) => absent(path, &error),
    }
}

fn is_large(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > LIMIT)
}

/// A file that is kept when it is replaced or taken away.
fn look_to_replace(path: &Path) -> Result<Seen> {
    match file::read(path, LIMIT) {
        Ok(bytes) => Ok(Seen {
            facts: Facts::File {
                sha256: digest(&bytes),
            },
            image: serde_json::to_value(Payload::new(bytes)).ok(),
            ..Seen::default()
        }),
        Err(error) => absent(path, &error),
    }
}

fn absent(path: &Path, error: &std::io::Error) -> Result<Seen> {
    if error.kind() != std::io::ErrorKind::NotFound {
        return Err(Error::io("read", path, error));
    }
    Ok(Seen {
        missing: Some(Error::io("find", path, error)),
        ..Seen::default()
    })
}

/// What is in a file of any size.
#[derive(Debug)]
pub(super) struct Digests {
    pub(super) md5: String,
    pub(super) sha256: String,
    pub(super) size: u64,
}

/// Reads a file of any size once.
pub(super) fn digests(path: &Path) -> std::io::Result<Digests> {
    let (mut md5, mut sha256, mut size) = (Md5::new(), Sha256::new(), 0);
    read_through(File::open(path)?, |bytes| {
        md5.update(bytes);
        sha256.update(bytes);
        size += bytes.len() as u64;
    })?;
    Ok(Digests {
        md5: hex::encode(md5.finalize()),
        sha256: hex::encode(sha256.finalize()),
        size,
    })
}

/// What is downloaded takes no other file's place.
pub(super) fn refuse_existing(path: &Path, there: &Facts) -> Result<()> {
    if *there == Facts::Absent {
        return Ok(());
    }
    Err(
        Error::new(Kind::Conflict, format!("{} exists already", path.display()))
            .hint("give it another name, or move the file that is there out of the way"),
    )
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
