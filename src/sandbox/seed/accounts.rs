//! The users of the seeded lake, and what they may see.

use rusqlite::Transaction;
use serde_json::{Value, json};

use crate::access::{Told, due};
use crate::sandbox::keycloak::{Account, ensure_group, insert_user, join};

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

/// What the catalogue says of who may see a domain.
pub(super) fn access(domain: &str) -> Told {
    let grants = PEOPLE.iter().flat_map(|(user, .., roles)| {
        let here = roles.iter().filter(|(of, _)| *of == domain);
        here.map(move |(_, role)| json!({"user": user, "group": format!("/dashi/{domain}/{role}")}))
    });
    due(&grants.collect::<Vec<Value>>())
}
