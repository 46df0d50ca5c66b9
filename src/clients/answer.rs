//! An answer of a JSON service: what it holds, and what a server that refuses says in its own words.

use std::time::SystemTime;

use bytes::Bytes;
use http::Method;
use http::header::{DATE, HeaderMap};
use serde_json::Value;
use url::Url;

use crate::error::{Error, Kind, Result};

/// A server's own words are quoted up to this many characters.
const QUOTE: usize = 600;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
    /// The URL that was asked.
    pub url: Url,
    pub(super) method: Method,
    pub(super) service: &'static str,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let quoted = quote(&String::from_utf8_lossy(&self.body));
            self.fault("an answer that is no JSON")
                .cause(error.to_string())
                .cause(quoted)
                .hint(format!("is that the address of {}? `dashictl config --origin` shows where it comes from", self.service))
        })
    }

    /// An error that says this answer breaks the service's protocol.
    #[must_use]
    pub fn fault(&self, what: &str) -> Error {
        let (service, method, url) = (self.service, &self.method, &self.url);
        Error::new(
            Kind::Protocol,
            format!("{service} gave {what} to {method} {url}"),
        )
        .request(service, method.as_str(), url.as_str())
        .status(self.status)
    }

    /// What the server's clock says.
    #[must_use]
    pub fn date(&self) -> Option<SystemTime> {
        self.headers
            .get(DATE)?
            .to_str()
            .ok()
            .and_then(|date| httpdate::parse_http_date(date).ok())
    }
}

/// The server's own words: the usual fields of JSON errors, else the text itself.
pub(super) fn own_words(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let said = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(fields)) => {
            said_in(&fields).unwrap_or_else(|| Value::Object(fields).to_string())
        }
        _ => text.trim().to_owned(),
    };
    Some(quote(&said)).filter(|said| !said.is_empty())
}

fn said_in(fields: &serde_json::Map<String, Value>) -> Option<String> {
    let named = |name: &str| {
        fields
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let said = [
        "description",
        "error_description",
        "errorMessage",
        "detail",
        "message",
        "exception_message",
        "error",
    ]
    .into_iter()
    .find_map(named);
    // Some wrap what they say once more.
    if let (None, Some(Value::Object(within))) = (said, fields.get("error")) {
        return said_in(within);
    }
    match (named("code"), said) {
        (Some(code), Some(said)) => Some(format!("{code}: {said}")),
        (code, said) => code.or(said).map(str::to_owned),
    }
}

pub(super) fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTE).collect();
    if quoted.len() < text.len() {
        quoted.push_str(" …");
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_words_are_found() {
        let said = |body: &str| own_words(body.as_bytes());
        assert_eq!(
            said(r#"{"code":"NotFoundError","description":"gone"}"#).unwrap(),
            "NotFoundError: gone"
        );
        assert_eq!(
            said(r#"{"detail":"Deployment not found"}"#).unwrap(),
            "Deployment not found"
        );
        assert_eq!(
            said(r#"{"error":{"message":"Table does not exist: a","type":"NoSuchTableException","code":404}}"#).unwrap(),
            "Table does not exist: a"
        );
        assert_eq!(
            said("parse error at line 1\n").unwrap(),
            "parse error at line 1"
        );
        assert_eq!(said(""), None);
    }
}
