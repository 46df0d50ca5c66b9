//! Objects of a cluster as targets: how one is looked at, changed, and brought back; commands in its pods.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use super::cluster_change::{Act, ClusterChange, Input};
use super::hands::{Done, Hands, Seen};
use super::inverse::Inverse;
use super::manifest::Manifest;
use super::payload::digest;
use super::{Change, Facts, Permit, download, record};
use crate::clients::cluster::Cluster;
use crate::clients::k8s_changes::{self as changes, Propagation};
use crate::clients::k8s_exec::{self, Command, Ended};
use crate::clients::k8s_objects::{get, is_secret};
use crate::clients::k8s_pods;
use crate::clients::k8s_wait::{self, Wish};
use crate::error::{Error, Kind, Result};

/// What the API server writes into an object by itself.
const SERVERS: [&str; 7] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
    "deletionTimestamp",
];

/// Kinds that hold more than their description: putting that back does not bring back what was lost.
const HOLDERS: [&str; 6] = [
    "namespace",
    "persistentvolume",
    "persistentvolumeclaim",
    "pod",
    "job.batch",
    "customresourcedefinition.apiextensions.k8s.io",
];

/// What the object is that a change is about.
pub(super) async fn look(cluster: &Cluster, change: &ClusterChange) -> Result<Seen> {
    change.check(cluster)?;
    if change.is_command() {
        // Each run of a command is one of its own, and nothing tells whether it was run.
        return Ok(Seen::default());
    }
    Seen::of(found(cluster, change).await, facts)
}

async fn found(cluster: &Cluster, change: &ClusterChange) -> Result<Value> {
    let at = &change.at;
    get(cluster, &at.target(), at.namespace.as_deref()).await
}

