//! Versioning through the AWS SDK: versions, delete markers, and putting back what was deleted.

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};

use super::{Lake, code};

async fn set(client: &aws_sdk_s3::Client, status: BucketVersioningStatus) {
    let configuration = VersioningConfiguration::builder().status(status).build();
    let put = client
        .put_bucket_versioning()
        .bucket("landing")
        .versioning_configuration(configuration);
    put.send().await.expect("versioning");
}

async fn put(client: &aws_sdk_s3::Client, key: &str, text: &'static str) -> Option<String> {
    let put = client
        .put_object()
        .bucket("landing")
        .key(key)
        .body(text.as_bytes().to_vec().into());
    put.send()
        .await
        .expect("a put")
        .version_id()
        .map(str::to_owned)
}

async fn read(client: &aws_sdk_s3::Client, key: &str, version: Option<String>) -> String {
    let get = client
        .get_object()
        .bucket("landing")
        .key(key)
        .set_version_id(version);
    let bytes = get
        .send()
        .await
        .expect("the object")
        .body
        .collect()
        .await
        .expect("bytes");
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[tokio::test]
async fn a_deleted_version_comes_back_when_its_marker_goes() {
    let lake = Lake::start().await;
    let client = lake.s3();
    let how = client
        .get_bucket_versioning()
        .bucket("landing")
        .send()
        .await
        .expect("versioning");
    assert!(how.status().is_none());
    assert_eq!(put(&client, "v", "zero").await, None);
    set(&client, BucketVersioningStatus::Enabled).await;
    let one = put(&client, "v", "one").await;
    let two = put(&client, "v", "two").await;
    assert!(one.is_some() && two.is_some() && one != two);
    assert_eq!(read(&client, "v", None).await, "two");
    assert_eq!(read(&client, "v", one.clone()).await, "one");
    assert_eq!(read(&client, "v", Some("null".to_owned())).await, "zero");

    let deleted = client
        .delete_object()
        .bucket("landing")
        .key("v")
        .send()
        .await
        .expect("a delete");
    assert_eq!(deleted.delete_marker(), Some(true));
    let marker = deleted.version_id().expect("a marker").to_owned();
    let gone = client.get_object().bucket("landing").key("v").send().await;
    assert_eq!(code(gone).as_deref(), Some("NoSuchKey"));
    let refused = client
        .get_object()
        .bucket("landing")
        .key("v")
        .version_id(&marker)
        .send()
        .await;
    assert_eq!(code(refused).as_deref(), Some("MethodNotAllowed"));
    let live = client
        .list_objects_v2()
        .bucket("landing")
        .prefix("v")
        .send()
        .await
        .expect("a listing");
    assert_eq!(live.key_count(), Some(0));
    client
        .delete_object()
        .bucket("landing")
        .key("v")
        .version_id(&marker)
        .send()
        .await
        .expect("a delete");
    assert_eq!(read(&client, "v", None).await, "two");
    client
        .delete_object()
        .bucket("landing")
        .key("v")
        .set_version_id(two)
        .send()
        .await
        .expect("a delete");
    assert_eq!(read(&client, "v", None).await, "one");
}

#[tokio::test]
async fn versions_are_listed_newest_first_and_in_pages() {
    let lake = Lake::start().await;
    let client = lake.s3();
    set(&client, BucketVersioningStatus::Enabled).await;
    for key in ["p/a", "p/b"] {
        for text in ["1", "2", "3"] {
            put(&client, key, text).await;
        }
    }
    client
        .delete_object()
        .bucket("landing")
        .key("p/b")
        .send()
        .await
        .expect("a delete");
    let (mut seen, mut key, mut version) = (Vec::new(), None, None);
    loop {
        let list = client
            .list_object_versions()
            .bucket("landing")
            .prefix("p/")
            .max_keys(2);
        let page = list
            .set_key_marker(key)
            .set_version_id_marker(version)
            .send()
            .await
            .expect("a page");
        for version in page.versions() {
            seen.push((
                version.key().unwrap_or_default().to_owned(),
                version.is_latest() == Some(true),
            ));
        }
        for marker in page.delete_markers() {
            seen.push((
                format!("{} deleted", marker.key().unwrap_or_default()),
                marker.is_latest() == Some(true),
            ));
        }
        if page.is_truncated() != Some(true) {
            break;
        }
        key = page.next_key_marker().map(str::to_owned);
        version = page.next_version_id_marker().map(str::to_owned);
    }
    let latest: Vec<&str> = seen
        .iter()
        .filter(|(_, latest)| *latest)
        .map(|(key, _)| key.as_str())
        .collect();
    assert_eq!((seen.len(), latest), (7, vec!["p/a", "p/b deleted"]));
}

#[tokio::test]
async fn a_suspended_bucket_writes_over_the_null_version_only() {
    let lake = Lake::start().await;
    let client = lake.s3();
    set(&client, BucketVersioningStatus::Enabled).await;
    let kept = put(&client, "s", "kept").await;
    set(&client, BucketVersioningStatus::Suspended).await;
    assert_eq!(put(&client, "s", "over").await.as_deref(), Some("null"));
    assert_eq!(
        put(&client, "s", "over again").await.as_deref(),
        Some("null")
    );
    assert_eq!(read(&client, "s", None).await, "over again");
    assert_eq!(read(&client, "s", kept).await, "kept");
    let deleted = client
        .delete_object()
        .bucket("landing")
        .key("s")
        .send()
        .await
        .expect("a delete");
    assert_eq!(
        (deleted.delete_marker(), deleted.version_id()),
        (Some(true), Some("null"))
    );
}
