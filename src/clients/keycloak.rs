//! Keycloak's admin API, as far as who may see what needs it: users and their groups. What a page is belongs here, and
//! what a missing thing is; the tree of groups is `keycloak_groups`, the way in `keycloak_token`.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::Pages;
use super::http::{Answer, Request, Sender, Tracer, path};
use super::oauth::{Credentials, Login};
use crate::config::KeycloakSettings;
use crate::error::{Error, Kind, Result, nearest};

/// So many records are asked for at once.
const PAGE: usize = 100;
/// Among so many users the nearest to a mistyped name is looked for.
const NEAR: usize = 1_000;

/// The client of one realm. Clones share connections and token.
#[derive(Clone)]
pub struct Keycloak(Arc<Inner>);

struct Inner {
    sender: Sender,
    login: Login,
    realm: String,
    /// Filled once the realm is known to be there.
    seen: OnceCell<()>,
}

impl Keycloak {
    /// The client for these settings; it logs in when it first asks.
    #[must_use]
    pub fn new(settings: KeycloakSettings, tracer: Tracer) -> Keycloak {
        let sender = Sender::new(settings.service.clone(), tracer);
        let has_token = settings.service.token.is_some();
        let credentials = (!has_token).then(|| Box::new(settings.clone()) as Box<dyn Credentials>);
        Keycloak(Arc::new(Inner {
            realm: settings.realm.clone(),
            login: Login::new(sender.clone(), credentials),
            sender,
            seen: OnceCell::new(),
        }))
    }

    /// The same, with a bound on each whole call.
    #[must_use]
    pub fn within(&self, bound: Option<Duration>) -> Keycloak {
        Keycloak(Arc::new(Inner {
            sender: self.0.sender.within(bound),
            login: self.0.login.clone(),
            realm: self.0.realm.clone(),
            seen: OnceCell::new(),
        }))
    }

    /// The realm of the users.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.0.realm
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &url::Url {
        &self.0.sender.settings().url
    }

    /// How many users there are.
    pub async fn count(&self) -> Result<u64> {
        let answer = self.send(self.get(&["users", "count"])?).await;
        let answer = answer.map_err(|error| self.no_realm(error))?;
        let count = answer.json()?.as_u64();
        count.ok_or_else(|| answer.fault("something else than a number"))
    }

    /// The user of exactly this name: `user`, `name`, `email`, `enabled`, `id`. One that is not there is told with the
    /// nearest name.
    pub async fn user(&self, name: &str) -> Result<Value> {
        let request = self
            .get(&["users"])?
            .query("username", name)
            .query("exact", true);
        let found = self.records(request.clone()).await?;
        // Keycloak knows names without their case.
        let is_it = |user: &&Value| {
            user["username"]
                .as_str()
                .is_some_and(|known| known.to_lowercase() == name.to_lowercase())
        };
        match found.iter().find(is_it) {
            Some(user) => Ok(row(user)),
            None => Err(self.unknown(name, &request).await?),
        }
    }

    async fn unknown(&self, name: &str, asked: &Request) -> Result<Error> {
        let request = self
            .get(&["users"])?
            .query("max", NEAR)
            .query("briefRepresentation", true);
        let known = self.records(request).await?;
        let known = known.iter().filter_map(|user| user["username"].as_str());
        let message = format!("there is no user '{name}' in realm '{}'", self.0.realm);
        Ok(self
            .at(Error::new(Kind::NotFound, message), asked)
            .suggest(nearest(name, known))
            .hint("see who there is: dashictl eval 'identity::users()'"))
    }

    /// All users, by name; with `search`, those in whose name, surname or address it is.
    pub fn users(&self, search: Option<&str>) -> Result<Pages> {
        let mut request = self.get(&["users"])?.query("briefRepresentation", true);
        if let Some(search) = search {
            request = request.query("search", format!("*{search}*"));
        }
        Ok(self.pages(request, row))
    }

    /// The paths of the groups that a user is in by themselves.
    pub async fn groups_of(&self, id: &str) -> Result<Vec<String>> {
        let request = self
            .get(&["users", id, "groups"])?
            .query("briefRepresentation", true);
        let groups: Vec<Value> = self.pages(request, Value::clone).try_concat().await?;
        let paths = groups.iter().filter_map(|group| group["path"].as_str());
        Ok(paths.map(str::to_owned).collect())
    }

    /// `GET` below the realm.
    pub(super) fn get(&self, segments: &[&str]) -> Result<Request> {
        Ok(Request::get(self.path(segments)?))
    }

    /// A path below the realm.
    pub(super) fn path(&self, segments: &[&str]) -> Result<String> {
        let below = [&["admin", "realms", &self.0.realm], segments].concat();
        path(&below)
    }

