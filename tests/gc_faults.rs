//! A store whose listing cannot be relied on: garbage collection refuses, or comes to the right result all the same.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::bucket::Bucket;
use super::lakes::Lake;
use super::operator::Ran;
use super::swept::{OBJECTS, PAGE, Swept, lists, page, sound};
use super::wire::{Hook, Request, cut, reply};

/// A bucket with two orphans, behind a tap whose listing answers so.
fn behind(listing: impl Fn(&Request) -> Option<String> + Send + Sync + 'static) -> (Bucket, Ran) {
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

fn page_of(keys: &[&str], token: Option<&str>, truncated: bool) -> String {
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
    let (bucket, ran) = behind(|_| Some(page_of(&["a"], None, true)));
    refused(
        &bucket,
        ran,
        "a truncated page without a token for the next",
    );
}

#[test]
fn a_token_that_comes_again_is_refused() {
    let (bucket, ran) = behind(|request| {
        let key = if request.target.contains("continuation-token") {
            "b"
        } else {
            "a"
        };
        Some(page_of(&[key], Some("t"), true))
    });
    refused(&bucket, ran, "the token of a page that was read already");
}

#[test]
fn a_page_that_comes_again_is_refused() {
    let (bucket, ran) = behind(|request| {
        let token = if request.target.contains("continuation-token") {
            "t2"
        } else {
            "t1"
        };
        Some(page_of(&["a", "b"], Some(token), true))
    });
    refused(&bucket, ran, "the page from 'a' once more");
}

#[test]
fn more_keys_than_were_asked_for_are_refused() {
    let keys: Vec<String> = (0..1001).map(|n| format!("{n:04}")).collect();
    let (bucket, ran) = behind(move |_| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        Some(page_of(&keys, None, false))
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
        let (bucket, ran) = behind(move |_| Some(reply("200 OK", body)));
        refused(&bucket, ran, why);
    }
}

#[test]
fn a_store_that_is_busy_for_good_is_refused_and_one_that_is_busy_once_is_waited_for() {
    let busy = "<Error><Code>SlowDown</Code><Message>reduce your rate</Message></Error>";
    let (bucket, ran) = behind(move |_| Some(reply("503 Slow Down", busy)));
    refused(&bucket, ran, "SlowDown");

    let times = AtomicUsize::new(0);
    let (bucket, ran) = behind(move |_| {
        let is_first = times.fetch_add(1, Ordering::SeqCst) == 0;
        is_first.then(|| reply("503 Slow Down", busy))
    });
    let _ = ran.success();
    assert_eq!(bucket.keys().len(), 0);
}

/// Page by page, as the store lists them; this answers for the third.
fn third(answer: impl Fn(&[String]) -> String + Send + Sync + 'static) -> Swept {
    let swept = Swept::new();
    swept.listing(move |number, objects| {
        Some(match number {
            2 => answer(objects),
            _ => sound(number, objects),
        })
    });
    swept
}

#[test]
fn small_pages_are_read_to_the_last() {
    let swept = third(|objects| sound(2, objects));
    swept.done(swept.gc(&[]));
}

#[test]
fn a_page_that_is_skipped_is_noticed_and_never_a_reason_to_delete() {
    let swept = Swept::new();
    swept.listing(|number, objects| {
        Some(match number {
            0 => page(&objects[..PAGE], Some(2)),
            _ => sound(number, objects),
        })
    });
    swept.refused(
        swept.gc(&[]),
        &["of 8 references", "only 4 lead to an object"],
    );
    // Who says the count all the same loses nothing that is referred to.
    swept.done(swept.gc(&["--expect-delete", "2"]));
}

#[test]
fn a_page_that_is_skipped_after_the_plan_deletes_nothing() {
    let swept = Swept::new();
    let s3 = swept.bucket.tapped.s3.clone();
    swept.listing(move |number, objects| {
        let is_planned = !s3.changes().is_empty();
        Some(match number {
            0 if is_planned => page(&objects[..PAGE], Some(2)),
            _ => sound(number, objects),
        })
    });
    let stderr = swept.gc(&[]).failure(1);
    for why in [
        "[audit]",
        "only 4 lead to an object",
        "done=0 left=0 failed=0",
    ] {
        assert!(stderr.contains(why), "no {why:?} in: {stderr}");
    }
    assert_eq!(swept.bucket.keys().len(), OBJECTS);
}

#[test]
fn a_store_that_fails_on_the_third_page_is_refused() {
    let error = "<Error><Code>InternalError</Code><Message>a disk is gone</Message></Error>";
    let swept = third(move |_| reply("500 Internal Server Error", error));
    let url = swept.bucket.tapped.s3.url().to_owned();
    swept.refused(
        swept.gc(&[]),
        &["s3 refused ListObjectsV2", "a disk is gone", &url],
    );
}

#[test]
fn a_page_that_breaks_off_is_refused() {
    let swept = third(|objects| cut(&sound(2, objects)));
    let url = swept.bucket.tapped.s3.url().to_owned();
    swept.refused(
        swept.gc(&[]),
        &["s3 broke off its answer to ListObjectsV2", &url],
    );
}

#[test]
fn a_page_that_breaks_off_once_is_asked_for_again() {
    let times = AtomicUsize::new(0);
    let swept = third(move |objects| {
        let page = sound(2, objects);
        match times.fetch_add(1, Ordering::SeqCst) {
            0 => cut(&page),
            _ => page,
        }
    });
    swept.done(swept.gc(&[]));
}

#[test]
fn a_store_that_lists_in_no_order_is_read_to_its_end() {
    let swept = Swept::new();
    swept.listing(|number, objects| {
        let mut shuffled: Vec<String> = Vec::new();
        for at in [6, 9, 0, 3, 8, 1, 7, 4, 2, 5] {
            shuffled.push(objects[at].clone());
        }
        Some(sound(number, &shuffled))
    });
    swept.done(swept.gc(&[]));
}

#[test]
fn a_store_that_is_silent_is_named_with_the_setting_of_the_timeout() {
    let swept = Swept::new();
    let (s3, name) = (&swept.bucket.tapped.s3, swept.bucket.name.clone());
    s3.counting(move |request| lists(request, &name));
    for n in 0..8 {
        s3.at_change(n, Hook::Hold);
    }
    let ran = swept.gc(&[]);
    swept.refused(
        ran,
        &[
            "s3 did not answer ListObjectsV2",
            s3.url(),
            "within 3s",
            "raise http.timeout",
        ],
    );
}
