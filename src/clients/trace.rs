//! `-v` and `-vv`: what was sent and what came back, on stderr, without the secrets in it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::Secret;

/// Bodies are shown up to this many characters.
const BODY: usize = 2_000;

/// Headers whose values are never shown, whatever is in them.
const HIDDEN: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-amz-security-token",
];

/// Query parameters whose values are never shown: signatures and credentials, of presigned URLs and of others.
const HIDDEN_PARAMETERS: [&str; 14] = [
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "sig",
    "signature",
    "token",
    "access_token",
    "api_key",
    "apikey",
    "api-key",
    "password",
    "secret",
    "client_secret",
    "auth",
];

/// Writes traces. Clones write to the same place.
#[derive(Clone)]
pub struct Tracer(Arc<Inner>);

struct Inner {
    say: Box<dyn Fn(&str) + Send + Sync>,
    verbosity: u8,
    secrets: Mutex<Vec<Secret>>,
}

impl Tracer {
    /// A tracer that shows nothing (0), lines (1), or headers and bodies too (2), and hides these secrets. What is shown
    /// is handed to `say`, a line at a time.
    #[must_use]
    pub fn new(
        say: impl Fn(&str) + Send + Sync + 'static,
        verbosity: u8,
        secrets: Vec<Secret>,
    ) -> Tracer {
        Tracer(Arc::new(Inner {
            say: Box::new(say),
            verbosity,
            secrets: Mutex::new(secrets),
        }))
    }

    /// Hides one more secret from now on.
    pub fn hide(&self, secret: Secret) {
        self.secrets().push(secret);
    }

    fn secrets(&self) -> MutexGuard<'_, Vec<Secret>> {
        self.0
            .secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything is shown; building the lines costs something.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.verbosity > 0
    }

    /// A request that is about to be sent.
    pub fn sent(
        &self,
        service: &str,
        method: &str,
        url: &str,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) {
        self.line(&format!("> {service} {method} {url}"));
        self.details('>', headers, body);
    }

    /// An answer that came back after a while; without its body where that is still to be read.
    pub fn came_back(
        &self,
        service: &str,
        status: u16,
        took: Duration,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) {
        let length = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok());
        let length = body
            .map(|body| body.len().to_string())
            .or(length.map(str::to_owned));
        let length = length
            .map(|length| format!(", {length} bytes"))
            .unwrap_or_default();
        self.line(&format!(
            "< {service} {status} {} ms{length}",
            took.as_millis()
        ));
        self.details('<', headers, body);
    }

    /// Anything else worth a line, such as a pause before another try.
    pub fn line(&self, text: &str) {
        if self.is_on() {
            (self.0.say)(&self.redacted(text));
        }
    }

    fn details(&self, mark: char, headers: &HeaderMap, body: Option<&[u8]>) {
        if self.0.verbosity < 2 {
            return;
        }
        for (name, value) in headers {
            let hidden = HIDDEN.contains(&name.as_str()) || value.is_sensitive();
            let value = if hidden {
                "…"
            } else {
                value.to_str().unwrap_or("(not text)")
            };
            self.line(&format!("{mark}   {name}: {value}"));
        }
        if let Some(body) = body.filter(|body| !body.is_empty()) {
            // Redacted whole, then cut: a cut through a secret would leave half of it.
            let text = self.redacted(&String::from_utf8_lossy(body));
            let shown: String = text.chars().take(BODY).collect();
            self.line(&format!(
                "{mark}   {shown}{}",
                if shown.len() < text.len() { " …" } else { "" }
            ));
        }
    }

    /// The text without any secret that this run has used: raw, percent-encoded or in base64.
    #[must_use]
    pub fn redacted(&self, text: &str) -> String {
        let mut text = hide_parameters(text);
        for secret in self.secrets().iter().filter_map(Secret::known) {
            for spelling in spellings(secret) {
                text = text.replace(&spelling, "…");
            }
        }
        text
    }
}

/// How a secret may be spelt in a trace. Shorter ones than 4 characters would blank half of every line.
fn spellings(secret: &str) -> Vec<String> {
    if secret.len() < 4 {
        return Vec::new();
    }
    let bases =
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|base| base.encode(secret));
    let mut spellings = vec![
        secret.to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
    ];
    spellings.extend(bases);
    spellings.push(
        serde_json::Value::from(secret)
            .to_string()
            .trim_matches('"')
            .to_owned(),
    );
    spellings
}

/// The text without the values of such parameters in the URLs in it. Errors use it as well.
pub(crate) fn hide_parameters(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(equals) = rest.find('=') {
        let (before, after) = rest.split_at(equals + 1);
        hidden.push_str(before);
        let name = before[..equals]
            .rsplit(['?', '&'])
            .next()
            .unwrap_or_default();
        let is_parameter = before.len() > name.len() + 1;
        let end = after
            .find(|c: char| matches!(c, '&' | '"' | '\'' | '#') || c.is_whitespace())
            .unwrap_or(after.len());
        if is_parameter && HIDDEN_PARAMETERS.contains(&name.to_lowercase().as_str()) {
            hidden.push('…');
            rest = &after[end..];
        } else {
            rest = after;
        }
    }
    hidden + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_presigned_urls_are_hidden() {
        let url = "PUT http://h/b/k?X-Amz-Signature=abc&X-Amz-Date=1&X-Amz-Credential=me%2F1";
        assert_eq!(
            hide_parameters(url),
            "PUT http://h/b/k?X-Amz-Signature=…&X-Amz-Date=1&X-Amz-Credential=…"
        );
    }

    #[test]
    fn a_secret_is_known_in_every_spelling() {
        let spelt = spellings("s3cr3t+/=");
        assert!(spelt.contains(&"s3cr3t%2B%2F%3D".to_owned()));
        assert!(spelt.contains(&STANDARD.encode("s3cr3t+/=")));
        assert!(spellings("abc").is_empty());
    }
}
