//! `sandbox::` — what tests and rehearsals do to the embedded lake: faults, a clock that stands, and dashictl's commands run
//! on it as an operator runs them. On any other lake they are refused.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rhai::{Array, Dynamic, ImmutableString, Map};
use serde_json::{Value, json};

use super::command::word;
use super::time::moment_of;
use crate::config::split;
use crate::engine::call::Call;
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::error::{Error, Kind, Result, nearest};
use crate::parent;
use crate::sandbox::{self, Clock, Fault, Faults, SERVICES};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut ns = Namespace::new(
        session,
        "sandbox",
        "The embedded lake in tests and rehearsals: faults, the clock, commands run on it.",
    );
    faults(&mut ns);
    rehearsal(&mut ns);
    ns
}

fn faults(ns: &mut Namespace) {
    native! { ns,
        /// Lets something go wrong at a service of the sandbox, for every program that uses it, until `sandbox::heal()`: `stac`, `s3`,
        /// `prefect`, `loki`, `ingest`, `identity` or `iceberg`. Of several faults the first that strikes counts. Throws `usage` where the lake is no
        /// sandbox.
        ///
        /// ```rhai
        /// sandbox::fault("stac", #{status: 503, times: 2});
        /// let found = stac::collections().collect();
        /// [found.len() > 0, sandbox::faults()[0].hits]
        /// //=> [true, 2]
        /// ```
        read fn fault(call, service: ImmutableString) -> "()"
            options as options {
                /// Answer with this status, and do nothing of what was asked.
                status: Int,
                /// Answer with this text, and do nothing of what was asked; without `status`, as a success.
                body: Text,
                /// Wait so long before anything else.
                delay: Duration,
                /// Take the request and never answer.
                silent: Bool = "false",
                /// Do what was asked, and break the answer off after so many bytes.
                cut: Int,
                /// So often; without it, always.
                times: Int,
                /// Only after so many requests.
                after: Int = "0",
                /// Only requests with this method.
                method: Text,
                /// Only requests whose path and query contain this.
                path: Text
            }
            { Faults::of(&folder(call)?).add(fault_of(&service, &options)?)?; }

        /// The faults that were made, with how many requests they have seen (`seen`) and struck (`hits`).
        ///
        /// ```rhai
        /// sandbox::fault("loki", #{status: 500, path: "/never"});
        /// sandbox::faults().map(|f| [f.service, f.status, f.hits])
        /// //=> [["loki", 500, 0]]
        /// ```
        read fn faults(call) -> "array" {
            let all = Faults::of(&folder(call)?).all()?;
            all.iter().map(shown).collect::<Vec<Value>>()
        }

        /// Takes all faults away.
        ///
        /// ```rhai
        /// sandbox::fault("stac", #{status: 500});
        /// sandbox::heal();
        /// sandbox::faults()
        /// //=> []
        /// ```
        read fn heal(call) -> "()" {
            Faults::of(&folder(call)?).clear()?;
        }
    }
}

fn rehearsal(ns: &mut Namespace) {
    native! { ns,
        /// Lets the sandbox's clock stand at a moment, for its services and for `time::now()` alike; `()` lets it run again. Once the
        /// sandbox has been used, it goes on only. What is signed (`s3::presign`) keeps this machine's time.
        /// While it stands, `sleep` moves it on and returns at once, and looking at a flow run moves it on to the run's next
        /// step. In `dashictl test` it stands from the beginning.
        ///
        /// ```rhai
        /// sandbox::clock("2026-04-27T06:00:00Z");
        /// sleep("90m");
        /// `${time::now()}`
        /// //=> "2026-04-27T07:30:00Z"
        /// ```
        read fn clock(call, at: Dynamic) -> "()" {
            let at = if at.is_unit() { None } else { Some(moment_of(call, &at)?) };
            set_clock(&folder(call)?, at)?;
        }

        /// Runs a command of dashictl on this sandbox, as somebody would who types it: an array of words without `dashictl`, or one
        /// text. Gives `code`, `stdout`, `stderr`, and `value`, which is stdout as JSON where it is that.
        ///
        /// ```rhai
        /// let run = sandbox::run(["domain", "list", "--json"]);
        /// [run.code, run.value.len() > 0]
        /// //=> [0, true]
        /// ```
        read fn run(call, words: Dynamic) -> "map"
            options as options {
                /// Environment variables of it alone.
                env: Map
            }
            { run(call, &words, &options.map("env").unwrap_or_default())? }
    }
}

