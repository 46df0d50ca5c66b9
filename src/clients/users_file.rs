//! Authelia's file of users (`users.yml`), as text: who is in it, and the text with somebody in a group or out of it.
//! Whatever else stands in it stays as it is, byte by byte: order, comments, keys that nobody here knows.
//!
//! Format: <https://www.authelia.com/reference/guides/passwords/#yaml-format>.

use std::str::FromStr;

use serde_json::{Value, json};
use yaml_edit::{Mapping, YamlFile, YamlValue};

use crate::error::{Error, Kind, Result};

/// The users of a text, by name: `user`, `name`, `email`, `enabled`, `groups`.
pub fn users(text: &str) -> Result<Vec<Value>> {
    let known = parsed(text)?;
    let Some(users) = known["users"].as_object() else {
        return Err(unfit("it has no mapping 'users'"));
    };
    Ok(users.iter().map(|(name, user)| row(name, user)).collect())
}

fn row(name: &str, user: &Value) -> Value {
    let groups = user["groups"].as_array().into_iter().flatten();
    let groups: Vec<&str> = groups.filter_map(Value::as_str).collect();
    json!({
        "user": name,
        "name": user["displayname"],
        "email": user["email"],
        "enabled": user["disabled"] != true,
        "groups": groups,
    })
}

/// The text with a user in a group, or out of it; the same text where that is so already. The user must be in it.
pub fn with_member(text: &str, user: &str, group: &str, is: bool) -> Result<String> {
    let before = parsed(text)?;
    refuse_odd(&before, user)?;
    let wanted = changed(&before, user, group, is);
    if wanted == before {
        return Ok(text.to_owned());
    }
    let edited =
        edited(text, user, group, is).ok_or_else(|| unfit("it cannot be edited in place"))?;
    // Whatever the editor makes of odd YAML: nothing else than this may have changed.
    if parsed(&edited).ok() != Some(wanted) {
        return Err(unfit(&format!(
            "putting {user} into {group}, or out of it, would change something else in it"
        )));
    }
    Ok(edited)
}

/// Refuses a user whose groups are not simply their own.
fn refuse_odd(known: &Value, user: &str) -> Result<()> {
    let found = known["users"]
        .get(user)
        .ok_or_else(|| Error::new(Kind::NotFound, format!("there is no user '{user}'")))?;
    let Some(fields) = found.as_object() else {
        return Err(unfit(&format!(
            "what stands at user '{user}' is no mapping"
        )));
    };
    if fields.contains_key("<<") {
        return Err(unfit(&format!(
            "user '{user}' has a merge key, by which groups may come too"
        )));
    }
    match fields.get("groups") {
        None | Some(Value::Null | Value::Array(_)) => Ok(()),
        Some(_) => Err(unfit(&format!("the groups of user '{user}' are no list"))),
    }
}

/// What the file is to mean.
fn changed(before: &Value, user: &str, group: &str, is: bool) -> Value {
    let mut wanted = before.clone();
    let groups = &mut wanted["users"][user]["groups"];
    let mut names = groups.as_array().cloned().unwrap_or_default();
    let has = names.iter().any(|name| name == group);
    if has == is {
        return before.clone();
    }
    if is {
        names.push(group.into());
    } else {
        names.retain(|name| name != group);
    }
    *groups = names.into();
    wanted
}

fn edited(text: &str, user: &str, group: &str, is: bool) -> Option<String> {
    let file = YamlFile::from_str(text).ok()?;
    let document = file.documents().next()?;
    let user = document
        .as_mapping()?
        .get_mapping("users")?
        .get_mapping(user)?;
    if is {
        join(&user, group);
    } else {
        leave(&user, group)?;
    }
    Some(file.to_string())
}

fn join(user: &Mapping, group: &str) {
    match user.get_sequence("groups") {
        Some(groups) => groups.push(group),
        None => user.set("groups", vec![YamlValue::from(group)]),
    }
}

fn leave(user: &Mapping, group: &str) -> Option<()> {
    let groups = user.get_sequence("groups")?;
    let is_it = |index: &usize| {
        let name = groups.get(*index);
        name.and_then(|name| name.as_scalar().map(yaml_edit::Scalar::as_string))
            .as_deref()
            == Some(group)
    };
    // From the end, so that the places of the others stay.
    for index in (0..groups.len()).rev().filter(is_it).collect::<Vec<_>>() {
        groups.remove(index);
    }
    Some(())
}

fn parsed(text: &str) -> Result<Value> {
    serde_yaml_ng::from_str(text).map_err(|error| unfit("it is no YAML").cause(error.to_string()))
}

