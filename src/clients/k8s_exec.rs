//! A command in a container: its standard input is sent, both its outputs are kept, its exit code is told. One websocket
//! with a channel for each (`v5.channel.k8s.io`: each frame begins with its channel; 255 closes the one that it names).

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, Stream, StreamExt};
use hyper_util::rt::TokioIo;
use kube::core::Status;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite_kube::WebSocketStream;
use tokio_tungstenite_kube::tungstenite::Message;
use url::form_urlencoded;

use super::cluster::Cluster;
use crate::effects::Permit;
use crate::error::{Error, Kind, Result};

/// So many bytes go in one frame.
const FRAME: usize = 64 << 10;
/// How often the other side is asked whether it is still there.
const PING: Duration = Duration::from_secs(10);
/// And after how many silent pings it is taken for gone.
const SILENT: u64 = 3;
/// A frame that is not taken within so long will not be: whoever reads it may be at work, but not for ever.
const STUCK: Duration = Duration::from_mins(5);
/// So much of an output is kept.
const MOST: usize = 4 << 20;

const INPUT: u8 = 0;
const OUTPUT: u8 = 1;
const ERRORS: u8 = 2;
const STATUS: u8 = 3;
const CLOSE: u8 = 255;

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// A command, and where it is to run.
#[derive(Debug, Clone)]
pub struct Command {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container; the pod's first where none is named.
    pub container: Option<String>,
    /// The program and its arguments.
    pub words: Vec<String>,
}

/// What came of a command.
#[derive(Debug, Default)]
pub struct Ended {
    /// Its exit code.
    pub code: i64,
    /// What it wrote to its standard output.
    pub output: Vec<u8>,
    /// What it wrote to its standard error.
    pub errors: Vec<u8>,
}

/// Runs a command, and feeds it what `input` brings, if it is to have a standard input at all.
pub async fn run<S>(
    cluster: &Cluster,
    _: Permit,
    command: &Command,
    input: Option<S>,
) -> Result<Ended>
where
    S: Stream<Item = Result<Bytes>> + Unpin,
{
    let what = format!("a command in the pod {}/{}", command.namespace, command.pod);
    let request = http::Request::get(command.path(input.is_some())).body(Vec::new());
    let request = request.map_err(|error| {
        Error::internal(format!("{what} cannot be asked for")).caused_by(&error)
    })?;
    let opened = cluster
        .answer(&what, cluster.client().connect(request))
        .await?;
    let closes = opened.supports_stream_close();
    if input.is_some() && !closes {
        let message = format!("{what} cannot be told where its input ends");
        return Err(cluster.at(Error::new(Kind::Unavailable, message)
            .hint("the API server is older than Kubernetes 1.30; run it without an input")));
    }
    let (sink, stream) = opened.into_stream().split();
    let unheard = Arc::new(AtomicU64::new(0));
    let mut hearing = std::pin::pin!(hear(stream, &unheard));
    let outcome = tokio::select! {
        ended = &mut hearing => ended,
        fed = feed(sink, input, &unheard) => match fed {
            // It takes nothing more because it has ended: how is still to be heard.
            Ok(()) => hearing.await,
            Err(error) => Err(error),
        },
    };
    outcome.map_err(|mut error| {
        let message = std::mem::take(&mut error.detail_mut().message);
        error.detail_mut().message = format!("{what}: {message}");
        cluster.at(error)
    })
}

impl Command {
    fn path(&self, has_input: bool) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for word in &self.words {
            query.append_pair("command", word);
        }
        if let Some(container) = &self.container {
            query.append_pair("container", container);
        }
        query.append_pair("stdin", if has_input { "true" } else { "false" });
        query.append_pair("stdout", "true");
        query.append_pair("stderr", "true");
        let (namespace, pod) = (&self.namespace, &self.pod);
        format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/exec?{}",
            query.finish()
        )
    }
}

