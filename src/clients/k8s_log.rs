//! The log of one container: read to its end, or followed. A stream that breaks off is gone on with from the last line's
//! time; a line is known by its time and by how many of that time there were, so none is lost and none comes twice.

use std::time::Duration;

use futures::AsyncBufReadExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::api::LogParams;
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};

use super::cluster::Cluster;
use crate::error::{Error, Kind, Result};

/// The pause before a container is looked at again that has not begun, or whose stream broke off.
const AGAIN: Duration = Duration::from_millis(500);
/// After so long a silence it is looked whether the container is still there.
const SILENCE: Duration = Duration::from_secs(20);

/// The container whose log is read.
pub struct Log {
    cluster: Cluster,
    pods: Api<Pod>,
    pod: String,
    container: String,
    /// The time of the last line, and how many of that time there were.
    last: Option<(Timestamp, usize)>,
    /// So many lines are wanted of those that there are, the last ones.
    tail: Option<i64>,
    /// Whether it is that of the run before the last restart.
    previous: bool,
}

/// How a stream ended.
enum End {
    /// All that there was came.
    Clean,
    /// It broke off, or nothing came for long.
    Broken,
    /// Nobody wants more.
    Unwanted,
}

/// Where a container is in its life.
enum Life {
    Waiting,
    Running,
    Over,
    Gone,
}

impl Log {
    /// The log of a container; lines before a time are not wanted.
    #[must_use]
    pub fn of(cluster: &Cluster, namespace: &str, pod: &str, container: &str) -> Log {
        Log {
            cluster: cluster.clone(),
            pods: Api::namespaced(cluster.client().clone(), namespace),
            pod: pod.to_owned(),
            container: container.to_owned(),
            last: None,
            tail: None,
            previous: false,
        }
    }

    /// Of the lines that there are, only so many, the last ones.
    #[must_use]
    pub fn tail(self, tail: Option<i64>) -> Log {
        Log { tail, ..self }
    }

    /// That of the run before the container's last restart.
    #[must_use]
    pub fn previous(self, previous: bool) -> Log {
        Log { previous, ..self }
    }

    /// Hands in what there is, each line as `pod`, `container`, `time`, `line`.
    pub async fn read(mut self, to: &Sender<Result<Value>>) -> Result<()> {
        for _ in 0..5 {
            match self.stream(false, to).await? {
                End::Clean | End::Unwanted => return Ok(()),
                End::Broken => sleep(AGAIN).await,
            }
        }
        Err(self.broken())
    }

    /// Hands in lines as they come, until the container is over and its last line was read.
    pub async fn follow(mut self, to: &Sender<Result<Value>>) -> Result<()> {
        loop {
            match self.life().await? {
                Life::Gone => return Ok(()),
                Life::Waiting => sleep(AGAIN).await,
                Life::Over => return self.read(to).await,
                Life::Running => match self.stream(true, to).await? {
                    End::Unwanted => return Ok(()),
                    End::Clean => sleep(AGAIN).await,
                    End::Broken => sleep(AGAIN / 5).await,
                },
            }
            if to.is_closed() {
                return Ok(());
            }
        }
    }

    /// One stream, to its end.
    async fn stream(&mut self, follow: bool, to: &Sender<Result<Value>>) -> Result<End> {
        let asked = LogParams {
            container: Some(self.container.clone()),
            follow,
            timestamps: true,
            previous: self.previous,
            // What was handed in already is gone on from.
            tail_lines: self.tail.filter(|_| self.last.is_none()),
            since_time: self.last.map(|(time, _)| since(time)),
            ..LogParams::default()
        };
        let what = format!("the log of {}/{}", self.pod, self.container);
        let opened = self
            .cluster
            .answer(&what, self.pods.log_stream(&self.pod, &asked))
            .await;
        let mut lines = match opened {
            Ok(stream) => Box::pin(stream),
            // It has not begun, or is gone.
            Err(error) if matches!(error.kind(), Kind::Invalid | Kind::NotFound) => {
                return Ok(End::Clean);
            }
            Err(error) if error.kind() == Kind::Unavailable => return Ok(End::Broken),
            Err(error) => return Err(error),
        };
        // Of the last line's time, those that were handed in come again.
        let mut known = self.last.map_or(0, |(_, count)| count);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            match timeout(SILENCE, lines.read_until(b'\n', &mut bytes)).await {
                Ok(Ok(0)) => return Ok(End::Clean),
                // What ends without a line feed may be a line that was cut; it comes again whole.
                Ok(Ok(_)) if bytes.last() != Some(&b'\n') && follow => return Ok(End::Broken),
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return Ok(End::Broken),
            }
            if let Some(line) = self.new_line(&bytes, &mut known)
                && to.send(Ok(line)).await.is_err()
            {
                return Ok(End::Unwanted);
            }
        }
    }

    /// A line as scripts see it, where it is new.
    fn new_line(&mut self, bytes: &[u8], known: &mut usize) -> Option<Value> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end_matches(['\n', '\r']);
        let (time, line) = text.split_once(' ').unwrap_or((text, ""));
        let at: Timestamp = time.parse().ok()?;
        match &mut self.last {
            Some((last, _)) if at < *last => return None,
            Some((last, _)) if at == *last && *known > 0 => {
                *known -= 1;
                return None;
            }
            Some((last, count)) if at == *last => *count += 1,
            _ => {
                self.last = Some((at, 1));
                *known = 0;
            }
        }
        Some(json!({"pod": self.pod, "container": self.container, "time": time, "line": line}))
    }

    async fn life(&self) -> Result<Life> {
        let what = format!("the pod {}", self.pod);
        let pod = match self.cluster.answer(&what, self.pods.get(&self.pod)).await {
            Ok(pod) => pod,
            Err(error) if error.kind() == Kind::NotFound => return Ok(Life::Gone),
            // The API server is away for a moment.
            Err(error) if error.kind() == Kind::Unavailable => return Ok(Life::Waiting),
            Err(error) => return Err(error),
        };
        let status = pod.status.unwrap_or_default();
        let is_over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        let all = [status.init_container_statuses, status.container_statuses];
        let own = all
            .into_iter()
            .flatten()
            .flatten()
            .find(|known| known.name == self.container);
        Ok(life_of(own.as_ref(), is_over))
    }

    fn broken(&self) -> Error {
        let message = format!(
            "the log of {}/{} breaks off again and again",
            self.pod, self.container
        );
        self.cluster.at(Error::new(Kind::Unavailable, message))
    }
}

fn life_of(status: Option<&ContainerStatus>, is_over: bool) -> Life {
    let state = status.and_then(|status| status.state.as_ref());
    match state {
        Some(state) if state.running.is_some() => Life::Running,
        Some(state) if state.terminated.is_some() && is_over => Life::Over,
        // It may be begun again.
        Some(state) if state.terminated.is_some() => Life::Running,
        _ if is_over => Life::Over,
        _ => Life::Waiting,
    }
}

/// The API takes whole seconds.
fn since(time: Timestamp) -> k8s_openapi::jiff::Timestamp {
    k8s_openapi::jiff::Timestamp::from_second(time.as_second()).unwrap_or_default()
}
