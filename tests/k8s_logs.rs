//! `k8s::logs` on a real cluster: each line once, whatever becomes of the streams.

use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::{Namespace, admin, admin_through_scissors};
use super::operator::Operator;

/// A Job whose containers run scripts of a shell.
fn job(namespace: &Namespace, name: &str, pods: usize, scripts: &[(&str, &str)]) {
    let containers: Vec<Value> = scripts
        .iter()
        .map(
            |(name, script)| json!({"name": name, "image": "any", "command": ["sh", "-c", script]}),
        )
        .collect();
    namespace.apply(
        &json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {
        "completions": pods, "parallelism": pods, "backoffLimit": 0,
        "template": {"spec": {"restartPolicy": "Never", "containers": containers}}}}),
    );
}

/// The lines that a run gives, followed to their end.
fn followed(operator: &Operator, namespace: &Namespace, target: &str, options: &str) -> Vec<Value> {
    let name = &namespace.name;
    let script = format!("k8s::logs({target:?}, #{{namespace: {name:?}, follow: true{options}}})");
    let lines = operator.run(&["eval", "--json", &script]).json();
    lines.as_array().unwrap().clone()
}

fn texts<'a>(lines: &'a [Value], container: &str) -> Vec<&'a str> {
    let own = lines.iter().filter(|line| line["container"] == container);
    own.map(|line| line["line"].as_str().unwrap()).collect()
}

#[test]
fn each_line_comes_once_and_in_order_while_the_stream_is_cut() {
    let namespace = Namespace::new();
    let (operator, scissors) = admin_through_scissors();
    let count = 100_000;
    let script = format!(
        "sleep 1; i=0; while [ $i -lt 10 ]; do seq $((i * {p} + 1)) $((i * {p} + {p})); i=$((i + 1)); sleep 0.4; done",
        p = count / 10
    );
    job(&namespace, "many", 1, &[("main", &script)]);
    let lines = std::thread::scope(|scope| {
        let reading = scope.spawn(|| followed(&operator, &namespace, "job/many", ""));
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(500));
            scissors.cut();
        }
        reading.join().unwrap()
    });
    let expected: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
    assert_eq!(texts(&lines, "main").len(), count);
    assert!(texts(&lines, "main") == expected);
}

#[test]
fn all_containers_of_all_pods_are_followed_to_the_end_of_the_job() {
    let namespace = Namespace::new();
    job(
        &namespace,
        "both",
        2,
        &[
            ("one", "sleep 1; echo eins; printf zwei"),
            ("two", "echo drei; exit 3"),
        ],
    );
    let operator = Operator::new();
    operator.home_file(".kube/config", &std::fs::read_to_string(admin()).unwrap());
    let lines = followed(&operator, &namespace, "job/both", "");
    let mut ones = texts(&lines, "one");
    ones.sort_unstable();
    assert_eq!(ones, ["eins", "eins", "zwei", "zwei"]);
    assert_eq!(texts(&lines, "two"), ["drei", "drei"]);
    assert_eq!(
        followed(&operator, &namespace, "job/both", ", container: \"two\"").len(),
        2
    );
    let script = format!(
        "k8s::logs(\"service/x\", #{{namespace: {:?}}}).count()",
        namespace.name
    );
    namespace.apply(&json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 80}]}}));
    let stderr = operator.run(&["eval", &script]).failure(2);
    assert!(
        stderr.contains("the Service 'x' has no pods of its own"),
        "{stderr}"
    );
}
