//! Tokens of OAuth 2.0 (RFC 6749): asked for with somebody's credentials, kept while they hold, asked for anew where they
//! have run out or were refused. What the credentials are is the business of whoever logs in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::http::{Answer, Request, Sender};
use crate::config::Secret;
use crate::error::{Error, Kind, Result};

/// A token is not used so shortly before its end; of a short-lived one not in its second half.
const MARGIN: Duration = Duration::from_secs(10);
/// A token that does not say how long it holds is not kept for longer, in seconds.
const LASTS: u64 = 60;

/// What somebody logs in with.
pub(super) trait Credentials: Send + Sync {
    /// The request that asks for a token.
    fn request(&self) -> Result<Request>;

    /// What was wrong with them, where no token came.
    fn refused(&self, error: Error) -> Error;

    /// What is to be looked at where the answer is none of such a service.
    fn odd(&self, error: Error) -> Error;
}

/// Logs in to a service. Clones share the token.
#[derive(Clone)]
pub(super) struct Login(Arc<Inner>);

struct Inner {
    sender: Sender,
    /// None where a token is configured, or none is needed.
    credentials: Option<Box<dyn Credentials>>,
    kept: Mutex<Option<Token>>,
}

struct Token {
    secret: Secret,
    until: Instant,
}

impl Login {
    /// Logs in through this sender, where there are credentials.
    pub(super) fn new(sender: Sender, credentials: Option<Box<dyn Credentials>>) -> Login {
        let kept = Mutex::new(None);
        Login(Arc::new(Inner {
            sender,
            credentials,
            kept,
        }))
    }

    /// Sends a request with a token, a second time with another one where the first was refused: what is refused so was
    /// not done. The bound of the sender is that of all of it.
    pub(super) async fn send(&self, sender: &Sender, request: Request) -> Result<Answer> {
        let Some(credentials) = &self.0.credentials else {
            return sender.send(request).await;
        };
        let end = sender.bound().map(|bound| Instant::now() + bound);
        // What took hardly any time is not taken off: the bound is told as it was asked for.
        let left = || {
            let left = end?.saturating_duration_since(Instant::now());
            let bound = sender.bound()?;
            Some(if left > bound.mul_f64(0.9) {
                bound
            } else {
                left
            })
        };
        let token = self.token(credentials.as_ref(), None, left()).await?;
        let bound = sender.within(left());
        match bound.bearing(token.clone()).send(request.clone()).await {
            Err(error) if error.kind() == Kind::Unauthorized => {
                let fresh = self.token(credentials.as_ref(), Some(&token), left());
                let fresh = fresh.await?;
                sender.within(left()).bearing(fresh).send(request).await
            }
            other => other,
        }
    }

    /// A token that holds. One that was refused is not given again.
    async fn token(
        &self,
        credentials: &dyn Credentials,
        refused: Option<&Secret>,
        bound: Option<Duration>,
    ) -> Result<Secret> {
        let mut kept = self.0.kept.lock().await;
        let is_refused =
            |token: &Token| refused.is_some_and(|refused| refused.known() == token.secret.known());
        if let Some(token) = &*kept
            && token.until > Instant::now()
            && !is_refused(token)
        {
            return Ok(token.secret.clone());
        }
        let token = self.ask(credentials, bound).await?;
        let secret = token.secret.clone();
        *kept = Some(token);
        Ok(secret)
    }

    async fn ask(&self, credentials: &dyn Credentials, bound: Option<Duration>) -> Result<Token> {
        let sender = &self.0.sender.within(bound);
        let begun = Instant::now();
        let answer = sender.send(credentials.request()?).await;
        let answer = answer.map_err(|error| credentials.refused(error))?;
        let told = answer.json()?;
        let Some(token) = told["access_token"].as_str() else {
            return Err(credentials.odd(answer.fault("no access_token")));
        };
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(credentials.odd(answer.fault("a token that cannot be sent")));
        }
        let secret = Secret::text("the token of the login", token);
        sender.tracer().hide(secret.clone());
        let lasts = Duration::from_secs(told["expires_in"].as_u64().unwrap_or(LASTS));
        Ok(Token {
            secret,
            until: begun + lasts.saturating_sub(MARGIN.min(lasts / 2)),
        })
    }
}
