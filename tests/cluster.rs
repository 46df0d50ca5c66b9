//! The cluster of `tests/cluster/cluster`, which all tests share, each in a namespace of its own; and lakes whose services
//! are reached through it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use dashictl::clients::cluster::Cluster as Client;
use dashictl::clients::k8s_kind::KindOf;
use dashictl::clients::trace::Tracer;
use dashictl::config::ClusterSettings;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::runtime::Runtime;

use super::flows::in_time;
use super::lakes::{Addresses, Lake};
use super::operator::{Operator, program};
use super::scissors::Scissors;

/// A namespace of the cluster.
pub struct Namespace {
    pub name: String,
    runtime: Runtime,
    client: Client,
}

impl Namespace {
    pub fn new() -> Namespace {
        let runtime = Runtime::new().unwrap();
        let silent = Tracer::new(|_| {}, 0, Vec::new());
        let settings = ClusterSettings {
            context: Some("test".to_owned()),
            timeout: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(10),
        };
        let client = runtime
            .block_on(Client::of(&settings, &[admin()], &silent))
            .unwrap();
        let name = Lake::name("ns");
        let namespace = Namespace {
            name,
            runtime,
            client,
        };
        let name = &namespace.name;
        namespace
            .apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        in_time("the namespace has its service account", || {
            namespace.get("serviceaccount/default")
        });
        namespace
    }

    /// The administrator's kubeconfig, with this namespace for what names none.
    pub fn kubeconfig(&self) -> String {
        self.kubeconfig_of(&admin())
    }

    /// Somebody's kubeconfig, with this namespace for what names none.
    pub fn kubeconfig_of(&self, path: &Path) -> String {
        let text = std::fs::read_to_string(path).unwrap();
        let text = text.replace(
            "    cluster: test\n",
            &format!("    cluster: test\n    namespace: {}\n", self.name),
        );
        assert!(text.contains(&self.name), "{text}");
        text
    }

    /// Makes an object of the namespace, or changes it.
    pub fn apply(&self, object: &Value) {
        let word = object["kind"].as_str().unwrap();
        let name = object["metadata"]["name"].as_str().unwrap();
        self.runtime.block_on(async {
            let kind = KindOf::meant(&self.client, word).await.unwrap();
            let objects = kind.objects(&self.client, Some(&self.name));
            let how = PatchParams::apply("tests").force();
            let patch = Patch::Apply(object);
            let _: DynamicObject = objects.patch(name, &how, &patch).await.unwrap();
        });
    }

    /// An object of the namespace, where there is one.
    pub fn get(&self, target: &str) -> Option<Value> {
        let (word, name) = target.split_once('/').unwrap();
        self.runtime.block_on(async {
            let kind = KindOf::meant(&self.client, word).await.unwrap();
            let objects = kind.objects(&self.client, Some(&self.name));
            let found = objects.get_opt(name).await.unwrap();
            found.map(|object| serde_json::to_value(object).unwrap())
        })
    }

    /// Removes an object of the namespace at once.
    pub fn delete(&self, target: &str) {
        let (word, name) = target.split_once('/').unwrap();
        self.runtime.block_on(async {
            let kind = KindOf::meant(&self.client, word).await.unwrap();
            let objects = kind.objects(&self.client, Some(&self.name));
            let how = DeleteParams::default().grace_period(0);
            objects.delete(name, &how).await.unwrap();
        });
    }

    /// A Deployment of one pod that runs a command, and a Service whose port 80 leads to a port of this machine, whether or
    /// not anybody listens there.
    pub fn serve_unprobed(&self, name: &str, command: &[&str], port: u16) {
        self.deploy(name, command, port, &Value::Null);
        self.wait_until_ready(name);
    }

    /// The same with a probe of that port, and without waiting for it.
    pub fn serve_unready(&self, name: &str, command: &[&str], port: u16) {
        let probe = json!({"tcpSocket": {"port": port}, "periodSeconds": 1});
        self.deploy(name, command, port, &probe);
        in_time(&format!("{name} has a pod"), || {
            (!self.pods(name).is_empty()).then_some(())
        });
    }

