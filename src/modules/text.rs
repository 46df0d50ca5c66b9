//! Methods that the language lacks: joining, trimming without changing, sizes for people.

use rhai::{Array, ImmutableString};

use crate::engine::registry::{Namespace, native};
use crate::engine::value::one_line;
use crate::session::Session;
use crate::table;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "", "Methods of text, arrays and numbers.");
    let ns = &mut namespace;
    native! { ns,
        /// The values of an array as one text, with a text between them.
        ///
        /// ```rhai
        /// ["a", 2].join(", ")
        /// //=> "a, 2"
        /// ```
        read method join(call, items: &mut Array, between: ImmutableString) -> "string" {
            items.iter().map(one_line).collect::<Vec<_>>().join(&between)
        }

        /// The text without white space at its ends. (`trim` changes the variable and gives nothing back.)
        ///
        /// ```rhai
        /// " a ".trimmed()
        /// //=> "a"
        /// ```
        read method trimmed(call, text: ImmutableString) -> "string" {
            text.trim()
        }

        /// The text with one part in the place of another, wherever that is. (`replace` changes the variable and gives
        /// nothing back.)
        ///
        /// ```rhai
        /// "a b c".replaced(" ", "-")
        /// //=> "a-b-c"
        /// ```
        read method replaced(call, text: ImmutableString, old: ImmutableString, new: ImmutableString) -> "string" {
            text.replace(old.as_str(), &new)
        }

        /// A number of bytes for people.
        ///
        /// ```rhai
        /// (5 * 1024 * 1024).bytes()
        /// //=> "5.0 MiB"
        /// ```
        read method bytes(call, count: i64) -> "string" {
            table::size(count)
        }
    }
    namespace
}
