//! dashi's ingest-api: uploads into the landing bucket and the flow run that ingests them, as the web form uses it.
//!
//! The routes belong here. It stands in front of any lake and asks its services over HTTP: the store (`store`) with URLs
//! that it signs itself, the catalogue and Prefect (`services`) without credentials. `/catalog/items` and `/runs`, which
//! serve the web pages only, are not there.

mod answer;
mod front;
mod scan;
mod services;
mod signature;
mod store;
mod trigger;
mod upload;
mod wanted;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use reqwest::Client;

use super::reply;
use crate::error::{Error, Result};

/// The services of the lake that ingest-api stands in front of. They speak plain HTTP.
// Without `Debug`: it holds the secret key.
#[derive(Clone)]
pub struct Lake {
    /// The S3 endpoint, as in `http://127.0.0.1:9000`; it speaks path style and has a bucket `landing`.
    pub s3: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The access key.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
    /// The STAC API's root.
    pub stac: String,
    /// Prefect's root, without `/api`.
    pub prefect: String,
    /// For how many seconds the URLs are valid that are handed out.
    pub valid: i64,
}

/// What every handler works on.
#[derive(Clone)]
pub(crate) struct Desk {
    lake: Arc<Lake>,
    http: Client,
}

/// The whole API in front of this lake.
pub(crate) fn router(mut lake: Lake) -> Result<Router> {
    for root in [&mut lake.s3, &mut lake.stac, &mut lake.prefect] {
        root.truncate(root.trim_end_matches('/').len());
    }
    let routes = Router::new()
        .route("/healthz", get(front::healthz))
        .route("/me", get(front::me))
        .route("/domains", get(front::domains))
        .route("/presign", post(upload::presign))
        .route("/multipart/start", post(upload::start))
        .route("/multipart/complete", post(upload::complete))
        .route("/multipart/abort", post(upload::abort))
        .route("/register", post(upload::register))
        .route("/scan", post(scan::scan))
        .route("/trigger", post(trigger::trigger));
    let (lake, http) = (Arc::new(lake), client()?);
    Ok(reply::fastapi(routes).with_state(Desk { lake, http }))
}

/// The one client for all services. What the store sends is taken as it is, so nothing is decompressed on the way.
fn client() -> Result<Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // No roots are loaded: that alone would take longer than the start of a command may. No connection is kept: the
    // server may close it just when it is used again.
    let builder = Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .pool_max_idle_per_host(0);
    let built = builder.no_gzip().no_brotli().build();
    built.map_err(|error| Error::internal("ingest-api has no HTTP client").caused_by(&error))
}
