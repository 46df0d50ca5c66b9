//! Lines of a span of time, however many: Loki gives 5,000 at once, and no place to go on from but a time. Many lines may
//! have the same one, so lines are handed up moment by moment, each moment whole.

use std::collections::HashMap;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};

use super::loki::{self, Direction, Line, Loki, Span};
use crate::error::{Error, Kind, Result};

/// One question spans at most this: a Loki as it is delivered refuses more than 30 days and an hour.
const LONGEST: i64 = 30 * 24 * 3_600_000_000_000;
/// Lines of one moment are told apart by what is in them, so often at most.
const SPLITS: usize = 24;

/// A log query that is read.
#[derive(Clone)]
pub struct Reading {
    /// Whom it is put to.
    pub loki: Loki,
    /// The query.
    pub query: String,
}

/// Some lines, and where it goes on.
#[derive(Debug)]
pub struct Page {
    /// All lines of the moments that were read.
    pub lines: Vec<Line>,
    /// Whether they are those of one moment that has more than Loki gives at once.
    pub is_crowd: bool,
    /// What is left of the span; none at its end.
    pub rest: Option<Span>,
    /// The server's clock.
    pub clock: Option<std::time::SystemTime>,
}

impl Reading {
    /// The first lines of a span in a direction: at least one moment of it, if there is any, and of every moment all lines
    /// or none.
    pub async fn page(&self, span: Span, direction: Direction) -> Result<Page> {
        let (part, beyond) = cut(span, direction);
        let limit = self.loki.most();
        let mut got = self.loki.lines(&self.query, part, limit, direction).await?;
        let mut page = |lines, rest| Page {
            lines,
            is_crowd: false,
            rest,
            clock: got.clock.take(),
        };
        let ends = got.lines.first().zip(got.lines.last());
        let Some((first, last)) = ends.map(|(first, last)| (first.at, last.at)) else {
            return Ok(page(got.lines, beyond));
        };
        if got.lines.len() < got.limit {
            return Ok(page(got.lines, beyond));
        }
        if first == last {
            let mut lines = self.moment(first).await?;
            if direction == Direction::Backward {
                lines.reverse();
            }
            return Ok(Page {
                is_crowd: true,
                ..page(lines, after(span, first, direction))
            });
        }
        // The last moment may go on behind the page.
        got.lines.retain(|line| line.at != last);
        Ok(page(got.lines, from(span, last, direction)))
    }

