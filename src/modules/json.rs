//! `json::` — text to values and back.

use rhai::{Dynamic, ImmutableString};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::engine::registry::{Namespace, native};
use crate::engine::value::to_json;
use crate::error::{Error, Kind};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "json", "JSON text to values and back.");
    let ns = &mut namespace;
    native! { ns,
        /// The value that a JSON text stands for. Integers beyond 64 bits become floats.
        ///
        /// ```rhai
        /// json::parse("{\"a\": [1, null]}").a
        /// //=> [1, ()]
        /// ```
        read fn parse(call, text: ImmutableString) -> "any" {
            let parsed: Value = serde_json::from_str(&text)
                .map_err(|error| Error::new(Kind::Invalid, "this text is no JSON").cause(error.to_string()))?;
            parsed
        }

        /// A value as JSON text, in one line unless `pretty` is set. Keys are in alphabetical order.
        ///
        /// ```rhai
        /// json::text(#{b: 1, a: [true, ()]})
        /// //=> "{\"a\":[true,null],\"b\":1}"
        /// ```
        read fn text(call, value: Dynamic) -> "string"
            options as options {
                /// On several lines, indented.
                pretty: Bool = "false"
            }
            {
                let value = to_json(&value)?;
                if options.flag("pretty") { format!("{value:#}") } else { value.to_string() }
            }

        /// The SHA-256 of a value's JSON text, as hex: equal values have equal digests.
        ///
        /// ```rhai
        /// json::digest(#{b: 1, a: 2}) == json::digest(#{a: 2, b: 1})
        /// //=> true
        /// ```
        read fn digest(call, value: Dynamic) -> "string" {
            hex::encode(Sha256::digest(to_json(&value)?.to_string()))
        }
    }
    namespace
}
