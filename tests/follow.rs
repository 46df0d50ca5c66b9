//! `audit tail --follow`: every line once, in order but for the late ones, however fast they come and however often the
//! way to Loki breaks.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::lakes::{Addresses, Lake, on_both_lakes};
use super::operator::Operator;
use super::scissors::Scissors;

/// How long is waited for a line that must come.
const PATIENCE: Duration = Duration::from_mins(2);
const WRITERS: i64 = 4;
/// Each writer's lines come in so many pushes of so many lines.
const PUSHES: i64 = 100;
const LINES: i64 = 100;
pub const SECOND: i64 = 1_000_000_000;

/// The Loki of a lake, and somebody who follows it.
pub struct Log {
    pub app: String,
    loki: String,
    runtime: Runtime,
    http: reqwest::Client,
}

impl Log {
    pub fn new(loki: &str) -> Log {
        Log {
            app: Lake::name("follow"),
            loki: loki.to_owned(),
            runtime: Runtime::new().unwrap(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub fn query(&self) -> String {
        format!("{{app={:?}}}", self.app)
    }

    /// Pushes lines of one writer.
    pub fn push(&self, writer: i64, lines: &[(i64, String)]) {
        self.runtime.block_on(self.send(writer, lines));
    }

    async fn send(&self, writer: i64, lines: &[(i64, String)]) {
        let values: Vec<Value> = lines
            .iter()
            .map(|(at, line)| json!([at.to_string(), line]))
            .collect();
        let stream = json!({"app": self.app, "writer": writer.to_string()});
        let body = json!({"streams": [{"stream": stream, "values": values}]});
        let url = format!("{}/loki/api/v1/push", self.loki);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
    }

    /// Writes all lines of all writers at 10,000 a second: many of one moment, the same moments for all, and every twentieth
    /// push up to five seconds late. Gives the text of each with its time.
    fn write_all(&self) -> HashMap<String, i64> {
        let writers = (0..WRITERS).map(|writer| async move {
            let mut written = Vec::new();
            let mut ticks = tokio::time::interval(Duration::from_millis(40));
            for push in 0..PUSHES {
                ticks.tick().await;
                let late = if push % 20 == 19 {
                    (push % 6) * SECOND - SECOND / 3
                } else {
                    0
                };
                let base = (now() - late) / 10_000_000 * 10_000_000;
                let line = |line: i64| (base + line / 25, format!("{writer} {push} {line}"));
                let lines: Vec<(i64, String)> = (0..LINES).map(line).collect();
                self.send(writer, &lines).await;
                written.extend(lines);
            }
            written
        });
        let all = self.runtime.block_on(futures::future::join_all(writers));
        all.into_iter()
            .flatten()
            .map(|(at, text)| (text, at))
            .collect()
    }
}

/// A program that follows, with the lines it has printed.
pub struct Follower {
    child: Child,
    lines: Receiver<Value>,
}

impl Follower {
    pub fn start(operator: &Operator, arguments: &[&str]) -> Follower {
        let all = [&["audit", "tail", "--follow", "--json"], arguments].concat();
        let mut child = operator.start(&all);
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Follower { child, lines }
    }

    /// The next line that it prints, but for those of its beginning.
    pub fn next(&self) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            if line["line"] != "begin" {
                return line;
            }
        }
    }

    /// Waits until it follows: then what is pushed is shown.
    pub fn at_work(&self, log: &Log) {
        let begun = Instant::now();
        loop {
            log.push(WRITERS, &[(now(), "begin".to_owned())]);
            match self.lines.recv_timeout(Duration::from_millis(500)) {
                Ok(line) if line["line"] == "begin" => return,
                Ok(other) => panic!("{other}"),
                Err(_) => assert!(begun.elapsed() < PATIENCE, "it never followed"),
            }
        }
    }

    /// Ends it; what it has said on stderr.
    pub fn end(self, operator: &Operator) -> String {
        let kill = std::process::Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let ran = operator.ended(self.child);
        assert_eq!(ran.code, Some(130), "{ran}");
        ran.stderr
    }
}

pub fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap()
}

pub fn nanoseconds(line: &Value) -> i64 {
    let time: jiff::Timestamp = line["ts"].as_str().unwrap().parse().unwrap();
    i64::try_from(time.as_nanosecond()).unwrap()
}

pub fn behind(scissors: &Scissors, addresses: &Addresses) -> Operator {
    let addresses = Addresses {
        loki: scissors.url().to_owned(),
        ..addresses.clone()
    };
    addresses.operator()
}

on_both_lakes! {
    fn each_of_forty_thousand_lines_comes_once_though_the_way_is_cut_twenty_times(lake) {
        let served = lake.served();
        let (log, scissors) = (Log::new(&served.addresses.loki), Scissors::before(&served.addresses.loki));
        let operator = behind(&scissors, &served.addresses);
        let follower = Follower::start(&operator, &["--limit", "0", "--query", &log.query()]);
        follower.at_work(&log);
        let cutter = thread::spawn({
            let scissors = scissors.clone();
            move || for _ in 0..20 {
                thread::sleep(Duration::from_millis(200));
                scissors.cut();
            }
        });
        let written = log.write_all();
        cutter.join().unwrap();
        let (mut seen, mut last) = (HashMap::new(), BTreeMap::new());
        while seen.len() < written.len() {
            let line = follower.next();
            let (at, text) = (nanoseconds(&line), line["line"].as_str().unwrap().to_owned());
            assert_eq!(written[&text], at, "{line}");
            assert_eq!(seen.insert(text, at), None, "twice: {line}");
            let latest = last.entry(line["labels"]["writer"].to_string()).or_insert(i64::MIN);
            assert_eq!(line["late"] == true, at < *latest, "{line}");
            *latest = at.max(*latest);
        }
        assert!(follower.lines.recv_timeout(Duration::from_secs(3)).is_err(), "more than was written");
        follower.end(&operator);
    }
}
