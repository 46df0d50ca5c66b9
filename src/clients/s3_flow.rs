//! Bodies on their way to the store: what is sent is counted, and one of which nothing moves any more is given up. How
//! long a whole upload takes is nobody's business as long as it flows.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Looks a bound is divided into: a stall is noticed after the bound, and at most a part of it later.
const LOOKS: u32 = 8;

/// How many bytes of a body were sent. Clones count the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Flow {
    own: Arc<AtomicU64>,
    /// What is counted together with others.
    all: Arc<AtomicU64>,
}

impl Flow {
    /// One that adds what it counts to this, too.
    pub(super) fn among(all: &Arc<AtomicU64>) -> Flow {
        Flow {
            own: Arc::default(),
            all: Arc::clone(all),
        }
    }

    fn add(&self, bytes: usize) {
        // A body of 2^64 bytes is none.
        let bytes = bytes as u64;
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A body that is counted while it is sent.
    pub(super) fn through(&self, body: SdkBody) -> Flowing {
        Flowing {
            body,
            flow: self.clone(),
        }
    }

    /// Ends when nothing was sent for so long.
    pub(super) async fn stalled(&self, bound: Duration) {
        let mut before = self.own.load(Ordering::Relaxed);
        let mut still = 0;
        while still < LOOKS {
            tokio::time::sleep(bound / LOOKS).await;
            let now = self.own.load(Ordering::Relaxed);
            still = if now == before { still + 1 } else { 0 };
            before = now;
        }
    }
}

/// A body that is counted while it is sent.
pub(super) struct Flowing {
    body: SdkBody,
    flow: Flow,
}

impl Body for Flowing {
    type Data = Bytes;
    type Error = aws_smithy_types::body::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            this.flow.add(frame.data_ref().map_or(0, Bytes::len));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_flows_is_not_given_up_and_what_stands_still_is() {
        let flow = Flow::default();
        let bound = Duration::from_secs(30);
        let moving = async {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                flow.add(1);
            }
        };
        tokio::select! {
            () = flow.stalled(bound) => panic!("it flows"),
            () = moving => {}
        }
        let began = tokio::time::Instant::now();
        flow.stalled(bound).await;
        assert!(began.elapsed() >= bound && began.elapsed() < bound * 2);
    }
}
