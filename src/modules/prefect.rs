//! `prefect::` — the flows that ingest: whether the server is well, what is deployed.

use rhai::ImmutableString;
use serde_json::{Value, json};

use crate::engine::registry::{Namespace, native};
use crate::error::{Error, Kind};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(
        session,
        "prefect",
        "Prefect: the flows that ingest, their deployments.",
    );
    let ns = &mut namespace;
    native! { ns,
        /// Throws unless Prefect says it is well. Gives the version of its API.
        ///
        /// ```rhai
        /// prefect::health(#{timeout: "5s"}).healthy
        /// //=> true
        /// ```
        read fn health(call) -> "map"
            options as options {
                /// A bound on each of the two requests, retries included.
                timeout: Duration = "as configured"
            }
            {
                let prefect = call.session().prefect()?.within(options.duration("timeout")?);
                call.wait(prefect.health())?;
                json!({"healthy": true, "version": call.wait(prefect.version())?})
            }

        /// All deployments, by name, read page by page.
        ///
        /// ```rhai
        /// prefect::deployments().map(|d| d.name).collect()
        /// //=> ["main"]
        /// ```
        read fn deployments(call) -> "Stream" {
            call.stream("deployments", call.session().prefect()?.deployments()?)
        }

        /// One deployment by `flow/deployment`. Throws `not_found` where there is none.
        ///
        /// ```rhai
        /// prefect::deployment("dashi-ingest/main").name
        /// //=> "main"
        /// ```
        read fn deployment(call, name: ImmutableString) -> "map"
            options as options {
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            {
                let prefect = call.session().prefect()?.within(options.duration("timeout")?);
                call.wait(prefect.deployment(&name)).map_err(|error| no_deployment(&name, error))?
            }

        /// One deployment, or `()` where there is none. Any other failure throws.
        ///
        /// ```rhai
        /// prefect::try_deployment("dashi-ingest/nope")
        /// //=> ()
        /// ```
        read fn try_deployment(call, name: ImmutableString) -> "map or ()"
            options as options {
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            {
                let prefect = call.session().prefect()?.within(options.duration("timeout")?);
                match call.wait(prefect.deployment(&name)) {
                    Err(error) if error.kind() == Kind::NotFound => Value::Null,
                    found => found?,
                }
            }
    }
    namespace
}

fn no_deployment(name: &str, mut error: Error) -> Error {
    if error.kind() == Kind::NotFound {
        error.detail_mut().message = format!("there is no deployment '{name}'");
        return error
            .hint("see what is deployed: dashictl eval 'prefect::deployments().map(|d| d.name)'");
    }
    error
}
