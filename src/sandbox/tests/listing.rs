//! Listings through the AWS SDK: pages, prefixes, delimiters, markers.

use super::{Lake, code};

async fn filled(lake: &Lake) -> aws_sdk_s3::Client {
    let client = lake.s3();
    client
        .create_bucket()
        .bucket("tree")
        .send()
        .await
        .expect("a bucket");
    for key in ["a", "b/1", "b/2", "b/c/3", "c", "d/4", "d/5", "e"] {
        lake.put("tree", key, "text/plain", b"x").await;
    }
    client
}

#[tokio::test]
async fn pages_with_a_delimiter_hold_keys_and_prefixes_in_order() {
    let lake = Lake::start().await;
    let client = filled(&lake).await;
    let mut seen = Vec::new();
    let mut token = None;
    let mut pages = 0;
    loop {
        let list = client
            .list_objects_v2()
            .bucket("tree")
            .delimiter("/")
            .max_keys(2);
        let page = list
            .set_continuation_token(token)
            .send()
            .await
            .expect("a page");
        pages += 1;
        seen.extend(
            page.contents()
                .iter()
                .filter_map(|object| object.key())
                .map(str::to_owned),
        );
        seen.extend(
            page.common_prefixes()
                .iter()
                .filter_map(|prefix| prefix.prefix())
                .map(str::to_owned),
        );
        assert_eq!(
            page.is_truncated(),
            Some(page.next_continuation_token().is_some())
        );
        token = page.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    seen.sort();
    assert_eq!((seen.join(" ").as_str(), pages), ("a b/ c d/ e", 3));
}

#[tokio::test]
async fn a_listing_starts_after_a_key_and_stays_below_its_prefix() {
    let lake = Lake::start().await;
    let client = filled(&lake).await;
    let keys =
        |list: aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder| async move {
            let page = list.send().await.expect("a page");
            let keys: Vec<String> = page
                .contents()
                .iter()
                .filter_map(|object| object.key())
                .map(str::to_owned)
                .collect();
            keys.join(" ")
        };
    let list = || client.list_objects_v2().bucket("tree");
    assert_eq!(keys(list().prefix("b/")).await, "b/1 b/2 b/c/3");
    assert_eq!(keys(list().start_after("b/2")).await, "b/c/3 c d/4 d/5 e");
    assert_eq!(keys(list().prefix("d/").start_after("a")).await, "d/4 d/5");
    assert_eq!(keys(list().max_keys(0)).await, "");
    let wrong = list().continuation_token("zz").send().await;
    assert_eq!(code(wrong).as_deref(), Some("InvalidArgument"));
}

#[tokio::test]
async fn the_first_version_goes_on_by_marker() {
    let lake = Lake::start().await;
    let client = filled(&lake).await;
    let page = client
        .list_objects()
        .bucket("tree")
        .delimiter("/")
        .max_keys(2)
        .send()
        .await
        .expect("a page");
    assert_eq!(
        (page.is_truncated(), page.next_marker()),
        (Some(true), Some("b/"))
    );
    let page = client
        .list_objects()
        .bucket("tree")
        .delimiter("/")
        .marker("b/")
        .send()
        .await
        .expect("a page");
    let keys: Vec<&str> = page
        .contents()
        .iter()
        .filter_map(|object| object.key())
        .collect();
    assert_eq!(keys, ["c", "e"]);
    let plain = client
        .list_objects()
        .bucket("tree")
        .max_keys(3)
        .send()
        .await
        .expect("a page");
    assert_eq!(
        (plain.is_truncated(), plain.next_marker()),
        (Some(true), None)
    );
}

#[tokio::test]
async fn more_keys_than_a_page_holds_come_in_order() {
    let lake = Lake::start().await;
    let client = lake.s3();
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let client = client.clone();
        tasks.spawn(async move {
            for number in 0..130 {
                let key = format!("n/{:05}", number * 8 + worker);
                client
                    .put_object()
                    .bucket("curated")
                    .key(key)
                    .send()
                    .await
                    .expect("a put");
            }
        });
    }
    tasks.join_all().await;
    let mut pages = client
        .list_objects_v2()
        .bucket("curated")
        .prefix("n/")
        .into_paginator()
        .send();
    let mut sizes = Vec::new();
    let mut last = String::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        sizes.push(page.contents().len());
        for key in page.contents().iter().filter_map(|object| object.key()) {
            assert!(*key > *last);
            key.clone_into(&mut last);
        }
    }
    assert_eq!(sizes, [1000, 40]);
}

#[tokio::test]
async fn buckets_are_made_once_and_removed_when_empty() {
    let lake = Lake::start().await;
    let client = lake.s3();
    client
        .create_bucket()
        .bucket("fresh")
        .send()
        .await
        .expect("a bucket");
    let again = client.create_bucket().bucket("fresh").send().await;
    assert_eq!(code(again).as_deref(), Some("BucketAlreadyOwnedByYou"));
    client
        .head_bucket()
        .bucket("fresh")
        .send()
        .await
        .expect("a head");
    lake.put("fresh", "x", "text/plain", b"x").await;
    assert_eq!(
        code(client.delete_bucket().bucket("fresh").send().await).as_deref(),
        Some("BucketNotEmpty")
    );
    client
        .delete_object()
        .bucket("fresh")
        .key("x")
        .send()
        .await
        .expect("a delete");
    client
        .delete_bucket()
        .bucket("fresh")
        .send()
        .await
        .expect("a delete");
    let missing = client.list_objects_v2().bucket("fresh").send().await;
    assert_eq!(code(missing).as_deref(), Some("NoSuchBucket"));
    let location = client
        .get_bucket_location()
        .bucket("landing")
        .send()
        .await
        .expect("a location");
    assert!(
        location
            .location_constraint()
            .is_none_or(|named| named.as_str().is_empty())
    );
}