/// Sends the input, then keeps asking whether the other side is there. Ends where the connection does, or the input fails.
async fn feed<S>(
    mut to: SplitSink<Socket, Message>,
    input: Option<S>,
    unheard: &AtomicU64,
) -> Result<()>
where
    S: Stream<Item = Result<Bytes>> + Unpin,
{
    let mut ticks = interval_at(Instant::now() + PING, PING);
    let mut input = input;
    loop {
        let messages = tokio::select! {
            // Nothing is fetched any more once the input has ended.
            next = next_of(&mut input) => if let Some(bytes) = next.transpose()? {
                frames(&bytes)
            } else {
                input = None;
                vec![Message::Binary(Bytes::from_static(&[CLOSE, INPUT]))]
            },
            _ = ticks.tick() => {
                if unheard.fetch_add(1, Ordering::Relaxed) >= SILENT {
                    return Err(Error::new(Kind::Unavailable, "the connection answers no ping"));
                }
                vec![Message::Ping(Bytes::new())]
            }
        };
        for message in messages {
            if !send(&mut to, message).await? {
                return Ok(());
            }
        }
    }
}

async fn next_of<S>(input: &mut Option<S>) -> Option<Result<Bytes>>
where
    S: Stream<Item = Result<Bytes>> + Unpin,
{
    match input {
        Some(input) => input.next().await,
        None => std::future::pending().await,
    }
}

fn frames(bytes: &Bytes) -> Vec<Message> {
    let frame = |chunk: &[u8]| {
        let mut frame = BytesMut::with_capacity(chunk.len() + 1);
        frame.put_u8(INPUT);
        frame.extend_from_slice(chunk);
        Message::Binary(frame.freeze())
    };
    bytes.chunks(FRAME).map(frame).collect()
}

/// Whether it went: not where the connection has ended.
async fn send(to: &mut SplitSink<Socket, Message>, message: Message) -> Result<bool> {
    match timeout(STUCK, to.send(message)).await {
        Ok(sent) => Ok(sent.is_ok()),
        Err(_) => Err(Error::new(Kind::Timeout, "it takes nothing more")),
    }
}

/// Keeps what the command writes until its end is told.
async fn hear(mut from: SplitStream<Socket>, unheard: &AtomicU64) -> Result<Ended> {
    let mut ended = Ended::default();
    while let Some(message) = from.next().await {
        unheard.store(0, Ordering::Relaxed);
        let bytes = match message.map_err(|error| broken(&error))? {
            Message::Binary(bytes) => bytes,
            Message::Close(_) => break,
            _ => continue,
        };
        match bytes.split_first() {
            Some((&OUTPUT, content)) => keep(&mut ended.output, content)?,
            Some((&ERRORS, content)) => keep(&mut ended.errors, content)?,
            Some((&STATUS, content)) => {
                ended.code = code(content)?;
                return Ok(ended);
            }
            _ => {}
        }
    }
    Err(Error::new(
        Kind::Unavailable,
        "the connection ended, and nobody knows whether the command did",
    ))
}

fn keep(kept: &mut Vec<u8>, content: &[u8]) -> Result<()> {
    if kept.len() + content.len() > MOST {
        return Err(Error::new(
            Kind::Invalid,
            format!("it writes more than {} MiB", MOST >> 20),
        )
        .hint("have it write to a file of the pod, or to the pod's log"));
    }
    kept.extend_from_slice(content);
    Ok(())
}

/// The exit code that a status tells. One that tells none is a command that could not be run.
fn code(content: &[u8]) -> Result<i64> {
    let status: Status = serde_json::from_slice(content).map_err(|error| {
        Error::new(Kind::Protocol, "its end is told in no known words").caused_by(&error)
    })?;
    if status.is_success() {
        return Ok(0);
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let told = causes
        .filter(|cause| cause.reason == "ExitCode")
        .find_map(|cause| cause.message.parse().ok());
    told.ok_or_else(|| Error::new(Kind::Invalid, "it could not be run").cause(status.message))
}

fn broken(error: &dyn std::error::Error) -> Error {
    Error::new(Kind::Unavailable, "the connection broke off").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_read_from_the_status() {
        let status = |text: &str| code(text.as_bytes());
        assert_eq!(status(r#"{"status": "Success"}"#).unwrap(), 0);
        let told = r#"{"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}}"#;
        assert_eq!(status(told).unwrap(), 7);
        let error = status(r#"{"status": "Failure", "message": "no such file"}"#).unwrap_err();
        assert_eq!(error.detail().causes, ["no such file"]);
    }

    #[test]
    fn words_are_spelt_for_the_path() {
        let command = Command {
            namespace: "n".to_owned(),
            pod: "p".to_owned(),
            container: None,
            words: vec!["sh".to_owned(), "a b&c".to_owned()],
        };
        let path = command.path(true);
        assert!(
            path.ends_with("/p/exec?command=sh&command=a+b%26c&stdin=true&stdout=true&stderr=true")
        );
    }
}
