//! What an object carries besides its bytes: content type and kin, and the client's own metadata.
//!
//! How it is kept and how it is shown belongs here.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use s3s::dto::{Metadata, Timestamp};
use serde::{Deserialize, Serialize};

use crate::sandbox::clock::Clock;

/// The stored headers of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Headers {
    /// `Content-Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// `Cache-Control`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    /// `Content-Disposition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_disposition: Option<String>,
    /// `Content-Encoding`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    /// `Content-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_language: Option<String>,
    /// `x-amz-meta-*`, names in lower case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Headers {
    /// Headers of a plain object of this type.
    pub(crate) fn of_type(content_type: &str) -> Headers {
        Headers {
            content_type: Some(content_type.to_owned()),
            ..Headers::default()
        }
    }

    /// With the client's metadata.
    pub(crate) fn with_metadata(mut self, metadata: Option<Metadata>) -> Headers {
        self.metadata = metadata.into_iter().flatten().collect();
        self
    }

    /// The client's metadata, as an answer shows it.
    pub(crate) fn shown_metadata(&self) -> Option<Metadata> {
        let shown: Metadata = self
            .metadata
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        (!shown.is_empty()).then_some(shown)
    }

    /// The content type; objects without one have S3's default.
    pub(crate) fn shown_type(&self) -> String {
        let kept = self.content_type.as_deref();
        kept.unwrap_or("binary/octet-stream").to_owned()
    }

    /// As text for the state.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// From the state's text.
    pub(crate) fn from_text(text: &str) -> Headers {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// Milliseconds since 1970 as S3 answers them.
pub(crate) fn timestamp(millis: i64) -> Timestamp {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    Timestamp::from(SystemTime::UNIX_EPOCH + since)
}

/// The moment of a clock in milliseconds since 1970.
pub(crate) fn now(clock: &Clock) -> i64 {
    clock.now().as_millisecond()
}
