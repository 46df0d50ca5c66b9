//! The versions of one object, in a bucket that keeps them: which is the newest, and whether it is a delete marker.

use aws_sdk_s3::types::EncodingType;

use super::s3::S3;
use super::s3_list::decoded;
use crate::error::Result;
use crate::lake::ObjectRef;

/// The newest version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Its version id.
    pub version_id: String,
    /// Whether it says that the object is deleted.
    pub is_marker: bool,
}

impl S3 {
    /// The delete marker that stands for a key, where there is one.
    pub async fn marker_of(&self, at: &ObjectRef) -> Result<Option<String>> {
        if self.versioning(&at.bucket).await? == "Off" {
            return Ok(None);
        }
        let newest = self.newest_version(&at.bucket, &at.key).await?;
        Ok(newest
            .filter(|newest| newest.is_marker)
            .map(|newest| newest.version_id))
    }

    /// The newest version of a key, or nothing where there never was one.
    pub async fn newest_version(&self, bucket: &str, key: &str) -> Result<Option<Newest>> {
        let asked = self.asked("ListObjectVersions", format!("s3://{bucket}/{key}"));
        let ask = || {
            self.client()
                .list_object_versions()
                .bucket(bucket)
                .prefix(key)
                .max_keys(100)
                .encoding_type(EncodingType::Url)
                .send()
        };
        let answer = self.reading(&asked, ask).await?;
        let is_encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let is_it = |listed: Option<&str>| match listed {
            Some(listed) if is_encoded => decoded(listed).as_deref() == Some(key),
            listed => listed == Some(key),
        };
        let markers = answer
            .delete_markers()
            .iter()
            .filter(|marker| is_it(marker.key()) && marker.is_latest() == Some(true))
            .map(|marker| (marker.version_id(), true));
        let versions = answer
            .versions()
            .iter()
            .filter(|version| is_it(version.key()) && version.is_latest() == Some(true))
            .map(|version| (version.version_id(), false));
        Ok(markers.chain(versions).find_map(|(id, is_marker)| {
            id.map(|id| Newest {
                version_id: id.to_owned(),
                is_marker,
            })
        }))
    }
}
