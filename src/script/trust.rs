//! Trust in a working folder's `.dashi/scripts`: given by `dashictl trust`, by the hash of every file. A cloned
//! repository must not run with production's keys, and a pulled change must be looked at again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::library::{LOCAL_FOLDER, files};
use crate::config::Environment;
use crate::error::{Error, Result};

/// The trusted folders: by absolute path, each file's path below it and its SHA-256.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Register(BTreeMap<PathBuf, BTreeMap<PathBuf, String>>);

/// What is known of a folder.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no such folder, or nothing in it.
    Absent,
    /// Every file is as it was trusted.
    Trusted,
    /// It is not trusted, or not any more; the sentence says why and what to do.
    Refused(String),
}

/// Whether the scripts of a folder may be commands.
#[must_use]
pub fn check(environment: &Environment, folder: &Path) -> Verdict {
    let Ok(absolute) = folder.canonicalize() else {
        return Verdict::Absent;
    };
    let Ok(now) = hashes(&absolute) else {
        return Verdict::Absent;
    };
    if now.is_empty() {
        return Verdict::Absent;
    }
    let shown = folder.display();
    let register = read(environment).unwrap_or_default();
    let Some(trusted) = register.0.get(&absolute) else {
        return Verdict::Refused(format!(
            "{} script(s) in {shown} are not commands: look at them, then `dashictl trust .`",
            now.len()
        ));
    };
    if *trusted == now {
        return Verdict::Trusted;
    }
    let changed = now
        .iter()
        .find(|(path, hash)| trusted.get(*path) != Some(*hash))
        .map(|(path, _)| path);
    let changed = changed.or_else(|| trusted.keys().find(|path| !now.contains_key(*path)));
    let changed = changed
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    Verdict::Refused(format!(
        "the scripts in {shown} are not commands any more: {changed} has changed since they were trusted; look at it, \
         then `dashictl trust .`"
    ))
}

/// Trusts the scripts of a working folder as they are now. Gives back which.
pub fn add(environment: &Environment, folder: &Path) -> Result<Vec<PathBuf>> {
    let scripts = folder.join(LOCAL_FOLDER);
    let absolute = scripts
        .canonicalize()
        .map_err(|error| Error::io("find", &scripts, &error))?;
    let now = hashes(&absolute)?;
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

fn hashes(folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let hash = |path: PathBuf| {
        let bytes = fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
        let relative = path.strip_prefix(folder).unwrap_or(&path).to_path_buf();
        Ok((relative, hex::encode(Sha256::digest(&bytes))))
    };
    files(folder).into_iter().map(hash).collect()
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
