//! The `DASHI_*` variables as a layer of values.

use super::Layer;
use super::environment::Environment;
use super::fault::Fault;
use super::keys::{KEYS, Key, Shape};
use super::origin::Origin;
use super::value::{Base, Value};
use super::words;
use crate::error::{Error, Kind, Result, nearest};

/// What every variable of this program begins with.
const PREFIX: &str = "DASHI_";

/// Variables that are no keys: which file, and which part of it.
const OTHERS: [&str; 2] = ["DASHI_CONFIG_HOME", "DASHI_CONTEXT"];

/// What the variables set.
pub(crate) fn layer(env: &Environment) -> Result<Layer> {
    let base = Base {
        folder: None,
        home: env.get("HOME"),
    };
    let mut layer = Layer::new();
    for key in KEYS {
        if let Some((name, text)) = variable(key, env)? {
            let value = read(key, &name, text, base)
                .map_err(|fault| fault.into_error(Kind::Config, &name))?;
            layer.insert(key.path, (value, Origin::Variable(name)));
        }
    }
    Ok(layer)
}

/// A warning for each variable that looks like ours and is not.
pub(crate) fn strangers(env: &Environment) -> Vec<String> {
    let known: Vec<String> = KEYS
        .iter()
        .flat_map(Key::variables)
        .chain(OTHERS.map(str::to_owned))
        .collect();
    // Compared without the prefix, which would make every name near to every other.
    let endings = || known.iter().filter_map(|name| name.strip_prefix(PREFIX));
    env.names()
        .filter_map(|name| Some((name, name.strip_prefix(PREFIX)?)))
        .filter(|(_, ending)| !endings().any(|known| known == *ending))
        .filter(|(name, _)| !is_service_link(name))
        .map(|(name, ending)| match nearest(ending, endings()) {
            Some(near) => {
                format!("the variable {name} means nothing here; did you mean {PREFIX}{near}?")
            }
            None => format!("the variable {name} means nothing here"),
        })
        .collect()
}

/// The one variable that sets a key, and its text.
fn variable<'a>(key: &Key, env: &'a Environment) -> Result<Option<(String, &'a str)>> {
    let mut found = key
        .variables()
        .filter_map(|name| env.get(&name).map(|text| (name, text)));
    match (found.next(), found.next()) {
        (Some((one, _)), Some((other, _))) => Err(Error::config(format!(
            "{one} and {other} both set {}",
            key.path
        ))
        .hint("unset one of them")),
        (one, _) => Ok(one),
    }
}

fn read(key: &Key, name: &str, text: &str, base: Base) -> Result<Value, Fault> {
    match (key.shape, name.strip_prefix(key.variable)) {
        (Shape::Secret, Some("_FILE")) => Ok(Value::secret_file(key.path, text.trim(), base)),
        (Shape::Secret, Some("_COMMAND")) => {
            let words = words::split(text).map_err(Fault::new)?;
            Value::secret_command(key.path, words, base)
        }
        // A line break at the end comes with `echo .. | base64` in a Kubernetes Secret and never belongs to it.
        (Shape::Secret, _) => Value::of_text(key, text.trim_end_matches(['\r', '\n']), base),
        _ => Value::of_text(key, text.trim(), base),
    }
}

/// Whether Kubernetes set this for a Service whose name begins with `dashi-`
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>).
fn is_service_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_")
}
