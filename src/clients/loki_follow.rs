//! Following a log: each line once, however it comes. The tail rings (`loki_bell`), `query_range` is read (`loki_lines`)
//! from where it was read before, and what was shown is known (`loki_seen`). A line may come late, so what was read is read
//! again: the last seconds often, the last minutes as often as that costs little.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::Value;

use super::Pages;
use super::loki::{Direction, Line, Span, time};
use super::loki_bell::Bell;
use super::loki_lines::Reading;
use super::loki_seen::Seen;
use crate::error::{Error, Kind, Result};

/// One second in nanoseconds.
const SECOND: i64 = 1_000_000_000;
/// Lines that come late by less than this are looked for again and again.
const NEAR: i64 = 10 * SECOND;
/// Lines may lie so far in the future: Loki takes none that lie further.
const AHEAD: i64 = 3600 * SECOND;
/// So many lines are remembered at least of what was there before, so that it is known for old.
const BEFORE: usize = 20_000;
/// Beyond so many different lines, those that come later than `NEAR` are not looked for.
const REMEMBERED: usize = 400_000;
/// The longest pause while Loki is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Whom an operator should hear of what.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// What is followed, and how.
pub struct Following {
    /// The query.
    pub reading: Reading,
    /// How many of the lines that are there already are shown first; none for all of them.
    pub limit: Option<usize>,
    /// The time before which none is shown, in nanoseconds since 1970.
    pub from: i64,
    /// Lines that come later than this after others are not shown.
    pub late: Duration,
    /// Without a ring it is looked so often.
    pub poll: Duration,
}

/// Lines as they come, without an end, as scripts see them; a late one has `late: true`.
pub fn follow(following: Following, say: Say) -> Pages {
    enum State {
        New(Following, Say),
        Going(Box<Follower>),
    }
    let pages = stream::try_unfold(State::New(following, say), |state| async move {
        let (page, follower) = match state {
            State::New(following, say) => Follower::begin(following, say).await?,
            State::Going(mut follower) => (follower.next().await?, follower),
        };
        Ok(Some((page, State::Going(follower))))
    });
    pages.boxed()
}

/// A stretch of the log that is read again and again.
struct Sweep {
    /// How far back it goes from the newest line.
    width: i64,
    /// Where the next one begins: what came since the last one began, by as much late.
    from: i64,
    /// It is left alone for so many times as long as it took.
    rest: u32,
    ended: Instant,
    took: Duration,
}

impl Sweep {
    fn new(width: i64, from: i64, rest: u32) -> Sweep {
        Sweep {
            width,
            from,
            rest,
            ended: Instant::now(),
            took: Duration::ZERO,
        }
    }

    fn is_due(&self) -> bool {
        self.ended.elapsed() >= self.took * self.rest
    }
}

struct Follower {
    reading: Reading,
    say: Say,
    /// Listened for once all that was there is known.
    bell: Option<Bell>,
    poll: Duration,
    seen: Seen,
    /// Before this, nobody knows what was shown.
    floor: i64,
    newest: i64,
    /// The server's clock less this machine's.
    ahead: i64,
    near: Sweep,
    far: Sweep,
    /// What is being read, since when.
    rest: Option<(Span, Instant)>,
    /// Which sweeps it is as well.
    is_near: bool,
    is_far: bool,
    failures: u32,
    /// Whether it was said that a line came too late.
    is_told: bool,
}

impl Follower {
    /// Looks at what is there: that is known for old from then on, and its end is shown.
    async fn begin(following: Following, say: Say) -> Result<(Vec<Value>, Box<Follower>)> {
        let Following {
            reading,
            limit,
            from,
            late,
            poll,
        } = following;
        let width = i64::try_from(late.as_nanos()).unwrap_or(i64::MAX);
        let here = now();
        let mut follower = Follower {
            bell: None,
            reading,
            say,
            poll,
            seen: Seen::default(),
            floor: i64::MIN,
            newest: i64::MIN,
            ahead: 0,
            near: Sweep::new(NEAR, from, 2),
            far: Sweep::new(width.max(NEAR), from, 10),
            rest: None,
            is_near: false,
            is_far: false,
            failures: 0,
            is_told: false,
        };
        let Some(limit) = limit else {
            // All of it is new; what comes late while it is read is looked for afterwards.
            follower.floor = from;
            for sweep in [&mut follower.near, &mut follower.far] {
                sweep.from = here.saturating_sub(sweep.width).max(from);
            }
            let span = Span {
                start: from,
                end: here.saturating_add(AHEAD),
            };
            follower.rest = Some((span, Instant::now()));
            return Ok((Vec::new(), Box::new(follower)));
        };
        let history = follower.look_back(here, from, limit).await?;
        Ok((history, Box::new(follower)))
    }

    /// Reads back as far as lines may be late, or there are lines enough, and as many as are to be shown.
    async fn look_back(&mut self, here: i64, from: i64, limit: usize) -> Result<Vec<Value>> {
        let back = here.saturating_sub(self.far.width);
        let span = Span {
            start: from.min(back),
            end: here.saturating_add(AHEAD),
        };
        let (mut rest, mut shown) = (Some(span), Vec::new());
        while let Some(span) = rest {
            let mut page = self.reading.page(span, Direction::Backward).await?;
            self.know_clock(page.clock);
            rest = page.rest;
            self.floor = rest.map_or(span.start, |rest| rest.end);
            page.lines.reverse();
            let mut fresh = self.fresh(page.lines);
            fresh.retain(|(line, _)| line.at >= from);
            fresh.append(&mut shown);
            shown = fresh.split_off(fresh.len().saturating_sub(limit));
            let is_known = self.floor <= back || self.seen.len() >= BEFORE;
            let is_shown = self.floor <= from || shown.len() >= limit;
            if is_known && is_shown {
                break;
            }
        }
        let reference = self.reference();
        for sweep in [&mut self.near, &mut self.far] {
            sweep.from = reference.saturating_sub(sweep.width).max(self.floor);
        }
        self.forget();
        // Read backwards, each page comes before what was seen.
        Ok(shown.iter().map(|(line, _)| line.value()).collect())
    }

