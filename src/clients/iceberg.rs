//! The Iceberg REST catalogue: which namespaces and tables there are, and a table's metadata. What stands in the metadata
//! is `iceberg_metadata`; its files are in the store.
//!
//! Protocol: <https://github.com/apache/iceberg/blob/main/open-api/rest-catalog-open-api.yaml>.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::Pages;
use super::http::{Answer, Request, Sender, Tracer, path};
use super::oauth::{Credentials, Login};
use crate::config::IcebergSettings;
use crate::effects::Permit;
use crate::error::{Error, Kind, Result, nearest};

/// So many names are asked for at once.
const PAGE: usize = 100;
/// What stands between the levels of a namespace in a path.
const LEVEL: &str = "\u{1f}";

/// The client of one catalogue. Clones share connections and token.
#[derive(Clone)]
pub struct Tables(Arc<Inner>);

struct Inner {
    sender: Sender,
    login: Login,
    warehouse: Option<String>,
    /// What the catalogue wants before every path, once it was asked.
    prefix: OnceCell<Vec<String>>,
}

/// A table by its namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// The levels of its namespace.
    pub namespace: Vec<String>,
    /// Its name.
    pub name: String,
}

impl TableName {
    /// The table that was typed as `namespace.table`, the namespace with a dot between its levels.
    pub fn of(text: &str) -> Result<TableName> {
        let mut levels: Vec<String> = text.split('.').map(str::to_owned).collect();
        let name = levels.pop().unwrap_or_default();
        if levels.is_empty() || name.is_empty() || levels.iter().any(String::is_empty) {
            return Err(Error::usage(format!("'{text}' names no table"))
                .hint("write namespace.table, as in gelaende_umwelt.osm_roads"));
        }
        let namespace = levels;
        Ok(TableName { namespace, name })
    }

    /// What is said where it does not have the snapshot of an id.
    pub(crate) fn no_snapshot(&self, id: i64) -> Error {
        let message = format!("{self} has no snapshot {id}, or has it no more");
        Error::new(Kind::NotFound, message).hint(format!(
            "see those that it has: dashictl table snapshots {self}"
        ))
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.namespace.join("."), self.name)
    }
}

/// Which rows of a table are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// Those of which this is true, a condition as SQL writes it behind WHERE.
    Where(String),
    /// Those that the snapshot of this id brought.
    Of(i64),
}

impl Tables {
    /// The client for these settings; it logs in when it first asks.
    #[must_use]
    pub fn new(settings: IcebergSettings, tracer: Tracer) -> Tables {
        let sender = Sender::new(settings.service.clone(), tracer);
        let logs_in = settings.service.token.is_none() && settings.client.is_some();
        let warehouse = settings.warehouse.clone();
        let credentials = logs_in.then(|| Box::new(settings) as Box<dyn Credentials>);
        Tables(Arc::new(Inner {
            login: Login::new(sender.clone(), credentials),
            sender,
            warehouse,
            prefix: OnceCell::new(),
        }))
    }

    /// The same, with a bound on each whole call.
    #[must_use]
    pub fn within(&self, bound: Option<Duration>) -> Tables {
        Tables(Arc::new(Inner {
            sender: self.0.sender.within(bound),
            login: self.0.login.clone(),
            warehouse: self.0.warehouse.clone(),
            prefix: OnceCell::new(),
        }))
    }

    /// All namespaces, those within others as well, a page a level: `namespace`, its levels with dots between.
    #[must_use]
    pub fn namespaces(&self) -> Pages {
        let tables = self.clone();
        let first = vec![Vec::new()];
        let pages = futures::stream::try_unfold(first, move |mut open: Vec<Vec<String>>| {
            let tables = tables.clone();
            async move {
                let Some(parent) = open.pop() else {
                    return Ok(None);
                };
                let within = tables.below(&parent).await?;
                let rows = within
                    .iter()
                    .map(|levels| json!({"namespace": levels.join(".")}));
                let rows: Vec<Value> = rows.collect();
                open.extend(within.into_iter().rev());
                Ok(Some((rows, open)))
            }
        });
        pages.boxed()
    }

