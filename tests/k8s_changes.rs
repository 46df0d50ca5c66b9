//! Changes of objects of a real cluster: through the gate, with the rights asked first, and taken back.

use serde_json::{Value, json};

use super::cluster::{Namespace, viewer};
use super::lakes::{Lake, Served};
use super::operator::{Operator, Ran};

/// A namespace of the cluster, and somebody who works there and on a lake.
struct Stage {
    namespace: Namespace,
    operator: Operator,
    _served: Served,
}

impl Stage {
    fn new() -> Stage {
        let (namespace, served) = (Namespace::new(), Lake::Sandbox.served());
        let operator = served.operator();
        operator.home_file(".kube/config", &namespace.kubeconfig());
        Stage {
            namespace,
            operator,
            _served: served,
        }
    }
}

fn deployment(name: &str, replicas: i64, script: &str) -> Value {
    let labels = json!({"app": name});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": replicas,
        "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
        "terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": "any", "command": ["sh", "-c", script]}]}}}})
}

fn write(operator: &Operator, script: &str) -> Ran {
    operator.run(&["eval", "--json", "--effect", "write", script])
}

fn destroy(operator: &Operator, script: &str) -> Ran {
    operator.run(&[
        "eval", "--json", "--effect", "destroy", "--apply", "--yes", script,
    ])
}

/// The id of the last run.
fn last_run(operator: &Operator) -> String {
    let runs = operator.run(&["log", "list", "--json"]).json();
    runs[0]["run"].as_str().unwrap().to_owned()
}

fn undo(operator: &Operator) -> Ran {
    let run = last_run(operator);
    operator.run(&["undo", &run, "--yes"])
}

#[test]
fn an_example_of_a_change_leaves_a_step_and_changes_nothing_while_it_is_planned() {
    let Stage {
        namespace,
        operator,
        _served,
    } = Stage::new();
    let names = operator.run(&["doc", "--json"]).json();
    let changing: Vec<&Value> = names
        .as_array()
        .unwrap()
        .iter()
        .filter(|function| {
            function["effect"] != "read" && function["name"].as_str().unwrap().starts_with("k8s::")
        })
        .collect();
    assert!(changing.len() >= 6);
    for function in changing {
        let name = function["name"].as_str().unwrap();
        for example in function["examples"].as_array().unwrap() {
            let ran = operator.run(&["eval", "--effect", "destroy", example.as_str().unwrap()]);
            assert!(ran.to_string().contains(name), "{name} left no step: {ran}");
        }
    }
    for target in [
        "deployment/scaled",
        "deployment/again",
        "job/shell",
        "job/example",
        "configmap/example",
    ] {
        assert_eq!(namespace.get(target), None, "{target}");
    }
}

#[test]
fn a_field_that_somebody_else_has_set_is_taken_over_only_by_force() {
    let Stage {
        namespace,
        operator,
        _served,
    } = Stage::new();
    namespace.apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {"colour": "red", "size": "1"}}));
    let apply = |force: &str| {
        write(
            &operator,
            &format!(
                "k8s::apply(#{{apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{{name: \"own\"}}, data: #{{colour: \"blue\"}}}}, #{{force: {force}}})"
            ),
        )
    };
    let stderr = apply("false").failure(1);
    for told in ["conflict with", ".data.colour", "force: true"] {
        assert!(stderr.contains(told), "{told}: {stderr}");
    }
    let plan = operator.run(&["eval", "--effect", "destroy", "k8s::apply(#{apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{name: \"own\"}, data: #{colour: \"blue\"}})"]);
    assert!(plan.failure(1).contains(".data.colour"));
    let made = apply("true").json();
    assert_eq!(made["data"], json!({"colour": "blue", "size": "1"}));
    let ran = undo(&operator);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(
        namespace.get("configmap/own").unwrap()["data"]["colour"],
        "red"
    );
}

