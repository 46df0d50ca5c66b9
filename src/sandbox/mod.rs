//! The embedded lake behind `--context sandbox`: S3, STAC, Prefect, Loki, Keycloak, Iceberg's catalogue and ingest-api, each speaking the real
//! protocol on a loopback port inside this process, with their state in one folder on disk.
//!
//! What starts and stops them belongs here. Each service is a folder of its own and holds to the exchanges recorded from
//! the real server (`tests/contracts/`); what they share on disk is `state`, what they are first filled with is `seed`.
//! The sandbox is a server: nothing here knows the clients.

mod bearer;
mod clock;
mod faults;
mod faulty;
mod iceberg;
mod ingest;
mod ingest_api;
mod keycloak;
mod loki;
mod prefect;
mod reply;
mod s3;
mod seed;
mod serve;
mod sql;
mod stac;
mod state;
#[cfg(test)]
mod tests;
mod validation;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_util::service::TowerToHyperService;

use crate::config::Environment;
use crate::error::{Error, Result};
pub use clock::Clock;
pub use faults::{Fault, Faults, SERVICES};
use faulty::Faulty;
pub use ingest::Lake as IngestLake;
pub use ingest_api::IngestApi;
use state::State;

/// The ingest-api's URLs are valid for so many seconds, as the recorded one's: a quarter of an hour.
const VALID: i64 = 900;

/// The loopback ports to serve on; 0 takes a free one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ports {
    /// The STAC API.
    pub stac: u16,
    /// The Prefect API.
    pub prefect: u16,
    /// Loki.
    pub loki: u16,
    /// ingest-api.
    pub ingest: u16,
    /// Keycloak.
    pub identity: u16,
    /// The Iceberg REST catalogue.
    pub iceberg: u16,
    /// The S3 store.
    pub s3: u16,
}

/// A running sandbox. Dropping it stops its servers; the state stays on disk.
#[derive(Debug)]
pub struct Sandbox {
    stac: Endpoint,
    prefect: Endpoint,
    loki: Endpoint,
    ingest: IngestApi,
    identity: Endpoint,
    iceberg: Endpoint,
    s3: Endpoint,
}

#[derive(Debug)]
struct Endpoint {
    url: String,
    _server: serve::Server,
}

impl Sandbox {
    /// Serves the lake in `dir`, which is created and filled on first use. Several programs may serve one folder at the
    /// same time. Must be called within a tokio runtime, which then carries the servers.
    ///
    /// Fails when a port is taken, when the folder cannot be written, or when it holds something else.
    pub async fn start(dir: &Path, ports: Ports) -> Result<Sandbox> {
        // On a thread of its own: another process may be filling the lake, and who waits must be able to stop waiting.
        let folder = dir.to_path_buf();
        let opening = tokio::task::spawn_blocking(move || State::open(&folder, seed::fill));
        let opened = opening
            .await
            .map_err(|_| Error::internal("the sandbox's state could not be opened"))?;
        let state = Arc::new(opened?);
        let (s3_listener, s3_address) = serve::bind("S3", ports.s3).await?;
        let (prefect_listener, prefect_address) = serve::bind("Prefect", ports.prefect).await?;
        let (stac_listener, stac_address) = serve::bind("STAC", ports.stac).await?;
        let (loki_listener, loki_address) = serve::bind("Loki", ports.loki).await?;
        let (identity_listener, identity_address) = serve::bind("Keycloak", ports.identity).await?;
        let (iceberg_listener, iceberg_address) = serve::bind("Iceberg", ports.iceberg).await?;
        let lake = IngestLake {
            s3: format!("http://{s3_address}"),
            region: s3::REGION.to_owned(),
            access_key: s3::ACCESS_KEY.to_owned(),
            secret_key: s3::SECRET_KEY.to_owned(),
            stac: format!("http://{stac_address}"),
            prefect: format!("http://{prefect_address}"),
            valid: VALID,
        };
        let faults = Faults::of(dir);
        let ingest = IngestApi::faulty(lake.clone(), ports.ingest, &faults).await?;

        let router = |name: &'static str, router: axum::Router| {
            Faulty::new(name, TowerToHyperService::new(router), &faults)
        };
        Ok(Sandbox {
            stac: Endpoint {
                url: lake.stac,
                _server: serve::start(stac_listener, router("stac", stac::router(state.clone()))),
            },
            prefect: Endpoint {
                url: lake.prefect,
                _server: serve::start(
                    prefect_listener,
                    router("prefect", prefect::router(state.clone())),
                ),
            },
            loki: Endpoint {
                url: format!("http://{loki_address}"),
                _server: serve::start(loki_listener, router("loki", loki::router(state.clone()))),
            },
            identity: Endpoint {
                url: format!("http://{identity_address}"),
                _server: serve::start(
                    identity_listener,
                    router("identity", keycloak::router(state.clone())),
                ),
            },
            iceberg: Endpoint {
                url: format!("http://{iceberg_address}"),
                _server: serve::start(
                    iceberg_listener,
                    router("iceberg", iceberg::router(state.clone())),
                ),
            },
            s3: Endpoint {
                url: lake.s3,
                _server: serve::start(s3_listener, Faulty::new("s3", s3::service(state), &faults)),
            },
            ingest,
        })
    }

    /// The STAC API's root, as in `http://127.0.0.1:34567`.
    #[must_use]
    pub fn stac_url(&self) -> &str {
        &self.stac.url
    }

    /// Prefect's root, without `/api`.
    #[must_use]
    pub fn prefect_url(&self) -> &str {
        &self.prefect.url
    }

    /// Loki's root.
    #[must_use]
    pub fn loki_url(&self) -> &str {
        &self.loki.url
    }

    /// ingest-api's root.
    #[must_use]
    pub fn ingest_url(&self) -> &str {
        self.ingest.url()
    }

    /// Keycloak's root.
    #[must_use]
    pub fn identity_url(&self) -> &str {
        &self.identity.url
    }

    /// The realm of every sandbox's users.
    #[must_use]
    pub fn realm(&self) -> &str {
        keycloak::REALM
    }

    /// The client of that realm.
    #[must_use]
    pub fn client_id(&self) -> &str {
        keycloak::CLIENT
    }

    /// That client's secret. It is made up and opens nothing else.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        keycloak::CLIENT_SECRET
    }

    /// The root of the Iceberg REST catalogue. It lets the store's own keys in, as client and secret.
    #[must_use]
    pub fn iceberg_url(&self) -> &str {
        &self.iceberg.url
    }

    /// The S3 endpoint; it speaks path style.
    #[must_use]
    pub fn s3_endpoint(&self) -> &str {
        &self.s3.url
    }

    /// The access key of every sandbox. It is made up and opens nothing else.
    #[must_use]
    pub fn access_key(&self) -> &str {
        s3::ACCESS_KEY
    }

    /// The secret key of every sandbox. It is made up and opens nothing else.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        s3::SECRET_KEY
    }

    /// The region that requests are signed for.
    #[must_use]
    pub fn region(&self) -> &str {
        s3::REGION
    }
}

/// Where the state of a user's sandbox is.
pub fn folder(environment: &Environment) -> Result<PathBuf> {
    Ok(environment.data_dir()?.join("sandbox"))
}

/// Whether the sandbox in a folder has been used: its lake is there.
#[must_use]
pub fn is_filled(dir: &Path) -> bool {
    state::is_there(dir)
}

/// Removes the sandbox's state in `dir`; a folder that does not exist is fine.
///
/// Refuses a folder that is not a sandbox's, and one that a running program uses.
pub fn reset(dir: &Path) -> Result<()> {
    state::remove(dir)
}