    /// The namespaces right within another, or at the top.
    async fn below(&self, parent: &[String]) -> Result<Vec<Vec<String>>> {
        let mut request = Request::get(self.path(&["namespaces"]).await?);
        if !parent.is_empty() {
            request = request.query("parent", parent.join(LEVEL));
        }
        let mut found: Vec<Vec<String>> = self
            .listed(request, "namespaces")
            .try_concat()
            .await?
            .iter()
            .map(levels_of)
            .collect();
        // A catalogue that has one level only may give all of them again.
        found.retain(|levels| levels.len() == parent.len() + 1 && levels.starts_with(parent));
        Ok(found)
    }

    /// The tables of a namespace: `table`, `namespace`, `name`.
    pub async fn tables(&self, namespace: &str) -> Result<Pages> {
        let levels: Vec<String> = namespace.split('.').map(str::to_owned).collect();
        let path = self
            .path(&["namespaces", &levels.join(LEVEL), "tables"])
            .await?;
        let rows = self.listed(Request::get(path), "identifiers").map_ok(|page| {
            let row = |found: &Value| {
                let namespace = levels_of(&found["namespace"]).join(".");
                json!({"table": format!("{namespace}.{}", found["name"].as_str().unwrap_or_default()),
                    "namespace": namespace, "name": found["name"]})
            };
            page.iter().map(row).collect()
        });
        Ok(rows.boxed())
    }

