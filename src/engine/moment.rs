//! A moment as a value of a script: comparable, printed as RFC 3339 in UTC, moved by seconds.

use jiff::{SignedDuration, Timestamp};
use rhai::{Engine, NativeCallContext};

use super::raise::{Raised, raise};
use crate::error::{Error, Kind};

/// A moment in time, as `time::now()` gives it. Its JSON form is RFC 3339 text in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub(crate) Timestamp);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Moment {
    fn moved(self, cx: &NativeCallContext, seconds: i64) -> Raised<Moment> {
        self.0
            .checked_add(SignedDuration::from_secs(seconds))
            .map(Moment)
            .map_err(|_| {
                raise(
                    cx,
                    &Error::new(
                        Kind::Script,
                        format!("{seconds} seconds from {self} is beyond the calendar"),
                    ),
                )
            })
    }
}

/// Registers comparison, text and arithmetic in seconds.
pub(crate) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Moment>("Moment")
        .register_fn("to_string", |moment: &mut Moment| moment.to_string())
        .register_fn("to_debug", |moment: &mut Moment| moment.to_string())
        .register_get("unix", |moment: &mut Moment| moment.0.as_second())
        .register_fn("==", |a: Moment, b: Moment| a == b)
        .register_fn("!=", |a: Moment, b: Moment| a != b)
        .register_fn("<", |a: Moment, b: Moment| a < b)
        .register_fn("<=", |a: Moment, b: Moment| a <= b)
        .register_fn(">", |a: Moment, b: Moment| a > b)
        .register_fn(">=", |a: Moment, b: Moment| a >= b)
        .register_fn("-", |a: Moment, b: Moment| {
            a.0.duration_since(b.0).as_secs()
        })
        .register_fn(
            "-",
            |cx: NativeCallContext, moment: Moment, seconds: i64| {
                moment.moved(&cx, seconds.saturating_neg())
            },
        )
        .register_fn(
            "+",
            |cx: NativeCallContext, moment: Moment, seconds: i64| moment.moved(&cx, seconds),
        );
}
