//! The one sender for JSON services: timeouts, retries, credentials for the configured origin alone, traces, and the
//! one place where a bad status becomes an [`Error`]. What is asked and what an answer means is the clients' business.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use http::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::retry::{self, Tried, Tries};
use super::{advice, connection};
use crate::config::{Secret, ServiceSettings};
use crate::error::{Error, Kind, Result};

pub use super::answer::Answer;
pub use super::request::{Request, path};
pub use super::trace::Tracer;

/// Redirects within the configured origin are followed this often.
const REDIRECTS: usize = 5;
/// A JSON answer larger than this is no page of anything.
const BODY_LIMIT: usize = 256 << 20;
/// Sends requests to one service. Clones share connections.
#[derive(Clone)]
pub struct Sender {
    inner: Arc<Inner>,
    /// A bound on a whole call, tries and pauses included, that the caller asked for.
    within: Option<Duration>,
    /// A token instead of the configured one.
    bearer: Option<Secret>,
}

struct Inner {
    settings: ServiceSettings,
    tracer: Tracer,
    client: OnceLock<reqwest::Client>,
}

impl Sender {
    /// A sender for a service; it connects when it first sends.
    #[must_use]
    pub fn new(settings: ServiceSettings, tracer: Tracer) -> Sender {
        Sender {
            inner: Arc::new(Inner {
                settings,
                tracer,
                client: OnceLock::new(),
            }),
            within: None,
            bearer: None,
        }
    }

    /// The same sender, with a bound on each whole call.
    #[must_use]
    pub fn within(&self, bound: Option<Duration>) -> Sender {
        Sender {
            inner: Arc::clone(&self.inner),
            within: bound.or(self.within),
            bearer: self.bearer.clone(),
        }
    }

    /// The bound on each whole call, where there is one of its own.
    pub(super) fn bound(&self) -> Option<Duration> {
        self.within
    }

    /// The same sender, with this token instead of the configured one.
    #[must_use]
    pub(super) fn bearing(&self, token: Secret) -> Sender {
        Sender {
            bearer: Some(token),
            ..self.clone()
        }
    }

    /// The service's settings.
    #[must_use]
    pub fn settings(&self) -> &ServiceSettings {
        &self.inner.settings
    }

    /// Where requests are traced.
    pub(super) fn tracer(&self) -> &Tracer {
        &self.inner.tracer
    }

    /// Sends a request, one that only reads as often as the settings allow; an answer with a bad status is an error.
    pub async fn send(&self, request: Request) -> Result<Answer> {
        let url = request.url(&self.settings().url)?;
        let tries = Tries {
            service: self.name(),
            retries: if request.reads {
                self.settings().transport.retries
            } else {
                0
            },
            within: self.within,
            tracer: &self.inner.tracer,
        };
        let silent = |bound| self.silent(&request.method, &url, bound);
        tries
            .run(silent, |count| self.attempt(&request, url.clone(), count))
            .await
    }

    /// Sends a request and reads its answer as JSON.
    pub async fn json(&self, request: Request) -> Result<Value> {
        self.send(request).await?.json()
    }

    /// One try as [`Tries`] counts it: a bad status and a passing failure are worth another where a pause may help.
    async fn attempt(&self, request: &Request, url: Url, count: u32) -> Result<Tried<Answer>> {
        match self.try_once(request, url).await {
            Ok(answer) if answer.status < 300 => Ok(Tried::Answered(answer)),
            Ok(answer) => Ok(Tried::Failed(
                self.refused(&answer),
                pause_after(&answer, count),
            )),
            Err(Failure::Lasting(error)) => Err(error),
            Err(Failure::Passing(error)) => Ok(Tried::Failed(error, Some(retry::pause(count)))),
        }
    }

    /// One try, redirects within the origin included. The answer may have any status but a redirect's.
    async fn try_once(
        &self,
        request: &Request,
        mut url: Url,
    ) -> std::result::Result<Answer, Failure> {
        for _ in 0..=REDIRECTS {
            let answer = self.exchange(request, url.clone()).await?;
            if !StatusCode::from_u16(answer.status).is_ok_and(|status| status.is_redirection()) {
                return Ok(answer);
            }
            // Only these two keep the method: after another a POST would create twice, or silently become a GET.
            if request.method != Method::GET && !matches!(answer.status, 307 | 308) {
                return Err(Failure::Lasting(self.refused(&answer)));
            }
            url = self.redirected(&answer).map_err(Failure::Lasting)?;
        }
        Err(Failure::Lasting(self.at(
            Error::new(Kind::Protocol, "too many redirects"),
            &request.method,
            &url,
        )))
    }

