//! Whether an upload can still end while its URLs are valid, by the rate it has gone at so far. Pure: the clock and what is
//! left are the caller's.

use std::time::Duration;

/// Before so much time has passed, a rate says little.
const LEAST: Duration = Duration::from_secs(10);
/// Of the time that URLs are valid, so many hundredths are reckoned with: rates change, and completing takes its while.
const RECKONED: u128 = 95;

/// How far an upload has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pressure {
    /// The bytes of the whole file.
    pub(super) total: u64,
    /// Those that the store does not have yet.
    pub(super) left: u64,
    /// Those that went out in this run, tries in vain included.
    pub(super) sent: u64,
    /// In this time.
    pub(super) within: Duration,
    /// For so long the URLs are still valid.
    pub(super) valid: Duration,
    /// For so long new ones would be.
    pub(super) anew: Duration,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It can end, or nobody can tell yet.
    GoOn,
    /// It cannot end, and one that begins anew now can.
    BeginAnew,
    /// It cannot end, nor could another, at so many bytes a second.
    Hopeless(u64),
}

impl Pressure {
    pub(super) fn verdict(&self) -> Verdict {
        if self.within < LEAST && !self.valid.is_zero() {
            return Verdict::GoOn;
        }
        let millis = self.within.as_millis().max(1);
        let rate = u64::try_from(u128::from(self.sent) * 1000 / millis).unwrap_or(u64::MAX);
        let fits = |bytes: u64, time: Duration| {
            u128::from(bytes) * 100 * 1000 <= u128::from(rate) * time.as_millis() * RECKONED
        };
        if fits(self.left, self.valid) {
            Verdict::GoOn
        } else if fits(self.total, self.anew) {
            Verdict::BeginAnew
        } else {
            Verdict::Hopeless(rate)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn at(mib_per_second: u64, total: u64, left: u64, valid: u64) -> Verdict {
        let within = LEAST;
        Pressure {
            total,
            left,
            sent: (mib_per_second * 10) << 20,
            within,
            valid: Duration::from_secs(valid),
            anew: Duration::from_mins(15),
        }
        .verdict()
    }

    #[test]
    fn what_fits_goes_on_and_what_does_not_is_told_at_once() {
        assert_eq!(at(60, 40 * GIB, 39 * GIB, 890), Verdict::GoOn);
        assert!(
            matches!(at(20, 40 * GIB, 39 * GIB, 890), Verdict::Hopeless(rate) if rate > 20_000_000)
        );
        assert_eq!(at(20, 10 * GIB, 5 * GIB, 60), Verdict::BeginAnew);
    }

    #[test]
    fn a_rate_of_the_first_seconds_says_nothing_while_the_urls_are_valid() {
        let early = Pressure {
            total: GIB,
            left: GIB,
            sent: 0,
            within: Duration::from_secs(1),
            valid: Duration::from_secs(899),
            anew: Duration::from_mins(15),
        };
        assert_eq!(early.verdict(), Verdict::GoOn);
    }
}
