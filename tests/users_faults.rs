//! Grants where something is wrong: tokens that run out, wrong realms and secrets, rights that are missing, a service that
//! stops between two steps, two at once, a killed program.

use std::process::Child;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use serde_json::{Value, json};

use super::lakes::{Lake, on_both_lakes};
use super::operator::Operator;
use super::realm::{Realm, last_run, told};
use super::wire::{Hook, Request, Wire, reply};

fn is_login(request: &Request) -> bool {
    request.target.ends_with("/openid-connect/token")
}

fn counts_changes(wire: &Wire) {
    wire.counting(|request| request.is_change() && !is_login(request));
}

fn interrupt(child: &Child) {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::INT).unwrap();
}

fn groups(realm: &Realm, domain: &str) -> Value {
    let groups = &realm.collection(domain)["dashi:access_groups"];
    if groups.is_null() {
        json!([])
    } else {
        groups.clone()
    }
}

on_both_lakes! {
    fn a_token_that_is_refused_is_asked_for_anew(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        realm.user("anna");
        // Every token is taken once only.
        let seen = std::sync::Mutex::new(std::collections::BTreeSet::new());
        realm.keycloak.answering(move |request| {
            let token = request.header("authorization")?.to_owned();
            let is_new = seen.lock().unwrap().insert(token);
            (!is_new).then(|| reply("401 Unauthorized", "{\"error\":\"HTTP 401 Unauthorized\"}"))
        });
        told(operator.run(&["user", "grant", "anna", &domain, "reader"]));
        realm.keycloak.answering(|_| None);
        assert_eq!(realm.members(&format!("/dashi/{domain}/reader")), ["anna"]);
        let logins = realm.keycloak.that(is_login).len();
        assert!(logins > 5, "{logins}");
    }

    fn a_token_that_is_always_refused_is_an_error_and_no_loop(lake) {
        let realm = Realm::of(lake);
        let operator = realm.operator();
        realm.keycloak.answering(|request| {
            request.header("authorization").map(|_| reply("401 Unauthorized", "{\"error\":\"HTTP 401 Unauthorized\"}"))
        });
        let failed = operator.run(&["user", "list"]).failure(1);
        assert!(failed.contains("identity answered 401") && failed.contains("identity.client_secret"), "{failed}");
        assert_eq!(realm.keycloak.that(is_login).len(), 2);
    }

    fn a_wrong_realm_or_secret_is_told_with_its_setting(lake) {
        let realm = Realm::of(lake);
        let operator = realm.operator();
        let with = |name: &'static str, value: &str, line: &[&str]| {
            let ran = operator.run_in(&[(name, value.to_owned())], line);
            assert!(ran.code == Some(if ran.stderr.starts_with("configuration error") { 2 } else { 1 }), "{ran}");
            ran.stderr
        };
        let realm_wrong = with("DASHI_IDENTITY_REALM", "nowhere", &["user", "list"]);
        assert!(realm_wrong.contains("Keycloak has no realm 'nowhere' to log in to") && realm_wrong.contains("identity.realm"), "{realm_wrong}");
        let secret_wrong = with("DASHI_IDENTITY_CLIENT_SECRET", "not-the-secret", &["user", "list"]);
        assert!(secret_wrong.contains("let client 'dashictl' not in") && secret_wrong.contains("identity.client_secret"), "{secret_wrong}");
        assert!(!secret_wrong.contains("not-the-secret"));
        let nobody = with("DASHI_IDENTITY_URL", "off", &["user", "list"]);
        assert!(nobody.contains("nothing says where it is kept") && nobody.contains("identity_url"), "{nobody}");
        let half = with("DASHI_IDENTITY_USER", "admin", &["user", "list"]);
        assert!(half.contains("identity.password"), "{half}");
        let away = with("DASHI_IDENTITY_URL", "http://127.0.0.1:9", &["user", "list"]);
        assert!(away.contains("cannot be reached") && away.contains("DASHI_IDENTITY_URL"), "{away}");
    }

    fn another_realm_than_that_of_the_login_is_no_missing_user(lake) {
        let realm = Realm::of(lake);
        let login = ("DASHI_IDENTITY_LOGIN_REALM", realm.name.clone());
        let other = ("DASHI_IDENTITY_REALM", "nowhere".to_owned());
        let ran = realm.operator().run_in(&[login, other], &["eval", "identity::try_user(\"anna\")"]);
        assert!(ran.failure(2).contains("Keycloak has no realm 'nowhere'"));
    }

    fn a_grant_that_the_catalogue_does_not_take_is_taken_back(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        realm.user("anna");
        let group = format!("/dashi/{domain}/reader");
        let refuse = |request: &Request| request.is_change().then(|| reply("500 Internal Server Error", "{}"));
        realm.stac.answering(refuse);
        let line = ["user", "grant", "anna", &domain, "reader"];
        let failed = operator.run(&line).failure(1);
        assert!(failed.contains("the grant was taken back") && failed.contains("stac answered 500"), "{failed}");
        assert!(realm.members(&group).is_empty());
        // By a plan as well.
        realm.stac.answering(|_| None);
        told(operator.run(&[&line[..], &["--plan-out", "plan.json"]].concat()));
        realm.stac.answering(refuse);
        let failed = operator.run(&["apply", "plan.json", "--yes"]);
        assert!(failed.code != Some(0) && failed.stderr.contains("the grant was taken back"), "{failed}");
        assert!(realm.members(&group).is_empty());
        // And where that is not possible either, it is said.
        realm.keycloak.answering(|request| (request.method == "DELETE").then(|| reply("500 Internal Server Error", "{}")));
        let failed = operator.run(&line).failure(1);
        assert!(failed.contains(&format!("anna is in {group}")) && failed.contains("taking the grant back failed too"), "{failed}");
        realm.stac.answering(|_| None);
        realm.keycloak.answering(|_| None);
        assert_eq!(realm.members(&group), ["anna"]);
        told(operator.run(&["undo", &last_run(&operator)]));
        assert!(realm.members(&group).is_empty());
    }

    fn a_revocation_that_the_catalogue_does_not_take_holds_and_is_told(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        realm.user("anna");
        told(operator.run(&["user", "grant", "anna", &domain, "reader"]));
        let before = groups(&realm, &domain);
        realm.stac.answering(|request| request.is_change().then(|| reply("500 Internal Server Error", "{}")));
        let ran = operator.run(&["user", "revoke", "anna", &domain, "reader", "--apply", "--yes"]);
        let repair = format!("user drift --domain {domain} --repair");
        assert!(ran.code != Some(0) && ran.stderr.contains("is no more in") && ran.stderr.contains(&repair), "{ran}");
        realm.stac.answering(|_| None);
        assert!(realm.members(&format!("/dashi/{domain}/reader")).is_empty());
        assert_eq!(groups(&realm, &domain), before);
        told(operator.run(&["user", "drift", "--domain", &domain, "--repair"]));
        assert_eq!(groups(&realm, &domain), json!([]));
    }

    fn an_answer_that_is_lost_is_looked_for(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        realm.user("anna");
        realm.group(&format!("/dashi/{domain}/reader"));
        counts_changes(&realm.keycloak);
        realm.keycloak.at_change(0, Hook::ForwardThenDrop);
        realm.stac.at_change(0, Hook::ForwardThenDrop);
        told(operator.run(&["user", "grant", "anna", &domain, "reader"]));
        assert_eq!(realm.members(&format!("/dashi/{domain}/reader")), ["anna"]);
        told(operator.run(&["user", "drift", "--domain", &domain]));
    }

    fn a_stop_in_the_middle_leaves_nothing_half_done(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        realm.user("anna");
        realm.group(&format!("/dashi/{domain}/reader"));
        counts_changes(&realm.keycloak);
        realm.keycloak.at_change(0, Hook::Hold);
        let child = operator.start(&["user", "grant", "anna", &domain, "reader"]);
        realm.keycloak.wait_until_held();
        interrupt(&child);
        thread::sleep(std::time::Duration::from_millis(300));
        realm.keycloak.release();
        let ran = operator.ended(child);
        assert!(ran.stderr.contains("done=1 left=0 failed=0"), "{ran}");
        assert_eq!(realm.members(&format!("/dashi/{domain}/reader")), ["anna"]);
        told(operator.run(&["user", "drift", "--domain", &domain]));
    }

    fn of_grants_at_once_none_is_lost_and_the_catalogue_knows_all(lake) {
        let realm = Realm::of(lake);
        let domain = realm.domain("int");
        let names: Vec<String> = (0..6).map(|number| format!("user{number}")).collect();
        for name in &names {
            realm.user(name);
        }
        let operators: Vec<Operator> = names.iter().map(|_| realm.operator()).collect();
        // The group is missing, and each makes it.
        thread::scope(|scope| {
            for (name, operator) in names.iter().zip(&operators) {
                let domain = &domain;
                scope.spawn(move || told(operator.run(&["user", "grant", name, domain, "reader"])));
            }
        });
        assert_eq!(realm.members(&format!("/dashi/{domain}/reader")), names);
        told(realm.operator().run(&["user", "drift", "--domain", &domain]));
    }

    fn a_group_that_somebody_else_makes_meanwhile_is_the_one(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        realm.user("anna");
        realm.group("/dashi");
        counts_changes(&realm.keycloak);
        let conflicts = |wire: &Wire| wire.that(|request| request.answer == Some(409)).len();
        // Somebody makes the domain's group just before the program does.
        realm.keycloak.at_change(0, Hook::Hold);
        let child = operator.start(&["user", "grant", "anna", &domain, "reader"]);
        realm.keycloak.wait_until_held();
        realm.group(&format!("/dashi/{domain}"));
        realm.keycloak.release();
        told(operator.ended(child));
        assert_eq!(conflicts(&realm.keycloak), 1);
        assert_eq!(realm.members(&format!("/dashi/{domain}/reader")), ["anna"]);
    }

    fn a_grant_that_is_killed_anywhere_is_run_again_or_taken_back(lake) {
        let realm = Realm::of(lake);
        realm.user("anna");
        realm.group("/dashi");
        counts_changes(&realm.keycloak);
        // Keycloak makes two groups and a membership, then the catalogue changes a collection.
        let points = [(&realm.keycloak, 0), (&realm.keycloak, 1), (&realm.keycloak, 2), (&realm.stac, 0)];
        for (wire, point) in points {
            for again in [true, false] {
                let (operator, domain) = (realm.operator(), realm.domain("int"));
                wire.forget();
                wire.at_change(point, Hook::Hold);
                let line = ["user", "grant", "anna", &domain, "reader"];
                let mut child = operator.start(&line);
                assert!(wire.is_held_before_end(&mut child), "{point}");
                child.kill().unwrap();
                child.wait().unwrap();
                // What is under way reaches the service.
                wire.release();
                wire.wait_until_settled();
                let run = last_run(&operator);
                let group = format!("/dashi/{domain}/reader");
                if again {
                    told(operator.run(&line));
                    assert_eq!(realm.members(&group), ["anna"], "killed at {point}");
                    assert_eq!(groups(&realm, &domain), json!([group]), "killed at {point}");
                } else {
                    told(operator.run(&["undo", &run]));
                    assert!(realm.members(&group).is_empty(), "killed at {point}");
                    assert_eq!(groups(&realm, &domain), json!([]), "killed at {point}");
                }
            }
        }
    }

    fn a_list_that_changes_while_it_is_read_is_no_answer(lake) {
        let realm = Realm::of(lake);
        let operator = realm.operator();
        for number in 0..120 {
            realm.user(&format!("user{number:03}"));
        }
        realm.keycloak.counting(|request| request.target.contains("/users?") && request.target.contains("first=99"));
        realm.keycloak.at_change(0, Hook::Hold);
        let child = operator.start(&["eval", "identity::users().count()"]);
        realm.keycloak.wait_until_held();
        // Everybody behind this one moves on by a place.
        realm.user("aaron");
        realm.keycloak.release();
        let failed = operator.ended(child).failure(1);
        assert!(failed.contains("changed while it was read") && failed.contains("run it again"), "{failed}");
    }

    fn no_token_or_secret_is_in_a_trace(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        realm.user("anna");
        let ran = operator.run(&["-vv", "user", "grant", "anna", &domain, "reader"]);
        assert_eq!(ran.code, Some(0), "{ran}");
        assert!(ran.stderr.contains("> identity POST ") && ran.stderr.contains("/openid-connect/token"), "{ran}");
        for request in realm.keycloak.requests() {
            if let Some(token) = request.header("authorization") {
                assert!(!ran.stderr.contains(token.trim_start_matches("Bearer ")), "{ran}");
            }
        }
        // Nor in what it leaves behind, which the operator's end looks at.
        assert!(!ran.stderr.contains("access_token"), "{ran}");
    }
}

