//! The HTTP client of one service: its certificates, proxy and connect timeout. JSON services and the object store
//! share this, so that a setting means the same to both.

use reqwest::{Client, ClientBuilder, Proxy};
use url::{Host, Url};

use super::tls;
use super::tunnel::DIG;
use crate::config::Transport;
use crate::error::{Error, Result};

/// A builder with all that the settings say of the way to `url`. Redirects are never followed by it.
pub fn builder(service: &str, url: &Url, transport: &Transport) -> Result<ClientBuilder> {
    let mut builder = Client::builder()
        .user_agent(concat!("dashictl/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(transport.connect_timeout)
        .tcp_nodelay(true);
    tls::install_provider();
    builder = match url.scheme() {
        // No roots are loaded for plain HTTP: that alone would take longer than the start of a command may.
        "http" if transport.proxy.is_none() || transport.tunnel.is_some() => {
            builder.tls_certs_only([])
        }
        _ => tls::configure(builder, transport)?,
    };
    if let Some(entrance) = transport
        .tunnel
        .as_ref()
        .and_then(|tunnel| tunnel.entrance.as_ref())
    {
        let socks = Proxy::all(entrance.proxy.as_str()).map_err(|error| {
            Error::internal("the entrance of the tunnel is no proxy").caused_by(&error)
        })?;
        // Its own limit on opening comes first, and says more.
        let patience = transport.connect_timeout.max(DIG) + DIG / 2;
        return Ok(builder.connect_timeout(patience).proxy(socks));
    }
    if let Some(proxy) = &transport.proxy {
        let wrong = |error| {
            Error::config(format!("the proxy of {service} is wrong: {proxy}")).caused_by(&error)
        };
        return Ok(builder.proxy(Proxy::all(proxy.as_str()).map_err(wrong)?));
    }
    Ok(if is_direct(url, transport) {
        builder.no_proxy()
    } else {
        builder
    })
}

/// The client of a builder.
pub fn build(service: &str, builder: ClientBuilder) -> Result<Client> {
    builder.build().map_err(|error| {
        Error::config(format!("no HTTP client for {service} could be made")).caused_by(&error)
    })
}

/// Whether the environment's proxies are passed by. Loopback is never behind one, whatever the environment says.
#[must_use]
pub fn is_direct(url: &Url, transport: &Transport) -> bool {
    is_loopback(url) || !transport.system_proxy
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}
