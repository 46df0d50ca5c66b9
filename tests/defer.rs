//! What a script defers runs at its end, whatever the end is: once, the last first, with the run's own leave.

use super::corner::Corner;
use super::interrupt::stopped;
use super::lakes::Lake;
use super::operator::{Operator, Ran};

/// The letters that deferred closures say, in order.
fn said(ran: &Ran) -> String {
    let lines = ran.stderr.lines();
    lines
        .filter_map(|line| line.strip_prefix("deferred "))
        .collect()
}

const TWO: &str = "defer(|| out::note(\"deferred a\")); defer(|| out::note(\"deferred b\"));";

fn eval(script: &str) -> Ran {
    Operator::new().run(&["eval", script])
}

#[test]
fn it_runs_at_every_end_of_a_script_the_last_first() {
    for (end, code, stdout) in [
        ("7", 0, "7\n"),
        ("fail(\"no\")", 1, ""),
        ("throw 3", 1, ""),
        ("let x = #{}; x.y.z.a", 1, ""),
        ("parallel([1], 1, |x| fail(\"no\"))", 1, ""),
        ("exit(0)", 0, ""),
        ("exit(3)", 3, ""),
        ("exit(\"enough\")", 1, ""),
        ("try { exit(3) } catch { }", 3, ""),
    ] {
        let ran = eval(&format!("{TWO} {end}"));
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(code), stdout),
            "{end}: {ran}"
        );
        assert_eq!(said(&ran), "ba", "{end}: {ran}");
    }
}

#[test]
fn it_runs_after_a_stream_was_read_to_its_end() {
    let script = format!(
        "{TWO} stac::collections().take(2).map(|c| {{ out::note(\"deferred 1\"); c.type }})"
    );
    let ran = Operator::in_context("sandbox").run(&["eval", &script]);
    assert_eq!(said(&ran), "11ba", "{ran}");
    assert_eq!(ran.success(), "Collection\nCollection\n");
}

#[test]
fn what_is_deferred_by_what_is_deferred_runs_too() {
    let ran =
        eval("defer(|| { out::note(\"deferred a\"); defer(|| out::note(\"deferred b\")); }); 1");
    assert_eq!(said(&ran), "ab", "{ran}");
}

#[test]
fn one_that_fails_fails_the_run_and_keeps_none_of_the_others() {
    for end in ["1", "exit(0)", "exit()"] {
        let ran = eval(&format!(
            "defer(|| out::note(\"deferred a\")); defer(|| fail(\"not cleaned up\")); {end}"
        ));
        assert_eq!(ran.code, Some(1), "{end}: {ran}");
        assert!(ran.stderr.contains("not cleaned up"), "{end}: {ran}");
        assert_eq!(said(&ran), "a", "{end}: {ran}");
    }
    let ran = eval("defer(|| fail(\"not cleaned up\")); exit(3)");
    assert!(ran.stderr.contains("not cleaned up"), "{ran}");
    assert_ne!(ran.code, Some(0), "{ran}");
}

#[test]
fn what_is_deferred_may_end_the_run_itself() {
    let ran = eval("defer(|| out::note(\"deferred a\")); defer(|| exit(3)); 1");
    assert_eq!((ran.code, said(&ran).as_str()), (Some(3), "a"), "{ran}");
}

#[test]
fn the_scripts_own_failure_is_told_first() {
    let ran = eval("defer(|| fail(\"not cleaned up\")); fail(\"no backup today\")");
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.stderr.contains("error: no backup today"), "{ran}");
    assert!(
        ran.stderr
            .contains("warning: what was deferred failed too: not cleaned up"),
        "{ran}"
    );
}

