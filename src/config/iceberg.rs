//! What a client of the Iceberg catalogue needs, taken out of `[iceberg]` and typed.

use super::Config;
use super::secret::Secret;
use super::services::{Service, ServiceSettings};
use crate::error::Result;

/// What a client of the catalogue needs.
#[derive(Debug, Clone)]
pub struct IcebergSettings {
    /// How it is reached.
    pub service: ServiceSettings,
    /// The warehouse, where it has several.
    pub warehouse: Option<String>,
    /// The client that logs in, and its secret; none where nobody needs to.
    pub client: Option<(Secret, Secret)>,
    /// The scope that is asked for.
    pub scope: String,
}

impl Config {
    /// What a client of the Iceberg catalogue needs. Fails where this lake has none.
    pub fn iceberg(&self) -> Result<IcebergSettings> {
        let service = self.service(Service::Iceberg)?;
        let client = self.secret("iceberg.client_id")?;
        let secret = self.secret("iceberg.client_secret")?;
        let client = match (client, secret) {
            (Some(client), Some(secret)) => Some((client, secret)),
            (None, None) => None,
            _ => return Err(self.half_a_pair("iceberg.client_id", "iceberg.client_secret")),
        };
        Ok(IcebergSettings {
            service,
            warehouse: self.text("iceberg.warehouse").ok(),
            client,
            scope: self.text("iceberg.scope")?,
        })
    }
}