fn unfit(why: &str) -> Error {
    Error::new(
        Kind::Invalid,
        format!("Authelia's users cannot be used: {why}"),
    )
    .hint("look at it, and change it by hand; identity.users_file or identity.users_configmap says which it is")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "---\n# who works here\nusers:\n  alice: # she\n    disabled: false\n    displayname: \"Alice Adler\"\n    password: '$argon2id$v=19$m=65536,t=3,p=4$x'\n    email: alice@example.org\n    groups:\n      - 'admins' # all\n      # and\n      - dev\n    unknown: {a: [1]}\n\n  bob:\n    password: \"x\"\n    disabled: true\n    groups: []\n\n  # the last\n  carla:\n    password: y\n# end\n";

    /// Whether all lines but some of these are the same, in order.
    fn assert_only_adds(before: &str, after: &str, added: &[&str]) {
        let mut left = after.lines();
        for line in before.lines() {
            let found = left.find(|other| *other == line || added.contains(&other.trim()));
            assert!(found.is_some(), "{line:?} is gone from:\n{after}");
        }
    }

    #[test]
    fn who_is_in_a_file_is_told() {
        let users = users(FILE).unwrap();
        assert_eq!(
            users[0],
            json!({"user": "alice", "name": "Alice Adler", "email": "alice@example.org", "enabled": true, "groups": ["admins", "dev"]})
        );
        let told: Vec<_> = users
            .iter()
            .map(|user| (&user["user"], &user["enabled"]))
            .collect();
        assert_eq!(
            told[1..],
            [
                (&json!("bob"), &json!(false)),
                (&json!("carla"), &json!(true))
            ]
        );
    }

    #[test]
    fn nothing_but_a_users_groups_is_another() {
        let alice = with_member(FILE, "alice", "/dashi/x/reader", true).unwrap();
        assert_eq!(
            alice,
            FILE.replace("      - dev\n", "      - dev\n      - /dashi/x/reader\n")
        );
        assert_eq!(
            with_member(&alice, "alice", "/dashi/x/reader", false).unwrap(),
            FILE
        );
        let bob = with_member(FILE, "bob", "dev", true).unwrap();
        assert_eq!(bob, FILE.replace("groups: []", "groups: [dev]"));
        assert_eq!(with_member(&bob, "bob", "dev", false).unwrap(), FILE);
        let carla = with_member(FILE, "carla", "dev", true).unwrap();
        assert_only_adds(FILE, &carla, &["groups:", "- dev"]);
        assert!(
            carla.ends_with("    groups:\n      - dev\n# end\n"),
            "{carla}"
        );
        let gone = with_member(FILE, "alice", "admins", false).unwrap();
        assert_eq!(gone, FILE.replace("      - 'admins' # all\n", ""));
    }

    #[test]
    fn files_of_every_make_keep_theirs() {
        let crlf = FILE.replace('\n', "\r\n");
        let alice = with_member(&crlf, "alice", "new", true).unwrap();
        assert_eq!(
            alice,
            crlf.replace("      - dev\r\n", "      - dev\r\n      - new\r\n")
        );
        let flow = "users: {alice: {groups: [a], email: x}, bob: {email: z}}\n";
        assert_eq!(
            with_member(flow, "alice", "b", true).unwrap(),
            flow.replace("[a]", "[a, b]")
        );
        let unended = "users:\n  alice:\n    groups:\n    - a";
        assert_eq!(
            with_member(unended, "alice", "b", true).unwrap(),
            format!("{unended}\n    - b")
        );
        let twice = "users:\n  alice:\n    groups: [a, b, a]\n";
        assert_eq!(
            with_member(twice, "alice", "a", false).unwrap(),
            "users:\n  alice:\n    groups: [b]\n"
        );
        // What would be read as something else than text is quoted.
        let odd = with_member(twice, "alice", "true", true).unwrap();
        assert_eq!(
            users(&odd).unwrap()[0]["groups"],
            json!(["a", "b", "a", "true"])
        );
        let quoted = "users:\n  \"al.ice\":\n    groups:\n      - x\n";
        assert!(
            with_member(quoted, "al.ice", "y", true)
                .unwrap()
                .ends_with("- x\n      - y\n")
        );
    }

    #[test]
    fn what_is_so_already_is_the_same_text_and_what_cannot_be_is_refused() {
        assert_eq!(with_member(FILE, "alice", "dev", true).unwrap(), FILE);
        assert_eq!(with_member(FILE, "bob", "dev", false).unwrap(), FILE);
        assert_eq!(
            with_member(FILE, "zoe", "dev", true).unwrap_err().kind(),
            Kind::NotFound
        );
        for text in ["users: [", "people: {}\n", "users:\n  - alice\n"] {
            let failed = with_member(text, "alice", "dev", true).is_err() && users(text).is_err();
            assert!(failed, "{text}");
        }
        for odd in [
            "base: &b\n  groups: [admins]\nusers:\n  alice:\n    <<: *b\n    email: e\n",
            "users:\n  alice:\n    groups: admins\n",
            "users:\n  alice:\n",
        ] {
            let error = with_member(odd, "alice", "y", true).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid, "{odd}");
        }
        // Two users share one list: whoever is put into it puts the other there as well.
        let shared = "users:\n  alice: &a\n    groups: &g\n      - x\n  bob:\n    groups: *g\n";
        let error = with_member(shared, "alice", "y", true).unwrap_err();
        assert!(
            error.to_string().contains("would change something else"),
            "{error}"
        );
    }
}
