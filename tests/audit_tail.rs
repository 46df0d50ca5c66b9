//! Reading the logs: the newest lines in the order of their times, spans of any length, and what Loki says no to.

use serde_json::Value;

use super::follow::{Follower, Log, SECOND, behind, now};
use super::lakes::{Addresses, Lake, on_both_lakes};
use super::operator::{Operator, Ran};
use super::scissors::Scissors;
use super::wire::{Wire, reply};

struct Reader {
    log: Log,
    operator: Operator,
    addresses: Addresses,
    _served: super::lakes::Served,
}

impl Reader {
    fn new(lake: Lake) -> Reader {
        let served = lake.served();
        Reader {
            log: Log::new(&served.addresses.loki),
            operator: served.operator(),
            addresses: served.addresses.clone(),
            _served: served,
        }
    }

    /// A tap in front of Loki, and an operator behind it.
    fn behind_a_tap(&self) -> (Wire, Operator) {
        let wire = Wire::before(&self.addresses.loki);
        let addresses = Addresses {
            loki: wire.url().to_owned(),
            ..self.addresses.clone()
        };
        (wire, addresses.operator())
    }

    fn tail(&self, words: &[&str]) -> Ran {
        self.operator
            .run(&[&["audit", "tail", "--query", &self.log.query()], words].concat())
    }

    fn texts(&self, words: &[&str]) -> Vec<String> {
        let printed = self.tail(&[words, &["--raw"]].concat()).success();
        printed.lines().map(str::to_owned).collect()
    }

    /// Lines of a writer, so far apart, the last one now.
    fn lines(&self, writer: i64, count: i64, apart: i64) -> i64 {
        let first = now() - count * apart;
        let all: Vec<(i64, String)> = (0..count)
            .map(|at| (first + at * apart, format!("{writer} {at}")))
            .collect();
        for some in all.chunks(2000) {
            self.log.push(writer, some);
        }
        first
    }
}

