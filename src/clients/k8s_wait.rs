//! Waiting for an object to come to something, or to what keeps it from ever coming there: a Job that failed, an image
//! that cannot be pulled, a Secret that is missing, a pod that fits nowhere. The first answer ends it, with the events and
//! the last lines of the log where it is no.

use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::cluster::Cluster;
use super::k8s_events::events;
use super::k8s_logs::{self, Wanted as Lines};
use super::k8s_objects::{get, split};
use super::k8s_pods;
use crate::error::{Error, Kind, Result};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(500);
/// So many lines of a log are told.
const LINES: usize = 20;

/// Reasons of a container that waits, which nothing but a change ends.
const STUCK: [&str; 5] = [
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "CrashLoopBackOff",
];

/// What is waited for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// `kind/name`
    pub target: String,
    /// The namespace; the context's where none is named.
    pub namespace: Option<String>,
    /// `complete`, `ready`, `available`, `running` (one of its pods), another condition's type, or `deleted`.
    pub condition: String,
    /// How long.
    pub timeout: Duration,
    /// So long a pod may fit nowhere: a machine for it may be on its way.
    pub patience: Duration,
}

/// What a look at an object shows.
enum Found {
    /// It has come to what is wished.
    Come(Value),
    /// It never will, because of this.
    Never(Value, String),
    /// It may come to it yet, but for this.
    Held(Value, String),
    /// It may come to it yet.
    NotYet(Value),
}

/// The object as it is once it has come to what is wished; `()` (null) where it is deleted. An API server that is away for
/// a moment is borne.
pub async fn wait(cluster: &Cluster, wish: &Wish) -> Result<Value> {
    split(&wish.target)?;
    let begun = Instant::now();
    let mut held: Option<Instant> = None;
    loop {
        let is_late = begun.elapsed() >= wish.timeout;
        let (object, why) = match look(cluster, wish).await {
            Err(error) if error.kind() == Kind::Unavailable && !is_late => {
                sleep(LOOK).await;
                continue;
            }
            Err(error) => return Err(error),
            Ok(Found::Come(object)) => return Ok(object),
            Ok(Found::Never(object, why)) => {
                return Err(told(cluster, wish, &object, Kind::Invalid, &why).await);
            }
            Ok(Found::Held(object, why)) => (object, Some(why)),
            Ok(Found::NotYet(object)) => (object, None),
        };
        held = why.is_some().then(|| held.unwrap_or_else(Instant::now));
        if let (Some(why), Some(since)) = (why, held)
            && since.elapsed() >= wish.patience
        {
            return Err(told(cluster, wish, &object, Kind::Invalid, &why).await);
        }
        if is_late {
            let timeout = crate::time::spell(wish.timeout);
            let why = format!("it did not come to that within {timeout}");
            return Err(told(cluster, wish, &object, Kind::Timeout, &why).await);
        }
        sleep(LOOK).await;
    }
}

async fn look(cluster: &Cluster, wish: &Wish) -> Result<Found> {
    let awaits_end = wish.condition == "deleted";
    let object = match get(cluster, &wish.target, wish.namespace.as_deref()).await {
        Err(error) if error.kind() == Kind::NotFound && awaits_end => {
            return Ok(Found::Come(Value::Null));
        }
        other => other?,
    };
    if awaits_end {
        return Ok(Found::NotYet(object));
    }
    if has(&object, &wish.condition) || runs(cluster, wish, &object).await? {
        return Ok(Found::Come(object));
    }
    if let Some(why) = failed(&object).or_else(|| over(&object, &wish.condition)) {
        return Ok(Found::Never(object, why));
    }
    Ok(match obstacle(cluster, wish, &object).await? {
        Some(Obstacle::Stuck(why)) => Found::Never(object, why),
        Some(Obstacle::Homeless(why)) => Found::Held(object, why),
        None => Found::NotYet(object),
    })
}

/// Whether that is what is waited for, and one of its pods runs.
async fn runs(cluster: &Cluster, wish: &Wish, object: &Value) -> Result<bool> {
    if wish.condition != "running" {
        return Ok(false);
    }
    let pods = k8s_pods::of(cluster, object, wish.namespace.as_deref()).await?;
    Ok(k8s_pods::running(&pods).is_some())
}

enum Obstacle {
    Stuck(String),
    Homeless(String),
}

/// Whether an object has come to a condition. A Deployment is available also while old pods serve, and what else has
/// pods does not say so at all: they are once what was asked for last is there.
fn has(object: &Value, wanted: &str) -> bool {
    if wanted == "available"
        && let Some(kind) = object["kind"].as_str()
        && ["Deployment", "StatefulSet", "DaemonSet"].contains(&kind)
    {
        return is_rolled_out(object);
    }
    conditions(object).any(|condition| {
        let name = condition["type"].as_str().unwrap_or_default();
        name.eq_ignore_ascii_case(wanted) && condition["status"] == "True"
    })
}

/// Whether all pods are as they were asked for last, as `kubectl rollout status` tells it.
fn is_rolled_out(object: &Value) -> bool {
    let status = &object["status"];
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
    let is_seen =
        status["observedGeneration"].as_i64() >= object["metadata"]["generation"].as_i64();
    is_seen
        && match object["kind"].as_str() {
            Some("DaemonSet") => {
                let wanted = count("desiredNumberScheduled");
                count("updatedNumberScheduled") == wanted && count("numberAvailable") >= wanted
            }
            Some("StatefulSet") => {
                let is_updated =
                    wanted == 0 || status["updateRevision"] == status["currentRevision"];
                is_updated && count("replicas") == wanted && count("availableReplicas") >= wanted
            }
            _ => {
                let is_updated = count("updatedReplicas") == wanted && count("replicas") == wanted;
                is_updated && count("availableReplicas") >= wanted
            }
        }
}

fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
}

/// Why an object will never come to anything, by what it says itself.
fn failed(object: &Value) -> Option<String> {
    let said = |condition: &Value| {
        let reason = condition["reason"].as_str().unwrap_or("no reason told");
        match condition["message"].as_str() {
            Some(message) => format!("{reason}: {message}"),
            None => reason.to_owned(),
        }
    };
    if object["kind"] == "Pod" && object["status"]["phase"] == "Failed" {
        return Some("it failed".to_owned());
    }
    conditions(object)
        .find(|condition| {
            matches!(
                condition["type"].as_str(),
                Some("Failed" | "ReplicaFailure")
            ) && condition["status"] == "True"
        })
        .map(said)
}

/// That it has ended well, and will not run again.
fn over(object: &Value, wanted: &str) -> Option<String> {
    let ended = has(object, "complete") || object["status"]["phase"] == "Succeeded";
    (wanted == "running" && ended).then(|| "it has ended".to_owned())
}

/// What its pods are held up by.
async fn obstacle(cluster: &Cluster, wish: &Wish, object: &Value) -> Result<Option<Obstacle>> {
    for pod in k8s_pods::of(cluster, object, wish.namespace.as_deref()).await? {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let status = &pod["status"];
        let containers = ["initContainerStatuses", "containerStatuses"];
        for container in containers
            .iter()
            .flat_map(|list| status[*list].as_array().into_iter().flatten())
        {
            let waiting = &container["state"]["waiting"];
            let reason = waiting["reason"].as_str().unwrap_or_default();
            if STUCK.contains(&reason) {
                let message = waiting["message"].as_str().unwrap_or_default();
                return Ok(Some(Obstacle::Stuck(format!(
                    "pod {name}: {reason} {message}"
                ))));
            }
        }
        if let Some(condition) = conditions(&pod).find(|known| known["reason"] == "Unschedulable") {
            let message = condition["message"].as_str().unwrap_or_default();
            return Ok(Some(Obstacle::Homeless(format!(
                "pod {name} fits nowhere: {message}"
            ))));
        }
    }
    let (namespace, kind, name) = identity(object);
    let refused = events(cluster, namespace, kind, name).await?;
    let refused = refused
        .iter()
        .rev()
        .find(|event| event["reason"] == "FailedCreate");
    Ok(refused
        .map(|event| Obstacle::Homeless(event["message"].as_str().unwrap_or_default().to_owned())))
}

fn identity(object: &Value) -> (&str, &str, &str) {
    let metadata = &object["metadata"];
    (
        metadata["namespace"].as_str().unwrap_or("default"),
        object["kind"].as_str().unwrap_or_default(),
        metadata["name"].as_str().unwrap_or_default(),
    )
}

/// The error, with what the cluster and the log say.
async fn told(cluster: &Cluster, wish: &Wish, object: &Value, kind: Kind, why: &str) -> Error {
    let message = format!("{} will not be {}", wish.target, wish.condition);
    let mut error = cluster.at(Error::new(kind, message).cause(why.trim().to_owned()));
    let (namespace, kind, name) = identity(object);
    let mut said = events(cluster, namespace, kind, name)
        .await
        .unwrap_or_default();
    for pod in k8s_pods::of(cluster, object, wish.namespace.as_deref())
        .await
        .unwrap_or_default()
    {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        said.extend(
            events(cluster, namespace, "Pod", name)
                .await
                .unwrap_or_default(),
        );
    }
    for event in said
        .iter()
        .filter(|event| event["type"] == "Warning")
        .rev()
        .take(5)
    {
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        error = error.cause(format!("event {}: {}", text("reason"), text("message")));
    }
    for line in last_lines(cluster, wish).await {
        error = error.cause(line);
    }
    error
}

async fn last_lines(cluster: &Cluster, wish: &Wish) -> Vec<String> {
    let lines = Lines {
        target: wish.target.clone(),
        namespace: wish.namespace.clone(),
        container: None,
        follow: false,
        tail: i64::try_from(LINES).ok(),
        previous: false,
    };
    let mut pages = k8s_logs::logs(cluster, lines);
    let mut last = Vec::new();
    while let Some(Ok(page)) = pages.next().await {
        last.extend(page);
        last.drain(..last.len().saturating_sub(LINES));
    }
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    last.iter()
        .map(|line| {
            format!(
                "{}/{}: {}",
                text(line, "pod"),
                text(line, "container"),
                text(line, "line")
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn conditions(kind: &str, name: &str) -> Value {
        json!({"kind": kind, "status": {"conditions": [{"type": name, "status": "True", "reason": "BackoffLimitExceeded"}]}})
    }

    #[test]
    fn a_job_that_failed_is_an_answer() {
        let job = conditions("Job", "Failed");
        assert!(!has(&job, "complete"));
        assert_eq!(failed(&job).as_deref(), Some("BackoffLimitExceeded"));
        assert!(has(&conditions("Job", "Complete"), "complete"));
    }

    #[test]
    fn a_deployment_is_available_once_what_was_asked_for_last_is() {
        let mut deployment = conditions("Deployment", "Available");
        deployment["metadata"] = json!({"generation": 2});
        deployment["status"]["observedGeneration"] = 1.into();
        assert!(!has(&deployment, "available"));
        deployment["status"]["observedGeneration"] = 2.into();
        deployment["status"]["updatedReplicas"] = 1.into();
        deployment["status"]["replicas"] = 2.into();
        deployment["status"]["availableReplicas"] = 1.into();
        assert!(!has(&deployment, "available"), "an old pod is there");
        deployment["status"]["replicas"] = 1.into();
        assert!(has(&deployment, "available"));
    }
}
