//! One destructive run per bucket at a time: who is refused and why, what becomes of locks whose holder is gone, and
//! stores that cannot lock.

use std::process::Child;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::cluster::{Namespace, viewer};
use super::folder::Folder;
use super::lakes::{Lake, Tapped, on_both_lakes};
use super::operator::{Operator, Ran};
use super::wire::{Hook, lines};

/// A tapped lake whose first change of data in landing is held, with `a` and `b` in a folder of it, and another operator
/// who sees the same locks.
fn holding(lake: Lake, stem: &str) -> (Tapped, Folder, Operator) {
    let (mut tapped, folder) = (lake.tapped(), Folder::new(stem));
    tapped.operator = folder.apart(tapped.operator);
    let other = folder.apart(tapped.served.operator());
    folder.put_all(&other, &["a", "b"], "text");
    tapped
        .s3
        .counting(|request| request.is_change() && request.target.starts_with("/landing/"))
        .at_change(0, Hook::Hold);
    (tapped, folder, other)
}

/// Starts to delete `a`, then `b`, and waits until the first is held.
fn deleting(tapped: &Tapped, folder: &Folder) -> Child {
    let script = [folder.delete(&["a"]), folder.delete(&["b"])].join("; ");
    let child = tapped
        .operator
        .start(&["eval", "--effect", "destroy", "--apply", "--yes", &script]);
    tapped.s3.wait_until_held();
    child
}

fn destroy(operator: &Operator, script: &str) -> Ran {
    operator.run(&["eval", "--effect", "destroy", "--apply", "--yes", script])
}

fn held(operator: &Operator) -> serde_json::Value {
    operator.run(&["lock", "list", "--json"]).json()
}

