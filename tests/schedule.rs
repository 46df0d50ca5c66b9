//! `schedule` in the test cluster: what runs by itself there, with the rights and files that it needs and no others.

use serde_json::{Value, json};

use super::cluster::{Namespace, admin, image, viewer};
use super::flows::in_time;
use super::lakes::{Lake, Served, real_configuration};
use super::operator::{Operator, Ran};

/// Somebody with a namespace for schedules, whose Secret leads to the real lake.
struct Place {
    namespace: Namespace,
    operator: Operator,
    _served: Served,
}

impl Place {
    fn new() -> Place {
        let namespace = Namespace::new();
        let served = Lake::Real.served();
        let operator = served.operator();
        operator.home_file(".kube/config", &namespace.kubeconfig());
        namespace.apply(
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "dashictl-config"},
            "stringData": {"config.toml": real_configuration()}}),
        );
        Place {
            namespace,
            operator,
            _served: served,
        }
    }

    fn run(&self, words: &[&str]) -> Ran {
        let variables = [
            ("DASHI_KUBERNETES_NAMESPACE", self.namespace.name.clone()),
            ("DASHI_KUBERNETES_IMAGE", image().to_owned()),
        ];
        self.operator.run_in(&variables, words)
    }

    fn add(&self, name: &str, flags: &[&str], command: &[&str]) -> Ran {
        self.run(&adding(name, "0 3 * * 1", flags, command))
    }

    fn list(&self) -> Ran {
        self.run(&["schedule", "list", "--json"])
    }
}

/// The words that add a schedule.
pub fn adding<'a>(
    name: &'a str,
    cron: &'a str,
    flags: &[&'a str],
    command: &[&'a str],
) -> Vec<&'a str> {
    let add = ["schedule", "add", name, "--cron", cron];
    [&add, flags, &["--"], command].concat()
}

/// The rows of a list, by the names of the schedules.
pub fn row(listed: &str, name: &str) -> Option<Value> {
    let rows: Vec<Value> = serde_json::from_str(listed).unwrap();
    rows.into_iter().find(|row| row["name"] == name)
}

#[test]
fn k8s_a_schedule_fires_and_is_in_the_audit_log_and_in_the_list() {
    let place = Place::new();
    let bucket = "landing";
    let key = Lake::name("fired");
    let _ = place
        .operator
        .run(&[
            "eval",
            "--effect",
            "write",
            &format!("s3::write(\"s3://{bucket}/{key}\", \"x\")"),
        ])
        .success();
    place
        .operator
        .work_file("books/common/say.rhai", "fn done(key) { `swept ${key}` }");
    place.operator.work_file(
        "books/sweep.rhai",
        "//! Sweeps.\n//! ```toml\n//! effect = \"destroy\"\n//! [args.key]\n//! required = true\n//! ```\nimport \"./common/say\" as say;\n\
         fn main(args) { s3::delete(`s3://landing/${args.key}`); say::done(args.key) }\n",
    );
    let command = [
        "run",
        "./books/sweep.rhai",
        &key,
        "--apply",
        "--yes",
        "--max-delete",
        "5",
    ];
    let told = place.run(&adding("sweep", "* * * * *", &[], &command));
    // The next five times come before anything is written.
    assert_eq!(told.stderr.matches(":00 +00:00").count(), 5, "{told}");
    let _ = told.success();
    let ended = in_time("the CronJob has fired", || {
        let listed = place.list();
        row(&listed.stdout, "sweep")
            .filter(|row| row["state"] == "succeeded" || row["state"] == "failed")
    });
    assert_eq!(
        (&ended["state"], &ended["exit"]),
        (&json!("succeeded"), &json!(0)),
        "{ended}"
    );
    assert!(
        ended["last_line"].as_str().unwrap().contains("1 done"),
        "{ended}"
    );
    let audit = place
        .operator
        .run(&["audit", "tail", "--limit", "200"])
        .success();
    assert!(
        audit.contains("actor=schedule/sweep") && audit.contains(&key),
        "{audit}"
    );
    assert!(
        place
            .operator
            .run(&["eval", &format!("s3::try_head(\"s3://{bucket}/{key}\")")])
            .success()
            .trim()
            .is_empty()
    );
}

