//! What garbage collection is made of, each against the plain way on the same server or the same keys: membership of very
//! many keys, a listing in several places, deletion in bulk and what the trash costs, a loop of a script over a listing.
//! What is measured is printed, nothing is asserted.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(
    clippy::expect_used,
    reason = "a bench that cannot begin has nothing to say"
)]

#[allow(
    clippy::unwrap_used,
    reason = "it is the tests' store, and a test fails where it unwraps in vain"
)]
#[path = "../tests/listing_store.rs"]
mod listing_store;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::primitives::ByteStream;
use dashictl::clients::http::Tracer;
use dashictl::clients::s3::S3;
use dashictl::clients::s3_transport::Transport;
use dashictl::clients::tls;
use dashictl::config::{Config, Environment, Flags};
use dashictl::lake::{Gathered, Seed};
use dashictl::sandbox::{Ports, Sandbox};
use futures::{StreamExt, stream};

use crate::listing_store::listing;

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
        Some("listing") => list_everything(),
        _ => {
            // Each in a process of its own: the peak of one must not be the other's.
            let here = std::env::current_exe().expect("the bench knows where it is");
            for kind in ["fingerprints", "hashset"] {
                let status = Command::new(&here).arg(kind).status();
                assert!(status.is_ok_and(|status| status.success()), "{kind} failed");
            }
            listings();
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

/// A listing in several places at once against the library's walk from page to page, of the same store.
fn listings() {
    tls::install_provider();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let here = std::env::current_exe().expect("the bench knows where it is");
    for (pages, latency) in [(PAGES / 4, 0), (PAGES / 4, 20)] {
        let address = listing(pages, Duration::from_millis(latency));
        let client = client_at(&address, "us-east-1", ["bench", "bench"]);
        let started = Instant::now();
        let walked = runtime.block_on(walk(&client));
        let walking = started.elapsed();
        let output = Command::new(&here)
            .arg("listing")
            .env("DASHI_S3_ENDPOINT", &address)
            .env("DASHI_S3_ACCESS_KEY", "bench")
            .env("DASHI_S3_SECRET_KEY", "bench")
            .output()
            .expect("the bench runs itself");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut told = told
            .split_whitespace()
            .filter_map(|word| word.parse::<u64>().ok());
        let (listed, took) = (told.next().unwrap_or(0), told.next().unwrap_or(u64::MAX));
        assert_eq!(listed, walked as u64, "both list all there is");
        let took = Duration::from_micros(took);
        println!(
            "{walked} objects listed, a page in {latency:>2} ms: page after page {walking:>7.1?}, in several places {:>7.1?} ({:.1} times as fast)",
            took,
            walking.as_secs_f64() / took.as_secs_f64()
        );
    }
}

async fn walk(client: &Client) -> usize {
    let mut pages = client
        .list_objects_v2()
        .bucket("landing")
        .into_paginator()
        .send();
    let mut count = 0;
    while let Some(page) = pages.next().await {
        count += page.expect("a page").contents().len();
    }
    count
}

/// Lists a bucket in several places. Prints how many objects there are, and how many microseconds it took.
fn list_everything() {
    let config =
        Config::load(&Flags::default(), &Environment::of_process()).expect("a configuration");
    let settings = config.s3().expect("a store");
    let s3 = S3::new(settings, Tracer::new(|_| (), 0, Vec::new())).expect("a client");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let started = Instant::now();
    let count = runtime.block_on(async {
        let mut told = s3.everything("landing", Vec::new());
        let mut count = 0;
        while let Some(some) = told.next().await {
            count += some.expect("some objects").len();
        }
        count
    });
    println!("{count} {}", started.elapsed().as_micros());
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
    let keys = [sandbox.access_key(), sandbox.secret_key()];
    client_at(sandbox.s3_endpoint(), sandbox.region(), keys)
}

fn client_at(endpoint: &str, region: &str, [access, secret]: [&str; 2]) -> Client {
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(access, secret, None, None, "bench"))
        .endpoint_url(endpoint)
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
            ("DASHI_S3_ENDPOINT", listing(PAGES, Duration::ZERO)),
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
