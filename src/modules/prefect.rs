//! `prefect::` — the flows that ingest: whether the server is well, what is deployed, how runs go. What starts and stops
//! runs is in `flow_runs`.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rhai::{Dynamic, ImmutableString, Map};
use serde_json::{Value, json};

use super::flow_runs;
use super::flow_runs::{id_of, no_run};
use crate::clients::prefect::{ENDS, UNDER_WAY};
use crate::clients::prefect_logs::{Say, Wanted};
use crate::effects::Change;
use crate::engine::call::Call;
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::engine::unknown::Unknown;
use crate::engine::value::to_json;
use crate::error::{Error, Kind, Result, nearest};
use crate::session::Session;

/// The log of a run is looked at so often where nobody says otherwise.
const POLL: Duration = Duration::from_secs(1);
/// The usual interval of a history.
const DAY: Duration = Duration::from_hours(24);
/// Prefect counts so many intervals at once, and leaves out the rest without a word.
const INTERVALS: u32 = 500;
/// So often it is asked for one history.
const STRETCHES: u32 = 40;
/// The levels of log lines.
const LEVELS: [(&str, i64); 5] = [
    ("debug", 10),
    ("info", 20),
    ("warning", 30),
    ("error", 40),
    ("critical", 50),
];

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(
        session,
        "prefect",
        "Prefect: the flows that ingest, their deployments and runs.",
    );
    deployments(&mut namespace);
    runs(&mut namespace);
    flow_runs::functions(&mut namespace);
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
                call.reads(&format!("deployment {name}"))?;
                let prefect = call.session().prefect()?.within(options.duration("timeout")?);
                call.wait(prefect.deployment(&name)).map_err(|error| no_deployment(&name, error))?
            }

        /// Makes a deployment, `flow/name`, or makes the one that is there so; gives it as it is then. The map has what Prefect's
        /// API takes: `schedules`, `work_pool_name`, `job_variables`, `tags`, `description`, … The flow is made where it is not there. A
        /// deployment whose job variable `command` runs dashictl with `DASHICTL_FLOW_RUN=1` in `env` is told by that how its runs end.
        ///
        /// ```rhai
        /// let made = prefect::put_deployment("dashictl/example", #{tags: ["example"], description: "an example"});
        /// prefect::delete_deployment("dashictl/example");
        /// made.tags
        /// //=> ["example"]
        /// ```
        write fn put_deployment(call, name: ImmutableString, deployment: Map) -> "map"
            options as options {
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let (flow, name) = named(&name)?;
                let deployment = to_json(&Dynamic::from_map(deployment))?;
                call.change(Change::PutDeployment { flow, name, deployment }, &options)?
            }

        /// Deletes a deployment, `flow/name`. Throws `not_found` where there is none. Its flow runs stay.
        ///
        /// ```rhai
        /// prefect::put_deployment("dashictl/gone", #{tags: []});
        /// prefect::delete_deployment("dashictl/gone");
        /// prefect::try_deployment("dashictl/gone")
        /// //=> ()
        /// ```
        destroy fn delete_deployment(call, name: ImmutableString) -> "()"
            options as options {
                /// Only where this run made it.
                own: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let (flow, name) = named(&name)?;
                call.change(Change::DeleteDeployment { flow, name }, &options)?
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
                call.reads(&format!("deployment {name}"))?;
                let prefect = call.session().prefect()?.within(options.duration("timeout")?);
                match call.wait(prefect.deployment(&name)) {
                    Err(error) if error.kind() == Kind::NotFound => Value::Null,
                    found => found?,
                }
            }

        /// The work pools that workers take runs from.
        ///
        /// ```rhai
        /// prefect::work_pools().collect()
        /// //=> []
        /// ```
        read fn work_pools(call) -> "Stream" {
            call.stream("work pools", call.session().prefect()?.work_pools()?)
        }
    }
}

/// The flow and the name of a deployment.
fn named(name: &str) -> Result<(String, String)> {
    match name.split_once('/') {
        Some((flow, name)) if !flow.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((flow.to_owned(), name.to_owned()))
        }
        _ => Err(Error::usage(format!("'{name}' is no deployment"))
            .hint("a deployment is named flow/deployment, as in dashi-ingest/main")),
    }
}

