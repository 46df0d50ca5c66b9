//! What the cluster says of an object: its events, the oldest first.

use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::cluster::Cluster;
use crate::error::Result;

/// The events of the object of this kind and name in a namespace, each with `time`, `type`, `reason`, `message`, `count`.
pub async fn events(
    cluster: &Cluster,
    namespace: &str,
    kind: &str,
    name: &str,
) -> Result<Vec<Value>> {
    let all: Api<Event> = Api::namespaced(cluster.client().clone(), namespace);
    let own = format!("involvedObject.kind={kind},involvedObject.name={name}");
    let own = ListParams::default().fields(&own);
    let what = format!("the events of {namespace}/{name}");
    let listed = cluster.answer(&what, all.list(&own)).await?;
    let mut events: Vec<Value> = listed.items.iter().map(row).collect();
    events.sort_by_key(|event| event["time"].as_str().unwrap_or_default().to_owned());
    Ok(events)
}

fn row(event: &Event) -> Value {
    let series = event.series.as_ref();
    let last = series.and_then(|series| series.last_observed_time.as_ref().map(|time| time.0));
    let time = last
        .or_else(|| event.last_timestamp.as_ref().map(|time| time.0))
        .or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| {
            event
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0)
        });
    let count = series.and_then(|series| series.count).or(event.count);
    json!({
        "time": time.map(|time| time.to_string()),
        "type": event.type_,
        "reason": event.reason,
        "message": event.message,
        "count": count.unwrap_or(1),
    })
}
