//! `k8s pods`, `logs` and `events` as they are typed.

use serde_json::json;

use super::cluster::{Namespace, admin, viewer};
use super::flows::in_time;
use super::lakes::Lake;
use super::operator::Operator;

fn operator(kubeconfig: &std::path::Path) -> Operator {
    let operator = Operator::new();
    operator.home_file(
        ".kube/config",
        &std::fs::read_to_string(kubeconfig).unwrap(),
    );
    operator
}

fn pod(namespace: &Namespace, name: &str, image: &str, script: &str) {
    namespace.apply(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": image, "command": ["sh", "-c", script]}]}}));
}

#[test]
fn pods_are_listed_with_what_keeps_them() {
    let namespace = Namespace::new();
    let own = operator(&viewer());
    assert!(
        own.run(&["k8s", "pods", "-n", &namespace.name])
            .stderr
            .contains("no pods")
    );
    pod(&namespace, "good", "any", "echo eins; echo zwei");
    pod(&namespace, "unpulled", "no-such-image", "true");
    let wait = format!(
        "k8s::wait(\"pod/unpulled\", #{{namespace: {:?}, condition: \"ready\"}})",
        namespace.name
    );
    let _ = own.run(&["eval", &wait]).failure(1);
    let shown = own.run(&["k8s", "pods", "-n", &namespace.name]).success();
    assert!(
        shown.contains("ImagePullBackOff") && shown.contains("good"),
        "{shown}"
    );
    let unwell = own.run(&["k8s", "pods", "-n", &namespace.name, "--unwell", "--json"]);
    assert_eq!(unwell.code, Some(3), "{unwell}");
    assert!(
        unwell.stdout.contains("\"unpulled\"") && !unwell.stdout.contains("\"good\""),
        "{unwell}"
    );
    let all = own.run(&["k8s", "pods", "-A"]).success();
    assert!(all.contains(&namespace.name), "{all}");
    assert_eq!(
        own.run(&["k8s", "logs", "good", "-n", &namespace.name, "-f"])
            .success(),
        "good/main eins\ngood/main zwei\n"
    );
    let events = own
        .run(&["k8s", "events", "pod/unpulled", "-n", &namespace.name])
        .success();
    assert!(events.contains("no-such-image"), "{events}");
    let _ = own.run(&["k8s", "pods", "-A", "-n", "x"]).failure(2);
}

#[test]
fn a_word_that_means_no_kind_and_a_secrets_values_are_told_as_they_are() {
    let namespace = Namespace::new();
    let own = operator(&admin());
    let stderr = own
        .run(&["eval", "k8s::list(\"deployment.app\").count()"])
        .failure(1);
    assert!(
        stderr.contains("no kind of object 'deployment.app'"),
        "{stderr}"
    );
    namespace.apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"password": "hush-hush"}}));
    let script = format!(
        "k8s::get(\"secret/keys\", #{{namespace: {:?}}})",
        namespace.name
    );
    let shown = own.run(&["eval", "--json", &script]).json();
    assert_eq!(shown["data"], json!({"password": null}));
    let script = format!(
        "k8s::list(\"secrets\", #{{namespace: {:?}}}).collect()",
        namespace.name
    );
    let shown = own.run(&["eval", "--json", &script]).success();
    assert!(
        shown.contains("keys") && !shown.contains("aHVzaC1odXNo"),
        "{shown}"
    );
    let secret = |rest: &str| {
        format!(
            "let key = k8s::secret(\"keys\", #{{namespace: {:?}}}); {rest}",
            namespace.name
        )
    };
    let shown = own.run(&["eval", &secret("`${key}`")]);
    assert!(!shown.to_string().contains("hush-hush"), "{shown}");
    let sandbox = Operator::in_context("sandbox")
        .run(&["k8s", "pods"])
        .failure(2);
    assert!(
        sandbox.contains("the embedded lake has no Kubernetes"),
        "{sandbox}"
    );
    let unheard = own
        .run(&["k8s", "logs", "job/none", "-n", &namespace.name])
        .failure(1);
    assert!(unheard.contains("there is no Job 'none'"), "{unheard}");
}

#[test]
fn what_is_asked_of_the_api_server_is_traced_without_the_token() {
    let own = operator(&viewer());
    let told = own.run(&["-vv", "k8s", "pods", "-n", "kube-system"]).stderr;
    assert!(
        told.contains("> k8s GET /api/v1/namespaces/kube-system/pods?"),
        "{told}"
    );
    assert!(told.contains("< k8s 200 "), "{told}");
    let kubeconfig = std::fs::read_to_string(viewer()).unwrap();
    let token = kubeconfig.split("token: ").nth(1).unwrap().trim();
    assert!(!token.is_empty() && !told.contains(token), "{told}");
}

