//! Every object of a bucket, listed in several places at once: the keys are cut into ranges, and who has nothing to do takes
//! half of what somebody else has left.
//!
//! Stores list by bytes or folder by folder, and which of them is known only afterwards. So a range ends at the first key
//! that is behind its end in both orders, what is behind it in one order alone may come twice and is given once, and a
//! store that keeps neither order is told, for who then lists it in one go.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::{Notify, mpsc};

use super::s3::S3;
use super::s3_cut::{apart, between, is_told_apart};
use super::s3_list::{Listed, Page, Part};
use super::s3_order::Order;
use crate::error::{Error, Kind, Result};

/// Ranges that are read at a time; how many requests are under way is the pace's business.
const READERS: usize = 16;

/// A range is cut in two only after so many pages of it.
const PAGES: usize = 3;

/// Keys that may come twice; more of them are no accident.
const TWICE: usize = 100_000;

/// Pages that wait for who reads them.
const AHEAD: usize = 8;

/// Why a listing ended before its end.
#[derive(Debug)]
pub enum Stop {
    /// The store keeps no order, so what came is not known to be all.
    Disorder,
    /// It could not be read.
    Failed(Error),
}

impl Stop {
    /// The error for who can do no more about it.
    #[must_use]
    pub fn into_error(self) -> Error {
        match self {
            Stop::Disorder => Error::new(Kind::Protocol, "s3 lists in no order"),
            Stop::Failed(error) => error,
        }
    }
}

/// Some objects, or why there are no more.
pub type Told = std::result::Result<Vec<Listed>, Stop>;

impl S3 {
    /// Every object of a bucket, one page after the other, in whatever order.
    #[must_use]
    pub fn in_one_go(&self, bucket: &str) -> BoxStream<'static, Told> {
        let pages = self.pages(Part {
            bucket: bucket.to_owned(),
            ..Part::default()
        });
        let objects = |page: Result<Page>| page.map(|page| page.objects);
        pages
            .map(move |page| objects(page).map_err(Stop::Failed))
            .boxed()
    }

    /// Every object of a bucket, in no order. `cuts` are keys at which it is good to cut.
    #[must_use]
    pub fn everything(&self, bucket: &str, cuts: Vec<String>) -> BoxStream<'static, Told> {
        let s3 = self.clone();
        read_all(Arc::new(move |part| s3.pages(part)), bucket, cuts)
    }
}

type Fetch = Arc<dyn Fn(Part) -> BoxStream<'static, Result<Page>> + Send + Sync>;
fn read_all(fetch: Fetch, bucket: &str, cuts: Vec<String>) -> BoxStream<'static, Told> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let split = Arc::new(Split {
        fetch,
        bucket: bucket.to_owned(),
        state: Mutex::new(State {
            cuts: apart(cuts),
            waiting: VecDeque::from([Span::default()]),
            ..State::default()
        }),
        changed: Notify::new(),
        sender,
    });
    let reading = async move {
        let readers = (0..READERS).map(|_| Arc::clone(&split).read());
        futures::future::join_all(readers).await;
    };
    let reading = stream::once(reading).filter_map(|()| std::future::ready(None));
    let told = stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    });
    // Both are driven by who reads: nothing is asked for that nobody waits for.
    stream::select(told, reading).boxed()
}

/// A range of keys: after the first, up to the second.
#[derive(Debug, Clone, Default)]
struct Span {
    after: Option<String>,
    until: Option<String>,
}

/// A range that is being read.
#[derive(Debug, Default)]
struct Busy {
    after: Option<String>,
    until: Option<String>,
    /// The last key that came.
    last: Option<String>,
    /// Pages since it was cut.
    pages: usize,
}

#[derive(Default)]
struct State {
    cuts: Vec<String>,
    waiting: VecDeque<Span>,
    busy: Vec<Option<Busy>>,
    /// What every range's order has in common.
    order: Order,
    twice: HashSet<String>,
    is_over: bool,
}

struct Split {
    fetch: Fetch,
    bucket: String,
    state: Mutex<State>,
    changed: Notify,
    sender: mpsc::Sender<Told>,
}

impl Split {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one range after the other.
    async fn read(self: Arc<Self>) {
        loop {
            let changed = self.changed.notified();
            let next = self.lock().next();
            match next {
                Next::Span(place, span) => {
                    if let Err(stop) = self.read_span(place, span).await {
                        self.lock().is_over = true;
                        let _ = self.sender.send(Err(stop)).await;
                    }
                    self.lock().busy[place] = None;
                    self.changed.notify_waiters();
                }
                Next::Wait => changed.await,
                Next::Over => return,
            }
        }
    }

