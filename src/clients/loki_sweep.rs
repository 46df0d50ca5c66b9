//! Reading a stretch of a log again for lines that came late: where the next one begins so that none is passed over, and
//! when, so that it takes a small part of the time however long it takes.

use std::time::{Duration, Instant};

/// However long one takes, the next is done after so long, where lines come.
const LONGEST: Duration = Duration::from_secs(5);
/// One after the other that found nothing doubles that, so often.
const DOUBLINGS: u32 = 4;

/// One that takes no longer is done with each look at the log.
const CHEAP: Duration = Duration::from_millis(50);

/// A stretch of the log that is read again and again.
pub struct Sweep {
    /// How far back it goes from the newest line.
    pub width: i64,
    /// Where the next one begins: what came since the last one began, by as much late.
    pub from: i64,
    /// It is left alone for so many times as long as it took.
    rest: u32,
    began: Instant,
    ended: Instant,
    took: Duration,
    /// How many have found nothing since anything came.
    idle: u32,
}

impl Sweep {
    /// One that has not been done yet.
    #[must_use]
    pub fn new(width: i64, from: i64, rest: u32) -> Sweep {
        let now = Instant::now();
        Sweep {
            width,
            from,
            rest,
            began: now,
            ended: now,
            took: Duration::ZERO,
            idle: 0,
        }
    }

    /// Whether it takes so little that it is done with each look.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        self.took < CHEAP
    }

    /// Whether it is time for the next.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let longest = LONGEST * 2_u32.pow(self.idle.min(DOUBLINGS));
        self.ended.elapsed() >= (self.took * self.rest).min(longest)
    }

    /// Begins one; the next begins by as much before where the log is now.
    pub fn begin(&mut self, reference: i64) {
        self.began = Instant::now();
        self.from = reference.saturating_sub(self.width);
    }

    /// Something has come.
    pub fn wake(&mut self) {
        self.idle = 0;
    }

    /// It has been done.
    pub fn end(&mut self) {
        self.ended = Instant::now();
        self.took = self.ended - self.began;
        self.idle += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_begins_where_the_log_was_when_this_one_began() {
        let mut sweep = Sweep::new(10, 0, 4);
        sweep.begin(100);
        sweep.end();
        assert_eq!(sweep.from, 90);
        assert!(sweep.is_cheap());
    }

    #[test]
    fn one_that_took_long_is_left_alone_for_a_multiple_of_that() {
        let mut sweep = Sweep::new(10, 0, 4);
        sweep.took = Duration::from_secs(1);
        assert!(!sweep.is_cheap() && !sweep.is_due());
        sweep.rest = 0;
        assert!(sweep.is_due());
    }

    #[test]
    fn none_is_left_alone_for_long_while_lines_come() {
        let mut sweep = Sweep::new(10, 0, 4);
        sweep.took = Duration::from_mins(1);
        sweep.ended = Instant::now().checked_sub(LONGEST).unwrap();
        assert!(sweep.is_due());
        sweep.idle = 1;
        assert!(!sweep.is_due());
        sweep.wake();
        assert!(sweep.is_due());
    }
}
