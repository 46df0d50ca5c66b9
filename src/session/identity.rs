//! The run's way to whatever keeps who may see what.

use super::{Session, once};
use crate::access::Access;
use crate::clients::identity::Identity;
use crate::clients::keycloak::Keycloak;
use crate::error::Result;

impl Session {
    /// The client of whatever keeps users and groups.
    pub fn identity(&self) -> Result<&Identity> {
        once(&self.0.identity, || {
            let mut settings = self.endpoints()?.keycloak()?;
            let service = &mut settings.service;
            self.dig(&service.url, &mut service.transport)?;
            let headers = service.headers.iter().map(|(_, secret)| secret);
            let password = settings.login.iter().map(|(_, password)| password);
            let own = service.token.iter().chain(&settings.client_secret);
            self.reveal(own.chain(headers).chain(password))?;
            let keycloak = Keycloak::new(settings, self.tracer().clone());
            Ok(Identity::new(keycloak, self.access()?))
        })
    }

    /// What groups mean.
    pub fn access(&self) -> Result<Access> {
        let config = self.config();
        Access::new(&config.access_group()?, config.access_roles())
    }
}
