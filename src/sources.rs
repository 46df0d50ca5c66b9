//! The texts of the scripts of a run, for excerpts in errors.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The texts of scripts by the name they go by in positions.
#[derive(Default)]
pub struct Sources(Mutex<BTreeMap<String, String>>);

impl Sources {
    /// Keeps a text.
    pub fn remember(&self, name: &str, text: &str) {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.insert(name.to_owned(), text.to_owned());
    }

    /// All texts, by name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, String> {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.clone()
    }

    /// One line of a text, from 1.
    #[must_use]
    pub fn line(&self, name: &str, line: usize) -> Option<String> {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts
            .get(name)?
            .lines()
            .nth(line.checked_sub(1)?)
            .map(str::to_owned)
    }
}

/// The line and column of a byte of a text, from 1, in letters.
#[must_use]
pub fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..byte];
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (line, column)
}
