//! `time::` — now, and the one parser of times and durations.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rhai::{Dynamic, ImmutableString};

use crate::engine::call::Call;
use crate::engine::moment::Moment;
use crate::engine::registry::{Namespace, native};
use crate::error::{Error, Kind, Result};
use crate::session::Session;
use crate::time;

/// By how many seconds another clock is ahead of this machine's.
pub(crate) fn skew(theirs: SystemTime) -> i64 {
    let theirs = Timestamp::try_from(theirs).unwrap_or(Timestamp::MAX);
    theirs
        .as_second()
        .saturating_sub(Timestamp::now().as_second())
}

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(
        session,
        "time",
        "Times and durations, with one parser for all of them.",
    );
    let ns = &mut namespace;
    native! { ns,
        /// The time now. Moments compare, print as RFC 3339 in UTC, and move by seconds: `time::now() - 3600`.
        ///
        /// ```rhai
        /// time::now() - 60 < time::now()
        /// //=> true
        /// ```
        read fn now(call) -> "Moment" {
            Moment(call.session().now())
        }

        /// The moment that a text means: a date (midnight UTC), RFC 3339, `now-2h`, or how long ago (`15m`, `7d`).
        ///
        /// ```rhai
        /// `${time::parse("2026-04-27")}`
        /// //=> "2026-04-27T00:00:00Z"
        /// ```
        read fn parse(call, text: ImmutableString) -> "Moment" {
            Moment(resolved(call, &text)?)
        }

        /// The seconds that a duration means (`30s`, `1h30m`, `7d`): an int where they are whole, else a float.
        ///
        /// ```rhai
        /// [time::duration("1h30m"), time::duration("500ms")]
        /// //=> [5400, 0.5]
        /// ```
        read fn duration(call, text: ImmutableString) -> "int or float" {
            let duration = time::duration(&text)?;
            match i64::try_from(duration.as_secs()) {
                Ok(seconds) if duration.subsec_nanos() == 0 => Dynamic::from_int(seconds),
                _ => Dynamic::from_float(duration.as_secs_f64()),
            }
        }

        /// The moments from one on, so far apart, that come before another. A step is a duration, or months (`1mo`).
        ///
        /// ```rhai
        /// time::steps("2026-01-01", "2026-01-03", "1d").map(|day| day.to_string())
        /// //=> ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]
        /// ```
        read fn steps(call, from: Dynamic, to: Dynamic, every: ImmutableString) -> "array" {
            let (from, to) = (moment_of(call, &from)?, moment_of(call, &to)?);
            let steps = time::steps(from, to, &every)?;
            Dynamic::from_array(steps.into_iter().map(|step| Dynamic::from(Moment(step))).collect())
        }

        /// A moment as people read it, to the millisecond, in this machine's time zone.
        ///
        /// ```rhai
        /// time::show("2026-11-24T18:33:35.174189190Z", #{utc: true})
        /// //=> "2026-11-24 18:33:35.174Z"
        /// ```
        read fn show(call, moment: Dynamic) -> "string"
            options as options {
                /// In UTC, which a Z says.
                utc: Bool = "false",
                /// In this time zone, to the second and with its offset.
                zone: Text
            }
            {
                let moment = moment_of(call, &moment)?;
                if let Some(name) = options.text("zone") {
                    let moment = moment.to_zoned_datetime(crate::cron::zone(&name)?);
                    moment.strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
                } else if options.flag("utc") {
                    moment.strftime("%Y-%m-%d %H:%M:%S.%3fZ").to_string()
                } else {
                    let zone = zone(call.session().environment().get("TZ"));
                    moment.to_zoned_datetime(zone).strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()
                }
            }

        /// Seconds as people write them: the two largest units.
        ///
        /// ```rhai
        /// time::spell(5400)
        /// //=> "1h30m"
        /// ```
        read fn spell(call, seconds: i64) -> "string" {
            let seconds = u64::try_from(seconds)
                .map_err(|_| Error::new(Kind::Usage, format!("{seconds} seconds is no duration")))?;
            time::spell(std::time::Duration::from_secs(seconds))
        }
    }
    namespace
}

/// The moment that a text means now; `-v` says what it came to.
fn resolved(call: &Call, text: &str) -> Result<Timestamp> {
    let moment = time::moment(text, call.session().now())?;
    // What is written as it is needs no echo.
    if text.parse::<Timestamp>().is_err() {
        call.session().trace(&format!("{text} is {moment}"));
    }
    Ok(moment)
}

/// A moment that is given as one, or as text that means one.
pub(super) fn moment_of(call: &Call, value: &Dynamic) -> Result<Timestamp> {
    if let Some(moment) = value.read_lock::<Moment>() {
        return Ok(moment.0);
    }
    match value.clone().into_immutable_string() {
        Ok(text) => resolved(call, &text),
        Err(kind) => Err(Error::usage(format!(
            "a moment, or text that means one, is wanted, not {kind}"
        ))),
    }
}

/// The time zone of this machine, or the one that `TZ` names.
fn zone(named: Option<&str>) -> TimeZone {
    let named = named
        .map(|name| name.trim_start_matches(':'))
        .filter(|name| !name.is_empty());
    match named.and_then(|name| TimeZone::get(name).ok()) {
        Some(zone) => zone,
        None => TimeZone::system(),
    }
}
