//! Backfills: one run a partition, whatever becomes of the program that starts them.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::flows::{Flows, in_time};
use super::interrupt::stopped;
use super::lakes::{Lake, on_both_lakes};
use super::operator::Ran;
use super::stage::sampled;
use super::wire::{Hook, Request};

/// The line that fills the first days of January.
fn line<'a>(deployment: &'a str, to: &'a str, words: &[&'a str]) -> Vec<&'a str> {
    [
        &["backfill", deployment, "--from", "2026-01-01", "--to", to],
        words,
    ]
    .concat()
}

fn fill(flows: &Flows, to: &str, words: &[&str]) -> Ran {
    let deployment = flows.deployment();
    flows.operator.run(&line(&deployment, to, words))
}

/// The runs of the flow, by their partition.
fn by_day(flows: &Flows) -> BTreeMap<String, Vec<Value>> {
    let mut days: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for run in flows.runs() {
        let day = run["parameters"]["as_of"]
            .as_str()
            .unwrap_or("none")
            .to_owned();
        days.entry(day).or_default().push(run);
    }
    days
}

fn states(rows: &Value) -> Vec<(String, String, i64)> {
    let rows = rows.as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.map(|row| {
        (
            text(&row["partition"]),
            text(&row["state"]),
            row["attempt"].as_i64().unwrap(),
        )
    })
    .collect()
}

fn is_start(request: &Request) -> bool {
    request.target.ends_with("/create_flow_run")
}

/// Whether the program has taken the answers to so many starts: it has asked for something since.
fn went_on_after(flows: &Flows, starts: usize) -> bool {
    let requests = flows.prefect.requests();
    let mut asked = requests
        .iter()
        .enumerate()
        .filter(|(_, request)| is_start(request));
    let last = asked.nth(starts - 1);
    last.is_some_and(|(at, _)| at + 1 < requests.len())
}

/// The command that goes on, as it was told.
fn hint(stderr: &str) -> String {
    let told = stderr
        .lines()
        .find_map(|line| line.split_once("do what is left: "));
    told.unwrap_or_else(|| panic!("{stderr}")).1.to_owned()
}

/// Puts the last run of a day, once it is there, into a state.
fn enter(flows: &Flows, day: &str, state: &str) {
    let last = |runs: &Vec<Value>| {
        let last = runs.iter().max_by_key(|run| run["created"].to_string());
        last.map(|run| run["id"].as_str().unwrap().to_owned())
    };
    let run = in_time("a run of the day", || by_day(flows).get(day).and_then(last));
    flows.enter(&run, state);
}