#[test]
fn k8s_the_rights_of_a_header_are_enough_for_its_command_in_a_pod() {
    let place = Place::new();
    let name = &place.namespace.name;
    place.namespace.serve_unprobed("web", &["sleep", "1d"], 9);
    let commands: [&[&str]; 6] = [
        &["k8s", "pods", "-n", name],
        &["k8s", "logs", "deployment/web", "-n", name],
        &["k8s", "events", "deployment/web", "-n", name],
        &["k8s", "restart", "web", "-n", name],
        &["k8s", "scale", "web", "2", "-n", name],
        &["schedule", "list", "-n", name],
    ];
    for (index, command) in commands.iter().enumerate() {
        let schedule = format!("right-{index}");
        let _ = place.add(&schedule, &[], command).success();
        let ran = place.run(&["schedule", "run", &schedule]);
        assert_eq!(ran.code, Some(0), "{command:?}: {ran}");
    }
    // What needs nothing of the cluster is not even known to it.
    let _ = place.add("plain", &[], &["domain", "list"]).success();
    let cron_job = place.namespace.get("cronjob/dashictl-plain").unwrap();
    let pod = &cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], json!(false), "{pod}");
    assert!(place.namespace.get("role/dashictl-plain").is_none());
    let ran = place.run(&["schedule", "run", "plain"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(!ran.stderr.contains("can be read by others"), "{ran}");
}

#[test]
fn k8s_the_end_of_a_run_is_told_as_it_was() {
    let place = Place::new();
    let _ = place
        .add("bad", &[], &["eval", "fail(\"so it goes\")"])
        .success();
    let ran = place.run(&["schedule", "run", "bad"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.stderr.contains("so it goes"), "{ran}");
    let listed = place.list();
    assert_eq!(listed.code, Some(3), "{listed}");
    let row = row(&listed.stdout, "bad").unwrap();
    assert_eq!(
        (&row["state"], &row["exit"]),
        (&json!("failed"), &json!(1)),
        "{row}"
    );
    let ran = place.run(&["schedule", "run", "bade"]).failure(1);
    assert!(
        ran.contains("there is no schedule 'bade'") && ran.contains("there are: bad"),
        "{ran}"
    );
    let _ = place
        .add(
            "unpulled",
            &["--image", "no-such-image"],
            &["domain", "list"],
        )
        .success();
    let ran = place.run(&["schedule", "run", "unpulled", "--no-wait"]);
    assert!(ran.stdout.contains("running"), "{ran}");
}

#[test]
fn k8s_a_schedule_is_changed_and_removed_with_all_that_is_its() {
    let place = Place::new();
    let name = &place.namespace.name;
    let _ = place
        .add("pods", &[], &["k8s", "pods", "-n", name])
        .success();
    let _ = place
        .add(
            "pods",
            &["--zone", "Europe/Berlin"],
            &["k8s", "pods", "-n", name],
        )
        .success();
    let cron_job = place.namespace.get("cronjob/dashictl-pods").unwrap();
    assert_eq!(cron_job["spec"]["timeZone"], "Europe/Berlin");
    let other = place.add("pods", &[], &["domain", "list"]).failure(1);
    assert!(other.contains("schedule remove pods --apply"), "{other}");
    place.namespace.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "dashictl-other"}}));
    let planned = place.run(&["schedule", "remove", "pods"]).success();
    for kind in ["cronjob", "serviceaccount", "role", "rolebinding"] {
        assert!(
            planned.contains(&format!("{kind}/dashictl-pods")),
            "{planned}"
        );
    }
    assert!(place.namespace.get("cronjob/dashictl-pods").is_some());
    let ran = place.run(&[
        "schedule",
        "remove",
        "pods",
        "--apply",
        "--yes",
        "--env-override",
    ]);
    assert_eq!(ran.code, Some(0), "{ran}");
    for target in ["cronjob", "serviceaccount", "role", "rolebinding"] {
        assert!(
            place
                .namespace
                .get(&format!("{target}/dashictl-pods"))
                .is_none(),
            "{target}"
        );
    }
    assert!(
        place
            .namespace
            .get("serviceaccount/dashictl-other")
            .is_some()
    );
    assert!(
        place
            .run(&["schedule", "list"])
            .stderr
            .contains("no schedules in")
    );
}

