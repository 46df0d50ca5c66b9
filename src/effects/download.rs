//! An object that becomes a local file. It grows beside its place, under a name that tells which object it is of, so that
//! the next try goes on from there; it takes its place when it is whole, and no other file's.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use rustix::fs::OFlags;
use serde_json::{Value, json};

use super::Facts;
use super::hands::{Done, Hands};
use super::local;
use super::payload::digest;
use crate::clients::s3_download::Fetched;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::local_file::{LocalFile, is_md5};

/// Of a file's name, so many letters stand in that of its download: with all the rest it is no longer than a name may be.
const LONGEST_NAME: usize = 50;

/// Downloads an object, if it still is what it was.
pub(super) async fn perform(
    hands: &Hands,
    from: &ObjectRef,
    was: &Facts,
    path: &Path,
) -> Result<Done> {
    let growing = Growing::beside(path, from, was)?;
    let sha256 = growing.fill(hands, from, was).await?;
    growing.take_place(path)?;
    Ok(Done {
        value: value(from, was, path),
        after: Facts::File { sha256 },
        ..Done::default()
    })
}

/// What a download gives back.
pub(super) fn value(from: &ObjectRef, was: &Facts, path: &Path) -> Value {
    json!({"path": path, "uri": from.to_string(), "size": was.size(), "etag": was.etag()})
}

/// Bytes of an object, in order.
pub(super) type Pieces = BoxStream<'static, Result<Bytes>>;

/// An object that is still what it was, piece by piece, with its progress told.
pub(super) fn pieces(hands: &Hands, at: &ObjectRef, was: &Facts) -> Result<Pieces> {
    let missing = || Error::new(Kind::NotFound, format!("there is no {at}"));
    let size = was.size().ok_or_else(missing)?;
    let progress = hands.session().console().progress(&at.to_string(), size);
    let etag = was.etag().map(str::to_owned);
    let pieces = hands.s3()?.pieces(at.clone(), size, etag);
    let told = pieces.inspect(move |piece| {
        if let Ok(bytes) = piece {
            progress.add(bytes.len() as u64);
        }
    });
    Ok(told.boxed())
}