on_both_lakes! {
    fn a_second_run_on_a_bucket_is_refused_with_the_name_of_the_first(lake) {
        let (tapped, folder, other) = holding(lake, "second");
        let child = deleting(&tapped, &folder);
        let holder = held(&other)[0].clone();
        assert_eq!((&holder["lock"], &holder["pid"]), (&json!("landing"), &json!(child.id())));
        let stderr = destroy(&other, &folder.delete(&["b"])).failure(1);
        let text = |field: &str| holder[field].as_str().unwrap().to_owned();
        let refusal = format!(
            "error: 'landing' is locked by run {} ({}) of {} on {}, process {}, since {}",
            text("run"), text("command"), text("actor"), text("host"), child.id(), text("since"),
        );
        assert!(stderr.contains(&refusal), "{stderr}");
        assert!(stderr.contains("dashictl lock break landing") && !stderr.contains("[audit]"), "{stderr}");
        assert_eq!(folder.names(&other), ["a", "b"]);
        tapped.s3.release();
        let ran = tapped.operator.ended(child);
        let _ = ran.success();
        assert_eq!(folder.names(&other), [""; 0]);
        assert_eq!(held(&other), json!([]));
    }

    fn runs_on_two_buckets_go_at_once(lake) {
        let (tapped, folder, other) = holding(lake, "two");
        let child = deleting(&tapped, &folder);
        let uri = folder.uri("c").replace("s3://landing/", "s3://processed/");
        other.run(&["eval", "--effect", "write", &format!("s3::write(\"{uri}\", \"1\")")]).success();
        destroy(&other, &format!("s3::delete(\"{uri}\", #{{referenced: true}})")).success();
        tapped.s3.release();
        let _ = tapped.operator.ended(child).success();
    }

    fn a_lock_that_a_killed_process_left_is_taken_over(lake) {
        let (tapped, folder, other) = holding(lake, "killed");
        let mut child = deleting(&tapped, &folder);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(held(&other)[0]["pid"], child.id());
        destroy(&other, &folder.delete(&["b"])).success();
        assert_eq!(held(&other), json!([]));
        tapped.s3.release();
        tapped.s3.wait_until_settled();
    }

    fn a_run_whose_lock_was_broken_stops_before_its_next_change(lake) {
        let (tapped, folder, other) = holding(lake, "broken");
        let child = deleting(&tapped, &folder);
        let dry = other.run(&["lock", "break", "landing", "--dry-run", "--yes"]);
        assert!(dry.stderr.contains("nothing was changed. The lock 'landing' is held by run "), "{dry}");
        let _ = dry.success();
        assert!(other.run(&["lock", "break", "landing"]).failure(2).contains("there is no terminal to ask on"));
        assert!(other.run(&["lock", "break", "landung", "--yes"]).failure(1).contains("'landung' is not locked"));
        let broken = other.run(&["lock", "break", "landing", "--yes"]);
        assert!(broken.stderr.contains("the lock 'landing' of run ") && broken.stderr.contains("is broken"), "{broken}");
        let _ = broken.success();
        // A look at the lock holds for a second.
        thread::sleep(Duration::from_millis(1100));
        tapped.s3.release();
        let stderr = tapped.operator.ended(child).failure(4);
        assert!(stderr.contains("the lock of 'landing' is not this run's any more: somebody broke it"), "{stderr}");
        assert!(stderr.contains("outcome=partly done=1"), "{stderr}");
        assert_eq!(folder.names(&other), ["b"]);
        destroy(&other, &folder.delete_all()).success();
    }

    fn a_lock_that_somebody_else_took_is_left_to_them(lake) {
        let (tapped, folder, other) = holding(lake, "taken");
        let child = deleting(&tapped, &folder);
        other.run(&["lock", "break", "landing", "--yes"]).success();
        let theirs = format!(
            "s3::write(\"{}\", json::text(#{{ lock: \"landing\", run: \"01J00000000000000000000000\", command: \"dashictl gc\",
             actor: \"ann@far\", host: \"far\", pid: 1, since: \"2026-01-01T00:00:00Z\", expires: \"2026-01-01T00:01:00Z\" }}))",
            folder.state("locks/landing.json"),
        );
        other.run(&["eval", "--effect", "write", &theirs]).success();
        thread::sleep(Duration::from_millis(1100));
        tapped.s3.release();
        let stderr = tapped.operator.ended(child).failure(4);
        assert!(stderr.contains("is not this run's any more: somebody else holds it"), "{stderr}");
        assert_eq!(held(&other)[0]["host"], "far");
        let stderr = destroy(&other, &folder.delete_all()).failure(1);
        assert!(stderr.contains("of ann@far on far, process 1"), "{stderr}");
        assert_eq!(folder.names(&other), ["b"]);
    }

    fn a_further_part_of_a_plan_takes_the_lock_of_its_bucket(lake) {
        let (tapped, folder, other) = holding(lake, "further");
        let child = deleting(&tapped, &folder);
        let elsewhere = folder.uri("r").replace("s3://landing/", "s3://processed/");
        let script = format!("let r = s3::write(\"{elsewhere}\", \"x\"); if r.size == 1 {{ {}; }}", folder.delete(&["b"]));
        let line = ["eval", "--effect", "destroy", "--apply", "--yes", "--max-delete", "1", &script];
        let stderr = other.run(&line).failure(4);
        assert!(stderr.contains("'landing' is locked by run "), "{stderr}");
        assert_eq!(folder.names(&other), ["a", "b"]);
        tapped.s3.release();
        let _ = tapped.operator.ended(child).success();
        assert_eq!(held(&other), json!([]));
    }

    fn a_plan_pass_sends_no_write_of_any_kind(lake) {
        let (tapped, folder, _) = holding(lake, "probe");
        for flags in [&[][..], &["--plan-out", "plan.jsonl"], &["--dry-run", "--yes"]] {
            let script = folder.delete_all();
            tapped.operator.run(&[&["eval", "--effect", "destroy", &script], flags].concat()).success();
        }
        for wire in [&tapped.s3, &tapped.stac, &tapped.loki] {
            assert_eq!(lines(&wire.changes()), [""; 0]);
        }
    }
}

#[test]
fn a_lock_is_broken_after_its_name_was_typed() {
    let (tapped, folder, other) = holding(Lake::Sandbox, "typed");
    let child = deleting(&tapped, &folder);
    for (typed, code) in [("processed", 2), ("landing", 0)] {
        let mut terminal = other.on_terminal(&["lock", "break", "landing"]);
        terminal.expect("Type 'landing' to break it:");
        terminal.type_line(typed);
        let ran = terminal.finish();
        assert_eq!(ran.code, Some(code), "{ran}");
        assert_eq!(held(&other) == json!([]), code == 0);
    }
    tapped.s3.release();
    let _ = tapped.operator.ended(child);
}

/// Has the store take conditions, and ignore them.
fn ignoring(tapped: &Tapped) {
    tapped.s3.answering(|request| {
        let ignored = request.method == "PUT" && request.target.contains("/probes/");
        ignored.then(|| "HTTP/1.1 200 OK\r\netag: \"0\"\r\ncontent-length: 0\r\n\r\n".to_owned())
    });
}

