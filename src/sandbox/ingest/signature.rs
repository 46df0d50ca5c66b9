//! Presigned URLs: AWS Signature Version 4 in the query, for the sandbox's own store and keys.
//!
//! After "Authenticating Requests: Using Query Parameters" of the S3 API reference. Only what ingest-api hands out is
//! signed here; requests are checked by s3s.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::sandbox::s3::{ACCESS_KEY, REGION, SECRET_KEY};

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same in a path.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// A request to be signed.
#[derive(Debug, Clone)]
pub(crate) struct Presigned<'a> {
    /// The endpoint, as in `http://127.0.0.1:9000`.
    pub(crate) endpoint: &'a str,
    /// The bucket.
    pub(crate) bucket: &'a str,
    /// The key.
    pub(crate) key: &'a str,
    /// Query parameters of the operation.
    pub(crate) query: Vec<(&'a str, String)>,
    /// The content type that the upload must have.
    pub(crate) content_type: Option<&'a str>,
    /// Seconds until it expires.
    pub(crate) expires: i64,
}

impl Presigned<'_> {
    /// The URL for a PUT from this moment on.
    pub(crate) fn put(&self, now: Timestamp) -> String {
        let date = now.strftime("%Y%m%d").to_string();
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{date}/{REGION}/s3/aws4_request");
        let host = self
            .endpoint
            .split_once("://")
            .map_or(self.endpoint, |(_, host)| host);
        let (headers, signed) = match self.content_type {
            Some(kind) => (
                format!("content-type:{kind}\nhost:{host}\n"),
                "content-type;host",
            ),
            None => (format!("host:{host}\n"), "host"),
        };
        let path = utf8_percent_encode(&format!("/{}/{}", self.bucket, self.key), RESERVED_IN_PATH)
            .to_string();
        let query = self.signed_query(&scope, &time, signed);
        let request = format!("PUT\n{path}\n{query}\n{headers}\n{signed}\nUNSIGNED-PAYLOAD");
        let digest = hex::encode(Sha256::digest(&request));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let signature = hex::encode(hmac(&signing_key(&date), text.as_bytes()));
        format!(
            "{}{path}?{query}&X-Amz-Signature={signature}",
            self.endpoint
        )
    }

    /// The query that is signed, its parameters in byte order.
    fn signed_query(&self, scope: &str, time: &str, signed: &str) -> String {
        let mut pairs = vec![
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", format!("{ACCESS_KEY}/{scope}")),
            ("X-Amz-Date", time.to_owned()),
            ("X-Amz-Expires", self.expires.to_string()),
            ("X-Amz-SignedHeaders", signed.to_owned()),
        ];
        pairs.extend(self.query.clone());
        pairs.sort();
        let written = pairs.iter().map(|(name, value)| {
            let value = utf8_percent_encode(value, RESERVED);
            format!("{name}={value}")
        });
        written.collect::<Vec<_>>().join("&")
    }
}

fn signing_key(date: &str) -> [u8; 32] {
    let mut key = hmac(format!("AWS4{SECRET_KEY}").as_bytes(), date.as_bytes());
    for part in [REGION, "s3", "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    key
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_agrees_with_rfc_4231() {
        let first = hmac(&[0x0b; 20], b"Hi There");
        assert!(hex::encode(first).starts_with("b0344c61d8db38535ca8afceaf0bf12b"));
        let long = hmac(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
        );
        assert!(hex::encode(long).starts_with("60e431591ee0b67f0d8a26aacbf5b77f"));
    }
}
