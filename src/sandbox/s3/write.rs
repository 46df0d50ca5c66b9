//! PutObject: the bytes go to disk as they come, and the object appears whole or not at all.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::{Checksum, ChecksumAlgorithm, ETag, PutObjectInput, PutObjectOutput};
use s3s::{S3ErrorCode, TrailingHeaders};

use super::blob::{self, Received};
use super::condition::Conditions;
use super::failure::{Answer, named};
use super::headers::{self, Headers};
use super::version::{self, New};
use crate::sandbox::state::State;

/// PutObject
pub(crate) async fn put(
    state: &Arc<State>,
    input: PutObjectInput,
    trailers: Option<TrailingHeaders>,
) -> Answer<PutObjectOutput> {
    let sums = Sums {
        announced: Checksum {
            checksum_crc32: input.checksum_crc32,
            checksum_crc32c: input.checksum_crc32c,
            checksum_crc64nvme: input.checksum_crc64nvme,
            checksum_sha1: input.checksum_sha1,
            checksum_sha256: input.checksum_sha256,
            ..Checksum::default()
        },
        md5: input.content_md5,
        algorithm: input.checksum_algorithm,
        trailers,
    };
    let (mut received, sums) = sums
        .take_in(state, input.body, input.content_length)
        .await?;
    received.settle(state).await?;

    let conditions = Conditions {
        matching: input.if_match,
        differing: input.if_none_match,
        ..Conditions::default()
    };
    let new = New {
        etag: received.etag(),
        headers: Headers {
            content_type: input.content_type,
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding,
            content_language: input.content_language,
            ..Headers::default()
        }
        .with_metadata(input.metadata),
        segments: received.segments(),
        modified: headers::now(state.clock()),
    };
    let etag = new.etag.clone();
    let (bucket, key) = (input.bucket, input.key);
    let version_id = state
        .write(move |database| {
            let there = version::live(database, &bucket, &key)?;
            conditions.check_write(there.as_ref())?;
            version::put(database, &bucket, &key, &new)
        })
        .await?;
    received.keep();
    blob::bury(state).await?;
    Ok(PutObjectOutput {
        e_tag: Some(ETag::Strong(etag)),
        version_id,
        checksum_crc32: sums.checksum_crc32,
        checksum_crc32c: sums.checksum_crc32c,
        checksum_crc64nvme: sums.checksum_crc64nvme,
        checksum_sha1: sums.checksum_sha1,
        checksum_sha256: sums.checksum_sha256,
        ..PutObjectOutput::default()
    })
}

/// What a client says its bytes add up to.
pub(crate) struct Sums {
    /// In headers.
    pub(crate) announced: Checksum,
    /// In `Content-MD5`, base64.
    pub(crate) md5: Option<String>,
    /// The algorithm whose sum follows the body, as in `CRC32`.
    pub(crate) algorithm: Option<ChecksumAlgorithm>,
    /// What follows the body.
    pub(crate) trailers: Option<TrailingHeaders>,
}

impl Sums {
    /// Takes a body in and holds it against every sum. Answers the sums that were checked.
    pub(crate) async fn take_in(
        self,
        state: &State,
        body: Option<s3s::dto::StreamingBlob>,
        length: Option<i64>,
    ) -> Answer<(Received, Checksum)> {
        let mut hasher = self.hasher();
        let received = blob::receive(state, body, length, &mut hasher).await?;
        if let Some(md5) = &self.md5 {
            let wanted = STANDARD.decode(md5).map_err(|_| {
                named(
                    S3ErrorCode::InvalidDigest,
                    "The Content-MD5 you specified was invalid.",
                )
            })?;
            if wanted != received.md5 {
                return Err(bad_digest());
            }
        }
        let computed = hasher.finalize();
        let trailer = |name: &str| {
            let trailers = self.trailers.as_ref()?;
            let read = |headers: &http::HeaderMap| {
                let value = headers.get(name)?;
                value.to_str().ok().map(str::to_owned)
            };
            trailers.read(read).flatten()
        };
        let said = &self.announced;
        let pairs = [
            (
                "x-amz-checksum-crc32",
                &said.checksum_crc32,
                &computed.checksum_crc32,
            ),
            (
                "x-amz-checksum-crc32c",
                &said.checksum_crc32c,
                &computed.checksum_crc32c,
            ),
            (
                "x-amz-checksum-crc64nvme",
                &said.checksum_crc64nvme,
                &computed.checksum_crc64nvme,
            ),
            (
                "x-amz-checksum-sha1",
                &said.checksum_sha1,
                &computed.checksum_sha1,
            ),
            (
                "x-amz-checksum-sha256",
                &said.checksum_sha256,
                &computed.checksum_sha256,
            ),
        ];
        for (name, announced, computed) in pairs {
            let wanted = announced.clone().or_else(|| trailer(name));
            if wanted.is_some() && wanted != *computed {
                return Err(bad_digest());
            }
        }
        Ok((received, computed))
    }

    /// Computes what the client will hold the bytes against, and nothing else.
    fn hasher(&self) -> ChecksumHasher {
        let said = &self.announced;
        let algorithm = self.algorithm.as_ref().map(ChecksumAlgorithm::as_str);
        let announced = |name: &str, sum: &Option<String>| sum.is_some() || algorithm == Some(name);
        ChecksumHasher {
            crc32: announced("CRC32", &said.checksum_crc32).then(Crc32::new),
            crc32c: announced("CRC32C", &said.checksum_crc32c).then(Crc32c::new),
            crc64nvme: announced("CRC64NVME", &said.checksum_crc64nvme).then(Crc64Nvme::new),
            sha1: announced("SHA1", &said.checksum_sha1).then(Sha1::new),
            sha256: announced("SHA256", &said.checksum_sha256).then(Sha256::new),
        }
    }
}

fn bad_digest() -> super::failure::Failure {
    named(
        S3ErrorCode::BadDigest,
        "The Content-MD5 or checksum value that you specified did not match what the server received.",
    )
}
