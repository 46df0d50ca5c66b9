//! A large set of texts as their fingerprints: about nine bytes each, and a look or two at memory to ask for one.
//!
//! Two texts of one fingerprint are one to the set. Where it says what is to be kept, that keeps a thing too many and
//! never loses one; the seed is new in each run, so that what was kept by chance goes the next time. What the texts are
//! is the business of who fills it.

use std::hash::{BuildHasher, RandomState};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Slots of the directory per fingerprint, as a power of two: eight of them share one on average, which is a cache line.
const SHARED: u32 = 3;

/// So few are not worth being sorted before the last.
const FIRST_ORDER: usize = 1 << 16;

/// What makes fingerprints of texts: two seeds make two families that have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// One of this run's own.
    #[must_use]
    pub fn random() -> Seed {
        Seed(RandomState::new().hash_one(0_u8))
    }

    /// The same one again, for a test.
    #[must_use]
    pub fn fixed(seed: u64) -> Seed {
        Seed(seed)
    }

    /// The one for the texts of a name: a key of one bucket is none of another.
    #[must_use]
    pub fn of(self, name: &str) -> Seed {
        Seed(xxh3_64_with_seed(name.as_bytes(), self.0))
    }

    /// The fingerprint of a text (xxh3, of which the last bit is left out).
    #[must_use]
    pub fn print(self, text: &str) -> Fingerprint {
        Fingerprint(xxh3_64_with_seed(text.as_bytes(), self.0) & !1)
    }
}

/// The fingerprint of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

/// Fingerprints that are being gathered.
#[derive(Debug, Default)]
pub struct Gathered {
    /// With the mark in the last bit.
    all: Vec<u64>,
    /// How many there may be before repeated ones are looked for.
    most: usize,
}

impl Gathered {
    /// Adds one; the set tells later whether it was ever added with a mark.
    pub fn add(&mut self, print: Fingerprint, mark: bool) {
        if self.all.len() >= self.most.max(FIRST_ORDER) {
            order(&mut self.all);
            // Only where half of them went is it worth being done again soon.
            self.most = 2 * self.all.len();
        }
        self.all.push(print.0 | u64::from(mark));
    }

    /// The set of all that were added.
    #[must_use]
    pub fn into_set(self) -> Fingerprints {
        let mut all = self.all;
        order(&mut all);
        all.shrink_to_fit();
        Fingerprints::of(all)
    }
}

/// Sorts, and makes one of those that are the same, marked if one of them was.
fn order(all: &mut Vec<u64>) {
    all.sort_unstable();
    // The marked one stands right behind the unmarked.
    all.dedup_by(|next, kept| {
        let is_same = *next >> 1 == *kept >> 1;
        if is_same {
            *kept |= *next;
        }
        is_same
    });
}

/// A set of fingerprints.
#[derive(Debug, Clone, Default)]
pub struct Fingerprints {
    sorted: Vec<u64>,
    /// Where the fingerprints begin whose first bits are the index; one more than there are such.
    starts: Vec<u32>,
    /// What is left of a fingerprint without these first bits.
    shift: u32,
}

impl Fingerprints {
    fn of(sorted: Vec<u64>) -> Fingerprints {
        let bits = sorted.len().max(1).ilog2().saturating_sub(SHARED);
        if bits == 0 || u32::try_from(sorted.len()).is_err() {
            return Fingerprints {
                sorted,
                ..Fingerprints::default()
            };
        }
        let shift = u64::BITS - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        for (at, print) in (0_u32..).zip(&sorted) {
            while starts.len() as u64 <= print >> shift {
                starts.push(at);
            }
        }
        let end = u32::try_from(sorted.len()).unwrap_or(u32::MAX);
        starts.resize((1 << bits) + 1, end);
        Fingerprints {
            sorted,
            starts,
            shift,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Whether it is among them.
    #[must_use]
    pub fn has(&self, print: Fingerprint) -> bool {
        self.place(print).is_some()
    }

    /// Its place among them, below [`Fingerprints::len`].
    #[must_use]
    pub fn place(&self, print: Fingerprint) -> Option<usize> {
        let (first, among) = self.near(print);
        let at = among.partition_point(|other| other >> 1 < print.0 >> 1);
        (among.get(at)? >> 1 == print.0 >> 1).then_some(first + at)
    }

    /// Whether the one at this place has a mark.
    #[must_use]
    pub fn is_marked(&self, place: usize) -> bool {
        self.sorted.get(place).is_some_and(|print| print & 1 == 1)
    }

    /// Those that it could be among, and the place of the first.
    fn near(&self, print: Fingerprint) -> (usize, &[u64]) {
        if self.starts.is_empty() {
            return (0, &self.sorted);
        }
        let slot = usize::try_from(print.0 >> self.shift).unwrap_or(0);
        let (first, end) = (self.starts[slot] as usize, self.starts[slot + 1] as usize);
        (first, &self.sorted[first..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: impl Iterator<Item = String>) -> Fingerprints {
        let mut gathered = Gathered::default();
        texts.for_each(|text| gathered.add(Seed::fixed(7).print(&text), text.ends_with('7')));
        gathered.into_set()
    }

    #[test]
    fn what_was_added_is_there_and_nothing_else_whatever_the_size() {
        for size in [0, 1, 2, 15, 16, 17, 1_000, 100_000] {
            let set = set((0..size).map(|n| n.to_string()));
            assert_eq!(set.len(), size);
            let mut places: Vec<usize> = (0..size)
                .map(|n| set.place(Seed::fixed(7).print(&n.to_string())).unwrap())
                .collect();
            places.sort_unstable();
            assert!(
                places.into_iter().eq(0..size),
                "each has a place of its own"
            );
            let strangers =
                (size..2 * size).filter(|n| set.has(Seed::fixed(7).print(&n.to_string())));
            assert_eq!(strangers.count(), 0);
        }
    }

    #[test]
    fn one_that_is_added_often_is_one_and_keeps_its_mark() {
        let seed = Seed::random();
        let mut gathered = Gathered::default();
        for n in 0..300_000 {
            gathered.add(seed.print(&(n % 10).to_string()), n == 123_453);
        }
        let set = gathered.into_set();
        assert_eq!(set.len(), 10);
        for n in 0..10 {
            let place = set.place(seed.print(&n.to_string())).unwrap();
            assert_eq!(set.is_marked(place), n == 3, "{n}");
        }
    }

    #[test]
    fn seeds_and_names_make_families_of_their_own() {
        let seed = Seed::fixed(1);
        let prints = [
            seed.print("a"),
            Seed::fixed(2).print("a"),
            seed.of("landing").print("a"),
            seed.of("processed").print("a"),
            seed.print("b"),
        ];
        let distinct: std::collections::HashSet<_> = prints.iter().collect();
        assert_eq!(distinct.len(), prints.len());
        assert_eq!(
            seed.of("landing").print("a"),
            Seed::fixed(1).of("landing").print("a")
        );
    }
}