#[test]
fn what_was_made_scaled_and_deleted_is_taken_back() {
    let Stage {
        namespace,
        operator,
        _served,
    } = Stage::new();
    let manifest = deployment("web", 1, "sleep 1d").to_string();
    let made = write(&operator, &format!("k8s::apply(json::parse(`{manifest}`))"));
    assert_eq!(made.json()["spec"]["replicas"], 1);
    let own = &["k8s", "scale", "web", "2", "--json"];
    let scaled = operator.run(own).json();
    assert_eq!(scaled["status"]["availableReplicas"], 2);
    let dry = operator
        .run(&["k8s", "scale", "web", "5", "--dry-run"])
        .success();
    assert!(
        dry.contains("k8s::scale") && dry.contains("deployment.apps/web"),
        "{dry}"
    );
    assert_eq!(undo(&operator).code, Some(0));
    assert_eq!(
        namespace.get("deployment/web").unwrap()["spec"]["replicas"],
        1
    );
    let pods = namespace.pods("web");
    let restarted = operator.run(&["k8s", "restart", "web"]);
    assert!(restarted.success().contains("web"));
    assert!(namespace.pods("web").iter().all(|pod| !pods.contains(pod)));
    let told = undo(&operator).to_string();
    assert!(told.contains("the pods that ran before are gone"), "{told}");
    let _ = destroy(&operator, "k8s::delete(\"deploy/web\")").success();
    assert_eq!(namespace.get("deployment/web"), None);
    assert_eq!(undo(&operator).code, Some(0));
    assert_eq!(
        namespace.get("deployment/web").unwrap()["spec"]["replicas"],
        1
    );
}

#[test]
fn what_was_changed_since_the_plan_is_left_alone() {
    let Stage {
        namespace,
        operator,
        _served,
    } = Stage::new();
    let map = |colour: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {"colour": colour}});
    namespace.apply(&map("red"));
    let script = "k8s::delete(\"configmap/own\")";
    operator
        .run(&[
            "eval",
            "--effect",
            "destroy",
            "--plan-out",
            "plan.jsonl",
            script,
        ])
        .success();
    namespace.apply(&map("blue"));
    let ran = operator.run(&["apply", "plan.jsonl", "--yes"]);
    assert_eq!(ran.code, Some(4), "{ran}");
    assert!(ran.stderr.contains("changed since the plan"), "{ran}");
    assert!(namespace.get("configmap/own").is_some());
    let missing = destroy(&operator, "k8s::delete(\"configmap/nothing\")").failure(1);
    assert!(missing.contains("there is no"), "{missing}");
}

#[test]
fn a_command_reads_writes_and_ends_as_it_does() {
    let Stage {
        namespace,
        operator,
        _served,
    } = Stage::new();
    namespace.apply(&deployment("shell", 1, "sleep 1d"));
    let words = |script: &str, options: &str| {
        let script = format!(
            "k8s::exec(\"deployment/shell\", [\"sh\", \"-c\", {script:?}], #{{{options}}})"
        );
        destroy(&operator, &script)
    };
    let both = words("tr a-z A-Z; echo wrong >&2", "input: \"moin\"").json();
    assert_eq!(
        (&both["stdout"], &both["stderr"], &both["code"]),
        (&json!("MOIN"), &json!("wrong\n"), &json!(0))
    );
    let stderr = words("echo the reason >&2; exit 7", "").failure(1);
    assert!(
        stderr.contains("exit code 7") && stderr.contains("the reason"),
        "{stderr}"
    );
    assert_eq!(words("exit 7", "any_code: true").json()["code"], 7);
    let stderr = destroy(&operator, "k8s::exec(\"deployment/shell\", [])").failure(2);
    assert!(stderr.contains("there is no command to run"), "{stderr}");
    let stderr = words("yes", "").failure(1);
    assert!(stderr.contains("writes more than 4 MiB"), "{stderr}");
    // What does not read to the end ends well all the same.
    let early = words("head -c 3", "input: \"abc\".pad(3000000, 'x')");
    assert!(
        early.code == Some(0) || early.stderr.contains("function"),
        "{early}"
    );
    let planned = operator.run(&[
        "eval",
        "--effect",
        "destroy",
        "k8s::exec(\"deploy/shell\", [\"true\"])",
    ]);
    assert!(planned.success().contains("true in deployment.apps/shell"));
    let refused = write(&operator, "k8s::exec(\"deployment/shell\", [\"true\"])").failure(2);
    assert!(refused.contains("effect 'destroy'"), "{refused}");
    let own = "k8s::job(\"own\", #{image: \"any\", command: [\"sleep\", \"60\"], pod: #{terminationGracePeriodSeconds: 0}}); \
        let code = k8s::exec(\"job/own\", [\"true\"], #{own: true}).code; k8s::delete(\"job/own\", #{own: true}); code";
    assert_eq!(write(&operator, own).json(), 0);
}

