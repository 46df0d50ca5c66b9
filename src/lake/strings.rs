//! Every string of a JSON document with its path: what a walk for references looks at.
//!
//! Which of them are references is not decided here.

use std::fmt::{self, Write as _};
use std::iter::Enumerate;
use std::slice;

use serde_json::{Value, map};

use super::nested::may_refer;

/// Walks every string of the document, depth first, in the document's order, without recursion.
///
/// A member's name is a string as well; it is given when it has a slash, since no reference is
/// without one.
#[must_use]
pub fn strings(document: &Value) -> Strings<'_> {
    Strings {
        pending: Some(document),
        levels: Vec::new(),
        steps: Vec::new(),
    }
}

/// A string of a document, and where it stands.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// The string.
    pub text: &'a str,
    steps: Vec<Step<'a>>,
}

impl Found<'_> {
    /// The name of the member that it is the value of; none for an element of a list.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self.steps.last() {
            Some(Step::Member(name)) => Some(name),
            _ => None,
        }
    }

    /// Where it stands, as in `assets.data.href` or `links[2].href`; empty for a document that is one string. A name
    /// that is no plain word is quoted: `assets["scene 1.tif"].href`.
    #[must_use]
    pub fn path(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.steps.iter().enumerate() {
            match step {
                Step::Member(name) if !is_plain(name) => {
                    write!(f, "[{}]", Value::from(*name))?;
                }
                Step::Member(name) => {
                    if depth > 0 {
                        f.write_char('.')?;
                    }
                    f.write_str(name)?;
                }
                Step::Element(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ':'))
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

#[derive(Debug)]
enum Level<'a> {
    Object(map::Iter<'a>),
    Array(Enumerate<slice::Iter<'a, Value>>),
}

impl<'a> Level<'a> {
    fn advance(&mut self) -> Option<(Step<'a>, &'a Value)> {
        match self {
            Level::Object(members) => {
                let (name, value) = members.next()?;
                Some((Step::Member(name), value))
            }
            Level::Array(elements) => {
                let (index, value) = elements.next()?;
                Some((Step::Element(index), value))
            }
        }
    }
}

/// The strings of a document. See [`strings`].
#[derive(Debug)]
pub struct Strings<'a> {
    /// The value to which `steps` lead, when it has not been looked at yet.
    pending: Option<&'a Value>,
    levels: Vec<Level<'a>>,
    steps: Vec<Step<'a>>,
}

impl<'a> Strings<'a> {
    fn found(&self, text: &'a str) -> Found<'a> {
        let steps = self.steps.clone();
        Found { text, steps }
    }

    /// Looks at a value: opens it where it holds others, else leaves it again.
    fn enter(&mut self, value: &'a Value) -> Option<Found<'a>> {
        match value {
            Value::Object(members) => self.levels.push(Level::Object(members.iter())),
            Value::Array(elements) => self.levels.push(Level::Array(elements.iter().enumerate())),
            Value::String(text) => {
                let found = self.found(text);
                self.steps.pop();
                return Some(found);
            }
            _ => {
                self.steps.pop();
            }
        }
        None
    }

    fn step(&mut self, step: Step<'a>, value: &'a Value) -> Option<Found<'a>> {
        self.steps.push(step);
        self.pending = Some(value);
        match step {
            Step::Member(name) if may_refer(name) => Some(self.found(name)),
            _ => None,
        }
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        loop {
            let found = if let Some(value) = self.pending.take() {
                self.enter(value)
            } else if let Some((step, value)) = self.levels.last_mut()?.advance() {
                self.step(step, value)
            } else {
                self.levels.pop();
                self.steps.pop();
                None
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::strings;

    fn walk(document: &Value) -> Vec<(String, &str)> {
        strings(document)
            .map(|found| (found.path(), found.text))
            .collect()
    }

    #[test]
    fn every_string_comes_with_its_path() {
        let item = json!({
            "id": "it-1",
            "properties": {"datetime": null, "gsd": 0.5, "tags": ["a", ["b"]]},
            "links": [{"href": "l0"}, {"href": "l1"}, {"rel": "root", "href": "l2"}],
            "assets": {"data": {"href": "d", "alternate": {"s3": {"href": "s"}}}},
        });
        let found = walk(&item);
        let expected = [
            ("id", "it-1"),
            ("properties.tags[0]", "a"),
            ("properties.tags[1][0]", "b"),
            ("links[0].href", "l0"),
            ("links[2].rel", "root"),
            ("links[2].href", "l2"),
            ("assets.data.href", "d"),
            ("assets.data.alternate.s3.href", "s"),
        ];
        for (path, text) in expected {
            assert!(
                found.contains(&(path.to_owned(), text)),
                "{path} in {found:?}"
            );
        }
        assert_eq!(found.len(), 9);
    }

    #[test]
    fn a_name_that_is_no_plain_word_is_quoted() {
        let document = json!({"proj:epsg": "1", "a.b": "2", "": ["3"], "x": {"say \"hi\"": "4"}});
        let mut paths: Vec<_> = walk(&document).into_iter().map(|(path, _)| path).collect();
        paths.sort();
        assert_eq!(
            paths,
            [
                r#"[""][0]"#,
                r#"["a.b"]"#,
                "proj:epsg",
                r#"x["say \"hi\""]"#
            ]
        );
    }

    #[test]
    fn a_name_with_a_slash_is_a_string_too() {
        let document = json!({"files": {"s3://b/k": {"size": 1}}});
        assert_eq!(
            walk(&document),
            [(r#"files["s3://b/k"]"#.to_owned(), "s3://b/k")]
        );
    }

    #[test]
    fn a_document_that_is_one_string_has_an_empty_path() {
        assert_eq!(walk(&json!("x")), [(String::new(), "x")]);
        assert_eq!(walk(&json!(7)), []);
        assert_eq!(walk(&json!([])), []);
    }

    #[test]
    fn a_document_of_any_depth_is_walked() {
        let mut document = json!("deep");
        for _ in 0..100_000 {
            document = Value::Array(vec![document]);
        }
        let found: Vec<_> = strings(&document).map(|found| found.text).collect();
        assert_eq!(found, ["deep"]);
        // Dropping it whole would recurse; the walk is what is tested.
        while let Value::Array(mut inner) = document {
            document = inner.pop().unwrap_or_default();
        }
    }
}
