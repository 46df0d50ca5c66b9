//! `yaml::` — text to values and back.

use rhai::{Dynamic, ImmutableString};
use serde_json::Value;

use crate::engine::registry::{Namespace, native};
use crate::engine::value::to_json;
use crate::error::{Error, Kind};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "yaml", "YAML text to values and back.");
    let ns = &mut namespace;
    native! { ns,
        /// The value that a YAML text of one document stands for.
        ///
        /// ```rhai
        /// yaml::parse("a: [1, null]").a
        /// //=> [1, ()]
        /// ```
        read fn parse(call, text: ImmutableString) -> "any" {
            let parsed: Value = serde_yaml_ng::from_str(&text)
                .map_err(|error| Error::new(Kind::Invalid, "this text is no YAML").cause(error.to_string()))?;
            parsed
        }

        /// A value as YAML text.
        ///
        /// ```rhai
        /// yaml::text(#{a: [1]})
        /// //=> "a:\n- 1\n"
        /// ```
        read fn text(call, value: Dynamic) -> "string" {
            serde_yaml_ng::to_string(&to_json(&value)?)
                .map_err(|error| Error::new(Kind::Invalid, "this value has no YAML form").cause(error.to_string()))?
        }
    }
    namespace
}
