//! Patterns of cron, as Kubernetes, Prefect, GitHub and systemd understand them alike: five fields, no seconds. When one
//! comes next, what it is in words, and the calendars of systemd that mean the same. The reading itself is croner's.

use std::cmp::Ordering;

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::time::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

use crate::error::{Error, Result};

/// The days of systemd's calendars, from Sunday on as cron counts them.
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// A pattern that all schedulers read alike.
pub struct Pattern(croner::Cron);

impl Pattern {
    /// Reads a pattern. What only some of the schedulers know, or what they read differently, is refused.
    pub fn parse(text: &str) -> Result<Pattern> {
        let wrong = |why: &str| Error::usage(format!("'{text}' is no cron pattern: {why}"));
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [_, _, days, _, weekdays] = fields.as_slice() else {
            return Err(wrong("it has not five fields")
                .hint("minute, hour, day of the month, month, day of the week: '0 3 * * 1' is every Monday at 3"));
        };
        let strange = |c: char| !(c.is_ascii_alphanumeric() || "*,/- ".contains(c));
        if text.contains(strange) {
            return Err(wrong("not every scheduler knows what it says")
                .hint("write numbers, names (MON, JAN), *, lists, ranges and steps"));
        }
        if weekdays.split(['-', ',', '/']).next() == Some("7")
            || weekdays.contains("-7")
            || weekdays.contains(",7")
        {
            return Err(wrong("Kubernetes has no day 7").hint("Sunday is 0, or SUN"));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser
            .parse(text)
            .map_err(|error| wrong(&error.to_string()))?;
        if cron.pattern.days.has_modifiers() || cron.pattern.days_of_week.has_modifiers() {
            return Err(wrong("L, W and # are known to some schedulers alone")
                .hint("write the days out, or ask for the day in the runbook"));
        }
        // Vixie's cron takes `*/2` for no restriction, Kubernetes for one.
        let is_stepped = |field: &str| field.starts_with("*/");
        if (is_stepped(days) && *weekdays != "*") || (is_stepped(weekdays) && *days != "*") {
            return Err(
                wrong("schedulers read steps of days beside other days differently")
                    .hint("write the days out: 1,3,5"),
            );
        }
        Ok(Pattern(cron))
    }

    /// The next moments after one at which it comes, in a time zone. A time that a change of clocks leaves out is passed over,
    /// as schedulers do; of one that comes twice the first is told.
    pub fn next(&self, after: Timestamp, zone: &TimeZone, count: usize) -> Result<Vec<Timestamp>> {
        let mut at = Wall(after.to_zoned_datetime(zone.clone()));
        let mut found = Vec::new();
        while found.len() < count {
            at = match self.0.find_next_occurrence(&at, false) {
                Ok(next) => next,
                Err(CronError::TimeSearchLimitExceeded) if found.is_empty() => {
                    return Err(Error::usage(format!("'{}' never comes", self.0.as_str()))
                        .hint("is there such a day in such a month?"));
                }
                Err(_) => break,
            };
            // croner moves what a change of clocks leaves out behind it.
            if self.0.is_time_matching(&at).unwrap_or(true) {
                found.push(at.0.timestamp());
            }
        }
        Ok(found)
    }

    /// What it is in words.
    #[must_use]
    pub fn words(&self) -> String {
        self.0.describe()
    }

    /// The calendars of systemd that together mean the same (systemd.time(7)): one, or two where it names days of the month
    /// and of the week as well, of which cron wants either and systemd both.
    #[must_use]
    pub fn calendars(&self, zone: &str) -> Vec<String> {
        let pattern = &self.0.pattern;
        let numbers = |values: Vec<u16>, all: usize| {
            let written: Vec<String> = values.iter().map(|value| format!("{value:02}")).collect();
            if values.len() == all {
                "*".to_owned()
            } else {
                written.join(",")
            }
        };
        let minutes = numbers(pattern.minutes.values(), 60);
        let hours = numbers(pattern.hours.values(), 24);
        let months = numbers(pattern.months.values(), 12);
        let days = numbers(pattern.days.values(), 31);
        let weekdays = weekdays(&pattern.days_of_week.values());
        let calendar = |weekdays: &str, days: &str| {
            format!("{weekdays}*-{months}-{days} {hours}:{minutes}:00 {zone}")
        };
        if days == "*" || weekdays.is_empty() {
            return vec![calendar(&weekdays, &days)];
        }
        vec![calendar("", &days), calendar(&weekdays, "*")]
    }
}

/// Days of the week before a date; nothing where all are meant.
fn weekdays(values: &[u16]) -> String {
    let names: Vec<&str> = values
        .iter()
        .filter_map(|value| DAYS.get(usize::from(*value)).copied())
        .collect();
    if names.len() == DAYS.len() {
        return String::new();
    }
    format!("{} ", names.join(","))
}

/// A time zone by its name in the IANA database.
pub fn zone(name: &str) -> Result<TimeZone> {
    let unknown = Error::usage(format!("there is no time zone '{name}'"));
    let Ok(zone) = TimeZone::get(name) else {
        return Err(unknown.hint("name one as Europe/Berlin or UTC"));
    };
    // Schedulers want its letters as they are in the database.
    match zone.iana_name() {
        Some(known) if known != name => Err(unknown.suggest(Some(known))),
        _ => Ok(zone),
    }
}

/// A moment in its time zone, for croner.
#[derive(Clone)]
struct Wall(ZonedDateTime);

impl CronDateTime for Wall {
    fn to_civil(&self) -> CivilDateTime {
        let at = self.0.datetime();
        let part = |value: i8| u32::from(value.unsigned_abs());
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(at.year().into(), part(at.month()), part(at.day())),
            CivilTime::from_parts_unchecked(part(at.hour()), part(at.minute()), part(at.second())),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(u32::from(
            self.0.weekday().to_sunday_zero_offset().unsigned_abs(),
        ))
    }

