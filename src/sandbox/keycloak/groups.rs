//! Groups: a tree by names, and who is in which.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State as Held};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{self, Refusal};
use super::{REALM, users};
use crate::sandbox::reply::{self, Base};
use crate::sandbox::sql;
use crate::sandbox::state::State;

/// What is said of a user who is not there.
pub(super) const NO_USER: &str = "User not found";
/// What is said of a group that is not there, where its members are asked for.
const NO_GROUP: &str = "Could not find group by id";

const COLUMNS: &str = "team.id, team.name, team.path, team.parent,
    (SELECT count(*) FROM team AS below WHERE below.parent = team.id)";

type Names = Path<BTreeMap<String, String>>;
type Asked = Query<BTreeMap<String, String>>;

/// `GET /group-by-path/{path}`
pub(super) async fn by_path(
    Held(state): Held<Arc<State>>,
    Path(names): Names,
) -> Result<Response, Refusal> {
    let path = format!("/{}", name(&names, "path"));
    let group = state
        .read(move |database| {
            let found = format!("SELECT {COLUMNS} FROM team WHERE path = ?1");
            database.query_row(&found, [path], shown).optional()
        })
        .await
        .map_err(Refusal::from)?;
    let group = group.ok_or(Refusal::NotFound("Group path does not exist"))?;
    Ok(reply::json(StatusCode::OK, &group))
}

/// `GET /groups/count`
pub(super) async fn count(Held(state): Held<Arc<State>>) -> Result<Response, Refusal> {
    let count: i64 = state
        .read(|database| database.query_row("SELECT count(*) FROM team", [], |row| row.get(0)))
        .await
        .map_err(Refusal::from)?;
    Ok(reply::json(StatusCode::OK, &json!({"count": count})))
}

/// `GET /groups`
pub(super) async fn top(
    Held(state): Held<Arc<State>>,
    Query(query): Asked,
) -> Result<Response, Refusal> {
    below(&state, None, &query).await
}

/// `GET /groups/{id}/children`
pub(super) async fn children(
    Held(state): Held<Arc<State>>,
    Path(names): Names,
    Query(query): Asked,
) -> Result<Response, Refusal> {
    below(&state, Some(name(&names, "id")), &query).await
}

async fn below(
    state: &Arc<State>,
    parent: Option<String>,
    query: &BTreeMap<String, String>,
) -> Result<Response, Refusal> {
    let (first, most) = answer::window(query);
    let groups = state
        .read(move |database| -> Result<Vec<Value>, Refusal> {
            if let Some(parent) = &parent {
                demanded(database, parent, NO_GROUP)?;
            }
            let found = format!(
                "SELECT {COLUMNS} FROM team WHERE parent IS ?1 ORDER BY name LIMIT ?2 OFFSET ?3"
            );
            Ok(sql::select(
                database,
                &found,
                params![parent, most, first],
                shown,
            )?)
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &Value::Array(groups)))
}

/// `GET /groups/{id}/members`
pub(super) async fn members(
    Held(state): Held<Arc<State>>,
    Path(names): Names,
    Query(query): Asked,
) -> Result<Response, Refusal> {
    let found = format!(
        "SELECT {} FROM member JOIN person ON person.id = member.person WHERE member.team = ?1
         ORDER BY person.username LIMIT ?2 OFFSET ?3",
        users::COLUMNS
    );
    let is_there = |database: &Connection, id: &str| demanded(database, id, NO_GROUP);
    of_one(&state, (&names, &query), is_there, (found, users::shown)).await
}

/// `GET /users/{id}/groups`
pub(super) async fn of_user(
    Held(state): Held<Arc<State>>,
    Path(names): Names,
    Query(query): Asked,
) -> Result<Response, Refusal> {
    let found = format!(
        "SELECT {COLUMNS} FROM member JOIN team ON team.id = member.team WHERE member.person = ?1
         ORDER BY team.name, team.path LIMIT ?2 OFFSET ?3"
    );
    of_one(&state, (&names, &query), users::demanded, (found, shown)).await
}

