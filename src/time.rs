//! Time expressions, one parser for every command and script: durations (`15m`, `1h30m`, `7d`) and moments
//! (`2026-04-27`, RFC 3339, `2h` meaning two hours ago, `now-2h`, `+1h`). Nothing here asks the clock: who calls
//! says what "now" is.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use crate::error::{Error, Result};

/// The letters of a date.
const DATE: usize = "2026-04-27".len();

/// The units of a duration in milliseconds, longest name first so that `ms` is not read as `m`.
const UNITS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// A duration such as `30s`, `1h30m`, `7d`, `2w`, `500ms`. A day is 24 hours.
pub fn duration(text: &str) -> Result<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong_duration(text));
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let unit = UNITS
            .iter()
            .find(|(name, _)| after.starts_with(name))
            .ok_or_else(|| wrong_duration(text))?;
        let part = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit.1));
        total = part
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| wrong_duration(text))?;
        rest = &after[unit.0.len()..];
    }
    Ok(Duration::from_millis(total))
}

fn wrong_duration(text: &str) -> Error {
    Error::usage(format!("'{text}' is not a duration"))
        .hint("write it like 30s, 15m, 1h30m, 7d or 2w")
}

/// A duration as people write it: the two largest units, as in `1h30m`.
#[must_use]
pub fn spell(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut spelt = String::new();
    let mut parts = 0;
    for (name, size) in UNITS.iter().rev().filter(|(name, _)| *name != "w") {
        let count = rest / size;
        if count > 0 && parts < 2 {
            spelt.push_str(&format!("{count}{name}"));
            rest %= size;
            parts += 1;
        }
    }
    if spelt.is_empty() {
        "0s".to_owned()
    } else {
        spelt
    }
}

/// A moment: a date (midnight UTC), an RFC 3339 timestamp, `now`, `now-2h`, `now+1h`, or a duration, which lies in
/// the past (`2h`, `-2h`) unless it has a plus sign.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp> {
    let text = text.trim();
    let is_plain = !text.contains('[');
    if let Some(timestamp) = text.parse::<Timestamp>().ok().filter(|_| is_plain) {
        return Ok(timestamp);
    }
    if is_end_of_time(text) && is_plain {
        return Ok(Timestamp::MAX);
    }
    if text.parse::<DateTime>().is_ok() && text.len() > DATE {
        return Err(Error::usage(format!("'{text}' is a time of no zone"))
            .hint("say which: 2026-04-27T08:00:00Z, or 2026-04-27T10:00:00+02:00"));
    }
    if let Ok(date) = text.parse::<Date>() {
        return date
            .to_zoned_datetime(TimeZone::UTC)
            .map(|zoned| zoned.timestamp())
            .map_err(|_| wrong_moment(text));
    }
    let offset = text.strip_prefix("now").unwrap_or(text).trim();
    if offset.is_empty() {
        return if text.is_empty() {
            Err(wrong_moment(text))
        } else {
            Ok(now)
        };
    }
    let (forward, length) = match offset.strip_prefix('+') {
        Some(length) => (true, length),
        None => (false, offset.strip_prefix('-').unwrap_or(offset)),
    };
    let length = duration(length)
        .ok()
        .and_then(|length| SignedDuration::try_from(length).ok());
    let length = length.ok_or_else(|| wrong_moment(text))?;
    let moment = if forward {
        now.checked_add(length)
    } else {
        now.checked_sub(length)
    };
    moment.map_err(|_| wrong_moment(text))
}

/// Whether a timestamp is of the last day that a date can have: catalogues write "for ever" so, and it lies behind the last moment
/// that a clock of any zone can show.
pub(crate) fn is_end_of_time(text: &str) -> bool {
    let has_zone = text.ends_with(['Z', 'z']) || text.rfind(['+', '-']).is_some_and(|at| at > DATE);
    text.starts_with("9999-12-3")
        && text.len() > DATE
        && has_zone
        && text
            .get(..DATE + 9)
            .is_some_and(|civil| civil.parse::<DateTime>().is_ok())
}

/// So many steps are no mistake.
const MOST_STEPS: usize = 100_000;

