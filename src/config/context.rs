//! Which context is in use, and who named it.

use std::path::Path;

use super::environment::Environment;
use super::file::File;
use super::flags::Flags;
use crate::error::{Error, Result, nearest};

/// The context that is in use when none is named: the file's own part and, where it exists, its block.
pub(crate) const DEFAULT: &str = "default";

/// The context of the embedded lake; no block of the file may have this name.
pub(crate) const SANDBOX: &str = "sandbox";

/// The flag that names one.
pub(crate) const FLAG: &str = "--context";

/// A context and what named it.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// The context's name.
    pub(crate) name: String,
    /// `--context` or `DASHI_CONTEXT`; none when nobody named a context.
    pub(crate) named_by: Option<&'static str>,
}

impl Choice {
    /// The context that the flags name, else the environment.
    pub(crate) fn of(flags: &Flags, env: &Environment) -> Result<Choice> {
        let (name, named_by) = match (&flags.context, env.get("DASHI_CONTEXT")) {
            // `--context "$CTX"` with an unset variable must not fall back to another lake.
            (Some(name), _) if name.is_empty() => {
                return Err(Error::usage("--context needs the name of a context"));
            }
            (Some(name), _) => (name.as_str(), Some(FLAG)),
            (None, Some(name)) => (name, Some("DASHI_CONTEXT")),
            (None, None) => (DEFAULT, None),
        };
        Ok(Choice {
            name: name.to_owned(),
            named_by,
        })
    }

    /// Whether this is the embedded lake.
    pub(crate) fn is_sandbox(&self) -> bool {
        self.name == SANDBOX
    }

    /// Refuses a context that does not exist. `looked` is where the file is, or would be.
    pub(crate) fn check(&self, file: Option<&File>, looked: Option<&Path>) -> Result<()> {
        let names = names(file);
        let Some(named_by) = self.named_by.filter(|_| !names.contains(&self.name)) else {
            return Ok(());
        };
        let place = match (file, looked) {
            (None, Some(path)) => format!("there is no file {}", path.display()),
            (Some(file), _) => format!("{} has no [contexts.{}]", file.path.display(), self.name),
            (None, None) => "there is no configuration file".to_owned(),
        };
        let known = names.iter().map(String::as_str);
        let near = nearest(&self.name, known);
        Err(Error::config(format!(
            "unknown context '{}' ({named_by}): {place}",
            self.name
        ))
        .suggest(near)
        .hint(format!("the contexts are {}", names.join(", "))))
    }
}

/// All contexts that can be named, sorted.
pub(crate) fn names(file: Option<&File>) -> Vec<String> {
    let blocks = file.into_iter().flat_map(|file| file.contexts.keys());
    let mut names: Vec<String> = blocks.cloned().collect();
    names.extend([DEFAULT, SANDBOX].map(str::to_owned));
    names.sort_unstable();
    names.dedup();
    names
}