on_both_lakes! {
    fn one_run_is_started_for_each_day_and_none_twice(lake) {
        let flows = Flows::new(lake);
        let dry = fill(&flows, "2026-01-04", &["--dry-run", "--json"]);
        assert!(dry.stderr.contains("3 partitions: 3 missing"), "{dry}");
        assert_eq!(flows.runs().len(), 0);
        let rows = fill(&flows, "2026-01-04", &["--set", "domain=d", "--set", "scale=2", "--max-active", "9", "--json"]).json();
        let running = |day: &str| (day.to_owned(), "running".to_owned(), 1);
        assert_eq!(states(&rows), ["2026-01-01", "2026-01-02", "2026-01-03"].map(running));
        let days = by_day(&flows);
        assert_eq!(days.keys().collect::<Vec<_>>(), ["2026-01-01", "2026-01-02", "2026-01-03"]);
        assert_eq!(days["2026-01-01"][0]["parameters"], json!({"as_of": "2026-01-01", "domain": "d", "scale": 2}));
        let again = fill(&flows, "2026-01-04", &["--set", "scale=2", "--set", "domain=d"]);
        assert!(again.stderr.contains("nothing is missing: no flow run was started"), "{again}");
        assert_eq!(flows.runs().len(), 3);
        // Other parameters are another backfill, and a longer span has more days of the same.
        let _ = fill(&flows, "2026-01-02", &["--set", "domain=e"]).success();
        let _ = fill(&flows, "2026-01-05", &["--set", "domain=d", "--set", "scale=2", "--max-active", "9"]).success();
        assert_eq!(flows.runs().len(), 5);
    }

    fn what_failed_gets_another_attempt_and_only_when_it_is_asked_for(lake) {
        let flows = Flows::new(lake);
        let _ = fill(&flows, "2026-01-04", &[]).success();
        enter(&flows, "2026-01-01", "COMPLETED");
        enter(&flows, "2026-01-02", "CRASHED");
        let preview = fill(&flows, "2026-01-05", &["--dry-run"]);
        assert!(preview.stderr.contains("4 partitions: 1 done, 1 running, 1 failed, 1 missing"), "{preview}");
        let left = fill(&flows, "2026-01-04", &[]);
        assert!(left.stderr.contains("1 have failed; --only failed tries them again"), "{left}");
        let rows = fill(&flows, "2026-01-04", &["--only", "failed", "--json"]).json();
        assert_eq!(states(&rows)[1], ("2026-01-02".to_owned(), "running".to_owned(), 2));
        let _ = fill(&flows, "2026-01-04", &["--only", "failed"]).success();
        assert_eq!(by_day(&flows)["2026-01-02"].len(), 2);
        for run in &by_day(&flows)["2026-01-02"] {
            flows.enter(run["id"].as_str().unwrap(), "FAILED");
        }
        let rows = fill(&flows, "2026-01-04", &["--only", "failed", "--json"]).json();
        assert_eq!(states(&rows)[1].2, 3);
    }

    fn no_more_runs_are_under_way_than_allowed_and_the_newest_may_come_first(lake) {
        let flows = Flows::new(lake);
        let deployment = flows.deployment();
        let child = flows.operator.start(&line(&deployment, "2026-01-05", &["--max-active", "2", "--order", "desc", "--wait"]));
        for (day, next) in [("2026-01-04", "2026-01-02"), ("2026-01-03", "2026-01-01")] {
            while flows.runs().len() < 2 {
                thread::sleep(Duration::from_millis(50));
            }
            assert!(!by_day(&flows).contains_key(next));
            enter(&flows, day, "COMPLETED");
            while !by_day(&flows).contains_key(next) {
                thread::sleep(Duration::from_millis(50));
            }
        }
        assert_eq!(flows.runs().len(), 4);
        enter(&flows, "2026-01-02", "COMPLETED");
        enter(&flows, "2026-01-01", "FAILED");
        let ran = flows.operator.ended(child);
        assert_eq!(ran.code, Some(1), "{ran}");
        assert!(ran.stderr.contains("2026-01-04: flow run") && ran.stdout.contains("failed"), "{ran}");
    }

    fn ctrl_c_stops_starting_and_says_how_it_goes_on(lake) {
        let flows = Flows::new(lake);
        let deployment = flows.deployment();
        let child = flows.operator.start(&line(&deployment, "2026-01-09", &["--max-active", "2"]));
        let (code, stderr, _) = stopped("-INT", child, || went_on_after(&flows, 2));
        assert_eq!(code, Some(130), "{stderr}");
        assert!(stderr.contains("2 of 8 were started; the same command again goes on from there"), "{stderr}");
        assert_eq!(flows.runs().len(), 2);
        let _ = fill(&flows, "2026-01-09", &["--max-active", "9"]).success();
        assert!(by_day(&flows).values().all(|runs| runs.len() == 1) && flows.runs().len() == 8);
    }

    fn a_run_that_is_removed_from_prefect_holds_nothing_up(lake) {
        let flows = Flows::new(lake);
        let deployment = flows.deployment();
        let child = flows.operator.start(&line(&deployment, "2026-01-03", &["--max-active", "1", "--wait"]));
        flows.wait_for_runs(1);
        flows.remove(by_day(&flows)["2026-01-01"][0]["id"].as_str().unwrap());
        flows.wait_for_runs(1);
        enter(&flows, "2026-01-02", "COMPLETED");
        let ran = flows.operator.ended(child);
        assert_eq!(ran.code, Some(1), "{ran}");
        assert!(ran.stdout.contains("missing"), "{ran}");
    }

    fn waiting_tells_also_of_what_another_call_has_started(lake) {
        let flows = Flows::new(lake);
        let _ = fill(&flows, "2026-01-03", &[]).success();
        let deployment = flows.deployment();
        let child = flows.operator.start(&line(&deployment, "2026-01-03", &["--wait"]));
        thread::sleep(Duration::from_secs(1));
        enter(&flows, "2026-01-01", "COMPLETED");
        enter(&flows, "2026-01-02", "FAILED");
        let stderr = flows.operator.ended(child).failure(1);
        assert!(stderr.contains("2026-01-02: flow run"), "{stderr}");
        let _ = fill(&flows, "2026-01-03", &["--wait"]).failure(1);
    }

    fn a_first_attempt_that_is_removed_makes_none_of_a_second(lake) {
        let flows = Flows::new(lake);
        let _ = fill(&flows, "2026-01-02", &[]).success();
        enter(&flows, "2026-01-01", "FAILED");
        let first = flows.runs()[0]["id"].as_str().unwrap().to_owned();
        let _ = fill(&flows, "2026-01-02", &["--only", "failed"]).success();
        flows.remove(&first);
        enter(&flows, "2026-01-01", "COMPLETED");
        let rows = fill(&flows, "2026-01-02", &["--json"]).json();
        assert_eq!(states(&rows), [("2026-01-01".to_owned(), "done".to_owned(), 2)]);
    }

    fn no_more_are_under_way_than_allowed_also_by_two_programs_and_when_a_plan_is_resumed(lake) {
        let flows = Flows::new(lake);
        let deployment = flows.deployment();
        let words = line(&deployment, "2026-01-05", &["--max-active", "1"]);
        let plan = [&words[..], &["--plan-out", "fill.plan"]].concat();
        let _ = flows.operator.run(&plan).success();
        let child = flows.operator.start(&["apply", "fill.plan", "--yes"]);
        let (code, stderr, _) = stopped("-INT", child, || flows.runs().len() == 1);
        assert_eq!(code, Some(130), "{stderr}");
        let resumed = flows.operator.copied(&format!("{} & sleep 3; kill -INT $!; wait $!", hint(&stderr)));
        assert!(resumed.stderr.contains("1 flow runs are under way, of at most 1"), "{resumed}");
        let other = flows.another();
        let child = other.start(&words);
        thread::sleep(Duration::from_secs(2));
        assert_eq!(flows.runs().len(), 1);
        enter(&flows, "2026-01-01", "COMPLETED");
        let (code, stderr, _) = stopped("-INT", child, || flows.runs().len() == 2);
        assert_eq!(code, Some(130), "{stderr}");
    }

    fn a_backfill_that_is_killed_anywhere_and_run_again_starts_one_run_a_day(lake) {
        let flows = Flows::new(lake);
        let deployment = flows.deployment();
        let words = line(&deployment, "2026-01-13", &["--max-active", "99"]);
        let points: Vec<usize> = (0..12).collect();
        for point in sampled(&points, 4) {
            let is_late = point % 2 == 1;
            // Before the request has come to Prefect, or after it has done it and before the answer is back.
            flows.prefect.forget();
            let wire = flows.prefect.counting(is_start);
            wire.at_change(0, if is_late { Hook::ForwardThenDrop } else { Hook::Hold });
            let child = flows.operator.start(&words);
            let at_work = || if is_late { flows.prefect.requests().iter().any(is_start) } else { flows.prefect.is_held() };
            let _ = stopped("-KILL", child, at_work);
            if !is_late {
                flows.prefect.release();
            }
            flows.prefect.wait_until_settled();
        }
        let _ = flows.operator.run(&words).success();
        let days = by_day(&flows);
        assert_eq!(days.len(), 12);
        assert!(days.values().all(|runs| runs.len() == 1), "{days:?}");
    }
}

