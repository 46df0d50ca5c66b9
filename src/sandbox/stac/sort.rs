//! The order of a search, and where in that order a page begins.
//!
//! pgstac's rules: newest first unless asked otherwise; `collection` and `id` are added in the first key's direction, so
//! that the order is total; nulls come last going up and first going down. A page begins after the item that the token
//! names, found by that item's own sort values.

use rusqlite::types::Value as Sql;
use serde_json::Value;

use super::answer::Refusal;
use super::filter;
use crate::sandbox::sql::Condition;

/// The keys of an order, the most significant first.
#[derive(Debug, Clone)]
pub(crate) struct Sort(Vec<Key>);

#[derive(Debug, Clone)]
struct Key {
    read: Condition,
    down: bool,
}

impl Sort {
    /// From a search body's `sortby`: a list of `{"field": …, "direction": "asc" | "desc"}`, or one of them.
    pub(crate) fn from_body(sortby: Option<&Value>) -> Result<Sort, Refusal> {
        let listed = match sortby {
            None | Some(Value::Null) => &[],
            Some(Value::Array(listed)) => listed.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        let mut fields = Vec::with_capacity(listed.len());
        for entry in listed {
            let field = entry["field"].as_str().ok_or(Refusal::Raised)?;
            let down = match entry["direction"].as_str().unwrap_or("asc") {
                "asc" | "ascending" => false,
                "desc" | "descending" => true,
                _ => return Err(Refusal::Raised),
            };
            fields.push((field, down));
        }
        Sort::of(&fields)
    }

    /// From a query's `sortby=-properties.datetime,+id`.
    pub(crate) fn from_query(text: &str) -> Result<Sort, Refusal> {
        let fields: Vec<(&str, bool)> = text
            .split(',')
            .map(|field| {
                (
                    field.trim_start_matches(['+', '-', ' ']),
                    field.starts_with('-'),
                )
            })
            .filter(|(field, _)| !field.is_empty())
            .collect();
        Sort::of(&fields)
    }

    fn of(fields: &[(&str, bool)]) -> Result<Sort, Refusal> {
        let mut fields = fields.to_vec();
        if fields.is_empty() {
            fields.push(("datetime", true));
        }
        let down = fields[0].1;
        for tiebreaker in ["collection", "id"] {
            if !fields.iter().any(|(field, _)| *field == tiebreaker) {
                fields.push((tiebreaker, down));
            }
        }
        let mut keys = Vec::with_capacity(fields.len());
        for (field, down) in fields {
            let read = filter::property(field)?;
            keys.push(Key { read, down });
        }
        Ok(Sort(keys))
    }

    /// The text after `ORDER BY` with its values.
    pub(crate) fn order(&self, backwards: bool) -> Condition {
        let words = self.0.iter().map(|key| {
            let way = if key.down == backwards {
                "ASC NULLS LAST"
            } else {
                "DESC NULLS FIRST"
            };
            format!("{} {way}", key.read.text)
        });
        let text = words.collect::<Vec<_>>().join(", ");
        let values = self.0.iter().flat_map(|key| key.read.values.clone());
        Condition::new(text, values)
    }

    /// What to select of an item to know its place in this order.
    pub(crate) fn columns(&self) -> Condition {
        let texts: Vec<&str> = self.0.iter().map(|key| key.read.text.as_str()).collect();
        let values = self.0.iter().flat_map(|key| key.read.values.clone());
        Condition::new(texts.join(", "), values)
    }

    /// The condition that holds for what comes after the item with this place, or before it going backwards.
    pub(crate) fn beyond(&self, place: &[Sql], backwards: bool) -> Condition {
        let mut whole = Condition::default();
        let mut equal = Condition::default();
        for (key, value) in self.0.iter().zip(place) {
            if let Some(step) = key.step(value, key.down != backwards) {
                whole = whole.or(equal.clone().and(step));
            }
            let mut same = key.read.clone();
            same.text = format!("{} IS ?", same.text);
            same.values.push(value.clone());
            equal = equal.and(same);
        }
        whole
    }
}

impl Key {
    /// The condition that this key alone moved on from a value; `None` when nothing can lie beyond it.
    fn step(&self, value: &Sql, down: bool) -> Option<Condition> {
        let Key { read, .. } = self;
        let with = |text: String, values: Vec<Sql>| {
            Condition::new(text, read.values.iter().cloned().chain(values))
        };
        match (value, down) {
            (Sql::Null, false) => None,
            (Sql::Null, true) => Some(with(format!("{} IS NOT NULL", read.text), Vec::new())),
            (value, true) => Some(with(format!("{} < ?", read.text), vec![value.clone()])),
            (value, false) => {
                let above = with(format!("{} > ?", read.text), vec![value.clone()]);
                Some(above.or(with(format!("{} IS NULL", read.text), Vec::new())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_default_order_is_newest_first_and_total() {
        let order = Sort::from_body(None).map(|sort| sort.order(false).text);
        let order = order.unwrap_or_default();
        assert_eq!(
            order,
            "begins DESC NULLS FIRST, collection DESC NULLS FIRST, id DESC NULLS FIRST"
        );
    }

    #[test]
    fn a_misspelt_direction_raises() {
        let sort = Sort::from_body(Some(&json!([{"field": "id", "direction": "down"}])));
        assert!(matches!(sort, Err(Refusal::Raised)));
    }
}
