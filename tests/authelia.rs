//! `user grant|revoke|list|show` where Authelia keeps the users: in a file on this machine, and in a ConfigMap of the
//! cluster with the Deployment that reads it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::{Namespace, viewer};
use super::lakes::{Lake, Served, on_both_lakes};
use super::operator::Operator;
use super::realm::{last_run, state, told};

const USERS: &str = r#"---
# Kept by hand; passwords are Authelia's own.
users:
  alice:   # she looks after it
    disabled: false
    displayname: "Alice Adler"
    password: '$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA'
    email: alice@example.org
    groups:
      - 'admins'   # everywhere
      # and of the domains:
      - /dashi/klima/reader
    custom: {desk: 7}

  bob:
    displayname: Bob
    password: x
    disabled: true
    groups: []

  # the newest
  carla:
    password: y
# end
"#;

/// A lake whose users are in a file.
struct Office {
    served: Served,
    operator: Operator,
    file: PathBuf,
}

impl Office {
    fn of(lake: Lake) -> Office {
        let served = lake.served();
        let operator = served.operator().with("DASHI_STATE_URL", state());
        let file = operator.home_file("authelia/users.yml", USERS);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        operator.config(&configuration(
            &served,
            &format!("users_file = \"{}\"\n", file.display()),
        ));
        Office {
            served,
            operator,
            file,
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }
}

fn configuration(served: &Served, identity: &str) -> String {
    format!("{}[identity]\n{identity}", served.addresses.configuration())
}

fn domain(served: &Served) -> String {
    let name = Lake::name("domain");
    let _ = served
        .operator()
        .run(&["domain", "create", &name])
        .success();
    name
}

/// A grant as a runbook writes it.
fn grant_of(user: &str, domain: &str, role: &str) -> String {
    format!("identity::grant(\"{user}\", \"{domain}\", \"{role}\")")
}

/// Gives `alice` a role in so many new domains, all at once, and gives these.
fn granted_at_once(operator: &Operator, served: &Served, count: usize) -> Vec<String> {
    let domains: Vec<String> = (0..count).map(|_| domain(served)).collect();
    let start = |domain: &String| {
        let line = grant_of("alice", domain, "reader");
        operator.start(&["eval", "--effect", "write", &line])
    };
    let running: Vec<_> = domains.iter().map(start).collect();
    for child in running {
        told(operator.ended(child));
    }
    domains
}

/// Whether a text has each of these grants once, and nothing else that `USERS` has not.
fn assert_grants_all(text: &str, domains: &[String]) {
    let lines = USERS.lines().count() + domains.len();
    assert_eq!(text.lines().count(), lines, "{text}");
    for domain in domains {
        let group = format!("/dashi/{domain}/reader\n");
        assert_eq!(text.matches(&group).count(), 1, "{text}");
        assert!(text.contains(&format!("      - {group}")), "{text}");
    }
}

/// What `users` is with `alice` in a group more.
fn with_alice(group: &str) -> String {
    let last = "      - /dashi/klima/reader\n";
    USERS.replace(last, &format!("{last}      - {group}\n"))
}

on_both_lakes! {
    fn a_grant_changes_a_users_groups_and_nothing_else_in_the_file(lake) {
        let office = Office::of(lake);
        let (operator, domain) = (&office.operator, domain(&office.served));
        let group = format!("/dashi/{domain}/writer");
        told(operator.run(&["user", "grant", "alice", &domain, "writer"]));
        assert_eq!(office.text(), with_alice(&group));
        let mode = fs::metadata(&office.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let shown = operator.run(&["domain", "show", &domain, "--json"]).json();
        assert_eq!(shown["dashi:access_groups"], json!([group]));
        assert_eq!(told(operator.run(&["user", "drift", "--domain", &domain])), "the catalogue says what is so\n");
        told(operator.run(&["undo", &last_run(operator)]));
        assert_eq!(office.text(), USERS);

        told(operator.run(&["user", "grant", "bob", &domain, "reader"]));
        assert_eq!(office.text(), USERS.replace("groups: []", &format!("groups: [/dashi/{domain}/reader]")));
        told(operator.run(&["user", "revoke", "bob", &domain, "reader", "--apply", "--yes"]));
        assert_eq!(office.text(), USERS);
        told(operator.run(&["user", "grant", "carla", &domain, "admin"]));
        let carla = format!("    password: y\n    groups:\n      - /dashi/{domain}/admin\n");
        assert_eq!(office.text(), USERS.replace("    password: y\n", &carla));
    }

    fn users_and_their_roles_are_found(lake) {
        let office = Office::of(lake);
        let operator = &office.operator;
        let listed = operator.run(&["user", "list", "--json"]).json();
        let expected = json!([{"user": "alice", "name": "Alice Adler", "email": "alice@example.org", "enabled": true,
            "domain": "klima", "role": "reader", "group": "/dashi/klima/reader"}]);
        assert_eq!(listed, expected);
        let shown = operator.run(&["user", "show", "alice"]).success();
        assert!(shown.contains("reader of klima") && shown.contains("admins"), "{shown}");
        let users = operator.run(&["eval", "--json", "identity::users().map(|user| [user.user, user.enabled]).collect()"]);
        assert_eq!(users.json(), json!([["alice", true], ["bob", false], ["carla", true]]));
        let near = operator.run(&["user", "show", "alcie"]).failure(1);
        assert!(near.contains("there is no user 'alcie' in ~/authelia/users.yml") && near.contains("'alice'"), "{near}");
        let provider = operator.run(&["eval", "--json", "[identity::provider().kind, identity::count()]"]).json();
        assert_eq!(provider, json!(["authelia", 3]));
        let doctor = operator.run(&["doctor", "--json"]).json();
        let row = doctor.as_array().unwrap().iter().find(|row| row["check"] == "users readable").unwrap();
        assert_eq!((&row["status"], &row["detail"]), (&json!("ok"), &json!("3 users of authelia")));
    }

    fn of_many_writers_at_once_none_is_lost(lake) {
        let office = Office::of(lake);
        let domains = granted_at_once(&office.operator, &office.served, 8);
        assert_grants_all(&office.text(), &domains);
        // Nothing is left beside the file but the lock.
        let beside = fs::read_dir(office.file.parent().unwrap()).unwrap();
        let mut names: Vec<_> = beside.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["users.yml", "users.yml.lock"]);
        // Who may read the file may lock it.
        let lock = fs::metadata(office.file.with_extension("yml.lock")).unwrap();
        assert_eq!(lock.permissions().mode() & 0o777, 0o640);
    }

    fn somebody_else_at_the_file_is_waited_for(lake) {
        let office = Office::of(lake);
        let domain = domain(&office.served);
        let lock = File::create(office.file.with_extension("yml.lock")).unwrap();
        lock.lock().unwrap();
        let child = office.operator.start(&["eval", "--effect", "write", &grant_of("bob", &domain, "reader")]);
        thread::sleep(Duration::from_millis(700));
        assert_eq!(office.text(), USERS);
        drop(lock);
        told(office.operator.ended(child));
        assert!(office.text().contains(&format!("groups: [/dashi/{domain}/reader]")));
    }

    fn a_file_that_cannot_be_used_is_told_and_left_as_it_is(lake) {
        let office = Office::of(lake);
        let domain = domain(&office.served);
        let grant = || office.operator.run(&["eval", "--effect", "write", &grant_of("alice", &domain, "admin")]);
        for (text, told) in [
            ("users: [", "it is no YAML"),
            ("people: {}\n", "it has no mapping 'users'"),
            ("users:\n  alice: &a\n    groups: &g [x]\n  bob:\n    groups: *g\n", "would change something else in it"),
        ] {
            fs::write(&office.file, text).unwrap();
            let failed = grant().failure(1);
            assert!(failed.contains(told) && failed.contains("~/authelia/users.yml"), "{failed}");
            assert_eq!(office.text(), text);
        }
        fs::remove_file(&office.file).unwrap();
        let failed = grant().failure(1);
        assert!(failed.contains("~/authelia/users.yml") && failed.contains("identity.users_file"), "{failed}");
        let two = office.operator.run_in(&[("DASHI_IDENTITY_URL", "http://127.0.0.1:9".to_owned())], &["user", "list"]);
        assert!(two.failure(2).contains("identity_url and identity.users_file are all set"));
    }

    fn a_link_to_the_file_stays_one(lake) {
        let office = Office::of(lake);
        let domain = domain(&office.served);
        let real = office.file.with_file_name("real.yml");
        fs::rename(&office.file, &real).unwrap();
        std::os::unix::fs::symlink(&real, &office.file).unwrap();
        told(office.operator.run(&["eval", "--effect", "write", &grant_of("alice", &domain, "admin")]));
        assert!(fs::symlink_metadata(&office.file).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(real).unwrap(), with_alice(&format!("/dashi/{domain}/admin")));
    }
}

/// A lake whose users are in a ConfigMap.
struct Ward {
    served: Served,
    operator: Operator,
    namespace: Namespace,
}

impl Ward {
    fn of(lake: Lake, deployment: &str) -> Ward {
        let (served, namespace) = (lake.served(), Namespace::new());
        namespace.apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "authelia-users", "labels": {"app": "authelia"}},
            "data": {"users.yml": USERS, "other.yml": "a: 1\n"}}));
        let operator = served.operator().with("DASHI_STATE_URL", state());
        operator.home_file(".kube/config", &namespace.kubeconfig());
        let ward = Ward {
            served,
            operator,
            namespace,
        };
        ward.configure(deployment, "users.yml");
        ward
    }

    fn configure(&self, deployment: &str, key: &str) {
        let name = format!("{}/authelia-users", self.namespace.name);
        let own = format!(
            "users_configmap = {name:?}\nusers_key = {key:?}\ndeployment = {deployment:?}\n"
        );
        self.operator.config(&configuration(&self.served, &own));
    }

    fn map(&self) -> Value {
        self.namespace.get("configmap/authelia-users").unwrap()
    }

    fn text(&self) -> String {
        self.map()["data"]["users.yml"].as_str().unwrap().to_owned()
    }
}

