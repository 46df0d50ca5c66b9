//! A store whose listing cannot be relied on: garbage collection refuses, or comes to the right result all the same.

use super::bucket::Bucket;
use super::lakes::Lake;
use super::operator::Ran;
use super::wire::{Request, reply};

/// A bucket with two orphans, behind a tap whose listing answers so.
fn swept(listing: impl Fn(&Request) -> Option<String> + Send + Sync + 'static) -> (Bucket, Ran) {
    let bucket = Bucket::new(Lake::Sandbox, 1);
    let domain = &bucket.domains[0];
    let keys: Vec<String> = ["a", "b"]
        .iter()
        .map(|name| format!("{domain}/{name}/x.tif"))
        .collect();
    bucket.put(&keys);
    let name = format!("/{}", bucket.name);
    bucket.tapped.s3.answering(move |request| {
        let is_listing = request.method == "GET"
            && request.target.starts_with(&name)
            && request.target.contains("list-type=2");
        is_listing.then(|| listing(request)).flatten()
    });
    let through = [
        ("DASHI_S3_ENDPOINT", bucket.tapped.s3.url().to_owned()),
        ("DASHI_HTTP_TIMEOUT", "2s".to_owned()),
        ("DASHI_HTTP_RETRIES", "1".to_owned()),
    ];
    let line = [
        "gc",
        "--bucket",
        &bucket.name,
        "--min-age-hours",
        "0",
        "--apply",
        "--yes",
        "--expect-delete",
        "2",
    ];
    let ran = bucket.operator.run_in(&through, &line);
    (bucket, ran)
}

fn refused(bucket: &Bucket, ran: Ran, why: &str) {
    let stderr = ran.failure(1);
    assert!(stderr.contains(why), "{stderr}");
    assert!(!stderr.contains("[audit]"), "{stderr}");
    assert_eq!(bucket.keys().len(), 2);
}

fn page(keys: &[&str], token: Option<&str>, truncated: bool) -> String {
    let contents: String = keys
        .iter()
        .map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size><LastModified>2020-01-01T00:00:00.000Z</LastModified></Contents>"))
        .collect();
    let token =
        token.map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>"));
    let body = format!(
        "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>{truncated}</IsTruncated>{}{contents}</ListBucketResult>",
        token.unwrap_or_default()
    );
    reply("200 OK", &body)
}

#[test]
fn a_truncated_page_that_leads_nowhere_is_refused() {
    let (bucket, ran) = swept(|_| Some(page(&["a"], None, true)));
    refused(
        &bucket,
        ran,
        "a truncated page without a token for the next",
    );
}

#[test]
fn a_token_that_comes_again_is_refused() {
    let (bucket, ran) = swept(|request| {
        let key = if request.target.contains("continuation-token") {
            "b"
        } else {
            "a"
        };
        Some(page(&[key], Some("t"), true))
    });
    refused(&bucket, ran, "the token of a page that was read already");
}

#[test]
fn a_page_that_comes_again_is_refused() {
    let (bucket, ran) = swept(|request| {
        let token = if request.target.contains("continuation-token") {
            "t2"
        } else {
            "t1"
        };
        Some(page(&["a", "b"], Some(token), true))
    });
    refused(&bucket, ran, "the page from 'a' once more");
}

#[test]
fn more_keys_than_were_asked_for_are_refused() {
    let keys: Vec<String> = (0..1001).map(|n| format!("{n:04}")).collect();
    let (bucket, ran) = swept(move |_| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        Some(page(&keys, None, false))
    });
    refused(&bucket, ran, "1001 keys where 1000 were asked for");
}

#[test]
fn an_answer_that_is_no_listing_is_refused() {
    for (body, why) in [
        ("", "s3 gave"),
        ("<html>welcome</html>", "s3 gave"),
        (
            "<?xml version=\"1.0\"?><ListBucketResult><Contents><Key>a</Ke",
            "s3 gave",
        ),
        (
            "<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>",
            "s3",
        ),
    ] {
        let (bucket, ran) = swept(move |_| Some(reply("200 OK", body)));
        refused(&bucket, ran, why);
    }
}

#[test]
fn a_store_that_is_busy_for_good_is_refused_and_one_that_is_busy_once_is_waited_for() {
    let busy = "<Error><Code>SlowDown</Code><Message>reduce your rate</Message></Error>";
    let (bucket, ran) = swept(move |_| Some(reply("503 Slow Down", busy)));
    refused(&bucket, ran, "SlowDown");

    let times = std::sync::atomic::AtomicUsize::new(0);
    let (bucket, ran) = swept(move |_| {
        let is_first = times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        is_first.then(|| reply("503 Slow Down", busy))
    });
    let _ = ran.success();
    assert_eq!(bucket.keys().len(), 0);
}