#[test]
fn a_store_that_ignores_conditions_is_found_out_and_runs_here_are_kept_apart_all_the_same() {
    let (tapped, folder, other) = holding(Lake::Sandbox, "ignoring");
    ignoring(&tapped);
    let child = deleting(&tapped, &folder);
    assert_eq!(held(&other), json!([]));
    let second = destroy(&tapped.operator, &folder.delete(&["b"]));
    assert!(
        second
            .stderr
            .contains("'landing' is locked by another run on this machine"),
        "{second}"
    );
    let _ = second.failure(1);
    tapped.s3.release();
    let ran = tapped.operator.ended(child);
    assert!(
        ran.stderr.contains(
            "warning: this store does not keep two runs apart (it ignores If-None-Match)"
        ),
        "{ran}"
    );
    let _ = ran.success();
    assert_eq!(folder.names(&other), [""; 0]);
    let left = format!("s3::list(\"{}\").count()", folder.state("probes/"));
    assert_eq!(other.run(&["eval", &left]).success(), "0\n");
}

#[test]
fn a_store_that_fails_the_test_of_its_conditions_keeps_nothing_of_it_and_nothing_is_done() {
    let (tapped, folder, other) = holding(Lake::Sandbox, "failing");
    tapped.s3.answering(|request| {
        let second = request.method == "PUT"
            && request.target.contains("/probes/")
            && request.text().contains("second");
        second.then(|| super::wire::reply("403 Forbidden", ""))
    });
    let _ = destroy(&tapped.operator, &folder.delete_all()).failure(1);
    assert_eq!(folder.names(&other), ["a", "b"]);
    let probes = format!("s3::list(\"{}\").count()", folder.state("probes/"));
    assert_eq!(other.run(&["eval", &probes]).success(), "0\n");
}

#[test]
fn k8s_where_the_store_cannot_lock_a_lease_of_the_cluster_does() {
    let namespace = Namespace::new();
    let in_cluster = |operator: Operator| {
        operator.home_file(".kube/config", &namespace.kubeconfig());
        operator
            .with("DASHI_KUBE_CONTEXT", "test")
            .with("DASHI_KUBERNETES_NAMESPACE", &namespace.name)
    };
    let (mut tapped, folder, other) = holding(Lake::Sandbox, "leased");
    tapped.operator = in_cluster(tapped.operator);
    let other = in_cluster(other);
    ignoring(&tapped);
    let child = deleting(&tapped, &folder);
    let holder = held(&other)[0].clone();
    assert_eq!(
        (&holder["lock"], &holder["pid"]),
        (&json!("landing"), &json!(child.id()))
    );
    let second = destroy(&tapped.operator, &folder.delete(&["b"])).failure(1);
    assert!(second.contains("'landing' is locked by run"), "{second}");
    assert_eq!(namespace.count("leases"), 1);
    tapped.s3.release();
    let ran = tapped.operator.ended(child);
    assert!(
        !ran.stderr.contains("does not keep two runs apart"),
        "{ran}"
    );
    let _ = ran.success();
    assert_eq!(folder.names(&other), [""; 0]);
    assert_eq!(namespace.count("leases"), 0);

    // One that is broken stops its run.
    let (mut tapped, folder, other) = holding(Lake::Sandbox, "broken");
    tapped.operator = in_cluster(tapped.operator);
    let other = in_cluster(other);
    ignoring(&tapped);
    let child = deleting(&tapped, &folder);
    let broken = other.run(&["lock", "break", "landing", "--yes"]);
    assert!(
        broken.stderr.contains("the lock 'landing' of run"),
        "{broken}"
    );
    thread::sleep(Duration::from_millis(1100));
    tapped.s3.release();
    let ran = tapped.operator.ended(child);
    assert!(ran.stderr.contains("somebody broke it"), "{ran}");
    let _ = ran.failure(4);
    assert_eq!(folder.names(&other), ["b"]);

    // Who may keep no Lease is told, and locks this machine alone.
    let kubeconfig = namespace.kubeconfig_of(&viewer());
    tapped.operator.home_file(".kube/config", &kubeconfig);
    let ran = destroy(&tapped.operator, &folder.delete(&["b"]));
    assert!(
        ran.stderr.contains("no Lease can be kept in its cluster"),
        "{ran}"
    );
    let _ = ran.success();
}
