//! An object that no single request can copy is put aside and brought back in parts. The store is played by the tap: no
//! test has so many bytes to give away. With `DASHICTL_TEST_FULL`, the sandbox copies them in earnest.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use serde_json::{Value, json};

use super::lakes::{Lake, Tapped};
use super::taps::store;
use super::wire::{Request, lines, reply};

/// 5 GiB, which one request can copy, and a bit more.
const SIZE: u64 = (5 << 30) + 12_345;
const KEY: &str = "/landing/big.bin";

/// Plays a store in which there is one object of that size, and no other of its name before it is copied.
fn play(tapped: &Tapped) {
    let there = Arc::new(Mutex::new(BTreeSet::from([KEY.to_owned()])));
    tapped.s3.answering(move |request| {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if !path.ends_with("/big.bin") {
            return None;
        }
        let mut there = there.lock().unwrap();
        Some(match request.method.as_str() {
            "HEAD" if there.contains(path) => format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\netag: \"0123456789abcdef0123456789abcdef-6\"\r\n\
                 content-type: image/tiff\r\ncache-control: no-cache\r\nx-amz-meta-keeper: k1\r\n\
                 last-modified: Mon, 27 Apr 2026 10:00:00 GMT\r\n\r\n"
            ),
            "HEAD" => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "POST" if query.contains("uploads") => reply(
                "200 OK",
                "<InitiateMultipartUploadResult><Bucket>landing</Bucket><Key>x</Key><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
            ),
            "POST" => {
                there.insert(path.to_owned());
                reply("200 OK", "<CompleteMultipartUploadResult><ETag>\"fedcba9876543210fedcba9876543210-6\"</ETag></CompleteMultipartUploadResult>")
            }
            "PUT" => reply("200 OK", "<CopyPartResult><ETag>\"00000000000000000000000000000001\"</ETag></CopyPartResult>"),
            _ => {
                there.remove(path);
                "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
            }
        })
    });
}

/// That an object was copied whole, with all that is known of it, in parts that a store takes.
fn assert_copied(requests: &[Request], source: &str) {
    let begin = requests
        .iter()
        .find(|request| request.target.contains("uploads"));
    let begin = begin.unwrap_or_else(|| panic!("{:#?}", lines(requests)));
    assert_eq!(
        begin.header("content-type"),
        Some("image/tiff"),
        "{begin:?}"
    );
    assert_eq!(begin.header("cache-control"), Some("no-cache"), "{begin:?}");
    assert_eq!(begin.header("x-amz-meta-keeper"), Some("k1"), "{begin:?}");
    let parts = requests.iter().filter(|request| request.method == "PUT");
    // Several are copied at a time.
    let mut parts: Vec<&Request> = parts.collect();
    let number = |part: &Request| -> u32 {
        let (_, after) = part.target.split_once("partNumber=").unwrap();
        after.split('&').next().unwrap().parse().unwrap()
    };
    parts.sort_by_key(|part| number(part));
    let mut next = 0;
    for (number, part) in (1..).zip(parts) {
        assert!(
            part.target.contains(&format!("partNumber={number}")),
            "{part:?}"
        );
        let from = part.header("x-amz-copy-source").unwrap();
        assert!(from.trim_start_matches('/').starts_with(source), "{part:?}");
        assert!(
            part.header("x-amz-copy-source-if-match").is_some(),
            "{part:?}"
        );
        let range = part.header("x-amz-copy-source-range").unwrap();
        let (first, last) = range
            .strip_prefix("bytes=")
            .unwrap()
            .split_once('-')
            .unwrap();
        let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
        assert!(
            first == next && last >= first && last - first < 5 << 30,
            "{range}"
        );
        next = last + 1;
    }
    assert_eq!(next, SIZE, "not all of it: {:#?}", lines(requests));
}

