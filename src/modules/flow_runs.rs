//! `prefect::` — runs that are started, waited for, cancelled, tried again.

use std::time::{Duration, Instant};

use rhai::{Dynamic, ImmutableString, Map};
use serde_json::Value;

use super::prefect::no_deployment;
use crate::clients::away::Away;
use crate::clients::prefect::{ENDS, Prefect};
use crate::effects::Change;
use crate::engine::call::Call;
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::engine::unknown::Unknown;
use crate::engine::value::{from_json, to_json, type_name};
use crate::error::{Error, Kind, Result};

/// A run is looked at so often where nobody says otherwise.
const POLL: Duration = Duration::from_secs(2);
/// One look takes a moment, however little time is left.
const LEAST: Duration = Duration::from_millis(100);
/// The ends that a run can be taken up again from.
const FAILED: [&str; 3] = ["FAILED", "CRASHED", "CANCELLED"];

pub(super) fn functions(ns: &mut Namespace) {
    native! { ns,
        /// Starts a run of a deployment, and gives it as `flow_run` does. Where a run was started by the same `key` before,
        /// that one is given back, with `earlier: true`: so a runbook that is run again starts nothing twice.
        ///
        /// ```rhai
        /// let asked = #{source_path: "s3://landing/none.tif", domain: "gelaende-umwelt"};
        /// let run = prefect::run("dashi-ingest/main", asked, #{key: "nightly 2026-11-26"});
        /// prefect::wait(run, #{poll: "200ms"}).state_type
        /// //=> "FAILED"
        /// ```
        write fn run(call, deployment: ImmutableString, parameters: Map) -> "map"
            options as options {
                /// What makes it one run however often it is asked for.
                key: Text = "one of its own",
                /// Tags beside the deployment's own.
                tags: Array,
                /// The run's name.
                name: Text = "one that Prefect draws",
                /// When it is to begin.
                at: Time = "now",
                /// Start it once fewer runs than this with all of its `tags` are under way.
                max_active: Int,
                /// The result of a change that must be wholly done before.
                after: Any
            }
            { start(call, &deployment, parameters, &options)? }

        /// Waits until a flow run has ended, and gives it as `flow_run` does. Takes a run or its id. That it failed is no
        /// error here: see its `state_type` (`COMPLETED`, `FAILED`, `CRASHED`, `CANCELLED`). Each new state is told on
        /// stderr. Prefect may be away meanwhile for a while.
        ///
        /// ```rhai
        /// s3::write("s3://landing/notes/pre.geojson", `{"type": "FeatureCollection", "features": []}`);
        /// let run = ingest::trigger("s3://landing/notes/pre.geojson", "gelaende-umwelt");
        /// prefect::wait(run.flow_run_id, #{poll: "200ms"}).state_type
        /// //=> "COMPLETED"
        /// ```
        read fn wait(call, run: Dynamic) -> "map"
            options as options {
                /// For how long at most; then it throws `timeout`.
                timeout: Duration,
                /// The time between two looks.
                poll: Duration = "2s"
            }
            {
                if run.is::<Unknown>() {
                    return call.with_unknowns(&[&run]);
                }
                let bound = options.duration("timeout")?;
                let waiting = Waiting {
                    prefect: call.session().prefect()?,
                    end: bound.map(|bound| (Instant::now() + bound, bound)),
                    id: &id_within(call, &run, bound)?,
                    poll: options.duration("poll")?.unwrap_or(POLL),
                };
                waiting.for_its_end(call)?
            }

        /// Asks for a flow run to be cancelled, and gives it with the state that it has then: `CANCELLED` where nobody had
        /// picked it up, else `CANCELLING` until its worker has stopped it, which `wait` waits for. Throws `conflict` where
        /// it has ended already.
        ///
        /// ```rhai
        /// let run = prefect::run("dashi-ingest/main", #{domain: "gelaende-umwelt"}, #{at: "+1h"});
        /// prefect::wait(prefect::cancel(run), #{poll: "200ms"}).state_type
        /// //=> "CANCELLED"
        /// ```
        write fn cancel(call, run: Dynamic) -> "map"
            options as options {
                /// Cancel it in Prefect's records, whether or not its worker answers. What it runs on may go on.
                force: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let now = changeable(call, &run, refuse_ended)?;
                let force = options.flag("force");
                // Its worker has been asked already.
                if state(&now) == "CANCELLING" && !force {
                    return Ok(from_json(now));
                }
                let id = text(&now, "id").to_owned();
                call.change(Change::CancelFlowRun { id, force }, &options)?
            }

        /// Lets a flow run that has failed run again in its place, with the same parameters, and gives it with the state
        /// that it has then. Throws `conflict` where it has not failed.
        ///
        /// ```rhai
        /// let failed = prefect::runs(#{state: "failed"}).take(1).collect()[0];
        /// prefect::retry(failed).state_name
        /// //=> "AwaitingRetry"
        /// ```
        write fn retry(call, run: Dynamic) -> "map"
            options as options {
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let now = changeable(call, &run, refuse_unfailed)?;
                call.change(Change::RetryFlowRun { id: text(&now, "id").to_owned() }, &options)?
            }
    }
}