#[test]
fn k8s_what_is_printed_is_what_the_api_server_takes() {
    let place = Place::new();
    place.operator.work_file(
        "fix.rhai",
        "//! Fixes.\nfn main(args) { env::get(\"GREETING\").len() }\n",
    );
    let variables = ["--print", "--env-from", "greetings"];
    let printed = place.add("fix", &variables, &["run", "fix.rhai"]).success();
    assert!(place.namespace.get("cronjob/dashictl-fix").is_none());
    let refused = place.add("fix", &variables[1..], &["run", "fix.rhai"]);
    assert!(
        refused
            .failure(1)
            .contains("there is no Secret 'greetings' in"),
    );
    let secret = "k8s::apply(#{apiVersion: \"v1\", kind: \"Secret\", metadata: #{name: \"greetings\"}, stringData: #{GREETING: \"!\"}})";
    let _ = place.run(&["eval", "--effect", "write", secret]).success();
    place.operator.work_file("printed.yaml", &printed);
    // Each document as a dry run of the server takes it, and then as it is applied.
    let script = "for text in fs::read(\"printed.yaml\").split(\"---\\n\") { k8s::apply(yaml::parse(text)); }";
    let dry = place.run(&["eval", "--effect", "write", "--dry-run", script]);
    assert!(
        dry.stdout.contains("k8s::apply") && dry.code == Some(0),
        "{dry}"
    );
    let _ = place.run(&["eval", "--effect", "write", script]).success();
    let ran = place.run(&["schedule", "run", "fix"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.stderr.lines().any(|line| line == "1"), "{ran}");
}

#[test]
fn k8s_nothing_is_made_of_a_schedule_that_cannot_be_whole() {
    let place = Place::new();
    place
        .operator
        .home_file(".kube/config", &place.namespace.kubeconfig_of(&viewer()));
    let refused = place.add("check", &[], &["domain", "list"]).failure(1);
    assert!(
        refused.contains("you may not create serviceaccounts")
            && refused.contains("a Role with these rules"),
        "{refused}"
    );
    let listed = place.run(&["schedule", "list"]);
    assert_eq!(listed.code, Some(0), "{listed}");
    let refused = place.run(&["schedule", "run", "check"]).failure(1);
    assert!(
        refused.contains("you may not create jobs.batch"),
        "{refused}"
    );
    place
        .operator
        .home_file(".kube/config", &place.namespace.kubeconfig_of(&admin()));
    place.namespace.delete("secret/dashictl-config");
    let refused = place.add("check", &[], &["domain", "list"]).failure(1);
    assert!(
        refused.contains("there is no Secret 'dashictl-config'")
            && refused.contains("kubectl create secret"),
        "{refused}"
    );
    assert!(
        place
            .namespace
            .get("serviceaccount/dashictl-check")
            .is_none()
    );
    let refused = place.run(&["schedule", "remove", "check"]).failure(1);
    assert!(
        refused.contains("there is no schedule 'check'"),
        "{refused}"
    );
}

#[test]
fn k8s_schedules_of_one_name_in_two_namespaces_do_not_share_their_rights() {
    let (one, other) = (Place::new(), Place::new());
    let shared = Namespace::new();
    let command = ["k8s", "pods", "-n", &shared.name];
    let _ = one.add("pods", &[], &command).success();
    let _ = other.add("pods", &[], &command).success();
    let remove = [
        "schedule",
        "remove",
        "pods",
        "--apply",
        "--yes",
        "--env-override",
    ];
    let _ = other.run(&remove).success();
    let ran = one.run(&["schedule", "run", "pods"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    let _ = one.run(&remove).success();
    assert_eq!(
        (shared.count("roles"), shared.count("rolebindings")),
        (0, 0)
    );
}

#[test]
fn k8s_a_schedule_that_the_api_server_would_not_take_makes_nothing() {
    let place = Place::new();
    let too_large = format!(
        "//! Large.\nfn main(args) {{ 1 }}\n// {}\n",
        "x".repeat(2 << 20)
    );
    place.operator.work_file("large.rhai", &too_large);
    let refused = place.add("large", &[], &["run", "large.rhai"]).failure(1);
    assert!(refused.contains("ConfigMap"), "{refused}");
    assert!(
        place
            .namespace
            .get("serviceaccount/dashictl-large")
            .is_none()
    );
    // What is somebody else's is not taken over.
    place.namespace.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "dashictl-own"}}));
    let refused = place.add("own", &[], &["domain", "list"]).failure(1);
    assert!(
        refused.contains("there is a ServiceAccount dashictl-own already"),
        "{refused}"
    );
    let nowhere = place
        .add("own", &["-n", "no-such-namespace"], &["domain", "list"])
        .failure(1);
    assert!(nowhere.contains("no-such-namespace"), "{nowhere}");
    let other = place
        .add("own", &[], &["--kube-context", "test", "k8s", "pods"])
        .failure(2);
    assert!(other.contains("leave --kube-context out"), "{other}");
}

