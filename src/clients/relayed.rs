//! Pages of what somebody else reads meanwhile: a stream whose reader runs by itself, as far ahead as there is room, and ends with
//! whoever takes what it reads.

use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinSet;

use super::Pages;
use crate::error::Result;

/// Where a reader puts what it has read.
pub(super) type To = Sender<Result<Value>>;

/// The pages that a reader gives. So many values wait to be taken at most; what the reader fails with comes last.
pub(super) fn relayed<R>(waiting: usize, read: impl FnOnce(To) -> R + Send + 'static) -> Pages
where
    R: Future<Output = Result<()>> + Send + 'static,
{
    let begun = stream::once(async move {
        let (to, from) = mpsc::channel(waiting);
        // Nobody else holds the other end.
        let mut reader = JoinSet::new();
        let last = to.clone();
        let reading = read(to);
        reader.spawn(async move {
            if let Err(error) = reading.await {
                let _ = last.send(Err(error)).await;
            }
        });
        (from, reader)
    });
    let pages = begun.flat_map(move |state| {
        stream::unfold(state, move |(mut from, reader)| async move {
            let mut some = Vec::new();
            let count = from.recv_many(&mut some, waiting).await;
            (count > 0).then_some((some, (from, reader)))
        })
    });
    pages
        .map(|some: Vec<Result<Value>>| some.into_iter().collect())
        .boxed()
}
