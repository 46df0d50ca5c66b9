//! One key with the value that holds and where it came from.

use serde_json::Value as Json;

use super::keys::Key;
use super::origin::Origin;
use super::secret::Secret;
use super::value::Value;

/// A key, the value that holds for it and where that came from.
#[derive(Debug, Clone)]
pub struct Setting {
    pub(crate) key: &'static Key,
    pub(crate) value: Option<Value>,
    pub(crate) origin: Origin,
}

impl Setting {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &'static Key {
        self.key
    }

    /// Where the value came from; [`Origin::Default`] also where there is none.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether there is a value: a compiled default, or what somebody set (`off` included).
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.value.is_some()
    }

    /// Whether somebody switched it off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        matches!(self.value, Some(Value::Off))
    }

    /// How the value is shown: secrets masked, `off` for what is switched off, empty for what is unset.
    #[must_use]
    pub fn display(&self) -> String {
        self.value.as_ref().map(Value::display).unwrap_or_default()
    }

    /// How the value is shown to a program: secrets masked, lists and headers as they are, null for what is switched off
    /// or unset.
    #[must_use]
    pub fn json(&self) -> Json {
        self.value.as_ref().map_or(Json::Null, Value::json)
    }

    /// The secrets in the value.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.value.iter().flat_map(Value::secrets)
    }
}
