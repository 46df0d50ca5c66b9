//! A running ingest-api: the sandbox's own, and one that is put in front of a lake which is none of the sandbox's.
//!
//! Only its port and its life belong here; what it answers belongs to `ingest`.

use std::net::SocketAddr;

use hyper_util::service::TowerToHyperService;

use super::faults::Faults;
use super::faulty::Faulty;
use super::ingest::{self, Lake};
use super::{Endpoint, serve};
use crate::error::Result;

/// A running ingest-api. Dropping it stops its server.
#[derive(Debug)]
pub struct IngestApi(Endpoint);

impl IngestApi {
    /// Serves on this loopback port, or on a free one for 0, in front of this lake. Must be called within a tokio runtime,
    /// which then carries the server.
    ///
    /// Fails when the port is taken. That the lake is there is not looked at.
    pub async fn start(lake: Lake, port: u16) -> Result<IngestApi> {
        let (listener, address) = serve::bind("ingest-api", port).await?;
        let router = ingest::router(lake)?;
        let server = serve::start(listener, TowerToHyperService::new(router));
        Ok(IngestApi::at(address, server))
    }

    /// The sandbox's own, which obeys its faults.
    pub(crate) async fn faulty(lake: Lake, port: u16, faults: &Faults) -> Result<IngestApi> {
        let (listener, address) = serve::bind("ingest-api", port).await?;
        let service = TowerToHyperService::new(ingest::router(lake)?);
        let server = serve::start(listener, Faulty::new("ingest", service, faults));
        Ok(IngestApi::at(address, server))
    }

    fn at(address: SocketAddr, server: serve::Server) -> IngestApi {
        IngestApi(Endpoint {
            url: format!("http://{address}"),
            _server: server,
        })
    }

    /// Its root, as in `http://127.0.0.1:34567`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }
}