    async fn read_span(&self, place: usize, span: Span) -> std::result::Result<(), Stop> {
        let mut pages = (self.fetch)(Part {
            bucket: self.bucket.clone(),
            after: span.after.clone(),
            ..Part::default()
        });
        let (mut order, mut is_empty) = (Order::default(), true);
        while let Some(page) = pages.next().await {
            let page = page.map_err(Stop::Failed)?;
            order = page.order;
            let (mine, is_over) = self
                .lock()
                .take(place, span.after.as_deref(), page.objects)?;
            is_empty &= mine.is_empty();
            if !mine.is_empty() && self.sender.send(Ok(mine)).await.is_err() {
                self.lock().is_over = true;
                return Ok(());
            }
            self.changed.notify_waiters();
            if is_over || self.lock().is_over {
                break;
            }
        }
        let mut state = self.lock();
        if let Some(after) = span.after.as_deref().filter(|_| is_empty) {
            state.cut_again(after);
        }
        state.order = state.order.and(&order);
        // One range alone is whole in any order.
        if !state.order.is_known() && state.busy.len() > 1 {
            return Err(Stop::Disorder);
        }
        Ok(())
    }
}

enum Next {
    Span(usize, Span),
    Wait,
    Over,
}

impl State {
    /// What a reader that has nothing to do is to do.
    fn next(&mut self) -> Next {
        if self.is_over {
            return Next::Over;
        }
        if self.waiting.is_empty() {
            self.cut();
        }
        if let Some(span) = self.waiting.pop_front() {
            self.busy.push(Some(Busy {
                after: span.after.clone(),
                until: span.until.clone(),
                ..Busy::default()
            }));
            return Next::Span(self.busy.len() - 1, span);
        }
        if self.busy.iter().any(Option::is_some) {
            Next::Wait
        } else {
            self.is_over = true;
            Next::Over
        }
    }

    /// The half that was taken from a range has nothing in it, so that nobody helps whoever reads that: it is cut again at
    /// once, and ends sooner.
    fn cut_again(&mut self, at: &str) {
        let mut busy = self.busy.iter_mut().flatten();
        if let Some(busy) = busy.find(|busy| busy.until.as_deref() == Some(at)) {
            busy.pages = busy.pages.max(PAGES);
        }
    }

    /// Cuts the range that has been read longest.
    fn cut(&mut self) {
        let longest = self.busy.iter_mut().flatten();
        let longest = longest.filter(|busy| busy.pages >= PAGES && busy.last.is_some());
        let Some(busy) = longest.max_by_key(|busy| busy.pages) else {
            return;
        };
        let last = busy.last.clone().unwrap_or_default();
        busy.pages = 0;
        // All cuts stand in one order whichever it is: what comes twice is then in doubt wherever it comes.
        let after = busy.after.clone();
        let fits = |middle: &String| {
            let after = after.as_deref();
            after.is_none_or(|after| Order::is_after_everywhere(middle, after))
        };
        if let Some(middle) = between(&last, busy.until.as_deref()).filter(fits) {
            let rest = busy.until.replace(middle.clone());
            self.waiting.push_back(Span {
                after: Some(middle),
                until: rest,
            });
        }
    }

    /// Takes a page over: what of it is this range's, and whether the range is at its end.
    fn take(
        &mut self,
        place: usize,
        after: Option<&str>,
        objects: Vec<Listed>,
    ) -> std::result::Result<(Vec<Listed>, bool), Stop> {
        if let Some(last) = objects.last() {
            let last = last.key.clone();
            self.first_cuts(place, &last);
            if let Some(Some(busy)) = self.busy.get_mut(place) {
                busy.last = Some(last);
                busy.pages += 1;
            }
        }
        let busy = self.busy.get(place).and_then(Option::as_ref);
        let until = busy.and_then(|busy| busy.until.clone());
        let mut mine = Vec::with_capacity(objects.len());
        let mut is_over = false;
        for object in objects {
            let is_behind = |until: &str| Order::is_after_everywhere(&object.key, until);
            if until.as_deref().is_some_and(is_behind) {
                is_over = true;
                break;
            }
            let ends = [after, until.as_deref()].into_iter().flatten();
            let is_doubtful = ends.clone().any(|end| !is_told_apart(&object.key, end));
            if is_doubtful && !self.twice.insert(object.key.clone()) {
                continue;
            }
            mine.push(object);
        }
        if self.twice.len() > TWICE {
            return Err(Stop::Disorder);
        }
        Ok((mine, is_over))
    }

