//! Objects through the AWS SDK: put, get, ranges, odd keys, checksums, presigned URLs.

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use std::time::Duration;

use super::{Lake, bytes, code};

const ODD_KEYS: [&str; 7] = [
    "a b/c+d.txt",
    "100%/x&y=z?.txt",
    "Straße/ä ö ü.tif",
    "control\u{1}\u{7f}",
    "tab\tand\nnewline",
    "//double//slash/",
    "<xml>\"quoted\"'</xml>",
];

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let lake = Lake::start().await;
    let client = lake.s3();
    let put = client
        .put_object()
        .bucket("landing")
        .key("a/b.txt")
        .content_type("text/plain")
        .cache_control("no-cache")
        .metadata("Owner", "ada")
        .body(ByteStream::from_static(b"hello world"))
        .send()
        .await
        .expect("a put");
    assert_eq!(put.e_tag(), Some("\"5eb63bbbe01eeed093cb22bb8f5acdc3\""));
    let head = client
        .head_object()
        .bucket("landing")
        .key("a/b.txt")
        .send()
        .await
        .expect("a head");
    assert_eq!(
        (head.content_length(), head.content_type()),
        (Some(11), Some("text/plain"))
    );
    assert_eq!(
        head.metadata()
            .and_then(|kept| kept.get("owner"))
            .map(String::as_str),
        Some("ada")
    );
    assert_eq!(head.cache_control(), Some("no-cache"));
    for (range, expected) in [
        ("bytes=0-4", "hello"),
        ("bytes=6-", "world"),
        ("bytes=-3", "rld"),
        ("bytes=4-99", "o world"),
    ] {
        let got = client
            .get_object()
            .bucket("landing")
            .key("a/b.txt")
            .range(range)
            .send()
            .await
            .expect("a range");
        assert!(
            got.content_range()
                .is_some_and(|range| range.ends_with("/11"))
        );
        assert_eq!(
            &got.body.collect().await.expect("bytes").into_bytes()[..],
            expected.as_bytes()
        );
    }
    let beyond = client
        .get_object()
        .bucket("landing")
        .key("a/b.txt")
        .range("bytes=11-")
        .send()
        .await;
    assert_eq!(code(beyond).as_deref(), Some("InvalidRange"));
    let missing = client
        .get_object()
        .bucket("landing")
        .key("none")
        .send()
        .await;
    assert_eq!(code(missing).as_deref(), Some("NoSuchKey"));
    let missing = client
        .get_object()
        .bucket("none-such")
        .key("none")
        .send()
        .await;
    assert_eq!(code(missing).as_deref(), Some("NoSuchBucket"));
}

#[tokio::test]
async fn odd_keys_are_put_listed_and_deleted() {
    let lake = Lake::start().await;
    let client = lake.s3();
    client
        .create_bucket()
        .bucket("odd-keys")
        .send()
        .await
        .expect("a bucket");
    for key in ODD_KEYS {
        client
            .put_object()
            .bucket("odd-keys")
            .key(key)
            .body(ByteStream::from_static(b"x"))
            .send()
            .await
            .expect(key);
        client
            .head_object()
            .bucket("odd-keys")
            .key(key)
            .send()
            .await
            .expect(key);
    }
    let listed = client
        .list_objects_v2()
        .bucket("odd-keys")
        .encoding_type(aws_sdk_s3::types::EncodingType::Url);
    let listed = listed.send().await.expect("a listing");
    let mut keys: Vec<String> = listed
        .contents()
        .iter()
        .filter_map(|object| object.key())
        .map(|key| {
            let spaced = key.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced)
                .decode_utf8()
                .expect("utf-8")
                .into_owned()
        })
        .collect();
    let mut expected = ODD_KEYS.map(str::to_owned).to_vec();
    expected.sort();
    keys.sort();
    assert_eq!(keys, expected);
    for key in ODD_KEYS {
        client
            .delete_object()
            .bucket("odd-keys")
            .key(key)
            .send()
            .await
            .expect(key);
    }
    client
        .delete_bucket()
        .bucket("odd-keys")
        .send()
        .await
        .expect("an empty bucket");
    let long = "k".repeat(1025);
    let refused = client
        .put_object()
        .bucket("landing")
        .key(long)
        .body(ByteStream::from_static(b"x"))
        .send()
        .await;
    assert_eq!(code(refused).as_deref(), Some("KeyTooLongError"));
}