    async fn exchange(&self, request: &Request, url: Url) -> std::result::Result<Answer, Failure> {
        let (media_type, body) = request.payload().unzip();
        let headers = self.headers(media_type).map_err(Failure::Lasting)?;
        let is_shown = request.form.is_none();
        let tracer = &self.inner.tracer;
        tracer.sent(
            self.name(),
            request.method.as_str(),
            url.as_str(),
            &headers,
            body.as_ref().filter(|_| is_shown).map(String::as_bytes),
        );
        let mut sending = self
            .client()
            .map_err(Failure::Lasting)?
            .request(request.method.clone(), url.clone())
            .headers(headers)
            .timeout(self.settings().transport.timeout);
        if let Some(body) = body {
            sending = sending.body(body);
        }
        let started = Instant::now();
        let failed = |error: reqwest::Error| self.unreached(&request.method, &url, &error);
        let response = sending.send().await.map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let most = request.most.unwrap_or(BODY_LIMIT);
        let body = self.body(response, most, &request.method, &url).await?;
        tracer.came_back(
            self.name(),
            status,
            started.elapsed(),
            &headers,
            is_shown.then_some(&*body),
        );
        Ok(Answer {
            status,
            headers,
            body,
            url,
            method: request.method.clone(),
            service: self.name(),
        })
    }

