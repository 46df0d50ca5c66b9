//! What a change writes, as bytes in memory and as JSON in plan and journal: text as it is, other bytes in base64, and
//! what is too large for either as its digest alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};

/// Larger contents stand in plan and journal as a digest.
const LIMIT: usize = 1 << 20;

/// What a change writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Payload {
    bytes: Option<Bytes>,
    size: u64,
    sha256: String,
}

/// How it is written down.
#[derive(Serialize, Deserialize)]
struct Written {
    size: u64,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl Payload {
    /// These bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Payload {
        let bytes = bytes.into();
        Payload {
            size: bytes.len() as u64,
            sha256: digest(&bytes),
            bytes: Some(bytes),
        }
    }

    /// How many bytes there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Their digest, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The bytes; a plan or journal does not hold large ones.
    pub fn bytes(&self) -> Result<Bytes> {
        self.bytes.clone().ok_or_else(|| {
            Error::new(
                Kind::Stale,
                format!(
                    "the {} bytes to be written were too many to be kept",
                    self.size
                ),
            )
            .hint("run the script again: what it has done already is found in place")
        })
    }
}

/// The SHA-256 of bytes, in hexadecimal.
#[must_use]
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl From<Payload> for Written {
    fn from(payload: Payload) -> Written {
        let kept = payload.bytes.filter(|bytes| bytes.len() <= LIMIT);
        let text = kept
            .as_ref()
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        Written {
            size: payload.size,
            sha256: payload.sha256,
            text: text.map(str::to_owned),
            base64: kept
                .as_ref()
                .filter(|_| text.is_none())
                .map(|bytes| STANDARD.encode(bytes)),
        }
    }
}

impl From<Written> for Payload {
    fn from(written: Written) -> Payload {
        let text = written.text.map(String::into_bytes);
        let bytes = text.or_else(|| STANDARD.decode(written.base64?).ok());
        Payload {
            // Bytes that are not what was confirmed are none.
            bytes: bytes
                .filter(|bytes| digest(bytes) == written.sha256)
                .map(Bytes::from),
            size: written.size,
            sha256: written.sha256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(payload: &Payload) -> Payload {
        serde_json::from_str(&serde_json::to_string(payload).unwrap()).unwrap()
    }

    #[test]
    fn text_and_bytes_come_back_and_large_ones_do_not() {
        for bytes in [&b"text \xc3\xa4"[..], &[0, 159, 146, 150]] {
            let payload = Payload::new(bytes.to_vec());
            assert_eq!(again(&payload), payload);
        }
        let large = again(&Payload::new(vec![b'a'; LIMIT + 1]));
        assert_eq!(large.size(), LIMIT as u64 + 1);
        assert_eq!(large.bytes().unwrap_err().kind(), Kind::Stale);
    }

    #[test]
    fn a_tampered_content_is_not_written() {
        let text = serde_json::to_string(&Payload::new("abc")).unwrap();
        let tampered: Payload = serde_json::from_str(&text.replace("abc", "abd")).unwrap();
        assert!(tampered.bytes().is_err());
    }
}
