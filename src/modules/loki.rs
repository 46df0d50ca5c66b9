//! `loki::` — the logs: whether Loki takes queries.

use crate::engine::registry::{Namespace, native};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "loki", "Loki: the logs of the lake.");
    let ns = &mut namespace;
    native! { ns,
        /// Throws unless Loki is ready to take queries; while it starts up, the error says what it waits for.
        ///
        /// ```rhai
        /// loki::ready(#{timeout: "5s"})
        /// //=> true
        /// ```
        read fn ready(call) -> "bool"
            options as options {
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            {
                call.wait(call.session().loki()?.within(options.duration("timeout")?).ready())?;
                true
            }
    }
    namespace
}
