//! Following a log: each line once, however it comes. The tail rings (`loki_bell`), `query_range` is read (`loki_lines`)
//! from where it was read before, and what was shown is known (`loki_seen`). A line may come late, so what was read is read
//! again: the last seconds, and the last minutes. While that is done in one question, each look begins there. Where there is
//! more, it is read a page at a time between looks at the front of the log, which nothing holds up.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::Value;

use super::Pages;
use super::loki::{Direction, Line, Span, nanoseconds, time};
use super::loki_bell::{Bell, News};
use super::loki_lines::Reading;
use super::loki_seen::Seen;
use super::loki_sweep::Sweep;
use crate::error::{Error, Kind, Result};

/// One second in nanoseconds.
const SECOND: i64 = 1_000_000_000;
/// Lines that come late by less than this are looked for again and again.
const NEAR: i64 = 10 * SECOND;
/// Lines may lie so far in the future: Loki takes none that lie further.
const AHEAD: i64 = 3600 * SECOND;
/// The lines of a log that has not begun may be of a clock that is behind by so much.
const BEHIND: i64 = 3600 * SECOND;
/// So many lines are remembered at least of what was there before, so that it is known for old.
const BEFORE: usize = 20_000;
/// Beyond so many different lines, those that come later than `NEAR` are not looked for.
const REMEMBERED: usize = 600_000;
/// The longest pause while Loki is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// One that answers otherwise than Loki does is borne for so long: it may be a page of who keeps it.
const ODD: Duration = Duration::from_mins(2);
/// Looks at the front of the log are so far apart at least, however often it rings.
const APART: Duration = Duration::from_millis(250);

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

