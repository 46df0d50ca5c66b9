//! `time::` — now, and the one parser of times and durations.

use std::time::SystemTime;

use jiff::Timestamp;
use rhai::{Dynamic, ImmutableString};

use crate::engine::moment::Moment;
use crate::engine::registry::{Namespace, native};
use crate::error::{Error, Kind};
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
            Moment(time::moment(&text, call.session().now())?)
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
