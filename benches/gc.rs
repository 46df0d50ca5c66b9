//! What garbage collection is made of, each against the plain way on the same server or the same keys: membership of very
//! many keys, a listing in several places, deletion in bulk and what the trash costs, a loop of a script over a listing.
//! What is measured is printed, nothing is asserted.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(
    clippy::expect_used,
    reason = "a bench that cannot begin has nothing to say"
)]

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::primitives::ByteStream;
use dashictl::clients::http::Tracer;
use dashictl::clients::s3_transport::Transport;
use dashictl::clients::tls;
use dashictl::lake::{Gathered, Seed};
use dashictl::sandbox::{Ports, Sandbox};
use futures::{StreamExt, stream};

/// References, and keys that are asked for: every second key is one of them.
const MANY: u64 = 10_000_000;

/// Objects that are deleted, and those that are listed.
const DELETED: usize = 5_000;

/// Pages of the listing that a script goes through, of a thousand objects each.
const PAGES: usize = 1_000;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("fingerprints") => fingerprints(),
        Some("hashset") => hash_set(),
        _ => {
            // Each in a process of its own: the peak of one must not be the other's.
            let here = std::env::current_exe().expect("the bench knows where it is");
            for kind in ["fingerprints", "hashset"] {
                let status = Command::new(&here).arg(kind).status();
                assert!(status.is_ok_and(|status| status.success()), "{kind} failed");
            }
            store();
            loops();
        }
    }
}

/// A key like those of a lake, 85 characters long.
fn key(n: u64) -> String {
    let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("gelaende-umwelt/{scattered:032x}/raster/tile-{n:020}.tif")
}

fn fingerprints() {
    let seed = Seed::random();
    let started = Instant::now();
    let mut gathered = Gathered::default();
    for n in 0..MANY {
        gathered.add(seed.print(&key(n)), true);
    }
    let set = gathered.into_set();
    let built = started.elapsed();
    tell("fingerprints", built, |key| set.has(seed.print(key)));
}

fn hash_set() {
    let started = Instant::now();
    let set: HashSet<String> = (0..MANY).map(key).collect();
    tell("HashSet<String>", started.elapsed(), |key| {
        set.contains(key)
    });
}

fn tell(what: &str, built: Duration, has: impl Fn(&str) -> bool) {
    let started = Instant::now();
    let found = (MANY / 2..MANY / 2 + MANY)
        .filter(|n| has(&key(*n)))
        .count();
    let asked = started.elapsed().as_secs_f64();
    println!(
        "{what:<16} built in {:>5.1} s, {:>4.1} million keys a second, {found} found, peak {} MiB",
        built.as_secs_f64(),
        10.0 / asked,
        peak() / 1024
    );
}

/// The most memory that this process had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// An operator with a HOME of its own.
struct Operator {
    home: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Operator {
    /// How long an expression takes, as a whole process.
    fn time(&self, effect: &str, expression: &str, more: &[(&str, &str)]) -> Duration {
        let started = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dashictl"));
        command
            .env_clear()
            .env("HOME", &self.home)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .envs(more.iter().copied())
            .args(["eval", "--effect", effect]);
        if effect == "destroy" {
            command.args(["--apply", "--yes"]);
        }
        let status = command
            .arg(expression)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.is_ok_and(|status| status.success()), "{expression}");
        started.elapsed()
    }
}

/// Deletion on a store of this process.
fn store() {
    tls::install_provider();
    let folder = std::env::temp_dir().join(format!("dashictl-bench-gc-{}", std::process::id()));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let sandbox = runtime
        .block_on(Sandbox::start(&folder.join("lake"), Ports::default()))
        .expect("the sandbox starts");
    let client = client(&sandbox);
    let operator = operator(&folder, &sandbox);
    let fill = || runtime.block_on(fill(&client));
    let bulk = r#"s3::delete(s3::list("s3://landing/bench/"), #{referenced: true})"#;
    fill();
    let started = Instant::now();
    runtime.block_on(delete_singly(&client));
    let singly = started.elapsed();
    fill();
    let without = operator.time("destroy", bulk, &[("DASHI_TRASH_LANDING", "false")]);
    fill();
    let with = operator.time("destroy", bulk, &[]);
    println!("{DELETED} objects, one request after the other      {singly:>8.1?}");
    println!(
        "{DELETED} objects, planned and deleted, trash off   {without:>8.1?} ({:.1} times as fast)",
        singly.as_secs_f64() / without.as_secs_f64()
    );
    println!(
        "{DELETED} objects, the same with the trash          {with:>8.1?} (the trash costs {:.1?})",
        with.saturating_sub(without)
    );
    drop(sandbox);
    std::fs::remove_dir_all(&folder).unwrap_or_default();
}

