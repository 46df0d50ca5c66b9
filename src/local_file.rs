//! A local file that is sent to the lake: which one it is, whether it is still that, the digests of its ranges. The
//! program's own files are `file`'s; who may name which path is `modules::paths`'s business.

use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// Read at a time for a digest.
const CHUNK: usize = 1 << 18;
/// The sizes of parts, in MiB, that programs use by themselves.
const USUAL_PARTS: [u64; 12] = [5, 8, 10, 15, 16, 20, 32, 50, 64, 100, 128, 512];

/// A file as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalFile {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Timestamp,
    /// What tells it from another of the same size and time, while the program runs.
    #[serde(skip)]
    identity: Option<Identity>,
}

/// Which file it is, among those that have its path one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inode {
    device: u64,
    inode: u64,
}

/// The inode of a file, and when that was last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl LocalFile {
    /// The file of that path. What is no file (a folder, a pipe, a device) is an error.
    pub fn look(path: &Path) -> Result<LocalFile> {
        let metadata = std::fs::metadata(path).map_err(|error| Error::io("read", path, &error))?;
        LocalFile::of(path, &metadata)
    }

    /// The same, of what is known of it.
    pub fn of(path: &Path, metadata: &Metadata) -> Result<LocalFile> {
        if !metadata.is_file() {
            let what = if metadata.is_dir() {
                "a folder"
            } else {
                "no file"
            };
            return Err(Error::new(
                Kind::Invalid,
                format!("{} is {what}", path.display()),
            ));
        }
        let modified = metadata.modified().and_then(|time| {
            Timestamp::try_from(time).map_err(|error| std::io::Error::other(error.to_string()))
        });
        Ok(LocalFile {
            path: path.to_owned(),
            size: metadata.len(),
            modified: modified.map_err(|error| Error::io("read", path, &error))?,
            identity: Some(Identity::of(metadata)),
        })
    }

    /// Which file it is; none where it was not looked at by this program.
    #[must_use]
    pub fn inode(&self) -> Option<Inode> {
        let identity = self.identity?;
        Some(Inode {
            device: identity.device,
            inode: identity.inode,
        })
    }

    /// Fails where it is not what it was any more.
    pub fn check(&self) -> Result<()> {
        let now = LocalFile::look(&self.path)?;
        let is_known = self.identity.is_none() || self.identity == now.identity;
        if is_known && (self.size, self.modified) == (now.size, now.modified) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Conflict,
            format!("{} was written while it was read", self.path.display()),
        )
        .hint("nothing of it was kept; upload it when nobody writes it any more"))
    }

    /// The MD5 of a range of its bytes. Blocks while it reads.
    pub fn md5(&self, range: Range<u64>) -> Result<[u8; 16]> {
        let failed = |error| Error::io("read", &self.path, &error);
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        let mut digest = Md5::new();
        read_through(file.take(range.end - range.start), |bytes| {
            digest.update(bytes);
        })
        .map_err(failed)?;
        Ok(digest.finalize().into())
    }

    /// The ETag of an object with its bytes, uploaded in parts of that size or at once: the MD5 of them, or that of the
    /// parts' MD5s and how many there are. Blocks while it reads.
    pub fn etag(&self, part_size: u64) -> Result<String> {
        if self.size <= part_size {
            return Ok(hex::encode(self.md5(0..self.size)?));
        }
        self.etag_of_parts(part_size)
    }

    fn etag_of_parts(&self, part_size: u64) -> Result<String> {
        let digests = parts(self.size, part_size).map(|range| self.md5(range));
        Ok(etag_of_parts(&digests.collect::<Result<Vec<_>>>()?))
    }

    /// Whether an object of this size and ETag has this file's bytes, as far as can be told: an ETag of parts tells where
    /// they have a size that programs use. Blocks while it reads.
    pub fn is_object(&self, size: u64, etag: &str) -> Result<bool> {
        if self.size != size {
            return Ok(false);
        }
        let Some((_, count)) = etag.split_once('-') else {
            return Ok(self.etag(u64::MAX)? == etag);
        };
        let sizes = USUAL_PARTS.map(|size| size << 20).into_iter();
        for part in sizes.filter(|part| size.div_ceil(*part).to_string() == count) {
            if self.etag_of_parts(part)? == etag {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Shows all bytes of a file, some at a time.
pub(crate) fn read_through(
    mut file: impl Read,
    mut each: impl FnMut(&[u8]),
) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(()),
            read => each(&chunk[..read]),
        }
    }
}