on_both_lakes! {
    fn the_newest_lines_of_all_streams_are_shown_in_the_order_of_their_times(lake) {
        let reader = Reader::new(lake);
        let at = now() - 60 * SECOND;
        reader.log.push(1, &[(at, "one".to_owned()), (at + 2, "three".to_owned()), (at + 4, "five".to_owned())]);
        reader.log.push(2, &[(at + 1, "two".to_owned()), (at + 3, "four".to_owned())]);
        assert_eq!(reader.texts(&["--limit", "3"]), ["three", "four", "five"]);
        assert_eq!(reader.texts(&[]), ["one", "two", "three", "four", "five"]);
        assert_eq!(reader.texts(&["--all"]), ["one", "two", "three", "four", "five"]);
        let shown = reader.tail(&["--utc", "--labels", "writer, app", "-n", "1"]).success();
        let time = jiff::Timestamp::from_nanosecond(i128::from(at + 4)).unwrap();
        assert_eq!(shown, format!("{} 1/{} five\n", time.strftime("%Y-%m-%d %H:%M:%S.%3fZ"), reader.log.app));
        let json = reader.tail(&["--json", "-n", "1"]).success();
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["line"], &json["labels"]["writer"]), (&"five".into(), &"1".into()));
        assert_eq!(super::follow::nanoseconds(&json), at + 4);
    }

    fn more_lines_than_loki_gives_at_once_are_paged_either_way(lake) {
        let reader = Reader::new(lake);
        let first = reader.lines(1, 12_000, 1_000_000);
        let all = reader.texts(&["--all", "--since", "1h"]);
        assert_eq!((all.len(), all[0].as_str(), all[11_999].as_str()), (12_000, "1 0", "1 11999"));
        let newest = reader.texts(&["--limit", "7000"]);
        assert_eq!((newest.len(), newest[0].as_str(), newest[6999].as_str()), (7000, "1 5000", "1 11999"));
        // The first moment belongs to a span, the last one does not.
        let time = |at: i64| jiff::Timestamp::from_nanosecond(i128::from(at)).unwrap().to_string();
        let some = reader.texts(&["--from", &time(first + 1_000_000), "--to", &time(first + 3_000_000)]);
        assert_eq!(some, ["1 1", "1 2"]);
    }

    fn more_lines_of_one_moment_than_loki_gives_at_once_are_all_there(lake) {
        let reader = Reader::new(lake);
        let at = now() - SECOND;
        let all: Vec<(i64, String)> = (0..11_000).map(|line| (at, format!("line {line}"))).collect();
        for some in all.chunks(2000) {
            reader.log.push(1, some);
        }
        for words in [&["--all"][..], &["--limit", "20000"]] {
            let mut texts = reader.texts(words);
            assert_eq!(texts.len(), 11_000);
            texts.sort_unstable();
            texts.dedup();
            assert_eq!(texts.len(), 11_000);
        }
        let follower = Follower::start(&reader.operator, &["--all", "--since", "1h", "--query", &reader.log.query()]);
        for _ in 0..11_000 {
            follower.next();
        }
        follower.end(&reader.operator);
    }

    fn a_log_that_begins_with_a_clock_that_is_behind_is_followed_too(lake) {
        let reader = Reader::new(lake);
        let follower = Follower::start(&reader.operator, &["--limit", "0", "--query", &reader.log.query()]);
        std::thread::sleep(std::time::Duration::from_secs(1));
        reader.log.push(1, &[(now() - 900 * SECOND, "of a quarter of an hour ago".to_owned())]);
        assert_eq!(follower.next()["line"], "of a quarter of an hour ago");
        follower.end(&reader.operator);
    }

    fn following_begins_with_the_newest_lines_and_goes_on_with_each_new_one(lake) {
        let reader = Reader::new(lake);
        reader.lines(1, 20, 1000);
        let follower = Follower::start(&reader.operator, &["--limit", "3", "--query", &reader.log.query()]);
        let texts: Vec<Value> = (0..3).map(|_| follower.next()["line"].clone()).collect();
        assert_eq!(texts, ["1 17", "1 18", "1 19"]);
        let at = now();
        for text in ["new", "of the same moment"] {
            reader.log.push(1, &[(at, text.to_owned())]);
            assert_eq!(follower.next()["line"], text);
        }
        // Older than all of its stream, and older than the first that was shown.
        reader.log.push(1, &[(at - 9 * SECOND, "late".to_owned())]);
        let late = follower.next();
        assert_eq!((&late["line"], &late["late"]), (&"late".into(), &true.into()));
        follower.end(&reader.operator);
    }
}

#[test]
fn a_query_that_loki_cannot_read_is_shown_with_the_place() {
    let reader = Reader::new(Lake::Sandbox);
    let ran = reader
        .operator
        .run(&["audit", "tail", "--query", "{namespace="]);
    let stderr = ran.clone().failure(1);
    assert!(
        stderr.contains(
            "Loki cannot read the query: syntax error: unexpected $end, expecting STRING"
        ),
        "{stderr}"
    );
    let lines: Vec<&str> = stderr.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.trim() == "{namespace=")
        .unwrap();
    assert_eq!(
        lines[at + 1].find('^'),
        lines[at].find('{').map(|begin| begin + 11),
        "{stderr}"
    );
    let followed = reader
        .operator
        .run(&["audit", "tail", "--follow", "--query", "{namespace="])
        .failure(1);
    assert!(
        followed.contains("Loki cannot read the query"),
        "{followed}"
    );
    let empty = reader
        .operator
        .run(&["audit", "tail", "--query", "{app=~\".*\"}"])
        .failure(1);
    assert!(
        empty.contains("queries require at least one regexp or equality matcher"),
        "{empty}"
    );
}