fn operator(folder: &Path, sandbox: &Sandbox) -> Operator {
    let home = folder.join("home");
    std::fs::create_dir_all(&home).expect("a folder");
    let text = |value: &str| value.to_owned();
    Operator {
        home,
        variables: vec![
            ("DASHI_S3_ENDPOINT", text(sandbox.s3_endpoint())),
            ("DASHI_S3_REGION", text(sandbox.region())),
            ("DASHI_S3_ACCESS_KEY", text(sandbox.access_key())),
            ("DASHI_S3_SECRET_KEY", text(sandbox.secret_key())),
            ("DASHI_STAC_URL", text(sandbox.stac_url())),
            ("DASHI_LOKI_URL", text(sandbox.loki_url())),
        ],
    }
}

fn client(sandbox: &Sandbox) -> Client {
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let (access, secret) = (sandbox.access_key(), sandbox.secret_key());
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(sandbox.region().to_owned()))
        .credentials_provider(Credentials::new(access, secret, None, None, "bench"))
        .endpoint_url(sandbox.s3_endpoint())
        .force_path_style(true)
        .http_client(Transport::new(http, Tracer::new(|_| (), 0, Vec::new())))
        .build();
    Client::from_conf(config)
}

async fn fill(client: &Client) {
    let puts = stream::iter(0..DELETED).map(async |n| {
        let put = client.put_object().bucket("landing");
        let body = ByteStream::from_static(b"bench");
        let put = put.key(format!("bench/{n:05}.tif")).body(body).send();
        put.await.expect("an object is written");
    });
    puts.buffer_unordered(16).collect::<Vec<()>>().await;
    // A plan is whole only in the second after that in which something was written.
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

async fn delete_singly(client: &Client) {
    for n in 0..DELETED {
        let delete = client.delete_object().bucket("landing");
        let delete = delete.key(format!("bench/{n:05}.tif")).send();
        delete.await.expect("an object is deleted");
    }
}

/// A loop of a script over a listing of a million objects against the same listing drained.
fn loops() {
    let home = std::env::temp_dir().join(format!("dashictl-bench-loop-{}", std::process::id()));
    std::fs::create_dir_all(&home).expect("a folder");
    let text = |value: &str| value.to_owned();
    let operator = Operator {
        home: home.clone(),
        variables: vec![
            ("DASHI_S3_ENDPOINT", endless_listing()),
            ("DASHI_S3_ACCESS_KEY", text("bench")),
            ("DASHI_S3_SECRET_KEY", text("bench")),
        ],
    };
    let drained = operator.time("read", r#"s3::list("s3://landing/").drain()"#, &[]);
    let looped = operator.time(
        "read",
        r#"let n = 0; for o in s3::list("s3://landing/") { n += o.size; } n"#,
        &[],
    );
    println!("{PAGES}000 listed objects, drained             {drained:>8.1?}");
    println!(
        "{PAGES}000 listed objects, a loop of a script  {looped:>8.1?} ({:.2} times as long)",
        looped.as_secs_f64() / drained.as_secs_f64()
    );
    std::fs::remove_dir_all(&home).unwrap_or_default();
}

/// A store that lists so many pages and does nothing else. Gives its address.
fn endless_listing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || list_pages(stream));
        }
    });
    format!("http://{address}")
}

fn list_pages(mut stream: TcpStream) {
    let Ok(reading) = stream.try_clone() else {
        return;
    };
    let mut lines = BufReader::new(reading).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        let token = first.split("continuation-token=").nth(1);
        let token = token.and_then(|rest| rest.split(['&', ' ']).next()?.parse().ok());
        let body = page(token.unwrap_or(0));
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n",
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

fn page(number: usize) -> String {
    let objects: String = (0..1000)
        .map(|n| {
            format!(
                "<Contents><Key>gelaende-umwelt/set-{number:06}/raster/tile-{n:06}.tif</Key><Size>1</Size>\
                 <ETag>&quot;9e107d9d372bb6826bd81d3542a419d6&quot;</ETag>\
                 <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            )
        })
        .collect();
    let next = number + 1;
    let more = if next < PAGES {
        format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{next}</NextContinuationToken>"
        )
    } else {
        "<IsTruncated>false</IsTruncated>".to_owned()
    };
    format!("<ListBucketResult>{more}{objects}</ListBucketResult>")
}
