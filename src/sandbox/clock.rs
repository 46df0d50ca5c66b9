//! Instants as the sandbox keeps them (microseconds since 1970) and as its services write them, and the clock that they
//! come from.
//!
//! Parsing what clients send and printing what they get belongs here; what an instant means belongs to each service.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::file;

/// One second in microseconds.
pub(crate) const SECOND: i64 = 1_000_000;
/// One hour in microseconds.
pub(crate) const HOUR: i64 = 3600 * SECOND;
/// One day in microseconds.
pub(crate) const DAY: i64 = 24 * HOUR;

/// The file beside a lake's state that says at which moment its clock stands. The folder's owner knows its files by how
/// their names begin.
const FILE: &str = "sandbox-clock";
/// The file that is locked while somebody moves it.
const LOCK: &str = "sandbox-clock-lock";
/// Both, for who removes the state.
pub(crate) const FILES: [&str; 2] = [FILE, LOCK];

/// The clock of one sandbox: this machine's, unless it was told to stand. It is asked anew each time, because several
/// programs may run on one sandbox.
#[derive(Debug, Clone)]
pub struct Clock {
    file: PathBuf,
}

impl Clock {
    /// That of the sandbox whose state is in this folder.
    #[must_use]
    pub fn of(dir: &Path) -> Clock {
        Clock {
            file: dir.join(FILE),
        }
    }

    /// That of the sandbox whose database this is.
    pub(crate) fn beside(database: &Connection) -> Clock {
        Clock {
            file: Path::new(database.path().unwrap_or_default()).with_file_name(FILE),
        }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.stands_at().unwrap_or_else(Timestamp::now)
    }

    /// The same, in microseconds since 1970.
    pub(crate) fn micros(&self) -> i64 {
        self.now().as_microsecond()
    }

    /// The moment at which it stands; none where it runs with this machine's.
    #[must_use]
    pub fn stands_at(&self) -> Option<Timestamp> {
        fs::read_to_string(&self.file).ok()?.trim().parse().ok()
    }

    /// Lets it stand at a moment, or run with this machine's.
    pub fn set(&self, at: Option<Timestamp>) -> Result<()> {
        if let Some(at) = at {
            return file::replace(&self.file, at.to_string().as_bytes());
        }
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", &self.file, &error))
            }
            _ => Ok(()),
        }
    }

    /// Moves a clock that stands on by so much. Gives whether it does. What several ask for at once adds up.
    pub fn advance(&self, by: Duration) -> Result<bool> {
        if self.stands_at().is_none() {
            return Ok(false);
        }
        let failed = |error: std::io::Error| Error::io("lock", &self.file, &error);
        let lock = fs::File::create(self.file.with_file_name(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let Some(at) = self.stands_at() else {
            return Ok(false);
        };
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.set(Some(at.saturating_add(by).unwrap_or(Timestamp::MAX)))?;
        Ok(true)
    }
}

/// This moment by this machine's clock, in microseconds since 1970.
#[cfg(test)]
pub(crate) fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

/// An instant as Python's servers print it: UTC, six digits of a second or none at all.
pub(crate) fn rfc3339(micros: i64) -> String {
    let Ok(instant) = Timestamp::from_microsecond(micros) else {
        return String::new();
    };
    let format = if micros % SECOND == 0 {
        "%Y-%m-%dT%H:%M:%SZ"
    } else {
        "%Y-%m-%dT%H:%M:%S%.6fZ"
    };
    instant.strftime(format).to_string()
}

/// Reads RFC 3339, and as PostgreSQL does also a date-time without an offset (taken as UTC) and a plain date.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant.as_microsecond());
    }
    if crate::time::is_end_of_time(text) {
        return Some(Timestamp::MAX.as_microsecond());
    }
    let civil = text
        .parse::<DateTime>()
        .ok()
        .or_else(|| text.parse::<Date>().ok().map(|date| date.at(0, 0, 0, 0)))?;
    let instant = TimeZone::UTC.to_timestamp(civil).ok()?;
    Some(instant.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_printed_with_six_digits_or_none() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_500_000), "1970-01-01T00:00:01.500000Z");
    }

    #[test]
    fn offsets_civil_times_and_dates_are_read() {
        assert_eq!(
            parse("2026-04-27T02:00:00+02:00"),
            parse("2026-04-27T00:00:00Z")
        );
        assert_eq!(parse("2026-04-27T00:00:00"), parse("2026-04-27"));
        assert_eq!(parse("yesterday"), None);
    }
}
