//! Roles in domains as Keycloak keeps them: the groups that stand for them, found in the tree, and who is in each.

use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::Pages;
use super::identity::Wanted;
use super::keycloak::Keycloak;
use crate::access::Access;
use crate::error::Result;

/// So many groups are asked at once who is in them.
const AT_ONCE: usize = 8;

impl Keycloak {
    /// Who has which role in which domain, by domain, then in the order of the roles.
    pub(super) fn grants(&self, access: &Access, wanted: Wanted) -> Pages {
        let (keycloak, access) = (self.clone(), access.clone());
        let groups = async move {
            let groups = keycloak.roles(&access, &wanted).await;
            groups.map(|groups| (keycloak, groups))
        };
        let pages = futures::stream::once(groups).map_ok(|(keycloak, groups)| {
            let of_groups = futures::stream::iter(groups).map(move |group| {
                let keycloak = keycloak.clone();
                async move { keycloak.granted(&group).await }
            });
            of_groups.buffered(AT_ONCE)
        });
        // Several groups a page: most have few members.
        let pages = pages.try_flatten().try_chunks(AT_ONCE);
        let pages = pages.map(|page| {
            let page = page.map(|pages| pages.concat());
            page.map_err(|failed| failed.1)
        });
        pages.boxed()
    }

    /// The groups that stand for a role in a domain, as `group` (Keycloak's own record), `domain` and `role`.
    async fn roles(&self, access: &Access, wanted: &Wanted) -> Result<Vec<Value>> {
        let mut groups = match &wanted.domain {
            Some(domain) => {
                self.of_domain(access, domain, wanted.role.as_deref())
                    .await?
            }
            None => self.of_all_domains(access).await?,
        };
        groups.retain(|group| wanted.wants(group));
        groups.sort_by_cached_key(|group| access.rank(group));
        Ok(groups)
    }

    async fn of_domain(
        &self,
        access: &Access,
        domain: &str,
        role: Option<&str>,
    ) -> Result<Vec<Value>> {
        let mut groups = Vec::new();
        let roles = access.roles().iter().map(String::as_str);
        for role in role.map_or_else(|| roles.collect(), |role| vec![role]) {
            let found = self.group(&access.group(domain, role)?).await?;
            let role = |group| json!({"group": group, "domain": domain, "role": role});
            groups.extend(found.map(role));
        }
        Ok(groups)
    }

    /// Walks the tree below the folder that all such groups lie in.
    async fn of_all_domains(&self, access: &Access) -> Result<Vec<Value>> {
        let folder = access.folder();
        let mut open = if folder.is_empty() {
            self.below(None).await?
        } else {
            self.group(&folder.join("/")).await?.into_iter().collect()
        };
        let mut groups = Vec::new();
        while !open.is_empty() {
            let asked: Vec<_> = open.iter().map(|group| self.children(group)).collect();
            let below = futures::stream::iter(asked).buffered(AT_ONCE);
            let below: Vec<Vec<Value>> = below.try_collect().await?;
            groups.extend(open.into_iter().filter_map(|group| {
                let (domain, role) = access.named(group["path"].as_str()?)?;
                Some(json!({"group": group, "domain": domain, "role": role}))
            }));
            open = below.concat();
        }
        Ok(groups)
    }

    async fn children(&self, group: &Value) -> Result<Vec<Value>> {
        match group["subGroupCount"].as_u64() {
            Some(0) => Ok(Vec::new()),
            _ => self.below(Some(group)).await,
        }
    }

    async fn granted(&self, group: &Value) -> Result<Vec<Value>> {
        let mut members: Vec<Value> = self.members(&group["group"])?.try_concat().await?;
        for member in &mut members {
            for name in ["domain", "role"] {
                member[name] = group[name].clone();
            }
            member["group"] = group["group"]["path"].clone();
        }
        Ok(members)
    }
}
