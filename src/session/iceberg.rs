//! The run's way to the Iceberg catalogue.

use super::{Session, once};
use crate::clients::iceberg::Tables;
use crate::error::Result;

impl Session {
    /// The client of the Iceberg catalogue.
    pub fn iceberg(&self) -> Result<&Tables> {
        once(&self.0.iceberg, || {
            let mut settings = self.endpoints()?.iceberg()?;
            let service = &mut settings.service;
            self.dig(&service.url, &mut service.transport)?;
            let headers = service.headers.iter().map(|(_, secret)| secret);
            let client = settings.client.iter().flat_map(|(id, secret)| [id, secret]);
            self.reveal(service.token.iter().chain(headers).chain(client))?;
            Ok(Tables::new(settings, self.tracer().clone()))
        })
    }
}