    /// Sends a request with a token.
    pub(super) async fn send(&self, request: Request) -> Result<Answer> {
        let Inner { sender, login, .. } = &*self.0;
        let sent = login.send(sender, request).await;
        sent.map_err(|error| self.advised(error))
    }

    /// What an account needs, where Keycloak does not let it.
    fn advised(&self, mut error: Error) -> Error {
        if error.kind() != Kind::Forbidden {
            return error;
        }
        error.detail_mut().hints.clear();
        error.hint(format!(
            "the account that dashictl logs in with needs the roles view-users, query-users and query-groups of realm-management in realm '{}', and manage-users to change anything",
            self.0.realm
        ))
    }

    /// Sends a request for something that may not be there: none where it is not. A realm that is not there is an error.
    pub(super) async fn find(&self, request: Request) -> Result<Option<Answer>> {
        match self.send(request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.kind() == Kind::NotFound => {
                self.look_for_realm().await.map(|()| None)
            }
            Err(error) => Err(error),
        }
    }

    async fn look_for_realm(&self) -> Result<()> {
        let look = async || {
            let request = self.get(&["groups", "count"])?;
            self.send(request)
                .await
                .map(drop)
                .map_err(|error| self.no_realm(error))
        };
        self.0.seen.get_or_try_init(look).await.copied()
    }

    /// A list that is not there is that of a realm that is not there.
    fn no_realm(&self, mut error: Error) -> Error {
        if error.kind() == Kind::NotFound {
            error.detail_mut().kind = Kind::Config;
            error.detail_mut().message = format!("Keycloak has no realm '{}'", self.0.realm);
            return error.hint("set identity.realm to the realm of the users");
        }
        error
    }

    pub(super) fn at(&self, error: Error, request: &Request) -> Error {
        let url = request.url(self.url());
        let url = url.as_ref().map_or(self.url().as_str(), url::Url::as_str);
        error.request("identity", "GET", url)
    }

    /// One page of records, each with an id.
    async fn records(&self, request: Request) -> Result<Vec<Value>> {
        let answer = self
            .send(request)
            .await
            .map_err(|error| self.no_realm(error))?;
        match answer.json()? {
            Value::Array(records) if records.iter().all(|record| record["id"].is_string()) => {
                Ok(records)
            }
            Value::Array(_) => Err(answer.fault("a record without an id")),
            _ => Err(answer.fault("something else than a list")),
        }
    }

    /// All pages of a list. Each begins with the last record of the one before, so that nothing is passed over unseen
    /// where the list changes meanwhile.
    pub(super) fn pages(&self, request: Request, row: fn(&Value) -> Value) -> Pages {
        let (keycloak, first) = (self.clone(), Some((0, None)));
        let pages =
            futures::stream::try_unfold(first, move |place: Option<(usize, Option<String>)>| {
                let (keycloak, request) = (keycloak.clone(), request.clone());
                async move {
                    let Some((from, last)) = place else {
                        return Ok(None);
                    };
                    let request = request.query("first", from).query("max", PAGE);
                    let records = keycloak.records(request.clone()).await?;
                    let fresh = after(last.as_deref(), &records);
                    let fresh = fresh.ok_or_else(|| keycloak.changed(&request))?;
                    let next = (records.len() >= PAGE).then(|| {
                        let end = records.last().and_then(|record| record["id"].as_str());
                        (from + records.len() - 1, end.map(str::to_owned))
                    });
                    Ok(Some((fresh.iter().map(row).collect(), next)))
                }
            });
        pages.boxed()
    }

    fn changed(&self, request: &Request) -> Error {
        let message = "a list changed while it was read, so that it may not be whole";
        let error = Error::new(Kind::Conflict, message);
        self.at(error, request).hint("run it again")
    }
}

/// The records of a page that come after the last of the page before; none where that is not where it was.
fn after<'a>(last: Option<&str>, records: &'a [Value]) -> Option<&'a [Value]> {
    let Some(last) = last else {
        return Some(records);
    };
    let (first, rest) = records.split_first()?;
    let follows = first["id"] == last && rest.iter().all(|record| record["id"] != last);
    follows.then_some(rest)
}

/// A user as everybody shows one.
pub(super) fn row(user: &Value) -> Value {
    let part = |name: &str| user[name].as_str().filter(|text| !text.is_empty());
    let name: Vec<&str> = ["firstName", "lastName"]
        .into_iter()
        .filter_map(part)
        .collect();
    json!({
        "user": user["username"],
        "name": if name.is_empty() { Value::Null } else { name.join(" ").into() },
        "email": user["email"],
        "enabled": user["enabled"],
        "id": user["id"],
    })
}
