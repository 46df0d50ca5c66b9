//! What a check came to: the parsed script, and what is wrong with it.

use rhai::AST;

use crate::error::{Error, Result};

/// A script that was parsed, and what is wrong with it.
pub struct Checked {
    /// The parsed script.
    pub ast: AST,
    /// What would fail.
    pub errors: Vec<Error>,
    /// What may fail: a method that no type is known to have, but a map might hold as a closure.
    pub warnings: Vec<Error>,
    /// What does nothing.
    pub idle: Vec<Error>,
}

impl Checked {
    /// The script, if nothing is wrong with it; else the first error, with how many more there are.
    pub fn ready(mut self) -> Result<AST> {
        if self.errors.is_empty() {
            return Ok(self.ast);
        }
        let more = self.errors.len() - 1;
        let first = self.errors.swap_remove(0);
        Err(if more == 0 {
            first
        } else {
            let is_file = first
                .detail()
                .trace
                .as_ref()
                .and_then(|trace| trace.at.as_ref())
                .is_some_and(|at| !at.source.starts_with('<'));
            if is_file {
                first.hint(format!("`dashictl check` shows {more} more"))
            } else {
                first.hint(format!("and {more} more"))
            }
        })
    }
}
