//! The authority of a URL (`user@HOST:9000`) in the form in which two of them are compared.
//!
//! Case, a final dot, default ports, the spellings of an address and the names of the loopback are settled here. Which
//! authority is the store is decided by `endpoint`.

use std::net::Ipv6Addr;

use url::{Host, Url};

/// What every name of the own machine is compared as.
const LOOPBACK: &str = "localhost";

/// A host and port in the form in which two of them are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) host: String,
    port: Option<u16>,
}

impl Authority {
    /// Reads `[user@]host[:port]`; `None` where the port is no port or there is no host.
    pub(crate) fn parse(text: &str) -> Option<Authority> {
        let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
        let (host, port) = split_port(text)?;
        let host = canonical_host(host);
        (!host.is_empty()).then_some(Authority { host, port })
    }

    /// The authority of a parsed URL.
    pub(crate) fn of(url: &Url) -> Option<Authority> {
        Some(Authority {
            host: canonical_host(url.host_str()?),
            port: port_family(url.port()),
        })
    }

    /// The authorities of which this one may be a bucket's own host: each with what stands before it.
    pub(crate) fn parents(&self) -> impl Iterator<Item = (&str, Authority)> {
        let dots = self.host.match_indices('.').map(|(dot, _)| dot);
        dots.map(|dot| {
            let parent = canonical_host(&self.host[dot + 1..]);
            (&self.host[..dot], self.on(parent))
        })
    }

    /// The same port on another host.
    pub(crate) fn on(&self, host: impl Into<String>) -> Authority {
        Authority {
            host: host.into(),
            port: self.port,
        }
    }
}

fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let after_brackets = text.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = text[after_brackets..].rfind(':') else {
        return Some((text, None));
    };
    let colon = after_brackets + colon;
    let port = &text[colon + 1..];
    let port = if port.is_empty() {
        None
    } else {
        Some(port.parse().ok()?)
    };
    Some((&text[..colon], port_family(port)))
}

/// Both default ports count as none: the same store behind a TLS proxy is the same store.
fn port_family(port: Option<u16>) -> Option<u16> {
    port.filter(|port| !matches!(port, 80 | 443))
}

/// The host lower-cased and without its final dot, an address in its one form, every loopback name as `localhost`.
fn canonical_host(host: &str) -> String {
    let host = host.trim_end_matches('.');
    let name = if is_canonical(host) {
        host.to_owned()
    } else {
        parsed_host(host)
    };
    match name.as_str() {
        "localhost.localdomain" | "ip6-localhost" | "ip6-loopback" => LOOPBACK.to_owned(),
        _ => name,
    }
}

fn parsed_host(host: &str) -> String {
    match Host::parse(host) {
        Ok(Host::Domain(domain)) => domain,
        Ok(Host::Ipv4(address)) if address.is_loopback() || address.is_unspecified() => {
            LOOPBACK.to_owned()
        }
        Ok(Host::Ipv6(address)) if is_loopback(address) => LOOPBACK.to_owned(),
        Ok(address) => address.to_string(),
        Err(_) => host.to_lowercase(),
    }
}

fn is_loopback(address: Ipv6Addr) -> bool {
    let mapped = address.to_ipv4_mapped();
    address.is_loopback() || address.is_unspecified() || mapped.is_some_and(|v4| v4.is_loopback())
}

/// Whether the name needs no parser: lower-case ASCII whose last label cannot be a number.
fn is_canonical(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    last.starts_with(|c: char| c.is_ascii_lowercase())
        && host
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_'))
}

/// For a host of AWS S3 the bucket it names, or nothing (`""`) where it names none: `s3.<region>`, `s3-<region>`,
/// `s3.dualstack.<region>` under `amazonaws.com`, with or without `<bucket>.` before it. `None` for any other host.
pub(crate) fn aws_bucket(host: &str) -> Option<&str> {
    let stem = host
        .strip_suffix(".amazonaws.com.cn")
        .or_else(|| host.strip_suffix(".amazonaws.com"))?;
    let dots = stem.rmatch_indices('.').map(|(dot, _)| dot);
    let is_s3 = |label: &str| {
        let label = label.split('.').next().unwrap_or(label);
        label == "s3" || label.starts_with("s3-")
    };
    // The last such label, since a bucket may be called so as well.
    let bucket = dots.map(|dot| (&stem[..dot], &stem[dot + 1..]));
    let mut hosts = bucket.chain(std::iter::once(("", stem)));
    hosts
        .find(|(_, rest)| is_s3(rest))
        .map(|(bucket, _)| bucket)
}
