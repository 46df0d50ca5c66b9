//! Keycloak's tokens: asked for with the credentials of a client or of a user, kept while they hold, asked for anew
//! where they have run out or were refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::http::{Request, Sender, path};
use crate::config::{KeycloakSettings, Secret};
use crate::error::{Error, Kind, Result};

/// A token is not used so shortly before its end; of a short-lived one not in its second half.
const MARGIN: Duration = Duration::from_secs(10);

/// What is wrong where something else than Keycloak answers.
const ADDRESS: &str =
    "is identity_url Keycloak's address? `dashictl config --origin` shows where it comes from";

/// Logs in to Keycloak. Clones share the token.
#[derive(Clone)]
pub(super) struct Login(Arc<Inner>);

struct Inner {
    sender: Sender,
    settings: KeycloakSettings,
    kept: Mutex<Option<Token>>,
}

struct Token {
    secret: Secret,
    until: Instant,
}

impl Login {
    pub(super) fn new(sender: Sender, settings: KeycloakSettings) -> Login {
        let kept = Mutex::new(None);
        Login(Arc::new(Inner {
            sender,
            settings,
            kept,
        }))
    }

    /// A token; none where a configured one is sent anyhow. A token that was refused is not given again.
    pub(super) async fn token(&self, refused: Option<&Secret>) -> Result<Option<Secret>> {
        if self.0.settings.service.token.is_some() {
            return Ok(None);
        }
        let mut kept = self.0.kept.lock().await;
        let is_refused =
            |token: &Token| refused.is_some_and(|refused| refused.known() == token.secret.known());
        if let Some(token) = &*kept
            && token.until > Instant::now()
            && !is_refused(token)
        {
            return Ok(Some(token.secret.clone()));
        }
        let token = self.ask().await?;
        let secret = token.secret.clone();
        *kept = Some(token);
        Ok(Some(secret))
    }

    async fn ask(&self) -> Result<Token> {
        let Inner {
            sender, settings, ..
        } = &*self.0;
        let realm = &settings.login_realm;
        let begun = Instant::now();
        let path = path(&["realms", realm, "protocol", "openid-connect", "token"])?;
        let request = Request::login(path, form(settings)?);
        let answer = sender.send(request).await;
        let answer = answer.map_err(|error| refused(settings, error))?;
        let told = answer.json()?;
        let Some(token) = told["access_token"].as_str() else {
            return Err(answer.fault("no access_token").hint(ADDRESS));
        };
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(answer.fault("a token that cannot be sent").hint(ADDRESS));
        }
        let secret = Secret::text("identity.token", token);
        sender.tracer().hide(secret.clone());
        let lasts = Duration::from_secs(told["expires_in"].as_u64().unwrap_or(60));
        Ok(Token {
            secret,
            until: begun + lasts.saturating_sub(MARGIN.min(lasts / 2)),
        })
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
