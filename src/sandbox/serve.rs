//! One HTTP/1.1 server on one loopback port: accept, serve, and stop with everything when dropped.
//!
//! Sockets and tasks belong here. What is answered belongs to the services.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::error::{Error, Kind, Result};

/// A running server. Dropping it closes the port and every connection.
#[derive(Debug)]
pub(crate) struct Server {
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes a loopback port: this one, or a free one for 0. `service` names it in the error.
pub(crate) async fn bind(service: &str, port: u16) -> Result<(TcpListener, SocketAddr)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let refused = |error: std::io::Error| {
        let kind = match error.kind() {
            std::io::ErrorKind::AddrInUse => Kind::Conflict,
            _ => Kind::Io,
        };
        Error::new(
            kind,
            format!("the sandbox cannot serve {service} on {address}"),
        )
        .cause(error.to_string())
        .hint("another program holds the port: `dashictl sandbox serve --any-port` takes free ones")
    };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// Serves until the returned handle is dropped.
pub(crate) fn start<S, B>(listener: TcpListener, service: S) -> Server
where
    S: Service<hyper::Request<Incoming>, Response = hyper::Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // What breaks a connection is the client's to notice.
    let converse = move |stream: TcpStream| {
        let _ = stream.set_nodelay(true);
        let conversation = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service.clone())
            .with_upgrades();
        async { drop(conversation.await) }
    };
    let task = tokio::spawn(accept(listener, converse)).abort_handle();
    Server { task }
}

/// Accepts for ever. The conversations live in the set, so that they end with this task.
async fn accept<C>(listener: TcpListener, converse: impl Fn(TcpStream) -> C) -> Infallible
where
    C: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream));
                }
                // Out of file descriptors, most likely: give the open connections a moment to end.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
