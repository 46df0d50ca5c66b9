//! `ingest::` — dashi's ingest-api: whether it is well.

use crate::engine::registry::{Namespace, native};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(
        session,
        "ingest",
        "dashi's ingest-api: presigned uploads, scan, trigger.",
    );
    let ns = &mut namespace;
    native! { ns,
        /// What the ingest-api says of itself: `status`, `service`, `version`. Throws where it cannot be reached.
        ///
        /// ```rhai
        /// ingest::health(#{timeout: "5s"}).status
        /// //=> "ok"
        /// ```
        read fn health(call) -> "map"
            options as options {
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            {
                call.wait(call.session().ingest()?.within(options.duration("timeout")?).health())?
            }
    }
    namespace
}
