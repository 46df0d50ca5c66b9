//! One value of a Secret of the cluster, for who may read it. It never becomes part of an object that is shown.

use k8s_openapi::api::core::v1::Secret as Held;
use kube::Api;

use super::cluster::Cluster;
use crate::config::Secret;
use crate::error::{Error, Kind, Result, nearest};

/// The value of a key of a Secret; of the only one where none is named. It must be text.
pub async fn value(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    key: Option<&str>,
) -> Result<Secret> {
    let secrets: Api<Held> = Api::namespaced(cluster.client().clone(), namespace);
    let what = format!("the Secret {namespace}/{name}");
    let held = cluster
        .answer(&what, secrets.get(name))
        .await?
        .data
        .unwrap_or_default();
    let keys: Vec<&str> = held.keys().map(String::as_str).collect();
    let key = match (key, &keys[..]) {
        (Some(key), _) => key,
        (None, [only]) => only,
        (None, _) => {
            return Err(
                Error::new(Kind::Usage, format!("{what} has {} keys", keys.len()))
                    .hint(format!("name one: {}", keys.join(", "))),
            );
        }
    };
    let Some(value) = held.get(key) else {
        let missing = Error::new(Kind::NotFound, format!("{what} has no key '{key}'"));
        return Err(cluster.at(missing.suggest(nearest(key, keys.iter().copied()))));
    };
    let text = String::from_utf8(value.0.clone());
    let text = text.map_err(|_| {
        Error::new(
            Kind::Invalid,
            format!("the key '{key}' of {what} is no text"),
        )
    })?;
    Ok(Secret::text(format!("{namespace}/{name}"), text))
}
