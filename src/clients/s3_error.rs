//! What went wrong with a request to the object store, as an [`Error`]: the store's code decides the kind.

use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};

use super::advice;
use crate::config::{S3Settings, Tunnel};
use crate::error::{Error, Kind};
use crate::time;

/// A failure as the S3 library gives it.
pub(crate) type Refusal<E> = SdkError<E, HttpResponse>;

/// What a store says when it says no, as the library reads it.
pub(crate) trait Said:
    ProvideErrorMetadata + std::error::Error + Send + Sync + 'static
{
}

impl<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static> Said for E {}

/// What was asked of the store, for the sentences of errors.
pub(crate) struct Asked {
    operation: &'static str,
    target: String,
    endpoint: String,
    timeout: Duration,
    address_hint: String,
    tunnel: Option<Tunnel>,
    credentials_hint: String,
    timeout_hint: String,
}

impl Asked {
    pub(crate) fn new(settings: &S3Settings, operation: &'static str, target: String) -> Asked {
        Asked {
            operation,
            target,
            endpoint: settings.endpoint.as_str().trim_end_matches('/').to_owned(),
            timeout: settings.transport.timeout,
            address_hint: advice::address(settings.setting, &settings.origin),
            tunnel: settings.transport.tunnel.clone(),
            credentials_hint: advice::credentials("s3"),
            timeout_hint: advice::timeout(&settings.transport),
        }
    }

    /// The error for what the library gave.
    pub(crate) fn refused<E>(&self, failure: &Refusal<E>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match failure {
            // A web server's page is no answer of S3, whatever its status.
            SdkError::ServiceError(service) if service.raw().status().as_u16() < 400 => self
                .fault("an answer that is not S3's")
                .status(service.raw().status().as_u16())
                .hint(self.address_hint.clone()),
            SdkError::ServiceError(service) => {
                self.answered(service.err(), service.raw().status().as_u16())
            }
            SdkError::DispatchFailure(dispatch)
                if dispatch.is_timeout() && !is_connect(failure) =>
            {
                self.silent(self.timeout)
            }
            SdkError::DispatchFailure(dispatch) if dispatch.is_user() => self.at(Error::new(
                Kind::Invalid,
                format!("{} of {} cannot be asked for", self.operation, self.target),
            )
            .cause(innermost(failure))),
            SdkError::DispatchFailure(_) => self.unreached(failure),
            SdkError::ResponseError(response) => match reqwest_of(failure) {
                Some(error) if error.is_timeout() => self.silent(self.timeout),
                Some(error) => self.cut_off(error),
                None => self
                    .fault("an answer that cannot be read")
                    .status(response.raw().status().as_u16())
                    .caused_by(failure),
            },
            _ => self.at(Error::usage(format!(
                "{} of {} cannot be asked for",
                self.operation, self.target
            ))
            .caused_by(failure)),
        }
    }

