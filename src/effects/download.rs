//! An object that becomes a local file. It grows beside its place, under a name that tells which object it is of, so that
//! the next try goes on from there; it takes its place when it is whole, and no other file's.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use futures::StreamExt;
use serde_json::{Value, json};

use super::Facts;
use super::hands::{Done, Hands};
use super::local;
use super::payload::digest;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;

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
        // Of another object, or of what the object was before, it is another file.
        let known = digest(format!("{from} {:?} {:?}", was.etag(), was.size()).as_bytes());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let path = path.with_file_name(format!(".{name}.{}.part", &known[..12]));
        let failed = |error| Error::io("write", &path, &error);
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(failed)?;
        if file.try_lock().is_err() {
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "{from} is being downloaded to {} by another process",
                    path.display()
                ),
            ));
        }
        let size = file.metadata().map_err(failed)?.len();
        Ok(Growing { path, file, size })
    }

    /// Brings what is missing. Gives the digest of the whole.
    async fn fill(&self, hands: &Hands, from: &ObjectRef, was: &Facts) -> Result<String> {
        let (s3, session) = (hands.s3()?, hands.session());
        let size = was.size().unwrap_or(0);
        if self.size > size {
            self.file.set_len(0).map_err(|error| self.failed(&error))?;
        }
        let start = if self.size > size { 0 } else { self.size };
        let progress = session.console().progress(&from.to_string(), size);
        progress.add(start);
        let mut bytes = s3.bytes_from(from, (size, was.etag()), start);
        let filling = async {
            while let Some(some) = bytes.next().await {
                let some = some?;
                (&self.file)
                    .write_all(&some)
                    .map_err(|error| self.failed(&error))?;
                progress.add(some.len() as u64);
            }
            self.file.sync_all().map_err(|error| self.failed(&error))
        };
        let filled = tokio::select! {
            biased;
            () = session.interrupt().stopped() => Err(Error::interrupted()),
            filled = filling => filled,
        };
        filled.map_err(|error| match error.kind() {
            Kind::Conflict => error,
            _ => error.hint(format!(
                "what came so far is kept in {}: the same command again goes on from there",
                self.path.display()
            )),
        })?;
        self.check(from, was).await
    }

    /// The digest of the whole, which is the object where its ETag tells.
    async fn check(&self, from: &ObjectRef, was: &Facts) -> Result<String> {
        let path = self.path.clone();
        let reading = tokio::task::spawn_blocking(move || local::digests(&path)).await;
        let read = reading.map_err(|_| Error::internal("a digest that was not made"))?;
        let read = read.map_err(|error| self.failed(&error))?;
        let is_plain =
            |etag: &&str| etag.len() == 32 && etag.bytes().all(|b| b.is_ascii_hexdigit());
        let is_other = was
            .etag()
            .filter(is_plain)
            .is_some_and(|etag| etag != read.md5);
        if was.size() == Some(read.size) && !is_other {
            return Ok(read.sha256);
        }
        let _ = fs::remove_file(&self.path);
        Err(Error::new(
            Kind::Protocol,
            format!("what came of {from} is not what its ETag says"),
        )
        .hint("download it again: nothing of it was kept"))
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
