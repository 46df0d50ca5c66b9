//! Who may see what: the group whose members have a role in a domain, and which domain and role a group is for. Where
//! groups are kept is the clients' business.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result, nearest};

const DOMAIN: &str = "{domain}";
const ROLE: &str = "{role}";
const GROUPS: &str = "dashi:access_groups";
const ACL: &str = "dashi:acl";

/// How groups are called, and the roles there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    group: String,
    roles: Vec<String>,
}

impl Access {
    /// Groups that are called as `group` says (with `{domain}` and `{role}` in it, once each), for these roles.
    pub fn new(group: &str, roles: Vec<String>) -> Result<Access> {
        if group.contains("}{") {
            let message = format!(
                "identity.group is \"{group}\", in which nobody can tell a domain from a role"
            );
            return Err(Error::config(message)
                .hint("put something between them, as in \"/dashi/{domain}/{role}\""));
        }
        for hole in [DOMAIN, ROLE] {
            if group.matches(hole).count() != 1 {
                let message = format!("identity.group is \"{group}\", which has not one {hole}");
                return Err(
                    Error::config(message).hint("write it as in \"/dashi/{domain}/{role}\"")
                );
            }
        }
        let wrong = roles
            .iter()
            .find(|role| role.is_empty() || role.contains(['/', '{', '}']));
        if let Some(role) = wrong {
            return Err(Error::config(format!(
                "identity.roles names '{role}', which is no name of a role"
            )));
        }
        if roles.is_empty() {
            return Err(Error::config("identity.roles names no role"));
        }
        let group = group.to_owned();
        Ok(Access { group, roles })
    }

    /// The roles, as they were configured.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// The group whose members have a role in a domain. An unknown role is told with the nearest.
    pub fn group(&self, domain: &str, role: &str) -> Result<String> {
        if !self.roles.iter().any(|known| known == role) {
            let known = self.roles.iter().map(String::as_str);
            let message = format!("there is no role '{role}'");
            return Err(Error::usage(message)
                .suggest(nearest(role, known))
                .hint(format!(
                    "the roles are {} (identity.roles)",
                    self.roles.join(", ")
                )));
        }
        if domain.is_empty() || domain.contains(['/', '{', '}']) {
            return Err(Error::usage(format!("'{domain}' is no name of a domain")));
        }
        // Neither has a brace in it that would be filled in again.
        let group = self.group.replace(ROLE, role).replace(DOMAIN, domain);
        let fits = self.fits(&group);
        if fits.len() > 1 {
            let others: Vec<String> = fits
                .iter()
                .map(|(domain, role)| format!("{role} of {domain}"))
                .collect();
            let message = format!("the group {group} could mean {}", others.join(" or "));
            return Err(Error::config(message)
                .hint("have identity.group put a sign between domain and role that neither has"));
        }
        Ok(group)
    }

    /// The domain and the role that a group is for; none where it is for something else. Where two fit, it is the one with
    /// the longer role.
    #[must_use]
    pub fn named(&self, group: &str) -> Option<(String, String)> {
        let fits = self.fits(group).into_iter();
        fits.max_by_key(|(_, role)| role.len())
    }

    /// All that a group could be for.
    fn fits(&self, group: &str) -> Vec<(String, String)> {
        let fits = self.roles.iter().filter_map(|role| {
            let whole = self.group.replace(ROLE, role);
            let (before, after) = whole.split_once(DOMAIN)?;
            let domain = group.strip_prefix(before)?.strip_suffix(after)?;
            let is_name = !domain.is_empty() && !domain.contains('/');
            is_name.then(|| (domain.to_owned(), role.clone()))
        });
        fits.collect()
    }

    /// What something with a `domain` and a `role` is ordered by: the domain, then the role's place among the roles.
    #[must_use]
    pub fn rank(&self, grant: &Value) -> (String, Option<usize>) {
        let domain = grant["domain"].as_str().unwrap_or_default();
        let role = |role: &String| grant["role"] == role.as_str();
        (domain.to_owned(), self.roles.iter().position(role))
    }

    /// The folder that all of these groups lie in, as its names from the top.
    #[must_use]
    pub fn folder(&self) -> Vec<&str> {
        let names = self.group.trim_start_matches('/').split('/');
        names.take_while(|name| !name.contains('{')).collect()
    }
}

/// What the catalogue says of who may see a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The groups that have somebody in them (`dashi:access_groups`).
    pub groups: Vec<String>,
    /// The digest of who is in which (`dashi:acl`); none where nobody is in any.
    pub acl: Option<String>,
}

/// What the catalogue is to say where these are the grants in a domain, each with `user` and `group`. Who is named twice
/// counts once, and the order is of no account.
#[must_use]
pub fn due(grants: &[Value]) -> Told {
    let mut members: BTreeMap<&str, BTreeMap<&str, bool>> = BTreeMap::new();
    let text = |grant: &'_ Value, name: &str| grant[name].as_str().unwrap_or_default().to_owned();
    let pairs: Vec<(String, String)> = grants
        .iter()
        .map(|grant| (text(grant, "group"), text(grant, "user")))
        .collect();
    for (group, user) in &pairs {
        members.entry(group).or_default().insert(user, true);
    }
    let digest = Sha256::digest(json!(members).to_string());
    Told {
        acl: (!members.is_empty()).then(|| format!("sha256:{}", hex::encode(digest))),
        groups: members.into_keys().map(str::to_owned).collect(),
    }
}

