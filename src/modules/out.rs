//! `out::` — talk to the person who runs the script. All of it goes to stderr; a command's result is what it returns.

use rhai::{Dynamic, ImmutableString};

use crate::engine::registry::{Namespace, native};
use crate::engine::value::one_line;
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "out", "Talk to who runs the script, on stderr.");
    let ns = &mut namespace;
    native! { ns,
        /// A line on stderr. (`print` does the same.)
        ///
        /// ```rhai
        /// out::note("12 items left")
        /// ```
        read fn note(call, value: Dynamic) -> "()" {
            call.session().console().note(&one_line(&value));
        }

        /// A warning on stderr.
        ///
        /// ```rhai
        /// out::warn("the catalogue is slow today")
        /// ```
        read fn warn(call, text: ImmutableString) -> "()" {
            call.session().console().warn(&text);
        }
    }
    namespace
}