fn runs(ns: &mut Namespace) {
    native! { ns,
        /// Flow runs as Prefect gives them, by the time they were to begin, the latest first: `id`, `name`, `state_type`,
        /// `state_name`, `state`, `parameters`, `tags`, times. Read page by page.
        ///
        /// ```rhai
        /// prefect::runs(#{state: "completed", flow: "dashi-ingest"}).take(1).map(|run| run.state_type).collect()
        /// //=> ["COMPLETED"]
        /// ```
        read fn runs(call) -> "Stream"
            options as options {
                /// Only in one of these states, by type (`failed`) or name (`Late`): a text or an array of them.
                state: Any,
                /// Only of this flow.
                flow: Text,
                /// Only of this deployment, as `flow/deployment`.
                deployment: Text,
                /// Only with all of these tags.
                tags: Array,
                /// Only those that were to begin from then on.
                from: Time,
                /// And at that time at the latest.
                to: Time,
                /// Only with these idempotency keys.
                keys: Array,
                /// At most so many.
                limit: Int
            }
            {
                let (filter, limit) = (filter(call, &options)?, options.count("limit")?);
                call.stream("flow runs", call.session().prefect()?.runs(filter, limit))
            }

        /// One flow run by its id, or a beginning of it that no other id has, as Prefect gives it: `id`, `name`,
        /// `state_type`, `state_name`, `state`, `parameters`, `tags`, times. Throws `not_found` where there is none.
        ///
        /// ```rhai
        /// let run = prefect::runs().take(1).collect()[0];
        /// prefect::flow_run(run.id).name == run.name
        /// //=> true
        /// ```
        read fn flow_run(call, id: ImmutableString) -> "map" {
            let prefect = call.session().prefect()?;
            let id = call.wait(prefect.find_run(&id))?;
            call.reads(&format!("flow run {id}"))?;
            call.wait(prefect.flow_run(&id)).map_err(|error| no_run(&id, error))?
        }

        /// What a flow run has logged, as Prefect gives it: `timestamp`, `level`, `name`, `message`, the oldest first.
        ///
        /// ```rhai
        /// let run = prefect::runs(#{state: "completed"}).take(1).collect()[0];
        /// prefect::logs(run).map(|line| line.level).collect().contains(20)
        /// //=> true
        /// ```
        read fn logs(call, run: Dynamic) -> "Stream"
            options as options {
                /// Only of this level or above: `debug`, `info`, `warning`, `error`, `critical`.
                level: Text = "debug",
                /// Go on with what comes, until the run has ended.
                follow: Bool = "false",
                /// The time between two looks.
                poll: Duration = "1s"
            }
            {
                if run.is::<Unknown>() {
                    return call.with_unknowns(&[&run]);
                }
                let wanted = Wanted { run: id_of(call, &run)?, level: level(&options)? };
                let prefect = call.session().prefect()?;
                if options.flag("follow") {
                    let poll = options.duration("poll")?.unwrap_or(POLL);
                    call.stream("log lines", prefect.follow_logs(wanted, poll, warning(call)))
                } else {
                    call.stream("log lines", prefect.logs(wanted))
                }
            }

        /// How many flow runs there were of each state in each interval, as Prefect counts them: `interval_start`,
        /// `interval_end`, `states` (`state_type`, `state_name`, `count_runs`).
        ///
        /// ```rhai
        /// prefect::history(#{from: "2d", every: "1d"}).len() >= 2
        /// //=> true
        /// ```
        read fn history(call) -> "array"
            options as options {
                /// The first moment.
                from: Time = "7d",
                /// The first moment after it.
                to: Time = "now",
                /// How long an interval is.
                every: Duration = "1d",
                /// Only of this flow.
                flow: Text,
                /// Only of this deployment, as `flow/deployment`.
                deployment: Text,
                /// Only with all of these tags.
                tags: Array
            }
            {
                let now = call.session().now();
                let from = call.moment(&options, "from")?.unwrap_or(now - SignedDuration::from_hours(7 * 24));
                let to = call.moment(&options, "to")?.unwrap_or(now);
                let every = options.duration("every")?.unwrap_or(DAY);
                let mut intervals = Vec::new();
                for (start, end) in stretches((from, to), every)? {
                    let mut body = of_origin(&options)?;
                    body["history_start"] = start.to_string().into();
                    body["history_end"] = end.to_string().into();
                    body["history_interval_seconds"] = every.as_secs().into();
                    intervals.extend(call.wait(call.session().prefect()?.history(body))?);
                }
                intervals
            }
    }
}

/// A span in stretches of at most so many intervals as Prefect counts at once.
fn stretches(
    (from, to): (Timestamp, Timestamp),
    every: Duration,
) -> Result<Vec<(Timestamp, Timestamp)>> {
    let beyond = || {
        Error::usage(format!(
            "{} is no interval to count flow runs in",
            crate::time::spell(every)
        ))
    };
    if every.as_secs() == 0 || every.subsec_nanos() > 0 {
        return Err(beyond().hint("it is made of whole seconds"));
    }
    let stretch =
        SignedDuration::try_from(every.saturating_mul(INTERVALS)).map_err(|_| beyond())?;
    let (mut start, mut all) = (from, Vec::new());
    while start < to {
        if all.len() == STRETCHES as usize {
            return Err(Error::usage(format!(
                "there are more than {} intervals of {} from {from} to {to}",
                STRETCHES * INTERVALS,
                crate::time::spell(every)
            ))
            .hint("take longer ones, or a shorter span"));
        }
        let end = start.checked_add(stretch).map_or(to, |end| end.min(to));
        all.push((start, end));
        start = end;
    }
    Ok(all)
}

