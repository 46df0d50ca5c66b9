//! Changes of objects of a cluster: applied by the server with a field manager, made, replaced, scaled, restarted, deleted.
//! Each is what one request does; what it takes to do it safely is the gate's business.

use kube::api::{
    DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::k8s_objects::shown;
use super::k8s_place::Place;
use crate::effects::Permit;
use crate::error::{Error, Kind, Result};

/// Who owns the fields that this program sets.
pub const MANAGER: &str = "dashictl";

/// The annotation that `kubectl rollout restart` sets: pods that have another are made anew.
pub const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// Sets the fields of a manifest, and no others (server-side apply). A field that somebody else owns is a conflict unless
/// it is taken by `force`.
pub async fn apply(
    cluster: &Cluster,
    _: Permit,
    at: &Place,
    manifest: &Value,
    force: bool,
) -> Result<Value> {
    applied(cluster, at, manifest, force, false).await
}

/// Whether the API server would take a manifest: it validates it, asks its admission, and changes nothing.
pub async fn rehearse(
    cluster: &Cluster,
    at: &Place,
    manifest: &Value,
    force: bool,
) -> Result<Value> {
    applied(cluster, at, manifest, force, true).await
}

async fn applied(
    cluster: &Cluster,
    at: &Place,
    manifest: &Value,
    force: bool,
    dry_run: bool,
) -> Result<Value> {
    let (kind, objects) = at.objects(cluster).await?;
    let how = PatchParams {
        dry_run,
        force,
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Apply(manifest);
    let patch = objects.patch(&at.name, &how, &patch);
    let what = format!("the manifest of {at}");
    let object = cluster.answer(&what, patch).await.map_err(conflict)?;
    shown(&kind, object)
}

fn conflict(error: Error) -> Error {
    if error.kind() != Kind::Conflict {
        return error;
    }
    error.hint(
        "somebody else has set those fields: leave them out, or take them over with #{force: true}",
    )
}

/// Makes an object that is not there yet.
pub async fn create(cluster: &Cluster, _: Permit, at: &Place, manifest: &Value) -> Result<Value> {
    created(cluster, at, manifest, false).await
}

/// Whether the API server would make an object: it validates it, asks its admission, and changes nothing.
pub async fn rehearse_creation(cluster: &Cluster, at: &Place, manifest: &Value) -> Result<Value> {
    created(cluster, at, manifest, true).await
}

async fn created(cluster: &Cluster, at: &Place, manifest: &Value, dry_run: bool) -> Result<Value> {
    let (kind, objects) = at.objects(cluster).await?;
    let object = object(manifest)?;
    let how = PostParams {
        dry_run,
        field_manager: Some(MANAGER.to_owned()),
    };
    let what = format!("the creation of {at}");
    let made = cluster.answer(&what, objects.create(&how, &object)).await;
    let made = made.map_err(|mut error| {
        // Of what is made only the namespace can be missing.
        if let (Kind::NotFound, Some(namespace)) = (error.kind(), &at.namespace) {
            error.detail_mut().message = format!("there is no namespace {namespace}");
        }
        error
    })?;
    shown(&kind, made)
}

/// Makes an object what it was, if it is still of this version.
pub async fn replace(
    cluster: &Cluster,
    _: Permit,
    at: &Place,
    manifest: &Value,
    version: &str,
) -> Result<Value> {
    let (kind, objects) = at.objects(cluster).await?;
    let mut object = object(manifest)?;
    object.metadata.resource_version = Some(version.to_owned());
    let how = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let what = format!("the replacement of {at}");
    let replaced = objects.replace(&at.name, &how, &object);
    shown(&kind, cluster.answer(&what, replaced).await?)
}

/// Sets how many pods an object is to have.
pub async fn scale(cluster: &Cluster, _: Permit, at: &Place, replicas: i64) -> Result<()> {
    let (_, objects) = at.objects(cluster).await?;
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    let what = format!("the scale of {at}");
    let how = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let scaled = objects.patch_scale(&at.name, &how, &patch);
    cluster.answer(&what, scaled).await.map(drop)
}

/// Has the pods of an object made anew, as many at a time as it says itself.
pub async fn restart(cluster: &Cluster, _: Permit, at: &Place, moment: &str) -> Result<Value> {
    let (kind, objects) = at.objects(cluster).await?;
    let annotations = json!({"annotations": {RESTARTED: moment}});
    let patch = Patch::Merge(json!({"spec": {"template": {"metadata": annotations}}}));
    let how = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let what = format!("the restart of {at}");
    let patched = objects.patch(&at.name, &how, &patch);
    shown(&kind, cluster.answer(&what, patched).await?)
}

/// Deletes an object, if it is still the one of this uid.
pub async fn delete(
    cluster: &Cluster,
    _: Permit,
    at: &Place,
    uid: &str,
    propagation: Propagation,
) -> Result<()> {
    let (_, objects) = at.objects(cluster).await?;
    let how = DeleteParams {
        propagation_policy: Some(propagation.policy()),
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let what = format!("the deletion of {at}");
    let deleted = objects.delete(&at.name, &how);
    cluster.answer(&what, deleted).await.map(drop)
}

/// What becomes of what an object owns when it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// It is deleted afterwards.
    Background,
    /// It is deleted before.
    Foreground,
    /// It stays.
    Orphan,
}

impl Propagation {
    /// The one of that name.
    pub fn named(name: &str) -> Result<Propagation> {
        match name {
            "background" => Ok(Propagation::Background),
            "foreground" => Ok(Propagation::Foreground),
            "orphan" => Ok(Propagation::Orphan),
            _ => Err(Error::usage(format!("'{name}' is no propagation"))
                .hint("it is background, foreground or orphan")),
        }
    }

    fn policy(self) -> PropagationPolicy {
        match self {
            Propagation::Background => PropagationPolicy::Background,
            Propagation::Foreground => PropagationPolicy::Foreground,
            Propagation::Orphan => PropagationPolicy::Orphan,
        }
    }
}

fn object(manifest: &Value) -> Result<DynamicObject> {
    serde_json::from_value(manifest.clone()).map_err(|error| {
        Error::new(Kind::Usage, "the manifest is no object of a cluster").caused_by(&error)
    })
}
