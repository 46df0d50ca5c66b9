//! `ingest` of files that go in parts: broken off, killed, on a bad line, and gone on with.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::interrupt::stopped;
use super::lakes::{Lake, on_both_lakes};
use super::operator::Operator;
use super::pier::{PART, Pier, digest, is_part, part_number, parts_taken};
use super::wire::{Hook, Request, reply};

/// The file of the acceptance: 38 parts.
const SIZE: u64 = 600 << 20;
/// The smallest file that goes in parts: 32 of them.
const LEAST: u64 = 500 << 20;
const EXPIRED: &str =
    "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";

fn is_complete(request: &Request) -> bool {
    request.line() == "POST /multipart/complete"
}

/// A pier with a large file on it.
fn with_file(lake: Lake, size: u64) -> Pier {
    let pier = Pier::new(lake);
    Pier::large_file(&pier.operator, "big.laz", size);
    pier.api.forget();
    pier.s3.forget();
    pier
}

/// Ingests the file without starting a flow, and gives where it landed.
fn landed(pier: &Pier) -> String {
    let row = pier.ingest(&["big.laz", "--no-trigger", "--json"]).json();
    row["uri"].as_str().unwrap().to_owned()
}

fn is_identical(pier: &Pier, uri: &str) -> bool {
    pier.object(uri) == digest(&pier.operator.work().join("big.laz"))
}

/// The file in which an operator's machine remembers the one upload that there is.
fn remembered(operator: &Operator, ending: &str) -> PathBuf {
    let folder = operator.home().join(".local/state/dashi/ingest");
    let mut paths = fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    paths
        .find(|path| path.extension().is_some_and(|end| end == ending))
        .unwrap()
}

