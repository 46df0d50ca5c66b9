//! `toml::` — text to values and back.

use rhai::{Dynamic, ImmutableString};
use serde_json::Value;

use crate::engine::registry::{Namespace, native};
use crate::engine::value::to_json;
use crate::error::{Error, Kind};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "toml", "TOML text to values and back.");
    let ns = &mut namespace;
    native! { ns,
        /// The map that a TOML text stands for. Dates and times become text.
        ///
        /// ```rhai
        /// toml::parse("[s3]\nregion = \"us-east-1\"").s3.region
        /// //=> "us-east-1"
        /// ```
        read fn parse(call, text: ImmutableString) -> "map" {
            let parsed: Value = ::toml::from_str(&text)
                .map_err(|error| Error::new(Kind::Invalid, "this text is no TOML").cause(error.to_string()))?;
            parsed
        }

        /// A map as TOML text. TOML has no null: leave such keys out.
        ///
        /// ```rhai
        /// toml::text(#{a: 1})
        /// //=> "a = 1\n"
        /// ```
        read fn text(call, value: Dynamic) -> "string" {
            ::toml::to_string(&to_json(&value)?)
                .map_err(|error| Error::new(Kind::Invalid, "this value has no TOML form").cause(error.to_string()))?
        }
    }
    namespace
}
