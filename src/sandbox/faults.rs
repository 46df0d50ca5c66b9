//! What is to go wrong at the services of one sandbox: kept beside its state, so that every program that serves it obeys.
//!
//! Which request meets which fault is decided here. How it goes wrong on the wire is `faulty`.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The services that a fault can be of.
pub const SERVICES: [&str; 7] = [
    "stac", "s3", "prefect", "loki", "ingest", "identity", "iceberg",
];

/// The file of the faults. There is none where nothing goes wrong, which is all that a request looks at then.
pub(crate) const FILE: &str = "sandbox-faults";

/// Something that goes wrong at a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// One of [`SERVICES`].
    pub service: String,
    /// Of requests with this method alone.
    pub method: Option<String>,
    /// Of requests whose path and query contain this.
    pub path: Option<String>,
    /// Only after so many of them.
    pub after: u64,
    /// So often; for ever where there is no number.
    pub times: Option<u64>,
    /// The request is not done, and answered with this status.
    pub status: Option<u16>,
    /// What such an answer says, instead of what the service would; without a status it is 200.
    pub body: Option<String>,
    /// So many milliseconds pass before anything happens.
    pub delay: Option<u64>,
    /// The request is taken and never answered.
    pub silent: bool,
    /// The request is done, and its answer breaks off after so many bytes of the body.
    pub cut: Option<u64>,
    /// How many requests were of this kind.
    #[serde(default)]
    pub seen: u64,
    /// How many of them it went wrong for.
    #[serde(default)]
    pub hits: u64,
}

impl Fault {
    /// Whether nothing would go wrong.
    #[must_use]
    pub fn does_nothing(&self) -> bool {
        let makes = self.status.is_some() || self.body.is_some();
        !(makes || self.silent || self.delay.is_some() || self.cut.is_some())
    }

    fn is_of(&self, service: &str, method: &str, path: &str) -> bool {
        self.service == service
            && self
                .method
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|part| path.contains(part))
    }

    /// Counts a request of its kind. Gives whether it goes wrong.
    fn strikes(&mut self) -> bool {
        self.seen += 1;
        let strikes = self.seen > self.after && self.times.is_none_or(|times| self.hits < times);
        self.hits += u64::from(strikes);
        strikes
    }
}

/// The faults of one sandbox.
#[derive(Debug, Clone)]
pub struct Faults {
    file: PathBuf,
}

impl Faults {
    /// Those of the sandbox whose state is in this folder.
    #[must_use]
    pub fn of(dir: &Path) -> Faults {
        Faults {
            file: dir.join(FILE),
        }
    }

    /// Whether there may be any.
    pub(crate) fn are_there(&self) -> bool {
        self.file.exists()
    }

    /// Adds one behind those that are there: the first that strikes counts.
    pub fn add(&self, fault: Fault) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).map_err(|error| self.failed(&error))?;
        }
        let create = || {
            OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&self.file)
        };
        let file = create().map_err(|error| self.failed(&error))?;
        self.change(file, |faults| faults.push(fault))
    }

    /// All that were added, with what they have met.
    pub fn all(&self) -> Result<Vec<Fault>> {
        let mut all = Vec::new();
        if let Some(file) = self.open()? {
            self.change(file, |faults| all.clone_from(faults))?;
        }
        Ok(all)
    }

    /// Takes all away.
    pub fn clear(&self) -> Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.failed(&error)),
            _ => Ok(()),
        }
    }

    /// The fault that a request meets, if it meets one.
    pub(crate) fn meet(&self, service: &str, method: &str, path: &str) -> Result<Option<Fault>> {
        let mut met = None;
        let Some(file) = self.open()? else {
            return Ok(None);
        };
        self.change(file, |faults| {
            let mut of_its_kind = faults
                .iter_mut()
                .filter(|fault| fault.is_of(service, method, path));
            met = of_its_kind.find_map(|fault| fault.strikes().then(|| fault.clone()));
        })?;
        Ok(met)
    }

    fn open(&self) -> Result<Option<File>> {
        match OpenOptions::new().read(true).write(true).open(&self.file) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Changes what is in the file, while nobody else does.
    fn change(&self, mut file: File, change: impl FnOnce(&mut Vec<Fault>)) -> Result<()> {
        let work = || -> std::io::Result<()> {
            file.lock()?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            let mut faults: Vec<Fault> = serde_json::from_str(&text).unwrap_or_default();
            let before = faults.clone();
            change(&mut faults);
            if faults != before {
                file.rewind()?;
                file.set_len(0)?;
                file.write_all(serde_json::to_string(&faults)?.as_bytes())?;
            }
            Ok(())
        };
        work().map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        Error::io("write", &self.file, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_so_often_after_so_many_requests_of_its_kind() {
        let dir = tempfile::tempdir().unwrap();
        let faults = Faults::of(dir.path());
        assert!(!faults.are_there());
        let fault = Fault {
            service: "stac".to_owned(),
            method: Some("post".to_owned()),
            path: Some("/search".to_owned()),
            after: 1,
            times: Some(2),
            status: Some(503),
            ..Fault::default()
        };
        faults.add(fault).unwrap();
        let meets = |method, path| faults.meet("stac", method, path).unwrap().is_some();
        assert!(!meets("GET", "/search") && !meets("POST", "/collections"));
        let met: Vec<bool> = (0..4).map(|_| meets("POST", "/search?limit=1")).collect();
        assert_eq!(met, [false, true, true, false]);
        let known = faults.all().unwrap();
        assert_eq!((known[0].seen, known[0].hits), (4, 2));
        faults.clear().unwrap();
        assert!(!faults.are_there() && faults.all().unwrap().is_empty());
    }
}
