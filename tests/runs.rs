//! Flow runs: listed, shown, waited for, cancelled, tried again, and what they log.

use std::io::{BufRead, BufReader};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::flows::Flows;
use super::interrupt::stopped;
use super::lakes::{Lake, on_both_lakes};
use super::wire::{Hook, reply};

fn ids(runs: &Value) -> Vec<&str> {
    runs.as_array()
        .unwrap()
        .iter()
        .map(|run| run["id"].as_str().unwrap())
        .collect()
}

on_both_lakes! {
    fn runs_are_listed_the_newest_first_over_all_pages(lake) {
        let flows = Flows::new(lake);
        // Many of them are to begin at the same moment.
        let at = jiff::Timestamp::now().to_string();
        let mut started: Vec<String> = (0..230).map(|_| flows.start_at(&at)).collect();
        started.push(flows.start(&json!({"domain": "d"})));
        let listed = flows.operator.run(&["runs", "--flow", &flows.flow, "--limit", "1000", "--json"]).json();
        let listed = ids(&listed);
        assert_eq!(listed[0], started[230]);
        let mut sorted: Vec<&str> = listed.clone();
        sorted.sort_unstable();
        started.sort_unstable();
        assert_eq!(sorted, started);
        let some = flows.operator.run(&["runs", "--deployment", &flows.deployment(), "-n", "3", "--json"]).json();
        assert_eq!(ids(&some).len(), 3);
    }

    fn runs_are_found_by_state_domain_and_time(lake) {
        let flows = Flows::new(lake);
        let of = |domain: &str| flows.start(&json!({"domain": domain}));
        let (a, b, c) = (of("a"), of("b"), of("a"));
        flows.enter(&a, "FAILED");
        flows.enter(&b, "COMPLETED");
        let found = |words: &[&str]| {
            let all = [&["runs", "--flow", &flows.flow, "--json"], words].concat();
            let mut found: Vec<String> = ids(&flows.operator.run(&all).json()).iter().map(|id| (*id).to_owned()).collect();
            found.sort_unstable();
            found
        };
        let sorted = |ids: &[&String]| {
            let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(found(&["--state", "failed"]), sorted(&[&a]));
        assert_eq!(found(&["-s", "Completed", "-s", "FAILED"]), sorted(&[&a, &b]));
        assert_eq!(found(&["--domain", "a"]), sorted(&[&a, &c]));
        assert_eq!(found(&["--since", "1h"]).len(), 3);
        assert_eq!(found(&["--since", "+1h"]), [""; 0]);
        let shown = flows.operator.run(&["runs", "--flow", &flows.flow]).success();
        assert!([a, b, c].iter().all(|id| shown.contains(id.as_str())), "{shown}");
        let stderr = flows.operator.run(&["runs", "--state", "faild"]).failure(2);
        assert!(stderr.contains("'faild' is no state of a flow run") && stderr.contains("did you mean 'failed'?"), "{stderr}");
    }

    fn a_run_is_known_by_a_beginning_of_its_id(lake) {
        let flows = Flows::new(lake);
        let started: Vec<String> = (0..40).map(|_| flows.start(&json!({}))).collect();
        for id in &started[..3] {
            let shown = flows.operator.run(&["runs", "show", &id[..13].to_uppercase(), "--json"]).json();
            assert_eq!(shown["id"], id.as_str());
        }
        // With so many runs there are two with the same first digit.
        let digit = |id: &String| id[..1].to_owned();
        let twice = started.iter().map(digit).find(|first| started.iter().filter(|id| digit(id) == *first).count() > 1);
        let stderr = flows.operator.run(&["runs", "show", &twice.unwrap()]).failure(2);
        assert!(stderr.contains("flow runs begin with") && stderr.contains("say more of it"), "{stderr}");
        let stderr = flows.operator.run(&["runs", "show", "00000000-0000-0000-0000-000000000000"]).failure(1);
        assert!(stderr.contains("there is no flow run '00000000-0000-0000-0000-000000000000'"), "{stderr}");
        let stderr = flows.operator.run(&["runs", "show", "zebra"]).failure(1);
        assert!(stderr.contains("there is no flow run whose id begins with 'zebra'"), "{stderr}");
    }

    fn what_nobody_has_picked_up_is_cancelled_at_once(lake) {
        let flows = Flows::new(lake);
        let run = flows.start(&json!({}));
        let dry = flows.operator.run(&["runs", "cancel", &run, "--dry-run"]);
        assert!(dry.stderr.contains("dry run: nothing was changed"), "{dry}");
        let ran = flows.operator.run(&["runs", "cancel", &run[..13], "--json"]).json();
        assert_eq!((&ran["id"], &ran["state_type"]), (&json!(run), &json!("CANCELLED")));
        let again = flows.operator.run(&["runs", "cancel", &run]);
        assert!(again.stderr.contains("was cancelled already"), "{again}");
        again.success();
    }

    fn a_cancellation_is_over_when_its_worker_has_obeyed(lake) {
        let flows = Flows::new(lake);
        let run = flows.start(&json!({}));
        flows.enter(&run, "RUNNING");
        let child = flows.operator.start(&["runs", "cancel", &run, "--json"]);
        flows.wait_for(&run, "CANCELLING");
        flows.enter(&run, "CANCELLED");
        assert_eq!(flows.operator.ended(child).json()["state_type"], "CANCELLED");
    }

    fn a_cancellation_that_was_asked_for_before_is_waited_for(lake) {
        let flows = Flows::new(lake);
        let run = flows.start(&json!({}));
        flows.enter(&run, "RUNNING");
        let child = flows.operator.start(&["runs", "cancel", &run]);
        let (_, stderr, _) = stopped("-INT", child, || flows.state_of(&run) == "CANCELLING");
        assert!(!stderr.contains("undo"), "{stderr}");
        let child = flows.operator.start(&["runs", "cancel", &run]);
        thread::sleep(Duration::from_secs(1));
        flows.enter(&run, "CANCELLED");
        let ran = flows.operator.ended(child);
        assert!(ran.stderr.contains("cancelled already"), "{ran}");
        let _ = ran.success();
        let stuck = flows.start(&json!({}));
        flows.enter(&stuck, "RUNNING");
        let forced = flows.operator.run(&["runs", "cancel", &stuck, "--force", "--json"]).json();
        assert_eq!(forced["state_type"], "CANCELLED");
    }

    fn runs_are_found_by_any_tag_and_by_names_that_a_flow_has_made_up(lake) {
        let flows = Flows::new(lake);
        let (tagged, skipped) = (flows.start_tagged(&["domain:a", "domain:b"]), flows.start(&json!({"domain": "7"})));
        flows.enter_named(&skipped, "COMPLETED", "Skipped");
        let found = |words: &[&str]| {
            let listed = flows.operator.run(&[&["runs", "--flow", &flows.flow, "--json"], words].concat()).json();
            ids(&listed).join(",")
        };
        assert_eq!(found(&["--domain", "b"]), tagged);
        assert_eq!(found(&["--domain", "7"]), skipped);
        assert_eq!(found(&["--state", "Skipped"]), skipped);
        let stderr = flows.operator.run(&["runs", "--flow", "other", "--deployment", &flows.deployment()]).failure(2);
        assert!(stderr.contains("is not of flow 'other'"), "{stderr}");
        let stderr = flows.operator.run(&["runs", "--deployment", "none/main"]).failure(1);
        assert!(stderr.contains("there is no deployment 'none/main'"), "{stderr}");
    }

    fn a_chart_of_years_ends_today(lake) {
        let flows = Flows::new(lake);
        flows.enter(&flows.start(&json!({})), "COMPLETED");
        let shown = flows.operator.run(&["runs", "chart", "--since", "1200d", "--flow", &flows.flow]).success();
        let days: Vec<&str> = shown.lines().collect();
        assert!((1200..=1202).contains(&days.len()), "{}", days.len());
        let last = &days[days.len() - 2..];
        assert!(last.iter().any(|day| day.ends_with("█ 1 run")), "{last:?}");
    }

    fn what_could_not_be_cancelled_is_told_as_it_is(lake) {
        let flows = Flows::new(lake);
        let (done, fast) = (flows.start(&json!({})), flows.start(&json!({})));
        flows.enter(&done, "COMPLETED");
        let stderr = flows.operator.run(&["runs", "cancel", &done]).failure(1);
        assert!(stderr.contains("is COMPLETED already"), "{stderr}");
        flows.enter(&fast, "RUNNING");
        let child = flows.operator.start(&["runs", "cancel", &fast]);
        flows.wait_for(&fast, "CANCELLING");
        flows.enter(&fast, "COMPLETED");
        let stderr = flows.operator.ended(child).failure(1);
        assert!(stderr.contains("is Completed: it could not be cancelled any more"), "{stderr}");
    }

    fn a_failed_run_runs_again_in_its_place(lake) {
        let flows = Flows::new(lake);
        let run = flows.start(&json!({"domain": "d"}));
        let stderr = flows.operator.run(&["runs", "retry", &run]).failure(1);
        assert!(stderr.contains("has not failed: it is SCHEDULED"), "{stderr}");
        flows.enter(&run, "FAILED");
        let ran = flows.operator.run(&["runs", "retry", &run, "--json"]).json();
        assert_eq!((&ran["id"], &ran["state_name"]), (&json!(run), &json!("AwaitingRetry")));
        assert_eq!(flows.runs().len(), 1);
        flows.enter(&run, "FAILED");
        let child = flows.operator.start(&["runs", "retry", &run, "--wait"]);
        flows.wait_for(&run, "SCHEDULED");
        flows.enter(&run, "COMPLETED");
        flows.operator.ended(child).success();
    }

    fn waiting_ends_with_the_run_and_its_state_is_the_exit_code(lake) {
        let flows = Flows::new(lake);
        for (state, code) in [("COMPLETED", 0), ("CRASHED", 1)] {
            let run = flows.start(&json!({}));
            let child = flows.operator.start(&["runs", "wait", &run]);
            flows.enter(&run, "RUNNING");
            flows.enter(&run, state);
            let ran = flows.operator.ended(child);
            assert_eq!(ran.code, Some(code), "{ran}");
            assert!(ran.stderr.contains(&format!("{state} by the test")), "{ran}");
        }
        let run = flows.start(&json!({}));
        let stderr = flows.operator.run(&["runs", "wait", &run, "--timeout", "1s"]).failure(1);
        assert!(stderr.contains("after 1s") && stderr.contains("goes on without anybody waiting"), "{stderr}");
    }

    fn logs_are_whole_over_pages_and_within_one_moment(lake) {
        let flows = Flows::new(lake);
        let run = flows.start(&json!({}));
        let lines = |at: &'static str, from: usize, count: usize| -> Vec<(&str, String)> {
            (from..from + count).map(|line| (at, format!("line {line}"))).collect()
        };
        let some = [lines("2026-11-24T20:00:00Z", 0, 30), lines("2026-11-24T20:00:01Z", 30, 450), lines("2026-11-24T20:00:02.5Z", 480, 50)].concat();
        flows.log(&run, &some);
        let shown = flows.operator.run(&["runs", "logs", &run, "--json"]).success();
        let shown: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut texts: Vec<&str> = shown.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!((texts.len(), texts[0].len() < 8, texts[529]), (530, true, texts[529]));
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 530);
        let times: Vec<&str> = shown.iter().map(|line| line["timestamp"].as_str().unwrap()).collect();
        assert!(times.is_sorted());
        let shown = flows.operator.run(&["runs", "logs", &run, "--utc"]).success();
        assert!(shown.contains("2026-11-24 20:00:02.500Z INFO line 529\n"), "{shown}");
        let nothing = flows.operator.run(&["runs", "logs", &run, "--level", "error"]);
        assert!(nothing.stderr.contains("has logged nothing"), "{nothing}");
        assert_eq!(nothing.success(), "");
    }

    fn logs_are_followed_until_the_run_has_ended(lake) {
        let flows = Flows::new(lake);
        let run = flows.start(&json!({}));
        flows.enter(&run, "RUNNING");
        let mut child = flows.operator.start(&["runs", "logs", &run, "--follow", "--json"]);
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || serde_json::from_str::<Value>(&stdout.next().unwrap().unwrap()).unwrap()["message"].clone();
        let now = || jiff::Timestamp::now();
        let line = |at: jiff::Timestamp, text: &str| flows.log(&run, &[(&at.to_string(), text.to_owned())]);
        line(now(), "one");
        assert_eq!(next(), "one");
        // What another process has logged comes later.
        line(now() - Duration::from_secs(5), "before one");
        assert_eq!(next(), "before one");
        // And what comes very late is there in the end.
        line(now() - Duration::from_mins(10), "long ago");
        flows.enter(&run, "CRASHED");
        line(now(), "last words");
        let mut last = [next(), next()];
        last.sort_by_key(ToString::to_string);
        assert_eq!(last, ["last words", "long ago"]);
        assert!(stdout.next().is_none());
        let stderr = flows.operator.ended(child).failure(1);
        assert!(stderr.contains("Crashed"), "{stderr}");
    }

    fn a_day_is_drawn_as_a_bar(lake) {
        let flows = Flows::new(lake);
        for state in ["COMPLETED", "COMPLETED", "FAILED"] {
            flows.enter(&flows.start(&json!({})), state);
        }
        let shown = flows.operator.run(&["runs", "chart", "--since", "2d", "--flow", &flows.flow]).success();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 3, "{shown}");
        assert!(shown.contains(" ██× 3 runs, 1 failed\n") && lines[0].ends_with(" no runs"), "{shown}");
        let days = flows.operator.run(&["runs", "chart", "--since", "2d", "--flow", &flows.flow, "--json"]).json();
        let states = days.as_array().unwrap().iter().map(|day| day["states"].as_array().unwrap().len());
        assert_eq!(states.max(), Some(2));
    }

    fn a_runbook_starts_a_run_once_for_each_key(lake) {
        let flows = Flows::new(lake);
        let runbook = format!(
            "//! Start.\n//! ```toml\n//! effect = \"write\"\n//! ```\nfn main(args) {{\n    let run = prefect::run({:?}, #{{domain: \"d\"}}, #{{key: \"{}\", tags: [\"nightly\"]}});\n    \
             prefect::run({:?}, #{{}});\n    run\n}}\n",
            flows.deployment(), flows.flow, flows.deployment()
        );
        flows.operator.work_file("start.rhai", &runbook);
        let planned = flows.operator.run(&["run", "start.rhai", "--dry-run"]);
        assert!(planned.stdout.contains(&format!("flow run of {} by the key {}", flows.deployment(), flows.flow)), "{planned}");
        assert_eq!(flows.runs().len(), 0);
        let first = flows.operator.run(&["run", "start.rhai", "--json"]).json();
        assert_eq!((&first["parameters"]["domain"], &first["tags"][0]), (&json!("d"), &json!("nightly")));
        let second = flows.another().with("DASHI_X", "1");
        second.work_file("start.rhai", &runbook);
        let second = second.run(&["run", "start.rhai", "--json"]).json();
        assert_eq!((&second["id"], &second["earlier"]), (&first["id"], &json!(true)));
        // What has no key is a run of its own each time.
        assert_eq!(flows.runs().len(), 3);
    }

    fn a_start_whose_answer_is_lost_is_asked_for_again_and_is_one(lake) {
        let flows = Flows::new(lake);
        flows.prefect.counting(|request| request.target.ends_with("/create_flow_run")).at_change(0, Hook::ForwardThenDrop);
        let code = format!("prefect::run({:?}, #{{}}).id", flows.deployment());
        let id = flows.operator.run(&["eval", "--effect", "write", &code, "--json"]).json();
        assert_eq!(flows.runs().iter().map(|run| run["id"].clone()).collect::<Vec<_>>(), [id]);
    }
}

