//! Keycloak's tree of groups: a group by its path, those below it, who is in it; made where it is missing; joined and left.

use futures::TryStreamExt;
use serde_json::{Value, json};

use super::Pages;
use super::http::Request;
use super::keycloak::{Keycloak, row};
use crate::effects::Permit;
use crate::error::{Error, Kind, Result};

impl Keycloak {
    /// The group at a path as Keycloak has it; none where there is none.
    pub async fn group(&self, at: &str) -> Result<Option<Value>> {
        let names = names(at);
        let request = self.get(&[&["group-by-path"], &names[..]].concat())?;
        let Some(answer) = self.find(request).await? else {
            return Ok(None);
        };
        let group = answer.json()?;
        if !group["id"].is_string() || !group["path"].is_string() {
            return Err(answer.fault("a group without id or path"));
        }
        Ok(Some(group))
    }

    /// The groups right below one, or at the top.
    pub async fn below(&self, group: Option<&Value>) -> Result<Vec<Value>> {
        let request = match group {
            Some(group) => self.get(&["groups", id(group), "children"])?,
            None => self.get(&["groups"])?,
        };
        let request = request.query("briefRepresentation", true);
        self.pages(request, Value::clone).try_concat().await
    }

    /// Who is in a group by themselves, by name, as `user` gives them.
    pub fn members(&self, group: &Value) -> Result<Pages> {
        let request = self.get(&["groups", id(group), "members"])?;
        Ok(self.pages(request.query("briefRepresentation", true), row))
    }

    /// Puts a user, by their id, into a group, which is made where it is missing.
    pub async fn join(&self, permit: Permit, user: &str, at: &str) -> Result<()> {
        let group = self.ensured(permit, at).await?;
        let path = self.path(&["users", user, "groups", id(&group)])?;
        self.send(Request::set(permit, path).repeatable())
            .await
            .map(drop)
    }

    /// Takes a user, by their id, out of a group. A group that is not there has nobody in it.
    pub async fn leave(&self, permit: Permit, user: &str, at: &str) -> Result<()> {
        let Some(group) = self.group(at).await? else {
            return Ok(());
        };
        let path = self.path(&["users", user, "groups", id(&group)])?;
        let left = self.send(Request::delete(permit, path).repeatable()).await;
        match left {
            Err(error) if error.kind() == Kind::NotFound && self.group(at).await?.is_none() => {
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// The group at a path, made with those above it where they are missing.
    async fn ensured(&self, permit: Permit, at: &str) -> Result<Value> {
        if let Some(group) = self.group(at).await? {
            return Ok(group);
        }
        let (mut above, mut path) = (None, String::new());
        for name in names(at) {
            path = format!("{path}/{name}");
            let group = match self.group(&path).await? {
                Some(group) => group,
                None => self.made(permit, above.as_ref(), name, &path).await?,
            };
            above = Some(group);
        }
        above.ok_or_else(|| Error::usage(format!("'{at}' is no path of a group")))
    }

    /// Makes a group. That somebody else has made it meanwhile is as good.
    async fn made(
        &self,
        permit: Permit,
        above: Option<&Value>,
        name: &str,
        at: &str,
    ) -> Result<Value> {
        let path = match above {
            Some(above) => self.path(&["groups", id(above), "children"])?,
            None => self.path(&["groups"])?,
        };
        match self
            .send(Request::post(permit, path, json!({"name": name})))
            .await
        {
            Err(error) if error.kind() != Kind::Conflict => return Err(error),
            _ => {}
        }
        self.group(at).await?.ok_or_else(|| {
            let message = format!("group {at} was made, and is not there");
            Error::new(Kind::Protocol, message).request("identity", "POST", self.url().as_str())
        })
    }
}

fn id(group: &Value) -> &str {
    group["id"].as_str().unwrap_or_default()
}

/// The names of a path from the top.
fn names(path: &str) -> Vec<&str> {
    path.trim_matches('/').split('/').collect()
}
