//! Ctrl-C: what runs stops at once, says so, and exits with 130.

use std::io::Read;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use super::fake::{Answer, FakeService};
use super::listener::SilentListener;
use super::operator::Operator;
use serde_json::json;

/// Sends SIGINT to a program that is at work, and gives its exit code, stderr and how long it took to end.
fn interrupted(child: Child, at_work: impl Fn() -> bool) -> (Option<i32>, String, Duration) {
    stopped("-INT", child, at_work)
}

/// The same with any signal.
pub fn stopped(
    signal: &str,
    mut child: Child,
    mut at_work: impl FnMut() -> bool,
) -> (Option<i32>, String, Duration) {
    let waiting = Instant::now();
    while !at_work() {
        if waiting.elapsed() > Duration::from_mins(3) {
            // It would go on working on the lake of other tests.
            let _ = child.kill();
            panic!("the program never got to work");
        }
        thread::sleep(Duration::from_millis(5));
    }
    let sent = Instant::now();
    assert!(
        Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    let status = child.wait().unwrap();
    let took = sent.elapsed();
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    (status.code(), stderr, took)
}

/// The acceptance says 200 ms; a machine that is busy with other tests gets more before this calls it a hang.
fn assert_at_once((code, stderr, took): (Option<i32>, String, Duration)) {
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("stopped: interrupted"), "{stderr}");
    assert!(took < Duration::from_secs(2), "it took {took:?}");
}

#[test]
fn a_request_without_an_answer_is_given_up() {
    let service = SilentListener::start();
    let operator = Operator::new();
    let child = operator.start(&["domain", "list", "--stac-url", &service.url()]);
    assert_at_once(interrupted(child, || service.visits() > 0));
}

#[test]
fn a_paged_listing_without_end_is_left() {
    let pages = (0..2_000).map(|n| {
        let links = json!([{"rel": "next", "method": "GET", "href": format!("{{url}}/collections?offset={n}")}]);
        Answer::json(&json!({"collections": [{"id": format!("c{n}")}], "links": links}))
    });
    let service = FakeService::start(pages.collect());
    let operator = Operator::new();
    let child = operator.start(&["domain", "list", "--stac-url", service.url()]);
    assert_at_once(interrupted(child, || service.asked().len() > 20));
    assert!(service.asked().len() < 2_000);
}

#[test]
fn a_loop_that_computes_is_stopped_also_inside_try_and_closures() {
    for script in [
        "loop {}",
        "loop { try { loop {} } catch { } }",
        "[1].for_each(|x| loop {})",
        "parallel([1, 2], 2, |x| loop {})",
        "sleep(\"1h\")",
        "sleep(3600.0)",
    ] {
        let operator = Operator::new();
        let child = operator.start(&[
            "eval",
            "--effect",
            "write",
            &format!("fs::write(\"started\", \"\"); {script}"),
        ]);
        let started = operator.work().join("started");
        assert_at_once(interrupted(child, || started.exists()));
    }
}

#[test]
fn waiting_between_tries_is_left() {
    let service = FakeService::start(vec![
        Answer::status(503, "busy").header("retry-after", "50"),
    ]);
    let operator = Operator::new();
    let child = operator.start(&["domain", "list", "--stac-url", service.url()]);
    assert_at_once(interrupted(child, || !service.asked().is_empty()));
}

#[test]
fn a_termination_stops_a_run_like_ctrl_c() {
    let service = SilentListener::start();
    let operator = Operator::new();
    let child = operator.start(&["domain", "list", "--stac-url", &service.url()]);
    assert_at_once(stopped("-TERM", child, || service.visits() > 0));
}
