//! Lines of a span of time, however many: Loki gives 5,000 at once, and no place to go on from but a time. Many lines may
//! have the same one, so lines are handed up moment by moment, each moment whole.

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
    /// What is left of the span; none at its end.
    pub rest: Option<Span>,
    /// The server's clock.
    pub clock: Option<std::time::SystemTime>,
}

impl Reading {
    /// The first lines of a span: at least one moment of it, and of every moment all lines or none.
    pub async fn oldest(&self, span: Span) -> Result<Page> {
        let part = Span {
            end: span.end.min(span.start.saturating_add(LONGEST)),
            ..span
        };
        let limit = self.loki.most();
        let mut got = self
            .loki
            .lines(&self.query, part, limit, Direction::Forward)
            .await?;
        let (Some(first), Some(last)) = (got.lines.first(), got.lines.last()) else {
            return Ok(Page {
                lines: got.lines,
                rest: from(span, part.end),
                clock: got.clock,
            });
        };
        if got.lines.len() < self.full(limit) {
            return Ok(Page {
                lines: got.lines,
                rest: from(span, part.end),
                clock: got.clock,
            });
        }
        let (first, last) = (first.at, last.at);
        if first == last {
            let lines = self.moment(first).await?;
            return Ok(Page {
                lines,
                rest: from(span, first + 1),
                clock: got.clock,
            });
        }
        // The last moment may go on behind the page.
        got.lines.retain(|line| line.at < last);
        Ok(Page {
            lines: got.lines,
            rest: from(span, last),
            clock: got.clock,
        })
    }

    /// The last lines of a span, the newest first, whole moments likewise.
    pub async fn newest(&self, span: Span) -> Result<Page> {
        let part = Span {
            start: span.start.max(span.end.saturating_sub(LONGEST)),
            ..span
        };
        let limit = self.loki.most();
        let mut got = self
            .loki
            .lines(&self.query, part, limit, Direction::Backward)
            .await?;
        let (Some(first), Some(last)) = (got.lines.first(), got.lines.last()) else {
            return Ok(Page {
                lines: got.lines,
                rest: until(span, part.start),
                clock: got.clock,
            });
        };
        if got.lines.len() < self.full(limit) {
            return Ok(Page {
                lines: got.lines,
                rest: until(span, part.start),
                clock: got.clock,
            });
        }
        let (first, last) = (first.at, last.at);
        if first == last {
            let mut lines = self.moment(first).await?;
            lines.reverse();
            return Ok(Page {
                lines,
                rest: until(span, first),
                clock: got.clock,
            });
        }
        got.lines.retain(|line| line.at > last);
        Ok(Page {
            lines: got.lines,
            rest: until(span, last + 1),
            clock: got.clock,
        })
    }

    /// All lines of a span in pages, the oldest first.
    pub fn forward(self, span: Span) -> impl futures::Stream<Item = Result<Vec<Line>>> + Send {
        stream::unfold(Some((self, span)), |state| async move {
            let (reading, span) = state?;
            match reading.oldest(span).await {
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
            let page = self.newest_of(span, limit - lines.len()).await?;
            lines.extend(page.lines);
            rest = page.rest;
        }
        lines.truncate(limit);
        lines.reverse();
        Ok(lines)
    }

    /// A page of `newest`, or, where fewer lines are wanted than a page has, so many.
    async fn newest_of(&self, span: Span, wanted: usize) -> Result<Page> {
        if wanted > self.loki.most() {
            return self.newest(span).await;
        }
        let part = Span {
            start: span.start.max(span.end.saturating_sub(LONGEST)),
            ..span
        };
        let got = self
            .loki
            .lines(&self.query, part, wanted, Direction::Backward)
            .await?;
        if got.lines.len() < wanted && got.lines.len() >= self.full(wanted) {
            return self.newest(span).await;
        }
        Ok(Page {
            lines: got.lines,
            rest: until(span, part.start),
            clock: got.clock,
        })
    }

    /// So many lines mean that there may be more. A server that has just told that it gives less gives that.
    fn full(&self, limit: usize) -> usize {
        limit.min(self.loki.most())
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
            if got.lines.len() < self.full(limit) {
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

/// What is left of a span from a time on.
fn from(span: Span, start: i64) -> Option<Span> {
    (start < span.end).then_some(Span { start, ..span })
}

/// What is left of a span before a time.
fn until(span: Span, end: i64) -> Option<Span> {
    (span.start < end).then_some(Span { end, ..span })
}

/// A pair of letters that about half of these lines have; none where they all have the same.
fn dividing(lines: &[Line]) -> Option<String> {
    let mut counts: std::collections::HashMap<(char, char), usize> =
        std::collections::HashMap::new();
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
        format!("Loki holds more than {known} equal lines of {time}, and gives no more at once"),
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
        let span = Span { start: 1, end: 5 };
        assert_eq!(from(span, 3), Some(Span { start: 3, end: 5 }));
        assert_eq!((from(span, 5), until(span, 1)), (None, None));
    }
}
