//! The run's way to the Iceberg catalogue.

use super::{Session, once};
use crate::clients::iceberg::Tables;
use crate::error::Result;

impl Session {
    /// The client of the Iceberg catalogue.
    pub fn iceberg(&self) -> Result<&Tables> {
        once(&self.0.iceberg, || {
            let mut settings = self.endpoints()?.iceberg()?;
            let client = settings.client.iter().flat_map(|(id, secret)| [id, secret]);
            self.reach(&mut settings.service, client)?;
            Ok(Tables::new(settings, self.tracer().clone()))
        })
    }
}
