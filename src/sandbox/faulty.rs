//! A service that obeys the faults of its sandbox: it answers wrongly, late, not at all, or not to the end.
//!
//! Which request goes wrong is decided in `faults`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};

use super::faults::{Fault, Faults};

type Boxed = Box<dyn std::error::Error + Send + Sync>;

/// A service with what is to go wrong at it.
#[derive(Clone)]
pub(crate) struct Faulty<S> {
    inner: S,
    name: &'static str,
    faults: Faults,
}

impl<S> Faulty<S> {
    /// A service that goes by this name among the faults.
    pub(crate) fn new(name: &'static str, inner: S, faults: &Faults) -> Faulty<S> {
        Faulty {
            inner,
            name,
            faults: faults.clone(),
        }
    }
}

impl<S, B> Service<Request<Incoming>> for Faulty<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes>,
{
    type Response = Response<Marred<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            match met(service.name, &service.faults, &request).await {
                None => whole(service.inner.call(request).await),
                Some(fault) => service.struck(fault, request).await,
            }
        })
    }
}

impl<S> Faulty<S> {
    async fn struck<B>(
        self,
        fault: Fault,
        request: Request<Incoming>,
    ) -> Result<Response<Marred<B>>, S::Error>
    where
        S: Service<Request<Incoming>, Response = Response<B>>,
    {
        if let Some(delay) = fault.delay {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if fault.silent {
            std::future::pending::<()>().await;
        }
        if fault.status.is_some() || fault.body.is_some() {
            return Ok(made(self.name, &fault, request.method()));
        }
        let answer = self.inner.call(request).await;
        match fault.cut {
            Some(left) => answer.map(|answer| answer.map(|inner| Marred::Cut { inner, left })),
            None => whole(answer),
        }
    }
}

fn whole<B, E>(answer: Result<Response<B>, E>) -> Result<Response<Marred<B>>, E> {
    answer.map(|answer| answer.map(Marred::Whole))
}

async fn met(name: &'static str, faults: &Faults, request: &Request<Incoming>) -> Option<Fault> {
    if !faults.are_there() {
        return None;
    }
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let faults = faults.clone();
    let met = tokio::task::spawn_blocking(move || faults.meet(name, &method, &path));
    met.await.ok()?.ok()?
}

/// The answer that a fault makes, in the words of the service.
fn made<B>(name: &str, fault: &Fault, method: &Method) -> Response<Marred<B>> {
    let status = fault
        .status
        .and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::OK);
    let (kind, text) = match &fault.body {
        Some(body) if body.trim_start().starts_with('<') => ("application/xml", body.clone()),
        Some(body) => ("application/json", body.clone()),
        None => words(name, status),
    };
    let text = if method == Method::HEAD {
        String::new()
    } else {
        text
    };
    let mut answer = Response::new(Marred::Made(Some(text.into())));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// What a service says with a status of its own accord.
fn words(name: &str, status: StatusCode) -> (&'static str, String) {
    let reason = status.canonical_reason().unwrap_or("Unknown");
    match name {
        "s3" => {
            let code = match status.as_u16() {
                403 => "AccessDenied",
                404 => "NoSuchKey",
                429 | 503 => "SlowDown",
                500 => "InternalError",
                _ => "InvalidRequest",
            };
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{reason}</Message></Error>"
            );
            ("application/xml", text)
        }
        "loki" => ("text/plain; charset=utf-8", format!("{reason}\n")),
        "stac" => {
            let body = serde_json::json!({"code": reason.replace(' ', ""), "description": reason});
            ("application/json", body.to_string())
        }
        _ => (
            "application/json",
            serde_json::json!({"detail": reason}).to_string(),
        ),
    }
}

/// The body of an answer that may have gone wrong.
pub(crate) enum Marred<B> {
    /// As the service made it.
    Whole(B),
    /// Made up.
    Made(Option<Bytes>),
    /// The service's, up to so many bytes more.
    Cut {
        /// The service's.
        inner: B,
        /// So many bytes are still let through.
        left: u64,
    },
}

impl<B> Body for Marred<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Boxed>,
{
    type Data = Bytes;
    type Error = Boxed;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Boxed>>> {
        match self.get_mut() {
            Marred::Whole(inner) => Pin::new(inner).poll_frame(context).map_err(Into::into),
            Marred::Made(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Marred::Cut { left: 0, .. } => {
                Poll::Ready(Some(Err("the answer breaks off here".into())))
            }
            Marred::Cut { inner, left } => {
                let polled = Pin::new(inner).poll_frame(context).map_err(Into::into);
                polled.map_ok(|frame| shortened(frame, left))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Marred::Whole(inner) => inner.is_end_stream(),
            Marred::Made(text) => text.is_none(),
            Marred::Cut { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Marred::Whole(inner) | Marred::Cut { inner, .. } => inner.size_hint(),
            Marred::Made(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
        }
    }
}

/// As much of a frame as is still let through.
fn shortened(frame: Frame<Bytes>, left: &mut u64) -> Frame<Bytes> {
    match frame.into_data() {
        Ok(mut data) => {
            data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= data.len() as u64;
            Frame::data(data)
        }
        Err(frame) => frame,
    }
}
