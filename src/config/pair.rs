//! Settings that go together, such as a name and its secret: both are there, or neither.

use super::keys::Key;
use super::{Config, Secret};
use crate::error::{Error, Result};

impl Config {
    /// Two secrets that go together: both, or neither.
    pub(super) fn secret_pair(&self, one: &str, other: &str) -> Result<Option<(Secret, Secret)>> {
        self.pair((one, self.secret(one)?), (other, self.secret(other)?))
    }

    /// Two settings that go together: both, or neither.
    pub(super) fn pair<T, U>(
        &self,
        (one, first): (&str, Option<T>),
        (other, second): (&str, Option<U>),
    ) -> Result<Option<(T, U)>> {
        match (first, second) {
            (Some(first), Some(second)) => Ok(Some((first, second))),
            (None, None) => Ok(None),
            _ => Err(self.half_a_pair(one, other)),
        }
    }

    /// The error about two settings of which only one is there.
    pub(super) fn half_a_pair(&self, one: &str, other: &str) -> Error {
        let is_there = |path: &str| {
            self.setting(path)
                .is_some_and(|setting| setting.is_set() && !setting.is_off())
        };
        let (set, unset) = if is_there(one) {
            (one, other)
        } else {
            (other, one)
        };
        let origin = self
            .setting(set)
            .map(|setting| format!(" ({})", setting.origin))
            .unwrap_or_default();
        let variable = Key::at(unset).map_or(unset, |key| key.variable);
        Error::config(format!("{set} is set{origin} and {unset} is not"))
            .hint(format!("set {unset} or {variable}"))
    }
}