    /// The store said no.
    fn answered(&self, said: &impl ProvideErrorMetadata, status: u16) -> Error {
        let code = said.code().unwrap_or_default();
        let kind = match code {
            "NoSuchBucket" | "NoSuchKey" | "NotFound" | "NoSuchUpload" => Kind::NotFound,
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken" => {
                Kind::Unauthorized
            }
            "AccessDenied" => Kind::Forbidden,
            "SlowDown" | "ServiceUnavailable" | "InternalError" | "RequestTimeout" => {
                Kind::Unavailable
            }
            _ => Kind::of_status(status),
        };
        let what = match kind {
            Kind::NotFound if self.target.starts_with("bucket ") => {
                format!("there is no {}", self.target)
            }
            Kind::NotFound if code == "NoSuchBucket" => {
                format!("there is no bucket for {}", self.target)
            }
            Kind::NotFound => format!("{} does not exist", self.target),
            Kind::Forbidden | Kind::Unauthorized => {
                format!("s3 does not allow {} of {}", self.operation, self.target)
            }
            _ => format!("s3 refused {} of {}", self.operation, self.target),
        };
        let mut error = self.at(Error::new(kind, what)).status(status);
        let words = [code, said.message().unwrap_or_default()].map(str::trim);
        let words = words
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(": ");
        if !words.is_empty() {
            error = error.cause(words);
        }
        match kind {
            Kind::Forbidden | Kind::Unauthorized => error.hint(self.credentials_hint.clone()),
            Kind::NotFound if code == "NoSuchBucket" => {
                error.hint("look at `dashictl config` for the bucket names")
            }
            _ => error,
        }
    }

    /// The store said no to one of several things, in an answer that as a whole was fine.
    pub(crate) fn said(&self, code: &str, message: &str) -> Error {
        let said = ErrorMetadata::builder().code(code).message(message).build();
        self.answered(&said, 400)
    }

    /// A key with dots between slashes: whoever reads its URL makes another object's of it.
    pub(crate) fn unaskable(&self) -> Error {
        self.at(Error::new(
            Kind::Invalid,
            format!(
                "no URL can name {}: a key with '.' or '..' between slashes leads elsewhere",
                self.target
            ),
        ))
    }

    /// What was asked for.
    pub(crate) fn operation(&self) -> &'static str {
        self.operation
    }

    /// The store could not be reached.
    pub(crate) fn unreached(&self, failure: &dyn std::error::Error) -> Error {
        let mut error = self.at(Error::new(
            Kind::Unavailable,
            format!("s3 cannot be reached at {}", self.endpoint),
        ));
        if let Some(source) = failure.source() {
            error = error.caused_by(source);
        }
        if let Some(tunnel) = &self.tunnel {
            error = error.hint(advice::tunnel(tunnel));
        }
        error.hint(self.address_hint.clone())
    }

    /// The store did not answer in time.
    pub(crate) fn silent(&self, bound: Duration) -> Error {
        let (operation, target, bound) = (self.operation, &self.target, time::spell(bound));
        let message = format!(
            "s3 did not answer {operation} of {target} at {} within {bound}",
            self.endpoint
        );
        self.at(Error::new(Kind::Timeout, message))
            .hint(self.timeout_hint.clone())
    }

    /// The connection ended in the middle of an answer.
    fn cut_off(&self, error: &dyn std::error::Error) -> Error {
        self.at(Error::new(
            Kind::Unavailable,
            format!(
                "s3 broke off its answer to {} of {}",
                self.operation, self.target
            ),
        ))
        .caused_by(error)
    }

    /// The bytes stopped coming.
    pub(crate) fn broke_off(&self, error: &dyn std::error::Error) -> Error {
        self.at(Error::new(
            Kind::Unavailable,
            format!("s3 broke off while sending {}", self.target),
        ))
        .caused_by(error)
    }

    /// An answer that breaks the protocol.
    pub(crate) fn fault(&self, what: &str) -> Error {
        self.at(Error::new(
            Kind::Protocol,
            format!("s3 gave {what} to {} of {}", self.operation, self.target),
        ))
    }

    fn at(&self, error: Error) -> Error {
        error.request("s3", self.operation, &self.endpoint)
    }
}

/// What is at the bottom of a failure of this program's own.
fn innermost(failure: &dyn std::error::Error) -> String {
    let mut error = failure;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Whether the failure came before a connection stood: a connect timeout is an unreachable store, not a silent one.
fn is_connect<E: std::error::Error + 'static>(failure: &Refusal<E>) -> bool {
    reqwest_of(failure).is_some_and(reqwest::Error::is_connect)
}

/// What failed on the wire, where that is why.
fn reqwest_of<E: std::error::Error + 'static>(failure: &Refusal<E>) -> Option<&reqwest::Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(failure);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<reqwest::Error>() {
            return Some(error);
        }
        next = error.source();
    }
    None
}
