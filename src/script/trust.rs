//! Trust in a working folder's `.dashi/scripts`: given by `dashictl trust`, by the hash of every file. A cloned
//! repository must not run with production's keys, and a pulled change must be looked at again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Environment;
use crate::error::{Error, Kind, Result};

/// The folder with the scripts of a project.
pub const LOCAL_FOLDER: &str = ".dashi/scripts";

/// The trusted folders: by absolute path, each file's path below it and its SHA-256.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Register(BTreeMap<PathBuf, BTreeMap<PathBuf, String>>);

/// What is known of a folder.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no such folder, or nothing in it.
    Absent,
    /// Every file is as it was trusted; here are their texts as they were hashed, by their paths below the folder.
    Trusted(BTreeMap<PathBuf, Vec<u8>>),
    /// It is not trusted, or not any more; the sentence says why and what to do.
    Refused(String),
}

/// Whether the scripts of a folder may be commands. A folder that nobody trusts is not read: who made it may have put
/// anything there.
#[must_use]
pub fn check(environment: &Environment, folder: &Path) -> Verdict {
    let Ok(absolute) = folder.canonicalize() else {
        return Verdict::Absent;
    };
    let shown = folder.display();
    let register = match read(environment) {
        Ok(register) => register,
        Err(error) => {
            return Verdict::Refused(format!("the scripts in {shown} are not commands: {error}"));
        }
    };
    let Some(trusted) = register.0.get(&absolute) else {
        return Verdict::Refused(format!(
            "the scripts in {shown} are not commands: look at them, then `dashictl trust .`"
        ));
    };
    let now = match contents(&absolute) {
        Ok(now) => now,
        Err(error) => {
            return Verdict::Refused(format!("the scripts in {shown} are not commands: {error}"));
        }
    };
    let hash = |path: &PathBuf| now.get(path).map(|bytes| hash(bytes));
    let changed = now
        .keys()
        .chain(trusted.keys())
        .find(|path| hash(path).as_ref() != trusted.get(*path));
    match changed {
        None => Verdict::Trusted(now),
        Some(changed) => Verdict::Refused(format!(
            "the scripts in {shown} are not commands any more: {} has changed since they were trusted; look at it, \
             then `dashictl trust .`",
            changed.display()
        )),
    }
}

/// The text of a file that a trusted script imports, if it is one of those that were trusted with it, as it was then.
pub fn imported(environment: &Environment, folder: &Path, file: &Path) -> Result<String> {
    let absolute = folder
        .canonicalize()
        .map_err(|error| Error::io("find", folder, &error))?;
    let bytes = fs::read(folder.join(file))
        .map_err(|error| Error::io("read", &folder.join(file), &error))?;
    let register = read(environment)?;
    if register
        .0
        .get(&absolute)
        .and_then(|trusted| trusted.get(file))
        != Some(&hash(&bytes))
    {
        let message = format!("{} is not as it was trusted", folder.join(file).display());
        return Err(
            Error::new(Kind::Forbidden, message).hint("look at it, then `dashictl trust .`")
        );
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::new(Kind::Invalid, format!("{} is not text", file.display())))
}

/// Trusts the scripts of a working folder as they are now. Gives back which.
pub fn add(environment: &Environment, folder: &Path) -> Result<Vec<PathBuf>> {
    let scripts = folder.join(LOCAL_FOLDER);
    let absolute = scripts
        .canonicalize()
        .map_err(|error| Error::io("find", &scripts, &error))?;
    let now: BTreeMap<PathBuf, String> = contents(&absolute)?
        .into_iter()
        .map(|(path, bytes)| (path, hash(&bytes)))
        .collect();
    if now.is_empty() {
        return Err(Error::usage(format!(
            "there are no scripts in {}",
            scripts.display()
        )));
    }
    let mut register = read(environment)?;
    let paths = now.keys().cloned().collect();
    register.0.insert(absolute, now);
    write(environment, &register)?;
    Ok(paths)
}

/// Takes trust in a working folder back. Says whether there was any.
pub fn remove(environment: &Environment, folder: &Path) -> Result<bool> {
    let scripts = folder.join(LOCAL_FOLDER);
    let absolute = scripts.canonicalize().unwrap_or(scripts);
    let mut register = read(environment)?;
    let was = register.0.remove(&absolute).is_some();
    write(environment, &register)?;
    Ok(was)
}

/// The trusted folders, and how many scripts each had.
pub fn list(environment: &Environment) -> Result<Vec<(PathBuf, usize)>> {
    Ok(read(environment)?
        .0
        .into_iter()
        .map(|(folder, scripts)| (folder, scripts.len()))
        .collect())
}

/// The contents of everything below a folder, hidden files too: whatever is there, a script may import. Links are refused,
/// since what they lead to can change unseen.
fn contents(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut contents = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(|error| Error::io("read", &next, &error))? {
            let path = entry
                .map_err(|error| Error::io("read", &next, &error))?
                .path();
            let kind = fs::symlink_metadata(&path)
                .map_err(|error| Error::io("read", &path, &error))?
                .file_type();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let bytes = fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
                contents.insert(
                    path.strip_prefix(folder).unwrap_or(&path).to_path_buf(),
                    bytes,
                );
            } else {
                let message = format!("{} is neither a file nor a folder", path.display());
                return Err(Error::new(Kind::Forbidden, message)
                    .hint("a folder of trusted scripts holds no links"));
            }
        }
    }
    Ok(contents)
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn file(environment: &Environment) -> Result<PathBuf> {
    Ok(environment.state_dir()?.join("trust.json"))
}

fn read(environment: &Environment) -> Result<Register> {
    let path = file(environment)?;
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            Error::config(format!("{} is damaged", path.display()))
                .cause(error.to_string())
                .hint("remove it, and trust your folders again")
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Register::default()),
        Err(error) => Err(Error::io("read", &path, &error)),
    }
}

fn write(environment: &Environment, register: &Register) -> Result<()> {
    let path = file(environment)?;
    let text =
        serde_json::to_vec_pretty(register).map_err(|error| Error::internal(error.to_string()))?;
    crate::file::replace(&path, &text)
}
