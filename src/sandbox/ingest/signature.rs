//! Presigned URLs: AWS Signature Version 4 in the query, for the lake's store and with its keys.
//!
//! After "Authenticating Requests: Using Query Parameters" of the S3 API reference. What ingest-api hands out and what it
//! asks the store itself is signed here; requests are checked by the store.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use sha2::{Digest, Sha256};

use super::Lake;
use super::wanted::LANDING;

/// All but the unreserved characters of RFC 3986.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same in a path.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// A request for an object in the landing bucket that is to be signed.
pub(crate) struct Presigned<'a> {
    /// Where the store is, and its keys.
    pub(crate) lake: &'a Lake,
    /// What is done.
    pub(crate) method: Method,
    /// The key.
    pub(crate) key: &'a str,
    /// Query parameters of the operation.
    pub(crate) query: Vec<(&'a str, String)>,
    /// The content type that the request must have.
    pub(crate) content_type: Option<&'a str>,
}

impl Presigned<'_> {
    /// The URL from this moment on.
    pub(crate) fn url(&self, now: Timestamp) -> String {
        let date = now.strftime("%Y%m%d").to_string();
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{date}/{}/s3/aws4_request", self.lake.region);
        let endpoint = self.lake.s3.as_str();
        let host = endpoint
            .split_once("://")
            .map_or(endpoint, |(_, host)| host);
        let (headers, signed) = match self.content_type {
            Some(kind) => (
                format!("content-type:{kind}\nhost:{host}\n"),
                "content-type;host",
            ),
            None => (format!("host:{host}\n"), "host"),
        };
        let path = format!("/{LANDING}/{}", self.key);
        let path = utf8_percent_encode(&path, RESERVED_IN_PATH).to_string();
        let query = self.signed_query(&scope, &time, signed);
        let request = format!(
            "{}\n{path}\n{query}\n{headers}\n{signed}\nUNSIGNED-PAYLOAD",
            self.method
        );
        let digest = hex::encode(Sha256::digest(&request));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let signature = hex::encode(hmac(&self.signing_key(&date), text.as_bytes()));
        format!("{endpoint}{path}?{query}&X-Amz-Signature={signature}")
    }

    /// The query that is signed, its parameters in byte order.
    fn signed_query(&self, scope: &str, time: &str, signed: &str) -> String {
        let credential = format!("{}/{scope}", self.lake.access_key);
        let mut pairs = vec![
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", credential),
            ("X-Amz-Date", time.to_owned()),
            ("X-Amz-Expires", self.lake.valid.to_string()),
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

    fn signing_key(&self, date: &str) -> [u8; 32] {
        let first = format!("AWS4{}", self.lake.secret_key);
        let mut key = hmac(first.as_bytes(), date.as_bytes());
        for part in [&self.lake.region, "s3", "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        key
    }
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
