//! Instants as the sandbox keeps them (microseconds since 1970) and as its services write them.
//!
//! Parsing what clients send and printing what they get belongs here; what an instant means belongs to each service.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// One second in microseconds.
pub(crate) const SECOND: i64 = 1_000_000;
/// One hour in microseconds.
pub(crate) const HOUR: i64 = 3600 * SECOND;
/// One day in microseconds.
pub(crate) const DAY: i64 = 24 * HOUR;

/// This moment, in microseconds since 1970.
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
