//! The rows of an Iceberg table that an item says are its own, and what other items say of theirs. Nothing is guessed: an item
//! that does not say which rows, or says it twice, is left to people. What rows a condition means is `warehouse`'s to say.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::catalogue::Record;
use crate::clients::iceberg::TableName;

/// The property that names an item's table, as `namespace.table`.
const TABLE: &str = "dashi:iceberg_table";
/// The property that says which rows, as SQL writes it behind WHERE.
const WHERE: &str = "dashi:iceberg_where";
/// The property that says which snapshot brought them, by its id.
const SNAPSHOT: &str = "dashi:iceberg_snapshot";

/// Rows of a table that an item names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableRows {
    /// The table; empty where the item names none.
    pub table: String,
    /// Those of which this is true.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// Those that the snapshot of this id brought.
    pub snapshot: Option<String>,
    /// Why it is not known which, if it is not.
    pub by_hand: Option<String>,
    /// What other items name of the same table.
    pub others: Vec<OtherRows>,
    /// How many other items have rows of the same table and do not say which.
    pub unclear: u64,
    /// Which those are: a record may be shown twice.
    #[serde(skip)]
    unclear_by: BTreeSet<String>,
}

/// Rows of the same table that another item names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherRows {
    /// The item, as in `item klima/tas`.
    pub by: String,
    /// Those of which this is true.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// Those that the snapshot of this id brought.
    pub snapshot: Option<String>,
}

impl TableRows {
    /// What an item says of its rows, if it says anything.
    pub(crate) fn of(item: &Value) -> Option<TableRows> {
        let text = |name: &str| match property(item, name)? {
            Value::String(text) => Some(text.trim().to_owned()),
            other => Some(other.to_string()),
        };
        let (table, condition, snapshot) = (text(TABLE), text(WHERE), text(SNAPSHOT));
        if table.is_none() && condition.is_none() && snapshot.is_none() {
            return None;
        }
        let table = table.unwrap_or_default();
        let is_text = property(item, TABLE).is_some_and(Value::is_string);
        let is_table = is_text && TableName::of(&table).is_ok();
        let condition = condition.filter(|text| !text.is_empty());
        let by_hand = match (&condition, &snapshot) {
            _ if !is_table => Some(format!(
                "{TABLE} of the item is '{table}', which names no table"
            )),
            (None, None) => Some(format!("the item has neither {WHERE} nor {SNAPSHOT}")),
            (Some(_), Some(_)) => Some(format!("the item has both {WHERE} and {SNAPSHOT}")),
            (None, Some(id)) if !is_id(id) => Some(format!(
                "{SNAPSHOT} of the item is '{id}', which is no id of a snapshot"
            )),
            _ => None,
        };
        Some(TableRows {
            table: if is_table { table } else { String::new() },
            condition,
            snapshot,
            by_hand,
            ..TableRows::default()
        })
    }

    /// Takes in what another record says of the same table.
    pub(crate) fn add(&mut self, record: &Record<'_>) {
        let Record::Item { item, .. } = record else {
            return;
        };
        let Some(other) = TableRows::of(item).filter(|other| other.table == self.table) else {
            return;
        };
        if other.condition.is_none() && other.snapshot.is_none() {
            self.unclear_by.insert(record.name());
            self.unclear = self.unclear_by.len() as u64;
            return;
        }
        // One that says both may mean either.
        for (condition, snapshot) in [(other.condition, None), (None, other.snapshot)] {
            let other = OtherRows {
                by: record.name(),
                condition,
                snapshot,
            };
            let says = other.condition.is_some() || other.snapshot.is_some();
            if says && !self.others.contains(&other) {
                self.others.push(other);
            }
        }
    }
}

/// Whether a text is an id as a catalogue writes it.
fn is_id(text: &str) -> bool {
    let id: Option<i64> = text.parse().ok();
    id.is_some_and(|id| id.to_string() == text)
}

/// A property, also where an item has it beside its properties.
fn property<'a>(item: &'a Value, name: &str) -> Option<&'a Value> {
    let all = [&item["properties"][name], &item[name]];
    all.into_iter().find(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(properties: Value) -> TableRows {
        TableRows::of(&json!({"properties": properties})).unwrap()
    }

    #[test]
    fn the_table_is_the_properties_or_the_items() {
        assert_eq!(TableRows::of(&json!({"properties": {}})), None);
        let mut item = json!({TABLE: "klima.a", "properties": {}});
        assert_eq!(TableRows::of(&item).unwrap().table, "klima.a");
        item["properties"][TABLE] = json!("klima.b");
        assert_eq!(TableRows::of(&item).unwrap().table, "klima.b");
    }

    #[test]
    fn an_item_says_which_rows_in_one_way_or_they_are_left_to_people() {
        let said = of(json!({TABLE: "a.t", WHERE: " n = 1 "}));
        assert_eq!(
            (said.condition.as_deref(), said.by_hand),
            (Some("n = 1"), None)
        );
        let said = of(json!({TABLE: "a.t", SNAPSHOT: 4_611_686_018_427_387_905_i64}));
        assert_eq!(said.snapshot.as_deref(), Some("4611686018427387905"));
        for (unclear, part) in [
            (json!({TABLE: "a.t"}), "neither"),
            (json!({TABLE: "a.t", WHERE: "n = 1", SNAPSHOT: "1"}), "both"),
            (json!({TABLE: "a.t", WHERE: ""}), "neither"),
            (json!({TABLE: ["a.t"], WHERE: "n = 1"}), "names no table"),
            (json!({TABLE: "", WHERE: "n = 1"}), "names no table"),
            (json!({WHERE: "n = 1"}), "names no table"),
            (json!({TABLE: "a.t", SNAPSHOT: "007"}), "no id"),
            (json!({TABLE: "a.t", SNAPSHOT: "last"}), "no id"),
        ] {
            let said = of(unclear.clone());
            assert!(said.by_hand.unwrap().contains(part), "{unclear}");
        }
    }

    #[test]
    fn what_other_items_say_of_the_same_table_is_taken_in() {
        let mut mine = of(json!({TABLE: "a.t", WHERE: "n = 1"}));
        for (id, properties) in [
            ("b", json!({TABLE: "a.t", WHERE: "n = 2"})),
            ("c", json!({TABLE: "a.t"})),
            ("d", json!({TABLE: "a.other", WHERE: "n = 1"})),
            ("e", json!({TABLE: "a.t", WHERE: "n = 3", SNAPSHOT: "7"})),
        ] {
            let item = json!({"id": id, "collection": "k", "properties": properties});
            mine.add(&Record::Item {
                collection: "k",
                id,
                item: &item,
            });
        }
        let others: Vec<(&str, Option<&str>)> = mine
            .others
            .iter()
            .map(|other| (other.by.as_str(), other.snapshot.as_deref()))
            .collect();
        assert_eq!(
            others,
            [
                ("item k/b", None),
                ("item k/e", None),
                ("item k/e", Some("7"))
            ]
        );
        assert_eq!(mine.unclear, 1);
    }
}
