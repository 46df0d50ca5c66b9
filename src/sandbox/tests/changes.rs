//! Conditional writes, copies and deletes through the AWS SDK.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, MetadataDirective, ObjectIdentifier};

use super::{Lake, bytes, code};

#[tokio::test]
async fn a_copy_shares_the_bytes_and_outlives_its_source() {
    let lake = Lake::start().await;
    let client = lake.s3();
    lake.put("landing", "src dir/ä.txt", "text/plain", b"copied")
        .await;
    let source = "landing/src%20dir/%C3%A4.txt";
    client
        .copy_object()
        .bucket("curated")
        .key("kept")
        .copy_source(source)
        .send()
        .await
        .expect("a copy");
    let replaced = client
        .copy_object()
        .bucket("landing")
        .key("src dir/ä.txt")
        .copy_source(source);
    let plain = replaced.clone().send().await;
    assert_eq!(code(plain).as_deref(), Some("InvalidRequest"));
    replaced
        .metadata_directive(MetadataDirective::Replace)
        .content_type("text/csv")
        .metadata("step", "2")
        .send()
        .await
        .expect("a copy onto itself");
    let head = client
        .head_object()
        .bucket("landing")
        .key("src dir/ä.txt")
        .send()
        .await
        .expect("a head");
    assert_eq!(
        (head.content_type(), head.content_length()),
        (Some("text/csv"), Some(6))
    );
    assert_eq!(bytes(&lake, "src dir/ä.txt").await, b"copied");
    client
        .delete_object()
        .bucket("landing")
        .key("src dir/ä.txt")
        .send()
        .await
        .expect("a delete");
    let kept = client
        .get_object()
        .bucket("curated")
        .key("kept")
        .send()
        .await
        .expect("the copy");
    assert_eq!(kept.content_type(), Some("text/plain"));
    assert_eq!(
        &kept.body.collect().await.expect("bytes").into_bytes()[..],
        b"copied"
    );
    let unmet = client
        .copy_object()
        .bucket("curated")
        .key("x")
        .copy_source("curated/kept")
        .copy_source_if_match("\"0\"");
    assert_eq!(
        code(unmet.send().await).as_deref(),
        Some("PreconditionFailed")
    );
}

#[tokio::test]
async fn files_of_deleted_objects_are_removed() {
    let lake = Lake::start().await;
    let count = || {
        let folders = std::fs::read_dir(lake.dir.path().join("objects"))
            .expect("objects")
            .flatten();
        folders
            .map(|folder| std::fs::read_dir(folder.path()).expect("a folder").count())
            .sum::<usize>()
    };
    let before = count();
    for round in 0..3_u8 {
        let put = lake.s3().put_object().bucket("landing").key("again");
        put.body(vec![round; 100].into())
            .send()
            .await
            .expect("a put");
    }
    assert_eq!(count(), before + 1);
    lake.s3()
        .delete_object()
        .bucket("landing")
        .key("again")
        .send()
        .await
        .expect("a delete");
    assert_eq!(count(), before);
    assert_eq!(
        std::fs::read_dir(lake.dir.path().join("incoming"))
            .expect("incoming")
            .count(),
        0
    );
}

#[tokio::test]
async fn a_batch_delete_answers_for_every_key() {
    let lake = Lake::start().await;
    let client = lake.s3();
    for number in 0..5 {
        lake.put("landing", &format!("batch/{number}"), "text/plain", b"x")
            .await;
    }
    let delete = |keys: Vec<String>, quiet: bool| {
        let objects = keys
            .into_iter()
            .map(|key| ObjectIdentifier::builder().key(key).build().expect("a key"));
        let delete = Delete::builder()
            .set_objects(Some(objects.collect()))
            .quiet(quiet)
            .build()
            .expect("a list");
        client
            .delete_objects()
            .bucket("landing")
            .delete(delete)
            .send()
    };
    let keys = (0..6).map(|number| format!("batch/{number}")).collect();
    let done = delete(keys, false).await.expect("a batch");
    assert_eq!((done.deleted().len(), done.errors().len()), (6, 0));
    let done = delete(vec!["none".to_owned()], true)
        .await
        .expect("a quiet batch");
    assert!(done.deleted().is_empty());
    let many = (0..1001).map(|number| format!("n/{number}")).collect();
    assert_eq!(
        code(delete(many, false).await).as_deref(),
        Some("MalformedXML")
    );
}

#[tokio::test]
async fn a_conditional_write_is_decided_for_one() {
    let lake = Lake::start().await;
    let client = lake.s3();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8_u8 {
        let client = client.clone();
        tasks.spawn(async move {
            let put = client
                .put_object()
                .bucket("landing")
                .key("lock")
                .if_none_match("*");
            put.body(vec![number].into()).send().await.is_ok()
        });
    }
    let won = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|won| *won)
        .count();
    assert_eq!(won, 1);
    let again = client
        .put_object()
        .bucket("landing")
        .key("lock")
        .if_none_match("*")
        .send()
        .await;
    assert_eq!(code(again).as_deref(), Some("PreconditionFailed"));
    let head = client
        .head_object()
        .bucket("landing")
        .key("lock")
        .send()
        .await
        .expect("a head");
    let etag = head.e_tag().expect("an etag");
    let wrong = client
        .put_object()
        .bucket("landing")
        .key("lock")
        .if_match("\"0123\"")
        .send()
        .await;
    assert_eq!(code(wrong).as_deref(), Some("PreconditionFailed"));
    client
        .put_object()
        .bucket("landing")
        .key("lock")
        .if_match(etag)
        .body(ByteStream::from_static(b"new"))
        .send()
        .await
        .expect("a match");
    let unmet = client
        .get_object()
        .bucket("landing")
        .key("lock")
        .if_match(etag)
        .send()
        .await;
    assert_eq!(code(unmet).as_deref(), Some("PreconditionFailed"));
    let absent = client
        .put_object()
        .bucket("landing")
        .key("absent")
        .if_match("\"0123\"")
        .send()
        .await;
    assert_eq!(code(absent).as_deref(), Some("NoSuchKey"));
    let unchanged = client
        .get_object()
        .bucket("landing")
        .key("lock")
        .if_none_match("*")
        .send()
        .await;
    assert!(
        unchanged
            .expect_err("304")
            .raw_response()
            .is_some_and(|raw| raw.status().as_u16() == 304)
    );
}
