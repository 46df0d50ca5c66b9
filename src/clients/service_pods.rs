//! Which pod answers for a Service, and at which of its ports: by the name of the Service's port in its EndpointSlices,
//! which hold the number that the pods listen at.

use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::ListParams;

use super::cluster::Cluster;
use crate::error::{Error, Kind, Result};

/// A place that a tunnel can lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodPort {
    /// The namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// Where it listens.
    pub port: u16,
}

/// Counts up, so that connections are spread over the pods.
static TURN: AtomicUsize = AtomicUsize::new(0);

/// A ready pod of the Service, each time the next. `Unavailable` where none is ready just now; other kinds last.
pub async fn ready_pod(
    cluster: &Cluster,
    namespace: &str,
    service: &str,
    port: u16,
) -> Result<PodPort> {
    let what = format!("the Service {namespace}/{service}");
    let services: Api<Service> = Api::namespaced(cluster.client().clone(), namespace);
    let found = cluster.answer(&what, services.get(service)).await?;
    let name = port_name(&found, port).map_err(|error| cluster.at(error))?;
    let slices: Api<EndpointSlice> = Api::namespaced(cluster.client().clone(), namespace);
    let of_service = format!("kubernetes.io/service-name={service}");
    let of_service = ListParams::default().labels(&of_service);
    let listing = format!("the EndpointSlices of {what}");
    let listed = cluster.answer(&listing, slices.list(&of_service)).await?;
    let (ready, others) = pods(&listed.items, &name, namespace);
    match ready.len() {
        0 => Err(cluster.at(Error::new(
            Kind::Unavailable,
            format!("no pod of {what} is ready at its port {port} ({others} are not)"),
        ))),
        count => Ok(ready[TURN.fetch_add(1, Ordering::Relaxed) % count].clone()),
    }
}

/// The name of the Service's port, empty where it has none.
fn port_name(service: &Service, port: u16) -> Result<String> {
    let named = service.metadata.name.clone().unwrap_or_default();
    let Some(spec) = &service.spec else {
        return Err(Error::new(
            Kind::Protocol,
            format!("the Service {named} has no spec"),
        ));
    };
    let selects = spec.selector.as_ref().is_some_and(|set| !set.is_empty());
    if spec.type_.as_deref() == Some("ExternalName") || !selects {
        return Err(Error::config(format!(
            "the Service {named} has no pods of its own (it selects none), so no tunnel leads to it"
        ))
        .hint("set the endpoint to the URL that it stands for"));
    }
    let ports = spec.ports.as_deref().unwrap_or_default();
    let found = ports.iter().find(|known| known.port == i32::from(port));
    found
        .map(|port| port.name.clone().unwrap_or_default())
        .ok_or_else(|| {
            let known: Vec<String> = ports.iter().map(|port| port.port.to_string()).collect();
            Error::config(format!("the Service {named} has no port {port}"))
                .hint(format!("it has {}", known.join(", ")))
        })
}

/// The pods that are ready at the port of this name, and how many are not.
fn pods(slices: &[EndpointSlice], name: &str, namespace: &str) -> (Vec<PodPort>, usize) {
    let (mut ready, mut others) = (Vec::new(), 0);
    for slice in slices {
        let ports = slice.ports.as_deref().unwrap_or_default();
        let port = ports
            .iter()
            .find(|port| port.name.as_deref().unwrap_or_default() == name)
            .and_then(|port| u16::try_from(port.port?).ok());
        for endpoint in slice.endpoints.iter().flatten() {
            let is_ready = endpoint
                .conditions
                .as_ref()
                .is_none_or(|conditions| conditions.ready != Some(false));
            let pod = endpoint
                .target_ref
                .as_ref()
                .filter(|target| target.kind.as_deref() == Some("Pod"))
                .and_then(|target| target.name.clone());
            match (pod, port) {
                (Some(pod), Some(port)) if is_ready => ready.push(PodPort {
                    namespace: namespace.to_owned(),
                    pod,
                    port,
                }),
                _ => others += 1,
            }
        }
    }
    (ready, others)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service(spec: Value) -> Service {
        serde_json::from_value(json!({"metadata": {"name": "stac"}, "spec": spec})).unwrap()
    }

    #[test]
    fn a_services_port_is_known_by_its_name() {
        let spec = json!({"selector": {"app": "stac"}, "ports": [{"port": 8080, "name": "http", "targetPort": "web"}, {"port": 9000}]});
        let service = service(spec);
        assert_eq!(port_name(&service, 8080).unwrap(), "http");
        assert_eq!(port_name(&service, 9000).unwrap(), "");
        let error = port_name(&service, 80).unwrap_err();
        assert_eq!(error.to_string(), "the Service stac has no port 80");
    }

    #[test]
    fn a_service_without_pods_of_its_own_is_told() {
        for spec in [
            json!({"type": "ExternalName", "externalName": "stac.example.org"}),
            json!({"ports": [{"port": 80}]}),
        ] {
            let error = port_name(&service(spec), 80).unwrap_err();
            assert!(error.to_string().contains("no pods of its own"), "{error}");
        }
    }

    #[test]
    fn pods_that_are_not_ready_are_left_out() {
        let slice: EndpointSlice = serde_json::from_value(json!({
            "addressType": "IPv4", "metadata": {"name": "stac-1"},
            "ports": [{"name": "metrics", "port": 9}, {"name": "http", "port": 4711}],
            "endpoints": [
                {"addresses": ["10.88.0.1"], "conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": "a"}},
                {"addresses": ["10.88.0.2"], "conditions": {"ready": false}, "targetRef": {"kind": "Pod", "name": "b"}},
                {"addresses": ["10.88.0.3"], "conditions": {}, "targetRef": {"kind": "Pod", "name": "c"}},
                {"addresses": ["10.88.0.4"], "conditions": {"ready": true}},
            ],
        }))
        .unwrap();
        let (ready, others) = pods(&[slice], "http", "ns");
        let names: Vec<(&str, u16)> = ready.iter().map(|at| (&*at.pod, at.port)).collect();
        assert_eq!((names, others), (vec![("a", 4711), ("c", 4711)], 2));
    }
}
