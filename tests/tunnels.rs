//! Services inside a cluster: reached by tunnels through its API server, as if they were at hand.

use std::net::TcpListener;

use serde_json::json;

use super::cluster::{Namespace, admin, viewer};
use super::flows::in_time;
use super::lakes::{Lake, on_both_lakes};
use super::operator::{Operator, program};

/// A port of this machine that nobody listens at.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Somebody with a kubeconfig.
fn operator(kubeconfig: &std::path::Path) -> Operator {
    let operator = Operator::new().with("DASHI_KUBE_CONTEXT", "test");
    operator.home_file(
        ".kube/config",
        &std::fs::read_to_string(kubeconfig).unwrap(),
    );
    operator
}

on_both_lakes! {
    fn a_lake_inside_a_cluster_is_worked_with_as_any_other(lake) {
        let served = lake.served();
        let namespace = Namespace::new();
        let operator = namespace.lake(&served.addresses).operator();
        let shown = operator.run(&["doctor"]).success();
        assert!(!shown.contains("failed") && shown.contains("kubernetes reachable"), "{shown}");
        assert!(shown.contains("a backup can be tried out there"), "{shown}");
        assert!(shown.contains(&format!("pods of {}", namespace.name)) && shown.contains("1 are ready"), "{shown}");
        let domain = Lake::name("tunnel");
        let _ = operator.run(&["domain", "create", &domain, "--title", "T", "--description", "D"]).success();
        let shown = operator.run(&["domain", "show", &domain, "--json"]).json();
        assert_eq!(shown["id"], json!(domain));
        let file = operator.work_file("large.bin", &"0123456789abcdef".repeat(2 << 20));
        let uri = format!("s3://landing/{domain}/large.bin");
        let _ = operator.run(&["s3", "cp", file.to_str().unwrap(), &uri]).success();
        let _ = operator.run(&["s3", "cp", &uri, "back.bin"]).success();
        assert_eq!(std::fs::read(operator.work().join("back.bin")).unwrap(), std::fs::read(file).unwrap());
        let _ = operator.run(&["s3", "rm", &uri, "--apply", "--yes"]).success();
        let _ = operator.run(&["eval", "--effect", "write", "loki::push(#{job: \"tunnel\"}, \"a line\")"]).success();
        let tail = operator.run(&["audit", "tail", "--query", "{job=\"tunnel\"}"]).success();
        assert!(tail.contains("a line"), "{tail}");
    }

    fn a_pod_that_is_replaced_in_the_middle_is_borne(lake) {
        let served = lake.served();
        let namespace = Namespace::new();
        let operator = namespace.lake(&served.addresses).operator();
        let child = operator.start(&["eval", "for n in 0..40 { stac::landing(); out::note(`seen ${n}`); sleep(0.1); } \"all\""]);
        std::thread::sleep(std::time::Duration::from_millis(1500));
        for pod in namespace.pods("lake") {
            namespace.delete(&format!("pod/{pod}"));
        }
        let ran = operator.ended(child);
        assert!(ran.success().contains("all"));
    }
}

/// What `stac::landing()` fails with at an address.
fn refused(operator: &Operator, url: &str) -> String {
    let variables = [
        ("DASHI_STAC_URL", url.to_owned()),
        ("DASHI_HTTP_RETRIES", "0".to_owned()),
    ];
    let ran = operator.run_in(&variables, &["eval", "stac::landing()"]);
    assert_ne!(ran.code, Some(0), "{ran}");
    ran.stderr
}

#[test]
fn what_keeps_a_tunnel_from_being_dug_is_told_with_what_to_do() {
    let namespace = Namespace::new();
    let (name, own) = (&namespace.name, operator(&admin()));
    let at = |service: &str| format!("k8s://{name}/{service}");
    assert!(refused(&own, &at("nope:80")).contains(&format!("there is no Service {name}/nope")));
    namespace.apply(
        &json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "far"}, "spec": {
        "type": "ExternalName", "externalName": "stac.example.org"}}),
    );
    assert!(refused(&own, &at("far:80")).contains("has no pods of its own"));
    let port = free_port();
    namespace.serve_unready("stac", &["sleep", "1d"], port);
    let stderr = refused(&own, &at("stac:81"));
    assert!(
        stderr.contains("has no port 81") && stderr.contains("it has 80"),
        "{stderr}"
    );
    let stderr = refused(&own, &at("stac:80"));
    assert!(
        stderr.contains(&format!(
            "no pod of the Service {name}/stac is ready at its port 80 (1 are not)"
        )),
        "{stderr}"
    );
    let stderr = refused(&operator(&viewer()), &at("stac:80"));
    assert!(
        stderr.contains(&format!(
            "you may not get pods/portforward in the namespace {name}, nor create pods/portforward"
        )),
        "{stderr}"
    );
    assert!(
        stderr.contains(r#""resources":["pods/portforward"],"verbs":["get","create"]"#),
        "{stderr}"
    );
}

