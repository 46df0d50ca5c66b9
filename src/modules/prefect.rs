//! `prefect::` — the flows that ingest: whether the server is well, what is deployed, how a run goes.

use std::time::{Duration, Instant};

use rhai::ImmutableString;
use serde_json::{Value, json};

use crate::clients::prefect::{ENDS, Prefect};
use crate::engine::call::Call;
use crate::engine::registry::{Namespace, native};
use crate::error::{Error, Kind, Result};
use crate::session::Session;

/// A run is looked at so often where nobody says otherwise.
const POLL: Duration = Duration::from_secs(2);
/// Looks that may fail one after the other, each with its own tries, before waiting ends.
const FAILURES: u32 = 5;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(
        session,
        "prefect",
        "Prefect: the flows that ingest, their deployments and runs.",
    );
    deployments(&mut namespace);
    runs(&mut namespace);
    namespace
}

fn deployments(ns: &mut Namespace) {
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
}

fn runs(ns: &mut Namespace) {
    native! { ns,
        /// One flow run by its id, as Prefect gives it: `id`, `name`, `state_type`, `state_name`, `state`, `parameters`,
        /// `tags`, times. Throws `not_found` where there is none.
        ///
        /// ```rhai
        /// s3::write("s3://landing/notes/pre.geojson", `{"type": "FeatureCollection", "features": []}`);
        /// let run = ingest::trigger("s3://landing/notes/pre.geojson", "gelaende-umwelt");
        /// prefect::flow_run(run.flow_run_id).parameters.domain
        /// //=> "gelaende-umwelt"
        /// ```
        read fn flow_run(call, id: ImmutableString) -> "map" {
            call.wait(call.session().prefect()?.flow_run(&id)).map_err(|error| no_run(&id, error))?
        }

        /// Waits until a flow run has ended, and gives it as `flow_run` does. That it failed is no error here: see its
        /// `state_type` (`COMPLETED`, `FAILED`, `CRASHED`, `CANCELLED`). Each new state is told on stderr. Prefect may
        /// be away meanwhile for a while.
        ///
        /// ```rhai
        /// s3::write("s3://landing/notes/pre.geojson", `{"type": "FeatureCollection", "features": []}`);
        /// let run = ingest::trigger("s3://landing/notes/pre.geojson", "gelaende-umwelt");
        /// prefect::wait(run.flow_run_id, #{poll: "200ms"}).state_type
        /// //=> "COMPLETED"
        /// ```
        read fn wait(call, id: ImmutableString) -> "map"
            options as options {
                /// For how long at most; then it throws `timeout`.
                timeout: Duration,
                /// The time between two looks.
                poll: Duration = "2s"
            }
            {
                let waiting = Waiting {
                    prefect: call.session().prefect()?,
                    id: &id,
                    end: options.duration("timeout")?.map(|bound| (Instant::now() + bound, bound)),
                    poll: options.duration("poll")?.unwrap_or(POLL),
                };
                waiting.for_its_end(call)?
            }
    }
}

/// A run that is waited for.
struct Waiting<'a> {
    prefect: &'a Prefect,
    id: &'a str,
    end: Option<(Instant, Duration)>,
    poll: Duration,
}

impl Waiting<'_> {
    fn for_its_end(&self, call: &Call) -> Result<Value> {
        let (mut state, mut failures) = (String::new(), 0);
        loop {
            match call.wait(self.prefect.flow_run(self.id)) {
                Ok(run) => {
                    failures = 0;
                    self.tell(call, &run, &mut state);
                    let kind = run["state_type"].as_str().unwrap_or_default();
                    if ENDS.contains(&kind) {
                        return Ok(run);
                    }
                }
                Err(error) if passes(&error) && failures < FAILURES => {
                    failures += 1;
                    call.session()
                        .console()
                        .warn(&format!("{error}; it is asked again"));
                }
                Err(error) => return Err(no_run(self.id, error)),
            }
            self.pause(call, &state)?;
        }
    }

    fn tell(&self, call: &Call, run: &Value, state: &mut String) {
        let now = run["state_name"].as_str().unwrap_or_default();
        if *state != now {
            now.clone_into(state);
            let name = run["name"].as_str().unwrap_or(self.id);
            call.session()
                .console()
                .note(&format!("flow run {name}: {now}"));
        }
    }

    fn pause(&self, call: &Call, state: &str) -> Result<()> {
        let pause = match self.end {
            None => self.poll,
            Some((end, bound)) => {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    let bound = crate::time::spell(bound);
                    let message = format!("flow run {} is {state} after {bound}", self.id);
                    return Err(Error::new(Kind::Timeout, message)
                        .hint("it goes on without anybody waiting for it"));
                }
                left.min(self.poll)
            }
        };
        call.wait(async {
            tokio::time::sleep(pause).await;
            Ok(())
        })
    }
}

/// Whether Prefect may be back soon.
fn passes(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::Timeout)
}

fn no_run(id: &str, mut error: Error) -> Error {
    if matches!(error.detail().status, Some(404 | 422)) {
        error.detail_mut().kind = Kind::NotFound;
        error.detail_mut().message = format!("there is no flow run '{id}'");
        return error.hint("an id of a flow run is a UUID, and is never cut");
    }
    error
}

fn no_deployment(name: &str, mut error: Error) -> Error {
    if error.kind() == Kind::NotFound {
        error.detail_mut().message = format!("there is no deployment '{name}'");
        return error
            .hint("see what is deployed: dashictl eval 'prefect::deployments().map(|d| d.name)'");
    }
    error
}