#[test]
fn real_a_token_that_runs_out_is_asked_for_anew_before() {
    let realm = Realm::of(Lake::Real);
    let operator = realm.operator();
    realm.set(&json!({"realm": realm.name, "accessTokenLifespan": 2}));
    let script =
        "let n = 0; for i in 0..4 { n += identity::users().count(); sleep(\"1100ms\"); } n";
    let ran = operator.run(&["eval", script]);
    // The account of the client is no user that is listed.
    assert_eq!(ran.success(), "0\n");
    let refused = realm
        .keycloak
        .that(|request| request.answer == Some(401))
        .len();
    let logins = realm.keycloak.that(is_login).len();
    assert!(refused == 0 && logins >= 3, "{refused} {logins}");
}

#[test]
fn real_an_account_without_the_rights_is_told_which() {
    let realm = Realm::with(Lake::Real, &["query-groups", "query-users", "view-users"]);
    let (operator, domain) = (realm.operator(), realm.domain("int"));
    realm.user("anna");
    let failed = operator
        .run(&["user", "grant", "anna", &domain, "reader"])
        .failure(1);
    assert!(
        failed.contains("identity answered 403") && failed.contains("manage-users"),
        "{failed}"
    );
    let none = Realm::with(Lake::Real, &[]);
    let failed = none.operator().run(&["user", "list"]).failure(1);
    assert!(
        failed.contains("identity answered 403") && failed.contains("view-users"),
        "{failed}"
    );
}

#[test]
fn real_an_administrator_logs_in_with_a_password() {
    let realm = Realm::of(Lake::Real);
    let operator = realm.operator();
    realm.user("anna");
    let lake = super::lakes::real_lake();
    let login = [
        ("DASHI_IDENTITY_LOGIN_REALM", "master".to_owned()),
        ("DASHI_IDENTITY_CLIENT_ID", "admin-cli".to_owned()),
        ("DASHI_IDENTITY_USER", lake["LAKE_KEYCLOAK_USER"].clone()),
        (
            "DASHI_IDENTITY_PASSWORD",
            lake["LAKE_KEYCLOAK_PASSWORD"].clone(),
        ),
    ];
    let shown = operator
        .run_in(&login, &["user", "show", "anna", "--json"])
        .json();
    assert_eq!(shown["email"], "anna@example.org");
    let wrong = [
        &login[..3],
        &[("DASHI_IDENTITY_PASSWORD", "wrong-password".to_owned())],
    ]
    .concat();
    let failed = operator.run_in(&wrong, &["user", "list"]).failure(1);
    assert!(
        failed.contains("let user 'admin' by client 'admin-cli' not in to realm 'master'"),
        "{failed}"
    );
}