#[test]
fn k8s_a_schedule_can_be_changed_after_it_was_brought_back() {
    let place = Place::new();
    let _ = place.add("back", &[], &["domain", "list"]).success();
    let ran = place.run(&[
        "schedule",
        "remove",
        "back",
        "--apply",
        "--yes",
        "--env-override",
    ]);
    let undo = ran.told("Take it back: ", "\n");
    let _ = ran.success();
    let words: Vec<&str> = undo
        .split(' ')
        .skip(1)
        .chain(["--yes", "--env-override"])
        .collect();
    let _ = place.run(&words).success();
    let _ = place
        .add("back", &["--zone", "Europe/Berlin"], &["domain", "list"])
        .success();
    let cron_job = place.namespace.get("cronjob/dashictl-back").unwrap();
    assert_eq!(cron_job["spec"]["timeZone"], "Europe/Berlin");
    // What is left of one whose CronJob somebody has deleted goes too.
    place.namespace.delete("cronjob/dashictl-back");
    let _ = place
        .run(&[
            "schedule",
            "remove",
            "back",
            "--apply",
            "--yes",
            "--env-override",
        ])
        .success();
    assert!(
        place
            .namespace
            .get("serviceaccount/dashictl-back")
            .is_none()
    );
}

#[test]
fn k8s_what_keeps_a_run_from_beginning_is_told() {
    let place = Place::new();
    let _ = place
        .add(
            "unpulled",
            &["--image", "no-such-image", "--timeout", "20s"],
            &["domain", "list"],
        )
        .success();
    let ran = place.run(&["schedule", "run", "unpulled"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.stderr.contains("it does not begin: ") && ran.stderr.contains("no-such-image"),
        "{ran}"
    );
    let words = ["eval", "\"$$(HOME) $(HOME) $HOME %h\""];
    let _ = place.add("words", &[], &words).success();
    let ran = place.run(&["schedule", "run", "words"]);
    assert!(
        ran.stderr
            .lines()
            .any(|line| line == "$$(HOME) $(HOME) $HOME %h"),
        "{ran}"
    );
}