    fn deploy(&self, name: &str, command: &[&str], port: u16, probe: &Value) {
        let labels = json!({"app": name});
        let container = json!({"name": name, "image": "any", "command": command, "ports": [{"name": "web", "containerPort": port}],
            "readinessProbe": probe});
        self.apply(&json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
            "replicas": 1, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}}}));
        self.apply(
            &json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
            "selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "web"}]}}),
        );
    }

    fn wait_until_ready(&self, name: &str) {
        in_time(&format!("{name} is ready"), || {
            let deployment = self.get(&format!("deployment/{name}"))?;
            (deployment["status"]["readyReplicas"] == 1).then_some(())
        });
    }

    /// How many objects of a kind there are.
    pub fn count(&self, word: &str) -> usize {
        let listed = self.runtime.block_on(async {
            let kind = KindOf::meant(&self.client, word).await.unwrap();
            let objects = kind.objects(&self.client, Some(&self.name));
            objects
                .list(&kube::api::ListParams::default())
                .await
                .unwrap()
        });
        listed.items.len()
    }

    /// The names of the pods of what is served.
    pub fn pods(&self, app: &str) -> Vec<String> {
        let listed = self.runtime.block_on(async {
            let kind = KindOf::meant(&self.client, "pods").await.unwrap();
            let objects = kind.objects(&self.client, Some(&self.name));
            let of_app = kube::api::ListParams::default().labels(&format!("app={app}"));
            objects.list(&of_app).await.unwrap()
        });
        listed
            .items
            .into_iter()
            .filter_map(|pod| pod.metadata.name)
            .collect()
    }

    /// The names of the pods with a label that run.
    pub fn running(&self, label: &str) -> Vec<String> {
        let listed = self.runtime.block_on(async {
            let kind = KindOf::meant(&self.client, "pods").await.unwrap();
            let objects = kind.objects(&self.client, Some(&self.name));
            let wanted = kube::api::ListParams::default()
                .labels(label)
                .fields("status.phase=Running");
            objects.list(&wanted).await.unwrap()
        });
        listed
            .items
            .into_iter()
            .filter_map(|pod| pod.metadata.name)
            .collect()
    }

    /// The address of what is served.
    pub fn url(&self, name: &str) -> String {
        format!("k8s://{}/{name}:80", self.name)
    }

    /// The same lake, each service behind a Service of the cluster: one pod stands for whatever listens on this machine.
    pub fn lake(&self, plain: &Addresses) -> Addresses {
        self.deploy("lake", &["sleep", "1d"], 1, &Value::Null);
        self.wait_until_ready("lake");
        let through = |url: &str| {
            let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
            let name = format!("port-{port}");
            self.apply(
                &json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
                "selector": {"app": "lake"}, "ports": [{"port": 80, "targetPort": port}]}}),
            );
            self.url(&name)
        };
        Addresses {
            stac: through(&plain.stac),
            prefect: through(&plain.prefect),
            loki: through(&plain.loki),
            ingest: through(&plain.ingest),
            s3: through(&plain.s3),
            aliases: [&plain.aliases[..], std::slice::from_ref(&plain.s3)].concat(),
            kubeconfig: Some(admin()),
            ..plain.clone()
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let target = format!("namespace/{}", self.name);
        self.delete(&target);
    }
}

/// The image of this program: the node of the cluster runs what was built for these tests.
pub fn image() -> &'static str {
    static IMAGE: OnceLock<()> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let data = admin();
        let state = data.parent().and_then(Path::parent).unwrap();
        let images = json!({"dashictl:test": [program()]});
        let beside = state.join(format!("images.{}", std::process::id()));
        std::fs::write(&beside, images.to_string()).unwrap();
        std::fs::rename(&beside, state.join("images.json")).unwrap();
    });
    "dashictl:test"
}

/// The kubeconfig of somebody who may do everything; its context is `test`.
pub fn admin() -> PathBuf {
    of("CLUSTER_KUBECONFIG")
}

/// Somebody who may do everything, through a way to the API server that can be cut.
pub fn admin_through_scissors() -> (Operator, Scissors) {
    let text = std::fs::read_to_string(admin()).unwrap();
    let server = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("server: "))
        .unwrap();
    let scissors = Scissors::before(&server.replace("https://", "http://"));
    let operator = Operator::new();
    let address = scissors.url().replace("http://", "https://");
    operator.home_file(".kube/config", &text.replace(server, &address));
    (operator, scissors)
}

/// That of somebody who may look at most things.
pub fn viewer() -> PathBuf {
    of("CLUSTER_VIEWER_KUBECONFIG")
}

fn of(name: &str) -> PathBuf {
    static CLUSTER: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    let known = CLUSTER.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/cluster");
        let output = Command::new(script).arg("env").output().unwrap();
        let file = String::from_utf8(output.stdout).unwrap();
        let text = std::fs::read_to_string(file.trim()).unwrap_or_else(|error| {
            panic!("the cluster is not up ({file}: {error}): run `tests/cluster/cluster up`, or `make test`")
        });
        let lines = text.lines().filter_map(|line| line.split_once('='));
        lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    });
    PathBuf::from(&known[name])
}
