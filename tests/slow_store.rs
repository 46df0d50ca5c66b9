//! A store that takes what is uploaded slowly, or stops taking it: how long an upload lasts is nobody's business as long as
//! it flows, and one that stands still is given up.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::operator::{Operator, Ran};

/// More than the system keeps on the way.
const SIZE: usize = 48 << 20;
/// Read at a time.
const STEP: usize = 2 << 20;

/// What becomes of a body.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    /// A step at a time, with pauses shorter than the timeout, and longer than it in all.
    Slow,
    /// A step, and nothing more.
    Stuck,
}

/// A store with one bucket and no objects. Gives its URL.
fn store(pace: Pace) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let is_there = Arc::new(AtomicBool::new(false));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let is_there = Arc::clone(&is_there);
            thread::spawn(move || serve(client, pace, &is_there));
        }
    });
    url
}

fn serve(mut client: TcpStream, pace: Pace, is_there: &AtomicBool) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let is_object = head.contains(" /landing/a.bin");
        let has = is_there.load(Ordering::SeqCst);
        let length = if has && is_object { SIZE } else { 0 };
        let answer = match head.split(' ').next().unwrap_or_default() {
            "PUT" if !take(&mut reader, pace) => return,
            "PUT" => {
                is_there.store(true, Ordering::SeqCst);
                "HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 0\r\n\r\n".to_owned()
            }
            "HEAD" if is_object && !has => {
                "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n"
                    .to_owned()
            }
            _ => format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"),
        };
        client.write_all(answer.as_bytes()).unwrap();
    }
}

/// Whether the body was taken to its end.
fn take(body: &mut impl Read, pace: Pace) -> bool {
    let mut step = vec![0; STEP];
    for _ in 0..SIZE / STEP {
        body.read_exact(&mut step).unwrap();
        if pace == Pace::Stuck {
            thread::sleep(Duration::from_mins(1));
            return false;
        }
        thread::sleep(Duration::from_millis(200));
    }
    true
}

fn uploaded(pace: Pace) -> Ran {
    let operator = Operator::new()
        .with("DASHI_S3_ENDPOINT", store(pace))
        .with("DASHI_S3_ACCESS_KEY", "key")
        .with("DASHI_S3_SECRET_KEY", "s3-slow-store-secret")
        .with("DASHI_HTTP_TIMEOUT", "1500ms")
        .with("DASHI_HTTP_RETRIES", "0");
    fs::create_dir_all(operator.work()).unwrap();
    fs::write(operator.work().join("a.bin"), vec![7; SIZE]).unwrap();
    let script = "s3::upload(\"a.bin\", \"s3://landing/a.bin\", #{part_size: 100000000}).size";
    operator.run(&["eval", "--effect", "write", script])
}

#[test]
fn an_upload_lasts_as_long_as_it_flows() {
    assert_eq!(uploaded(Pace::Slow).success(), format!("{SIZE}\n"));
}

#[test]
fn an_upload_that_stands_still_is_given_up() {
    let stderr = uploaded(Pace::Stuck).failure(1);
    assert!(
        stderr.contains("s3 did not answer PutObject of s3://landing/a.bin"),
        "{stderr}"
    );
    assert!(stderr.contains("within 1s500ms"), "{stderr}");
    assert!(stderr.contains("timeout"), "{stderr}");
}
