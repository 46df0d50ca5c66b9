//! Users: made, found by name, listed by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State as Held};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{self, Refusal};
use super::{REALM, groups};
use crate::sandbox::clock::Clock;
use crate::sandbox::reply::{self, Base};
use crate::sandbox::sql;
use crate::sandbox::state::State;

/// The columns of a user, in the order that `shown` reads.
pub(super) const COLUMNS: &str = "person.id, person.username, person.first_name, person.last_name, person.email, person.enabled, person.created";

/// A user to be made.
pub(crate) struct Account<'a> {
    /// The name, in lower case.
    pub(crate) username: &'a str,
    /// The given name.
    pub(crate) first_name: &'a str,
    /// The surname.
    pub(crate) last_name: &'a str,
    /// The address.
    pub(crate) email: &'a str,
    /// Whether they may log in.
    pub(crate) enabled: bool,
}

/// `GET /users`: exactly one by name, those whose names begin with something, or all.
pub(super) async fn list(
    Held(state): Held<Arc<State>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Refusal> {
    let (first, most) = answer::window(&query);
    let exact = query.get("exact").is_some_and(|exact| exact == "true");
    let text = |name: &str| query.get(name).map(|text| text.to_lowercase());
    let name = text("username").map(|name| {
        if exact {
            like(&name)
        } else {
            format!("%{}%", like(&name))
        }
    });
    // A search is for the beginning of a name, unless it says otherwise with asterisks.
    let search = text("search").map(|search| {
        let open = if search.ends_with('*') {
            search.clone()
        } else {
            format!("{search}*")
        };
        open.split('*').map(like).collect::<Vec<_>>().join("%")
    });
    let users = state
        .read(move |database| {
            let found = format!(
                "SELECT {COLUMNS} FROM person WHERE (?1 IS NULL OR username LIKE ?1 ESCAPE '\\')
                 AND (?2 IS NULL OR username LIKE ?2 ESCAPE '\\' OR lower(first_name) LIKE ?2 ESCAPE '\\'
                      OR lower(last_name) LIKE ?2 ESCAPE '\\' OR lower(email) LIKE ?2 ESCAPE '\\')
                 ORDER BY username LIMIT ?3 OFFSET ?4"
            );
            sql::select(database, &found, params![name, search, most, first], shown)
        })
        .await
        .map_err(Refusal::from)?;
    Ok(reply::json(StatusCode::OK, &Value::Array(users)))
}

/// `GET /users/count`
pub(super) async fn count(Held(state): Held<Arc<State>>) -> Result<Response, Refusal> {
    let count: i64 = state
        .read(|database| database.query_row("SELECT count(*) FROM person", [], |row| row.get(0)))
        .await
        .map_err(Refusal::from)?;
    Ok(reply::json(StatusCode::OK, &count.into()))
}

/// `GET /users/{id}`
pub(super) async fn read(
    Held(state): Held<Arc<State>>,
    Path(names): Path<BTreeMap<String, String>>,
) -> Result<Response, Refusal> {
    let id = names.get("id").cloned().unwrap_or_default();
    let user = state.read(move |database| demanded(database, &id)).await?;
    Ok(reply::json(StatusCode::OK, &user))
}

/// `POST /users`
pub(super) async fn create(
    Held(state): Held<Arc<State>>,
    Base(base): Base,
    body: Bytes,
) -> Result<Response, Refusal> {
    let (name, body) = answer::named(&body, "username")?;
    let id = state
        .write(move |database| -> Result<String, Refusal> {
            let text = |field: &str| body[field].as_str().unwrap_or_default();
            let name = name.to_lowercase();
            let account = Account {
                username: &name,
                first_name: text("firstName"),
                last_name: text("lastName"),
                email: text("email"),
                enabled: body["enabled"] == true,
            };
            let known = "SELECT 1 FROM person WHERE username = ?1";
            if database
                .query_row(known, [&name], |_| Ok(()))
                .optional()?
                .is_some()
            {
                return Err(Refusal::Conflict(
                    "User exists with same username".to_owned(),
                ));
            }
            Ok(insert(
                database,
                &account,
                Clock::beside(database).micros(),
            )?)
        })
        .await?;
    Ok(answer::made(
        &format!("{base}admin/realms/{REALM}/users/{id}"),
        None,
    ))
}

/// `DELETE /users/{id}`
pub(super) async fn remove(
    Held(state): Held<Arc<State>>,
    Path(names): Path<BTreeMap<String, String>>,
) -> Result<Response, Refusal> {
    let id = names.get("id").cloned().unwrap_or_default();
    state
        .write(move |database| -> Result<(), Refusal> {
            demanded(database, &id)?;
            database.execute("DELETE FROM person WHERE id = ?1", [&id])?;
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Makes a user, and gives the id.
pub(crate) fn insert(
    database: &Connection,
    account: &Account<'_>,
    at: i64,
) -> rusqlite::Result<String> {
    let id = Uuid::new_v4().to_string();
    database.execute(
        "INSERT INTO person (id, username, first_name, last_name, email, enabled, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![id, account.username, account.first_name, account.last_name, account.email, account.enabled, at],
    )?;
    Ok(id)
}

/// The user of an id, who must be there.
pub(super) fn demanded(database: &Connection, id: &str) -> Result<Value, Refusal> {
    let text = format!("SELECT {COLUMNS} FROM person WHERE id = ?1");
    let user = database.query_row(&text, [id], shown).optional()?;
    user.ok_or(Refusal::NotFound(groups::NO_USER))
}

pub(super) fn shown(row: &Row<'_>) -> rusqlite::Result<Value> {
    Ok(json!({
        "id": row.get::<_, String>(0)?,
        "username": row.get::<_, String>(1)?,
        "firstName": row.get::<_, String>(2)?,
        "lastName": row.get::<_, String>(3)?,
        "email": row.get::<_, String>(4)?,
        "emailVerified": false,
        "enabled": row.get::<_, bool>(5)?,
        "createdTimestamp": row.get::<_, i64>(6)? / 1000,
    }))
}

/// Text that LIKE takes as it is.
fn like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}
