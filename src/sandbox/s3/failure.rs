//! Why a request to the store failed: an S3 error, or the state underneath.

use s3s::{S3Error, S3ErrorCode, s3_error};

/// An error on the way to an answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What S3 says to the client.
    S3(S3Error),
    /// The database could not do its work.
    State(rusqlite::Error),
    /// A file could not be read or written.
    File(std::io::Error),
}

/// What a client is told.
pub(crate) type Answer<T> = Result<T, Failure>;

impl From<S3Error> for Failure {
    fn from(error: S3Error) -> Self {
        Failure::S3(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::State(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::File(error)
    }
}

impl From<Failure> for S3Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::S3(error) => error,
            Failure::State(error) => s3_error!(InternalError, "the sandbox's state: {error}"),
            Failure::File(error) => s3_error!(InternalError, "the sandbox's files: {error}"),
        }
    }
}

/// The bucket is not there.
pub(crate) fn no_such_bucket() -> Failure {
    named(
        S3ErrorCode::NoSuchBucket,
        "The specified bucket does not exist",
    )
}

/// The key is not there.
pub(crate) fn no_such_key() -> Failure {
    named(S3ErrorCode::NoSuchKey, "The specified key does not exist.")
}

/// The version is not there.
pub(crate) fn no_such_version() -> Failure {
    named(
        S3ErrorCode::NoSuchVersion,
        "The specified version does not exist.",
    )
}

/// The multipart upload is not there.
pub(crate) fn no_such_upload() -> Failure {
    named(
        S3ErrorCode::NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    )
}

/// A condition of the request does not hold.
pub(crate) fn precondition_failed() -> Failure {
    named(
        S3ErrorCode::PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold",
    )
}

/// An error with S3's own words.
pub(crate) fn named(code: S3ErrorCode, message: &'static str) -> Failure {
    Failure::S3(S3Error::with_message(code, message))
}
