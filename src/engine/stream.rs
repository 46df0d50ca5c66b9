//! A list that is read as it comes: pages are fetched in the background, one ahead, while a script works on the last.
//!
//! A stream can be read once. Breaking out of a `for` and going on later resumes it; reading on after its end is an
//! error, because it would look like an empty list.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use rhai::{Dynamic, FnPtr, NativeCallContext};
use serde_json::Value;
use tokio::sync::mpsc;

use super::callback::Callback;
use super::raise::{Raised, raise_unplaced};
use super::value::from_json;
use crate::clients::Pages;
use crate::error::{Error, Kind, Result};
use crate::session::Session;

/// A source of values.
pub(crate) type Source = Box<dyn Iterator<Item = Raised<Dynamic>> + Send>;

enum State {
    Ready(Source),
    Reading,
    Ended,
}

/// A list that is read as it comes, as a value of a script. Clones share one position.
#[derive(Clone)]
pub struct Stream {
    state: Arc<Mutex<State>>,
    of: Arc<str>,
    /// How many values can be had without waiting for a service.
    at_hand: Arc<AtomicUsize>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream of {}", self.of)
    }
}

impl Stream {
    fn over(
        of: Arc<str>,
        at_hand: Arc<AtomicUsize>,
        source: impl Iterator<Item = Raised<Dynamic>> + Send + 'static,
    ) -> Stream {
        Stream {
            state: Arc::new(Mutex::new(State::Ready(Box::new(source)))),
            of,
            at_hand,
        }
    }

    /// A stream over what a source makes of this stream's values; this one counts as read.
    pub(crate) fn through<S>(&self, wrap: impl FnOnce(Source) -> S) -> Raised<Stream>
    where
        S: Iterator<Item = Raised<Dynamic>> + Send + 'static,
    {
        Ok(Stream::over(
            Arc::clone(&self.of),
            Arc::clone(&self.at_hand),
            wrap(self.take(State::Ended)?),
        ))
    }

    /// A stream over pages. Nothing is asked before the first value is.
    pub(crate) fn of_pages(session: &Session, of: &str, pages: Pages) -> Stream {
        let at_hand = Arc::new(AtomicUsize::new(0));
        let reader = PageReader {
            session: session.clone(),
            pages: Some(pages),
            receiver: None,
            page: Vec::new().into_iter(),
            at_hand: Arc::clone(&at_hand),
        };
        Stream::over(of.into(), at_hand, reader)
    }

    /// A stream over what an iterator of this program gives.
    pub(crate) fn of_values(
        of: &str,
        values: impl Iterator<Item = Raised<Dynamic>> + Send + 'static,
    ) -> Stream {
        Stream::over(of.into(), Arc::new(AtomicUsize::new(0)), values)
    }

    /// Whether the next value has to be waited for: then what is there should be shown first.
    pub(crate) fn waits(&self) -> bool {
        self.at_hand.load(Ordering::Relaxed) == 0
    }

    /// The next value, or nothing at the end.
    pub(crate) fn pull(&self) -> Option<Raised<Dynamic>> {
        // The source is taken out while it is read: a closure that touches the same stream must not deadlock.
        let mut source = match self.take(State::Reading) {
            Ok(source) => source,
            Err(error) => return Some(Err(error)),
        };
        let next = source.next();
        *self.lock() = if matches!(next, Some(Ok(_))) {
            State::Ready(source)
        } else {
            State::Ended
        };
        next
    }

    fn take(&self, leaving: State) -> Raised<Source> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, leaving) {
            State::Ready(source) => Ok(source),
            State::Reading => {
                *state = State::Reading;
                Err(raise_unplaced(&self.being_read()))
            }
            State::Ended => {
                *state = State::Ended;
                Err(raise_unplaced(&self.ended()))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> Error {
        Error::new(
            Kind::Script,
            format!(
                "this stream of {} has been read already",
                self.of
            ),
        )
        .hint("a stream is read once, also where only a part is taken: ask for it again, or keep its values: `let all = stream.collect();`")
    }

    fn being_read(&self) -> Error {
        Error::new(
            Kind::Script,
            format!("this stream of {} is being read elsewhere", self.of),
        )
        .hint("read it in one place, or collect it before working on it in parallel")
    }
}

impl IntoIterator for Stream {
    type Item = Raised<Dynamic>;
    type IntoIter = Values;

    fn into_iter(self) -> Values {
        Values(self, false)
    }
}

/// Goes through a stream, as `for` does, up to the first error: a loop without a body would ask on and on.
pub struct Values(Stream, bool);

impl Iterator for Values {
    type Item = Raised<Dynamic>;

    fn next(&mut self) -> Option<Raised<Dynamic>> {
        if self.1 {
            return None;
        }
        let next = self.0.pull();
        self.1 = matches!(next, Some(Err(_)));
        next
    }
}

/// Reads pages on the runtime, one ahead of who reads.
struct PageReader {
    session: Session,
    pages: Option<Pages>,
    receiver: Option<mpsc::Receiver<Result<Vec<Value>>>>,
    page: std::vec::IntoIter<Value>,
    at_hand: Arc<AtomicUsize>,
}

impl PageReader {
    fn start(&mut self) {
        let Some(mut pages) = self.pages.take() else {
            return;
        };
        let (sender, receiver) = mpsc::channel(1);
        self.receiver = Some(receiver);
        self.session.runtime().spawn(async move {
            // A place is taken before a page is asked for: one page ahead of who reads, and none after who stopped.
            while let Ok(place) = sender.reserve().await {
                let page =
                    tokio::select! { page = pages.next() => page, () = sender.closed() => None };
                let Some(page) = page else { break };
                let failed = page.is_err();
                place.send(page);
                if failed {
                    break;
                }
            }
        });
    }

    fn next_page(&mut self) -> Result<Option<Vec<Value>>> {
        self.start();
        let Some(receiver) = &mut self.receiver else {
            return Ok(None);
        };
        self.session
            .wait(async { receiver.recv().await.transpose() })
    }
}

impl Iterator for PageReader {
    type Item = Raised<Dynamic>;

    fn next(&mut self) -> Option<Raised<Dynamic>> {
        loop {
            if let Some(value) = self.page.next() {
                self.at_hand.store(self.page.len(), Ordering::Relaxed);
                return Some(Ok(from_json(value)));
            }
            match self.next_page() {
                Ok(Some(page)) => self.page = page.into_iter(),
                Ok(None) => return None,
                Err(error) => return Some(Err(raise_unplaced(&error))),
            }
        }
    }
}

/// A lazy stream whose values went through a closure.
pub(crate) fn mapped(
    cx: &NativeCallContext,
    session: &Session,
    stream: &Stream,
    with: FnPtr,
) -> Raised<Stream> {
    let callback = Callback::new(cx, session, with);
    stream.through(|source| source.map(move |value| callback.call::<Dynamic>((value?,))))
}

/// A lazy stream of the values for which a closure says true.
pub(crate) fn filtered(
    cx: &NativeCallContext,
    session: &Session,
    stream: &Stream,
    keep: FnPtr,
) -> Raised<Stream> {
    let callback = Callback::new(cx, session, keep);
    let kept = move |value: Raised<Dynamic>| match value {
        Ok(value) => match callback.call::<bool>((value.clone(),)) {
            Ok(true) => Some(Ok(value)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        },
        Err(error) => Some(Err(error)),
    };
    stream.through(|source| source.filter_map(kept))
}