#[test]
fn a_right_that_is_missing_is_a_warning_of_doctor() {
    let own = operator(&viewer());
    let url = ["DASHI_STAC_URL", "DASHI_PREFECT_URL", "DASHI_S3_ENDPOINT"]
        .map(|name| (name, "k8s://default/nothing:80".to_owned()));
    let ran = own.run_in(&url, &["doctor", "--json"]);
    assert_eq!(ran.code, Some(3), "{ran}");
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let find = |check: &str| {
        rows.as_array()
            .unwrap()
            .iter()
            .find(|row| row["check"] == check)
            .unwrap()
            .clone()
    };
    assert_eq!(find("kubernetes reachable")["status"], "ok");
    let rights = find("rights in dashi-backup");
    assert_eq!(rights["status"], "warning");
    assert!(
        rights["detail"]
            .as_str()
            .unwrap()
            .contains("you may not create jobs.batch"),
        "{rights}"
    );
}

#[test]
fn the_log_before_a_restart_is_shown_where_it_is_asked_for() {
    let namespace = Namespace::new();
    let own = operator(&viewer());
    namespace.apply(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "again"}, "spec": {"restartPolicy": "OnFailure",
        "terminationGracePeriodSeconds": 0, "volumes": [{"name": "kept", "emptyDir": {}}], "containers": [{"name": "main", "image": "any",
        "volumeMounts": [{"name": "kept", "mountPath": "/run/kept"}],
        "command": ["sh", "-c", "[ -e /run/kept/x ] && { echo second; sleep 600; }; touch /run/kept/x; echo first; exit 1"]}]}}));
    in_time("it was restarted", || {
        let pod = namespace.get("pod/again")?;
        let status = &pod["status"]["containerStatuses"][0];
        (status["restartCount"] == 1 && !status["state"]["running"].is_null()).then_some(())
    });
    let logs = |flags: &[&str]| {
        own.run(&[&["k8s", "logs", "again", "-n", &namespace.name], flags].concat())
    };
    assert_eq!(logs(&["--previous"]).success(), "again/main first\n");
    assert_eq!(logs(&["--tail", "1"]).success(), "again/main second\n");
    assert!(
        logs(&["-p", "-f"])
            .failure(2)
            .contains("what ended does not go on")
    );
}

#[test]
fn whoever_may_only_look_is_told_the_missing_right_before_anything_is_made() {
    let namespace = Namespace::new();
    pod(&namespace, "web", "any", "sleep 600");
    namespace.apply(&json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 0,
        "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "any"}]}}}}));
    let served = Lake::Sandbox.served();
    let own = served.operator();
    own.home_file(".kube/config", &namespace.kubeconfig_of(&viewer()));
    let variables = ["DASHI_BACKUP_NAMESPACE", "DASHI_KUBERNETES_NAMESPACE"]
        .map(|name| (name, namespace.name.clone()));
    let name = namespace.name.as_str();
    let commands: [(&[&str], &str); 8] = [
        (
            &["k8s", "restart", "web", "-n", name],
            "patch deployments.apps",
        ),
        (
            &["k8s", "scale", "web", "3", "-n", name],
            "patch deployments.apps/scale",
        ),
        (&["backup", "restore-test"], "create jobs.batch"),
        (
            &[
                "schedule",
                "add",
                "x",
                "--cron",
                "0 3 * * *",
                "--image",
                "i",
                "--",
                "doctor",
            ],
            "create serviceaccounts",
        ),
        (&["schedule", "run", "x"], "create jobs.batch"),
        (
            &[
                "schedule",
                "remove",
                "x",
                "--apply",
                "--yes",
                "--env-override",
            ],
            "delete cronjobs.batch",
        ),
        (
            &["submit", "--shards", "2", "--image", "i", "--", "gc"],
            "create jobs.batch",
        ),
        (
            &[
                "eval",
                "--effect",
                "destroy",
                "--apply",
                "--yes",
                "k8s::exec(\"pod/web\", [\"true\"])",
            ],
            "create pods/exec",
        ),
    ];
    let before = ["jobs", "cronjobs", "serviceaccounts", "configmaps", "pods"]
        .map(|kind| namespace.count(kind));
    for (command, right) in commands {
        let ran = own.run_in(&variables, command);
        let told = ran.to_string();
        assert!(
            ran.code != Some(0) && told.contains("you may not ") && told.contains(right),
            "{command:?}: {ran}"
        );
        assert!(
            told.contains("a Role with these rules"),
            "{command:?}: {ran}"
        );
    }
    let after = ["jobs", "cronjobs", "serviceaccounts", "configmaps", "pods"]
        .map(|kind| namespace.count(kind));
    assert_eq!(before, after);
}