/// A page of what a query finds for the one that is named, which must be there.
async fn of_one(
    state: &Arc<State>,
    (names, query): (&BTreeMap<String, String>, &BTreeMap<String, String>),
    is_there: fn(&Connection, &str) -> Result<Value, Refusal>,
    (found, shown): (String, fn(&Row<'_>) -> rusqlite::Result<Value>),
) -> Result<Response, Refusal> {
    let (id, (first, most)) = (name(names, "id"), answer::window(query));
    let records = state
        .read(move |database| -> Result<Vec<Value>, Refusal> {
            is_there(database, &id)?;
            Ok(sql::select(
                database,
                &found,
                params![id, most, first],
                shown,
            )?)
        })
        .await?;
    Ok(reply::json(StatusCode::OK, &Value::Array(records)))
}

/// `PUT /users/{id}/groups/{group}`
pub(super) async fn put_user(
    Held(state): Held<Arc<State>>,
    Path(names): Names,
) -> Result<Response, Refusal> {
    change(&state, &names, |database, user, group| {
        join(database, user, group)
    })
    .await
}

/// `DELETE /users/{id}/groups/{group}`
pub(super) async fn remove_user(
    Held(state): Held<Arc<State>>,
    Path(names): Names,
) -> Result<Response, Refusal> {
    change(&state, &names, |database, user, group| {
        database
            .execute(
                "DELETE FROM member WHERE person = ?1 AND team = ?2",
                [user, group],
            )
            .map(drop)
    })
    .await
}

async fn change(
    state: &Arc<State>,
    names: &BTreeMap<String, String>,
    make: fn(&Connection, &str, &str) -> rusqlite::Result<()>,
) -> Result<Response, Refusal> {
    let (user, group) = (name(names, "id"), name(names, "group"));
    state
        .write(move |database| -> Result<(), Refusal> {
            users::demanded(database, &user)?;
            demanded(database, &group, "Group not found")?;
            Ok(make(database, &user, &group)?)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /groups`
pub(super) async fn create_top(
    Held(state): Held<Arc<State>>,
    Base(base): Base,
    body: Bytes,
) -> Result<Response, Refusal> {
    let group = made(&state, None, &body).await?;
    Ok(answer::made(&place(&base, &group), None))
}

/// `POST /groups/{id}/children`
pub(super) async fn create_child(
    Held(state): Held<Arc<State>>,
    Path(names): Names,
    Base(base): Base,
    body: Bytes,
) -> Result<Response, Refusal> {
    let group = made(&state, Some(name(&names, "id")), &body).await?;
    Ok(answer::made(&place(&base, &group), Some(&group)))
}

fn place(base: &str, group: &Value) -> String {
    let id = group["id"].as_str().unwrap_or_default();
    format!("{base}admin/realms/{REALM}/groups/{id}")
}

async fn made(state: &Arc<State>, parent: Option<String>, body: &[u8]) -> Result<Value, Refusal> {
    let (name, _) = answer::named(body, "name")?;
    state
        .write(move |database| {
            if let Some(parent) = &parent {
                demanded(database, parent, NO_GROUP)?;
            }
            let (id, new) = ensure(database, parent.as_deref(), &name)?;
            if !new {
                let rank = if parent.is_some() {
                    "Sibling"
                } else {
                    "Top level"
                };
                return Err(Refusal::Conflict(format!(
                    "{rank} group named '{name}' already exists."
                )));
            }
            demanded(database, &id, NO_GROUP)
        })
        .await
}

/// The id of the group of a name below another, made where there is none; and whether it was made.
pub(crate) fn ensure(
    database: &Transaction<'_>,
    parent: Option<&str>,
    name: &str,
) -> rusqlite::Result<(String, bool)> {
    let above = "SELECT path FROM team WHERE id = ?1";
    let above: Option<String> = database
        .query_row(above, [parent], |row| row.get(0))
        .optional()?;
    let path = format!("{}/{name}", above.unwrap_or_default());
    let known = "SELECT id FROM team WHERE path = ?1";
    if let Some(id) = database
        .query_row(known, [&path], |row| row.get(0))
        .optional()?
    {
        return Ok((id, false));
    }
    let id = Uuid::new_v4().to_string();
    database.execute(
        "INSERT INTO team (id, parent, name, path) VALUES (?1, ?2, ?3, ?4)",
        params![id, parent, name, path],
    )?;
    Ok((id, true))
}

/// Puts a user into a group.
pub(crate) fn join(database: &Connection, user: &str, group: &str) -> rusqlite::Result<()> {
    let put = "INSERT OR IGNORE INTO member (person, team) VALUES (?1, ?2)";
    database.execute(put, [user, group]).map(drop)
}

fn demanded(database: &Connection, id: &str, words: &'static str) -> Result<Value, Refusal> {
    let text = format!("SELECT {COLUMNS} FROM team WHERE id = ?1");
    let group = database.query_row(&text, [id], shown).optional()?;
    group.ok_or(Refusal::NotFound(words))
}

fn shown(row: &Row<'_>) -> rusqlite::Result<Value> {
    let mut group = json!({
        "id": row.get::<_, String>(0)?,
        "name": row.get::<_, String>(1)?,
        "path": row.get::<_, String>(2)?,
        "subGroupCount": row.get::<_, i64>(4)?,
        "subGroups": [],
    });
    if let Some(parent) = row.get::<_, Option<String>>(3)? {
        group["parentId"] = parent.into();
    }
    Ok(group)
}

fn name(names: &BTreeMap<String, String>, which: &str) -> String {
    names.get(which).cloned().unwrap_or_default()
}
