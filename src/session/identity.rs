//! The run's way to whatever keeps who may see what.

use super::{Session, once};
use crate::access::Access;
use crate::clients::authelia::Authelia;
use crate::clients::identity::{Identity, Keeper};
use crate::clients::keycloak::Keycloak;
use crate::config::{IdentitySettings, KeycloakSettings, Service};
use crate::error::Result;

impl Session {
    /// The client of whatever keeps users and groups.
    pub fn identity(&self) -> Result<&Identity> {
        once(&self.0.identity, || {
            let keeper = match self.endpoints()?.identity_settings()? {
                IdentitySettings::Keycloak(settings) => self.keycloak(*settings)?,
                IdentitySettings::UsersFile(path) => Keeper::Authelia(Authelia::of_file(path)),
                IdentitySettings::UsersMap(map) => {
                    Keeper::Authelia(Authelia::of_map(self.cluster()?.clone(), map))
                }
            };
            Ok(Identity::new(keeper, self.access()?))
        })
    }

    fn keycloak(&self, mut settings: KeycloakSettings) -> Result<Keeper> {
        let password = settings.login.iter().map(|(_, password)| password);
        let own = settings.client_secret.iter().chain(password);
        self.reach(&mut settings.service, own)?;
        Ok(Keeper::Keycloak(Keycloak::new(
            settings,
            self.tracer().clone(),
        )))
    }

    /// What groups mean.
    pub fn access(&self) -> Result<Access> {
        let config = self.config();
        let mut group = config.access_group()?;
        // Keycloak's groups are a tree, and have paths.
        if config.has(Service::Identity) && !group.starts_with('/') {
            group.insert(0, '/');
        }
        Access::new(&group, config.access_roles())
    }
}
