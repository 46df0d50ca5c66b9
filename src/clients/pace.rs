//! How many requests of one kind may be under way at once: few at first, more while all goes well, half as many when the
//! store says "slow down" or falls silent. What is asked, and how often, is the clients' business.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::error::{Error, Kind};

/// Two cuts stand at least so far apart: what was under way at the first says nothing new.
const BETWEEN_CUTS: Duration = Duration::from_millis(500);

/// The pace of one kind of request to one store.
#[derive(Debug)]
pub struct Pace {
    state: Mutex<State>,
    freed: Notify,
    most: u32,
}

#[derive(Debug)]
struct State {
    /// So many may be under way.
    limit: u32,
    under_way: u32,
    /// Clean answers since the limit was changed.
    clean: u32,
    cut: Option<Instant>,
}

impl Pace {
    /// Begins with so many at once, and never has more than `most`.
    #[must_use]
    pub fn new(first: u32, most: u32) -> Pace {
        Pace {
            state: Mutex::new(State {
                limit: first.clamp(1, most.max(1)),
                under_way: 0,
                clean: 0,
                cut: None,
            }),
            freed: Notify::new(),
            most: most.max(1),
        }
    }

    /// Waits until one more may be sent.
    pub async fn turn(&self) -> Turn<'_> {
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.lock();
                if state.under_way < state.limit {
                    state.under_way += 1;
                    return Turn {
                        pace: self,
                        came: Came::Nothing,
                    };
                }
            }
            freed.await;
        }
    }

    /// How many may be under way by now.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.lock().limit
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, came: Came) {
        let mut state = self.lock();
        state.under_way -= 1;
        match came {
            Came::Nothing => {}
            Came::Answer => {
                state.clean += 1;
                if state.clean >= state.limit && state.limit < self.most {
                    state.limit += 1;
                    state.clean = 0;
                }
            }
            Came::Refusal => {
                if state.cut.is_none_or(|cut| cut.elapsed() > BETWEEN_CUTS) {
                    state.limit = (state.limit / 2).max(1);
                    state.cut = Some(Instant::now());
                }
                state.clean = 0;
            }
        }
        drop(state);
        self.freed.notify_waiters();
    }
}

/// What came of a request.
#[derive(Debug, Clone, Copy)]
enum Came {
    Nothing,
    Answer,
    Refusal,
}

/// One request that is under way, until this is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    pace: &'a Pace,
    came: Came,
}

impl Turn<'_> {
    /// It came to an end: with an answer, or with an error, of which those count that say that it was too much.
    pub fn end(&mut self, error: Option<&Error>) {
        self.came = match error.map(Error::kind) {
            Some(Kind::Unavailable | Kind::Timeout) => Came::Refusal,
            _ => Came::Answer,
        };
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.pace.end(self.came);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(pace: &Pace, count: usize) {
        for _ in 0..count {
            pace.turn().await.end(None);
        }
    }

    #[tokio::test]
    async fn it_grows_by_one_a_round_and_never_beyond_the_most() {
        let pace = Pace::new(2, 4);
        for (answers, limit) in [(0, 2), (2, 3), (3, 4), (100, 4)] {
            answered(&pace, answers).await;
            assert_eq!(pace.limit(), limit);
        }
    }

    #[tokio::test]
    async fn it_is_halved_once_for_all_that_was_under_way() {
        let pace = Pace::new(8, 8);
        let mut turns = Vec::new();
        for _ in 0..8 {
            turns.push(pace.turn().await);
        }
        let busy = Error::new(Kind::Unavailable, "SlowDown");
        for turn in &mut turns {
            turn.end(Some(&busy));
        }
        turns.clear();
        assert_eq!(pace.limit(), 4);
        for _ in 0..10 {
            pace.lock().cut = None;
            pace.turn().await.end(Some(&busy));
        }
        assert_eq!(pace.limit(), 1, "one is always let through");
    }

    #[tokio::test]
    async fn nobody_waits_for_ever_and_nobody_is_let_through_early() {
        let pace = Pace::new(1, 1);
        let held = pace.turn().await;
        let waiting = tokio::time::timeout(Duration::from_millis(20), pace.turn());
        assert!(waiting.await.is_err());
        drop(held);
        answered(&pace, 3).await;
    }
}
