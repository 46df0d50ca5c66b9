//! Servers that are no service of the lake: a status page, a metrics endpoint, a webhook's answer. Nothing of the lake's
//! credentials is sent to them; what is sent, the script says.

use std::time::{Duration, Instant};

use http::header::{HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};
use url::Url;

use super::trace::{Tracer, hide_parameters};
use super::{advice, connection};
use crate::config::Transport;
use crate::effects::Permit;
use crate::error::{Error, Kind, Result};
use crate::time;

/// A request, with all that is sent.
#[derive(Clone, PartialEq, Eq)]
pub struct WebRequest {
    /// The method.
    pub method: Method,
    /// The URL. It may hold a secret, as those of webhooks do.
    pub url: String,
    /// The URL as far as everybody may see it.
    pub shown: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<String>,
    /// How long it may take; as configured where it is not said.
    pub timeout: Option<Duration>,
}

impl std::fmt::Debug for WebRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.shown)
    }
}

/// The client of servers that are no service of the lake.
#[derive(Clone)]
pub struct Web {
    transport: Transport,
    tracer: Tracer,
}

impl Web {
    /// A client with these time limits, proxy and certificates.
    #[must_use]
    pub fn new(transport: Transport, tracer: Tracer) -> Web {
        Web { transport, tracer }
    }

    /// `GET url` with these headers: `status`, `headers` and `body` (text). A bad status is an error.
    pub async fn get(
        &self,
        url: &str,
        headers: Vec<(String, String)>,
        timeout: Option<Duration>,
    ) -> Result<Value> {
        let request = WebRequest {
            method: Method::GET,
            url: url.to_owned(),
            // Presigned URLs come here too: what is shown has no signature.
            shown: hide_parameters(url),
            headers,
            body: None,
            timeout,
        };
        Ok(self.exchange(&request).await?.into_json())
    }

    /// Sends a request that changes something, once. Answers as `get` does; but who is sent elsewhere has changed nothing.
    pub async fn send(&self, _: Permit, request: &WebRequest) -> Result<Value> {
        let answer = self.exchange(request).await?;
        if !(300..400).contains(&answer.status) {
            return Ok(answer.into_json());
        }
        let error = refused(
            request,
            answer.status,
            Kind::Protocol,
            ": it is somewhere else",
        )
        .hint("send it there: redirects are not followed");
        let location = answer
            .headers
            .get(LOCATION)
            .and_then(|place| place.to_str().ok());
        Err(match location {
            Some(place) => error.cause(format!("location: {}", hide_parameters(place))),
            None => error,
        })
    }

    async fn exchange(&self, request: &WebRequest) -> Result<Answer> {
        let url = web_url(&request.url)?;
        let method = &request.method;
        let bound = request.timeout.unwrap_or(self.transport.timeout);
        let client =
            connection::build("http", connection::builder("http", &url, &self.transport)?)?;
        let headers = sent(&request.headers)?;
        let body = request.body.as_deref().map(str::as_bytes);
        self.tracer
            .sent("http", method.as_str(), &request.shown, &headers, body);
        let started = Instant::now();
        let failed = |error: reqwest::Error| self.unreached(request, bound, &error);
        let mut sending = client
            .request(method.clone(), url.clone())
            .headers(headers)
            .timeout(bound);
        if let Some(body) = &request.body {
            sending = sending.body(body.clone());
        }
        let response = sending.send().await.map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.map_err(failed)?;
        self.tracer.came_back(
            "http",
            status,
            started.elapsed(),
            &headers,
            Some(body.as_bytes()),
        );
        if status >= 400 {
            let said: String = body.chars().take(600).collect();
            return Err(refused(request, status, Kind::of_status(status), "").cause(said));
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    fn unreached(&self, request: &WebRequest, bound: Duration, error: &reqwest::Error) -> Error {
        let url = &request.shown;
        let failure = if error.is_timeout() {
            let message = format!("{url} did not answer within {}", time::spell(bound));
            Error::new(Kind::Timeout, message).hint(advice::timeout(&self.transport))
        } else {
            let failure = Error::new(Kind::Unavailable, format!("{url} cannot be reached"));
            match std::error::Error::source(error) {
                Some(source) => failure.caused_by(source),
                None => failure,
            }
        };
        failure.request("http", request.method.as_str(), url)
    }
}

/// What a server has answered.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn into_json(self) -> Value {
        json!({"status": self.status, "headers": came_back(&self.headers), "body": self.body})
    }
}

/// A status that is no success.
fn refused(request: &WebRequest, status: u16, kind: Kind, more: &str) -> Error {
    let (method, shown) = (&request.method, &request.shown);
    let message = format!("{method} {shown} was answered with status {status}{more}");
    Error::new(kind, message)
        .request("http", method.as_str(), shown)
        .status(status)
}

/// Only what a web server is: `file:` and its like are no way around `fs::`.
fn web_url(text: &str) -> Result<Url> {
    let url = Url::parse(text)
        .map_err(|error| Error::usage("this is no URL").cause(error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        let hint =
            "send credentials as a header: #{ bearer: env::secret(\"…\") } or #{ headers: #{…} }";
        return Err(
            Error::usage("a URL with a user name or password in it is not fetched").hint(hint),
        );
    }
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(Error::usage(format!("'{other}:' is not fetched"))
            .hint("write a URL with http:// or https://")),
    }
}

fn sent(headers: &[(String, String)]) -> Result<HeaderMap> {
    let mut sent = HeaderMap::new();
    for (name, value) in headers {
        let wrong = || Error::usage(format!("the header '{name}' cannot be sent"));
        let header = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        sent.insert(header, value);
    }
    Ok(sent)
}

fn came_back(headers: &HeaderMap) -> Value {
    let text =
        |value: &HeaderValue| Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned());
    Value::Object(
        headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect::<Map<_, _>>(),
    )
}