/// A file that is not whole.
struct Growing {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Growing {
    fn beside(path: &Path, from: &ObjectRef, was: &Facts) -> Result<Growing> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| Error::io("make", folder, &error))?;
        }
        let path = path.with_file_name(name_beside(path, from, was));
        let failed = |error| Error::io("write", &path, &error);
        // A link would lead elsewhere, and whoever knows the object can guess the name.
        let file = File::options()
            .create(true)
            .append(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(|error| {
                failed(error).hint("if something else has that name, move it out of the way")
            })?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() || metadata.nlink() != 1 {
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "{} is in the way: it is no file of a download",
                    path.display()
                ),
            )
            .hint("move it out of the way"));
        }
        if file.try_lock().is_err() {
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "{from} is being downloaded to {} by another process",
                    path.display()
                ),
            ));
        }
        let size = metadata.len();
        Ok(Growing { path, file, size })
    }

    /// Brings what is missing. Gives the digest of the whole.
    async fn fill(&self, hands: &Hands, from: &ObjectRef, was: &Facts) -> Result<String> {
        let Some(size) = was.size() else {
            return Err(Error::internal("an object without a size"));
        };
        let start = if self.size > size { 0 } else { self.size };
        let mut known = self.bring(hands, (from, was), start).await?;
        if known.is_none() && start > 0 {
            // What an earlier try left may be damaged where nobody can tell.
            known = self.bring(hands, (from, was), 0).await?;
        }
        if let Some(sha256) = known {
            return Ok(sha256);
        }
        // Of what the store encrypts, the ETag is no digest.
        let head = hands.s3()?.head(&from.bucket, &from.key).await?;
        if !head["encryption"].is_null()
            && self.file.metadata().is_ok_and(|file| file.len() == size)
        {
            let read = local::digests(&self.path).map_err(|error| self.failed(&error))?;
            return Ok(read.sha256);
        }
        let _ = fs::remove_file(&self.path);
        Err(Error::new(
            Kind::Protocol,
            format!("what came of {from} is not what its ETag says"),
        )
        .hint("download it again: nothing of it was kept"))
    }

    /// Brings the bytes from a place on. Gives the digest of the whole, or nothing where it is not known to be the object.
    async fn bring(
        &self,
        hands: &Hands,
        (from, was): (&ObjectRef, &Facts),
        start: u64,
    ) -> Result<Option<String>> {
        let (s3, session) = (hands.s3()?, hands.session());
        let size = was.size().unwrap_or(0);
        self.file
            .set_len(start)
            .map_err(|error| self.failed(&error))?;
        let progress = session.console().progress(&from.to_string(), size);
        progress.add(start);
        let object = Fetched {
            at: from,
            size,
            etag: was.etag(),
        };
        let filling = s3.fetch(object, start, |bytes| {
            progress.add(bytes.len() as u64);
            (&self.file)
                .write_all(bytes)
                .map_err(|error| self.failed(&error))
        });
        let filled = session.stoppable(filling).await;
        let filled =
            filled.and_then(|()| self.file.sync_all().map_err(|error| self.failed(&error)));
        filled.map_err(|error| self.to_be_continued(error))?;
        self.known(was, start).await
    }

    /// An error that says how it goes on. What came of an object that is another by now is of no use.
    fn to_be_continued(&self, error: Error) -> Error {
        if error.kind() == Kind::Conflict {
            let _ = fs::remove_file(&self.path);
            return error;
        }
        error.hint(format!(
            "what came so far is kept in {}: the same command again goes on from there",
            self.path.display()
        ))
    }

    /// The digest of the whole, where it is the object: as its ETag tells, or, where that tells nothing, as it all came just
    /// now.
    async fn known(&self, was: &Facts, start: u64) -> Result<Option<String>> {
        let (path, was) = (self.path.clone(), was.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let read = local::digests(&path).map_err(|error| Error::io("read", &path, &error))?;
            let is_whole = was.size() == Some(read.size);
            let etag = was.etag().unwrap_or_default();
            let is_known = match etag.contains('-') {
                true if start > 0 => LocalFile::look(&path)?.is_object(read.size, etag)?,
                false if is_md5(etag) => etag == read.md5,
                // It tells nothing: what came just now is whole, what an earlier try left is not known to be.
                _ => start == 0,
            };
            Ok((is_whole && is_known).then_some(read.sha256))
        });
        let read = reading.await;
        read.unwrap_or_else(|_| Err(Error::internal("a digest that was not made")))
    }

    /// Takes its place, where no other file is.
    fn take_place(&self, path: &Path) -> Result<()> {
        match fs::hard_link(&self.path, path) {
            Ok(()) => {
                let _ = fs::remove_file(&self.path);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => local::refuse_existing(
                path,
                &Facts::File {
                    sha256: String::new(),
                },
            ),
            // Not every file system has links.
            Err(_) if !path.exists() => {
                fs::rename(&self.path, path).map_err(|error| Error::io("write", path, &error))
            }
            Err(error) => Err(Error::io("write", path, &error)),
        }
    }

    fn failed(&self, error: &io::Error) -> Error {
        Error::io("write", &self.path, error)
    }
}

/// The name under which a download grows. Of another object, or of what the object was before, it is another.
fn name_beside(path: &Path, from: &ObjectRef, was: &Facts) -> String {
    let known = digest(format!("{from} {:?} {:?}", was.etag(), was.size()).as_bytes());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().take(LONGEST_NAME).collect();
    format!(".{name}.{}.part", &known[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_grows_beside_its_place_under_a_name_that_every_file_system_takes() {
        let at = ObjectRef {
            bucket: "b".to_owned(),
            key: "k".to_owned(),
        };
        let facts = |etag: &str| Facts::Object {
            size: 1,
            etag: Some(etag.to_owned()),
            modified: None,
            version: None,
        };
        let long = "ä".repeat(127);
        let name = name_beside(&Path::new("/x").join(&long), &at, &facts("e"));
        assert!(name.len() <= 255 && name.starts_with(".ää"), "{name}");
        assert_ne!(
            name,
            name_beside(&Path::new("/x").join(&long), &at, &facts("f"))
        );
    }
}
