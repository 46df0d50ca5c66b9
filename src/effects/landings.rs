//! What this machine remembers of files on their way through the ingest-api: which upload is open, with the URLs it may
//! still be sent to, and where what has landed is. One a file and domain. How a file gets there is `landing`'s.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::memory::{self, Memory};
use crate::clients::s3_upload::Part;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::local_file::{Inode, LocalFile};
use crate::session::Session;

/// Where it is kept, in the state folder.
const KIND: &str = "ingest";

/// A URL is not used in its last seconds.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// A file on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landing {
    /// The ingest-api.
    pub api: String,
    /// The file, as it was when the upload began.
    pub file: LocalFile,
    /// Which file that was.
    pub inode: Option<Inode>,
    /// The name that it lands by.
    pub name: String,
    /// The domain it is for.
    pub domain: String,
    /// The classification that it is to have, for who goes on with it.
    pub classification: String,
    /// The media type.
    pub content_type: String,
    /// When it began.
    pub began: Timestamp,
    /// How far it has come.
    pub stage: Stage,
}

/// How far a file has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Stage {
    /// Nothing of it is anywhere yet.
    Begun,
    /// Its parts are being uploaded.
    Open(Open),
    /// It is in the landing bucket.
    Landed(Landed),
}

/// An upload in parts that is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The object that it makes.
    pub at: ObjectRef,
    /// The store's id of it.
    pub id: String,
    /// The bytes of every part but the last.
    pub part_size: u64,
    /// A URL for every part, which for a while takes that part and nothing else. The file is its owner's alone.
    pub urls: Vec<String>,
    /// Until when the URLs are valid.
    pub expires: Timestamp,
    /// For how many seconds they were made.
    pub valid: u64,
}

impl Open {
    /// Whether its parts make a file of so many bytes.
    pub(super) fn makes(&self, size: u64) -> bool {
        self.part_size > 0 && size.div_ceil(self.part_size) == self.urls.len() as u64
    }

    /// For how long the URLs are still to be used.
    pub(super) fn valid_for(&self) -> Duration {
        let left = self.expires.duration_since(Timestamp::now()) - MARGIN;
        left.try_into().unwrap_or_default()
    }
}

/// What has landed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landed {
    /// The object.
    pub at: ObjectRef,
    /// Its ETag, where that is known.
    pub etag: Option<String>,
    /// When it was last written, as the API spells it.
    pub modified: Option<String>,
}

impl Landing {
    /// Whether it is the same file to the same end.
    pub(super) fn is_same(&self, other: &Landing) -> bool {
        let known = |landing: &Landing| {
            let file = &landing.file;
            (file.path.clone(), file.size, file.modified, landing.inode)
        };
        let end = |landing: &Landing| {
            let Landing {
                domain,
                name,
                content_type,
                ..
            } = landing;
            [domain.clone(), name.clone(), content_type.clone()]
        };
        known(self) == known(other) && end(self) == end(other)
    }

    /// What has landed, where it has.
    pub(super) fn landed(self) -> Option<Landed> {
        match self.stage {
            Stage::Landed(landed) => Some(landed),
            _ => None,
        }
    }

    fn key(&self) -> String {
        let path = self.file.path.display();
        format!("{} {} {} {path}", self.api, self.domain, self.name)
    }
}

/// What is remembered of one file, held by this process alone.
pub(super) struct Landings {
    memory: Memory,
    parts: PathBuf,
}

impl Landings {
    /// Of this file and domain. Fails where another process is at it.
    pub(super) fn of(session: &Session, landing: &Landing) -> Result<Landings> {
        let memory = Memory::of(session, KIND, &landing.key())?;
        if !memory.is_mine() {
            let path = landing.file.path.display();
            return Err(Error::new(
                Kind::Conflict,
                format!("{path} is being uploaded already, by this run or another"),
            )
            .hint(
                "wait for that one, or stop it: the same command goes on from what it has sent",
            ));
        }
        Ok(Landings {
            parts: memory.path().with_extension("parts"),
            memory,
        })
    }

    pub(super) fn recall(&self) -> Option<Landing> {
        self.memory.recall()
    }

    pub(super) fn keep(&self, landing: &Landing) -> Result<()> {
        if matches!(landing.stage, Stage::Landed(_)) {
            let _ = std::fs::remove_file(&self.parts);
        }
        self.memory.keep(landing)
    }

    pub(super) fn forget(&self) {
        self.memory.forget();
        let _ = std::fs::remove_file(&self.parts);
    }

    /// Remembers that the store has a part. What is lost of it is sent again.
    pub(super) fn keep_part(&self, part: &Part) {
        let line = format!("{} {} {}\n", part.number, part.size, part.etag);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.parts);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }

    /// The parts that the store is known to have. A line that was cut off is none.
    pub(super) fn parts(&self) -> Vec<Part> {
        let text = std::fs::read_to_string(&self.parts).unwrap_or_default();
        text.lines().filter_map(part_of).collect()
    }
}

fn part_of(line: &str) -> Option<Part> {
    let mut words = line.split(' ');
    Some(Part {
        number: words.next()?.parse().ok()?,
        size: words.next()?.parse().ok()?,
        etag: words.next().filter(|etag| !etag.is_empty())?.to_owned(),
    })
}

/// What is remembered of this file, where it is still the same.
pub(super) fn known(session: &Session, landing: &Landing) -> Result<Option<Landing>> {
    let known: Option<Landing> = memory::glance(session, KIND, &landing.key())?;
    Ok(known.filter(|known| known.is_same(landing)))
}

/// What the ingest-api is remembered by.
pub(super) fn api(session: &Session) -> Result<String> {
    Ok(session.config().remembered(session.ingest()?.url()))
}

/// The upload that this machine has begun by that id, and the file it is of.
pub fn open(session: &Session, id: &str) -> Result<Option<(Landing, Open)>> {
    let opened = |landing: Landing| match landing.stage.clone() {
        Stage::Open(open) if open.id == id => Some((landing, open)),
        _ => None,
    };
    Ok(all(session)?.into_iter().find_map(opened))
}

/// All files on their way to the ingest-api, in the order they began.
pub fn all(session: &Session) -> Result<Vec<Landing>> {
    let api = api(session)?;
    let all: Vec<Landing> = memory::all(session, KIND)?;
    let mut all: Vec<Landing> = all
        .into_iter()
        .filter(|landing| landing.api == api)
        .collect();
    all.sort_by_key(|landing| landing.began);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_comes_back_from_its_line_and_half_a_line_is_none() {
        let part = part_of("12 16777216 0cc175b9c0f1b6a831c399e269772661").unwrap();
        assert_eq!((part.number, part.size), (12, 16 << 20));
        assert_eq!(part_of("12 16777216 "), None);
        assert_eq!(part_of("12 167"), None);
    }
}
