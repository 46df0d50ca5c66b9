//! Files of the program's own (configuration, trust, caches, what `fs::write` writes): written whole or not at all, read
//! only where they are files and of a size that makes sense.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Writes beside the file, then takes its place: a reader never sees half of it. Folders on the way are made.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_unless(path, bytes, || Ok(false)).map(drop)
}

/// The same, if the file is still what it was: whether it was replaced. It must be there.
pub fn replace_if(path: &Path, bytes: &[u8], was: &[u8]) -> Result<bool> {
    replace_unless(path, bytes, || Ok(fs::read(path)? != was))
}

/// Writes beside the file; then takes its place unless this says otherwise.
fn replace_unless(
    path: &Path,
    bytes: &[u8],
    is_other: impl FnOnce() -> std::io::Result<bool>,
) -> Result<bool> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| Error::io("make", folder, &error))?;
    }
    let beside = beside(path);
    let replaced = File::create(&beside)
        .and_then(|mut file| {
            // Who may read the old file may read the new one, and nobody else.
            if let Ok(old) = fs::metadata(path) {
                file.set_permissions(old.permissions())?;
                give(&beside, &old)?;
            }
            file.write_all(bytes).and_then(|()| file.sync_all())
        })
        .and_then(|()| is_other())
        .and_then(|is_other| {
            if is_other {
                return Ok(false);
            }
            fs::rename(&beside, path).map(|()| true)
        });
    if !matches!(replaced, Ok(true)) {
        let _ = fs::remove_file(&beside);
    }
    replaced.map_err(|error| Error::io("write", path, &error))
}

/// Gives a file to whom another belongs.
fn give(path: &Path, old: &fs::Metadata) -> std::io::Result<()> {
    let new = fs::metadata(path)?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(path, Some(old.uid()), Some(old.gid())).map_err(|error| {
        let why = "it belongs to somebody else, and would not any more: run this as its owner";
        std::io::Error::new(error.kind(), format!("{why} ({error})"))
    })
}

/// A name beside a file that no other writer uses.
fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(
        ".{}-{}.new",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    PathBuf::from(beside)
}

/// The bytes of a file, which must be one (a pipe would hang, a device never end) and no larger than `limit`.
pub fn read(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    // Looked at before it is opened: opening a pipe waits for a writer.
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(std::io::Error::other(format!(
            "it is larger than {limit} bytes"
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_has_become_another_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "theirs").unwrap();
        assert!(!replace_if(&path, b"mine", b"before").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        assert!(replace_if(&path, b"mine", b"theirs").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
