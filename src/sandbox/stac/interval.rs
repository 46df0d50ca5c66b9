//! The `datetime` of a search: an instant, or an interval that may be open at one end.
//!
//! Reading it belongs here, with the server's words for what cannot be read.

use super::answer::Refusal;
use crate::sandbox::clock;

/// An interval in microseconds since 1970, both ends belonging to it; an open end is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    /// The first instant.
    pub(crate) from: Option<i64>,
    /// The last instant.
    pub(crate) to: Option<i64>,
}

impl Interval {
    /// Reads `2026-04-27T00:00:00Z`, `a/b`, `a/..` and `../b`; an empty end is an open one.
    pub(crate) fn parse(text: &str) -> Result<Interval, Refusal> {
        let refuse = |detail: &str| Err(Refusal::Detail(detail.to_owned()));
        if text.is_empty() {
            return refuse("Empty interval string is invalid.");
        }
        let ends: Vec<&str> = text.split('/').collect();
        let interval = match ends[..] {
            [instant] => {
                let at = end(instant)?;
                Interval { from: at, to: at }
            }
            [from, to] => Interval {
                from: end(from)?,
                to: end(to)?,
            },
            _ => return refuse("Interval string contains more than one forward slash."),
        };
        match (interval.from, interval.to) {
            (None, None) => refuse("Double open-ended intervals are not allowed."),
            (Some(from), Some(to)) if from > to => {
                refuse("Start datetime cannot be before end datetime.")
            }
            _ => Ok(interval),
        }
    }
}

fn end(text: &str) -> Result<Option<i64>, Refusal> {
    if text.is_empty() || text == ".." {
        return Ok(None);
    }
    clock::parse(text)
        .map(Some)
        .ok_or_else(|| Refusal::Detail("Invalid RFC3339 datetime.".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_may_be_open_at_one_end() {
        let read =
            |text| Interval::parse(text).map(|read| (read.from.is_some(), read.to.is_some()));
        let shapes = [
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z/..",
            "../2026-01-01T00:00:00Z",
        ]
        .map(|text| read(text).ok());
        assert_eq!(
            shapes,
            [Some((true, true)), Some((true, false)), Some((false, true))]
        );
        assert!(read("../..").is_err() && read("a/b/c").is_err() && read("soon").is_err());
    }
}