/// What an object is known by: all that somebody has set, and not what its controllers report. What a Secret holds is not
/// shown: it is known by its version.
fn facts(object: &Value) -> Facts {
    let mut set = bare(object);
    set["metadata"]["uid"] = object["metadata"]["uid"].clone();
    if is_secret(object) {
        set["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
    }
    Facts::Record {
        sha256: digest(set.to_string().as_bytes()),
    }
}

/// Whether an object is what a change would make of it.
pub(super) fn is_made(change: &ClusterChange, found: &Value) -> bool {
    match &change.act {
        Act::Apply { manifest, .. } | Act::Create { manifest } | Act::Replace { manifest } => {
            !manifest.is_secret() && record::holds(found, manifest.shown())
        }
        Act::Scale { replicas } => found["spec"]["replicas"] == *replicas,
        Act::Restart { moment } => {
            let annotations = &found["spec"]["template"]["metadata"]["annotations"];
            annotations[changes::RESTARTED] == moment.as_str()
        }
        Act::Delete { .. } | Act::Exec { .. } => false,
    }
}

/// What a change demands of its object is told when it is planned. What is made must not be there; all else but an apply
/// must.
pub(super) fn refuse_unmet(change: &ClusterChange, facts: &Facts) -> Result<()> {
    let is_there = *facts != Facts::Absent;
    match &change.act {
        Act::Create { .. } if is_there && !matches!(facts, Facts::ByStep { .. }) => {
            let message = format!("{} is there already", change.object());
            Err(Error::new(Kind::Conflict, message)
                .hint("give it another name, or delete it first"))
        }
        Act::Scale { .. } | Act::Restart { .. } if !is_there => {
            let message = format!("there is no {}", change.object());
            Err(Error::new(Kind::NotFound, message))
        }
        _ => Ok(()),
    }
}

/// Makes the change to what was seen.
pub(super) async fn perform(
    hands: &Hands,
    permit: Permit,
    change: &ClusterChange,
    seen: &Seen,
) -> Result<Done> {
    let cluster = hands.cluster()?;
    let at = &change.at;
    let manifest = change.manifest().cloned();
    let manifest = manifest.map(|own| own.with_values_of(hands.manifest()));
    let whole = || {
        let manifest = manifest.as_ref();
        manifest.map_or_else(
            || Err(Error::internal("a manifest is missing")),
            Manifest::whole,
        )
    };
    let value = match &change.act {
        Act::Apply { force, .. } => changes::apply(cluster, permit, at, whole()?, *force).await?,
        Act::Create { .. } => changes::create(cluster, permit, at, whole()?).await?,
        Act::Replace { .. } => {
            let version = text(seen.image.as_ref(), "resourceVersion");
            changes::replace(cluster, permit, at, whole()?, &version).await?
        }
        Act::Scale { replicas } => {
            changes::scale(cluster, permit, at, *replicas).await?;
            found(cluster, change).await?
        }
        Act::Restart { moment } => changes::restart(cluster, permit, at, moment).await?,
        Act::Delete { propagation } => {
            let uid = text(seen.image.as_ref(), "uid");
            record::settled(changes::delete(cluster, permit, at, &uid, *propagation).await)?;
            return Ok(Done::default());
        }
        Act::Exec { .. } => return exec(hands, permit, change).await,
    };
    Ok(Done {
        after: facts(&value),
        value,
        ..Done::default()
    })
}

fn text(object: Option<&Value>, field: &str) -> String {
    let found = object.and_then(|object| object["metadata"][field].as_str());
    found.unwrap_or_default().to_owned()
}

/// Runs a command in a pod of the object. A stop of the run ends it: what it reads may be large.
async fn exec(hands: &Hands, permit: Permit, change: &ClusterChange) -> Result<Done> {
    let Act::Exec {
        container,
        command: words,
        input,
        patience,
        any_code,
    } = &change.act
    else {
        return Err(Error::internal("this is no command"));
    };
    let (cluster, session) = (hands.cluster()?, hands.session());
    let at = &change.at;
    let namespace = at.namespace.clone().unwrap_or_default();
    let command = Command {
        pod: running(hands, change, *patience).await?,
        namespace,
        container: container.clone(),
        words: words.clone(),
    };
    let input = input.as_ref().map(|input| bytes_of(hands, input));
    let running = k8s_exec::run(cluster, permit, &command, input.transpose()?);
    let ended = session.stoppable(running).await;
    if matches!(&ended, Err(error) if error.kind() == Kind::Interrupted) {
        session.warn(&format!("the command may go on in the pod {}", command.pod));
    }
    let ended = ended?;
    told(change, &ended, *any_code)?;
    Ok(Done {
        value: json!({
            "pod": command.pod, "code": ended.code, "stdout": String::from_utf8_lossy(&ended.output),
            "stderr": String::from_utf8_lossy(&ended.errors),
        }),
        ..Done::default()
    })
}

/// The name of a pod that runs; it may take a while.
async fn running(hands: &Hands, change: &ClusterChange, patience: u64) -> Result<String> {
    let (cluster, at) = (hands.cluster()?, &change.at);
    let wish = Wish {
        target: at.target(),
        namespace: at.namespace.clone(),
        condition: "running".to_owned(),
        timeout: Duration::from_secs(patience),
        patience: Duration::from_secs(patience),
    };
    let waiting = k8s_wait::wait(cluster, &wish);
    let object = hands.session().stoppable(waiting).await?;
    let pods = k8s_pods::of(cluster, &object, at.namespace.as_deref()).await?;
    k8s_pods::running(&pods).ok_or_else(|| {
        let message = format!("no pod of {} runs any more", change.object());
        cluster.at(Error::new(Kind::Unavailable, message))
    })
}

fn bytes_of(hands: &Hands, input: &Input) -> Result<download::Pieces> {
    match input {
        Input::Text(text) => {
            let text = text.bytes()?;
            Ok(futures::stream::once(async { Ok(text) }).boxed())
        }
        Input::Object { at, was } => download::pieces(hands, at, was),
    }
}

/// Fails where a command ended with another exit code than 0, unless any is an answer.
fn told(change: &ClusterChange, ended: &Ended, any_code: bool) -> Result<()> {
    if ended.code == 0 || any_code {
        return Ok(());
    }
    let message = format!(
        "{} ended with the exit code {}",
        change.target(),
        ended.code
    );
    let errors = String::from_utf8_lossy(&ended.errors).trim().to_owned();
    let mut error = Error::new(Kind::Invalid, message);
    if !errors.is_empty() {
        error = error.cause(errors);
    }
    Err(error.hint("#{any_code: true} gives the exit code and both outputs instead"))
}

/// What takes a change back that left the object as `now`.
pub(super) fn inverse(change: &ClusterChange, before: Option<&Value>, now: Facts) -> Inverse {
    let back = |act: Act| {
        let change = Change::Cluster(change.instead(act));
        Inverse::Change(Box::new(change), now.clone())
    };
    let replaced = |before: &Value| {
        back(Act::Replace {
            manifest: Manifest::new(bare(before)),
        })
    };
    match (&change.act, before) {
        (Act::Apply { .. } | Act::Create { .. } | Act::Replace { .. }, None) => back(Act::Delete {
            propagation: Propagation::Background,
        }),
        (Act::Apply { .. } | Act::Replace { .. }, Some(before)) if !is_secret(before) => {
            replaced(before)
        }
        (Act::Scale { .. }, Some(before)) => match before["spec"]["replicas"].as_i64() {
            Some(replicas) => back(Act::Scale { replicas }),
            None => Inverse::Lost("how many pods it had is not in the journal".to_owned()),
        },
        (Act::Restart { .. }, _) => Inverse::Lost("the pods that ran before are gone".to_owned()),
        (Act::Exec { .. }, _) => Inverse::Lost("nobody knows what the command did".to_owned()),
        (Act::Delete { .. }, Some(before))
            if !is_secret(before) && !HOLDERS.contains(&change.at.kind.as_str()) =>
        {
            back(Act::Create {
                manifest: Manifest::new(bare(before)),
            })
        }
        (Act::Delete { .. }, Some(before)) if !is_secret(before) => {
            Inverse::Lost("what it held is gone with it".to_owned())
        }
        _ => Inverse::Lost("the values of a Secret are not in the journal".to_owned()),
    }
}

/// An object without what the API server writes into it.
fn bare(object: &Value) -> Value {
    let mut bare = object.clone();
    if let Some(fields) = bare.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = bare["metadata"].as_object_mut() {
        metadata.retain(|name, _| !SERVERS.contains(&name.as_str()));
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controllers_report_makes_no_other_object() {
        let object = |replicas: i64, version: &str, uid: &str| {
            json!({"kind": "Deployment", "metadata": {"uid": uid, "resourceVersion": version},
                "spec": {"replicas": replicas}, "status": {"readyReplicas": version.len()}})
        };
        let known = facts(&object(1, "7", "u"));
        assert_eq!(known, facts(&object(1, "12", "u")));
        assert_ne!(known, facts(&object(2, "7", "u")));
        assert_ne!(known, facts(&object(1, "7", "another")));
        let secret = |version: &str| {
            facts(
                &json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "data": {"k": null}}),
            )
        };
        assert_ne!(secret("7"), secret("8"));
    }
}
