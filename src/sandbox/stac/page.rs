//! One page of a search: the query on the item table, and the tokens of the pages before and after.
//!
//! A token names the item it stands on, as pgstac's does: `next:<hex of the collection>:<hex of the id>`. When that item
//! has been deleted in between, pgstac raises; so does the sandbox, for a walk that goes on after that is not complete.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::answer::Refusal;
use super::fields::Fields;
use super::interval::Interval;
use super::sort::Sort;
use crate::sandbox::sql::{self, Condition};

/// What is searched for.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    /// Only items of these collections.
    pub(crate) collections: Option<Vec<String>>,
    /// Only items with these ids.
    pub(crate) ids: Option<Vec<String>>,
    /// Only items whose box meets this one: west, south, east, north.
    pub(crate) bbox: Option<[f64; 4]>,
    /// Only items whose time meets this one.
    pub(crate) interval: Option<Interval>,
    /// The condition of a CQL2 filter.
    pub(crate) filter: Condition,
    /// The order.
    pub(crate) sort: Sort,
    /// What an answer keeps of an item.
    pub(crate) fields: Fields,
    /// At most so many items.
    pub(crate) limit: i64,
    /// Where the page begins.
    pub(crate) token: Option<String>,
    /// Whether all matches are counted (`conf: {"context": "on"}`).
    pub(crate) counted: bool,
}

/// A page of stored items.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The items as JSON text, in order.
    pub(crate) items: Vec<String>,
    /// The token of the next page, with its direction.
    pub(crate) next: Option<String>,
    /// The token of the page before.
    pub(crate) previous: Option<String>,
    /// How many items match in all, when that was asked for.
    pub(crate) matched: Option<i64>,
}

/// Runs a search.
pub(crate) fn find(database: &Connection, search: &Search) -> Result<Page, Refusal> {
    let filter = search.condition();
    let matched = if search.counted {
        Some(count(database, &filter)?)
    } else {
        None
    };
    let token = search.token.as_deref().map(Token::parse).transpose()?;
    let backwards = token.as_ref().is_some_and(|token| token.backwards);
    let beyond = match &token {
        Some(token) => search
            .sort
            .beyond(&token.place(database, &search.sort)?, backwards),
        None => Condition::default(),
    };
    let mut rows = select(database, filter.and(beyond), search, backwards)?;
    let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    if backwards {
        rows.reverse();
    }
    let (before, after) = if backwards {
        (more, true)
    } else {
        (token.is_some(), more)
    };
    Ok(Page {
        next: rows.last().filter(|_| after).map(|row| row.token("next")),
        previous: rows.first().filter(|_| before).map(|row| row.token("prev")),
        items: rows.into_iter().map(|row| row.body).collect(),
        matched,
    })
}

impl Search {
    fn condition(&self) -> Condition {
        let mut whole = self.filter.clone();
        for (column, wanted) in [("collection", &self.collections), ("id", &self.ids)] {
            if let Some(wanted) = wanted {
                let values = wanted.iter().map(|name| sql::text(name.as_str()));
                whole = Condition::any_of(column, values).and(whole);
            }
        }
        if let Some([west, south, east, north]) = self.bbox {
            let edges = [east, west, north, south].map(Sql::Real);
            whole = whole.and(Condition::new(
                "west <= ? AND east >= ? AND south <= ? AND north >= ?",
                edges,
            ));
        }
        if let Some(Interval { from, to }) = self.interval {
            let ends = from.map(|from| Condition::new("ends >= ?", [Sql::Integer(from)]));
            let begins = to.map(|to| Condition::new("begins <= ?", [Sql::Integer(to)]));
            whole = [ends, begins]
                .into_iter()
                .flatten()
                .fold(whole, Condition::and);
        }
        whole
    }
}

fn count(database: &Connection, filter: &Condition) -> Result<i64, Refusal> {
    let text = format!("SELECT count(*) FROM item WHERE {}", filter.clause());
    let mut statement = database.prepare_cached(&text)?;
    Ok(statement.query_row(params_from_iter(&filter.values), |row| row.get(0))?)
}

/// One more than the limit, so that it shows whether there is another page.
fn select(
    database: &Connection,
    filter: Condition,
    search: &Search,
    backwards: bool,
) -> rusqlite::Result<Vec<Row>> {
    let order = search.sort.order(backwards);
    let text = format!(
        "SELECT collection, id, body FROM item WHERE {} ORDER BY {} LIMIT ?",
        filter.clause(),
        order.text
    );
    let limit = search.limit + 1;
    let values = filter.values.into_iter().chain(order.values);
    let values = params_from_iter(values.chain([Sql::Integer(limit)]));
    sql::select(database, &text, values, |row| {
        Ok(Row {
            collection: row.get(0)?,
            id: row.get(1)?,
            body: row.get(2)?,
        })
    })
}

struct Row {
    collection: String,
    id: String,
    body: String,
}

impl Row {
    fn token(&self, direction: &str) -> String {
        let (collection, id) = (hex::encode(&self.collection), hex::encode(&self.id));
        format!("{direction}:{collection}:{id}")
    }
}

/// The item a page begins after, and the way it goes from there.
struct Token {
    collection: String,
    id: String,
    backwards: bool,
}

impl Token {
    fn parse(text: &str) -> Result<Token, Refusal> {
        let named = |part: &str| {
            let bytes = hex::decode(part).ok().filter(|bytes| !bytes.is_empty());
            bytes
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or(Refusal::Raised)
        };
        let lower = text.to_lowercase();
        let parts: Vec<&str> = lower.split(':').collect();
        let [direction @ ("next" | "prev"), collection, id] = parts[..] else {
            return Err(Refusal::Raised);
        };
        Ok(Token {
            collection: named(collection)?,
            id: named(id)?,
            backwards: direction == "prev",
        })
    }

    /// The sort values of the item the token names.
    fn place(&self, database: &Connection, sort: &Sort) -> Result<Vec<Sql>, Refusal> {
        let columns = sort.columns();
        let text = format!(
            "SELECT {} FROM item WHERE collection = ? AND id = ?",
            columns.text
        );
        let named = [sql::text(&*self.collection), sql::text(&*self.id)];
        let mut statement = database.prepare_cached(&text)?;
        let width = statement.column_count();
        let place = statement.query_row(
            params_from_iter(columns.values.into_iter().chain(named)),
            |row| (0..width).map(|column| row.get(column)).collect(),
        );
        place.optional()?.ok_or(Refusal::Raised)
    }
}
