//! How the S3 library reaches the store: through the same HTTP client as every other service, so that TLS, proxy,
//! timeouts and traces mean the same there.

use std::time::Instant;

use aws_sdk_s3::config::{ConfigBag, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;

use super::trace::Tracer;

/// An S3 library transport over one HTTP client. Clones share connections.
#[derive(Clone)]
pub struct Transport {
    client: reqwest::Client,
    tracer: Tracer,
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
        Transport { client, tracer }
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
        let sending = self
            .client
            .request(parts.method, &url)
            .headers(parts.headers)
            .body(to_wire(body));
        let response = sending.send().await.map_err(failed)?;
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
