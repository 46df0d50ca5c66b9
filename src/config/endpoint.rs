//! URLs of the configuration: endpoints of services, further names of the store, proxies.
//!
//! What is refused here (other schemes, credentials, queries) never reaches a client. How a tunnel is dug belongs to the
//! clients.

use std::fmt;

use url::Url;

use super::fault::Fault;
use crate::error::{Error, Result};

/// What the names of all Services of a cluster end in.
pub const CLUSTER_DOMAIN: &str = ".svc.cluster.local";

/// Where a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// At a URL, whose path ends in no slash.
    Http(Url),
    /// In a Kubernetes cluster, behind its API server: `k8s://<namespace>/<service>:<port>`.
    Kubernetes {
        /// The namespace.
        namespace: String,
        /// The name of the Service.
        service: String,
        /// The Service's port.
        port: u16,
    },
}

impl Endpoint {
    /// The URL to send requests to. A Service is asked by the name that the cluster gives it, so that the links it writes
    /// and the signatures made for it hold wherever they are used; only the way there is a tunnel.
    pub fn url(&self) -> Result<Url> {
        match self {
            Endpoint::Http(url) => Ok(url.clone()),
            Endpoint::Kubernetes {
                namespace,
                service,
                port,
            } => {
                let url = format!("http://{service}.{namespace}{CLUSTER_DOMAIN}:{port}/");
                Url::parse(&url).map_err(|error| {
                    Error::config(format!("{self} has no name in its cluster"))
                        .cause(error.to_string())
                })
            }
        }
    }

    /// Whether it is inside a cluster.
    #[must_use]
    pub fn is_in_cluster(&self) -> bool {
        matches!(self, Endpoint::Kubernetes { .. })
    }

    /// The Service that a host name inside a cluster means, as `(namespace, service)`.
    #[must_use]
    pub fn service_of(host: &str) -> Option<(&str, &str)> {
        let (service, namespace) = host.strip_suffix(CLUSTER_DOMAIN)?.split_once('.')?;
        (is_label(service) && is_label(namespace)).then_some((namespace, service))
    }

    /// Reads an endpoint.
    pub(crate) fn parse(text: &str) -> Result<Endpoint, Fault> {
        match text.strip_prefix("k8s://") {
            Some(rest) => kubernetes(rest).ok_or_else(|| {
                Fault::new(format!(
                    "must look like k8s://namespace/service:port, not {}",
                    shown(text)
                ))
            }),
            None => http(text).map(Endpoint::Http),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Http(url) => f.write_str(display(url)),
            Endpoint::Kubernetes {
                namespace,
                service,
                port,
            } => write!(f, "k8s://{namespace}/{service}:{port}"),
        }
    }
}