#[test]
fn prefect_that_is_away_while_logs_are_followed_is_told_and_they_go_on() {
    let flows = Flows::new(Lake::Sandbox);
    let run = flows.start(&json!({}));
    flows.enter(&run, "RUNNING");
    let mut child = flows
        .operator
        .start(&["runs", "logs", &run, "--follow", "--json"]);
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    flows.log(
        &run,
        &[(&jiff::Timestamp::now().to_string(), "before".to_owned())],
    );
    assert!(stdout.next().unwrap().unwrap().contains("before"));
    flows
        .prefect
        .answering(|_| Some(reply("503 Service Unavailable", "{}")));
    flows.prefect.wait_for_answers(503, 6);
    flows.prefect.answering(|_| None);
    flows.log(
        &run,
        &[(&jiff::Timestamp::now().to_string(), "after".to_owned())],
    );
    assert!(stdout.next().unwrap().unwrap().contains("after"));
    flows.enter(&run, "COMPLETED");
    let ran = flows.operator.ended(child);
    assert!(ran.stderr.contains("it is asked again"), "{ran}");
    ran.success();
}

#[test]
fn an_answer_that_cannot_be_is_no_answer() {
    let flows = Flows::new(Lake::Sandbox);
    let run = flows.start(&json!({}));
    flows
        .prefect
        .answering(|_| Some(reply("200 OK", "{\"x\": 1}")));
    for words in [
        &["runs", "wait", &run][..],
        &["runs", "show", &run],
        &["runs", "logs", &run],
        &["runs", "cancel", &run],
        &["runs", "retry", &run],
        &["runs", "chart"],
        &["runs"],
        &[
            "backfill",
            &flows.deployment(),
            "--from",
            "2026-01-01",
            "--to",
            "2026-01-02",
        ],
    ] {
        let stderr = flows.operator.run(words).failure(1);
        assert!(
            stderr.starts_with("error: prefect gave ") && stderr.contains("/api/"),
            "{words:?}: {stderr}"
        );
    }
}

#[test]
fn a_wait_ends_in_time_also_where_no_answer_comes() {
    let flows = Flows::new(Lake::Sandbox);
    let run = flows.start(&json!({}));
    flows.prefect.counting(|_| true).at_change(0, Hook::Hold);
    let stderr = flows
        .operator
        .run(&["runs", "wait", &run, "--timeout", "1s"])
        .failure(1);
    assert!(
        stderr.contains("within 1s") || stderr.contains("after 1s"),
        "{stderr}"
    );
    flows.prefect.release();
}

#[test]
fn a_followed_run_that_is_removed_is_told() {
    let flows = Flows::new(Lake::Sandbox);
    let run = flows.start(&json!({}));
    let child = flows.operator.start(&["runs", "logs", &run, "--follow"]);
    thread::sleep(Duration::from_secs(1));
    flows.remove(&run);
    let stderr = flows.operator.ended(child).failure(1);
    assert!(
        stderr.contains("Scheduled") && stderr.contains("the flow run is gone from Prefect"),
        "{stderr}"
    );
}