    /// The names of all tables, sorted: also of those whose names have dots, and cannot be typed.
    pub async fn every(&self) -> Result<Vec<TableName>> {
        let (mut names, mut open) = (Vec::new(), vec![Vec::new()]);
        while let Some(parent) = open.pop() {
            for levels in self.below(&parent).await? {
                let path = ["namespaces", &levels.join(LEVEL), "tables"];
                let request = Request::get(self.path(&path).await?);
                let tables = self.listed(request, "identifiers").try_concat().await?;
                names.extend(tables.iter().map(|found| TableName {
                    namespace: levels_of(&found["namespace"]),
                    name: found["name"].as_str().unwrap_or_default().to_owned(),
                }));
                open.push(levels);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// A table as the catalogue gives it: `metadata-location`, `metadata`. One that is not there is told with the nearest.
    pub async fn table(&self, table: &TableName) -> Result<Value> {
        let namespace = table.namespace.join(LEVEL);
        let path = self
            .path(&["namespaces", &namespace, "tables", &table.name])
            .await?;
        let answer = match self.send(Request::get(path)).await {
            Err(error) if error.kind() == Kind::NotFound => {
                return Err(self.unknown(table, error).await);
            }
            other => other?,
        };
        let found = answer.json()?;
        if !found["metadata"].is_object() {
            return Err(answer.fault("a table without metadata"));
        }
        Ok(found)
    }

    /// Asks for changes of a table's metadata, to be made together and only where all of the requirements hold. `conflict`
    /// says that one does not.
    pub async fn commit(
        &self,
        permit: Permit,
        table: &TableName,
        requirements: &Value,
        updates: &Value,
    ) -> Result<()> {
        let namespace = table.namespace.join(LEVEL);
        let path = self
            .path(&["namespaces", &namespace, "tables", &table.name])
            .await?;
        let body = json!({
            "identifier": {"namespace": table.namespace, "name": table.name},
            "requirements": requirements, "updates": updates,
        });
        self.send(Request::post(permit, path, body)).await.map(drop)
    }

    async fn unknown(&self, table: &TableName, mut error: Error) -> Error {
        error.detail_mut().message = format!("there is no table '{table}'");
        let Ok(tables) = self.tables(&table.namespace.join(".")).await else {
            return error.hint("see what there is: dashictl table list");
        };
        let known: Vec<Value> = tables.try_concat().await.unwrap_or_default();
        let known = known.iter().filter_map(|found| found["table"].as_str());
        error
            .suggest(nearest(&table.to_string(), known))
            .hint("see what there is: dashictl table list")
    }

    /// All of a list that comes in pages (`next-page-token`).
    fn listed(&self, request: Request, field: &'static str) -> Pages {
        let (tables, first) = (self.clone(), Some((String::new(), HashSet::new())));
        let pages =
            futures::stream::try_unfold(first, move |place: Option<(String, HashSet<String>)>| {
                let (tables, request) = (tables.clone(), request.clone());
                async move {
                    let Some((token, mut seen)) = place else {
                        return Ok(None);
                    };
                    let request = request.query("pageToken", &token).query("pageSize", PAGE);
                    let answer = tables.send(request).await?;
                    let mut page = answer.json()?;
                    let Value::Array(found) = page[field].take() else {
                        return Err(answer.fault(&format!("an answer without '{field}'")));
                    };
                    let next = match page["next-page-token"].as_str() {
                        None | Some("") => None,
                        Some(next) if !seen.insert(next.to_owned()) => {
                            return Err(answer.fault("a page token that it has given before"));
                        }
                        Some(next) => Some((next.to_owned(), seen)),
                    };
                    Ok(Some((found, next)))
                }
            });
        pages.boxed()
    }

    /// A path of the catalogue, with the prefix that it wants.
    async fn path(&self, segments: &[&str]) -> Result<String> {
        let prefix = self
            .0
            .prefix
            .get_or_try_init(|| self.ask_for_prefix())
            .await?;
        let prefix = prefix.iter().map(String::as_str);
        let all: Vec<&str> = std::iter::once("v1")
            .chain(prefix)
            .chain(segments.iter().copied())
            .collect();
        path(&all)
    }

    async fn ask_for_prefix(&self) -> Result<Vec<String>> {
        let mut request = Request::get("/v1/config");
        if let Some(warehouse) = &self.0.warehouse {
            request = request.query("warehouse", warehouse);
        }
        let answer = self
            .send(request)
            .await
            .map_err(|error| match error.detail().status {
                Some(400 | 404) => error.hint("is iceberg.warehouse one of that catalogue's?"),
                _ => error,
            })?;
        let config = answer.json()?;
        let of = |part: &str| config[part]["prefix"].as_str().map(str::to_owned);
        let prefix = of("overrides")
            .or_else(|| of("defaults"))
            .unwrap_or_default();
        Ok(prefix
            .split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect())
    }

    async fn send(&self, request: Request) -> Result<Answer> {
        self.0.login.send(&self.0.sender, request).await
    }
}

impl Credentials for IcebergSettings {
    fn request(&self) -> Result<Request> {
        let Some((client, secret)) = &self.client else {
            return Err(Error::internal("nobody logs in to this catalogue"));
        };
        Ok(Request::login(
            "/v1/oauth/tokens",
            vec![
                ("grant_type", "client_credentials".to_owned()),
                ("client_id", client.expose()?.to_owned()),
                ("client_secret", secret.expose()?.to_owned()),
                ("scope", self.scope.clone()),
            ],
        ))
    }

    fn refused(&self, mut error: Error) -> Error {
        if let Some(400 | 401 | 403) = error.detail().status {
            error.detail_mut().kind = Kind::Unauthorized;
            error.detail_mut().message =
                String::from("the Iceberg catalogue let its client not in");
            error.detail_mut().hints.clear();
            return error.hint("check iceberg.client_id and iceberg.client_secret: `dashictl config --origin` shows where they come from");
        }
        error
    }

    fn odd(&self, error: Error) -> Error {
        error.hint("is iceberg_url the address of an Iceberg catalogue? `dashictl config --origin` shows where it comes from")
    }
}

fn levels_of(namespace: &Value) -> Vec<String> {
    let levels = namespace.as_array().into_iter().flatten();
    levels
        .filter_map(|level| level.as_str().map(str::to_owned))
        .collect()
}

/// What a build says that knows tables by their catalogue only.
#[cfg(not(feature = "iceberg"))]
pub(crate) fn not_built_in() -> Error {
    Error::config("this program was built without the files of tables")
        .hint("build it with them: cargo build --release --features iceberg (a default feature)")
}
