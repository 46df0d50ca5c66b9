//! A byte stream to a port of a pod: one websocket of the API server's port-forward, with channels for data and for what
//! went wrong (`v4.channel.k8s.io`: each frame begins with its channel, the first of a channel holds the port).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use kube::client::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite_kube::WebSocketStream;
use tokio_tungstenite_kube::tungstenite::Message;

use super::cluster::Cluster;
use super::service_pods::PodPort;
use crate::error::{Error, Kind, Result};

/// So many bytes go in one frame: with fewer, a large upload takes twice as long.
const FRAME: usize = 64 << 10;

/// How often the other side is asked whether it is still there.
const PING: Duration = Duration::from_secs(10);
/// And after how many silent pings it is taken for gone.
const SILENT: u64 = 2;

/// A frame that is not taken within so long will not be.
const STUCK: Duration = Duration::from_secs(30);

const DATA: u8 = 0;

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// An open stream.
pub struct PodStream {
    socket: Socket,
    at: PodPort,
}

impl PodStream {
    /// Opens one, within a time.
    pub async fn open(cluster: &Cluster, at: &PodPort, bound: Duration) -> Result<PodStream> {
        let PodPort {
            namespace,
            pod,
            port,
        } = at;
        let what = format!("a tunnel to port {port} of the pod {namespace}/{pod}");
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}");
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(|error| {
            Error::internal(format!("{what} cannot be asked for")).caused_by(&error)
        })?;
        let opening = timeout(bound, cluster.client().connect(request));
        let opened = cluster.answer(&what, async {
            opening.await.unwrap_or_else(|_| {
                let silent = std::io::Error::from(std::io::ErrorKind::TimedOut);
                Err(kube::Error::Service(silent.into()))
            })
        });
        Ok(PodStream {
            socket: Connection::into_stream(opened.await?),
            at: at.clone(),
        })
    }

    /// Carries bytes both ways until either side has ended.
    pub async fn carry(self, local: &mut TcpStream) -> Result<()> {
        let (sink, stream) = self.socket.split();
        let (reads, writes) = local.split();
        let unheard = Arc::new(AtomicU64::new(0));
        tokio::select! {
            up = upwards(reads, sink, Arc::clone(&unheard)) => up,
            down = downwards(stream, writes, &unheard) => down,
        }
        .map_err(|why| {
            let PodPort {
                namespace,
                pod,
                port,
            } = &self.at;
            Error::new(
                Kind::Unavailable,
                format!("the tunnel to port {port} of the pod {namespace}/{pod} broke off"),
            )
            .cause(why)
        })
    }
}

/// From here to the pod. It ends where the local side has nothing more to say: HTTP then wants no answer either.
async fn upwards(
    mut from: ReadHalf<'_>,
    mut to: SplitSink<Socket, Message>,
    unheard: Arc<AtomicU64>,
) -> Result<(), String> {
    let mut ticks = interval_at(Instant::now() + PING, PING);
    loop {
        let mut frame = BytesMut::with_capacity(FRAME + 1);
        frame.put_u8(DATA);
        let message = tokio::select! {
            read = from.read_buf(&mut frame) => match read {
                Ok(0) => return to.close().await.map_err(|error| error.to_string()),
                Ok(_) => Message::Binary(frame.freeze()),
                // Whoever asked has gone.
                Err(_) => return Ok(()),
            },
            _ = ticks.tick() => {
                if unheard.fetch_add(1, Ordering::Relaxed) >= SILENT {
                    return Err("it answers no ping".to_owned());
                }
                Message::Ping(bytes::Bytes::new())
            }
        };
        match timeout(STUCK, to.send(message)).await {
            Ok(sent) => sent.map_err(|error| error.to_string())?,
            Err(_) => return Err("it takes nothing more".to_owned()),
        }
    }
}

/// From the pod to here.
async fn downwards(
    mut from: SplitStream<Socket>,
    mut to: WriteHalf<'_>,
    unheard: &AtomicU64,
) -> Result<(), String> {
    let mut begun = [false; 2];
    while let Some(message) = from.next().await {
        unheard.store(0, Ordering::Relaxed);
        let bytes = match message.map_err(|error| error.to_string())? {
            Message::Binary(bytes) => bytes,
            Message::Close(_) => break,
            _ => continue,
        };
        let Some((&channel, content)) = bytes.split_first() else {
            continue;
        };
        let Some(begun) = begun.get_mut(usize::from(channel)) else {
            continue;
        };
        // The first frame of a channel holds the port.
        if !std::mem::replace(begun, true) {
            continue;
        }
        if channel == DATA {
            if to.write_all(content).await.is_err() {
                return Ok(());
            }
        } else if !content.is_empty() {
            return Err(String::from_utf8_lossy(content).trim().to_owned());
        }
    }
    let _ = to.shutdown().await;
    Ok(())
}
