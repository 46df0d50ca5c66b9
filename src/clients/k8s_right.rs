//! What whoever asks may do in a cluster, asked of the API server itself before anything is begun.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::cluster::Cluster;
use crate::error::{Error, Kind, Result};

/// A right: a verb on a resource in a namespace, or everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// `get`, `create`, …
    pub verb: String,
    /// The resource with its group, and its subresource behind a slash: `pods/portforward`, `jobs.batch`.
    pub resource: String,
    /// The namespace; none for all.
    pub namespace: Option<String>,
}

impl Right {
    /// One in a namespace.
    #[must_use]
    pub fn within(namespace: &str, verb: &str, resource: &str) -> Right {
        Right {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            namespace: Some(namespace.to_owned()),
        }
    }

    /// Whether it is held.
    pub async fn is_held(&self, cluster: &Cluster) -> Result<bool> {
        let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client().clone());
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(self.attributes()),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let how = PostParams::default();
        let asked = cluster
            .answer("your rights", reviews.create(&how, &review))
            .await?;
        Ok(asked.status.is_some_and(|status| status.allowed))
    }

    /// `create pods/portforward in the namespace dashi-catalog`
    fn told(&self) -> String {
        let place = match &self.namespace {
            Some(namespace) => format!(" in the namespace {namespace}"),
            None => String::new(),
        };
        format!("{} {}{place}", self.verb, self.resource)
    }

    /// The rule of a Role that gives it.
    fn rule(&self) -> Value {
        let attributes = self.attributes();
        let resource = attributes.resource.unwrap_or_default();
        let resource = match attributes.subresource {
            Some(subresource) => format!("{resource}/{subresource}"),
            None => resource,
        };
        json!({"apiGroups": [attributes.group], "resources": [resource], "verbs": [self.verb]})
    }

    fn attributes(&self) -> ResourceAttributes {
        let (resource, subresource) = match self.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (self.resource.as_str(), None),
        };
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        ResourceAttributes {
            verb: Some(self.verb.clone()),
            resource: Some(resource.to_owned()),
            group: Some(group.to_owned()),
            subresource,
            namespace: self.namespace.clone(),
            ..ResourceAttributes::default()
        }
    }
}

/// The rules of a Role that gives these, one for each resource.
fn rules(rights: &[&Right]) -> Vec<Value> {
    let mut rules: Vec<Value> = Vec::new();
    for right in rights {
        let rule = right.rule();
        let known = rules.iter_mut().find(|known| {
            known["apiGroups"] == rule["apiGroups"] && known["resources"] == rule["resources"]
        });
        match known.and_then(|known| known["verbs"].as_array_mut()) {
            Some(verbs) => verbs.push(right.verb.clone().into()),
            None => rules.push(rule),
        }
    }
    rules
}

/// Fails where any of these is not held, with the rules of a Role that would give those.
pub async fn demand(cluster: &Cluster, rights: &[Right]) -> Result<()> {
    let held = rights.iter().map(|right| right.is_held(cluster));
    let held = futures::future::try_join_all(held).await?;
    let missing: Vec<&Right> = rights
        .iter()
        .zip(held)
        .filter_map(|(right, held)| (!held).then_some(right))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = missing.iter().map(|right| right.told()).collect();
    let rules = rules(&missing);
    let message = format!("you may not {}", told.join(", nor "));
    let hint = format!(
        "a Role with these rules, bound to you, would let you: {}",
        Value::from(rules)
    );
    Err(cluster.at(Error::new(Kind::Forbidden, message).hint(hint)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_taken_apart() {
        let attributes = Right::within("ns", "create", "pods/portforward").attributes();
        assert_eq!(attributes.resource.as_deref(), Some("pods"));
        assert_eq!(attributes.subresource.as_deref(), Some("portforward"));
        let rule = Right::within("ns", "patch", "deployments.apps/scale").rule();
        assert_eq!(
            rule,
            json!({"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"]})
        );
        let rights = ["get", "delete"].map(|verb| Right::within("ns", verb, "jobs.batch"));
        assert_eq!(
            rules(&rights.iter().collect::<Vec<_>>()),
            [json!({"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "delete"]})]
        );
        let attributes = Right::within("ns", "create", "jobs.batch").attributes();
        assert_eq!(
            (attributes.resource.as_deref(), attributes.group.as_deref()),
            (Some("jobs"), Some("batch"))
        );
    }
}
