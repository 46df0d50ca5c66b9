//! `k8s::watch` on a real cluster: what comes, changes and goes is told once, whatever becomes of the streams.

use serde_json::{Value, json};

use super::cluster::{Namespace, admin_through_scissors};

#[test]
fn what_comes_changes_and_goes_is_told_also_while_the_stream_is_cut() {
    let namespace = Namespace::new();
    let (operator, scissors) = admin_through_scissors();
    let map = |name: &str, value: u32| {
        namespace.apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"watched": "yes"}},
            "data": {"value": value.to_string()}}));
    };
    map("there", 0);
    // Each state of `other` that is told is one that it had, in order; the last ones are told in any case.
    let script = format!(
        "let told = []; for event in k8s::watch(\"configmaps\", #{{namespace: {:?}, labels: \"watched=yes\"}}) {{
             told.push(`${{event.type}} ${{event.object.metadata.name}} ${{event.object.data.value}}`);
             if event.type == \"deleted\" && event.object.metadata.name == \"end\" {{ break; }}
         }} told",
        namespace.name
    );
    let told = std::thread::scope(|scope| {
        let reading = scope.spawn(|| operator.run(&["eval", "--json", &script]).json());
        std::thread::sleep(std::time::Duration::from_secs(1));
        for value in 0..20 {
            map("other", value);
            if value % 4 == 1 {
                scissors.cut();
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        map("end", 1);
        std::thread::sleep(std::time::Duration::from_secs(1));
        namespace.delete("configmap/end");
        reading.join().unwrap()
    });
    let told: Vec<&str> = told
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(told[0], "added there 0", "{told:?}");
    let of_other: Vec<&str> = told
        .iter()
        .copied()
        .filter(|line| line.contains("other"))
        .collect();
    assert_eq!(of_other[0], "added other 0", "{told:?}");
    let values: Vec<u32> = of_other
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(values, (0..20).collect::<Vec<_>>(), "{told:?}");
    assert_eq!(
        told[told.len() - 2..],
        ["added end 1", "deleted end 1"],
        "{told:?}"
    );
}