impl Told {
    /// What a collection says, if it says the same at both of the places where it does.
    #[must_use]
    pub fn of(collection: &Value) -> Option<Told> {
        let told = |fields: &Value| Told {
            groups: fields[GROUPS]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|group| group.as_str().map(str::to_owned))
                .collect(),
            acl: fields[ACL].as_str().map(str::to_owned),
        };
        let (top, extra) = (told(collection), told(&collection["extra_fields"]));
        let says_extra = collection["extra_fields"].get(GROUPS).is_some();
        (!says_extra || top == extra).then_some(top)
    }

    /// The collection as it says this, at both places; where nobody has access, it says nothing of it.
    #[must_use]
    pub fn applied(&self, mut collection: Value) -> Value {
        if !collection["extra_fields"].is_object() {
            collection["extra_fields"] = json!({});
        }
        self.write(&mut collection["extra_fields"]);
        self.write(&mut collection);
        // The server makes its own links; those it gave out would name the way it was asked.
        collection["links"] = json!([]);
        collection
    }

    fn write(&self, fields: &mut Value) {
        if let (Some(acl), false) = (&self.acl, self.groups.is_empty()) {
            fields[GROUPS] = json!(self.groups);
            fields[ACL] = json!(acl);
        } else if let Some(fields) = fields.as_object_mut() {
            fields.remove(GROUPS);
            fields.remove(ACL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(group: &str) -> Access {
        let roles = ["reader", "power-reader", "admin"].map(str::to_owned);
        Access::new(group, roles.to_vec()).unwrap()
    }

    #[test]
    fn a_group_and_what_it_is_for_are_found_from_each_other() {
        for group in [
            "/dashi/{domain}/{role}",
            "/{role}/{domain}",
            "dashi:{domain}:{role}",
        ] {
            let access = access(group);
            for role in ["reader", "power-reader"] {
                let path = access.group("gelaende-umwelt", role).unwrap();
                let expected = ("gelaende-umwelt".to_owned(), role.to_owned());
                assert_eq!(access.named(&path), Some(expected), "{path}");
            }
        }
    }

    #[test]
    fn other_groups_are_for_nothing() {
        let access = access("/dashi/{domain}/{role}");
        for group in [
            "/dashi/a/writer",
            "/dashi/a/b/reader",
            "/dashi//reader",
            "/other/a/reader",
            "/dashi/a",
        ] {
            assert_eq!(access.named(group), None, "{group}");
        }
        assert_eq!(access.folder(), ["dashi"]);
        assert!(self::access("/{domain}-{role}").folder().is_empty());
    }

    #[test]
    fn an_unknown_role_is_told_with_the_nearest() {
        let error = access("{domain}/{role}").group("a", "raeder").unwrap_err();
        assert_eq!(error.to_string(), "there is no role 'raeder'");
        assert!(error.detail().hints[0].contains("reader"), "{error:?}");
    }

    #[test]
    fn a_group_that_could_mean_two_things_is_refused() {
        let access = access("dashi-{domain}-{role}");
        let error = access.group("a", "power-reader").unwrap_err();
        let told =
            "the group dashi-a-power-reader could mean reader of a-power or power-reader of a";
        assert_eq!(error.to_string(), told);
        assert!(access.group("a", "admin").is_ok());
        assert!(Access::new("{role}{domain}", vec!["a".to_owned()]).is_err());
        for domain in ["{role}", "", "a/b"] {
            assert!(access.group(domain, "admin").is_err(), "{domain}");
        }
    }

    #[test]
    fn what_is_due_is_of_who_is_in_which_group_and_of_nothing_else() {
        let grant = |user: &str, group: &str| json!({"user": user, "group": group, "email": user});
        let two = [grant("b", "/x"), grant("a", "/x")];
        let same = [grant("a", "/x"), grant("b", "/x"), grant("a", "/x")];
        assert_eq!(due(&two), due(&same));
        assert_ne!(due(&two), due(&two[..1]));
        assert_ne!(due(&[grant("a", "/x")]), due(&[grant("a", "/y")]));
        assert_eq!(due(&[]).acl, None);
        let collection = due(&two)
            .applied(json!({"id": "d", "links": [1], "extra_fields": {"dashi:retention": "90d"}}));
        assert_eq!(Told::of(&collection), Some(due(&two)));
        assert_eq!(collection["extra_fields"]["dashi:retention"], "90d");
        let mut half = collection.clone();
        half["extra_fields"]["dashi:acl"] = json!("x");
        assert_eq!(Told::of(&half), None);
    }

    #[test]
    fn a_name_without_a_place_for_domain_or_role_is_refused() {
        for group in ["/dashi/{domain}", "/dashi/{role}", "{domain}{domain}{role}"] {
            let error = Access::new(group, vec!["reader".to_owned()]).unwrap_err();
            assert!(
                error.to_string().starts_with("identity.group is "),
                "{error}"
            );
        }
    }
}