#[tokio::test]
async fn damaged_bytes_are_refused() {
    let lake = Lake::start().await;
    let client = lake.s3();
    let put = || {
        client
            .put_object()
            .bucket("landing")
            .key("sum")
            .body(ByteStream::from_static(b"hello"))
    };
    assert_eq!(
        code(put().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await).as_deref(),
        Some("BadDigest")
    );
    assert_eq!(
        code(put().checksum_crc32("AAAAAA==").send().await).as_deref(),
        Some("BadDigest")
    );
    let eager = client.config().to_builder();
    let eager = eager.request_checksum_calculation(RequestChecksumCalculation::WhenSupported);
    let eager = aws_sdk_s3::Client::from_conf(eager.build());
    let path = lake.dir.path().join("body.txt");
    std::fs::write(&path, "hello").expect("a file");
    let streamed = ByteStream::from_path(&path).await.expect("a body");
    for body in [ByteStream::from_static(b"hello"), streamed] {
        let put = eager.put_object().bucket("landing").key("sum").body(body);
        let sent = put.send().await.expect("a put");
        assert_eq!(sent.checksum_crc32(), Some("NhCmhg=="));
        assert_eq!(bytes(&lake, "sum").await, b"hello");
    }
    let wrong_key =
        aws_sdk_s3::config::Credentials::new("sandbox-operator", "wrong", None, None, "t");
    let config = client
        .config()
        .to_builder()
        .credentials_provider(wrong_key)
        .build();
    let refused = aws_sdk_s3::Client::from_conf(config)
        .list_buckets()
        .send()
        .await;
    assert_eq!(code(refused).as_deref(), Some("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn presigned_urls_work_until_they_are_changed() {
    let lake = Lake::start().await;
    let client = lake.s3();
    let hour = || PresigningConfig::expires_in(Duration::from_hours(1)).expect("an hour");
    let put = client
        .put_object()
        .bucket("landing")
        .key("pre signed/ä.txt")
        .presigned(hour())
        .await
        .expect("a url");
    let sent = lake
        .http
        .put(put.uri())
        .body("presigned")
        .send()
        .await
        .expect("an answer");
    assert_eq!(sent.status(), 200);
    let get = client
        .get_object()
        .bucket("landing")
        .key("pre signed/ä.txt")
        .presigned(hour())
        .await
        .expect("a url");
    let got = lake.http.get(get.uri()).send().await.expect("an answer");
    assert_eq!(got.text().await.expect("text"), "presigned");
    let changed = get.uri().replace("signed/", "signet/");
    assert_eq!(
        lake.http
            .get(changed)
            .send()
            .await
            .expect("an answer")
            .status(),
        403
    );
}

#[tokio::test]
async fn a_large_object_streams_through() {
    let lake = Lake::start().await;
    let path = lake.dir.path().join("incoming-test.bin");
    let pattern: Vec<u8> = (0..=250).collect();
    std::fs::write(&path, pattern.repeat(100_000)).expect("a file");
    let body = ByteStream::from_path(&path).await.expect("a body");
    lake.s3()
        .put_object()
        .bucket("landing")
        .key("large")
        .body(body)
        .send()
        .await
        .expect("a put");
    let back = bytes(&lake, "large").await;
    assert_eq!(back.len(), 25_100_000);
    assert!(back.chunks(251).all(|chunk| chunk == pattern));
}