/// Tells an operator what comes up while a log is followed.
fn warning(call: &Call) -> Say {
    let (one, other) = (call.session().clone(), call.session().clone());
    Say {
        note: Arc::new(move |text| one.console().note(&one.redact(text))),
        warn: Arc::new(move |text| other.warn(text)),
    }
}

/// What Prefect is to filter runs by.
fn filter(call: &Call, options: &Options) -> Result<Value> {
    let mut body = of_origin(options)?;
    if let Some(states) = options.any("state") {
        body["flow_runs"]["state"] = states_of(&states)?;
    }
    if let Some(keys) = options.array("keys") {
        body["flow_runs"]["idempotency_key"] = json!({"any_": to_json(&keys.into())?});
    }
    for (name, bound) in [("from", "after_"), ("to", "before_")] {
        if let Some(time) = call.moment(options, name)? {
            body["flow_runs"]["expected_start_time"][bound] = time.to_string().into();
        }
    }
    Ok(body)
}

/// The part of it that says where runs come from.
fn of_origin(options: &Options) -> Result<Value> {
    let mut body = json!({"flow_runs": {}});
    let mut flow = options.text("flow").map(|flow| flow.to_string());
    if let Some(name) = options.text("deployment") {
        let (of, deployment) = name.split_once('/').ok_or_else(|| no_name(&name))?;
        if flow.as_ref().is_some_and(|flow| flow != of) {
            let flow = flow.unwrap_or_default();
            return Err(
                Error::usage(format!("deployment '{name}' is not of flow '{flow}'"))
                    .hint("leave one of them out"),
            );
        }
        body["deployments"] = json!({"name": {"any_": [deployment]}});
        flow = Some(of.to_owned());
    }
    if let Some(flow) = flow {
        body["flows"] = json!({"name": {"any_": [flow]}});
    }
    if let Some(tags) = options.array("tags") {
        body["flow_runs"]["tags"] = json!({"all_": to_json(&tags.into())?});
    }
    Ok(body)
}

/// States by type or by name: Prefect has names of its own for some of a type, as `Late` for one that is scheduled.
fn states_of(wanted: &Dynamic) -> Result<Value> {
    let wanted = match to_json(wanted)? {
        Value::Array(all) => all,
        one => vec![one],
    };
    let (mut types, mut names) = (Vec::new(), Vec::new());
    for state in wanted {
        let text = state
            .as_str()
            .ok_or_else(|| Error::usage(format!("{state} is no state")))?;
        let upper = text.to_uppercase();
        if UNDER_WAY.contains(&upper.as_str()) || ENDS.contains(&upper.as_str()) {
            types.push(upper);
        } else if let Some(name) = NAMES.iter().find(|name| name.eq_ignore_ascii_case(text)) {
            names.push((*name).to_owned());
        } else if text.starts_with(char::is_uppercase) {
            // A flow may give its states names of its own.
            names.push(text.to_owned());
        } else {
            return Err(no_state(text));
        }
    }
    Ok(match (types.is_empty(), names.is_empty()) {
        (false, true) => json!({"type": {"any_": types}}),
        (true, false) => json!({"name": {"any_": names}}),
        _ => json!({"operator": "or_", "type": {"any_": types}, "name": {"any_": names}}),
    })
}

/// Names of states that are no types.
const NAMES: [&str; 10] = [
    "Late",
    "AwaitingRetry",
    "AwaitingConcurrencySlot",
    "Retrying",
    "Suspended",
    "Submitting",
    "InfrastructurePending",
    "TimedOut",
    "Cached",
    "RolledBack",
];

fn no_state(text: &str) -> Error {
    let types = UNDER_WAY.into_iter().chain(ENDS);
    let known: Vec<String> = types.map(str::to_lowercase).collect();
    let all = known.iter().map(String::as_str).chain(NAMES);
    Error::usage(format!("'{text}' is no state of a flow run"))
        .suggest(nearest(text, all.clone()))
        .hint(format!(
            "the states are {}; a name that a flow has made up begins with a capital, as it was made up",
            all.collect::<Vec<_>>().join(", ")
        ))
}

fn level(options: &Options) -> Result<i64> {
    let Some(text) = options.text("level") else {
        return Ok(0);
    };
    let known = LEVELS.iter().find(|(name, _)| *name == text.as_str());
    known.map(|(_, level)| *level).ok_or_else(|| {
        let names = LEVELS.map(|(name, _)| name);
        Error::usage(format!("'{text}' is no level of a log line"))
            .suggest(nearest(&text, names))
            .hint(format!("the levels are {}", names.join(", ")))
    })
}

fn no_name(name: &str) -> Error {
    Error::usage(format!("'{name}' is no deployment"))
        .hint("a deployment is named flow/deployment, as in dashi-ingest/main")
}

pub(super) fn no_deployment(name: &str, mut error: Error) -> Error {
    if error.kind() == Kind::NotFound {
        error.detail_mut().message = format!("there is no deployment '{name}'");
        return error
            .hint("see what is deployed: dashictl eval 'prefect::deployments().map(|d| d.name)'");
    }
    error
}