    /// All lines of a span in pages, the oldest first.
    pub fn forward(self, span: Span) -> impl futures::Stream<Item = Result<Vec<Line>>> + Send {
        stream::unfold(Some((self, span)), |state| async move {
            let (reading, span) = state?;
            match reading.page(span, Direction::Forward).await {
                Ok(page) => Some((Ok(page.lines), page.rest.map(|rest| (reading, rest)))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .filter(|page| std::future::ready(!page.as_ref().is_ok_and(Vec::is_empty)))
    }

    /// The newest lines of a span, the oldest of them first.
    pub async fn last(&self, span: Span, limit: usize) -> Result<Vec<Line>> {
        let (mut lines, mut rest) = (Vec::new(), Some(span));
        while let Some(span) = rest.filter(|_| lines.len() < limit) {
            let page = self.newest(span, limit - lines.len()).await?;
            lines.extend(page.lines);
            rest = page.rest;
        }
        lines.truncate(limit);
        lines.reverse();
        Ok(lines)
    }

    /// A page backwards, or, where fewer lines are wanted than a page has, so many.
    async fn newest(&self, span: Span, wanted: usize) -> Result<Page> {
        if wanted > self.loki.most() {
            return self.page(span, Direction::Backward).await;
        }
        let (part, rest) = cut(span, Direction::Backward);
        let got = self
            .loki
            .lines(&self.query, part, wanted, Direction::Backward)
            .await?;
        if got.lines.len() < wanted && got.lines.len() >= got.limit {
            return self.page(span, Direction::Backward).await;
        }
        Ok(Page {
            lines: got.lines,
            is_crowd: false,
            rest,
            clock: got.clock,
        })
    }

    /// All lines of one moment, the oldest first.
    async fn moment(&self, at: i64) -> Result<Vec<Line>> {
        let mut lines = self.clone().at_moment(at, 0).await?;
        lines.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(lines)
    }

    /// All lines of one moment. Where they are more than Loki gives at once, those with a letter in them and those
    /// without are asked for apart.
    fn at_moment(self, at: i64, depth: usize) -> BoxFuture<'static, Result<Vec<Line>>> {
        async move {
            let (span, limit) = (
                Span {
                    start: at,
                    end: at + 1,
                },
                self.loki.most(),
            );
            let got = self
                .loki
                .lines(&self.query, span, limit, Direction::Forward)
                .await?;
            if got.lines.len() < got.limit {
                return Ok(got.lines);
            }
            let Some(letter) = dividing(&got.lines).filter(|_| depth < SPLITS) else {
                return Err(too_many(at, got.lines.len()));
            };
            let quoted = serde_json::Value::from(letter).to_string();
            let half = |mark: &str| Reading {
                // On a line of its own: the query may end with a comment.
                query: format!("{}\n{mark} {quoted}", self.query),
                loki: self.loki.clone(),
            };
            let mut lines = half("|=").at_moment(at, depth + 1).await?;
            lines.extend(half("!=").at_moment(at, depth + 1).await?);
            Ok(lines)
        }
        .boxed()
    }
}

/// As much of a span as one question may ask about, and what is left of it beyond.
fn cut(span: Span, direction: Direction) -> (Span, Option<Span>) {
    match direction {
        Direction::Forward => {
            let end = span.end.min(span.start.saturating_add(LONGEST));
            (Span { end, ..span }, from(span, end, direction))
        }
        Direction::Backward => {
            let start = span.start.max(span.end.saturating_sub(LONGEST));
            let beyond = (span.start < start).then_some(Span { end: start, ..span });
            (Span { start, ..span }, beyond)
        }
    }
}

/// What is left of a span from a moment on, itself included.
fn from(span: Span, at: i64, direction: Direction) -> Option<Span> {
    left(match direction {
        Direction::Forward => Span { start: at, ..span },
        Direction::Backward => Span {
            end: at.saturating_add(1),
            ..span
        },
    })
}

/// What is left of a span after a moment.
fn after(span: Span, at: i64, direction: Direction) -> Option<Span> {
    left(match direction {
        Direction::Forward => Span {
            start: at.saturating_add(1),
            ..span
        },
        Direction::Backward => Span { end: at, ..span },
    })
}

fn left(span: Span) -> Option<Span> {
    (span.start < span.end).then_some(span)
}

/// A pair of letters that about half of these lines have; none where they all have the same.
fn dividing(lines: &[Line]) -> Option<String> {
    let mut counts: HashMap<(char, char), usize> = HashMap::new();
    for line in lines {
        let letters: Vec<char> = line.text.chars().take(4096).collect();
        let mut pairs: Vec<_> = letters.windows(2).map(|pair| (pair[0], pair[1])).collect();
        pairs.sort_unstable();
        pairs.dedup();
        for pair in pairs {
            *counts.entry(pair).or_default() += 1;
        }
    }
    let uneven = |count: usize| (2 * count).abs_diff(lines.len());
    let best = counts.into_iter().filter(|(_, count)| *count < lines.len());
    // Of equals the same each time: what is asked must not depend on chance.
    let (first, second) = best.min_by_key(|(pair, count)| (uneven(*count), *pair))?.0;
    Some([first, second].iter().collect())
}

fn too_many(at: i64, known: usize) -> Error {
    let time = loki::time(at);
    Error::new(
        Kind::Invalid,
        format!("Loki holds more than {known} lines of {time} that cannot be told apart by a filter, and gives no more at once"),
    )
    .hint("narrow the query, as by a label or a line filter")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn line(text: &str) -> Line {
        Line {
            at: 1,
            labels: Arc::default(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn lines_are_divided_by_what_half_of_them_have() {
        let lines = ["abx", "aby", "cdx", "cdy"].map(line);
        assert_eq!(dividing(&lines).unwrap(), "ab");
        assert_eq!(dividing(&["same", "same"].map(line)), None);
    }

    #[test]
    fn what_is_left_of_a_span_ends_with_it() {
        use Direction::{Backward, Forward};
        let span = |start, end| Span { start, end };
        assert_eq!(from(span(1, 5), 3, Forward), Some(span(3, 5)));
        assert_eq!(from(span(1, 5), 3, Backward), Some(span(1, 4)));
        assert_eq!(after(span(1, 5), 4, Forward), None);
        assert_eq!(after(span(1, 5), 1, Backward), None);
    }

    #[test]
    fn a_long_span_is_asked_about_in_parts() {
        let span = Span {
            start: 0,
            end: LONGEST + 5,
        };
        let (part, rest) = cut(span, Direction::Forward);
        assert_eq!(
            (part.end, rest.map(|rest| rest.start)),
            (LONGEST, Some(LONGEST))
        );
        let (part, rest) = cut(span, Direction::Backward);
        assert_eq!((part.start, rest.map(|rest| rest.end)), (5, Some(5)));
    }
}