    /// After the first page, which may be all there is, the rest is cut where it is said to be good.
    fn first_cuts(&mut self, place: usize, last: &str) {
        let cuts = std::mem::take(&mut self.cuts);
        let mut cuts = cuts
            .into_iter()
            .filter(|cut| Order::is_after_everywhere(cut, last))
            .peekable();
        let (Some(first), Some(Some(busy))) = (cuts.peek(), self.busy.get_mut(place)) else {
            return;
        };
        busy.until = Some(first.clone());
        while let Some(cut) = cuts.next() {
            self.waiting.push_back(Span {
                after: Some(cut),
                until: cuts.peek().cloned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering as Counter};

    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// A store of these keys, in the order in which it lists them, that gives so many a page.
    fn store(keys: Vec<String>, by_folders: bool, size: usize, asked: Arc<AtomicUsize>) -> Fetch {
        let rank = move |key: &str| -> Vec<u16> {
            let of = |byte: u8| {
                if by_folders && byte == b'/' {
                    0
                } else {
                    u16::from(byte) + 1
                }
            };
            key.bytes().map(of).collect()
        };
        Arc::new(move |part: Part| {
            asked.fetch_add(1, Counter::Relaxed);
            let mut some = keys.clone();
            some.sort_by_key(|key| rank(key));
            if let Some(after) = &part.after {
                some.retain(|key| rank(key) > rank(after));
            }
            let mut order = Order::default();
            let pages: Vec<Result<Page>> = some
                .chunks(size)
                .map(|keys| {
                    for key in keys {
                        order.see(key);
                    }
                    let objects = keys.iter().map(|key| Listed {
                        key: key.clone(),
                        size: 1,
                        etag: None,
                        modified: None,
                    });
                    Ok(Page {
                        objects: objects.collect(),
                        folders: Vec::new(),
                        order: order.clone(),
                    })
                })
                .collect();
            // Others have their turn between two pages.
            stream::iter(pages)
                .then(|page| async {
                    tokio::task::yield_now().await;
                    page
                })
                .boxed()
        })
    }

    async fn listed(fetch: Fetch, cuts: Vec<String>) -> std::result::Result<Vec<String>, Stop> {
        let mut told = read_all(fetch, "b", cuts);
        let mut keys = Vec::new();
        while let Some(some) = told.next().await {
            keys.extend(some?.into_iter().map(|object| object.key));
        }
        Ok(keys)
    }

    fn random_keys(random: &mut SmallRng) -> Vec<String> {
        const NAMES: [&str; 9] = ["a", "a-", "a.b", "a0", "b", "b~", " c", "ä", "zz"];
        let count = random.random_range(0..200);
        let keys: BTreeSet<String> = (0..count)
            .map(|n| {
                let depth = random.random_range(0..3);
                let folders: String = (0..depth)
                    .map(|_| format!("{}/", NAMES[random.random_range(0..NAMES.len())]))
                    .collect();
                format!("{folders}{}{n}", NAMES[random.random_range(0..NAMES.len())])
            })
            .collect();
        keys.into_iter().collect()
    }

    #[tokio::test]
    async fn every_key_comes_once_in_whichever_order_the_store_lists() {
        for seed in 0..400 {
            let mut random = SmallRng::seed_from_u64(seed);
            let keys = random_keys(&mut random);
            let cuts: Vec<String> = keys
                .iter()
                .filter(|_| random.random_bool(0.05))
                .cloned()
                .collect();
            for by_folders in [false, true] {
                let size = random.random_range(1..6);
                let fetch = store(keys.clone(), by_folders, size, Arc::default());
                let mut came = listed(fetch, cuts.clone()).await.unwrap();
                came.sort_unstable();
                assert_eq!(came, keys, "seed {seed}, by folders: {by_folders}");
            }
        }
    }

    #[tokio::test]
    async fn a_flat_bucket_without_cuts_is_cut_as_it_is_read() {
        let keys: Vec<String> = (0..2000).map(|n| format!("{n:05}")).collect();
        let asked = Arc::new(AtomicUsize::new(0));
        let fetch = store(keys.clone(), false, 10, Arc::clone(&asked));
        let split = read_all(fetch, "b", Vec::new());
        let came: Vec<_> = split.collect().await;
        let came: usize = came.into_iter().map(|some| some.unwrap().len()).sum();
        assert_eq!(came, keys.len());
        assert!(asked.load(Counter::Relaxed) > 4);
    }

    #[tokio::test]
    async fn a_store_without_order_is_told_where_it_was_cut_and_read_where_not() {
        let order = |keys: &[&str]| {
            let mut order = Order::default();
            for key in keys {
                order.see(key);
            }
            order
        };
        let fetch = |count: usize| -> Fetch {
            let unordered = order(&["b", "a"]);
            Arc::new(move |_| {
                let keys = (0..count).rev().map(|n| format!("{n:04}"));
                let objects: Vec<Listed> = keys
                    .map(|key| Listed {
                        key,
                        size: 1,
                        etag: None,
                        modified: None,
                    })
                    .collect();
                let order = unordered.clone();
                let folders = Vec::new();
                stream::iter([Ok(Page {
                    objects,
                    folders,
                    order,
                })])
                .boxed()
            })
        };
        assert_eq!(listed(fetch(3), Vec::new()).await.unwrap().len(), 3);
        let cut = listed(fetch(3), vec!["0001".to_owned(), "9".to_owned()]).await;
        assert!(matches!(cut, Err(Stop::Disorder)), "{cut:?}");
    }
}