#[test]
fn wrong_words_are_told_with_what_is_right() {
    let reader = Reader::new(Lake::Sandbox);
    for (words, told) in [
        (
            &["--since", "1h", "--from", "2h"][..],
            "--since and --from say the same",
        ),
        (
            &["--follow", "--to", "1h"],
            "--follow has no end, and --to names one",
        ),
        (&["--limit", "0"], "--limit is a number from 1 up"),
        (&["--from", "1h", "--to", "2h"], "there is no time from"),
        (&["--since", "soon"], "'soon' is not a time"),
    ] {
        let stderr = reader.tail(words).failure(2);
        assert!(stderr.contains(told), "{stderr}");
    }
    let nothing = reader.tail(&["--since", "2h"]);
    assert!(nothing.stderr.contains("no lines since 2h"), "{nothing}");
    assert_eq!(nothing.success(), "");
    let told = reader.tail(&["--since", "2026-11-20", "-v"]);
    assert!(
        told.stderr
            .contains("from 2026-11-20 is 2026-11-20T00:00:00Z"),
        "{told}"
    );
}

#[test]
fn a_server_that_gives_less_at_once_is_asked_for_less() {
    let reader = Reader::new(Lake::Sandbox);
    reader.lines(1, 250, 1000);
    let (wire, operator) = reader.behind_a_tap();
    wire.answering(|request| {
        let limit = request.target.split_once("limit=")?.1.split('&').next()?.parse::<u32>().ok()?;
        let words = format!("max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > 100)");
        (limit > 100).then(|| reply("400 Bad Request", &words))
    });
    for words in [&["--all"][..], &["--limit", "1000"], &["--limit", "240"]] {
        let printed = operator
            .run(
                &[
                    &["audit", "tail", "--raw", "--query", &reader.log.query()],
                    words,
                ]
                .concat(),
            )
            .success();
        let lines: Vec<&str> = printed.lines().collect();
        let count = if words.contains(&"240") { 240 } else { 250 };
        assert_eq!((lines.len(), *lines.last().unwrap()), (count, "1 249"));
    }
}

#[test]
fn an_answer_that_cannot_be_is_no_answer() {
    let reader = Reader::new(Lake::Sandbox);
    let (wire, operator) = reader.behind_a_tap();
    let streams = |at: i64| {
        format!(
            r#"{{"status":"success","data":{{"resultType":"streams","result":[{{"stream":{{"a":"b"}},"values":[["{at}","x"]]}}]}}}}"#
        )
    };
    for (body, told) in [
        (
            r#"{"status":"error","error":"too many"}"#.to_owned(),
            "no success",
        ),
        ("<html>".to_owned(), "an answer that is no JSON"),
        (
            r#"{"status":1}"#.to_owned(),
            "an answer that is no list of streams",
        ),
        (streams(5), "a line of another time than was asked for"),
        (
            r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#.to_owned(),
            "it is a metric query",
        ),
    ] {
        wire.answering(move |_| Some(reply("200 OK", &body)));
        let stderr = operator.run(&["audit", "tail"]).failure(1);
        assert!(stderr.contains(told), "{stderr}");
    }
    wire.answering(|_| Some(reply("503 Service Unavailable", "Ingester not ready\n")));
    let stderr = operator.run(&["audit", "tail", "--follow"]).failure(1);
    assert!(
        stderr.contains("loki answered 503") && stderr.contains("Ingester not ready"),
        "{stderr}"
    );
}

#[test]
fn a_loki_without_a_tail_is_asked_again_and_again() {
    let reader = Reader::new(Lake::Sandbox);
    let (wire, operator) = reader.behind_a_tap();
    wire.answering(|request| {
        request
            .target
            .contains("/tail")
            .then(|| reply("404 Not Found", "no such page"))
    });
    let follower = Follower::start(
        &operator,
        &[
            "--limit",
            "0",
            "--poll",
            "100ms",
            "--query",
            &reader.log.query(),
        ],
    );
    follower.at_work(&reader.log);
    for line in 0..5 {
        reader.log.push(1, &[(now(), format!("line {line}"))]);
        assert_eq!(follower.next()["line"], format!("line {line}"));
    }
    let stderr = follower.end(&operator);
    assert_eq!(
        stderr
            .matches("Loki's tail is not to be had; it is asked for new lines every 100ms instead")
            .count(),
        1,
        "{stderr}"
    );
}

