//! `ctx::` — the run itself: its context, its settings, how it may act.

use rhai::{Dynamic, ImmutableString};
use serde_json::{Value, json};

use crate::config::{KEYS, Service, Setting};
use crate::engine::call::Call;
use crate::engine::moment::Moment;
use crate::engine::registry::{Namespace, native};
use crate::error::{Error, Result, nearest};
use crate::session::Session;

/// What scripts call the cluster.
const CLUSTER: &str = "k8s";

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "ctx", "The run itself: context, settings, mode.");
    let ns = &mut namespace;
    native! { ns,
        /// The name of the context.
        ///
        /// ```rhai
        /// ctx::name()
        /// //=> "sandbox"
        /// ```
        read fn name(call) -> "string" {
            call.session().config().context()
        }

        /// Whether this pass of the script only plans: changes are noted and not made. So it is in a dry run, and in the
        /// first pass of a run with `--apply`.
        ///
        /// ```rhai
        /// ctx::is_planning()
        /// //=> false
        /// ```
        read fn is_planning(call) -> "bool" {
            call.session().gate().is_planning()
        }

        /// When the run began. It is the same in both passes of a run that destroys, and when its plan is applied later,
        /// so it can stand in what is written where `time::now()` cannot.
        ///
        /// ```rhai
        /// ctx::began() <= time::now()
        /// //=> true
        /// ```
        read fn began(call) -> "Moment" {
            Dynamic::from(Moment(call.session().gate().order().began))
        }

        /// The id of the run, once it has begun to change something, or `()`.
        ///
        /// ```rhai
        /// ctx::run_id()
        /// //=> ()
        /// ```
        read fn run_id(call) -> "string or ()" {
            call.session().gate().recorder().map(|recorder| recorder.run().id.to_string())
        }

        /// Whether this lake has a service: `stac`, `prefect`, `loki`, `ingest`, `identity`, `iceberg`, of which the last four can be
        /// switched off, or `k8s`, a cluster that is named.
        ///
        /// ```rhai
        /// ctx::has("loki")
        /// //=> true
        /// ```
        read fn has(call, service: ImmutableString) -> "bool" {
            has(call, &service)?
        }

        /// The resolved settings in order: `key`, `value` (secrets masked), `origin` (file and line, variable, flag
        /// or default). Brings the sandbox up where that is the context, so that its endpoints are shown.
        ///
        /// ```rhai
        /// ctx::settings().find(|s| s.key == "s3.processed_bucket").value
        /// //=> "processed"
        /// ```
        read fn settings(call) -> "array" {
            let settings = call.session().endpoints()?.settings();
            settings.map(|setting| {
                json!({"key": setting.key().path, "value": setting.json(), "origin": setting.origin().to_string()})
            }).collect::<Vec<Value>>()
        }

        /// The value of one setting, as `dashictl config` shows it, or `()` where nothing sets it. Throws `usage` where
        /// there is no such setting.
        ///
        /// ```rhai
        /// ctx::setting("backup.url")
        /// //=> "s3://backups/"
        /// ```
        read fn setting(call, key: ImmutableString) -> "any" {
            let setting = call.session().endpoints()?.setting(&key);
            setting.map(Setting::json).ok_or_else(|| {
                let known = KEYS.iter().map(|key| key.path);
                Error::usage(format!("'{key}' is no setting")).suggest(nearest(&key, known))
            })?
        }

        /// The configuration file, or `()` where there is none.
        ///
        /// ```rhai
        /// ctx::config_file()
        /// //=> ()
        /// ```
        read fn config_file(call) -> "string or ()" {
            call.session().config().file().map(|file| file.display().to_string())
        }
    }
    namespace
}

fn has(call: &Call, service: &str) -> Result<bool> {
    let config = call.session().endpoints()?;
    if service == CLUSTER {
        return Ok(config.has_cluster());
    }
    if service == Service::Identity.name() {
        return Ok(config.has_identity());
    }
    let found = Service::ALL
        .into_iter()
        .find(|known| known.name() == service);
    let known = Service::ALL.map(Service::name).into_iter().chain([CLUSTER]);
    found.map(|found| config.has(found)).ok_or_else(|| {
        Error::usage(format!("'{service}' is no service")).suggest(nearest(service, known))
    })
}
