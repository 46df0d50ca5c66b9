//! Where it is kept who may see what, and how to get at it: taken out of `[identity]` and typed. What a group or a role
//! is, is `lake::Access`.

use super::Config;
use super::secret::Secret;
use super::services::{Service, ServiceSettings};
use super::value::Value;
use crate::error::{Error, Result};

/// What a client of Keycloak needs.
#[derive(Debug, Clone)]
pub struct KeycloakSettings {
    /// How its API is reached.
    pub service: ServiceSettings,
    /// The realm of the users.
    pub realm: String,
    /// The realm that is logged in to.
    pub login_realm: String,
    /// The client that logs in.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Option<Secret>,
    /// The user that logs in, with their password; none where the client has an account of its own.
    pub login: Option<(String, Secret)>,
}

impl Config {
    /// What a client of Keycloak needs. Fails where this lake has none.
    pub fn keycloak(&self) -> Result<KeycloakSettings> {
        if !self.is_sandbox() && !self.has(Service::Identity) {
            return Err(Error::config(
                "nothing says where it is kept who may see what in this lake",
            )
            .hint("set identity_url to Keycloak's address, and identity.realm, identity.client_id and identity.client_secret: `dashictl doc contexts`"));
        }
        let service = self.service(Service::Identity)?;
        let realm = self.text("identity.realm")?;
        let password = self.secret("identity.password")?;
        let login = match (self.text("identity.user").ok(), password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            _ => return Err(self.half_a_pair("identity.user", "identity.password")),
        };
        Ok(KeycloakSettings {
            service,
            login_realm: self
                .text("identity.login_realm")
                .unwrap_or_else(|_| realm.clone()),
            realm,
            client_id: self.text("identity.client_id")?,
            client_secret: self.secret("identity.client_secret")?,
            login,
        })
    }

    /// How the group is called whose members have a role in a domain, with `{domain}` and `{role}` in it.
    pub fn access_group(&self) -> Result<String> {
        self.text("identity.group")
    }

    /// The roles that somebody can have in a domain.
    #[must_use]
    pub fn access_roles(&self) -> Vec<String> {
        let value = self.setting("identity.roles");
        match value.and_then(|setting| setting.value.as_ref()) {
            Some(Value::Texts(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }
}