on_both_lakes! {
    fn a_large_file_that_is_killed_in_the_middle_goes_on_with_what_is_missing(lake) {
        let pier = with_file(lake, SIZE);
        pier.s3.counting(is_part).at_change(20, Hook::Hold);
        let child = pier.operator.start(&pier.line(&["big.laz"]));
        let killed = stopped("-KILL", child, || pier.s3.is_held() && parts_taken(&pier.s3).len() >= 16);
        assert_eq!(killed.0, None);
        pier.s3.release();
        pier.s3.wait_until_settled();
        let before = parts_taken(&pier.s3);
        let open = pier.operator.run(&["ingest", "uploads", "--json"]).json();
        assert_eq!((open.as_array().unwrap().len(), open[0]["size"].as_u64()), (1, Some(SIZE)));
        pier.s3.forget();
        let row = pier.ingest(&["big.laz", "--json"]).json();
        let after = parts_taken(&pier.s3);
        assert!(after.iter().all(|number| !before.contains(number)), "{before:?} {after:?}");
        let mut all = [before, after].concat();
        all.sort_unstable();
        assert_eq!(all, (1..=38).collect::<Vec<u64>>());
        assert!(is_identical(&pier, row["uri"].as_str().unwrap()));
        assert_eq!((pier.open_uploads().len(), pier.runs().len()), (0, 1));
        assert_eq!(pier.operator.run(&["ingest", "uploads", "--json"]).json().as_array().unwrap().len(), 0);
    }

    fn a_large_file_lands_whatever_happens_on_the_way(lake) {
        let pier = with_file(lake, LEAST);
        let throttled = AtomicUsize::new(0);
        pier.s3.counting(is_part)
            .at_change(2, Hook::Drop)
            .at_change(5, Hook::ForwardThenDrop)
            .at_change(9, Hook::Hold);
        pier.s3.answering(move |request| {
            let number = part_number(request)?;
            let is_presigned = request.target.contains("X-Amz-Signature=");
            if number == 12 && throttled.fetch_add(1, Ordering::SeqCst) < 2 {
                return Some(reply("503 Slow Down", "<Error><Code>SlowDown</Code></Error>"));
            }
            // From the twentieth part on, no URL is valid any more.
            (is_presigned && number >= 20).then(|| reply("403 Forbidden", EXPIRED))
        });
        pier.api.counting(is_complete).at_change(0, Hook::ForwardThenDrop);
        // What is held stands still, and is sent again after a while.
        let variables = [("DASHI_S3_TIMEOUT", "4s".to_owned())];
        let line = pier.line(&["big.laz", "--no-trigger", "--json"]);
        let ran = pier.operator.run_in(&variables, &line);
        if pier.s3.is_held() {
            pier.s3.release();
        }
        let uri = ran.json()["uri"].as_str().unwrap().to_owned();
        assert!(is_identical(&pier, &uri));
        assert_eq!(pier.open_uploads(), []);
        let signed = pier.s3.requests().into_iter().filter(|request| is_part(request) && !request.target.contains("X-Amz-Signature="));
        assert!(signed.count() >= 13, "the rest went by keys of one's own");
    }

    fn ctrl_c_leaves_an_upload_that_resume_goes_on_with(lake) {
        let pier = with_file(lake, LEAST);
        pier.s3.counting(is_part).at_change(12, Hook::Hold);
        let child = pier.operator.start(&pier.line(&["big.laz", "--classification", "pub"]));
        let (code, stderr, _) = stopped("-INT", child, || pier.s3.is_held() && parts_taken(&pier.s3).len() >= 8);
        assert_eq!(code, Some(130), "{stderr}");
        assert!(stderr.contains("the same command again goes on from there: dashictl ingest big.laz --classification pub"), "{stderr}");
        pier.s3.release();
        pier.s3.wait_until_settled();
        let before = parts_taken(&pier.s3);
        pier.s3.forget();
        // From another folder: what was typed then may be read now.
        fs::create_dir_all(pier.operator.work().join("elsewhere")).unwrap();
        let ran = pier.operator.copied("cd elsewhere; dashictl ingest --resume --json");
        let row = ran.json();
        assert!(parts_taken(&pier.s3).iter().all(|number| !before.contains(number)));
        assert!(is_identical(&pier, row["uri"].as_str().unwrap()));
        assert_eq!(pier.runs()[0]["parameters"]["classification"], "pub");
    }

    fn an_api_that_is_gone_at_the_end_is_told_and_what_is_left_is_to_complete(lake) {
        let pier = with_file(lake, LEAST);
        pier.api.answering(|request| is_complete(request).then(|| reply("502 Bad Gateway", r#"{"detail": "gone"}"#)));
        let stderr = pier.ingest(&["big.laz"]).failure(1);
        assert!(stderr.contains("502 Bad Gateway") && stderr.contains("the same command again goes on from there"), "{stderr}");
        assert_eq!((parts_taken(&pier.s3).len(), pier.runs().len()), (32, 0));
        pier.s3.forget();
        pier.api.answering(|_| None);
        let uri = landed(&pier);
        assert_eq!(parts_taken(&pier.s3), [0; 0]);
        assert!(is_identical(&pier, &uri));
    }

    fn an_upload_that_was_completed_by_a_program_that_was_killed_has_landed(lake) {
        let pier = with_file(lake, LEAST);
        pier.api.counting(is_complete).at_change(0, Hook::Hold);
        let child = pier.operator.start(&pier.line(&["big.laz"]));
        let _ = stopped("-KILL", child, || pier.api.is_held());
        pier.api.release();
        pier.api.wait_until_settled();
        pier.s3.forget();
        let uri = landed(&pier);
        assert_eq!(parts_taken(&pier.s3), [0; 0]);
        assert!(is_identical(&pier, &uri));
        assert_eq!(pier.keys().len(), 1);
    }

    fn a_file_that_is_written_while_it_is_read_is_refused_and_given_up(lake) {
        let pier = with_file(lake, LEAST);
        let file = pier.operator.work().join("big.laz");
        pier.s3.counting(is_part).at_change(10, Hook::Run(Box::new(move || {
            let mut file = fs::OpenOptions::new().append(true).open(file).unwrap();
            std::io::Write::write_all(&mut file, b"more").unwrap();
        })));
        let stderr = pier.ingest(&["big.laz"]).failure(1);
        assert!(stderr.contains("big.laz was written while it was read"), "{stderr}");
        assert_eq!((pier.keys().len(), pier.open_uploads().len(), pier.runs().len()), (0, 0, 0));
        assert_eq!(pier.operator.run(&["ingest", "uploads", "--json"]).json().as_array().unwrap().len(), 0);
    }

    fn an_upload_that_is_given_up_leaves_nothing_and_the_file(lake) {
        let pier = with_file(lake, LEAST);
        pier.s3.answering(|request| (part_number(request) == Some(9)).then(|| reply("403 Forbidden", EXPIRED)));
        let operator = pier.without_keys();
        Pier::large_file(&operator, "big.laz", LEAST);
        let ran = operator.run(&pier.line(&["big.laz"]));
        assert_eq!(ran.code, Some(1), "{ran}");
        let id = operator.run(&["ingest", "uploads", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(pier.open_uploads().len(), 1);
        operator.run(&["ingest", "abort", &id, "--dry-run"]).success();
        assert_eq!(pier.open_uploads().len(), 1);
        let _ = operator.run(&["ingest", "abort", &id]).success();
        assert_eq!(pier.open_uploads(), []);
        assert!(operator.work().join("big.laz").exists());
    }

    fn without_keys_an_upload_goes_on_while_its_urls_are_valid(lake) {
        let pier = with_file(lake, LEAST);
        let operator = pier.without_keys();
        Pier::large_file(&operator, "big.laz", LEAST);
        pier.s3.counting(is_part).at_change(12, Hook::Hold);
        let child = operator.start(&pier.line(&["big.laz"]));
        let (code, stderr, _) = stopped("-INT", child, || pier.s3.is_held() && parts_taken(&pier.s3).len() >= 8);
        assert_eq!(code, Some(130), "{stderr}");
        let known = fs::read_to_string(remembered(&operator, "parts")).unwrap();
        let known: Vec<u64> = known.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
        assert!(known.len() >= 4, "{known:?}");
        pier.s3.release();
        pier.s3.wait_until_settled();
        pier.s3.forget();
        let row = operator.run(&pier.line(&["big.laz", "--json"])).json();
        let sent = parts_taken(&pier.s3);
        assert_eq!(sent, (1..=32).filter(|number| !known.contains(number)).collect::<Vec<u64>>());
        assert!(is_identical(&pier, row["uri"].as_str().unwrap()));
    }

    fn without_keys_an_upload_whose_urls_end_too_soon_says_so(lake) {
        let pier = Pier::where_urls_are_valid(lake, 6);
        let operator = pier.without_keys();
        Pier::large_file(&operator, "big.laz", LEAST);
        // One part comes through, and then nothing for longer than the URLs are valid.
        pier.s3.answering(|request| {
            (part_number(request)? > 1).then(|| {
                std::thread::sleep(std::time::Duration::from_secs(2));
                reply("503 Slow Down", "<Error><Code>SlowDown</Code></Error>")
            })
        });
        let stderr = operator.run(&pier.line(&["big.laz"])).failure(1);
        assert!(stderr.contains("cannot land in time") && stderr.contains("s3.access_key"), "{stderr}");
    }
}

#[test]
fn an_upload_whose_urls_have_expired_begins_anew_without_keys_and_goes_on_with_them() {
    let pier = Pier::where_urls_are_valid(Lake::Sandbox, 900);
    let operator = pier.without_keys();
    Pier::large_file(&operator, "big.laz", LEAST);
    pier.s3.counting(is_part).at_change(8, Hook::Hold);
    let child = operator.start(&pier.line(&["big.laz"]));
    let _ = stopped("-KILL", child, || {
        pier.s3.is_held() && parts_taken(&pier.s3).len() >= 4
    });
    pier.s3.release();
    pier.s3.wait_until_settled();
    // The clock of the memory is set back by the time that the URLs are valid.
    let file = remembered(&operator, "json");
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    kept["stage"]["expires"] = "2026-01-01T00:00:00Z".into();
    fs::write(&file, kept.to_string()).unwrap();
    pier.s3.forget();
    let ran = operator.run(&pier.line(&["big.laz", "--json"]));
    assert!(ran.stderr.contains("it begins anew"), "{ran}");
    let uri = ran.json()["uri"].as_str().unwrap().to_owned();
    assert_eq!(parts_taken(&pier.s3).len() as u64, LEAST / PART + 1);
    assert_eq!(pier.object(&uri), digest(&operator.work().join("big.laz")));
    assert_eq!(pier.open_uploads(), [], "the first was given up");
}

#[test]
fn what_the_store_made_otherwise_than_it_was_sent_is_not_submitted_also_not_the_next_time() {
    let pier = with_file(Lake::Sandbox, LEAST);
    let wrong = format!(
        "{{\"s3_uri\": \"s3://landing/x\", \"etag\": \"\\\"{}-32\\\"\"}}",
        "0c".repeat(16)
    );
    pier.api
        .answering(move |request| is_complete(request).then(|| reply("200 OK", &wrong)));
    let stderr = pier.ingest(&["big.laz"]).failure(1);
    assert!(stderr.contains("was made with the ETag 0c0c"), "{stderr}");
    assert!(
        stderr.contains("the same command again uploads the file anew"),
        "{stderr}"
    );
    pier.api.answering(|_| None);
    pier.s3.forget();
    let uri = landed(&pier);
    assert_eq!(parts_taken(&pier.s3).len(), 32);
    assert!(is_identical(&pier, &uri));
}

#[test]
fn parts_that_the_store_refuses_for_another_reason_are_refused_in_its_words() {
    let pier = with_file(Lake::Sandbox, LEAST);
    let operator = pier.without_keys();
    Pier::large_file(&operator, "big.laz", LEAST);
    let wrong = "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>";
    pier.s3
        .answering(|request| is_part(request).then(|| reply("403 Forbidden", wrong)));
    let stderr = operator.run(&pier.line(&["big.laz"])).failure(1);
    assert!(
        stderr.contains("SignatureDoesNotMatch: no") && !stderr.contains("in time"),
        "{stderr}"
    );
}

#[test]
fn parts_that_do_not_make_the_file_are_refused_and_the_upload_given_up() {
    let pier = with_file(Lake::Sandbox, LEAST);
    let started = r#"{"upload_id": "u", "bucket": "landing", "key": "k", "part_size": 0, "urls": [], "expires_in": 900}"#;
    pier.api.answering(move |request| {
        (request.line() == "POST /multipart/start").then(|| reply("200 OK", started))
    });
    let stderr = pier.ingest(&["big.laz"]).failure(1);
    assert!(
        stderr.contains("parts that do not make the file"),
        "{stderr}"
    );
    let asked = pier.api.requests();
    assert!(
        asked
            .iter()
            .any(|request| request.line() == "POST /multipart/abort")
    );
}

#[test]
fn an_upload_that_is_being_sent_is_not_given_up_by_another() {
    let pier = with_file(Lake::Sandbox, LEAST);
    pier.s3.counting(is_part).at_change(12, Hook::Hold);
    let child = pier
        .operator
        .start(&pier.line(&["big.laz", "--no-trigger", "--json"]));
    pier.s3.wait_until_held();
    let open = pier.operator.run(&["ingest", "uploads", "--json"]).json();
    let id = open[0]["id"].as_str().unwrap();
    let stderr = pier.operator.run(&["ingest", "abort", id]).failure(1);
    assert!(stderr.contains("is being uploaded already"), "{stderr}");
    pier.s3.release();
    let row = pier.operator.ended(child).json();
    assert!(is_identical(&pier, row["uri"].as_str().unwrap()));
}

#[test]
fn on_a_terminal_progress_is_shown_and_ctrl_c_says_how_it_goes_on() {
    let pier = with_file(Lake::Sandbox, LEAST);
    pier.s3.counting(is_part).at_change(12, Hook::Hold);
    let line = pier.line(&["big.laz"]);
    let mut terminal = pier.operator.on_terminal(&line);
    terminal.expect("of 500.00 MiB");
    terminal.expect("of 32 parts");
    terminal.expect("left");
    terminal.press_ctrl_c();
    terminal.expect("the same command again goes on from there");
    let ran = terminal.finish();
    assert_eq!(ran.code, Some(130), "{ran}");
    if pier.s3.is_held() {
        pier.s3.release();
    }
}

#[test]
fn off_a_terminal_progress_is_json_lines_that_end_with_the_whole_file() {
    let pier = with_file(Lake::Sandbox, LEAST);
    let ran = pier.ingest(&["big.laz", "--no-trigger"]);
    let lines = ran
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let lines: Vec<serde_json::Value> = lines.collect();
    let (first, last) = (lines.first().unwrap(), lines.last().unwrap());
    assert_eq!(
        (first["event"].as_str(), first["bytes"].as_u64()),
        (Some("upload"), Some(0))
    );
    assert_eq!(
        (last["bytes"].as_u64(), last["total"].as_u64()),
        (Some(LEAST), Some(LEAST))
    );
    assert_eq!(
        (last["parts"].as_u64(), last["of_parts"].as_u64()),
        (Some(32), Some(32))
    );
    assert!(lines.is_sorted_by_key(|line| line["bytes"].as_u64()));
}
