//! Objects of a cluster as JSON: one, or pages of many. What a Secret holds never leaves this file: its values are left
//! out, its keys stay.

use futures::{StreamExt, stream};
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;

use super::Pages;
use super::cluster::Cluster;
use super::k8s_kind::KindOf;
use crate::error::{Error, Kind, Result};

/// So many objects come in one page.
const PAGE: u32 = 500;

/// Which objects are wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// The namespace; `*` for all, none for the context's.
    pub namespace: Option<String>,
    /// A selector of labels.
    pub labels: Option<String>,
    /// A selector of fields.
    pub fields: Option<String>,
}

/// The objects of a kind that are selected, page by page.
#[must_use]
pub fn list(cluster: &Cluster, kind: String, wanted: Selection) -> Pages {
    let place = Some((cluster.clone(), kind, wanted, None));
    let pages = stream::unfold(place, |place| async move {
        let (cluster, kind, wanted, token) = place?;
        match page(&cluster, &kind, &wanted, token).await {
            Ok((objects, next)) => {
                let next = next.map(|token| (cluster, kind, wanted, Some(token)));
                Some((Ok(objects), next))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    pages.boxed()
}

async fn page(
    cluster: &Cluster,
    kind: &str,
    wanted: &Selection,
    token: Option<String>,
) -> Result<(Vec<Value>, Option<String>)> {
    let kind = KindOf::meant(cluster, kind).await?;
    let objects = kind.objects(cluster, wanted.namespace.as_deref());
    let asked = ListParams {
        label_selector: wanted.labels.clone(),
        field_selector: wanted.fields.clone(),
        limit: Some(PAGE),
        continue_token: token,
        ..ListParams::default()
    };
    let what = format!("{}{}", kind.full_name(), place(wanted.namespace.as_deref()));
    let listed = cluster.answer(&what, objects.list(&asked)).await?;
    let next = listed.metadata.continue_.filter(|token| !token.is_empty());
    let shown: Result<Vec<Value>> = listed
        .items
        .into_iter()
        .map(|object| shown(&kind, object))
        .collect();
    Ok((shown?, next))
}

/// One object, `kind/name`.
pub async fn get(cluster: &Cluster, target: &str, namespace: Option<&str>) -> Result<Value> {
    let (kind, name) = split(target)?;
    let kind = KindOf::meant(cluster, kind).await?;
    let objects: Api<DynamicObject> = kind.objects(cluster, namespace);
    let what = format!("the {} '{name}'{}", kind.resource.kind, place(namespace));
    let object = cluster.answer(&what, objects.get(name)).await?;
    shown(&kind, object)
}

/// The two parts of `kind/name`.
pub fn split(target: &str) -> Result<(&str, &str)> {
    let parts = target.split_once('/');
    parts
        .filter(|(kind, name)| !kind.is_empty() && is_name(name))
        .ok_or_else(|| {
            Error::new(Kind::Usage, format!("'{target}' names no object"))
                .hint("write kind/name, such as job/nightly or deployment.apps/stac-fastapi")
        })
}

/// Whether it can be the name of anything in a cluster.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_fit = |letter: char| letter.is_ascii_alphanumeric() || "-._:@".contains(letter);
    !name.is_empty() && name.chars().all(is_fit)
}

/// Where that is, as it ends a sentence.
pub(super) fn place(namespace: Option<&str>) -> String {
    match namespace {
        Some("*") => " of all namespaces".to_owned(),
        Some(namespace) => format!(" in the namespace {namespace}"),
        None => String::new(),
    }
}

/// An object as JSON, without what nobody may see.
pub(super) fn shown(kind: &KindOf, object: DynamicObject) -> Result<Value> {
    let mut object = serde_json::to_value(object).map_err(|error| {
        Error::new(
            Kind::Protocol,
            "the API server gave an object that is no JSON",
        )
        .caused_by(&error)
    })?;
    // A listing leaves them out.
    object["apiVersion"] = kind.resource.api_version.clone().into();
    object["kind"] = kind.resource.kind.clone().into();
    if kind.is_secret() {
        hide(&mut object);
    }
    Ok(object)
}

/// Whether an object or its manifest is a Secret.
#[must_use]
pub fn is_secret(object: &Value) -> bool {
    object["kind"] == "Secret" && object["apiVersion"] == "v1"
}

/// Takes the values of a Secret out, also those that an earlier `kubectl apply` wrote into an annotation.
pub fn hide(secret: &mut Value) {
    for field in ["data", "stringData"] {
        let values = secret.get_mut(field).and_then(Value::as_object_mut);
        for value in values.into_iter().flat_map(serde_json::Map::values_mut) {
            *value = Value::Null;
        }
    }
    let annotations = secret.pointer_mut("/metadata/annotations");
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secrets_values_are_left_out() {
        let last = "kubectl.kubernetes.io/last-applied-configuration";
        let mut secret = json!({"data": {"key": "aHVzaA=="}, "metadata": {"annotations": {last: "aHVzaA==", "a": "b"}}});
        hide(&mut secret);
        let expected = json!({"data": {"key": null}, "metadata": {"annotations": {"a": "b"}}});
        assert_eq!(secret, expected);
    }

    #[test]
    fn an_object_is_named_by_its_kind_and_its_name() {
        assert_eq!(
            split("deployment.apps/stac").unwrap(),
            ("deployment.apps", "stac")
        );
        for wrong in ["stac", "/stac", "job/", "job/a/b"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
