//! How long a command takes to start: `domain list` against a local service, `--version`, and the service's own answer.
//! The budget is 10 ms over `--version` plus the answer; what is measured is printed, nothing is asserted.
//!
//! Each round runs all three in turn, so that a drift of the machine touches them alike; medians are printed.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: usize = 40;
const BODY: &str = r#"{"collections":[{"id":"a","title":"A"},{"id":"b","title":"B"}],"links":[]}"#;

fn main() {
    let home = std::env::temp_dir().join(format!("dashictl-bench-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap_or_default();
    let address = serve();
    let url = format!("http://{address}");
    let run = |arguments: &[&str]| {
        let started = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dashictl"));
        command
            .env_clear()
            .env("HOME", &home)
            .args(arguments)
            .stdout(Stdio::null());
        assert!(
            command.status().is_ok_and(|status| status.success()),
            "{arguments:?} failed"
        );
        started.elapsed()
    };
    let mut rounds: Vec<[Duration; 4]> = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push([
            run(&["--version"]),
            run(&["--help"]),
            run(&["domain", "list", "--stac-url", &url]),
            answer(&address),
        ]);
    }
    let [version, help, list, answer] =
        [0, 1, 2, 3].map(|column| median(rounds.iter().map(|round| round[column]).collect()));
    println!("--version            {version:>10.1?}");
    println!("--help               {help:>10.1?}");
    println!("domain list          {list:>10.1?}");
    println!("the service's answer {answer:>10.1?}");
    println!(
        "start of domain list over --version plus the answer: {:.1?} (budget 10 ms)",
        list.saturating_sub(version + answer)
    );
    std::fs::remove_dir_all(&home).unwrap_or_default();
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Answers every request with two collections.
fn serve() -> String {
    let Ok(listener) = TcpListener::bind("127.0.0.1:0") else {
        panic!("no port on loopback")
    };
    let address = listener
        .local_addr()
        .map(|address| address.to_string())
        .unwrap_or_default();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                BODY.len()
            );
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(BODY.as_bytes()));
        }
    });
    address
}

/// How long the service alone takes, on a new connection.
fn answer(address: &str) -> Duration {
    let started = Instant::now();
    let Ok(mut stream) = TcpStream::connect(address) else {
        panic!("the service is gone")
    };
    let _ = stream.write_all(b"GET /collections HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let _ = stream.read_to_end(&mut Vec::new());
    started.elapsed()
}