#[test]
fn it_runs_after_ctrl_c_and_may_still_write() {
    let operator = Operator::new();
    let script = "defer(|| fs::write(\"cleaned\", \"x\")); defer(|| out::note(\"deferred a\"));
                  fs::write(\"started\", \"\"); sleep(\"1h\")";
    let child = operator.start(&["eval", "--effect", "write", script]);
    let started = operator.work().join("started");
    let (code, stderr, _) = stopped("-INT", child, || started.exists());
    assert_eq!(code, Some(130), "{stderr}");
    assert_eq!(stderr.matches("deferred a").count(), 1, "{stderr}");
    assert!(operator.work().join("cleaned").exists(), "{stderr}");
}

#[test]
fn a_second_ctrl_c_leaves_what_is_deferred() {
    let operator = Operator::new();
    let script = "defer(|| { fs::write(\"cleaning\", \"\"); sleep(\"1h\") }); fs::write(\"started\", \"\"); sleep(\"1h\")";
    let child = operator.start(&["eval", "--effect", "write", script]);
    let (id, work) = (child.id().to_string(), operator.work());
    let mut interrupted_once = false;
    let (code, stderr, _) = stopped("-INT", child, || {
        if !interrupted_once && work.join("started").exists() {
            let kill = std::process::Command::new("kill")
                .args(["-INT", &id])
                .status();
            interrupted_once = kill.unwrap().success();
        }
        work.join("cleaning").exists()
    });
    assert_eq!(code, Some(130), "{stderr}");
}

#[test]
fn a_dry_run_only_notes_it() {
    let operator = Operator::new();
    let line = [
        "eval",
        "--effect",
        "write",
        "--dry-run",
        "defer(|| fs::write(\"cleaned\", \"\")); 1",
    ];
    let ran = operator.run(&line);
    assert!(ran.stdout.contains("fs::write"), "{ran}");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(!operator.work().join("cleaned").exists());
}

#[test]
fn a_deferred_change_of_a_destructive_run_is_planned_and_done() {
    let corner = Corner::of(Lake::Sandbox);
    corner.put_objects(&["a", "b"]);
    let script = format!(
        "defer(|| s3::delete(\"{}\")); s3::delete(\"{}\"); 1",
        corner.uri("b"),
        corner.uri("a")
    );
    let line = ["eval", "--effect", "destroy", &script];
    let planned = corner.run(&line);
    assert!(
        planned.stdout.contains("/b") && planned.stdout.contains("/a"),
        "{planned}"
    );
    assert_eq!(corner.keys(""), ["a", "b"]);
    let line = ["eval", "--effect", "destroy", "--apply", "--yes", &script];
    corner.run(&line).success();
    assert_eq!(corner.keys(""), [""; 0]);
    corner.run(&["undo", &corner.last_run()]).success();
    assert_eq!(corner.keys(""), ["a", "b"]);
}

#[test]
fn a_deferred_change_is_done_when_ctrl_c_stops_what_was_confirmed() {
    let (corner, s3, _) = Corner::tapped(Lake::Sandbox);
    corner.put_objects(&["a", "b", "c"]);
    let [a, b, c] = ["a", "b", "c"].map(|key| corner.uri(key));
    let script = format!(
        "defer(|| s3::delete(\"{b}\")); s3::delete(\"{a}\"); if !ctx::is_planning() {{ sleep(\"1h\") }} s3::delete(\"{c}\"); 1"
    );
    let line = ["eval", "--effect", "destroy", "--apply", "--yes", &script];
    let child = corner.operator.start(&line);
    let gone = format!("DELETE /processed/{}/a", corner.domain);
    let (code, stderr, _) = stopped("-INT", child, || {
        s3.changes()
            .iter()
            .any(|request| request.line().starts_with(&gone) && request.answer == Some(204))
    });
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("dashictl resume"), "{stderr}");
    assert_eq!(corner.keys(""), ["c"]);
    assert_eq!(corner.locks(), serde_json::json!([]));
    corner.run(&["undo", &corner.last_run()]).success();
    assert_eq!(corner.keys(""), ["a", "b", "c"]);
}
