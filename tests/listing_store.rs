//! A store that has any number of objects without keeping one: their keys are numbers, and it does nothing but list them, in
//! the order of their bytes. The tests of memory and the benches list it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Begins one that lists so many pages of a thousand objects, each page after a while. Gives its address.
pub fn listing(pages: usize, latency: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream, pages, latency));
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream, pages: usize, latency: Duration) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    while let Some(first) = lines.next() {
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        thread::sleep(latency);
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
