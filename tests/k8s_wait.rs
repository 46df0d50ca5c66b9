//! `k8s::wait` on a real cluster: it ends at the first answer, which is told with what the cluster and the log say.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster::{Namespace, admin};
use super::operator::{Operator, Ran};

fn operator() -> Operator {
    let operator = Operator::new();
    let kubeconfig = std::fs::read_to_string(admin()).unwrap();
    operator.home_file(".kube/config", &kubeconfig);
    operator
}

/// A Job of one pod, whose container and pod have these fields more.
fn job(namespace: &Namespace, name: &str, container: &Value, pod: &Value) {
    let mut template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "any", "command": ["true"]}]}});
    let merge = |into: &mut Value, from: &Value| {
        for (key, value) in from.as_object().unwrap() {
            into[key] = value.clone();
        }
    };
    merge(&mut template["spec"]["containers"][0], container);
    merge(&mut template["spec"], pod);
    namespace.apply(
        &json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": template}}),
    );
}

fn wait(namespace: &Namespace, target: &str, options: &str) -> Ran {
    let name = &namespace.name;
    let script =
        format!("k8s::wait({target:?}, #{{namespace: {name:?}, timeout: \"3m\"{options}}})");
    operator().run(&["eval", "--json", &script])
}

#[test]
fn what_comes_to_it_is_given_as_it_is_then() {
    let namespace = Namespace::new();
    job(&namespace, "good", &json!({}), &json!({}));
    assert_eq!(
        wait(&namespace, "job/good", "").json()["status"]["succeeded"],
        1
    );
    namespace.serve_unprobed("web", &["sleep", "1d"], 9);
    let web = wait(&namespace, "deploy/web", ", condition: \"available\"").json();
    assert_eq!(web["status"]["availableReplicas"], 1);
    let pod = format!("pod/{}", namespace.pods("web")[0]);
    let _ = wait(&namespace, &pod, ", condition: \"ready\"").success();
    namespace.delete("deployment/web");
    assert_eq!(
        wait(&namespace, "deploy/web", ", condition: \"deleted\"").json(),
        Value::Null
    );
}

#[test]
fn what_will_never_come_to_it_is_told_at_once() {
    let namespace = Namespace::new();
    let no_secret = json!({"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "k"}}}]});
    let again = json!({"restartPolicy": "OnFailure"});
    let nowhere = json!({"nodeSelector": {"disk": "golden"}});
    let cases = [
        (
            "failed",
            json!({"command": ["sh", "-c", "echo the last word; exit 3"]}),
            json!({}),
            vec!["BackoffLimitExceeded", "main: the last word"],
        ),
        (
            "unpulled",
            json!({"image": "no-such-image"}),
            json!({}),
            vec!["ImagePullBackOff"],
        ),
        (
            "secretless",
            no_secret,
            json!({}),
            vec!["CreateContainerConfigError", "no-such-secret"],
        ),
        ("homeless", json!({}), nowhere, vec!["fits nowhere"]),
    ];
    let begun = Instant::now();
    for (name, container, pod, told) in cases {
        job(&namespace, name, &container, &pod);
        let stderr = wait(&namespace, &format!("job/{name}"), ", patience: \"1s\"").failure(1);
        assert!(
            stderr.contains(&format!("job/{name} will not be complete")),
            "{stderr}"
        );
        for words in told {
            assert!(stderr.contains(words), "{name}: {words}: {stderr}");
        }
    }
    namespace.apply(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "loop"}, "spec": {"restartPolicy": again["restartPolicy"],
        "containers": [{"name": "main", "image": "any", "command": ["false"],
            // It would be ready for a moment.
            "readinessProbe": {"tcpSocket": {"port": 9}}}]}}));
    let stderr = wait(&namespace, "pod/loop", ", condition: \"ready\"").failure(1);
    assert!(stderr.contains("CrashLoopBackOff"), "{stderr}");
    assert!(begun.elapsed() < Duration::from_mins(2));
}

#[test]
fn what_takes_too_long_is_told_with_how_long_it_may_take() {
    let namespace = Namespace::new();
    job(
        &namespace,
        "slow",
        &json!({"command": ["sleep", "1d"]}),
        &json!({"terminationGracePeriodSeconds": 0}),
    );
    let script = format!(
        "try {{ k8s::wait(\"job/slow\", #{{namespace: {:?}, timeout: \"1s\"}}) }} catch (e) {{ return e.kind; }}",
        namespace.name
    );
    assert_eq!(
        operator().run(&["eval", "--json", &script]).json(),
        "timeout"
    );
    let stderr = wait(&namespace, "job/none", "").failure(1);
    assert!(stderr.contains("there is no Job 'none'"), "{stderr}");
}