#[test]
fn a_loki_that_is_away_is_told_once_and_nothing_is_lost() {
    let reader = Reader::new(Lake::Sandbox);
    let (wire, operator) = reader.behind_a_tap();
    let follower = Follower::start(&operator, &["--limit", "0", "--query", &reader.log.query()]);
    follower.at_work(&reader.log);
    wire.answering(|_| Some(reply("502 Bad Gateway", "gone")));
    reader.lines(1, 500, 1000);
    wire.wait_for_answers(502, 8);
    wire.answering(|_| None);
    let texts: Vec<Value> = (0..500).map(|_| follower.next()["line"].clone()).collect();
    assert_eq!(
        (texts[0].as_str(), texts[499].as_str()),
        (Some("1 0"), Some("1 499"))
    );
    let stderr = follower.end(&operator);
    assert_eq!(
        stderr
            .matches("the log is gone on with when it is back")
            .count(),
        1,
        "{stderr}"
    );
    assert!(stderr.contains("Loki is back"), "{stderr}");
}

#[test]
fn a_connection_that_has_gone_silent_is_noticed() {
    let reader = Reader::new(Lake::Sandbox);
    let scissors = Scissors::before(&reader.addresses.loki);
    let operator = behind(&scissors, &reader.addresses);
    let config = operator.home().join(".config/dashi/config.toml");
    let patient = std::fs::read_to_string(config).unwrap();
    operator.config(&patient.replace("http.timeout = \"10m\"", "http.timeout = \"5s\""));
    let follower = Follower::start(
        &operator,
        &[
            "--limit",
            "0",
            "--poll",
            "10m",
            "--query",
            &reader.log.query(),
        ],
    );
    follower.at_work(&reader.log);
    // What is open stays so and passes nothing on: only a ping that nobody answers tells.
    scissors.forget();
    reader.log.push(1, &[(now(), "after".to_owned())]);
    assert_eq!(follower.next()["line"], "after");
    follower.end(&operator);
}

#[test]
fn long_lines_are_asked_for_in_smaller_parts() {
    let reader = Reader::new(Lake::Sandbox);
    let at = now() - 60 * SECOND;
    let long = "x".repeat(200_000);
    for line in 0..400 {
        reader.log.push(1, &[(at + line, format!("{line} {long}"))]);
    }
    let texts = reader.texts(&["--all"]);
    assert_eq!((texts.len(), texts[399].len()), (400, 200_004));
    let follower = Follower::start(
        &reader.operator,
        &["--limit", "0", "--query", &reader.log.query()],
    );
    follower.at_work(&reader.log);
    follower.end(&reader.operator);
}

#[test]
fn a_reader_that_goes_away_ends_it_and_one_that_does_not_read_does_not_hold_ctrl_c_up() {
    let reader = Reader::new(Lake::Sandbox);
    reader.lines(1, 20_000, 1000);
    let query = reader.log.query();
    let words = ["audit", "tail", "--query", &query];
    let mut gone = reader.operator.start(&[&words[..], &["--follow"]].concat());
    let mut beginning = [0; 10];
    let mut stdout = gone.stdout.take().unwrap();
    std::io::Read::read_exact(&mut stdout, &mut beginning).unwrap();
    drop(stdout);
    let _ = reader.operator.ended(gone).success();
    let mut full = reader.operator.start(&[&words[..], &["--all"]].concat());
    // It has filled the pipe by then, or is about to.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let kill = std::process::Command::new("kill")
        .args(["-INT", &full.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    assert_eq!(full.wait().unwrap().code(), Some(130));
}
