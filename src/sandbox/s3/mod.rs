//! The S3 store: s3s does the protocol (routing, signatures, XML), this folder the store behind it.
//!
//! Buckets with real versioning, conditional writes that are atomic, multipart uploads, listings in byte order. Rows say
//! what there is, files hold the bytes and never change. Tagging, ACLs, policies, lifecycles and encryption are not
//! there: s3s answers NotImplemented.

mod blob;
mod bucket;
mod condition;
mod copy;
mod delete;
mod failure;
mod headers;
mod list_objects;
mod list_versions;
mod listing;
mod multipart;
mod operations;
mod part;
mod read;
mod source;
mod upload_listing;
mod version;
mod write;

use std::sync::Arc;

use s3s::auth::{S3Auth, SecretKey};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};

use super::state::State;
pub(crate) use failure::Failure;
pub(crate) use headers::Headers;
pub(crate) use multipart::begin;
pub(crate) use version::{New, Segment, live, put, segments};

/// The access key of every sandbox.
pub(crate) const ACCESS_KEY: &str = "sandbox-operator";
/// The secret key of every sandbox: made up, and worth nothing anywhere else.
pub(crate) const SECRET_KEY: &str = "sandbox-secret-that-opens-nothing-else-0001";
/// The region requests are signed for.
pub(crate) const REGION: &str = "us-east-1";

/// The store over this state, as one HTTP service.
pub(crate) fn service(state: Arc<State>) -> S3Service {
    let mut builder = S3ServiceBuilder::new(operations::Store { state });
    builder.set_auth(Keys);
    builder.build()
}

/// The one pair of keys there is.
struct Keys;

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == ACCESS_KEY {
            return Ok(SECRET_KEY.into());
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The AWS Access Key Id you provided does not exist in our records."
        ))
    }
}