/// The folder of the sandbox that this run is on.
fn folder(call: &Call) -> Result<PathBuf> {
    let session = call.session();
    session.sandbox_folder().ok_or_else(|| {
        Error::usage(format!(
            "sandbox:: is for the sandbox, and this run is on '{}'",
            session.config().context()
        ))
        .hint("use --context sandbox, or write a test: dashictl test FILE")
    })
}

/// The years that all services know.
const YEARS: std::ops::Range<i16> = 1971..2200;

fn set_clock(folder: &Path, at: Option<Timestamp>) -> Result<()> {
    let clock = Clock::of(folder);
    if let Some(at) = at {
        let year = at.to_zoned_datetime(TimeZone::UTC).year();
        if !YEARS.contains(&year) {
            return Err(
                Error::usage(format!("the sandbox has no year {year}")).hint(format!(
                    "it has those from {} to {}",
                    YEARS.start,
                    YEARS.end - 1
                )),
            );
        }
        // What it holds would lie in the future, and flow runs would wait for it.
        if at < clock.now() && sandbox::is_filled(folder) {
            return Err(Error::usage(format!("the sandbox's clock stands at {} already, and does not go back", clock.now()))
                .hint("set it before the sandbox is first asked for anything, or reset it: dashictl sandbox reset"));
        }
    }
    clock.set(at)
}

fn fault_of(service: &str, options: &Options) -> Result<Fault> {
    if !SERVICES.contains(&service) {
        return Err(
            Error::usage(format!("the sandbox has no service '{service}'"))
                .suggest(nearest(service, SERVICES))
                .hint(format!("there are {}", SERVICES.join(", "))),
        );
    }
    let count = |name: &str| {
        let number = options.int(name).map(u64::try_from).transpose();
        number.map_err(|_| Error::usage(format!("`{name}` is a number from 0 on")))
    };
    let text = |name: &str| options.text(name).map(|text| text.to_string());
    let status = count("status")?.map(|status| {
        let known = u16::try_from(status)
            .ok()
            .filter(|status| (200..600).contains(status));
        known.ok_or_else(|| Error::usage(format!("{status} is no status of HTTP")))
    });
    let delay = options.duration("delay")?;
    let fault = Fault {
        service: service.to_owned(),
        method: text("method"),
        path: text("path"),
        after: count("after")?.unwrap_or(0),
        times: count("times")?,
        status: status.transpose()?,
        body: text("body"),
        delay: delay.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
        silent: options.flag("silent"),
        cut: count("cut")?,
        ..Fault::default()
    };
    if fault.does_nothing() {
        return Err(Error::usage("this fault does nothing")
            .hint("say what goes wrong: status, body, delay, silent or cut"));
    }
    Ok(fault)
}

fn shown(fault: &Fault) -> Value {
    json!({
        "service": fault.service, "method": fault.method, "path": fault.path, "after": fault.after, "times": fault.times,
        "status": fault.status, "body": fault.body, "delay": fault.delay.map(|ms| crate::time::spell(Duration::from_millis(ms))),
        "silent": fault.silent, "cut": fault.cut, "seen": fault.seen, "hits": fault.hits,
    })
}

fn run(call: &Call, words: &Dynamic, variables: &Map) -> Result<Value> {
    folder(call)?;
    let session = call.session();
    let words = words_of(words)?;
    // The lake that it is to run on has its servers in this process, or in its own: both serve the same folder.
    let own = session.environment().pairs();
    let own = own.map(|(name, value)| (name, value.to_owned()));
    let given = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_string()));
    let mut command = parent::child(own.chain(given))?;
    command
        .args(["--context", "sandbox"])
        .args(&words)
        .current_dir(session.folder());
    let output = call.wait(async {
        let output = command.output().await;
        output.map_err(|error| Error::new(Kind::Io, "dashictl cannot be run").caused_by(&error))
    })?;
    Ok(told(&output))
}

/// The words of a command line that is given as an array of them or as one text.
fn words_of(line: &Dynamic) -> Result<Vec<String>> {
    if let Some(words) = line.read_lock::<Array>() {
        return words.iter().map(word).collect();
    }
    let line = word(line)?;
    split(&line).map_err(|why| Error::usage(format!("the command line {why}: {line}")))
}

/// What came of a command.
fn told(output: &Output) -> Value {
    use std::os::unix::process::ExitStatusExt;
    let signal = output.status.signal().map_or(1, |signal| 128 + signal);
    json!({
        "code": output.status.code().unwrap_or(signal),
        "stdout": String::from_utf8_lossy(&output.stdout),
        "stderr": String::from_utf8_lossy(&output.stderr),
        "value": serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default(),
    })
}
