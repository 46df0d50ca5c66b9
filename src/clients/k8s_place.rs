//! Which object of a cluster is meant: its kind in full, its namespace and its name. Equal objects have equal texts,
//! whatever word they were asked for by.

use std::fmt;

use kube::Api;
use kube::api::DynamicObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::Cluster;
use super::k8s_kind::KindOf;
use super::k8s_objects::{is_name, split};
use crate::error::{Error, Kind, Result};

/// An object of a cluster, whether or not it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its kind with its group: `pod`, `job.batch`.
    pub kind: String,
    /// Its namespace; none where its kind has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Place {
    /// The object that `kind/name` means in a namespace; in the context's where none is named.
    pub async fn meant(cluster: &Cluster, target: &str, namespace: Option<&str>) -> Result<Place> {
        let (word, name) = split(target)?;
        let kind = KindOf::meant(cluster, word).await?;
        Place::of(cluster, &kind, namespace, name)
    }

    /// The object that a manifest describes. Its own namespace must not be another than the one that is named.
    pub async fn described(
        cluster: &Cluster,
        manifest: &Value,
        namespace: Option<&str>,
    ) -> Result<Place> {
        let text = |at: &str| manifest.pointer(at).and_then(Value::as_str);
        let wanting = |field: &str| {
            Error::new(Kind::Usage, format!("the manifest has no {field}"))
                .hint("it needs apiVersion, kind and metadata.name")
        };
        let version = text("/apiVersion").ok_or_else(|| wanting("apiVersion"))?;
        let kind = text("/kind").ok_or_else(|| wanting("kind"))?;
        let name = text("/metadata/name").ok_or_else(|| wanting("metadata.name"))?;
        let word = match version.split_once('/') {
            Some((group, _)) => format!("{kind}.{group}"),
            None => kind.to_owned(),
        };
        let own = text("/metadata/namespace");
        if let (Some(own), Some(named)) = (own, namespace)
            && own != named
        {
            let message = format!("the manifest is for the namespace {own}, and {named} was named");
            return Err(Error::new(Kind::Usage, message).hint("leave one of them out"));
        }
        let kind = KindOf::meant(cluster, &word).await?;
        Place::of(cluster, &kind, own.or(namespace), name)
    }

    fn of(cluster: &Cluster, kind: &KindOf, namespace: Option<&str>, name: &str) -> Result<Place> {
        let namespace = namespace.unwrap_or_else(|| cluster.client().default_namespace());
        if let Some(odd) = [namespace, name].iter().find(|name| !is_name(name)) {
            return Err(
                Error::new(Kind::Usage, format!("'{odd}' is no name in a cluster"))
                    .hint("names have lower-case letters, digits and dashes"),
            );
        }
        Ok(Place {
            kind: kind.one_name(),
            namespace: kind.is_namespaced.then(|| namespace.to_owned()),
            name: name.to_owned(),
        })
    }

    /// `kind/name`
    #[must_use]
    pub fn target(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// Its kind, and the objects of that kind in its namespace.
    pub(super) async fn objects(&self, cluster: &Cluster) -> Result<(KindOf, Api<DynamicObject>)> {
        let kind = KindOf::meant(cluster, &self.kind).await?;
        let objects = kind.objects(cluster, self.namespace.as_deref());
        Ok((kind, objects))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} in {namespace}", self.target()),
            None => f.write_str(&self.target()),
        }
    }
}
