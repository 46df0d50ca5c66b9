//! A request to a server that is no service of the lake, as a change: sent once, and never taken back. Its URL, headers and
//! body may hold secrets, so they are known to the process that was given them, and stand in plan and journal as a digest.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Permit;
use super::hands::Done;
use super::payload::digest;
use crate::clients::web::WebRequest;
use crate::error::{Error, Kind, Result};
use crate::session::Session;

/// A request that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    method: String,
    /// The URL, as far as everybody may see it.
    url: String,
    sha256: String,
    #[serde(skip)]
    whole: Option<WebRequest>,
}

impl Outgoing {
    /// This one.
    #[must_use]
    pub fn new(request: WebRequest) -> Outgoing {
        let parts = json!([
            request.method.as_str(),
            request.url,
            request.headers,
            request.body
        ]);
        Outgoing {
            method: request.method.to_string(),
            url: request.shown.clone(),
            sha256: digest(parts.to_string().as_bytes()),
            whole: Some(request),
        }
    }

    /// It as a target.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{} {}", self.method, self.url)
    }

    /// Sends it. `known` is the same as this process was asked for it, if it was.
    pub(super) async fn perform(
        &self,
        session: &Session,
        permit: Permit,
        known: Option<&Outgoing>,
    ) -> Result<Done> {
        let same = known.filter(|known| known.sha256 == self.sha256);
        let whole = self
            .whole
            .as_ref()
            .or_else(|| same.and_then(|same| same.whole.as_ref()));
        let sent = session.web()?.send(permit, whole.ok_or_else(lost)?).await;
        // Many servers say again what they were asked, and the answer stands in the journal.
        let answer = sent.map_err(|error| session.redacted(error))?;
        Ok(Done {
            value: redacted(answer, session),
            ..Done::default()
        })
    }
}

/// A value without any secret that this run has used.
fn redacted(value: Value, session: &Session) -> Value {
    match value {
        Value::String(text) => session.redact(&text).into(),
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name, redacted(value, session)));
            Value::Object(fields.collect())
        }
        other => other,
    }
}

fn lost() -> Error {
    Error::new(
        Kind::Stale,
        "what was to be sent is not kept in plan and journal",
    )
    .hint("run the command again: what it has done already is found in place")
}