#[test]
fn a_secret_is_sent_in_a_secret_and_shown_and_written_nowhere() {
    let Stage {
        namespace,
        operator,
        _served,
    } = Stage::new();
    namespace.apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "from"}, "stringData": {"password": "hush-hush"}}));
    let copy = |kind: &str, field: &str| {
        write(
            &operator,
            &format!(
                "k8s::apply(#{{apiVersion: \"v1\", kind: \"{kind}\", metadata: #{{name: \"to\"}}, {field}: #{{p: k8s::secret(\"from\")}}}})"
            ),
        )
    };
    for elsewhere in [
        "k8s::apply(#{apiVersion: \"example.org/v1\", kind: \"Secret\", metadata: #{name: \"to\"}, data: #{p: k8s::secret(\"from\")}})",
        "k8s::job(\"j\", #{image: \"any\", env: #{kind: \"Secret\", apiVersion: \"v1\", p: k8s::secret(\"from\")}})",
    ] {
        let refused = write(&operator, elsewhere).failure(1);
        assert!(refused.contains("has no JSON form"), "{refused}");
    }
    let refused = copy("ConfigMap", "data").failure(1);
    assert!(refused.contains("has no JSON form"), "{refused}");
    let made = copy("Secret", "stringData");
    assert_eq!(made.json()["data"], json!({"p": null}));
    assert_eq!(
        namespace.get("secret/to").unwrap()["data"]["p"],
        "aHVzaC1odXNo"
    );
    let state = operator.home().join(".local/state/dashi/runs");
    let journals = std::fs::read_dir(state)
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let journals: String = journals.collect();
    assert!(journals.contains("secret/to in"), "{journals}");
    for secret in ["hush", "aHVzaC1odXNo"] {
        assert!(!journals.contains(secret), "{journals}");
    }
}

#[test]
fn a_right_that_is_missing_is_told_before_anything_is_made() {
    let namespace = Namespace::new();
    let operator = Operator::new();
    operator.home_file(".kube/config", &namespace.kubeconfig_of(&viewer()));
    namespace.apply(&deployment("web", 0, "sleep 1d"));
    for (call, right) in [
        (
            "k8s::apply(#{apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{name: \"x\"}})",
            "create configmaps",
        ),
        ("k8s::delete(\"deployment/web\")", "delete deployments.apps"),
        (
            "k8s::scale(\"deployment/web\", 3)",
            "patch deployments.apps/scale",
        ),
        ("k8s::restart(\"deployment/web\")", "patch deployments.apps"),
        ("k8s::job(\"x\", #{image: \"any\"})", "create jobs.batch"),
        (
            "k8s::exec(\"deployment/web\", [\"true\"])",
            "create pods/exec",
        ),
    ] {
        let stderr = operator
            .run(&["eval", "--effect", "destroy", call])
            .failure(1);
        for told in [
            format!("you may not {right}"),
            format!("in the namespace {}", namespace.name),
            "a Role with these rules".to_owned(),
        ] {
            assert!(stderr.contains(&told), "{call}: {told}: {stderr}");
        }
    }
    assert_eq!(
        namespace.get("deployment/web").unwrap()["spec"]["replicas"],
        0
    );
}
