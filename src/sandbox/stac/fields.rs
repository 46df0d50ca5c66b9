//! The fields extension: which members of an item an answer keeps.
//!
//! The rules are pgstac's: `id` and `collection` always stay when something is included, and an exclusion of a member
//! that is included, or that holds an included one, counts for nothing.

use serde_json::{Map, Value};

/// What to include and exclude, as dotted paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Fields {
    /// From a search body's `{"include": […], "exclude": […]}`.
    pub(crate) fn from_body(fields: &Value) -> Fields {
        let list = |name: &str| -> Vec<String> {
            let names = fields[name].as_array().map_or(&[][..], Vec::as_slice);
            names
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        };
        Fields {
            include: list("include"),
            exclude: list("exclude"),
        }
        .settled()
    }

    /// From a query's `id,+assets,-links`.
    pub(crate) fn from_query(text: &str) -> Fields {
        let mut fields = Fields::default();
        for name in text.split(',').filter(|name| !name.is_empty()) {
            match name.strip_prefix('-') {
                Some(name) => fields.exclude.push(name.to_owned()),
                None => fields
                    .include
                    .push(name.trim_start_matches(['+', ' ']).to_owned()),
            }
        }
        fields.settled()
    }

    /// Whether anything was asked for; an answer then is plain JSON.
    pub(crate) fn is_set(&self) -> bool {
        !self.include.is_empty() || !self.exclude.is_empty()
    }

    /// Whether links are made for the items.
    pub(crate) fn keeps_links(&self) -> bool {
        !self.exclude.iter().any(|name| name == "links")
    }

    /// The item with what is kept.
    pub(crate) fn apply(&self, item: Value) -> Value {
        let mut kept = if self.include.is_empty() {
            item
        } else {
            let mut kept = Value::Object(Map::new());
            let always = ["id", "collection"].into_iter();
            for path in always.chain(self.include.iter().map(String::as_str)) {
                take(&item, &mut kept, path);
            }
            kept
        };
        for path in &self.exclude {
            drop_path(&mut kept, path);
        }
        kept
    }

    fn settled(mut self) -> Fields {
        let include = &self.include;
        self.exclude.retain(|name| {
            let holds = |kept: &String| {
                kept.strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
            };
            !include.contains(name) && !include.iter().any(holds)
        });
        self
    }
}

fn take(from: &Value, into: &mut Value, path: &str) {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let Some(value) = from.get(name) else {
        return;
    };
    match rest {
        Some(rest) if value.is_object() => {
            if !into[name].is_object() {
                into[name] = Value::Object(Map::new());
            }
            take(value, &mut into[name], rest);
        }
        _ => into[name] = value.clone(),
    }
}

fn drop_path(from: &mut Value, path: &str) {
    match path.split_once('.') {
        Some((name, rest)) => {
            if let Some(inner) = from.get_mut(name) {
                drop_path(inner, rest);
            }
        }
        None => {
            if let Some(members) = from.as_object_mut() {
                members.remove(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn included_members_come_with_id_and_collection() {
        let item =
            json!({"id": "a", "collection": "c", "bbox": [], "properties": {"x": 1, "y": 2}});
        let fields = Fields::from_body(
            &json!({"include": ["properties.x"], "exclude": ["properties", "bbox"]}),
        );
        assert_eq!(
            fields.apply(item),
            json!({"id": "a", "collection": "c", "properties": {"x": 1}})
        );
    }

    #[test]
    fn excluded_members_go_and_the_rest_stays() {
        let item = json!({"id": "a", "links": [], "properties": {"x": 1, "y": 2}});
        let fields = Fields::from_query("-links,-properties.x");
        assert!(!fields.keeps_links());
        assert_eq!(
            fields.apply(item),
            json!({"id": "a", "properties": {"y": 2}})
        );
    }
}
