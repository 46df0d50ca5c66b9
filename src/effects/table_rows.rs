//! Rows of a table as targets: taken away by a snapshot, or brought back by one. A plan and a journal hold which rows are
//! meant; how that is done is `table_commit`'s, which a build without the library of Iceberg does not have.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::inverse::Inverse;
use super::{Change, Effect, Facts};
use crate::clients::iceberg::Rows;
use crate::error::{Error, Kind, Result};

/// Rows of a table are there no more, or there again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableRows {
    /// The table, as `namespace.table`.
    pub table: String,
    /// Its UUID: a table of the same name that was made anew is another.
    pub uuid: String,
    /// Which rows.
    pub rows: Rows,
    /// The snapshot that took them away, where they are to be brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<i64>,
    /// Also where no row is left then.
    #[serde(default)]
    pub may_empty: bool,
}

/// Refuses a table that was made anew under the name of another.
pub(super) fn refuse_another(table: &str, uuid: &str, wanted: &str) -> Result<()> {
    if uuid == wanted {
        return Ok(());
    }
    let message = format!("{table} was dropped and made anew since");
    Err(Error::new(Kind::Conflict, message).hint("see what it holds now, and plan again"))
}

/// Whether a commit that failed may have been taken all the same. A service that is busy has not taken it.
pub(super) fn is_unclear(error: &Error) -> bool {
    let unclear = [Kind::Unavailable, Kind::Timeout, Kind::Protocol];
    unclear.contains(&error.kind()) && error.detail().status != Some(429)
}

impl TableRows {
    /// What it does to the world.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self.taken_by {
            None => Effect::Destroy,
            Some(_) => Effect::Write,
        }
    }

    /// The function that an operator would call for it.
    #[must_use]
    pub fn function(&self) -> &'static str {
        match (&self.taken_by, &self.rows) {
            (Some(_), _) => "undo",
            (None, Rows::Where(_)) => "iceberg::delete_where",
            (None, Rows::Of(_)) => "iceberg::delete_snapshot",
        }
    }

    /// What it is done to.
    #[must_use]
    pub fn target(&self) -> String {
        let table = &self.table;
        match (&self.taken_by, &self.rows) {
            (Some(taker), _) => format!("rows of {table} that snapshot {taker} deleted"),
            (None, Rows::Where(text)) => format!("rows of {table} where {text}"),
            (None, Rows::Of(snapshot)) => format!("rows of {table} from snapshot {snapshot}"),
        }
    }

    /// What takes back that a snapshot took them away or brought them back.
    pub(super) fn inverse(&self, value: &Value, now: Facts) -> Inverse {
        let Some(snapshot) = value["snapshot"].as_str().and_then(|id| id.parse().ok()) else {
            return Inverse::Lost("nobody knows which snapshot it was".to_owned());
        };
        let back = match self.taken_by {
            None => TableRows {
                taken_by: Some(snapshot),
                ..self.clone()
            },
            Some(_) => TableRows {
                taken_by: None,
                rows: Rows::Of(snapshot),
                may_empty: true,
                ..self.clone()
            },
        };
        Inverse::Change(Box::new(Change::TableRows(back)), now)
    }
}
