//! The audit line: on stderr, in the journal and in Loki before anything is destroyed, whatever happens then.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::folder::Folder;
use super::lakes::{Lake, Tapped, on_both_lakes};
use super::operator::Operator;
use super::wire::{Hook, reply};

/// A tapped lake with `a` in a folder of it.
fn with_one(lake: Lake, stem: &str) -> (Tapped, Folder) {
    let (mut tapped, folder) = (lake.tapped(), Folder::new(stem));
    tapped.operator = folder.apart(tapped.operator);
    folder.put(&tapped.served.operator(), "a", "text");
    (tapped, folder)
}

/// The next line of a program's stderr that begins so; fails where none comes in time.
fn next_line(stderr: ChildStderr, beginning: &'static str) -> String {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let _ = lines
            .find(|line| line.starts_with(beginning))
            .map(|line| sender.send(line));
    });
    receiver.recv_timeout(Duration::from_mins(3)).unwrap()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The lines in Loki of operators' runs that hold this text, the oldest first.
fn in_loki(url: &str, text: &str) -> Vec<String> {
    let mut query = Url::parse(&format!("{url}/loki/api/v1/query_range")).unwrap();
    query
        .query_pairs_mut()
        .append_pair("query", "{job=\"dashictl\", namespace=\"dashi-ops\"}")
        .append_pair("direction", "forward")
        .append_pair("limit", "5000");
    let target = &query[url::Position::BeforePath..];
    let mut stream = TcpStream::connect(query.socket_addrs(|| None).unwrap()[0]).unwrap();
    write!(stream, "GET {target} HTTP/1.0\r\nhost: loki\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let found: Value = serde_json::from_str(body).unwrap();
    let streams = found["data"]["result"].as_array().unwrap().iter();
    let lines = streams.flat_map(|stream| stream["values"].as_array().unwrap());
    lines
        .filter_map(|line| line[1].as_str())
        .filter(|line| line.contains(text))
        .map(str::to_owned)
        .collect()
}

/// The audit lines in the journals below HOME.
fn in_journals(operator: &Operator) -> Vec<String> {
    let runs = operator.home().join(".local/state/dashi/runs");
    let mut files: Vec<_> = std::fs::read_dir(runs)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.retain(|file| file.is_file() && !file.to_string_lossy().contains(".plan-"));
    let text: String = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|line| line["audit"].as_str().map(str::to_owned))
        .collect()
}

/// The fields of a line of logfmt; words without a value are no fields. Fails where a field is there twice, and where a
/// quote stands anywhere but around a value.
fn fields(line: &str) -> BTreeMap<String, String> {
    let (mut fields, mut rest) = (BTreeMap::new(), line);
    while !rest.is_empty() {
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        assert!(!name.contains(['"', '\'']), "{name} in {line}");
        let Some(value) = after.strip_prefix('=') else {
            rest = after.trim_start();
            continue;
        };
        let mut values = serde_json::Deserializer::from_str(value).into_iter::<String>();
        let (value, read) = if value.starts_with('"') {
            (values.next().unwrap().unwrap(), values.byte_offset())
        } else {
            let end = value.find(' ').unwrap_or(value.len());
            (value[..end].to_owned(), end)
        };
        assert!(
            fields.insert(name.to_owned(), value).is_none(),
            "{name} twice in {line}"
        );
        rest = after[1 + read..].trim_start();
    }
    fields
}

fn audits(stderr: &str) -> Vec<&str> {
    stderr
        .lines()
        .filter(|line| line.starts_with("[audit] "))
        .collect()
}

on_both_lakes! {
    fn the_line_is_everywhere_before_the_first_change_and_stays_after_a_kill(lake) {
        let (tapped, folder) = with_one(lake, "audit");
        tapped.s3.counting(|request| request.is_change() && request.target.starts_with("/landing/")).at_change(0, Hook::Hold);
        let script = folder.delete_all();
        let mut child = tapped.operator.start(&["eval", "--effect", "destroy", "--apply", "--yes", &script]);
        let line = next_line(child.stderr.take().unwrap(), "[audit] ");
        tapped.s3.wait_until_held();
        let fields = fields(&line);
        for (name, value) in [("context", "default"), ("bucket", "landing"), ("objects", "1"), ("records", "0"), ("bytes", "4"), ("effect", "destroy")] {
            assert_eq!(fields[name], value, "{line}");
        }
        assert!(fields["script"].starts_with("sha256:") && fields["actor"].contains('@'), "{line}");
        let push = tapped.loki.pushes().into_iter().next().unwrap();
        let first = tapped.s3.changes().into_iter().find(|request| request.target.starts_with("/landing/")).unwrap();
        assert!(push.order < first.order && push.answer == Some(204), "{push:?}\n{first:?}");
        kill(child);
        assert_eq!(in_loki(&tapped.served.addresses.loki, &fields["run"]), std::slice::from_ref(&line));
        assert_eq!(in_journals(&tapped.operator), [line]);
        assert_eq!(folder.names(&tapped.served.operator()), ["a"]);
        tapped.s3.release();
        tapped.s3.wait_until_settled();
    }

    fn what_came_of_it_is_said_after_with_the_same_fields(lake) {
        let (tapped, folder) = with_one(lake, "outcome");
        let script = folder.delete_all();
        let ran = tapped.operator.run(&["eval", "--effect", "destroy", "--apply", "--yes", &script]);
        let lines = audits(&ran.stderr);
        let [before, after] = lines[..] else { panic!("{ran}") };
        let (before, mut after) = (fields(before), fields(after));
        let outcome = ["outcome", "done", "left", "failed"].map(|name| after.remove(name).unwrap());
        assert_eq!((outcome.map(String::from), &before), (["done", "1", "0", "0"].map(String::from), &after));
        assert_eq!(in_loki(&tapped.served.addresses.loki, &before["run"]), lines);
        let _ = ran.success();
    }
}

