//! Requests to the API server as lines of a trace: outermost of the client's layers, so that no token has been added yet.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::BoxFuture;
use http::{Request, Response};
use tower::{Layer, Service};

use super::trace::Tracer;

/// The name of the service in traces.
const K8S: &str = "k8s";

/// Has a service's requests traced.
#[derive(Clone)]
pub struct Traced(pub Tracer);

impl<S> Layer<S> for Traced {
    type Service = TracedService<S>;

    fn layer(&self, inner: S) -> TracedService<S> {
        TracedService {
            inner,
            tracer: Arc::new(self.0.clone()),
        }
    }
}

/// A service whose requests are traced.
#[derive(Clone)]
pub struct TracedService<S> {
    inner: S,
    tracer: Arc<Tracer>,
}

impl<S, B, R> Service<Request<B>> for TracedService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let tracer = Arc::clone(&self.tracer);
        let (method, url) = (request.method().as_str(), request.uri().to_string());
        tracer.sent(K8S, method, &url, request.headers(), None);
        let (began, answer) = (Instant::now(), self.inner.call(request));
        Box::pin(async move {
            let answer = answer.await;
            if let Ok(answer) = &answer {
                let (status, headers) = (answer.status().as_u16(), answer.headers());
                tracer.came_back(K8S, status, began.elapsed(), headers, None);
            }
            answer
        })
    }
}