#[test]
fn k8s_a_grant_changes_the_configmap_and_authelia_reads_it() {
    let ward = Ward::of(Lake::Real, "authelia");
    let (operator, domain) = (&ward.operator, domain(&ward.served));
    ward.namespace
        .serve_unprobed("authelia", &["sleep", "600"], 1);
    let pod = || ward.namespace.pods("authelia");
    let before = pod();
    let group = format!("/dashi/{domain}/writer");
    told(operator.run(&["user", "grant", "alice", &domain, "writer"]));
    assert_eq!(ward.text(), with_alice(&group));
    let map = ward.map();
    assert_eq!(map["data"]["other.yml"], "a: 1\n");
    assert_eq!(map["metadata"]["labels"], json!({"app": "authelia"}));
    // Its new pod is there when the command ends.
    let after = pod();
    assert!(
        after.iter().any(|name| !before.contains(name)),
        "{before:?} {after:?}"
    );
    told(operator.run(&[
        "user", "revoke", "alice", &domain, "writer", "--apply", "--yes",
    ]));
    assert_eq!(ward.text(), USERS);
}

#[test]
fn k8s_of_many_writers_at_once_none_is_lost() {
    let ward = Ward::of(Lake::Sandbox, "none");
    let domains = granted_at_once(&ward.operator, &ward.served, 6);
    assert_grants_all(&ward.text(), &domains);
}

