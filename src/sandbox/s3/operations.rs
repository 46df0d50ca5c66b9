//! The operations s3s calls, each handed on to the file it belongs to.
//!
//! Only unpacking and packing happens here. What is not listed is answered with NotImplemented by s3s.

use std::sync::Arc;

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput,
    CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteBucketInput,
    DeleteBucketOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, ETag, GetBucketLocationInput, GetBucketLocationOutput,
    GetBucketVersioningInput, GetBucketVersioningOutput, GetObjectInput, GetObjectOutput,
    HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput,
    ListBucketsOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput,
    PutBucketVersioningInput, PutBucketVersioningOutput, PutObjectInput, PutObjectOutput,
    UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result};

use super::condition::Conditions;
use super::failure::Answer;
use super::headers::Headers;
use super::{
    blob, bucket, copy, delete, list_objects, list_versions, multipart, part, read, upload_listing,
    version, write,
};
use crate::sandbox::state::State;

/// The store.
pub(crate) struct Store {
    /// Where everything is.
    pub(crate) state: Arc<State>,
}

/// An answer as s3s wants it.
fn respond<T>(answer: Answer<T>) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(answer?))
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn list_buckets(
        &self,
        _: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        respond(bucket::list(&self.state).await)
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        respond(bucket::create(&self.state, request.input.bucket).await)
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        respond(bucket::delete(&self.state, request.input.bucket).await)
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        respond(bucket::head(&self.state, request.input.bucket).await)
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        respond(bucket::location(&self.state, request.input.bucket).await)
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        respond(bucket::versioning(&self.state, request.input.bucket).await)
    }

    async fn put_bucket_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let input = request.input;
        let configuration = input.versioning_configuration;
        respond(bucket::set_versioning(&self.state, input.bucket, configuration).await)
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        respond(list_objects::v1(&self.state, request.input).await)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        respond(list_objects::v2(&self.state, request.input).await)
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        respond(list_versions::list(&self.state, request.input).await)
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        respond(read::get(&self.state, request.input).await)
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        respond(read::head(&self.state, request.input).await)
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        respond(write::put(&self.state, request.input, request.trailing_headers).await)
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        respond(copy::copy(&self.state, request.input).await)
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        respond(delete::one(&self.state, request.input).await)
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        respond(delete::many(&self.state, request.input).await)
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        respond(begin(&self.state, request.input).await)
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        respond(part::upload(&self.state, request.input, request.trailing_headers).await)
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        respond(part::copy(&self.state, request.input).await)
    }

    async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        respond(part::list(&self.state, request.input).await)
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        respond(upload_listing::list(&self.state, request.input).await)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        respond(complete(&self.state, request.input).await)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        respond(abort(&self.state, request.input).await)
    }
}

async fn begin(
    state: &Arc<State>,
    input: CreateMultipartUploadInput,
) -> Answer<CreateMultipartUploadOutput> {
    let headers = Headers {
        content_type: input.content_type,
        cache_control: input.cache_control,
        content_disposition: input.content_disposition,
        content_encoding: input.content_encoding,
        content_language: input.content_language,
        ..Headers::default()
    }
    .with_metadata(input.metadata);
    let (bucket, key) = (input.bucket.clone(), input.key.clone());
    let upload = state
        .write(move |database| multipart::begin(database, &bucket, &key, &headers))
        .await?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload),
        ..CreateMultipartUploadOutput::default()
    })
}

async fn complete(
    state: &Arc<State>,
    input: CompleteMultipartUploadInput,
) -> Answer<CompleteMultipartUploadOutput> {
    let listed = input.multipart_upload.and_then(|upload| upload.parts);
    let parts: Vec<(i32, String)> = listed
        .unwrap_or_default()
        .into_iter()
        .map(|part| {
            let etag = part.e_tag.map(ETag::into_value).unwrap_or_default();
            (part.part_number.unwrap_or(0), etag)
        })
        .collect();
    let conditions = Conditions {
        matching: input.if_match,
        differing: input.if_none_match,
        ..Conditions::default()
    };
    let (bucket, key, upload) = (input.bucket.clone(), input.key.clone(), input.upload_id);
    let completed = state
        .write(move |database| {
            let there = version::live(database, &bucket, &key)?;
            conditions.check_write(there.as_ref())?;
            multipart::complete(database, &bucket, &key, &upload, &parts)
        })
        .await?;
    blob::bury(state).await?;
    Ok(CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(ETag::Strong(completed.etag)),
        version_id: completed.version,
        ..CompleteMultipartUploadOutput::default()
    })
}

async fn abort(
    state: &Arc<State>,
    input: AbortMultipartUploadInput,
) -> Answer<AbortMultipartUploadOutput> {
    state
        .write(move |database| {
            multipart::abort(database, &input.bucket, &input.key, &input.upload_id)
        })
        .await?;
    blob::bury(state).await?;
    Ok(AbortMultipartUploadOutput::default())
}
