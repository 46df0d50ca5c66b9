//! A folder of the landing bucket that a test has to itself, and what other people do there meanwhile: put objects, write
//! over them, look. Runs of an operator in it lock nobody else out.

use super::lakes::Lake;
use super::operator::Operator;

/// A prefix of the store with a name of its own.
pub struct Folder {
    name: String,
}

impl Folder {
    /// A new one, with nothing in it.
    pub fn new(stem: &str) -> Folder {
        Folder {
            name: Lake::name(stem),
        }
    }

    /// An operator whose runs are locked and journalled apart from those of every other test.
    pub fn apart(&self, operator: Operator) -> Operator {
        operator.with("DASHI_STATE_URL", self.state(""))
    }

    /// Where something of the state of such runs is; all of it for an empty name.
    pub fn state(&self, name: &str) -> String {
        format!("s3://curated/state/{}/{name}", self.name)
    }

    /// Where an object of this name is; the folder itself for an empty one.
    pub fn uri(&self, name: &str) -> String {
        format!("s3://landing/{}/{name}", self.name)
    }

    /// The expression that deletes all there is. Whether the catalogue refers to it, which takes reading all of it, is not
    /// asked.
    pub fn delete_all(&self) -> String {
        format!(
            "s3::delete(s3::list(\"{}\"), #{{referenced: true}})",
            self.uri("")
        )
    }

    /// The expression that deletes these, in one call.
    pub fn delete(&self, names: &[&str]) -> String {
        let uris: Vec<String> = names.iter().map(|name| self.uri(name)).collect();
        format!("s3::delete({uris:?}, #{{referenced: true}})")
    }

    /// Writes an object.
    pub fn put(&self, operator: &Operator, name: &str, text: &str) {
        self.put_all(operator, &[name], text);
    }

    /// Writes several with the same text.
    pub fn put_all(&self, operator: &Operator, names: &[&str], text: &str) {
        let writes: String = names
            .iter()
            .map(|name| format!("s3::write(\"{}\", \"{text}\");", self.uri(name)))
            .collect();
        operator
            .run(&["eval", "--effect", "write", &writes])
            .success();
    }

    /// Deletes an object as another run does.
    pub fn remove(&self, operator: &Operator, name: &str) {
        let delete = self.delete(&[name]);
        operator
            .run(&["eval", "--effect", "destroy", "--apply", "--yes", &delete])
            .success();
    }

    /// The names of what there is.
    pub fn names(&self, operator: &Operator) -> Vec<String> {
        let script = format!("s3::list(\"{}\").map(|o| o.key).collect()", self.uri(""));
        let keys = operator.run(&["eval", "--json", &script]).json();
        let keys = keys
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|key| key.as_str());
        keys.filter_map(|key| key.rsplit('/').next())
            .map(str::to_owned)
            .collect()
    }
}

/// A script that may destroy, with this in its `main`.
pub fn destroying(body: &str) -> String {
    format!(
        "//! Change.\n//!\n//! ```toml\n//! effect = \"destroy\"\n//! ```\nfn main() {{\n{body}\n}}\n"
    )
}
