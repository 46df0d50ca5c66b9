//! What `ingest` makes of a file of 600 MiB: how fast it lands and how much memory the program takes, against the same parts
//! put one after the other to the URLs of the same ingest-api. What is measured is printed, nothing is asserted.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(
    clippy::expect_used,
    reason = "a bench that cannot begin has nothing to say"
)]

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dashictl::clients::tls;
use dashictl::sandbox::{Ports, Sandbox};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The file's bytes.
const SIZE: u64 = 600 << 20;
/// Each way is gone so often, in turns.
const ROUNDS: usize = 3;

fn main() {
    tls::install_provider();
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = Runtime::new().expect("a runtime");
    let state = folder.path().join("sandbox");
    let starting = Sandbox::start(&state, Ports::default());
    let sandbox = runtime.block_on(starting).expect("a sandbox");
    make(&folder.path().join("big.laz"));
    configure(folder.path(), &sandbox);
    for _ in 0..ROUNDS {
        let (took, peak) = ingested(folder.path());
        println!(
            "ingest       {:>6.0} MiB/s, peak {} MiB",
            rate(took),
            peak / 1024
        );
        let took = runtime.block_on(one_by_one(&sandbox, &folder.path().join("big.laz")));
        println!("one by one   {:>6.0} MiB/s", rate(took));
    }
}

fn rate(took: Duration) -> f64 {
    600.0 / took.as_secs_f64()
}

/// A file whose parts differ.
fn make(path: &Path) {
    let mut file = File::create(path).expect("a file");
    file.set_len(SIZE).expect("its length");
    for at in (0..SIZE).step_by(1 << 20) {
        file.seek(SeekFrom::Start(at)).expect("a place in it");
        file.write_all(&at.to_le_bytes()).expect("its bytes");
    }
}

fn configure(folder: &Path, sandbox: &Sandbox) {
    let text = format!(
        "stac_url = {:?}\nprefect_url = {:?}\nloki_url = \"off\"\ningest_url = {:?}\n[s3]\nendpoint = {:?}\n\
         access_key = {:?}\nsecret_key = {:?}\n[ingest]\nuser = \"bench\"\n",
        sandbox.stac_url(),
        sandbox.prefect_url(),
        sandbox.ingest_url(),
        sandbox.s3_endpoint(),
        sandbox.access_key(),
        sandbox.secret_key(),
    );
    let file = folder.join(".config/dashi/config.toml");
    fs::create_dir_all(folder.join(".config/dashi")).expect("a folder");
    fs::write(file, text).expect("a configuration");
}

/// How long the program takes, and the most memory that it has, in KiB.
fn ingested(folder: &Path) -> (Duration, u64) {
    let began = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_dashictl"))
        .args([
            "ingest",
            "big.laz",
            "--domain",
            "gelaende-umwelt",
            "--no-trigger",
            "--again",
        ])
        .env_clear()
        .env("HOME", folder)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut peak = 0;
    loop {
        peak = peak.max(peak_of(program.id()));
        match program.try_wait().expect("the program can be waited for") {
            // A file without a known beginning is no point cloud: it has landed, and that is told with 1.
            Some(_) => return (began.elapsed(), peak),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn peak_of(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Each part read whole and put when the one before is there.
async fn one_by_one(sandbox: &Sandbox, path: &Path) -> Duration {
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let ask = async |path: &str, body: &Value| -> Value {
        let request = http.post(format!("{}{path}", sandbox.ingest_url()));
        let answer = request
            .header("Remote-User", "bench")
            .json(body)
            .send()
            .await;
        answer.expect("an answer").json().await.expect("JSON")
    };
    let began = Instant::now();
    let wanted =
        json!({"domain": "gelaende-umwelt", "filename": "big.laz", "content_length": SIZE});
    let started = ask("/multipart/start", &wanted).await;
    let mut file = File::open(path).expect("the file");
    let mut parts = Vec::new();
    for (at, url) in started["urls"].as_array().expect("URLs").iter().enumerate() {
        let mut bytes = Vec::new();
        let part = Read::by_ref(&mut file).take(16 << 20);
        { part }.read_to_end(&mut bytes).expect("a part");
        let put = http
            .put(url.as_str().expect("a URL"))
            .body(bytes)
            .send()
            .await;
        let etag = put.expect("an answer").headers()["etag"]
            .to_str()
            .expect("text")
            .to_owned();
        parts.push(json!({"part_number": at + 1, "etag": etag}));
    }
    let done = json!({"bucket": started["bucket"], "key": started["key"], "upload_id": started["upload_id"], "parts": parts});
    ask("/multipart/complete", &done).await;
    began.elapsed()
}
