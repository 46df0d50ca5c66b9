//! How the S3 library reaches the store: through the same HTTP client as every other service, so that TLS, proxy,
//! timeouts and traces mean the same there.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use aws_sdk_s3::config::{ConfigBag, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;

use super::connection;
use super::s3::as_stored;
use super::s3_flow::Flow;
use super::trace::Tracer;
use crate::config::S3Settings;
use crate::error::Error;

/// Bodies of at least so many bytes are sent for as long as they flow, smaller ones within the timeout.
const LONG: u64 = 1 << 20;

/// An S3 library transport over one HTTP client. Clones share connections.
#[derive(Clone)]
pub struct Transport {
    client: reqwest::Client,
    long: Option<Arc<Long>>,
    tracer: Tracer,
}

/// What long bodies are sent by: the other client's timeout counts the time that they take.
struct Long {
    settings: S3Settings,
    client: OnceLock<reqwest::Client>,
}

impl Long {
    fn client(&self) -> Result<&reqwest::Client, Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let S3Settings {
            endpoint,
            transport,
            ..
        } = &self.settings;
        let builder = as_stored(connection::builder("s3", endpoint, transport)?);
        let client = connection::build("s3", builder)?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn send(
        &self,
        request: http::request::Parts,
        body: SdkBody,
    ) -> Result<reqwest::Response, ConnectorError> {
        let client = self
            .client()
            .map_err(|error| ConnectorError::user(error.into()))?;
        let flow = Flow::default();
        let sending = client
            .request(request.method, request.uri.to_string())
            .headers(request.headers)
            .body(reqwest::Body::wrap(flow.through(body)));
        tokio::select! {
            response = sending.send() => response.map_err(failed),
            () = flow.stalled(self.settings.transport.timeout) => {
                Err(ConnectorError::timeout("nothing moves any more".into()))
            }
        }
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transport")
    }
}

impl Transport {
    /// A transport over this client.
    #[must_use]
    pub fn new(client: reqwest::Client, tracer: Tracer) -> Transport {
        Transport {
            client,
            long: None,
            tracer,
        }
    }

    /// The same, which sends a long body for as long as it flows.
    #[must_use]
    pub fn with_long_bodies(self, settings: &S3Settings) -> Transport {
        let long = Long {
            settings: settings.clone(),
            client: OnceLock::new(),
        };
        Transport {
            long: Some(Arc::new(long)),
            ..self
        }
    }

    async fn exchange(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request
            .try_into_http1x()
            .map_err(|error| ConnectorError::user(error.into()))?;
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string();
        refuse_changed(&parts.uri)?;
        self.tracer
            .sent("s3", parts.method.as_str(), &url, &parts.headers, None);
        let started = Instant::now();
        let is_long = body.content_length().is_none_or(|length| length >= LONG);
        let response = if let Some(long) = self.long.as_ref().filter(|_| is_long) {
            long.send(parts, body).await?
        } else {
            let sending = self.client.request(parts.method, &url);
            let sending = sending.headers(parts.headers).body(to_wire(body));
            sending.send().await.map_err(failed)?
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        self.tracer
            .came_back("s3", status, started.elapsed(), &headers, None);
        let response: http::Response<reqwest::Body> = response.into();
        let response = response.map(SdkBody::from_body_1_x);
        HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
    }
}

/// A URL parser resolves `.` and `..` between slashes, however they are encoded, and the request would be about another
/// object.
fn refuse_changed(uri: &http::Uri) -> Result<(), ConnectorError> {
    let sent =
        url::Url::parse(&uri.to_string()).map_err(|error| ConnectorError::user(error.into()))?;
    if sent.path() == uri.path() {
        return Ok(());
    }
    let why = format!(
        "a key with '.' or '..' between slashes cannot be asked for: it would be {}",
        sent.path()
    );
    Err(ConnectorError::user(why.into()))
}

/// A body in memory is sent with its length; a stream as it comes.
fn to_wire(body: SdkBody) -> reqwest::Body {
    match body.bytes() {
        Some(bytes) => bytes.to_vec().into(),
        None => reqwest::Body::wrap(body),
    }
}

fn failed(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        return ConnectorError::timeout(error.into());
    }
    ConnectorError::io(error.into())
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().exchange(request))
    }
}

impl HttpClient for Transport {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }

    fn validate_base_client_config(
        &self,
        _: &aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder,
        _: &ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_parser_would_make_another_object_of_is_not_sent() {
        let sent = |path: &str| refuse_changed(&format!("http://h:9000{path}").parse().unwrap());
        for path in [
            "/b/a/b.tif",
            "/b/a//b",
            "/b/a%2Fb",
            "/b/..a/b",
            "/b/a.",
            "/b/%25?x=/../y",
        ] {
            assert!(sent(path).is_ok(), "{path}");
        }
        for path in ["/b/a/../c", "/b/./c", "/b/a/..", "/b/a/%2e%2E/c", "/b/."] {
            assert!(sent(path).is_err_and(|error| error.is_user()), "{path}");
        }
    }
}
