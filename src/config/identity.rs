//! Where it is kept who may see what, and how to get at it: taken out of `[identity]` and typed. What a group or a role
//! is, is `crate::access`.

use std::fmt;
use std::path::PathBuf;

use super::Config;
use super::secret::Secret;
use super::services::{Service, ServiceSettings, path};
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

/// Who keeps users and groups, and what its client needs.
#[derive(Debug, Clone)]
pub enum IdentitySettings {
    /// Keycloak.
    Keycloak(Box<KeycloakSettings>),
    /// Authelia, whose users are in this file.
    UsersFile(PathBuf),
    /// Authelia in the cluster.
    UsersMap(UsersMap),
}

/// A ConfigMap with Authelia's users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersMap {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The key that holds them.
    pub key: String,
    /// The Deployment that reads them when it starts; none where it need not be restarted.
    pub deployment: Option<String>,
}

impl UsersMap {
    /// The Deployment as `kind/name`.
    #[must_use]
    pub fn target(&self) -> Option<String> {
        let name = self.deployment.as_ref()?;
        Some(format!("deployment/{name}"))
    }
}

impl fmt::Display for UsersMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configmap/{} in {}", self.name, self.namespace)
    }
}

/// What says who keeps them, one of these.
const KEEPERS: [&str; 3] = [URL, FILE, MAP];
const URL: &str = "identity_url";
const FILE: &str = "identity.users_file";
const MAP: &str = "identity.users_configmap";

impl Config {
    /// Whether it is known who keeps users and groups.
    #[must_use]
    pub fn has_identity(&self) -> bool {
        self.keepers().next().is_some()
    }

    fn keepers(&self) -> impl Iterator<Item = &'static str> {
        KEEPERS.into_iter().filter(|key| {
            let setting = self.setting(key);
            setting.is_some_and(|setting| setting.is_set() && !setting.is_off())
        })
    }

    /// Who keeps users and groups, and what its client needs. Fails where nobody does, or two.
    pub fn identity_settings(&self) -> Result<IdentitySettings> {
        let keepers: Vec<&str> = self.keepers().collect();
        match keepers[..] {
            [URL] => Ok(IdentitySettings::Keycloak(Box::new(self.keycloak()?))),
            [FILE] => {
                let path = path(self.known(FILE)?);
                let path = path.ok_or_else(|| Error::internal("a path is no path"))?;
                Ok(IdentitySettings::UsersFile(path))
            }
            [MAP] => Ok(IdentitySettings::UsersMap(self.users_map()?)),
            [] => Err(Error::config(
                "nothing says where it is kept who may see what in this lake",
            )
            .hint("set identity_url to Keycloak's address, or identity.users_file or identity.users_configmap to Authelia's users: `dashictl doc contexts`")),
            _ => Err(Error::config(format!(
                "{} are all set, and one alone can keep who may see what",
                keepers.join(" and ")
            ))
            .hint("leave one of them: identity_url = \"off\" is for a context without Keycloak")),
        }
    }

    fn users_map(&self) -> Result<UsersMap> {
        let text = self.text(MAP)?;
        let Some((namespace, name)) = text.split_once('/') else {
            return Err(
                Error::config(format!("{MAP} is '{text}', which names no ConfigMap"))
                    .hint("write namespace/name, as in dashi-auth/authelia-users"),
            );
        };
        let deployment = self.text("identity.deployment")?;
        Ok(UsersMap {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            key: self.text("identity.users_key")?,
            deployment: Some(deployment).filter(|name| name != "none"),
        })
    }

    fn keycloak(&self) -> Result<KeycloakSettings> {
        let service = self.service(Service::Identity)?;
        let realm = self.text("identity.realm")?;
        let login = self.pair(
            ("identity.user", self.text("identity.user").ok()),
            ("identity.password", self.secret("identity.password")?),
        )?;
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
        self.texts("identity.roles")
    }
}
