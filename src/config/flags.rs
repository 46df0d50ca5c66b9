//! The global flags that set configuration, as a layer of values.

use super::Layer;
use super::context::SANDBOX;
use super::keys::Key;
use super::origin::Origin;
use super::value::{Base, Value};
use crate::error::{Error, Kind, Result};

/// What the command line says about configuration.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// The value of `--context`.
    pub context: Option<String>,
    /// The path of a key and the text that its flag was given; of two for one key the later holds. No key that has a
    /// flag is a secret.
    pub values: Vec<(&'static str, String)>,
}

impl Flags {
    /// The flags that say where services are, and the values of all others.
    pub(crate) fn without_endpoints(&self) -> (Vec<String>, Vec<(&'static str, String)>) {
        let is_endpoint = |path: &str| Key::at(path).is_some_and(Key::is_endpoint);
        let (endpoints, others): (Vec<_>, Vec<_>) = self
            .values
            .iter()
            .cloned()
            .partition(|(path, _)| is_endpoint(path));
        let flag = |path: &str| Some(format!("--{}", Key::at(path)?.flag?));
        let flags = endpoints.iter().filter_map(|(path, _)| flag(path));
        (flags.collect(), others)
    }
}

/// What the flags set.
pub(crate) fn layer(flags: &Flags) -> Result<Layer> {
    flags
        .values
        .iter()
        .map(|(path, text)| {
            let (key, flag) = Key::at(path)
                .and_then(|key| Some((key, format!("--{}", key.flag?))))
                .ok_or_else(|| Error::internal(format!("no flag sets '{path}'")))?;
            let value = Value::of_text(key, text.trim(), Base::default())
                .map_err(|fault| fault.into_error(Kind::Usage, &flag))?;
            Ok((key.path, (value, Origin::Flag(flag))))
        })
        .collect()
}

/// Refuses endpoint flags for the embedded lake: it brings its own.
pub(crate) fn refuse_endpoints(layer: &Layer) -> Result<()> {
    let endpoint = layer
        .iter()
        .find(|(path, _)| Key::at(path).is_some_and(Key::is_endpoint));
    match endpoint {
        Some((_, (_, origin))) => Err(Error::usage(format!(
            "{origin} cannot go with the context '{SANDBOX}', which brings its own services"
        ))
        .hint(format!("leave out {origin}, or name another context"))),
        None => Ok(()),
    }
}
