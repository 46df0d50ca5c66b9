//! Following a log: how long a line takes from its push to its print, by the bell of Loki's tail and by a timer, and how
//! much memory the program has while lines come for a minute. What is measured is printed, nothing is asserted.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(
    clippy::expect_used,
    reason = "a bench that cannot begin has nothing to say"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dashictl::clients::tls;
use dashictl::sandbox::{Ports, Sandbox};
use serde_json::json;
use tokio::runtime::Runtime;

/// So many lines are timed, so far apart.
const TIMED: usize = 200;
const APART: Duration = Duration::from_millis(97);
/// Lines a push, pushes a second, and seconds while memory is looked at.
const TOGETHER: usize = 500;
const PUSHES: u64 = 10;
const SECONDS: u64 = 60;

fn main() {
    tls::install_provider();
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = Runtime::new().expect("a runtime");
    let state = folder.path().join("sandbox");
    let starting = Sandbox::start(&state, Ports::default());
    let sandbox = runtime.block_on(starting).expect("a sandbox");
    let file = folder.path().join(".config/dashi/config.toml");
    fs::create_dir_all(folder.path().join(".config/dashi")).expect("a folder");
    fs::write(file, format!("loki_url = {:?}\n", sandbox.loki_url())).expect("a configuration");
    let log = Log {
        url: format!("{}/loki/api/v1/push", sandbox.loki_url()),
        http: reqwest::Client::new(),
        runtime,
    };
    for (name, poll) in [("by the bell", "10m"), ("--poll 200ms", "200ms")] {
        let mut latencies = timed(&log, folder.path(), poll);
        latencies.sort_unstable();
        let of = |part: usize| latencies[(latencies.len() - 1) * part / 100];
        println!(
            "{name:<13} push to print: median {} ms, 99 of 100 within {} ms, longest {} ms",
            of(50),
            of(99),
            of(100)
        );
    }
    memory(&log, folder.path());
}

struct Log {
    url: String,
    http: reqwest::Client,
    runtime: Runtime,
}

impl Log {
    /// Pushes so many lines that say when they were pushed.
    fn push(&self, app: &str, count: usize) {
        let at = now();
        let values: Vec<_> = (0..count)
            .map(|line| json!([(at + line as u128).to_string(), format!("{at} {line}")]))
            .collect();
        let body = json!({"streams": [{"stream": {"app": app}, "values": values}]});
        let sent = self
            .runtime
            .block_on(self.http.post(&self.url).json(&body).send());
        assert!(sent.expect("an answer").status().is_success());
    }
}

/// A program that follows, and what it prints with the time at which it did.
struct Follower(Child, Receiver<(u128, String)>);

impl Follower {
    fn start(home: &Path, app: &str, poll: &str) -> Follower {
        let query = format!("{{app={app:?}}}");
        let mut child = Command::new(env!("CARGO_BIN_EXE_dashictl"))
            .args([
                "audit", "tail", "--follow", "--raw", "--limit", "0", "--query", &query, "--poll",
                poll,
            ])
            .env_clear()
            .env("HOME", home)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program");
        let (sender, receiver) = channel();
        let stdout: ChildStdout = child.stdout.take().expect("its output");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send((now(), line));
            }
        });
        // It has looked at what is there, and listens.
        std::thread::sleep(Duration::from_secs(2));
        Follower(child, receiver)
    }

    fn next(&self) -> (u128, String) {
        self.1
            .recv_timeout(Duration::from_secs(30))
            .expect("a line")
    }

    fn memory(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("its status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("its memory");
        line.trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number")
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The milliseconds from push to print of each line.
fn timed(log: &Log, home: &Path, poll: &str) -> Vec<u128> {
    let app = format!("timed-{poll}");
    let follower = Follower::start(home, &app, poll);
    for _ in 0..TIMED {
        log.push(&app, 1);
        std::thread::sleep(APART);
    }
    let printed = (0..TIMED).map(|_| follower.next());
    let latency = |(at, line): (u128, String)| {
        let pushed: u128 = line
            .split(' ')
            .next()
            .and_then(|at| at.parse().ok())
            .expect("its time");
        at.saturating_sub(pushed) / 1_000_000
    };
    printed.map(latency).collect()
}

fn memory(log: &Log, home: &Path) {
    let follower = Follower::start(home, "steady", "1s");
    for second in 1..=SECONDS {
        for _ in 0..PUSHES {
            let began = std::time::Instant::now();
            log.push("steady", TOGETHER);
            for _ in 0..TOGETHER {
                follower.next();
            }
            std::thread::sleep(
                Duration::from_millis(1000 / PUSHES).saturating_sub(began.elapsed()),
            );
        }
        if second % 15 == 0 {
            println!(
                "memory after {:>6} lines: {} MiB",
                second * PUSHES * TOGETHER as u64,
                follower.memory() / 1024
            );
        }
    }
}

fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|since| since.as_nanos())
        .unwrap_or_default()
}