#[test]
fn what_one_request_cannot_copy_is_put_aside_and_brought_back_in_parts() {
    let tapped = Lake::Sandbox.tapped();
    play(&tapped);
    let changes = || -> Vec<Request> {
        let changes = tapped.s3.changes().into_iter();
        changes
            .filter(|change| change.target.contains("/big.bin"))
            .collect()
    };
    let delete = "s3::delete(\"s3://landing/big.bin\")";
    let line = [
        "eval", "--effect", "destroy", "--apply", "--yes", "--json", delete,
    ];
    let done = tapped.operator.run(&line).json();
    assert_eq!(
        (&done["deleted"], &done["bytes"]),
        (&json!(1), &json!(SIZE))
    );
    assert_copied(&changes(), "landing/big.bin");
    let deleted = changes().pop().unwrap();
    assert_eq!(
        (
            deleted.method.as_str(),
            deleted.target.contains(".dashi-trash")
        ),
        ("DELETE", false)
    );

    tapped.s3.forget();
    let runs = tapped.operator.run(&["log", "list", "--json"]).json();
    let run = runs[0]["run"].as_str().unwrap();
    tapped.operator.run(&["undo", run]).success();
    let all = changes();
    assert_copied(&all, &format!("landing/.dashi-trash/{run}/"));
    let trashed = all.last().unwrap();
    assert_eq!(
        (
            trashed.method.as_str(),
            trashed.target.contains(".dashi-trash")
        ),
        ("DELETE", true)
    );
}

#[test]
fn a_copy_in_parts_that_breaks_off_leaves_the_object_and_no_upload() {
    let tapped = Lake::Sandbox.tapped();
    play(&tapped);
    let broken = |request: &Request| request.target.contains("partNumber=3");
    tapped.s3.counting(broken);
    for n in 0..20 {
        tapped.s3.at_change(n, super::wire::Hook::Drop);
    }
    let delete = "s3::delete(\"s3://landing/big.bin\")";
    let line = ["eval", "--effect", "destroy", "--apply", "--yes", delete];
    let ran = tapped
        .operator
        .run_in(&[("DASHI_S3_RETRIES", "1".to_owned())], &line);
    assert_eq!(ran.code, Some(4), "{ran}");
    let changes = tapped.s3.changes();
    let mut of_object = changes.iter().rev();
    let last = of_object.find(|change| change.target.contains("/big.bin"));
    let last = last.unwrap();
    assert!(
        last.method == "DELETE" && last.target.contains("uploadId=u1"),
        "the upload is given up: {last:?}"
    );
}

#[test]
fn the_sandbox_copies_a_large_object_in_earnest() {
    if std::env::var_os("DASHICTL_TEST_FULL").is_none() {
        return;
    }
    let tapped = Lake::Sandbox.tapped();
    make_large(&tapped);
    let known = "let head = s3::head(\"s3://landing/large\"); head.remove(\"last_modified\"); head.remove(\"etag\"); head";
    let before = tapped.operator.run(&["eval", "--json", known]).json();
    assert_eq!(
        (&before["size"], &before["metadata"]["keeper"]),
        (&json!(81_u64 << 26), &json!("k1"))
    );
    let delete = "s3::delete(\"s3://landing/large\")";
    let long = [("DASHI_S3_TIMEOUT", "10m".to_owned())];
    let line = [
        "eval", "--effect", "destroy", "--apply", "--yes", "--json", delete,
    ];
    let done = tapped.operator.run_in(&long, &line).json();
    assert_eq!(done["deleted"], 1);
    let runs = tapped.operator.run(&["log", "list", "--json"]).json();
    let undo = ["undo", runs[0]["run"].as_str().unwrap()];
    tapped.operator.run_in(&long, &undo).success();
    let after: Value = tapped.operator.run(&["eval", "--json", known]).json();
    assert_eq!(after, before);
}

/// An object of 81 parts of 64 MiB, each a copy of one.
fn make_large(tapped: &Tapped) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = store(tapped);
    runtime.block_on(async {
        let body = ByteStream::from(vec![7; 64 << 20]);
        let put = client.put_object().bucket("landing").key("part").body(body);
        put.send().await.unwrap();
        let begin = client
            .create_multipart_upload()
            .bucket("landing")
            .key("large");
        let begin = begin.content_type("image/tiff").metadata("keeper", "k1");
        let begun = begin.send().await.unwrap();
        let upload = begun.upload_id().unwrap();
        let mut parts = CompletedMultipartUpload::builder();
        for number in 1..=81 {
            let copy = client.upload_part_copy().bucket("landing").key("large");
            let copy = copy
                .upload_id(upload)
                .part_number(number)
                .copy_source("landing/part");
            let copied = copy.send().await.unwrap();
            let etag = copied.copy_part_result().unwrap().e_tag().unwrap();
            parts = parts.parts(
                CompletedPart::builder()
                    .part_number(number)
                    .e_tag(etag)
                    .build(),
            );
        }
        let complete = client
            .complete_multipart_upload()
            .bucket("landing")
            .key("large");
        let complete = complete.upload_id(upload).multipart_upload(parts.build());
        complete.send().await.unwrap();
    });
}
