//! What to do next when a service cannot be used: which setting says where it is, how long it may take, who asks.

use url::Url;

use super::connection;
use crate::config::{Entrance, Key, Origin, Transport, Tunnel};
use crate::error::Kind;
use crate::time;

/// The service is not where it was looked for.
#[must_use]
pub fn address(setting: &str, origin: &Origin) -> String {
    let ways = match Key::at(setting) {
        Some(Key {
            variable,
            flag: Some(flag),
            ..
        }) => format!("{setting}, {variable} or --{flag}"),
        Some(Key { variable, .. }) => format!("{setting} or {variable}"),
        None => setting.to_owned(),
    };
    match origin {
        Origin::Default => {
            format!("is it running? its address is the compiled default; another is set by {ways}")
        }
        _ => format!("is it running? its address is from {origin}; another is set by {ways}"),
    }
}

/// A proxy stands between, and may be what does not answer.
#[must_use]
pub fn proxy(url: &Url, transport: &Transport) -> Option<String> {
    // A tunnel needs none.
    if transport.tunnel.is_some() {
        return None;
    }
    if let Some(proxy) = &transport.proxy {
        return Some(format!(
            "it is asked through the proxy {proxy} (setting http.proxy, or that of the service): does that answer?"
        ));
    }
    let names = [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let set = names
        .into_iter()
        .find(|name| std::env::var_os(name).is_some());
    set.filter(|_| !connection::is_direct(url, transport))
        .map(|name| {
            format!("it may be asked through the proxy that {name} names: does that answer?")
        })
}

/// A tunnel leads to the service, and what was wrong lies in it or behind it.
#[must_use]
pub fn tunnel(tunnel: &Tunnel) -> String {
    let trouble = tunnel.entrance.as_ref().and_then(Entrance::trouble);
    let trouble = trouble.unwrap_or_else(|| "are its pods ready, and do they listen?".to_owned());
    format!(
        "it is reached by a tunnel to {}: {trouble}",
        tunnel.endpoint
    )
}

/// The server's certificate is what was wrong, if that is what the causes say.
#[must_use]
pub fn certificate(
    error: &(dyn std::error::Error + 'static),
    transport: &Transport,
) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(why)) = rustls_error(error) {
            use rustls::CertificateError::{
                Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer,
            };
            return Some(match why {
                UnknownIssuer => match &transport.ca_file {
                    None => "the server's certificate is not trusted: name its authority with http.ca_file".to_owned(),
                    Some(file) => format!("the server's certificate is not signed by an authority in {}", file.display()),
                },
                Expired | ExpiredContext { .. } => "the server's certificate has expired, or a clock is wrong".to_owned(),
                NotValidForName | NotValidForNameContext { .. } => {
                    "the server's certificate is for another name: use the name it is made for".to_owned()
                }
                _ => "the server's certificate is not accepted".to_owned(),
            });
        }
        next = error.source();
    }
    None
}

/// TLS errors travel inside I/O errors, also inside several, which hide them from `source`.
fn rustls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut error = error;
    while let Some(inner) = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref)
    {
        error = inner;
    }
    error.downcast_ref::<rustls::Error>()
}

/// The service takes its time.
#[must_use]
pub fn timeout(transport: &Transport) -> String {
    let (setting, now) = (transport.timeout_setting, time::spell(transport.timeout));
    format!("look whether it is well and the way to it is open, or raise {setting} (now {now})")
}

/// The service does not know who asks (401), or does not allow it.
#[must_use]
pub fn refused(service: &str, kind: Kind) -> String {
    match (service, kind) {
        ("ingest", Kind::Unauthorized) => "past its proxy, say who you are with ingest.user or DASHI_INGEST_USER; through it, check ingest.token and ingest.headers: `dashictl config --origin` shows what is set".to_owned(),
        ("ingest", _) => "see who it takes you for: dashictl eval 'ingest::me()'".to_owned(),
        _ => credentials(service),
    }
}

/// The service wants other credentials.
#[must_use]
pub fn credentials(service: &str) -> String {
    match service {
        "s3" => "check s3.access_key and s3.secret_key; `dashictl config --origin` shows where they come from".to_owned(),
        "identity" => "check identity.client_id and identity.client_secret (or identity.user and identity.password, or identity.token); `dashictl config --origin` shows where they come from".to_owned(),
        _ => format!("check {service}.token and {service}.headers; `dashictl config --origin` shows what is set"),
    }
}