/// The moments from one on, so far apart, that come before another. A step is a duration, or months as in `1mo`, which
/// are as long as the calendar says (UTC).
pub fn steps(from: Timestamp, to: Timestamp, every: &str) -> Result<Vec<Timestamp>> {
    let step = span(every)?;
    let first = from.to_zoned_datetime(TimeZone::UTC);
    let mut all = Vec::new();
    // From the first each time: a month after January 31 is February 28, two are March 31.
    for count in 0.. {
        let next = step
            .checked_mul(count)
            .and_then(|step| first.checked_add(step));
        let next = next.map_err(|_| wrong_step(every))?.timestamp();
        if next >= to {
            return Ok(all);
        }
        if all.len() == MOST_STEPS {
            return Err(Error::usage(format!(
                "there are more than {MOST_STEPS} steps of {every} from {from} to {to}"
            ))
            .hint("take longer steps, or a shorter span"));
        }
        all.push(next);
    }
    Ok(all)
}

fn span(every: &str) -> Result<Span> {
    let months = every
        .trim()
        .strip_suffix("mo")
        .and_then(|months| months.parse::<i64>().ok());
    let span = if let Some(months) = months {
        Span::new().try_months(months).ok()
    } else {
        let length = duration(every).map_err(|_| wrong_step(every))?;
        let length = i64::try_from(length.as_millis()).ok();
        length.and_then(|length| Span::new().try_milliseconds(length).ok())
    };
    span.filter(|span| !span.is_zero() && !span.is_negative())
        .ok_or_else(|| wrong_step(every))
}

fn wrong_step(text: &str) -> Error {
    Error::usage(format!("'{text}' is no step in time")).hint("write it like 1h, 1d, 7d or 1mo")
}

fn wrong_moment(text: &str) -> Error {
    Error::usage(format!("'{text}' is not a time"))
        .hint("write a date (2026-04-27), a timestamp (2026-04-27T08:00:00Z), or how long ago (15m, 2h, 7d)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        let read = |text| duration(text).unwrap().as_millis();
        assert_eq!(read("500ms"), 500);
        assert_eq!(read("1h30m"), 5_400_000);
        assert_eq!(read("2w"), 1_209_600_000);
        for wrong in ["", "7", "d", "7x", "-2h", "1h30", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_duration_is_spelt_in_its_two_largest_units() {
        let spelt = |text| spell(duration(text).unwrap());
        assert_eq!(spelt("90m"), "1h30m");
        assert_eq!(spelt("26h5m7s"), "1d2h");
        assert_eq!(spelt("0s"), "0s");
    }

    #[test]
    fn a_moment_is_absolute_or_relative_to_now() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let read = |text| moment(text, now).unwrap().to_string();
        assert_eq!(read("2026-04-27"), "2026-04-27T00:00:00Z");
        assert_eq!(read("2026-04-27T10:00:00+02:00"), "2026-04-27T08:00:00Z");
        assert_eq!(read("2h"), "2026-11-24T10:00:00Z");
        assert_eq!(read("-2h"), "2026-11-24T10:00:00Z");
        assert_eq!(read("now-1d"), "2026-11-23T12:00:00Z");
        assert_eq!(read("+1h"), "2026-11-24T13:00:00Z");
        assert_eq!(read("now"), "2026-11-24T12:00:00Z");
        assert_eq!(moment("9999-12-31T23:59:59Z", now).unwrap(), Timestamp::MAX);
        for wrong in [
            "",
            "soon",
            "2026-13-01",
            "now now",
            "2026-04-27 10:00",
            "2026-04-27T10:00:00",
            "2026-04-27T10:00:00Z[Europe/Berlin]",
            "9999-12-31T23:59:59",
            "9999-12-31T25:00:00Z",
        ] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn steps_go_up_to_the_end_and_months_are_the_calendars() {
        let at = |text: &str| moment(text, Timestamp::UNIX_EPOCH).unwrap();
        let all = |from, to, every| {
            let steps = steps(at(from), at(to), every).unwrap();
            steps
                .iter()
                .map(|step| step.to_string()[..10].to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            all("2026-01-30", "2026-02-02", "1d"),
            ["2026-01-30", "2026-01-31", "2026-02-01"]
        );
        assert_eq!(
            all("2026-01-31", "2026-04-01", "1mo"),
            ["2026-01-31", "2026-02-28", "2026-03-31"]
        );
        assert!(all("2026-01-31", "2026-01-31", "1d").is_empty());
        for wrong in ["0d", "0mo", "x", "-1d", ""] {
            assert!(
                steps(at("2026-01-01"), at("2026-02-01"), wrong).is_err(),
                "{wrong}"
            );
        }
        assert!(steps(at("2026-01-01"), at("2026-02-01"), "1ms").is_err());
    }
}
