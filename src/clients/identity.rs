//! Where it is kept who may see what, whichever program keeps it: users, their groups, and the roles in domains that
//! these stand for.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::Pages;
use super::authelia::Authelia;
use super::keycloak::Keycloak;
use crate::access::{Access, Told, due};
use crate::effects::Permit;
use crate::error::Result;

/// What grants are looked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only those in this domain.
    pub domain: Option<String>,
    /// Only those of this role.
    pub role: Option<String>,
}

impl Wanted {
    /// Whether something with a `domain` and a `role` is looked for.
    #[must_use]
    pub fn wants(&self, grant: &Value) -> bool {
        let is = |wanted: &Option<String>, name: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| grant[name] == wanted.as_str())
        };
        is(&self.domain, "domain") && is(&self.role, "role")
    }
}

/// Who keeps users and groups.
#[derive(Clone)]
pub enum Keeper {
    /// Keycloak.
    Keycloak(Keycloak),
    /// Authelia.
    Authelia(Authelia),
}

/// Users and groups, and what the groups mean.
#[derive(Clone)]
pub struct Identity {
    keeper: Keeper,
    access: Access,
}

impl Identity {
    /// Those of a keeper.
    #[must_use]
    pub fn new(keeper: Keeper, access: Access) -> Identity {
        Identity { keeper, access }
    }

    /// What groups mean.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// What keeps them: `kind`, and where.
    #[must_use]
    pub fn provider(&self) -> Value {
        match &self.keeper {
            Keeper::Keycloak(keycloak) => {
                json!({"kind": "keycloak", "url": keycloak.url().as_str(), "realm": keycloak.realm()})
            }
            Keeper::Authelia(authelia) => authelia.described(),
        }
    }

    /// The same, with a bound on each whole call.
    #[must_use]
    pub fn within(&self, bound: Option<Duration>) -> Identity {
        let keeper = match &self.keeper {
            Keeper::Keycloak(keycloak) => Keeper::Keycloak(keycloak.within(bound)),
            keeper @ Keeper::Authelia(_) => keeper.clone(),
        };
        Identity {
            keeper,
            access: self.access.clone(),
        }
    }

    /// How many users there are.
    pub async fn count(&self) -> Result<u64> {
        match &self.keeper {
            Keeper::Keycloak(keycloak) => keycloak.count().await,
            Keeper::Authelia(authelia) => Ok(authelia.users().await?.len() as u64),
        }
    }

    /// All users, by name; with `search`, those in whose name, surname or address it is.
    pub fn users(&self, search: Option<&str>) -> Result<Pages> {
        let authelia = match &self.keeper {
            Keeper::Keycloak(keycloak) => return keycloak.users(search),
            Keeper::Authelia(authelia) => authelia.clone(),
        };
        let search = search.map(str::to_lowercase);
        let users = async move {
            let mut users = authelia.users().await?;
            if let Some(search) = search {
                users.retain(|user| is_found(user, &search));
            }
            Ok(users.into_iter().map(without_groups).collect())
        };
        Ok(futures::stream::once(users).boxed())
    }

    /// The user of this name, with the paths of the `groups` they are in, and the `grants` that these are.
    pub async fn user(&self, name: &str) -> Result<Value> {
        let mut user = match &self.keeper {
            Keeper::Keycloak(keycloak) => {
                let mut user = keycloak.user(name).await?;
                user["groups"] = keycloak.groups_of(id(&user)).await?.into();
                user
            }
            Keeper::Authelia(authelia) => authelia.user(name).await?,
        };
        let mut groups = names(&user["groups"]);
        groups.sort_unstable();
        user["grants"] = self.grants_of(&groups).collect();
        user["groups"] = groups.into();
        Ok(user)
    }

    /// What groups stand for: `domain`, `role`, `group`.
    fn grants_of<'a>(&'a self, groups: &'a [String]) -> impl Iterator<Item = Value> + 'a {
        groups.iter().filter_map(|group| {
            let (domain, role) = self.access.named(group)?;
            Some(json!({"domain": domain, "role": role, "group": group}))
        })
    }

    /// Whether a user, who must be there, is in a group.
    pub async fn is_member(&self, user: &str, group: &str) -> Result<bool> {
        let user = self.user(user).await?;
        Ok(names(&user["groups"]).iter().any(|known| known == group))
    }

    /// Puts a user into a group, or takes one out of it.
    pub async fn set(&self, permit: Permit, user: &str, group: &str, is: bool) -> Result<()> {
        match &self.keeper {
            Keeper::Keycloak(keycloak) => {
                let user = keycloak.user(user).await?;
                if is {
                    keycloak.join(permit, id(&user), group).await
                } else {
                    keycloak.leave(permit, id(&user), group).await
                }
            }
            Keeper::Authelia(authelia) => authelia.set(permit, user, group, is).await,
        }
    }

    /// Waits until a change of groups holds, where it does not at once.
    pub async fn settle(&self, permit: Permit) -> Result<()> {
        match &self.keeper {
            Keeper::Keycloak(_) => Ok(()),
            Keeper::Authelia(authelia) => authelia.settle(permit).await,
        }
    }

    /// Who has which role in which domain: `user`, `name`, `email`, `enabled`, `domain`, `role`, `group`, by domain, then
    /// in the order of the roles.
    #[must_use]
    pub fn grants(&self, wanted: Wanted) -> Pages {
        let authelia = match &self.keeper {
            Keeper::Keycloak(keycloak) => return keycloak.grants(&self.access, wanted),
            Keeper::Authelia(authelia) => authelia.clone(),
        };
        let identity = self.clone();
        let grants = async move {
            let users = authelia.users().await?;
            let mut grants: Vec<Value> = users
                .iter()
                .flat_map(|user| identity.granted(user))
                .collect();
            grants.retain(|grant| wanted.wants(grant));
            grants.sort_by_cached_key(|grant| identity.access.rank(grant));
            Ok(grants)
        };
        futures::stream::once(grants).boxed()
    }

    /// What the catalogue is to say of who may see a domain.
    pub async fn due(&self, domain: &str) -> Result<Told> {
        let wanted = Wanted {
            domain: Some(domain.to_owned()),
            role: None,
        };
        let grants: Vec<Value> = self.grants(wanted).try_concat().await?;
        Ok(due(&grants))
    }

    fn granted(&self, user: &Value) -> Vec<Value> {
        let groups = names(&user["groups"]);
        let grants = self.grants_of(&groups).map(|grant| {
            let mut row = without_groups(user.clone());
            for name in ["domain", "role", "group"] {
                row[name] = grant[name].clone();
            }
            row
        });
        grants.collect()
    }
}

fn is_found(user: &Value, search: &str) -> bool {
    ["user", "name", "email"].iter().any(|name| {
        let text = user[name].as_str();
        text.is_some_and(|text| text.to_lowercase().contains(search))
    })
}

fn without_groups(mut user: Value) -> Value {
    if let Some(fields) = user.as_object_mut() {
        fields.remove("groups");
    }
    user
}

fn names(groups: &Value) -> Vec<String> {
    let names = groups.as_array().into_iter().flatten();
    names
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

fn id(user: &Value) -> &str {
    user["id"].as_str().unwrap_or_default()
}
