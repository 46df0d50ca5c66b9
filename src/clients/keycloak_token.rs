//! What dashictl logs in to Keycloak with: the secret of a client with a service account, or a user's password.

use super::http::{Request, path};
use super::oauth::Credentials;
use crate::config::KeycloakSettings;
use crate::error::{Error, Kind, Result};

impl Credentials for KeycloakSettings {
    fn request(&self) -> Result<Request> {
        let realm = &self.login_realm;
        let path = path(&["realms", realm, "protocol", "openid-connect", "token"])?;
        Ok(Request::login(path, form(self)?))
    }

    fn refused(&self, error: Error) -> Error {
        refused(self, error)
    }

    fn odd(&self, error: Error) -> Error {
        error.hint("is identity_url Keycloak's address? `dashictl config --origin` shows where it comes from")
    }
}

/// What is sent to log in (RFC 6749, 4.3.2 and 4.4.2).
fn form(settings: &KeycloakSettings) -> Result<Vec<(&'static str, String)>> {
    let mut form = vec![("client_id", settings.client_id.clone())];
    if let Some(secret) = &settings.client_secret {
        form.push(("client_secret", secret.expose()?.to_owned()));
    }
    match &settings.login {
        Some((user, password)) => form.extend([
            ("grant_type", "password".to_owned()),
            ("username", user.clone()),
            ("password", password.expose()?.to_owned()),
        ]),
        None if settings.client_secret.is_none() => {
            return Err(Error::config(
                "there is nothing to log in to Keycloak with",
            )
            .hint("set identity.client_secret (of a client with a service account), or identity.user and identity.password"));
        }
        None => form.push(("grant_type", "client_credentials".to_owned())),
    }
    Ok(form)
}

/// What was wrong with what was logged in with.
fn refused(settings: &KeycloakSettings, mut error: Error) -> Error {
    let realm = &settings.login_realm;
    match error.detail().status {
        Some(404) => {
            error.detail_mut().kind = Kind::Config;
            error.detail_mut().message = format!("Keycloak has no realm '{realm}' to log in to");
            error.hint("set identity.login_realm, or identity.realm where it is the same")
        }
        // An answer of 400 says invalid_grant, unauthorized_client and their like.
        Some(400 | 401) => {
            error.detail_mut().kind = Kind::Unauthorized;
            let client = &settings.client_id;
            let (who, keys) = match &settings.login {
                Some((user, _)) => (
                    format!("user '{user}' by client '{client}'"),
                    "identity.user, identity.password and identity.client_id",
                ),
                None => (
                    format!("client '{client}'"),
                    "identity.client_id and identity.client_secret; the client needs a service account",
                ),
            };
            error.detail_mut().message = format!("Keycloak let {who} not in to realm '{realm}'");
            error.detail_mut().hints.clear();
            error.hint(format!(
                "check {keys}: `dashictl config --origin` shows where they come from"
            ))
        }
        _ => error,
    }
}
