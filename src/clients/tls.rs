//! TLS for every service: one library (rustls), one crypto provider (ring), the system's roots plus `ca_file`.

use std::path::Path;

use reqwest::{Certificate, ClientBuilder, Identity};

use crate::config::Transport;
use crate::error::{Error, Result};

/// Installs the crypto provider of this process; a second time changes nothing.
pub fn install_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client builder with the certificates of a service.
pub fn configure(builder: ClientBuilder, transport: &Transport) -> Result<ClientBuilder> {
    install_provider();
    let mut builder = builder;
    if let Some(path) = &transport.ca_file {
        builder = builder.tls_certs_merge(authorities(path)?);
    }
    match (&transport.client_cert, &transport.client_key) {
        (Some(cert), Some(key)) => Ok(builder.identity(identity(cert, key)?)),
        (Some(both), None) => Ok(builder.identity(identity(both, both)?)),
        (None, _) => Ok(builder),
    }
}

/// The certificates of a PEM file.
fn authorities(path: &Path) -> Result<Vec<Certificate>> {
    let pem = read(path, "ca_file")?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| {
        Error::config(format!(
            "ca_file {} holds no PEM certificates",
            path.display()
        ))
        .caused_by(&error)
    })?;
    if certificates.is_empty() {
        return Err(Error::config(format!(
            "ca_file {} holds no PEM certificates",
            path.display()
        )));
    }
    Ok(certificates)
}

fn identity(cert: &Path, key: &Path) -> Result<Identity> {
    let mut pem = read(cert, "client_cert")?;
    pem.push(b'\n');
    pem.extend(read(key, "client_key")?);
    Identity::from_pem(&pem).map_err(|error| {
        let files = format!(
            "client_cert {} and client_key {}",
            cert.display(),
            key.display()
        );
        Error::config(format!("{files} are no PEM certificate and key")).caused_by(&error)
    })
}

/// The bytes of a file that a setting names.
pub fn read(path: &Path, setting: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        Error::config(format!(
            "cannot read {} (setting {setting})",
            path.display()
        ))
        .cause(error.to_string())
    })
}
