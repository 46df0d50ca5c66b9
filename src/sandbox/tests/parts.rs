//! Multipart uploads through the AWS SDK.

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::complete_multipart_upload::{
    CompleteMultipartUploadError, CompleteMultipartUploadOutput,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::{Lake, code};

async fn complete(
    client: &aws_sdk_s3::Client,
    upload: &str,
    parts: Vec<(i32, String)>,
) -> Result<CompleteMultipartUploadOutput, SdkError<CompleteMultipartUploadError>> {
    let parts = parts.into_iter().map(|(number, etag)| {
        let part = CompletedPart::builder().part_number(number).e_tag(etag);
        part.build()
    });
    let list = CompletedMultipartUpload::builder().set_parts(Some(parts.collect()));
    let call = client
        .complete_multipart_upload()
        .bucket("landing")
        .key("big");
    call.upload_id(upload)
        .multipart_upload(list.build())
        .send()
        .await
}

#[tokio::test]
async fn parts_become_one_object() {
    let lake = Lake::start().await;
    let client = lake.s3();
    let begun = client
        .create_multipart_upload()
        .bucket("landing")
        .key("big")
        .content_type("image/tiff");
    let begun = begun.send().await.expect("an upload");
    let upload = begun.upload_id().expect("an id");
    lake.put("landing", "tail", "text/plain", b"0123456789")
        .await;
    let first = client
        .upload_part()
        .bucket("landing")
        .key("big")
        .upload_id(upload)
        .part_number(1);
    let first = first
        .body(vec![1; 5 << 20].into())
        .send()
        .await
        .expect("a part");
    let second = client
        .upload_part_copy()
        .bucket("landing")
        .key("big")
        .upload_id(upload)
        .part_number(2);
    let second = second
        .copy_source("landing/tail")
        .copy_source_range("bytes=2-4")
        .send()
        .await
        .expect("a copied part");
    let second = second
        .copy_part_result()
        .and_then(|part| part.e_tag())
        .expect("an etag")
        .to_owned();
    let listed = client
        .list_parts()
        .bucket("landing")
        .key("big")
        .upload_id(upload)
        .send()
        .await
        .expect("parts");
    let sizes: Vec<_> = listed
        .parts()
        .iter()
        .map(|part| part.size().unwrap_or(0))
        .collect();
    assert_eq!(sizes, [5 << 20, 3]);
    let open = client
        .list_multipart_uploads()
        .bucket("landing")
        .prefix("big")
        .send()
        .await
        .expect("uploads");
    assert_eq!(open.uploads().len(), 1);

    let etag = first.e_tag().expect("an etag").to_owned();
    let wrong = complete(
        &client,
        upload,
        vec![(2, second.clone()), (1, etag.clone())],
    )
    .await;
    assert_eq!(code(wrong).as_deref(), Some("InvalidPartOrder"));
    let wrong = complete(&client, upload, vec![(1, "\"00\"".to_owned())]).await;
    assert_eq!(code(wrong).as_deref(), Some("InvalidPart"));
    let done = complete(&client, upload, vec![(1, etag.clone()), (2, second)])
        .await
        .expect("an object");
    assert!(done.e_tag().is_some_and(|etag| etag.ends_with("-2\"")));
    let across = client
        .get_object()
        .bucket("landing")
        .key("big")
        .range("bytes=5242879-5242881")
        .send()
        .await
        .expect("a range");
    assert_eq!(across.content_type(), Some("image/tiff"));
    assert_eq!(
        &across.body.collect().await.expect("bytes").into_bytes()[..],
        &[1, b'2', b'3']
    );
    assert_eq!(
        code(complete(&client, upload, vec![(1, etag)]).await).as_deref(),
        Some("NoSuchUpload")
    );
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let lake = Lake::start().await;
    let client = lake.s3();
    let begun = client
        .create_multipart_upload()
        .bucket("landing")
        .key("gone")
        .send()
        .await
        .expect("an upload");
    let upload = begun.upload_id().expect("an id");
    let part = || {
        client
            .upload_part()
            .bucket("landing")
            .key("gone")
            .upload_id(upload)
            .part_number(1)
            .body(ByteStream::from_static(b"x"))
    };
    part().send().await.expect("a part");
    client
        .abort_multipart_upload()
        .bucket("landing")
        .key("gone")
        .upload_id(upload)
        .send()
        .await
        .expect("an abort");
    assert_eq!(code(part().send().await).as_deref(), Some("NoSuchUpload"));
}
