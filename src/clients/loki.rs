//! Loki's HTTP API (3.x): whether it is ready, and pushing a line. Errors of Loki are plain text, which the sender quotes as it is.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::http::{Request, Sender};
use crate::effects::Permit;
use crate::error::Result;

/// The client of Loki.
#[derive(Clone)]
pub struct Loki {
    sender: Sender,
}

impl Loki {
    /// A client that sends through `sender`.
    #[must_use]
    pub fn new(sender: Sender) -> Loki {
        Loki { sender }
    }

    /// The same client, with a bound on each whole call.
    #[must_use]
    pub fn within(&self, bound: Option<Duration>) -> Loki {
        Loki {
            sender: self.sender.within(bound),
        }
    }

    /// Asks whether it takes queries. A Loki that starts up answers 503 with the reason.
    pub async fn ready(&self) -> Result<()> {
        let answer = self.sender.send(Request::get("/ready")).await?;
        if answer.body.trim_ascii() == b"ready" {
            Ok(())
        } else {
            Err(answer.fault("something else than 'ready'"))
        }
    }

    /// Pushes one line to the stream of these labels.
    pub async fn push(
        &self,
        permit: Permit,
        labels: Value,
        at: Timestamp,
        line: &str,
    ) -> Result<()> {
        let stream = json!({"stream": labels, "values": [[at.as_nanosecond().to_string(), line]]});
        let body = json!({"streams": [stream]});
        self.sender
            .send(Request::post(permit, "/loki/api/v1/push", body))
            .await
            .map(drop)
    }
}