    /// The body, whole: a page of a listing is held in memory, an endless one is not.
    async fn body(
        &self,
        mut response: reqwest::Response,
        most: usize,
        method: &Method,
        url: &Url,
    ) -> std::result::Result<Bytes, Failure> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.unreached(method, url, &error))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > most {
                let message = format!(
                    "{} answered {url} with more than {} MiB",
                    self.name(),
                    most >> 20
                );
                let error = Error::new(Kind::TooLarge, message).hint("ask for less at once");
                return Err(Failure::Lasting(self.at(error, &Method::GET, url)));
            }
        }
        Ok(body.freeze())
    }

    /// The service's name.
    pub(super) fn name(&self) -> &'static str {
        self.settings().service.name()
    }

    fn client(&self) -> Result<&reqwest::Client> {
        if let Some(client) = self.inner.client.get() {
            return Ok(client);
        }
        let settings = self.settings();
        let builder = connection::builder(self.name(), &settings.url, &settings.transport)?;
        let client = connection::build(self.name(), builder)?;
        Ok(self.inner.client.get_or_init(|| client))
    }

    /// The headers of a request, credentials included.
    pub(super) fn headers(&self, media_type: Option<&'static str>) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, application/geo+json;q=0.9, */*;q=0.5"),
        );
        if let Some(media_type) = media_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        if let Some(token) = self.bearer.as_ref().or(self.settings().token.as_ref()) {
            headers.insert(
                AUTHORIZATION,
                hidden(&format!("Bearer {}", token.expose()?), "token")?,
            );
        }
        for (name, secret) in &self.settings().headers {
            let wrong = |_| {
                Error::config(format!(
                    "'{name}' is no header name (setting {}.headers)",
                    self.name()
                ))
            };
            let header = HeaderName::try_from(name.as_str()).map_err(wrong)?;
            headers.insert(header, hidden(Secret::expose(secret)?, name)?);
        }
        if let Some(user) = &self.settings().user {
            let wrong =
                |_| Error::config(format!("'{user}' cannot be sent as a header (ingest.user)"));
            let value = HeaderValue::from_str(user).map_err(wrong)?;
            headers.entry("remote-user").or_insert(value);
        }
        Ok(headers)
    }

    /// Where a redirect leads. Another origin is not followed: it must neither see credentials nor be trusted.
    fn redirected(&self, answer: &Answer) -> Result<Url> {
        let target = answer
            .headers
            .get(LOCATION)
            .and_then(|location| location.to_str().ok());
        let target = target.and_then(|target| answer.url.join(target).ok());
        let Some(target) = target else {
            return Err(answer.fault("a redirect to nowhere"));
        };
        if target.origin() == self.settings().url.origin() {
            return Ok(target);
        }
        let setting = self.settings().setting;
        Err(self.at(
            Error::new(
                Kind::Protocol,
                format!("{} redirects to another origin, {target}", self.name()),
            )
            .hint(format!(
                "if that is the service, say so: {setting} = \"{}\"",
                target.origin().ascii_serialization()
            )),
            &answer.method,
            &answer.url,
        ))
    }

    /// A bad status as an error, with the server's own words.
    pub(super) fn refused(&self, answer: &Answer) -> Error {
        let reason = StatusCode::from_u16(answer.status)
            .ok()
            .and_then(|status| status.canonical_reason());
        // A server may quote what it was sent.
        let said =
            super::answer::own_words(&answer.body).map(|said| self.inner.tracer.redacted(&said));
        let message = format!(
            "{} answered {} {} to {} {}",
            self.name(),
            answer.status,
            reason.unwrap_or("(unknown status)"),
            answer.method,
            answer.url
        );
        let mut error = self.at(
            Error::new(Kind::of_status(answer.status), message),
            &answer.method,
            &answer.url,
        );
        error = error.status(answer.status);
        if let Some(said) = said {
            error = error.cause(said);
        }
        match error.kind() {
            kind @ (Kind::Unauthorized | Kind::Forbidden) => {
                error.hint(advice::refused(self.name(), kind))
            }
            Kind::Unavailable => error.hint("is it well? `dashictl doctor` looks at every service"),
            _ => error,
        }
    }

    /// No answer at all: which failure it was, and what to look at.
    pub(super) fn unreached(&self, method: &Method, url: &Url, error: &reqwest::Error) -> Failure {
        if error.is_timeout() && !error.is_connect() {
            return Failure::Lasting(self.silent(method, url, self.settings().transport.timeout));
        }
        let what = if error.is_connect() {
            "cannot be reached at"
        } else {
            "broke off its answer to"
        };
        let subject = if error.is_connect() {
            origin(url)
        } else {
            format!("{method} {url}")
        };
        let kind = if error.is_timeout() {
            Kind::Timeout
        } else {
            Kind::Unavailable
        };
        let mut failure = self.at(
            Error::new(kind, format!("{} {what} {subject}", self.name())),
            method,
            url,
        );
        if let Some(source) = std::error::Error::source(error) {
            failure = failure.caused_by(source);
        }
        let transport = &self.settings().transport;
        if let Some(hint) = advice::certificate(error, transport) {
            return Failure::Lasting(failure.hint(hint));
        }
        if let Some(tunnel) = &transport.tunnel {
            failure = failure.hint(advice::tunnel(tunnel));
        }
        if error.is_connect() {
            if let Some(hint) = advice::proxy(url, transport) {
                failure = failure.hint(hint);
            }
            failure = failure.hint(advice::address(
                self.settings().setting,
                &self.settings().origin,
            ));
            // A tunnel has already waited for a pod that is restarted.
            if transport.tunnel.is_some() {
                return Failure::Lasting(failure);
            }
        }
        Failure::Passing(failure)
    }

    /// Nothing came within the time allowed.
    pub(super) fn silent(&self, method: &Method, url: &Url, bound: Duration) -> Error {
        let message = format!(
            "{} did not answer {method} {url} within {}",
            self.name(),
            crate::time::spell(bound)
        );
        self.at(Error::new(Kind::Timeout, message), method, url)
            .hint(advice::timeout(&self.settings().transport))
    }

    pub(super) fn at(&self, error: Error, method: &Method, url: &Url) -> Error {
        error.request(self.name(), method.as_str(), url.as_str())
    }
}

/// How long to wait before another try, as the answer asks for or with growing jitter; nothing where it would not help.
fn pause_after(answer: &Answer, attempt: u32) -> Option<Duration> {
    let asked_for = || retry::asked_for(&answer.headers, SystemTime::now());
    retry::is_passing(answer.status).then(|| asked_for().unwrap_or_else(|| retry::pause(attempt)))
}

/// Why there is no answer, and whether trying again may help.
pub(super) enum Failure {
    Passing(Error),
    Lasting(Error),
}

impl Failure {
    /// The error, either way.
    pub(super) fn error(self) -> Error {
        match self {
            Failure::Passing(error) | Failure::Lasting(error) => error,
        }
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn hidden(value: &str, name: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| Error::config(format!("the value of '{name}' cannot be sent in a header")))?;
    value.set_sensitive(true);
    Ok(value)
}