/// The ranges of the parts of so many bytes.
#[must_use]
pub fn parts(size: u64, part_size: u64) -> impl ExactSizeIterator<Item = Range<u64>> + use<> {
    let count = usize::try_from(size.div_ceil(part_size)).unwrap_or(usize::MAX);
    (0..count).map(move |at| {
        let start = at as u64 * part_size;
        start..(start + part_size).min(size)
    })
}

/// The ETag of an object that was uploaded in parts with these MD5s.
#[must_use]
pub fn etag_of_parts(digests: &[[u8; 16]]) -> String {
    let whole: [u8; 16] = Md5::digest(digests.concat()).into();
    format!("{}-{}", hex::encode(whole), digests.len())
}

/// Whether an ETag is one that tells: the MD5 of the bytes, or that of parts.
#[must_use]
pub fn tells(etag: &str) -> bool {
    is_md5(etag.split_once('-').map_or(etag, |(digest, _)| digest))
}

/// Whether an ETag is an MD5, as far as its form tells.
#[must_use]
pub fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|letter| letter.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_etag_of_digests_tells() {
        let digest = "0cc175b9c0f1b6a831c399e269772661";
        assert!(tells(digest) && tells(&format!("{digest}-38")));
        assert!(!tells("93c562174b3e71fbf1101dc670c8c031793a1704"));
    }

    fn file(bytes: &[u8]) -> (tempfile::TempDir, LocalFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        std::fs::write(&path, bytes).unwrap();
        let file = LocalFile::look(&path).unwrap();
        (folder, file)
    }

    #[test]
    fn parts_cover_a_file_once() {
        let of = |size, part| parts(size, part).collect::<Vec<_>>();
        assert_eq!(of(10, 4), [0..4, 4..8, 8..10]);
        assert_eq!(of(8, 4), [0..4, 4..8]);
        assert_eq!(of(0, 4), []);
    }

    #[test]
    fn the_etag_is_that_of_the_bytes_or_of_the_parts() {
        let (_folder, file) = file(b"abcdef");
        let md5 = |bytes: &[u8]| -> [u8; 16] { Md5::digest(bytes).into() };
        assert_eq!(file.etag(6).unwrap(), hex::encode(md5(b"abcdef")));
        let parts = [md5(b"abcd"), md5(b"ef")];
        assert_eq!(file.etag(4).unwrap(), etag_of_parts(&parts));
        assert!(file.etag(4).unwrap().ends_with("-2"));
    }

    #[test]
    fn an_object_is_known_by_its_etag_also_where_it_was_uploaded_in_parts() {
        let (_folder, file) = file(&vec![7; (5 << 20) + 1]);
        let is = |etag: &str| file.is_object(file.size, etag).unwrap();
        assert!(is(&file.etag(u64::MAX).unwrap()));
        assert!(is(&file.etag(5 << 20).unwrap()));
        assert!(!is(&file.etag(3 << 20).unwrap()), "nobody can tell");
        assert!(!is("0123456789abcdef0123456789abcdef"));
        assert!(!file.is_object(1, &file.etag(u64::MAX).unwrap()).unwrap());
    }

    #[test]
    fn a_file_that_is_written_is_another_and_a_folder_is_none() {
        let (folder, file) = file(b"abc");
        assert!(file.check().is_ok());
        std::fs::write(&file.path, b"abcd").unwrap();
        assert_eq!(file.check().unwrap_err().kind(), Kind::Conflict);
        assert!(LocalFile::look(folder.path()).is_err());
        assert!(LocalFile::look(&folder.path().join("none")).is_err());
    }
}
