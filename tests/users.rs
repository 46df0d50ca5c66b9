//! `user grant|revoke|list|show|drift` against Keycloak: what a grant changes, what it says, how it is taken back, and who
//! is found among many.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::lakes::{Lake, on_both_lakes};
use super::realm::{Realm, last_run, told};

/// What the catalogue says of who may see a domain, by both of the places where it does.
fn access(collection: &Value) -> (Value, Value) {
    let (groups, acl) = (&collection["dashi:access_groups"], &collection["dashi:acl"]);
    let extras = &collection["extra_fields"];
    assert_eq!(
        (groups, acl),
        (&extras["dashi:access_groups"], &extras["dashi:acl"])
    );
    (groups.clone(), acl.clone())
}

on_both_lakes! {
    fn a_grant_is_a_membership_a_note_in_the_catalogue_and_an_audit_line(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        realm.user("anna");
        let group = format!("/dashi/{domain}/reader");
        let line = ["user", "grant", "anna", &domain, "reader"];
        let ran = operator.run(&line);
        assert_eq!(ran.stderr.matches("[audit] dashictl user grant anna").count(), 2, "{ran}");
        let stdout = ran.success();
        assert!(stdout.contains("granted  true"), "{stdout}");
        assert_eq!(realm.members(&group), ["anna"]);
        let (groups, acl) = access(&realm.collection(&domain));
        assert_eq!(groups, json!([group]));
        assert!(acl.as_str().unwrap().starts_with("sha256:"), "{acl}");
        let query = format!("loki::query(\"{{job=\\\"dashictl\\\"}} |= \\\"user grant anna {domain}\\\"\").count()");
        assert_eq!(operator.run(&["eval", &query]).success(), "2\n");
        let shown = operator.run(&["log", "show", &last_run(&operator), "--json"]).json();
        let functions: Vec<&Value> = shown["steps"].as_array().unwrap().iter().map(|step| &step["function"]).collect();
        assert_eq!(functions, ["identity::grant"], "{shown:#}");

        let again = operator.run(&line);
        assert_eq!(told(again), format!("anna is reader of {domain} already\n"));
        assert_eq!(access(&realm.collection(&domain)), (groups, acl));
    }

    fn what_is_not_there_is_told_with_the_nearest(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        realm.user("annegret");
        let grant = |user: &str, domain: &str, role: &str| operator.run(&["user", "grant", user, domain, role]);
        let near = format!("{}x", &domain[..domain.len() - 1]);
        for (ran, code, near) in [
            (grant("annegrte", &domain, "reader"), 1, "annegret"),
            (grant("annegret", &near, "reader"), 1, &domain),
            (grant("annegret", &domain, "raeder"), 2, "reader"),
        ] {
            let told = ran.failure(code);
            assert!(told.contains(&format!("did you mean '{near}'?")), "{told}");
        }
        assert_eq!(realm.keycloak.changes().iter().filter(|change| !change.target.ends_with("/token")).count(), 0);
    }

    fn a_domain_that_may_hold_restricted_data_wants_a_reason(lake) {
        let realm = Realm::of(lake);
        let operator = realm.operator();
        realm.user("anna");
        for classification in ["rst", "cnf"] {
            let domain = realm.domain(classification);
            let line = ["user", "grant", "anna", &domain, "reader"];
            let refused = operator.run(&line).failure(2);
            assert!(refused.contains("needs a reason") && refused.contains("--reason"), "{refused}");
            let empty = operator.run(&[&line[..], &["--reason", " "]].concat());
            assert!(empty.failure(2).contains("needs a reason"));
            assert!(realm.members(&format!("/dashi/{domain}/reader")).is_empty());
            let granted = told(operator.run(&[&line[..], &["--reason", "ticket 4711"]].concat()));
            let audit = granted.lines().find(|line| line.starts_with("[audit]")).unwrap();
            assert!(audit.contains("--reason 'ticket 4711'"), "{audit}");
        }
    }

    fn a_preview_changes_nothing(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        realm.user("anna");
        let group = format!("/dashi/{domain}/writer");
        let ran = operator.run(&["user", "grant", "anna", &domain, "writer", "--dry-run"]);
        assert!(ran.stdout.contains(&format!("user anna in group {group}")), "{ran}");
        assert!(told(ran).contains("nothing was changed"));
        assert_eq!(realm.found(&group), None);
        realm.member("anna", &group, true);
        let before = realm.collection(&domain);
        let line = ["user", "revoke", "anna", &domain, "writer"];
        assert!(told(operator.run(&line)).contains("--apply"));
        let unasked = operator.run(&[&line[..], &["--apply"]].concat());
        assert!(unasked.failure(2).contains("--yes"));
        assert_eq!(realm.members(&group), ["anna"]);
        assert_eq!(realm.collection(&domain), before);
    }

    fn a_grant_and_a_revocation_are_taken_back(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        for user in ["anna", "bert"] {
            realm.user(user);
        }
        let group = format!("/dashi/{domain}/reader");
        let before = access(&realm.collection(&domain));
        told(operator.run(&["user", "grant", "anna", &domain, "reader"]));
        let granted = access(&realm.collection(&domain));
        told(operator.run(&["undo", &last_run(&operator)]));
        assert!(realm.members(&group).is_empty());
        assert_eq!(access(&realm.collection(&domain)), before);

        for user in ["anna", "bert"] {
            told(operator.run(&["user", "grant", user, &domain, "reader"]));
        }
        let both = access(&realm.collection(&domain));
        assert_ne!(both, granted);
        let revoked = operator.run(&["user", "revoke", "bert", &domain, "reader", "--apply", "--yes"]);
        assert!(revoked.stderr.contains("identity_url "), "{revoked}");
        told(revoked);
        assert_eq!(realm.members(&group), ["anna"]);
        // The digest is of who has access, and of nothing else.
        assert_eq!(access(&realm.collection(&domain)), granted);
        told(operator.run(&["undo", &last_run(&operator)]));
        assert_eq!(realm.members(&group), ["anna", "bert"]);
        assert_eq!(access(&realm.collection(&domain)), both);
    }

    fn grants_are_taken_back_in_any_order(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        let before = access(&realm.collection(&domain));
        let names = ["anna", "bert", "carl"];
        let mut runs = Vec::new();
        for user in names {
            realm.user(user);
            told(operator.run(&["user", "grant", user, &domain, "reader"]));
            runs.push(last_run(&operator));
        }
        let is_told = || told(operator.run(&["user", "drift", "--domain", &domain]));
        for (index, left) in [(0, &["bert", "carl"][..]), (2, &["bert"]), (1, &[])] {
            told(operator.run(&["undo", &runs[index]]));
            assert_eq!(realm.members(&format!("/dashi/{domain}/reader")), left);
            assert_eq!(is_told(), "the catalogue says what is so\n");
        }
        assert_eq!(access(&realm.collection(&domain)).1, before.1);
    }

    fn a_plan_is_done_also_where_others_have_changed_the_domain_since(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        for user in ["anna", "bert"] {
            realm.user(user);
        }
        told(operator.run(&["user", "grant", "anna", &domain, "reader", "--plan-out", "plan.json"]));
        told(operator.run(&["user", "grant", "bert", &domain, "writer"]));
        told(operator.run(&["apply", "plan.json", "--yes"]));
        assert_eq!(realm.members(&format!("/dashi/{domain}/reader")), ["anna"]);
        told(operator.run(&["user", "drift", "--domain", &domain]));
    }

    fn groups_need_not_be_a_tree(lake) {
        let realm = Realm::of(lake);
        let domain = realm.domain("int");
        realm.user("anna");
        let operator = realm.operator().with("DASHI_IDENTITY_GROUP", "dashi-{domain}-{role}");
        told(operator.run(&["user", "grant", "anna", &domain, "reader"]));
        let group = format!("/dashi-{domain}-reader");
        assert_eq!(realm.members(&group), ["anna"]);
        told(operator.run(&["user", "drift", "--domain", &domain]));
        let again = operator.run(&["user", "grant", "anna", &domain, "reader"]);
        assert_eq!(told(again), format!("anna is reader of {domain} already\n"));
        let listed = operator.run(&["user", "list", "--domain", &domain, "--json"]).json();
        assert_eq!(listed[0]["role"], "reader");
        told(operator.run(&["user", "revoke", "anna", &domain, "reader", "--apply", "--yes"]));
        assert!(realm.members(&group).is_empty());
    }

    fn a_role_that_somebody_had_before_stays_when_the_run_is_taken_back(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        realm.user("anna");
        let group = format!("/dashi/{domain}/reader");
        realm.member("anna", &group, true);
        // The catalogue did not know of it.
        told(operator.run(&["user", "grant", "anna", &domain, "reader"]));
        told(operator.run(&["undo", &last_run(&operator)]));
        assert_eq!(realm.members(&group), ["anna"]);
    }

    fn a_role_in_a_domain_that_is_gone_can_be_taken_away(lake) {
        let realm = Realm::of(lake);
        let operator = realm.operator();
        realm.user("anna");
        let domain = Lake::name("gone");
        let group = format!("/dashi/{domain}/admin");
        realm.member("anna", &group, true);
        let line = ["user", "revoke", "anna", &domain, "admin", "--apply", "--yes"];
        told(operator.run(&line));
        assert!(realm.members(&group).is_empty());
        assert!(operator.run(&line).failure(1).contains("there is no collection"));
    }

    fn who_has_which_role_is_found_among_many(lake) {
        let realm = Realm::of(lake);
        let operator = realm.operator();
        let domain = realm.domain("int");
        let names: Vec<String> = (0..250).map(|number| format!("user{number:03}")).collect();
        for name in &names {
            realm.user(name);
        }
        let mut expected = BTreeSet::new();
        for number in 0..40 {
            let of = if number == 0 { domain.clone() } else { format!("{domain}-{number}") };
            for (index, role) in ["reader", "writer", "admin"].into_iter().enumerate() {
                let path = format!("/dashi/{of}/{role}");
                realm.group(&path);
                // One group that is longer than two pages, and 119 short ones.
                let members = if (number, index) == (0, 0) { &names[..] } else { &names[number * 3 + index..][..1] };
                for name in members {
                    realm.member(name, &path, true);
                    expected.insert((name.clone(), of.clone(), role.to_owned()));
                }
            }
        }
        realm.group("/dashi/no-role/observer");
        let rows = |line: &[&str]| -> BTreeSet<(String, String, String)> {
            let listed = operator.run(&[&["user", "list", "--json"], line].concat()).json();
            let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
            let rows = listed.as_array().unwrap().iter();
            let rows = rows.map(|row| (text(row, "user"), text(row, "domain"), text(row, "role")));
            // The sandbox has users of its own.
            rows.filter(|row| row.1.starts_with(&domain)).collect()
        };
        assert_eq!(rows(&[]), expected);
        let of = |wanted: &dyn Fn(&(String, String, String)) -> bool| {
            expected.iter().filter(|row| wanted(row)).cloned().collect::<BTreeSet<_>>()
        };
        assert_eq!(rows(&["--domain", &domain]), of(&|row| row.1 == domain));
        assert_eq!(rows(&["--role", "writer"]), of(&|row| row.2 == "writer"));
        let both = ["--domain", &*domain, "--role", "reader"];
        assert_eq!(rows(&both).len(), 250);
        assert!(operator.run(&["user", "list", "--role", "raeder"]).failure(2).contains("'reader'"));
        let shown = operator.run(&["user", "show", "user001", "--json"]).json();
        assert_eq!(shown["grants"].as_array().unwrap().len(), 2, "{shown:#}");
        let users = operator.run(&["eval", "identity::users(#{search: \"ser24\"}).count()"]);
        assert_eq!(users.success(), "10\n");
    }

    fn what_the_catalogue_says_otherwise_is_found_and_repaired(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        for user in ["anna", "bert"] {
            realm.user(user);
        }
        let drift = |more: &[&str]| operator.run(&[&["user", "drift", "--domain", &domain, "--json"], more].concat());
        assert_eq!(drift(&[]).json(), json!([]));
        told(operator.run(&["user", "grant", "anna", &domain, "reader"]));
        assert_eq!(drift(&[]).json(), json!([]));

        let what = |ran: super::operator::Ran| {
            assert_eq!(ran.code, Some(3), "{ran}");
            let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
            assert_eq!(rows.as_array().unwrap().len(), 1, "{rows:#}");
            rows[0]["what"].as_str().unwrap().to_owned()
        };
        realm.member("bert", &format!("/dashi/{domain}/reader"), true);
        assert_eq!(what(drift(&[])), "members");
        realm.member("bert", &format!("/dashi/{domain}/admin"), true);
        assert_eq!(what(drift(&[])), "groups");
        let before = realm.collection(&domain);
        assert_eq!(drift(&["--repair", "--dry-run"]).code, Some(0));
        assert_eq!(realm.collection(&domain), before);
        assert_eq!(drift(&["--repair"]).json()[0]["fate"], "written");
        assert_eq!(drift(&[]).json(), json!([]));
        assert_eq!(realm.members(&format!("/dashi/{domain}/reader")), ["anna", "bert"]);
        told(operator.run(&["undo", &last_run(&operator)]));
        assert_eq!(what(drift(&[])), "groups");
    }

    fn a_runbook_grants_as_the_command_does(lake) {
        let realm = Realm::of(lake);
        let (operator, domain) = (realm.operator(), realm.domain("int"));
        realm.user("anna");
        let script = format!("let made = identity::grant(\"Anna\", \"{domain}\", \"writer\"); [made.user, made.member]");
        let granted = operator.run(&["eval", "--effect", "write", "--json", &script]).json();
        // As Keycloak calls her.
        assert_eq!(granted, json!(["anna", true]));
        let revoke = format!("identity::revoke(\"anna\", \"{domain}\", \"writer\")");
        let beyond = operator.run(&["eval", "--effect", "write", &revoke]);
        assert!(beyond.failure(2).contains("--effect destroy"));
        let own = format!("identity::revoke(\"anna\", \"{domain}\", \"writer\", #{{own: true}})");
        let strange = operator.run(&["eval", "--effect", "write", &own]);
        assert!(strange.failure(2).contains("was not made by this run"));
        assert_eq!(realm.members(&format!("/dashi/{domain}/writer")), ["anna"]);
    }
}
