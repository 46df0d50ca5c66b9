//! The users of the seeded lake, and what they may see.

use std::collections::BTreeMap;

use rusqlite::Transaction;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::keycloak::{Account, ensure_group, insert_user, join};

/// Name, given name, surname, whether they may log in, and their roles in domains.
type Person = (
    &'static str,
    &'static str,
    &'static str,
    bool,
    &'static [(&'static str, &'static str)],
);

const PEOPLE: [Person; 5] = [
    (
        "alice",
        "Alice",
        "Adler",
        true,
        &[("gelaende-umwelt", "reader")],
    ),
    (
        "bela",
        "Béla",
        "Brandt",
        true,
        &[("gelaende-umwelt", "writer")],
    ),
    (
        "carla",
        "Carla",
        "Conrad",
        true,
        &[("gelaende-umwelt", "admin"), ("klima-historisch", "admin")],
    ),
    ("dario", "Dario", "Dietz", true, &[]),
    (
        "emma",
        "Emma",
        "Ebert",
        false,
        &[("klima-historisch", "reader")],
    ),
];

/// Makes the users and their groups.
pub(super) fn fill(database: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
    let (top, _) = ensure_group(database, None, "dashi")?;
    for (username, first_name, last_name, enabled, roles) in PEOPLE {
        let email = format!("{username}@example.org");
        let account = Account {
            username,
            first_name,
            last_name,
            email: &email,
            enabled,
        };
        let user = insert_user(database, &account, now)?;
        for (domain, role) in roles {
            let (domain, _) = ensure_group(database, Some(&top), domain)?;
            let (group, _) = ensure_group(database, Some(&domain), role)?;
            join(database, &user, &group)?;
        }
    }
    Ok(())
}

/// What the catalogue says of who may see a domain: the groups that have somebody in them, and the digest of who is in
/// which, as `std/access` makes it.
pub(super) fn access(domain: &str) -> (Vec<String>, String) {
    let mut members: BTreeMap<String, Value> = BTreeMap::new();
    for (user, .., roles) in PEOPLE {
        for (_, role) in roles.iter().filter(|(of, _)| *of == domain) {
            let group = format!("/dashi/{domain}/{role}");
            members.entry(group).or_insert_with(|| json!({}))[user] = true.into();
        }
    }
    let digest = Sha256::digest(json!(members).to_string());
    let acl = format!("sha256:{}", hex::encode(digest));
    (members.into_keys().collect(), acl)
}
