//! The logs of all containers of what a name means: a pod, or all pods that a Job, Deployment, StatefulSet or the like has,
//! those also that come while they are followed.

use std::collections::HashSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Pages;
use super::cluster::Cluster;
use super::k8s_log::Log;
use super::k8s_objects::{get, split};
use super::relayed::relayed;
use crate::error::{Error, Kind, Result};

/// How often it is looked for new pods.
const LOOK: Duration = Duration::from_secs(1);
/// An API server that does not answer is borne for so long.
const AWAY: Duration = Duration::from_mins(2);
/// So many lines wait to be taken at most.
const WAITING: usize = 2000;

/// Whose lines are wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// `kind/name`
    pub target: String,
    /// The namespace; the context's where none is named.
    pub namespace: Option<String>,
    /// Only of this container.
    pub container: Option<String>,
    /// As they come, until what is named is over.
    pub follow: bool,
    /// So many of each container, the last ones; all where none is said.
    pub tail: Option<i64>,
    /// Of the run of each container before its last restart.
    pub previous: bool,
}

/// The lines, each with `pod`, `container`, `time`, `line`. Those of one container are in order.
#[must_use]
pub fn logs(cluster: &Cluster, wanted: Wanted) -> Pages {
    let cluster = cluster.clone();
    relayed(
        WAITING,
        |to| async move { read(cluster, wanted, &to).await },
    )
}

async fn read(cluster: Cluster, wanted: Wanted, to: &Sender<Result<Value>>) -> Result<()> {
    let namespace = wanted.namespace.as_deref();
    let place = namespace
        .unwrap_or_else(|| cluster.client().default_namespace())
        .to_owned();
    let pods: Api<Pod> = Api::namespaced(cluster.client().clone(), &place);
    let mut known = HashSet::new();
    let mut readers = JoinSet::new();
    let mut heard = Instant::now();
    loop {
        let (found, is_over) = match look(&cluster, &pods, &wanted).await {
            Ok(found) => found,
            // Who follows bears an API server that is away for a moment.
            Err(error)
                if wanted.follow && error.kind() == Kind::Unavailable && heard.elapsed() < AWAY =>
            {
                sleep(LOOK).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        heard = Instant::now();
        for (pod, container) in found {
            let is_wanted = wanted
                .container
                .as_ref()
                .is_none_or(|name| *name == container);
            if !is_wanted || !known.insert((pod.clone(), container.clone())) {
                continue;
            }
            let log = Log::of(&cluster, &place, &pod, &container)
                .tail(wanted.tail)
                .previous(wanted.previous);
            let (to, follow) = (to.clone(), wanted.follow);
            readers.spawn(async move {
                if follow {
                    log.follow(&to).await
                } else {
                    log.read(&to).await
                }
            });
        }
        if is_over || !wanted.follow {
            return all(&mut readers).await;
        }
        sleep(LOOK).await;
        while let Some(ended) = readers.try_join_next() {
            ended.map_err(|_| Error::internal("a log could not be read"))??;
        }
        if to.is_closed() {
            return Ok(());
        }
    }
}

/// The containers that there are, by pod and name, and whether no more come.
async fn look(
    cluster: &Cluster,
    pods: &Api<Pod>,
    wanted: &Wanted,
) -> Result<(Vec<(String, String)>, bool)> {
    // Whether it is over is asked before its pods are: none comes after that.
    let object = get(cluster, &wanted.target, wanted.namespace.as_deref()).await?;
    let is_over = is_over(&object);
    let selected = selected(&object).map_err(|error| cluster.at(error))?;
    let what = format!("the pods of {}", wanted.target);
    let listed = cluster.answer(&what, pods.list(&selected)).await?;
    Ok((listed.items.iter().flat_map(containers).collect(), is_over))
}

/// Waits for the end of all readers; the first failure is what it gives.
async fn all(readers: &mut JoinSet<Result<()>>) -> Result<()> {
    while let Some(ended) = readers.join_next().await {
        ended.map_err(|_| Error::internal("a log could not be read"))??;
    }
    Ok(())
}

fn containers(pod: &Pod) -> Vec<(String, String)> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let all = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    all.map(|container| (name.clone(), container.name.clone()))
        .collect()
}

/// Which pods an object has: itself, or those that its selector fits.
pub fn selected(object: &Value) -> Result<ListParams> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if object["kind"] == "Pod" {
        return Ok(ListParams::default().fields(&format!("metadata.name={name}")));
    }
    let labels = object["spec"]["selector"]["matchLabels"].as_object();
    let labels: Vec<String> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    if labels.is_empty() {
        let kind = object["kind"].as_str().unwrap_or_default();
        return Err(Error::new(
            Kind::Usage,
            format!("the {kind} '{name}' has no pods of its own"),
        )
        .hint("name a pod, job, deployment, statefulset, daemonset or replicaset"));
    }
    Ok(ListParams::default().labels(&labels.join(",")))
}

/// Whether no more pods come: a pod or a Job that has ended.
fn is_over(object: &Value) -> bool {
    if object["kind"] == "Pod" {
        return matches!(
            object["status"]["phase"].as_str(),
            Some("Succeeded" | "Failed")
        );
    }
    let conditions = object["status"]["conditions"].as_array();
    object["kind"] == "Job"
        && conditions.into_iter().flatten().any(|condition| {
            matches!(condition["type"].as_str(), Some("Complete" | "Failed"))
                && condition["status"] == "True"
        })
}

/// Fails where a target is not `kind/name`.
pub fn check(target: &str) -> Result<()> {
    split(target).map(drop)
}
