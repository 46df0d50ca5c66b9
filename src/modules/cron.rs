//! `cron::` — patterns of cron: when they come next, and what they are elsewhere.

use rhai::{Dynamic, ImmutableString};

use crate::cron::{Pattern, zone};
use crate::engine::moment::Moment;
use crate::engine::registry::{Namespace, native};
use crate::error::Error;
use crate::session::Session;

/// More moments than that nobody looks at.
const MANY: i64 = 1000;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "cron", "Patterns of cron: when they come next.");
    let ns = &mut namespace;
    native! { ns,
        /// The moments at which a pattern comes next. It has five fields: minute, hour, day of the month, month, day of the
        /// week. Throws `usage` where it is none, or where schedulers read it differently.
        ///
        /// ```rhai
        /// cron::next("0 3 * * 1", #{zone: "Europe/Berlin", after: time::parse("2026-11-27"), count: 2}).map(|at| `${at}`)
        /// //=> ["2026-11-30T02:00:00Z", "2026-12-07T02:00:00Z"]
        /// ```
        read fn next(call, pattern: ImmutableString) -> "array"
            options as options {
                /// The time zone that it is in.
                zone: Text = "UTC",
                /// How many.
                count: Int = "5",
                /// The moment that they come after. Default: now.
                after: Any
            }
            {
                let count = options.int("count").unwrap_or(5);
                let count = usize::try_from(count.clamp(0, MANY)).unwrap_or(0);
                let after = match options.any("after") {
                    None => call.session().now(),
                    Some(after) => after.clone().try_cast::<Moment>().ok_or_else(|| Error::usage("'after' is no moment").hint("time::parse makes one"))?.0,
                };
                let zone = zone(options.text("zone").as_deref().unwrap_or("UTC"))?;
                let moments = Pattern::parse(&pattern)?.next(after, &zone, count)?;
                Dynamic::from_array(moments.into_iter().map(|at| Dynamic::from(Moment(at))).collect())
            }

        /// A pattern in words.
        ///
        /// ```rhai
        /// cron::words("0 3 * * 1")
        /// //=> "At 03:00, on Monday."
        /// ```
        read fn words(call, pattern: ImmutableString) -> "string" {
            let _ = call;
            Pattern::parse(&pattern)?.words()
        }

        /// The calendars of systemd (`OnCalendar=`) that together mean the same as a pattern in a time zone.
        ///
        /// ```rhai
        /// cron::calendars("0 3 * * 1", "Europe/Berlin")
        /// //=> ["Mon *-*-* 03:00:00 Europe/Berlin"]
        /// ```
        read fn calendars(call, pattern: ImmutableString, zone: ImmutableString) -> "array" {
            let _ = call;
            crate::cron::zone(&zone)?;
            let calendars = Pattern::parse(&pattern)?.calendars(&zone);
            Dynamic::from_array(calendars.into_iter().map(Dynamic::from).collect())
        }
    }
    namespace
}
