//! dashi's ingest-api: whether it is well. It sits behind a proxy that authenticates; see `[ingest] headers`.

use std::time::Duration;

use serde_json::Value;

use super::http::{Request, Sender};
use crate::error::Result;

/// The client of the ingest-api.
#[derive(Clone)]
pub struct Ingest {
    sender: Sender,
}

impl Ingest {
    /// A client that sends through `sender`.
    #[must_use]
    pub fn new(sender: Sender) -> Ingest {
        Ingest { sender }
    }

    /// The same client, with a bound on each whole call.
    #[must_use]
    pub fn within(&self, bound: Option<Duration>) -> Ingest {
        Ingest {
            sender: self.sender.within(bound),
        }
    }

    /// What the API says of itself: `status`, `service`, `version`.
    pub async fn health(&self) -> Result<Value> {
        self.sender.json(Request::get("/healthz")).await
    }
}