    fn resolve_civil(
        &self,
        civil: CivilDateTime,
    ) -> std::result::Result<Resolution<Self>, CronError> {
        let part = |value: u32| i8::try_from(value).map_err(|_| CronError::InvalidTime);
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let at = jiff::civil::DateTime::new(
            year,
            part(civil.month())?,
            part(civil.day())?,
            part(civil.hour())?,
            part(civil.minute())?,
            part(civil.second())?,
            0,
        )
        .map_err(|_| CronError::InvalidDate)?;
        let found = self.0.time_zone().to_ambiguous_zoned_datetime(at);
        let there = |zoned: std::result::Result<ZonedDateTime, jiff::Error>| {
            zoned.map(Wall).map_err(|_| CronError::InvalidTime)
        };
        Ok(match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(there(found.compatible())?),
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
            AmbiguousOffset::Fold { .. } => {
                Resolution::Ambiguous(there(found.clone().earlier())?, there(found.later())?)
            }
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0
            .checked_add(SignedDuration::from_secs(seconds))
            .ok()
            .map(Wall)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(pattern: &str, zone_name: &str, after: &str) -> Vec<String> {
        let found = Pattern::parse(pattern)
            .unwrap()
            .next(after.parse().unwrap(), &zone(zone_name).unwrap(), 3)
            .unwrap();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_pattern_comes_in_its_time_zone() {
        assert_eq!(
            next("0 3 * * 1", "UTC", "2026-11-27T08:00:00Z"),
            [
                "2026-11-30T03:00:00Z",
                "2026-12-07T03:00:00Z",
                "2026-12-14T03:00:00Z"
            ]
        );
        assert_eq!(
            next("0 3 * * MON", "Europe/Berlin", "2026-11-27T08:00:00Z")[0],
            "2026-11-30T02:00:00Z"
        );
        assert_eq!(
            next("*/20 8-9 * * *", "UTC", "2026-11-27T08:30:00Z")[1],
            "2026-11-27T09:00:00Z"
        );
        // The first of the month, or a Friday.
        assert_eq!(
            next("0 0 1 * 5", "UTC", "2026-11-27T08:00:00Z"),
            [
                "2026-12-01T00:00:00Z",
                "2026-12-04T00:00:00Z",
                "2026-12-11T00:00:00Z"
            ]
        );
    }

    #[test]
    fn a_time_that_a_change_of_clocks_leaves_out_is_passed_over_and_one_that_comes_twice_is_told_once()
     {
        // In Berlin the clocks go from 2 to 3 on 2027-03-28, and from 3 back to 2 on 2026-10-25.
        let spring = next("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z");
        assert_eq!(spring[0], "2027-03-29T00:30:00Z", "{spring:?}");
        let autumn = next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z");
        assert_eq!(
            autumn[..2],
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
    }

    #[test]
    fn systemd_has_a_calendar_of_the_same() {
        let calendars = |pattern: &str| Pattern::parse(pattern).unwrap().calendars("Europe/Berlin");
        assert_eq!(calendars("0 3 * * 1"), ["Mon *-*-* 03:00:00 Europe/Berlin"]);
        assert_eq!(
            calendars("*/30 * 1,15 JAN *"),
            ["*-01-01,15 *:00,30:00 Europe/Berlin"]
        );
        assert_eq!(
            calendars("5 0 1 * SUN,FRI"),
            [
                "*-*-01 00:05:00 Europe/Berlin",
                "Sun,Fri *-*-* 00:05:00 Europe/Berlin"
            ]
        );
    }

    #[test]
    fn what_schedulers_read_differently_is_refused() {
        let refused = |pattern: &str| Pattern::parse(pattern).err().unwrap().to_string();
        assert!(refused("0 3 * *").contains("five fields"));
        assert!(refused("0 0 3 * * 1").contains("five fields"));
        assert!(refused("@daily").contains("five fields"));
        assert!(refused("0 3 L * *").contains("L, W and #"));
        assert!(refused("0 3 * * 7").contains("no day 7"));
        assert!(refused("0 3 */2 * 1").contains("differently"));
        assert!(refused("61 3 * * *").contains("no cron pattern"));
        assert!(refused("0 3 ? * 1").contains("not every scheduler"));
        let never =
            Pattern::parse("0 0 31 2 *")
                .unwrap()
                .next(Timestamp::UNIX_EPOCH, &TimeZone::UTC, 1);
        assert!(never.unwrap_err().to_string().contains("never comes"));
        assert!(zone("Europe/Berlim").is_err());
        let hints = zone("europe/berlin").unwrap_err().detail().hints.clone();
        assert_eq!(hints, ["did you mean 'Europe/Berlin'?"]);
        assert!(zone("UTC").is_ok() && zone("Etc/UTC").is_ok());
    }
}
