//! `dashictl log`: the runs of this machine and of the lake, and what each did; also where a journal is damaged.

use std::fs;

use super::deletes::refuse;
use super::lakes::Lake;
use super::operator::Operator;
use super::stage::{Service, Stage, journals, runs};
use super::wire::{Request, reply};

/// Writes an object: a run that is kept on this machine alone.
fn write(operator: &Operator, key: &str) -> String {
    let script = format!("s3::write(\"s3://landing/{key}\", \"1\")");
    let earlier = runs(operator);
    let _ = operator
        .run(&["eval", "--effect", "write", &script])
        .success();
    runs(operator).difference(&earlier).next().unwrap().clone()
}

fn listed(operator: &Operator, flags: &[&str]) -> Vec<String> {
    let line = [&["log", "list", "--json"], flags].concat();
    let rows = operator.run(&line).json();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row["run"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_newest_runs_are_listed_first() {
    let operator = Lake::Sandbox.operator();
    let written = ["a", "b", "c"].map(|key| write(&operator, key));
    let mut newest_first = written.to_vec();
    newest_first.reverse();
    assert_eq!(listed(&operator, &[]), newest_first);
    assert_eq!(listed(&operator, &["--limit", "2"]), newest_first[..2]);
    let table = operator.run(&["log", "list"]).success();
    let ids: Vec<&str> = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(ids, newest_first, "{table}");
    assert!(
        operator
            .run(&["log", "list", "--limit", "none"])
            .failure(2)
            .contains("--limit")
    );
}

#[test]
fn what_threads_write_at_once_is_one_run() {
    let operator = Lake::Sandbox.operator();
    let script = "let all = []; for n in 0..16 { all.push(n); }
        parallel(all, 16, |n| s3::write(`s3://landing/thread/${n}`, `${n}`)); ()";
    for n in 1..=4 {
        operator
            .run(&["eval", "--effect", "write", script])
            .success();
        let rows = operator.run(&["log", "list", "--json"]).json();
        let outcomes: Vec<&str> = rows
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|row| row["outcome"].as_str())
            .collect();
        assert_eq!(outcomes, vec!["done"; n]);
    }
}

#[test]
fn a_machine_without_runs_lists_none() {
    let operator = Lake::Sandbox.operator();
    assert_eq!(
        operator.run(&["log", "list", "--json"]).json(),
        serde_json::json!([])
    );
}

#[test]
fn what_was_done_left_alone_and_failed_is_shown_with_its_reasons() {
    let stage = Stage::new(Lake::Sandbox);
    let name = stage.data(1).remove(0);
    let (held, left) = (
        format!("/killed-runs/{name}/batch/1.bin"),
        format!("/killed-runs/{name}/single.bin"),
    );
    stage
        .tapped
        .s3
        .answering(move |request| refuse(request, &held, "not that one"));
    // Somebody writes over an object after the plan was made.
    let plan = stage.tapped.operator.work().join("plan.jsonl");
    let order = stage.order(&name);
    let line = [&order[..3], &["--plan-out", "plan.jsonl"]].concat();
    let _ = stage.tapped.operator.run(&line).success();
    let script = format!("s3::write(\"s3:/{left}\", \"by somebody else\")");
    let _ = stage
        .tapped
        .served
        .operator()
        .run(&["eval", "--effect", "write", &script])
        .success();
    let ran = stage
        .tapped
        .operator
        .run(&["apply", plan.to_str().unwrap(), "--yes"]);
    let stderr = ran.failure(4);
    assert!(
        stderr.contains("not that one") && stderr.contains("it was changed since the plan"),
        "{stderr}"
    );

    let run = runs(&stage.tapped.operator).pop_last().unwrap();
    let shown = stage
        .tapped
        .operator
        .run(&["log", "show", &run, "--json"])
        .json();
    assert_eq!(shown["outcome"], "partly");
    let of = |end: &str| {
        let mut steps = shown["steps"].as_array().unwrap().iter();
        let step = steps
            .find(|step| step["target"].as_str().unwrap().ends_with(end))
            .unwrap();
        (
            step["outcome"].as_str().unwrap(),
            step["why"].as_str().unwrap_or_default(),
        )
    };
    assert_eq!(of("/batch/0.bin"), ("done", ""));
    assert_eq!(of("/batch/1.bin").0, "failed");
    assert!(of("/batch/1.bin").1.contains("not that one"), "{shown:#}");
    assert_eq!(of("/single.bin"), ("left", "it was changed since the plan"));
    assert!(
        of("-doomed")
            .1
            .contains("which comes before it, was not wholly done"),
        "{shown:#}"
    );
    let ran = stage.tapped.operator.run(&["log", "show", &run]);
    assert!(
        ran.stderr.contains("[audit] dashictl mixed") && ran.stderr.contains("partly"),
        "{ran}"
    );
    let table = ran.success();
    assert!(
        table
            .lines()
            .any(|line| line.contains("/single.bin") && line.contains("left")),
        "{table}"
    );
    // The record stays, since not all that comes before it went.
    assert!(
        stage
            .changes(Service::Catalogue)
            .iter()
            .all(|change| change.method != "DELETE")
    );
}

#[test]
fn a_run_of_this_machine_is_shown_also_when_the_lake_does_not_answer() {
    let stage = Stage::new(Lake::Sandbox);
    let name = stage.data(1).remove(0);
    let operator = &stage.tapped.operator;
    operator.run(&stage.order(&name)).success();
    let run = runs(operator).pop_last().unwrap();
    let refuse = |_: &Request| {
        Some(reply(
            "403 Forbidden",
            "<Error><Code>AccessDenied</Code></Error>",
        ))
    };
    stage.tapped.s3.answering(refuse);
    let shown = operator.run(&["log", "show", &run, "--json"]);
    assert!(
        shown.stderr.contains("only what this machine knows"),
        "{shown}"
    );
    assert_eq!(shown.json()["outcome"], "done");
    let listed = operator.run(&["log", "list", "--json"]);
    assert!(
        listed.stderr.contains("only the runs of this machine"),
        "{listed}"
    );
    assert_eq!(listed.json()[0]["run"], run.as_str());
    let stderr = stage.somebody_else().run(&["log", "show", &run]).failure(1);
    assert!(stderr.contains("AccessDenied"), "{stderr}");
}

#[test]
fn a_run_that_nobody_knows_is_an_error_that_says_how_to_list() {
    let operator = Lake::Sandbox.operator();
    for verb in [&["log", "show"][..], &["undo"], &["resume"]] {
        let unknown = [verb, &["01M88191BRTCTFAB46QWAYQJX0"]].concat();
        let stderr = operator.run(&unknown).failure(1);
        assert!(
            stderr.contains("01M88191BRTCTFAB46QWAYQJX0") && stderr.contains("dashictl log list"),
            "{stderr}"
        );
        for nonsense in ["yesterday", "../../etc/passwd", ""] {
            let stderr = operator.run(&[verb, &[nonsense]].concat()).failure(2);
            assert!(stderr.contains("is no id of a run"), "{stderr}");
        }
    }
}

#[test]
fn a_journal_that_was_cut_off_is_still_shown() {
    let operator = Lake::Sandbox.operator();
    let run = write(&operator, "straße ä ö ü ä ö ü");
    let path = journals(&operator).join(format!("{run}.jsonl"));
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap();
    // Through a letter of two bytes, in the middle of a word, and after a line.
    let letter = whole.iter().rposition(|byte| *byte == 0xc3).unwrap() + 1;
    for (cut, outcome) in [
        (whole.len() - 3, "unfinished"),
        (letter, "unfinished"),
        (first + 1, "unfinished"),
        (first, "unfinished"),
    ] {
        fs::write(&path, &whole[..cut]).unwrap();
        let ran = operator.run(&["log", "show", &run, "--json"]);
        assert_eq!(ran.json()["outcome"], outcome, "cut at {cut}");
        assert_eq!(listed(&operator, &[]), [run.as_str()], "cut at {cut}");
    }
}

#[test]
fn a_journal_of_garbage_hides_no_other() {
    let operator = Lake::Sandbox.operator();
    let run = write(&operator, "a");
    let garbage = [
        ("01M88191BRTCTFAB46QWAYQJX0", &b"\xff\xfe\0garbage\n{}"[..]),
        ("01M88191BRTCTFAB46QWAYQJX1", b""),
        ("01M88191BRTCTFAB46QWAYQJX2", b"{\"run\": 7}\n"),
    ];
    for (id, text) in garbage {
        fs::write(journals(&operator).join(format!("{id}.jsonl")), text).unwrap();
    }
    fs::write(journals(&operator).join("notes.txt"), "not a journal").unwrap();
    fs::create_dir(journals(&operator).join("01M88191BRTCTFAB46QWAYQJX3.jsonl")).unwrap();
    assert_eq!(listed(&operator, &[]), [run.as_str()]);
    let stderr = operator.run(&["log", "list"]).stderr;
    for (id, _) in garbage {
        assert!(stderr.contains(id), "{stderr}");
        let stderr = operator.run(&["log", "show", id]).failure(1);
        assert!(stderr.contains(id), "{stderr}");
    }
    let _ = operator.run(&["log", "show", &run]).success();
}