#[test]
fn the_script_in_the_line_is_that_of_the_plan_also_where_it_comes_from_a_file() {
    let (tapped, folder) = with_one(Lake::Sandbox, "digest");
    let script = folder.delete_all();
    let plan = tapped
        .operator
        .run(&[
            "eval",
            "--effect",
            "destroy",
            "--json",
            "--plan-out",
            "plan.jsonl",
            &script,
        ])
        .json();
    let ran = tapped.operator.run(&["apply", "plan.jsonl", "--yes"]);
    assert_eq!(
        fields(audits(&ran.stderr)[0])["script"],
        plan["plan"]["script"].as_str().unwrap()
    );
    let _ = ran.success();
}

#[test]
fn a_loki_that_takes_nothing_is_warned_of_and_keeps_nobody_from_working() {
    let (tapped, folder) = with_one(Lake::Sandbox, "down");
    let script = folder.delete_all();
    let line = ["eval", "--effect", "destroy", "--apply", "--yes", &script];
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let down = [("DASHI_LOKI_URL", format!("http://{nobody}"))];
    tapped
        .loki
        .answering(|_| Some(reply("400 Bad Request", "no")));
    for variables in [&down[..], &[]] {
        folder.put(&tapped.served.operator(), "a", "text");
        let ran = tapped.operator.run_in(variables, &line);
        assert!(
            ran.stderr
                .contains("warning: the audit line could not be pushed to Loki"),
            "{ran}"
        );
        assert_eq!(audits(&ran.stderr).len(), 2, "{ran}");
        let _ = ran.success();
        assert_eq!(folder.names(&tapped.operator), [""; 0]);
    }
    let off = [("DASHI_LOKI_URL", "off".to_owned())];
    folder.put(&tapped.served.operator(), "a", "text");
    let ran = tapped.operator.run_in(&off, &line);
    assert!(!ran.stderr.contains("warning"), "{ran}");
    let _ = ran.success();
}

#[test]
fn the_actor_is_who_was_configured_else_the_user_at_this_machine() {
    let (tapped, folder) = with_one(Lake::Sandbox, "actor");
    let script = folder.delete_all();
    let line = ["eval", "--effect", "destroy", "--apply", "--yes", &script];
    let configured = [(
        "DASHI_AUDIT_ACTOR",
        "Ann \"the\" Operator actor=root\n[audit] x".to_owned(),
    )];
    // What $USER claims counts for nothing.
    let claimed = [("USER", "somebody-else".to_owned())];
    for (variables, expected) in [(&configured, None), (&claimed, Some("@"))] {
        folder.put(&tapped.served.operator(), "a", "text");
        let ran = tapped.operator.run_in(variables, &line);
        let actor = fields(audits(&ran.stderr)[0])["actor"].clone();
        match expected {
            None => assert_eq!(actor, variables[0].1),
            Some(sign) => assert!(
                actor.contains(sign) && !actor.contains("somebody-else"),
                "{actor}"
            ),
        }
        let _ = ran.success();
    }
}

#[test]
fn no_argument_passes_for_a_field_or_a_line() {
    for odd in [
        "x actor=root run=01J00000000000000000000000",
        "x\" actor=root y=\"",
        "x' actor=root y='",
        "x\n[audit] dashictl gc --apply context=prod actor=root",
        "x\r\u{2028}\u{9b}31m actor=root",
        "a=b",
        "\\",
    ] {
        let (tapped, folder) = with_one(Lake::Sandbox, "forged");
        let script = format!("{} /* {odd} */", folder.delete_all());
        let ran = tapped
            .operator
            .run(&["eval", "--effect", "destroy", "--apply", "--yes", &script]);
        let lines = audits(&ran.stderr);
        assert_eq!(lines.len(), 2, "{ran}");
        let fields = fields(lines[0]);
        assert!(
            fields["actor"].contains('@') && fields["context"] == "default",
            "{odd}: {ran}"
        );
        let known = [
            "actor", "bucket", "bytes", "command", "context", "effect", "objects", "records",
            "run", "script",
        ];
        assert_eq!(fields.keys().collect::<Vec<_>>(), known, "{odd}");
        assert!(
            fields["command"].starts_with("dashictl eval --effect destroy '"),
            "{}",
            fields["command"]
        );
        assert!(
            lines[0].starts_with("[audit] dashictl eval --effect destroy --apply command="),
            "{}",
            lines[0]
        );
        assert_eq!(
            in_loki(&tapped.served.addresses.loki, &fields["run"]),
            lines
        );
        let _ = ran.success();
    }
}

#[test]
fn what_is_taken_back_or_ended_for_good_is_counted_too() {
    let (tapped, folder) = with_one(Lake::Sandbox, "counted");
    let script = folder.delete_all();
    let operator = &tapped.operator;
    let destroy = || operator.run(&["eval", "--effect", "destroy", "--apply", "--yes", &script]);
    let run = fields(audits(&destroy().stderr)[0])["run"].clone();
    let undo = operator.run(&["undo", &run, "--yes"]);
    let run = fields(audits(&destroy().stderr)[0])["run"].clone();
    let line = [
        "trash",
        "purge",
        "--run",
        &run,
        "--older-than",
        "0s",
        "--apply",
        "--yes",
    ];
    let purge = operator.run(&line);
    for ran in [undo, purge] {
        let fields = fields(audits(&ran.stderr)[0]);
        assert_eq!(
            (&*fields["objects"], &*fields["bytes"]),
            ("1", "4"),
            "{ran}"
        );
        let _ = ran.success();
    }
}
