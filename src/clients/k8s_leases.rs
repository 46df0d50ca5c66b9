//! Leases of the cluster (`coordination.k8s.io/v1`) that hold a text each: written where there is none, or over what was seen.
//! What they mean is the business of whoever writes them.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use kube::client::Body;
use serde_json::json;

use super::cluster::Cluster;
use super::k8s_changes::MANAGER;
use super::k8s_right::{Right, demand};
use crate::effects::Permit;
use crate::error::{Error, Kind, Result};

/// Where the text stands.
const TEXT: &str = "dashi.io/holder";
/// The label that tells which Leases belong together.
const OF: &str = "dashi.io/locks";

/// The Leases of one purpose in a namespace.
#[derive(Clone)]
pub struct Leases {
    cluster: Cluster,
    api: Api<Lease>,
    namespace: String,
    of: String,
}

/// A Lease that is to be written.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Its name among the others.
    pub name: &'a str,
    /// Who holds it.
    pub holder: &'a str,
    /// Its text.
    pub text: &'a str,
    /// It is good for so many seconds, as those see it who know Leases and not what this text means.
    pub seconds: u64,
}

/// A Lease as it stands.
#[derive(Debug)]
pub struct Found {
    /// Its text.
    pub text: String,
    /// Its version: it changes whenever the Lease does.
    pub version: Option<String>,
    /// When it was last written, by the API server's clock.
    pub written: Option<Timestamp>,
}

impl Leases {
    /// Those of a purpose (a label's value). Fails where they may not be kept there.
    pub async fn of(cluster: &Cluster, namespace: &str, of: &str) -> Result<Leases> {
        let verbs = ["get", "list", "create", "update", "delete"];
        let rights = verbs.map(|verb| Right::within(namespace, verb, "leases.coordination.k8s.io"));
        demand(cluster, &rights).await?;
        Ok(Leases {
            api: Api::namespaced(cluster.client().clone(), namespace),
            cluster: cluster.clone(),
            namespace: namespace.to_owned(),
            of: of.to_owned(),
        })
    }

    /// Where one is, for people.
    #[must_use]
    pub fn told(&self, name: &str) -> String {
        format!("the Lease {} in {}", self.object(name), self.namespace)
    }

    /// Writes one where there is none; of two at once only one succeeds. Throws `conflict` where there is one. Gives its version.
    pub async fn create(&self, _: Permit, entry: &Entry<'_>) -> Result<Option<String>> {
        let lease = self.lease(entry, None)?;
        let (how, what) = (how(), self.told(entry.name));
        let made = self.cluster.answer(&what, self.api.create(&how, &lease));
        Ok(made.await?.metadata.resource_version)
    }

    /// Writes one over the version that was seen. Throws `conflict` where it is another by now.
    pub async fn replace(
        &self,
        _: Permit,
        entry: &Entry<'_>,
        version: Option<&str>,
    ) -> Result<Option<String>> {
        let lease = self.lease(entry, version)?;
        let (how, what, object) = (how(), self.told(entry.name), self.object(entry.name));
        let replacing = self.api.replace(&object, &how, &lease);
        let made = self.cluster.answer(&what, replacing);
        Ok(made.await?.metadata.resource_version)
    }

    /// One of them.
    pub async fn read(&self, name: &str) -> Result<Found> {
        let object = self.object(name);
        let lease = self
            .cluster
            .answer(&self.told(name), self.api.get(&object))
            .await?;
        let text = lease
            .metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(TEXT))
            .cloned();
        let whole = serde_json::to_value(&lease.metadata).unwrap_or_default();
        let times = whole["managedFields"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|fields| &fields["time"]);
        let written = times
            .chain([&whole["creationTimestamp"]])
            .filter_map(|time| time.as_str()?.parse().ok())
            .max();
        Ok(Found {
            text: text.ok_or_else(|| {
                Error::new(
                    Kind::Protocol,
                    format!("{} is none of dashictl's", self.told(name)),
                )
            })?,
            version: lease.metadata.resource_version,
            written,
        })
    }

    /// Removes one, if it is still the version that was seen.
    pub async fn remove(&self, _: Permit, name: &str, version: Option<&str>) -> Result<()> {
        let how = DeleteParams {
            preconditions: version.map(|version| Preconditions {
                resource_version: Some(version.to_owned()),
                uid: None,
            }),
            ..DeleteParams::default()
        };
        let object = self.object(name);
        let removed = self
            .cluster
            .answer(&self.told(name), self.api.delete(&object, &how))
            .await;
        match removed {
            Err(error) if error.kind() == Kind::NotFound => Ok(()),
            other => other.map(drop),
        }
    }

    /// The names of those that there are.
    pub async fn names(&self) -> Result<Vec<String>> {
        let wanted = ListParams::default().labels(&format!("{OF}={}", self.of));
        let listed = self
            .cluster
            .answer("Leases", self.api.list(&wanted))
            .await?;
        let prefix = self.object("");
        let names = listed
            .items
            .into_iter()
            .filter_map(|lease| lease.metadata.name);
        Ok(names
            .filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned))
            .collect())
    }

    /// The API server's time.
    pub async fn now(&self) -> Result<Timestamp> {
        let request = http::Request::get("/version")
            .body(Body::empty())
            .map_err(|error| Error::internal(error.to_string()))?;
        let answer = self
            .cluster
            .answer("its time", self.cluster.client().send(request))
            .await?;
        let date = answer
            .headers()
            .get(http::header::DATE)
            .and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let date = date.and_then(|date| Timestamp::try_from(date).ok());
        Ok(date.unwrap_or_else(Timestamp::now))
    }

    fn object(&self, name: &str) -> String {
        format!("dashictl-{}-{name}", self.of)
    }

    fn lease(&self, entry: &Entry, version: Option<&str>) -> Result<Lease> {
        let now = Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
            .to_string();
        let lease = json!({
            "metadata": {
                "name": self.object(entry.name), "namespace": self.namespace, "resourceVersion": version,
                "labels": {"app.kubernetes.io/managed-by": "dashictl", OF: self.of},
                "annotations": {TEXT: entry.text},
            },
            "spec": {"holderIdentity": entry.holder, "leaseDurationSeconds": entry.seconds, "renewTime": now},
        });
        serde_json::from_value(lease).map_err(|error| Error::internal(error.to_string()))
    }
}

fn how() -> PostParams {
    PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    }
}
