//! The files that hold objects' bytes: receiving one from a client, sending one, burying those nobody refers to.
//!
//! A blob is written to `incoming/`, moved to `objects/` when it is whole, and named by a row in the transaction after.
//! It never changes. Whoever is killed in between leaves a file that costs its bytes and nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use md5::{Digest, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::dto::StreamingBlob;
use s3s::{S3ErrorCode, s3_error};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use super::failure::{Answer, named};
use super::version::Segment;
use crate::sandbox::sql;
use crate::sandbox::state::State;

/// How much is read from a file at once.
const CHUNK: usize = 256 << 10;
/// So many files of one object are opened before its bytes are sent; they stay readable when the object is replaced.
const OPEN_AHEAD: usize = 32;

/// Bytes that arrived and that no row names yet. Dropped without [`Received::keep`], the file is removed.
#[derive(Debug)]
pub(crate) struct Received {
    /// The blob's name.
    pub(crate) blob: String,
    /// Bytes.
    pub(crate) size: i64,
    /// Their MD5.
    pub(crate) md5: [u8; 16],
    path: Option<PathBuf>,
}

impl Received {
    /// The bytes as the segments of an object; none for an empty one.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        let segment = Segment {
            blob: self.blob.clone(),
            size: self.size,
        };
        Vec::from_iter((self.size > 0).then_some(segment))
    }

    /// The MD5 as an ETag.
    pub(crate) fn etag(&self) -> String {
        hex::encode(self.md5)
    }

    /// Moves the file to where rows look for it. Call before the transaction that names it.
    pub(crate) async fn settle(&mut self, state: &State) -> Answer<()> {
        if self.size == 0 {
            return Ok(());
        }
        if let Some(path) = &mut self.path {
            let place = state.blob(&self.blob);
            tokio::fs::rename(&*path, &place).await?;
            *path = place;
        }
        Ok(())
    }

    /// The rows name it now: the file stays.
    pub(crate) fn keep(mut self) {
        if self.size > 0 {
            self.path = None;
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Takes a body in, hashing as it comes. `expected` is the length the client announced.
pub(crate) async fn receive(
    state: &State,
    body: Option<StreamingBlob>,
    expected: Option<i64>,
    checksums: &mut ChecksumHasher,
) -> Answer<Received> {
    let blob = uuid::Uuid::new_v4().simple().to_string();
    let path = state.incoming().join(&blob);
    let mut file = File::create(&path).await?;
    let mut received = Received {
        blob,
        size: 0,
        md5: [0; 16],
        path: Some(path),
    };
    let mut md5 = Md5::new();
    if let Some(mut body) = body {
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| s3_error!(IncompleteBody, "{error}"))?;
            md5.update(&chunk);
            checksums.update(&chunk);
            file.write_all(&chunk).await?;
            received.size += i64::try_from(chunk.len()).unwrap_or(i64::MAX);
        }
    }
    file.flush().await?;
    received.md5 = md5.finalize().into();
    if expected.is_some_and(|expected| expected != received.size) {
        return Err(named(
            S3ErrorCode::IncompleteBody,
            "You did not provide the number of bytes specified by the Content-Length HTTP header",
        ));
    }
    Ok(received)
}

/// Sends `length` bytes from `start` on.
pub(crate) async fn send(
    state: &Arc<State>,
    segments: Vec<Segment>,
    start: u64,
    length: u64,
) -> Answer<StreamingBlob> {
    let mut parts = Vec::new();
    for part in cut(&segments, start, length) {
        let path = state.blob(&part.blob);
        let file = if parts.len() < OPEN_AHEAD {
            Some(File::open(&path).await?)
        } else {
            None
        };
        parts.push((path, file, part));
    }
    let bytes = futures::stream::iter(parts)
        .then(|(path, file, part)| async move {
            let mut file = match file {
                Some(file) => file,
                None => File::open(path).await?,
            };
            if part.start > 0 {
                file.seek(std::io::SeekFrom::Start(part.start)).await?;
            }
            let bytes = ReaderStream::with_capacity(file.take(part.length), CHUNK);
            Ok::<_, std::io::Error>(bytes)
        })
        .try_flatten();
    Ok(StreamingBlob::wrap(bytes))
}

/// A run of bytes within one file.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    blob: String,
    start: u64,
    length: u64,
}

/// The parts of the files that make `length` bytes from `start` on.
fn cut(segments: &[Segment], start: u64, length: u64) -> Vec<Cut> {
    let mut parts = Vec::new();
    let (mut skip, mut left) = (start, length);
    for segment in segments {
        let size = u64::try_from(segment.size).unwrap_or(0);
        if skip >= size {
            skip -= size;
            continue;
        }
        if left == 0 {
            break;
        }
        let taken = left.min(size - skip);
        parts.push(Cut {
            blob: segment.blob.clone(),
            start: skip,
            length: taken,
        });
        left -= taken;
        skip = 0;
    }
    parts
}

/// Removes the files of blobs that nothing refers to any more.
pub(crate) async fn bury(state: &Arc<State>) -> Answer<()> {
    let dead: Vec<String> = state
        .read(|database| {
            let query = "SELECT blob FROM grave LIMIT 10000";
            sql::select(database, query, [], |row| row.get(0))
        })
        .await?;
    if dead.is_empty() {
        return Ok(());
    }
    let graves = state.clone();
    state
        .write(move |database| -> Answer<()> {
            for blob in &dead {
                // A row may have come to refer to it since it was read above.
                let buried = database
                    .prepare_cached("DELETE FROM grave WHERE blob = ?1")?
                    .execute([blob])?;
                if buried == 1 {
                    let _ = std::fs::remove_file(graves.blob(blob));
                }
            }
            Ok(())
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(blob: &str, size: i64) -> Segment {
        Segment {
            blob: blob.to_owned(),
            size,
        }
    }

    #[test]
    fn a_range_is_cut_across_segments() {
        let segments = [segment("a", 10), segment("b", 5), segment("c", 20)];
        let parts: Vec<(String, u64, u64)> = cut(&segments, 8, 12)
            .into_iter()
            .map(|part| (part.blob, part.start, part.length))
            .collect();
        let expected = [("a", 8, 2), ("b", 0, 5), ("c", 0, 5)]
            .map(|(blob, start, length)| (blob.to_owned(), start, length));
        assert_eq!(parts, expected);
        assert!(cut(&segments, 3, 0).is_empty());
    }
}
