//! Which lines of a log were shown already, so that what is read again is shown once, and which come later than others of
//! their stream that were shown before them.

use std::collections::{BTreeMap, HashMap};

use xxhash_rust::xxh3::Xxh3;

use super::loki::{Labels, Line};

/// The label that Loki reads out of each line: lines of one stream differ in it.
const READ_OUT: &str = "detected_level";

/// Lines that were seen, by their time: what is older than all that is read again may be forgotten.
#[derive(Default)]
pub struct Seen {
    /// How often a line of this time and content was seen.
    lines: BTreeMap<(i64, u64), u32>,
    /// The time of the last line of each stream.
    last: HashMap<u64, i64>,
}

impl Seen {
    /// How many different lines are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Of the lines of whole moments those that were not seen before, and whether each is late: older than one of its
    /// stream that was. Equal lines of one moment count each.
    pub fn fresh(&mut self, lines: Vec<Line>) -> Vec<(Line, bool)> {
        let mut counts: HashMap<(i64, u64), u32> = HashMap::new();
        let mut fresh = Vec::new();
        for line in lines {
            let stream = stream_of(&line.labels);
            let known_as = (line.at, content_of(stream, &line));
            let count = counts.entry(known_as).or_default();
            *count += 1;
            let seen = self.lines.entry(known_as).or_default();
            if *count <= *seen {
                continue;
            }
            *seen = *count;
            let last = self.last.entry(stream).or_insert(i64::MIN);
            let late = line.at < *last;
            *last = line.at.max(*last);
            fresh.push((line, late));
        }
        fresh
    }

    /// Forgets what is older than this.
    pub fn forget_before(&mut self, at: i64) {
        while self
            .lines
            .first_key_value()
            .is_some_and(|((time, _), _)| *time < at)
        {
            self.lines.pop_first();
        }
        self.last.retain(|_, last| *last >= at);
    }

    /// The time before which the oldest have to go so that at most so many stay.
    #[must_use]
    pub fn oldest_of(&self, most: usize) -> i64 {
        let newest = self.lines.keys().rev().nth(most);
        newest.map_or(i64::MIN, |(time, _)| time.saturating_add(1))
    }
}

/// A stream by its own labels.
fn stream_of(labels: &Labels) -> u64 {
    let mut hash = Xxh3::new();
    for (name, value) in labels.iter().filter(|(name, _)| *name != READ_OUT) {
        for part in [name, value] {
            hash.update(&part.len().to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.digest()
}

fn content_of(stream: u64, line: &Line) -> u64 {
    let mut hash = Xxh3::with_seed(stream);
    hash.update(line.text.as_bytes());
    hash.digest()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn line(at: i64, stream: &str, text: &str) -> Line {
        let labels = [("app", stream), (READ_OUT, text)].map(|(a, b)| (a.to_owned(), b.to_owned()));
        Line {
            at,
            labels: Arc::new(Labels::from(labels)),
            text: text.to_owned(),
        }
    }

    fn shown(seen: &mut Seen, lines: &[Line]) -> Vec<(String, bool)> {
        let fresh = seen.fresh(lines.to_vec()).into_iter();
        fresh.map(|(line, late)| (line.text, late)).collect()
    }

    #[test]
    fn what_is_read_again_is_shown_once_and_equal_lines_as_often_as_there_are() {
        let mut seen = Seen::default();
        let twice = [line(1, "a", "x"), line(1, "a", "x"), line(1, "b", "x")];
        assert_eq!(shown(&mut seen, &twice).len(), 3);
        assert_eq!(shown(&mut seen, &twice).len(), 0);
        let thrice = [&twice[..], &[line(1, "a", "x")]].concat();
        assert_eq!(shown(&mut seen, &thrice).len(), 1);
    }

    #[test]
    fn a_line_is_late_after_a_newer_one_of_its_own_stream() {
        let mut seen = Seen::default();
        shown(&mut seen, &[line(5, "a", "five"), line(9, "b", "nine")]);
        let more = [
            line(4, "a", "four"),
            line(5, "a", "also five"),
            line(8, "a", "eight"),
        ];
        let late: Vec<bool> = shown(&mut seen, &more)
            .into_iter()
            .map(|(_, late)| late)
            .collect();
        assert_eq!(late, [true, false, false]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut seen = Seen::default();
        shown(
            &mut seen,
            &(0..10).map(|at| line(at, "a", "x")).collect::<Vec<_>>(),
        );
        assert_eq!(seen.oldest_of(4), 6);
        assert_eq!(seen.oldest_of(10), i64::MIN);
        seen.forget_before(6);
        assert_eq!(seen.len(), 4);
    }
}
