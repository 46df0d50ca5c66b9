//! Which kind of object a word means: its plural, singular, kind or short name, with its group behind a dot where two
//! groups know the word (`deployments.apps`). The API server's own discovery tells, custom kinds included.

use std::sync::Arc;

use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use kube::core::discovery::v2::{APIGroupDiscovery, APIResourceDiscovery};

use super::cluster::Cluster;
use crate::error::{Error, Kind, Result, nearest};

/// A kind of object of a cluster.
#[derive(Debug, Clone)]
pub struct KindOf {
    /// Its group, version, kind and plural.
    pub resource: ApiResource,
    /// Whether its objects are in namespaces.
    pub is_namespaced: bool,
    names: Vec<String>,
}

/// The kinds of a cluster: asked for once, and again where a word is not among them, as a kind may have been made since.
#[derive(Clone, Default)]
pub struct Kinds(Arc<tokio::sync::Mutex<Vec<KindOf>>>);

impl KindOf {
    /// The kind that a word means.
    pub async fn meant(cluster: &Cluster, word: &str) -> Result<KindOf> {
        let mut known = cluster.kinds().0.lock().await;
        if let Ok(kind) = chosen(&known, word) {
            return Ok(kind);
        }
        *known = asked(cluster).await?;
        chosen(&known, word).map_err(|error| cluster.at(error))
    }

    /// The objects of this kind in a namespace; in all where it is `*`, in the context's where none is named.
    #[must_use]
    pub fn objects(&self, cluster: &Cluster, namespace: Option<&str>) -> Api<DynamicObject> {
        let client = cluster.client().clone();
        match namespace {
            _ if !self.is_namespaced => Api::all_with(client, &self.resource),
            Some("*") => Api::all_with(client, &self.resource),
            Some(namespace) => Api::namespaced_with(client, namespace, &self.resource),
            None => Api::default_namespaced_with(client, &self.resource),
        }
    }

    /// Whether its objects hold what nobody may see.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.resource.group.is_empty() && self.resource.kind == "Secret"
    }

    /// `pod`, `deployment.apps`
    #[must_use]
    pub fn one_name(&self) -> String {
        let kind = self.resource.kind.to_lowercase();
        if self.resource.group.is_empty() {
            kind
        } else {
            format!("{kind}.{}", self.resource.group)
        }
    }

    /// `pods`, `deployments.apps`
    #[must_use]
    pub fn full_name(&self) -> String {
        if self.resource.group.is_empty() {
            self.resource.plural.clone()
        } else {
            format!("{}.{}", self.resource.plural, self.resource.group)
        }
    }
}

async fn asked(cluster: &Cluster) -> Result<Vec<KindOf>> {
    let client = cluster.client();
    let core = cluster.answer("its kinds", client.list_core_api_versions_aggregated());
    let groups = cluster.answer("its kinds", client.list_api_groups_aggregated());
    let (core, groups) = (core.await?, groups.await?);
    let all = core.items.iter().chain(&groups.items);
    Ok(all.flat_map(of_group).collect())
}

/// The kinds of a group, each in the version that it prefers.
fn of_group(group: &APIGroupDiscovery) -> Vec<KindOf> {
    let name = group
        .metadata
        .as_ref()
        .and_then(|meta| meta.name.clone())
        .unwrap_or_default();
    let mut kinds: Vec<KindOf> = Vec::new();
    for version in &group.versions {
        let of_version = version.version.as_deref().unwrap_or_default();
        for resource in &version.resources {
            let Some(kind) = of_resource(&name, of_version, resource) else {
                continue;
            };
            if !kinds
                .iter()
                .any(|known| known.resource.plural == kind.resource.plural)
            {
                kinds.push(kind);
            }
        }
    }
    kinds
}

fn of_resource(group: &str, version: &str, known: &APIResourceDiscovery) -> Option<KindOf> {
    let plural = known.resource.clone()?;
    let kind = known.response_kind.as_ref()?.kind.clone()?;
    let mut names = vec![plural.clone(), kind.to_lowercase()];
    names.extend(known.singular_resource.clone());
    names.extend(known.short_names.iter().cloned());
    Some(KindOf {
        is_namespaced: known.scope.as_deref() == Some("Namespaced"),
        resource: ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: if group.is_empty() {
                version.to_owned()
            } else {
                format!("{group}/{version}")
            },
            kind,
            plural,
        },
        names,
    })
}

/// Groups come in the order of their weight, the core first, so the first that knows a word is what kubectl would take.
fn chosen(kinds: &[KindOf], word: &str) -> Result<KindOf> {
    let (name, group) = match word.split_once('.') {
        Some((name, group)) => (name.to_lowercase(), Some(group)),
        None => (word.to_lowercase(), None),
    };
    let fits = |kind: &&KindOf| {
        kind.names.contains(&name) && group.is_none_or(|group| kind.resource.group == group)
    };
    kinds.iter().find(fits).cloned().ok_or_else(|| {
        let known = kinds
            .iter()
            .flat_map(|kind| &kind.names)
            .map(String::as_str);
        Error::new(
            Kind::NotFound,
            format!("the cluster knows no kind of object '{word}'"),
        )
        .suggest(nearest(&name, known))
    })
}