    /// The next lines that were not shown.
    async fn next(&mut self) -> Result<Vec<Value>> {
        loop {
            let Some((span, began)) = self.rest else {
                self.wait().await;
                continue;
            };
            let page = match self.reading.page(span, Direction::Forward).await {
                Ok(page) => page,
                Err(error) if is_passing(&error) => {
                    self.away(&error).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.back();
            self.know_clock(page.clock);
            self.rest = page.rest.map(|rest| (rest, began));
            let fresh = self.fresh(page.lines);
            match self.rest {
                Some((rest, _)) => self.seen.forget_before(rest.start.min(self.kept_from())),
                None => self.end(began),
            }
            if !fresh.is_empty() {
                return Ok(fresh.iter().map(shown).collect());
            }
        }
    }

    fn fresh(&mut self, lines: Vec<Line>) -> Vec<(Line, bool)> {
        if let Some(newest) = lines.iter().map(|line| line.at).max() {
            self.newest = self.newest.max(newest);
        }
        self.seen.fresh(lines)
    }

    /// Waits until there may be something new, and says from where to read.
    async fn wait(&mut self) {
        let bell = self.bell.get_or_insert_with(|| {
            let (loki, query) = (self.reading.loki.clone(), self.reading.query.clone());
            let (say, poll) = (Arc::clone(&self.say), self.poll);
            Bell::listen(loki, query, move |error| say(&no_bell(error, poll)))
        });
        let named = tokio::select! {
            named = bell.ring() => named,
            () = tokio::time::sleep(self.poll) => i64::MAX,
        };
        if named < self.floor {
            self.too_late(named);
        }
        let reference = self.reference();
        self.is_far = self.far.is_due();
        self.is_near = self.is_far || self.near.is_due();
        let start = match (self.is_far, self.is_near) {
            (true, _) => self.far.from.min(self.near.from),
            (_, true) => self.near.from,
            _ => reference.min(named),
        };
        if self.is_near {
            self.near.from = reference.saturating_sub(self.near.width);
        }
        if self.is_far {
            self.far.from = reference.saturating_sub(self.far.width);
        }
        let end = self.newest.max(self.there()).saturating_add(AHEAD);
        self.rest = Some((
            Span {
                start: start.max(self.floor),
                end,
            },
            Instant::now(),
        ));
    }

    /// All that there was has been read.
    fn end(&mut self, began: Instant) {
        let took = began.elapsed();
        let sweeps = [(&mut self.near, self.is_near), (&mut self.far, self.is_far)];
        for (sweep, _) in sweeps.into_iter().filter(|(_, is_it)| *is_it) {
            (sweep.took, sweep.ended) = (took, Instant::now());
        }
        self.forget();
    }

    /// Forgets what will not be read again. Where lines are too many, only the last seconds will.
    fn forget(&mut self) {
        self.far.from = self.far.from.max(self.seen.oldest_of(REMEMBERED));
        self.floor = self.floor.max(self.kept_from());
        self.seen.forget_before(self.floor);
    }

    fn kept_from(&self) -> i64 {
        self.far.from.min(self.near.from)
    }

    /// Where the log is now: its newest line, unless that is from the future.
    fn reference(&self) -> i64 {
        let there = self.there();
        if self.newest == i64::MIN {
            there
        } else {
            self.newest.min(there)
        }
    }

    /// The server's time, as well as it is known.
    fn there(&self) -> i64 {
        now().saturating_add(self.ahead)
    }

    fn know_clock(&mut self, clock: Option<SystemTime>) {
        let told = clock.and_then(|clock| Timestamp::try_from(clock).ok());
        if let Some(told) = told {
            // It is told without its fraction.
            self.ahead = nanoseconds(told)
                .saturating_add(SECOND)
                .saturating_sub(now());
        }
    }

    /// What is older than all that is known of cannot be told from what was shown.
    fn too_late(&mut self, at: i64) {
        if !std::mem::replace(&mut self.is_told, true) {
            let (line, floor) = (time(at), time(self.floor));
            (self.say)(&format!(
                "a line of {line} came too late to be shown, and so may others that are older than {floor}: a longer --late (option late) shows more"
            ));
        }
    }

    async fn away(&mut self, error: &Error) {
        if self.failures == 0 {
            (self.say)(&format!("{error}; the log is gone on with when it is back"));
        }
        self.failures += 1;
        let pause = Duration::from_secs(1) * 2_u32.pow(self.failures.min(4) - 1);
        tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
    }

    fn back(&mut self) {
        if self.failures > 0 {
            (self.say)("Loki is back");
            self.failures = 0;
        }
    }
}

fn shown((line, late): &(Line, bool)) -> Value {
    let mut value = line.value();
    if *late {
        value["late"] = true.into();
    }
    value
}

fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::Timeout)
}

fn no_bell(error: &Error, poll: Duration) -> String {
    format!(
        "{error}: Loki's tail is not to be had; it is asked for new lines every {} instead",
        crate::time::spell(poll)
    )
}

fn now() -> i64 {
    nanoseconds(Timestamp::now())
}

fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}