#[test]
fn k8s_what_is_missing_is_told_before_anything_is_changed() {
    let ward = Ward::of(Lake::Sandbox, "authelia");
    let domain = domain(&ward.served);
    let grant = || {
        ward.operator.run(&[
            "eval",
            "--effect",
            "write",
            &grant_of("alice", &domain, "admin"),
        ])
    };
    let failed = grant().failure(1);
    assert!(
        failed.contains("authelia") && failed.contains("identity.deployment"),
        "{failed}"
    );
    ward.configure("none", "user.yml");
    let failed = grant().failure(2);
    assert!(
        failed.contains("has no key 'user.yml'") && failed.contains("did you mean 'users.yml'?"),
        "{failed}"
    );
    ward.configure("none", "users.yml");
    ward.operator
        .home_file(".kube/config", &ward.namespace.kubeconfig_of(&viewer()));
    let failed = grant().failure(1);
    assert!(
        failed.contains("forbidden") || failed.contains("not allowed") || failed.contains("403"),
        "{failed}"
    );
    assert_eq!(ward.text(), USERS);
    ward.operator
        .home_file(".kube/config", &ward.namespace.kubeconfig());
    ward.namespace.delete("configmap/authelia-users");
    let failed = grant().failure(1);
    assert!(failed.contains("authelia-users"), "{failed}");
}
