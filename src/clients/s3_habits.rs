//! What a store was found to be like when objects are deleted in bulk: how many keys it takes, which digest it wants, whether
//! it looks at ETags. Found out as it goes; who remembers it from one run to the next is the gate's business.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

/// Keys of one request, at most; after a failure that fewer may help, the next step.
const STEPS: [usize; 3] = [1000, 100, 1];

/// What is known of a store.
#[derive(Debug, Default)]
pub struct Habits {
    step: AtomicUsize,
    wants_md5: AtomicBool,
    ignores_etags: AtomicBool,
}

/// The same, to be kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Which of the steps it copes with: 0 for a thousand keys a request, 1 for a hundred, 2 for one.
    pub step: usize,
    /// Whether it wants the digest of old (Content-MD5) instead of a checksum of today.
    pub wants_md5: bool,
    /// Whether it deletes an object also where it is not of the ETag that was named, or knows no such request.
    pub ignores_etags: bool,
}

impl Known {
    /// Whether it is something that can be known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.step < STEPS.len()
    }
}

impl Habits {
    /// So many keys go into a request.
    #[must_use]
    pub fn keys(&self) -> usize {
        STEPS[self.step.load(Ordering::Relaxed).min(STEPS.len() - 1)]
    }

    /// A request of so many keys failed, and fewer may help.
    pub fn take_fewer(&self, than: usize) {
        let next = STEPS.iter().position(|keys| *keys < than);
        self.step
            .fetch_max(next.unwrap_or(STEPS.len() - 1), Ordering::Relaxed);
    }

    /// Whether it wants the digest of old.
    #[must_use]
    pub fn wants_md5(&self) -> bool {
        self.wants_md5.load(Ordering::Relaxed)
    }

    /// It wants the digest of old.
    pub fn use_md5(&self) {
        self.wants_md5.store(true, Ordering::Relaxed);
    }

    /// Whether it is told which ETag each object must have.
    #[must_use]
    pub fn looks_at_etags(&self) -> bool {
        !self.ignores_etags.load(Ordering::Relaxed)
    }

    /// All that is known.
    #[must_use]
    pub fn known(&self) -> Known {
        Known {
            step: self.step.load(Ordering::Relaxed),
            wants_md5: self.wants_md5(),
            ignores_etags: !self.looks_at_etags(),
        }
    }

    /// Takes over what was found out before.
    pub fn adopt(&self, known: Known) {
        self.step.store(known.step, Ordering::Relaxed);
        self.wants_md5.store(known.wants_md5, Ordering::Relaxed);
        self.ignores_etags
            .store(known.ignores_etags, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_keys_are_sent_step_by_step_and_never_more_again() {
        let habits = Habits::default();
        assert_eq!(habits.keys(), 1000);
        for (than, keys) in [(1000, 100), (1000, 100), (100, 1), (1000, 1), (1, 1)] {
            habits.take_fewer(than);
            assert_eq!(habits.keys(), keys);
        }
        let other = Habits::default();
        other.adopt(habits.known());
        assert_eq!(other.keys(), 1);
    }
}