fn start(call: &Call, deployment: &str, parameters: Map, options: &Options) -> Result<Dynamic> {
    let parameters = to_json(&parameters.into())?;
    let prefect = call.session().prefect()?;
    let key = options.text("key").map(|key| key.to_string());
    let found = call
        .wait(prefect.deployment(deployment))
        .map_err(|error| no_deployment(deployment, error))?;
    let Some(deployment_id) = found["id"].as_str().map(str::to_owned) else {
        return Err(Error::new(
            Kind::Protocol,
            format!("prefect gave deployment '{deployment}' without an id"),
        ));
    };
    if let Some(key) = &key {
        let earlier = call
            .wait(prefect.runs_by_keys(std::slice::from_ref(key)))?
            .into_iter()
            .next();
        if let Some(mut run) = earlier {
            refuse_other(&run, (&deployment_id, deployment), key)?;
            run["earlier"] = true.into();
            return Ok(from_json(run));
        }
    }
    let change = Change::StartFlowRun {
        deployment: deployment.to_owned(),
        deployment_id,
        parameters,
        key,
        tags: tags(options)?,
        name: options.text("name").map(|name| name.to_string()),
        at: call.moment(options, "at")?.map(|at| at.to_string()),
        max_active: options.count("max_active")?,
    };
    call.change(change, options)
        .map_err(|error| unmet(deployment, error))
}

/// What Prefect refuses when a run is to be started is mostly its parameters.
fn unmet(deployment: &str, error: Error) -> Error {
    match error.detail().status {
        Some(409 | 422) => error.hint(format!(
            "do the parameters fit those that {deployment} takes? dashictl eval 'prefect::deployment(\"{deployment}\").parameter_openapi_schema'"
        )),
        _ => error,
    }
}

/// Prefect keeps one run of a key for all deployments of a flow: one of another deployment is not what was asked for.
fn refuse_other(run: &Value, (id, name): (&str, &str), key: &str) -> Result<()> {
    if run["deployment_id"] == id {
        return Ok(());
    }
    let message = format!("the key '{key}' is that of a run of another deployment than {name}");
    Err(Error::new(Kind::Conflict, message).hint("let the key name what it is for"))
}

fn tags(options: &Options) -> Result<Vec<String>> {
    let tags = options.array("tags").unwrap_or_default();
    let text = |tag: Dynamic| {
        let wrong = || {
            Error::usage(format!(
                "option 'tags' takes texts, not {}",
                type_name(&tag)
            ))
        };
        tag.clone()
            .into_immutable_string()
            .map(|tag| tag.to_string())
            .map_err(|_| wrong())
    };
    tags.into_iter().map(text).collect()
}

/// The id of a run that is given as it is, or by its id, or by a beginning of that.
pub(super) fn id_of(call: &Call, run: &Dynamic) -> Result<String> {
    id_within(call, run, None)
}

/// The same within a time, if there is one.
fn id_within(call: &Call, run: &Dynamic, bound: Option<Duration>) -> Result<String> {
    let named = match to_json(run)? {
        Value::String(id) => Some(id),
        Value::Object(run) => ["id", "flow_run_id"]
            .iter()
            .find_map(|name| run.get(*name)?.as_str().map(str::to_owned)),
        _ => None,
    };
    let named = named.ok_or_else(|| {
        Error::usage(format!("{} is no flow run", type_name(run)))
            .hint("give a run, as prefect::run and prefect::runs do, or its id")
    })?;
    let prefect = call.session().prefect()?.within(bound);
    call.wait(prefect.find_run(&named))
}

/// A run that is to be changed, unless this refuses it as it is now.
fn changeable(call: &Call, run: &Dynamic, refuse: fn(&Value) -> Result<()>) -> Result<Value> {
    call.refuse_unknown(run)?;
    let id = id_of(call, run)?;
    call.reads(&format!("flow run {id}"))?;
    let now = call.wait(call.session().prefect()?.flow_run(&id));
    let now = now.map_err(|error| no_run(&id, error))?;
    refuse(&now)?;
    Ok(now)
}

fn refuse_ended(run: &Value) -> Result<()> {
    let state = state(run);
    if !ENDS.contains(&state) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Conflict,
        format!(
            "flow run {} ({}) is {state} already",
            text(run, "name"),
            text(run, "id")
        ),
    ))
}

fn refuse_unfailed(run: &Value) -> Result<()> {
    let state = state(run);
    let named = format!("flow run {} ({})", text(run, "name"), text(run, "id"));
    if !FAILED.contains(&state) {
        return Err(Error::new(
            Kind::Conflict,
            format!("{named} has not failed: it is {state}"),
        ));
    }
    if run["deployment_id"].is_null() {
        return Err(Error::new(
            Kind::Conflict,
            format!("{named} is of no deployment, so that no worker would take it up again"),
        )
        .hint("start it where it was started from"));
    }
    Ok(())
}

fn state(run: &Value) -> &str {
    text(run, "state_type")
}

fn text<'a>(run: &'a Value, name: &str) -> &'a str {
    run[name].as_str().unwrap_or_default()
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
        let (mut state, mut away) = (String::new(), Away::default());
        loop {
            // Who waits for so long does not wait longer for one answer.
            let left = self
                .end
                .map(|(end, _)| end.saturating_duration_since(Instant::now()).max(LEAST));
            match call.wait(self.prefect.within(left).flow_run(self.id)) {
                Ok(run) => {
                    away.back();
                    self.tell(call, &run, &mut state);
                    if ENDS.contains(&text(&run, "state_type")) {
                        return Ok(run);
                    }
                }
                Err(error) => {
                    if let Some(told) = away.bear(no_run(self.id, error))? {
                        call.session().warn(&told);
                    }
                }
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
                    let state = if state.is_empty() {
                        "not known to have ended"
                    } else {
                        state
                    };
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

pub(super) fn no_run(id: &str, mut error: Error) -> Error {
    if matches!(error.detail().status, Some(404 | 422)) {
        error.detail_mut().kind = Kind::NotFound;
        error.detail_mut().message = format!("there is no flow run '{id}'");
        return error.hint("see what there is: dashictl runs");
    }
    error
}