/// What is being read, and which sweeps are done with it.
struct Reach {
    span: Span,
    near: bool,
    far: bool,
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
    /// The look at the front of the log that is under way, and when the last one began.
    front: Option<Reach>,
    looked: Instant,
    /// The sweep that is under way beside it, and whether it is its turn.
    back: Option<Reach>,
    is_backs_turn: bool,
    /// A moment of more lines than Loki gives at once.
    crowd: Option<i64>,
    /// Since when Loki has been away, and how often it was asked since.
    away: Option<(Instant, u32)>,
    /// Whether it was said that a line came too late, or may.
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
        let width = i64::try_from(late.as_nanos()).unwrap_or(i64::MAX).max(NEAR);
        let here = now();
        let mut follower = Follower {
            bell: None,
            reading,
            say,
            poll,
            seen: Seen::default(),
            floor: from,
            newest: i64::MIN,
            ahead: 0,
            near: Sweep::new(NEAR, from, 4),
            far: Sweep::new(width, from, 6),
            front: None,
            looked: Instant::now(),
            back: None,
            is_backs_turn: false,
            crowd: None,
            away: None,
            is_told: false,
        };
        let Some(limit) = limit else {
            // All of it is new; what comes late while it is read is looked for afterwards.
            for sweep in [&mut follower.near, &mut follower.far] {
                sweep.from = here.saturating_sub(sweep.width).max(from);
            }
            follower.front = Some(Reach {
                span: follower.span(from, i64::MAX),
                near: false,
                far: false,
            });
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
            if self.front.is_none() {
                self.await_work().await;
            }
            let is_front = self.front.is_some();
            let reach = if is_front { &self.front } else { &self.back };
            let Some(span) = reach.as_ref().map(|reach| reach.span) else {
                continue;
            };
            let page = match self.reading.page(span, Direction::Forward).await {
                Ok(page) => page,
                Err(error) => {
                    self.bear(error).await?;
                    continue;
                }
            };
            self.welcome();
            self.know_clock(page.clock);
            if page.is_crowd {
                self.crowd = page.lines.first().map(|line| line.at);
            }
            let fresh = self.fresh(page.lines);
            self.went_on(is_front, page.rest);
            if !fresh.is_empty() {
                self.near.wake();
                self.far.wake();
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

    /// Waits until there is something to be read: at the front of the log where it rang or has been silent for long, else
    /// further back.
    async fn await_work(&mut self) {
        let is_busy = self.back.is_some() || self.is_sweep_due();
        let bell = self.bell.get_or_insert_with(|| {
            let (loki, query) = (self.reading.loki.clone(), self.reading.query.clone());
            let (say, poll) = (Arc::clone(&self.say), self.poll);
            Bell::listen(loki, query, move |news| say(&told(news, poll)))
        });
        // However long the front takes, what is behind it goes on by a page with each look.
        if std::mem::take(&mut self.is_backs_turn) && is_busy {
            return self.sweep();
        }
        let is_late = self.looked.elapsed() >= self.poll;
        let apart = APART.min(self.poll).saturating_sub(self.looked.elapsed());
        // A ring is heard when looks may be that close again.
        let named = match (is_late, is_busy) {
            (true, _) => Some(bell.rung().unwrap_or(i64::MAX)),
            (false, true) if apart.is_zero() => bell.rung(),
            (false, true) => None,
            (false, false) => {
                tokio::time::sleep(apart).await;
                let left = self.poll.saturating_sub(self.looked.elapsed());
                tokio::select! {
                    named = bell.ring() => Some(named),
                    () = tokio::time::sleep(left) => Some(i64::MAX),
                }
            }
        };
        match named {
            Some(named) => self.look(named),
            None => self.sweep(),
        }
    }

    /// Begins a look at the front of the log, and as far back as costs little.
    fn look(&mut self, named: i64) {
        if named < self.floor {
            self.too_late(named);
        }
        let reference = self.reference();
        let far = self.far.is_cheap() && self.back.is_none();
        let near = far || self.near.is_cheap();
        let start = match (far, near) {
            (true, _) => self.far.from.min(self.near.from),
            (_, true) => self.near.from,
            // Read whole each time, a moment of so many lines would take all of it.
            _ if self.crowd == Some(reference) => reference.saturating_add(1),
            _ => reference,
        };
        self.looked = Instant::now();
        self.is_backs_turn = true;
        let span = self.span(start.min(named), i64::MAX);
        self.front = Some(self.reach(span, near, far));
    }

    fn is_sweep_due(&self) -> bool {
        let is_due = |sweep: &Sweep| !sweep.is_cheap() && sweep.is_due();
        is_due(&self.near) || is_due(&self.far)
    }

    /// Begins a sweep of what is behind the front, or goes on with the one that is under way.
    fn sweep(&mut self) {
        if self.back.is_some() {
            return;
        }
        let far = !self.far.is_cheap() && self.far.is_due();
        let start = if far {
            self.far.from.min(self.near.from)
        } else {
            self.near.from
        };
        let span = self.span(start, self.reference().saturating_add(1));
        self.back = Some(self.reach(span, true, far));
    }

    /// A part of the log from here on, and not what was forgotten.
    fn span(&self, start: i64, end: i64) -> Span {
        let future = self.newest.max(self.there()).saturating_add(AHEAD);
        let start = start.max(self.floor);
        Span {
            start,
            end: end.min(future).max(start.saturating_add(1)),
        }
    }

    /// Begins to read a span, which counts as these sweeps too.
    fn reach(&mut self, span: Span, near: bool, far: bool) -> Reach {
        let reference = self.reference();
        if near {
            self.near.begin(reference);
        }
        if far {
            self.far.begin(reference);
        }
        Reach { span, near, far }
    }

    /// What was being read has come so far.
    fn went_on(&mut self, is_front: bool, rest: Option<Span>) {
        let reach = if is_front {
            &mut self.front
        } else {
            &mut self.back
        };
        if let (Some(rest), Some(reach)) = (rest, reach.as_mut()) {
            reach.span = rest;
        } else if let Some(ended) = reach.take() {
            let sweeps = [(&mut self.near, ended.near), (&mut self.far, ended.far)];
            for (sweep, _) in sweeps.into_iter().filter(|(_, is_it)| *is_it) {
                sweep.end();
            }
        }
        self.forget();
    }

    /// Forgets what will not be read again. Where lines are too many, only the last seconds will.
    fn forget(&mut self) {
        if self.seen.is_empty() {
            // Nobody knows where this log is: its lines may come from a clock that is behind.
            let behind = self.there().saturating_sub(BEHIND + self.far.width);
            self.floor = self.floor.max(behind);
            return;
        }
        if self.seen.len() > REMEMBERED && self.back.as_ref().is_none_or(|reach| !reach.far) {
            let oldest = self.seen.oldest_of(REMEMBERED);
            if oldest > self.far.from {
                self.far.from = oldest;
                self.too_many(oldest);
            }
        }
        let under_way = [&self.front, &self.back].into_iter().flatten();
        let under_way = under_way.map(|reach| reach.span.start).min();
        let kept = self.far.from.min(self.near.from);
        self.floor = self.floor.max(kept.min(under_way.unwrap_or(kept)));
        self.seen.forget_before(self.floor);
    }

    /// Where the log is now: its newest line, unless that is from the future.
    fn reference(&self) -> i64 {
        let there = self.there();
        if self.newest == i64::MIN {
            // It has not begun.
            self.floor.max(there.saturating_sub(BEHIND)).min(there)
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

    /// More lines come than can be remembered for as long as they may be late.
    fn too_many(&mut self, oldest: i64) {
        if !std::mem::replace(&mut self.is_told, true) {
            let seconds = (self.reference().saturating_sub(oldest) / SECOND).max(NEAR / SECOND);
            (self.say)(&format!(
                "so many lines come that one which is more than {seconds}s late may not be shown: a narrower query shows more"
            ));
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

    /// Waits for a Loki that is away, which is told once; the error where it says no, or is no Loki for long.
    async fn bear(&mut self, error: Error) -> Result<()> {
        let (since, asked) = self.away.unwrap_or((Instant::now(), 0));
        let is_borne = match error.kind() {
            Kind::Unavailable | Kind::Timeout => true,
            Kind::NotFound | Kind::Protocol => since.elapsed() < ODD,
            _ => false,
        };
        if !is_borne {
            return Err(error);
        }
        if asked == 0 {
            (self.say)(&format!("{error}; the log is gone on with when it is back"));
        }
        self.away = Some((since, asked + 1));
        let pause = Duration::from_secs(1) * 2_u32.pow(asked.min(4));
        tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        Ok(())
    }

    fn welcome(&mut self) {
        if self.away.take().is_some() {
            (self.say)("Loki is back");
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

fn told(news: News<'_>, poll: Duration) -> String {
    match news {
        News::Away(error) => format!(
            "{error}: Loki's tail is not to be had; it is asked for new lines every {} instead",
            crate::time::spell(poll)
        ),
        News::Back => "Loki's tail is there again".to_owned(),
    }
}

fn now() -> i64 {
    nanoseconds(Timestamp::now())
}
