//! `If-Match` and its kin: what a read or a write demands of the object that is there.

use s3s::S3ErrorCode;
use s3s::dto::{ETagCondition, Timestamp};

use super::failure::{Answer, named, no_such_key, precondition_failed};
use super::headers::timestamp;
use super::version::Version;

/// What a request demands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    /// The object must be this one.
    pub(crate) matching: Option<ETagCondition>,
    /// The object must not be this one.
    pub(crate) differing: Option<ETagCondition>,
    /// It must have been written after this.
    pub(crate) modified_since: Option<Timestamp>,
    /// It must not have been written after this.
    pub(crate) unmodified_since: Option<Timestamp>,
}

impl Conditions {
    /// For a read or the source of a copy. `unchanged` is what an unmet `If-None-Match` means there: 304 or 412.
    pub(crate) fn check_read(&self, version: &Version, unchanged: S3ErrorCode) -> Answer<()> {
        let written = seconds(version.modified);
        match (&self.matching, &self.unmodified_since) {
            (Some(wanted), _) if !meets(wanted, version) => return Err(precondition_failed()),
            (None, Some(since)) if written > *since => return Err(precondition_failed()),
            _ => {}
        }
        match (&self.differing, &self.modified_since) {
            (Some(unwanted), _) if meets(unwanted, version) => {
                Err(named(unchanged, "Not Modified"))
            }
            (None, Some(since)) if written <= *since => Err(named(unchanged, "Not Modified")),
            _ => Ok(()),
        }
    }

    /// For a write over what is there, if anything is.
    pub(crate) fn check_write(&self, there: Option<&Version>) -> Answer<()> {
        match (&self.matching, there) {
            (Some(_), None) => return Err(no_such_key()),
            (Some(wanted), Some(version)) if !meets(wanted, version) => {
                return Err(precondition_failed());
            }
            _ => {}
        }
        match (&self.differing, there) {
            (Some(unwanted), Some(version)) if meets(unwanted, version) => {
                Err(precondition_failed())
            }
            _ => Ok(()),
        }
    }
}

fn meets(condition: &ETagCondition, version: &Version) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == version.etag,
    }
}

/// HTTP dates know whole seconds only.
fn seconds(millis: i64) -> Timestamp {
    timestamp(millis / 1000 * 1000)
}
