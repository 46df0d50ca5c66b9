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
        Ok(IcebergSettings {
            service: self.service(Service::Iceberg)?,
            warehouse: self.text("iceberg.warehouse").ok(),
            client: self.secret_pair("iceberg.client_id", "iceberg.client_secret")?,
            scope: self.text("iceberg.scope")?,
        })
    }
}
