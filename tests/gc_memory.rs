//! Garbage collection over a bucket of any size: what it keeps in memory is the references, not the objects.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::lakes::Lake;
use super::operator::Operator;

/// Objects of the small and of the large bucket, in thousands; in an ordinary run of the tests, and in a full one.
const THOUSANDS: [[usize; 2]; 2] = [[10, 100], [10, 500]];

/// What one may need more than the other: the allocator's doing, and the table's cache.
const SLACK: u64 = 24 << 10;

#[test]
fn memory_does_not_grow_with_the_number_of_objects() {
    let whole = std::env::var_os("DASHICTL_TEST_FULL").is_some();
    let served = Lake::Sandbox.served();
    let [small, large] = THOUSANDS[usize::from(whole)].map(|thousands| {
        let operator = served
            .operator()
            .with("DASHI_S3_ENDPOINT", listing(thousands));
        peak(&operator, thousands * 1000)
    });
    assert!(
        large < small + SLACK,
        "{small} KiB for the small bucket, {large} KiB for the large one"
    );
}

/// The most memory of a run, in KiB. Every object there is is an orphan.
fn peak(operator: &Operator, objects: usize) -> u64 {
    let script = "lake::orphans(#{bucket: \"processed\"}).account.reasons.orphan.objects";
    let mut child = operator.start(&["eval", script]);
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak = peak.max(now.unwrap_or(0));
        thread::sleep(Duration::from_millis(5));
    }
    let ran = operator.ended(child);
    assert_eq!(ran.success(), format!("{objects}\n"));
    peak
}

/// A store that lists so many pages of a thousand objects, and has nothing else. Gives its address.
fn listing(pages: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream, pages));
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream, pages: usize) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    while let Some(first) = lines.next() {
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        let body = if first.contains("list-type=2") {
            page(begin(&first), pages)
        } else {
            "<ListMultipartUploadsResult/>".to_owned()
        };
        let date = httpdate::fmt_http_date(std::time::SystemTime::now());
        let head = format!(
            "HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let sent = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body.as_bytes()));
        if sent.is_err() {
            return;
        }
    }
}

/// The first object that is asked for: by the token, or after a key.
fn begin(request: &str) -> usize {
    let value = |name: &str| {
        let rest = request.split(name).nth(1)?;
        Some(rest.split(['&', ' ']).next()?.to_owned())
    };
    if let Some(token) = value("continuation-token=") {
        return token.parse().unwrap();
    }
    let Some(after) = value("start-after=") else {
        return 0;
    };
    // Keys are numbers of one width: whatever stands behind the digits comes after them.
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    let padded = format!("{digits:0<9}");
    let number: usize = padded[..9].parse().unwrap();
    if digits.len() == 9 {
        number + 1
    } else {
        number + 10_usize.pow(9 - u32::try_from(digits.len()).unwrap())
    }
}

fn page(begin: usize, pages: usize) -> String {
    let end = (begin + 1000).min(pages * 1000);
    let objects: String = (begin..end)
        .map(|n| {
            format!(
                "<Contents><Key>{n:09}</Key><Size>1</Size><ETag>&quot;9e107d9d372bb6826bd81d3542a419d6&quot;</ETag>\
                 <LastModified>2020-01-01T00:00:00.000Z</LastModified></Contents>"
            )
        })
        .collect();
    let more = if end < pages * 1000 {
        format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{end}</NextContinuationToken>"
        )
    } else {
        "<IsTruncated>false</IsTruncated>".to_owned()
    };
    format!("<ListBucketResult>{more}{objects}</ListBucketResult>")
}