#[test]
fn a_pod_that_does_not_listen_is_told() {
    let namespace = Namespace::new();
    namespace.serve_unprobed("stac", &["sleep", "1d"], free_port());
    let stderr = refused(&operator(&admin()), &namespace.url("stac"));
    assert!(
        stderr.contains("the tunnel to port") && stderr.contains("refused"),
        "{stderr}"
    );
}

#[test]
fn which_cluster_is_meant_is_said_and_not_guessed() {
    let own = Operator::new();
    let stderr = refused(&own, "k8s://ns/stac:80");
    assert!(
        stderr.contains("there is no kubeconfig") && stderr.contains("~/.kube/config"),
        "{stderr}"
    );
    let context = |name: &str| json!({"name": name, "context": {"cluster": "c", "user": "u"}});
    let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "prod", "contexts": [context("prod"), context("test")],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}], "users": [{"name": "u", "user": {}}]});
    own.home_file(".kube/config", &kubeconfig.to_string());
    let stderr = refused(&own, "k8s://ns/stac:80");
    assert!(
        stderr.contains("which cluster is meant is not said")
            && stderr.contains("the kubeconfig has prod, test"),
        "{stderr}"
    );
    let named = own.with("DASHI_KUBE_CONTEXT", "prdo");
    let stderr = refused(&named, "k8s://ns/stac:80");
    assert!(
        stderr.contains("has no context 'prdo'") && stderr.contains("prod"),
        "{stderr}"
    );
    let there = named.with("DASHI_KUBE_CONTEXT", "prod");
    let stderr = refused(&there, "k8s://ns/stac:80");
    assert!(
        stderr.contains("the API server of prod cannot be asked") && stderr.contains("127.0.0.1:1"),
        "{stderr}"
    );
}

#[test]
fn a_program_that_the_kubeconfig_names_says_who_asks() {
    let namespace = Namespace::new();
    let text = std::fs::read_to_string(admin()).unwrap();
    let token = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("token: "))
        .unwrap();
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}});
    let own = Operator::new();
    let file = own.home_file("credential.json", &credential.to_string());
    let program = format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, command: cat, args: [{:?}], interactiveMode: Never}}",
        file.to_str().unwrap()
    );
    let line = format!("token: {token}");
    own.home_file(".kube/config", &text.replace(&line, &program));
    let script = format!("k8s::get(\"namespace/{}\").status.phase", namespace.name);
    let shown = own.run(&["eval", "-vv", &script]);
    assert_eq!(shown.stdout.trim(), "Active", "{shown}");
    assert!(!shown.stderr.contains(token), "{shown}");
}

#[test]
fn in_a_pod_of_the_cluster_a_service_is_asked_by_its_name() {
    let namespace = Namespace::new();
    let name = &namespace.name;
    let program = program().to_str().unwrap();
    let env = [
        ("HOME", "/nonexistent".to_owned()),
        ("DASHI_STAC_URL", format!("k8s://{name}/stac:80")),
        ("DASHI_HTTP_RETRIES", "0".to_owned()),
    ]
    .map(|(name, value)| json!({"name": name, "value": value}));
    let container = json!({"name": "main", "image": "any", "env": env, "command": [program, "eval", "try { stac::landing() } catch (e) { return [e.kind, e.url]; }"]});
    namespace.apply(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "own"},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}}));
    let own = operator(&admin());
    let log = in_time("it has ended", || {
        let pod = namespace.get("pod/own")?;
        let phase = pod["status"]["phase"].as_str()?;
        matches!(phase, "Succeeded" | "Failed")
            .then(|| own.run(&["k8s", "logs", "own", "-n", name]).success())
    });
    let asked = format!("http://stac.{name}.svc.cluster.local");
    assert!(log.contains("unavailable") && log.contains(&asked), "{log}");
}
