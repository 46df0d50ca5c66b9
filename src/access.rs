//! Who may see what: the group whose members have a role in a domain, and which domain and role a group is for. Where
//! groups are kept is the clients' business.

use serde_json::Value;

use crate::error::{Error, Result, nearest};

const DOMAIN: &str = "{domain}";
const ROLE: &str = "{role}";

/// How groups are called, and the roles there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    group: String,
    roles: Vec<String>,
}

impl Access {
    /// Groups that are called as `group` says (with `{domain}` and `{role}` in it, once each), for these roles.
    pub fn new(group: &str, roles: Vec<String>) -> Result<Access> {
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
        if domain.is_empty() || domain.contains('/') {
            return Err(Error::usage(format!("'{domain}' is no name of a domain")));
        }
        Ok(self.group.replace(DOMAIN, domain).replace(ROLE, role))
    }

    /// The domain and the role that a group is for; none where it is for something else. Where two roles fit, it is the
    /// longer one's.
    #[must_use]
    pub fn named(&self, group: &str) -> Option<(String, String)> {
        let group = group.trim_start_matches('/');
        let fits = self.roles.iter().filter_map(|role| {
            let whole = self.group.trim_start_matches('/').replace(ROLE, role);
            let (before, after) = whole.split_once(DOMAIN)?;
            let domain = group.strip_prefix(before)?.strip_suffix(after)?;
            let is_name = !domain.is_empty() && !domain.contains('/');
            is_name.then(|| (domain.to_owned(), role.clone()))
        });
        fits.max_by_key(|(_, role)| role.len())
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
            "dashi-{domain}-{role}",
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