/// A URL as it is shown: without the slash that stands for an empty path.
pub(crate) fn display(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// Reads an `http` or `https` URL without credentials, query and fragment, and trims the slashes at its end.
pub(crate) fn http(text: &str) -> Result<Url, Fault> {
    let mut url = parse(text, &["http", "https"], "an http:// or https:// URL")?;
    if has_credentials(&url) {
        return Err(Fault::new("must not hold credentials").hint(
            "take them out of the URL: services take a token ([stac] token = ..), S3 takes access_key and secret_key",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Fault::new("must end with its path, without ? and #"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Reads the URL of a proxy.
pub(crate) fn proxy(text: &str) -> Result<Url, Fault> {
    let schemes = ["http", "https", "socks5", "socks5h"];
    let url = parse(text, &schemes, "the URL of a proxy (http://host:port)")?;
    if has_credentials(&url) {
        return Err(Fault::new("must not hold credentials")
            .hint("for a proxy that asks for a password, leave this out and set HTTPS_PROXY in the environment"));
    }
    Ok(url)
}

fn parse(text: &str, schemes: &[&str], expected: &str) -> Result<Url, Fault> {
    let must = || Fault::new(format!("must be {expected}, not {}", shown(text)));
    match Url::parse(text) {
        Ok(url) if schemes.contains(&url.scheme()) && url.has_host() => Ok(url),
        Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) if may_lack_scheme(text) => {
            let meant = shown(&format!("http://{text}"));
            Err(must().hint(format!("did you mean {meant}?")))
        }
        _ => Err(must()),
    }
}

/// Whether `http://` before this may have been meant.
fn may_lack_scheme(text: &str) -> bool {
    !text.contains("//") && !may_hold_secret(text) && !matches!(text, "" | "off")
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether a password may stand before an `@`, or a signature behind a `?`.
fn may_hold_secret(text: &str) -> bool {
    text.contains(['@', '?'])
}

/// Refused text in quotes, or a stand-in where it may hold a secret.
fn shown(text: &str) -> String {
    if may_hold_secret(text) {
        "what is there (hidden: it may hold a secret)".to_owned()
    } else {
        format!("'{text}'")
    }
}

fn kubernetes(rest: &str) -> Option<Endpoint> {
    let (namespace, target) = rest.trim_end_matches('/').split_once('/')?;
    let (service, port) = target.split_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (is_label(namespace) && is_label(service)).then(|| Endpoint::Kubernetes {
        namespace: namespace.to_owned(),
        service: service.to_owned(),
        port,
    })
}

/// Whether this can be the name of a namespace or a Service: an RFC 1123 label.
fn is_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn refusal(text: &str) -> Error {
        Endpoint::parse(text)
            .unwrap_err()
            .into_error(Kind::Config, "stac_url")
    }

    #[test]
    fn a_url_is_kept_without_its_last_slash() {
        let cases = [
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://localhost:8080/", "http://localhost:8080"),
            ("https://lake.example/stac//", "https://lake.example/stac"),
            ("HTTPS://Lake.Example:443/stac", "https://lake.example/stac"),
            ("http://[::1]:9000", "http://[::1]:9000"),
        ];
        for (text, expected) in cases {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_service_in_a_cluster_is_recognised_and_kept() {
        let endpoint = Endpoint::parse("k8s://dashi-data/stac-fastapi:8080/").unwrap();
        let expected = Endpoint::Kubernetes {
            namespace: "dashi-data".to_owned(),
            service: "stac-fastapi".to_owned(),
            port: 8080,
        };
        assert_eq!(endpoint, expected);
        assert_eq!(endpoint.to_string(), "k8s://dashi-data/stac-fastapi:8080");
    }

    #[test]
    fn a_service_in_a_cluster_is_asked_by_its_name_there() {
        let endpoint = Endpoint::parse("k8s://ns/stac:8080").unwrap();
        let url = endpoint.url().unwrap();
        assert_eq!(url.as_str(), "http://stac.ns.svc.cluster.local:8080/");
        let host = url.host_str().unwrap();
        assert_eq!(Endpoint::service_of(host), Some(("ns", "stac")));
        assert_eq!(Endpoint::service_of("stac.example.org"), None);
        assert_eq!(Endpoint::service_of("a.b.c.svc.cluster.local"), None);
    }

    #[test]
    fn a_malformed_service_in_a_cluster_is_refused() {
        for text in [
            "k8s://",
            "k8s://ns",
            "k8s://ns/stac",
            "k8s://ns/stac:",
            "k8s://ns/stac:0",
            "k8s://ns/stac:70000",
            "k8s://ns/stac:http",
            "k8s://ns/a/b:80",
            "k8s://NS/stac:80",
            "k8s://-ns/stac:80",
            "k8s:///stac:80",
            "k8s://user@ns/stac:80",
        ] {
            let error = refusal(text).to_string();
            assert!(error.contains("k8s://namespace/service:port"), "{error}");
        }
    }

    #[test]
    fn a_missing_scheme_is_suggested() {
        for text in ["localhost:8080", "stac.example", "stac.example/api"] {
            let error = refusal(text);
            assert_eq!(
                error.detail().hints,
                [format!("did you mean 'http://{text}'?")]
            );
        }
    }

    #[test]
    fn what_cannot_be_meant_as_a_host_is_not_suggested() {
        for text in ["", "off", "ftp://stac.example"] {
            assert!(refusal(text).detail().hints.is_empty(), "{text}");
        }
    }

    #[test]
    fn queries_and_fragments_are_refused_and_never_shown() {
        for text in [
            "https://x/?sig=hunter2",
            "https://x/#hunter2",
            "x/?sig=hunter2",
        ] {
            let error = refusal(text);
            assert!(error.to_string().starts_with("stac_url must "));
            assert!(!format!("{:?}", error.detail()).contains("hunter2"));
        }
    }

    #[test]
    fn other_schemes_and_hostless_urls_are_refused() {
        for text in [
            "ftp://stac.example",
            "s3://landing",
            "http://",
            "http://x:99999",
            "off",
            "",
        ] {
            let error = refusal(text).to_string();
            assert!(error.starts_with("stac_url must "), "{error}");
            assert!(error.contains(&format!("'{text}'")), "{error}");
        }
    }

    #[test]
    fn credentials_in_a_url_are_refused_and_never_shown() {
        for text in [
            "https://ada:hunter2@stac.example",
            "https://hunter2@stac.example",
            "htps://ada:hunter2@stac.example",
            "ada:hunter2@stac.example",
            "https://ada:hunter2@stac.example:99999",
        ] {
            let error = refusal(text);
            let all = format!("{error} {:?}", error.detail());
            assert!(!all.contains("hunter2"), "{all}");
        }
        let error = refusal("https://ada:hunter2@stac.example");
        assert_eq!(error.to_string(), "stac_url must not hold credentials");
        assert!(error.detail().hints[0].contains("token"));
    }

    #[test]
    fn a_proxy_may_be_socks_but_holds_no_password() {
        for text in ["http://proxy:3128", "socks5h://localhost:1080"] {
            assert_eq!(display(&proxy(text).unwrap()), text);
        }
        assert!(proxy("ftp://proxy").is_err());
        let error = proxy("http://u:hunter2@proxy:1")
            .unwrap_err()
            .into_error(Kind::Config, "http.proxy");
        assert!(!format!("{:?}", error.detail()).contains("hunter2"));
        assert!(error.detail().hints[0].contains("HTTPS_PROXY"));
    }
}
