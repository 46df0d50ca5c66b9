//! The pods that an object has, and one of them that runs.

use futures::StreamExt;
use serde_json::Value;

use super::cluster::Cluster;
use super::k8s_logs::selected;
use super::k8s_objects::{self, Selection};
use crate::error::Result;

/// The pods of an object; none where it has none of its own.
pub async fn of(cluster: &Cluster, object: &Value, namespace: Option<&str>) -> Result<Vec<Value>> {
    let Ok(selected) = selected(object) else {
        return Ok(Vec::new());
    };
    let selection = Selection {
        namespace: namespace.map(str::to_owned),
        labels: selected.label_selector,
        fields: selected.field_selector,
    };
    let mut pages = k8s_objects::list(cluster, "pods".to_owned(), selection);
    let mut pods = Vec::new();
    while let Some(page) = pages.next().await {
        pods.extend(page?);
    }
    Ok(pods)
}

/// The name of one of these pods that runs: one that is ready, where there is one.
#[must_use]
pub fn running(pods: &[Value]) -> Option<String> {
    let runs = |pod: &&Value| {
        pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null()
    };
    let best = pods.iter().filter(runs).max_by_key(|pod| is_ready(pod));
    let name = best.and_then(|pod| pod["metadata"]["name"].as_str());
    name.map(str::to_owned)
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