#[test]
fn other_steps_and_another_parameter_are_taken() {
    let flows = Flows::new(Lake::Sandbox);
    let _ = fill(
        &flows,
        "2026-03-02",
        &["--every", "1mo", "--param", "month"],
    )
    .success();
    let mut months: Vec<String> = flows
        .runs()
        .iter()
        .map(|run| run["parameters"]["month"].to_string())
        .collect();
    months.sort_unstable();
    assert_eq!(
        months,
        ["\"2026-01-01\"", "\"2026-02-01\"", "\"2026-03-01\""]
    );
    let rows = fill(
        &flows,
        "2026-01-01T12:00:00Z",
        &["--every", "12h", "--json"],
    )
    .json();
    assert_eq!(states(&rows)[0].0, "2026-01-01T00:00:00Z");
    let rows = fill(&flows, "2026-01-02", &["--every", "12h", "--json"]).json();
    assert_eq!(states(&rows)[1].0, "2026-01-01T12:00:00Z");
    assert_eq!(flows.runs().len(), 5);
}

#[test]
fn a_beginning_that_is_told_by_how_long_ago_it_is_begins_with_its_hour_or_day() {
    let flows = Flows::new(Lake::Sandbox);
    let deployment = flows.deployment();
    let ago = |every: &str| {
        let line = [
            "backfill",
            &deployment,
            "--from",
            "30h",
            "--to",
            "now",
            "--every",
            every,
            "--dry-run",
        ];
        let stdout = flows.operator.run(&line).success();
        stdout
            .lines()
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    assert!(ago("1h").ends_with(":00:00Z"), "{}", ago("1h"));
    assert_eq!(ago("1d").len(), "2026-01-01".len());
    let from = [
        "backfill",
        &deployment,
        "--from",
        "2026-01-01T18:00:00Z",
        "--to",
        "2026-01-03",
    ];
    let stderr = flows.operator.run(&from).failure(2);
    assert!(
        stderr.contains("days begin at midnight UTC, and --from"),
        "{stderr}"
    );
    let stderr = fill(&flows, "2026-01-03T05:00:00Z", &[]).failure(2);
    assert!(
        stderr.contains("days begin at midnight UTC, and --to"),
        "{stderr}"
    );
}

#[test]
fn a_parameter_is_what_was_typed() {
    let flows = Flows::new(Lake::Sandbox);
    let set = [
        "a=12345678901234567890",
        "b=2.5",
        "c=1e10",
        "d=[1, \"x\"]",
        "e=null",
        "f=true",
        "g=007",
    ];
    let words: Vec<&str> = set.iter().flat_map(|set| ["--set", *set]).collect();
    let _ = fill(&flows, "2026-01-02", &words).success();
    let parameters = flows.runs()[0]["parameters"].clone();
    let expected = json!({
        "as_of": "2026-01-01", "domain": flows.flow, "a": "12345678901234567890", "b": 2.5, "c": "1e10", "d": [1, "x"], "e": null, "f": true, "g": "007",
    });
    assert_eq!(parameters, expected);
}

#[test]
fn wrong_words_are_told_with_what_is_right() {
    let flows = Flows::new(Lake::Sandbox);
    for (to, words, told) in [
        (
            "2026-01-01",
            &[][..],
            "there is no partition from 2026-01-01 to 2026-01-01",
        ),
        ("2026-01-02", &["--every", "0d"], "'0d' is no step in time"),
        ("2026-01-02", &["--set", "domain"], "'domain' sets nothing"),
        (
            "2026-01-02",
            &["--set", "as_of=1"],
            "--set as_of is what each partition has of its own",
        ),
        (
            "2026-01-02",
            &["--max-active", "0"],
            "--max-active is a number from 1 up",
        ),
        ("soon", &[], "'soon' is not a time"),
    ] {
        let stderr = fill(&flows, to, words).failure(2);
        assert!(stderr.contains(told), "{stderr}");
    }
    let stderr = flows
        .operator
        .run(&[
            "backfill",
            "none/main",
            "--from",
            "2026-01-01",
            "--to",
            "2026-01-02",
        ])
        .failure(1);
    assert!(
        stderr.contains("there is no deployment 'none/main'"),
        "{stderr}"
    );
    let stderr = flows
        .operator
        .run(&[
            "backfill",
            "none",
            "--from",
            "2026-01-01",
            "--to",
            "2026-01-02",
        ])
        .failure(2);
    assert!(stderr.contains("'none' is no deployment"), "{stderr}");
}
