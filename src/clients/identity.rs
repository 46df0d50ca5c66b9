//! Where it is kept who may see what, whichever program keeps it: users, their groups, and the roles in domains that
//! these stand for.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::Pages;
use super::keycloak::Keycloak;
use crate::access::Access;
use crate::effects::Permit;
use crate::error::Result;

/// So many groups are asked at once who is in them.
const AT_ONCE: usize = 8;

/// What grants are looked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only those in this domain.
    pub domain: Option<String>,
    /// Only those of this role.
    pub role: Option<String>,
}

/// Users and groups, and what the groups mean.
#[derive(Clone)]
pub struct Identity {
    keycloak: Keycloak,
    access: Access,
}

impl Identity {
    /// Those of a Keycloak.
    #[must_use]
    pub fn new(keycloak: Keycloak, access: Access) -> Identity {
        Identity { keycloak, access }
    }

    /// What groups mean.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// What keeps them: `kind`, `url`, `realm`.
    #[must_use]
    pub fn provider(&self) -> Value {
        json!({"kind": "keycloak", "url": self.keycloak.url().as_str(), "realm": self.keycloak.realm()})
    }

    /// The same, with a bound on each whole call.
    #[must_use]
    pub fn within(&self, bound: Option<Duration>) -> Identity {
        Identity {
            keycloak: self.keycloak.within(bound),
            access: self.access.clone(),
        }
    }

    /// How many users there are.
    pub async fn count(&self) -> Result<u64> {
        self.keycloak.count().await
    }

    /// All users, by name.
    pub fn users(&self, search: Option<&str>) -> Result<Pages> {
        self.keycloak.users(search)
    }

    /// The user of this name, with the paths of the `groups` they are in, and the `grants` that these are.
    pub async fn user(&self, name: &str) -> Result<Value> {
        let mut user = self.keycloak.user(name).await?;
        let mut groups = self.keycloak.groups_of(id(&user)).await?;
        groups.sort_unstable();
        let grants = groups.iter().filter_map(|group| {
            let (domain, role) = self.access.named(group)?;
            Some(json!({"domain": domain, "role": role, "group": group}))
        });
        user["grants"] = grants.collect();
        user["groups"] = groups.into();
        Ok(user)
    }

    /// Whether a user, who must be there, is in a group.
    pub async fn is_member(&self, user: &str, group: &str) -> Result<bool> {
        let user = self.keycloak.user(user).await?;
        let groups = self.keycloak.groups_of(id(&user)).await?;
        let bare = |path: &str| path.trim_start_matches('/').to_owned();
        Ok(groups.iter().any(|known| bare(known) == bare(group)))
    }

    /// Puts a user into a group.
    pub async fn join(&self, permit: Permit, user: &str, group: &str) -> Result<()> {
        let user = self.keycloak.user(user).await?;
        self.keycloak.join(permit, id(&user), group).await
    }

    /// Takes a user out of a group.
    pub async fn leave(&self, permit: Permit, user: &str, group: &str) -> Result<()> {
        let user = self.keycloak.user(user).await?;
        self.keycloak.leave(permit, id(&user), group).await
    }

    /// Who has which role in which domain: `user`, `name`, `email`, `enabled`, `domain`, `role`, `group`, by domain, then
    /// in the order of the roles.
    #[must_use]
    pub fn grants(&self, wanted: Wanted) -> Pages {
        let identity = self.clone();
        let groups = async move {
            identity
                .groups(&wanted)
                .await
                .map(|groups| (identity, groups))
        };
        let pages = futures::stream::once(groups).map_ok(|(identity, groups)| {
            let of_groups = futures::stream::iter(groups).map(move |group| {
                let identity = identity.clone();
                async move { identity.members(&group).await }
            });
            of_groups.buffered(AT_ONCE)
        });
        // Several groups a page: most have few members.
        let pages = pages.try_flatten().try_chunks(AT_ONCE);
        let pages = pages.map(|page| page.map(|pages| pages.concat()).map_err(|failed| failed.1));
        pages.boxed()
    }

    /// The groups that stand for a role in a domain, as `group` (Keycloak's own record), `domain` and `role`.
    async fn groups(&self, wanted: &Wanted) -> Result<Vec<Value>> {
        let mut groups = match &wanted.domain {
            Some(domain) => self.of_domain(domain, wanted.role.as_deref()).await?,
            None => self.of_all_domains().await?,
        };
        if let Some(role) = &wanted.role {
            groups.retain(|group| group["role"] == role.as_str());
        }
        let rank = |group: &Value| {
            self.access
                .roles()
                .iter()
                .position(|role| group["role"] == role.as_str())
        };
        groups.sort_by_cached_key(|group| (group["domain"].to_string(), rank(group)));
        Ok(groups)
    }

    async fn of_domain(&self, domain: &str, role: Option<&str>) -> Result<Vec<Value>> {
        let mut groups = Vec::new();
        let roles = self.access.roles().iter().map(String::as_str);
        for role in role.map_or_else(|| roles.collect(), |role| vec![role]) {
            let path = self.access.group(domain, role)?;
            let found = self.keycloak.group(&path).await?;
            groups
                .extend(found.map(|group| json!({"group": group, "domain": domain, "role": role})));
        }
        Ok(groups)
    }

    /// Walks the tree below the folder that all such groups lie in.
    async fn of_all_domains(&self) -> Result<Vec<Value>> {
        let folder = self.access.folder();
        let mut open = if folder.is_empty() {
            self.keycloak.below(None).await?
        } else {
            let top = self.keycloak.group(&folder.join("/")).await?;
            top.into_iter().collect()
        };
        let mut groups = Vec::new();
        while !open.is_empty() {
            let asked: Vec<_> = open.iter().map(|group| self.children(group)).collect();
            let below = futures::stream::iter(asked).buffered(AT_ONCE);
            let below: Vec<Vec<Value>> = below.try_collect().await?;
            groups.extend(open.into_iter().filter_map(|group| {
                let (domain, role) = self.access.named(group["path"].as_str()?)?;
                Some(json!({"group": group, "domain": domain, "role": role}))
            }));
            open = below.concat();
        }
        Ok(groups)
    }

    async fn children(&self, group: &Value) -> Result<Vec<Value>> {
        match group["subGroupCount"].as_u64() {
            Some(0) => Ok(Vec::new()),
            _ => self.keycloak.below(Some(group)).await,
        }
    }

    async fn members(&self, group: &Value) -> Result<Vec<Value>> {
        let mut members: Vec<Value> = self.keycloak.members(&group["group"])?.try_concat().await?;
        for member in &mut members {
            for name in ["domain", "role"] {
                member[name] = group[name].clone();
            }
            member["group"] = group["group"]["path"].clone();
        }
        Ok(members)
    }
}

fn id(user: &Value) -> &str {
    user["id"].as_str().unwrap_or_default()
}
