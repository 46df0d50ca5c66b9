//! What the host itself does: run a script or expression, and the commands that deal with scripts (check, doc,
//! complete, trust) and with the sandbox. A command that a runbook could have been is not here but in `scripts/`.

pub mod check;
pub mod complete;
pub mod doc;
pub mod sandbox;
mod signal;
pub mod trust;

use std::path::PathBuf;

use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use self::signal::Stops;
use crate::cli::{Action, Globals, Invocation};
use crate::config::{Config, Environment};
use crate::effects::{Effect, Gate};
use crate::engine::Engine;
use crate::engine::interrupt::Interrupt;
use crate::engine::outcome::Outcome;
use crate::error::{Error, Kind, Result};
use crate::output::Console;
use crate::script::check::with_excerpt;
use crate::script::header::Header;
use crate::script::library::{Library, Script};
use crate::script::program::Program;
use crate::script::run;
use crate::session::{Session, Setup};

/// Does what was typed. Gives the exit code.
pub fn perform(
    invocation: Invocation,
    library: &Library,
    environment: &Environment,
    console: &Console,
) -> Result<u8> {
    let Invocation { globals, action } = invocation;
    let host = Host {
        globals,
        environment,
        console,
    };
    match action {
        Action::Complete { shell } => complete::register(&shell, console),
        Action::Trust { folder, remove } => {
            trust::perform(folder.as_deref(), remove, environment, console)
        }
        Action::Sandbox(action) => sandbox::perform(action, environment, console),
        Action::Check { paths } => check::perform(&host, &paths),
        Action::Doc { name, source } => doc::perform(&host, library, &name, source),
        Action::Eval { text, effect } => {
            host.evaluate(Program::expression(&text, effect), Map::new())
        }
        Action::Script {
            script,
            header,
            arguments,
        } => {
            if let Some(warning) = library.hidden.get(&script.words) {
                console.warn(warning);
            }
            host.script(&script, &header, arguments)
        }
    }
}

/// One command line with all it needs to become a run.
pub struct Host<'a> {
    globals: Globals,
    environment: &'a Environment,
    console: &'a Console,
}

impl Host<'_> {
    /// Runs a command.
    fn script(
        &self,
        script: &Script,
        header: &Header,
        arguments: Map<String, Value>,
    ) -> Result<u8> {
        self.evaluate(Program::of(script, header), arguments)
    }

    fn evaluate(&self, program: Program, arguments: Map<String, Value>) -> Result<u8> {
        let effect = program.effect;
        let run = self.start(effect)?;
        let outcome = run::run(&run.engine, &run.session, program, arguments);
        let shown = if run.session.gate().is_planning() && effect > Effect::Read {
            self.show_plan(&run.session, outcome)
        } else {
            outcome.and_then(|outcome| self.console.show(&outcome))
        };
        // A stream is read while it is shown: `exit` and Ctrl-C may come only then.
        let interrupt = run.session.interrupt();
        match interrupt.exit_code() {
            Some(code) => Ok(u8::try_from(code).unwrap_or(1)),
            None if interrupt.is_stopping() => Err(Error::interrupted()),
            None => shown.map_err(|error| run.session.redacted(with_excerpt(error, &run.session))),
        }
    }

    /// What a dry run would have changed.
    fn show_plan(&self, session: &Session, outcome: Result<Outcome>) -> Result<u8> {
        // A stream with changes in its closures makes them only while it is read.
        let ended = outcome.and_then(|outcome| outcome.exhaust().map(|()| outcome.exit_code()));
        let steps = session.gate().steps();
        let rows = steps.iter().map(|step| {
            serde_json::json!({
                "step": step.number, "effect": step.effect.name(), "function": step.function, "target": step.target,
            })
        });
        self.console
            .say("dry run: nothing was changed. This would be done:");
        self.console.show(&Outcome::table(
            rows.collect(),
            &["step", "effect", "function", "target"],
        ))?;
        ended
    }

    /// The session and engine of a run that may do at most `effect`.
    fn start(&self, effect: Effect) -> Result<Run> {
        let config = Config::load(&self.globals.flags, self.environment)?;
        for warning in config.warnings() {
            self.console.warn(warning);
        }
        // Destructive runs are planned until they can be confirmed, audited and undone.
        let planning = self.globals.dry_run || effect == Effect::Destroy;
        self.run(
            config,
            if planning {
                Gate::planning(effect)
            } else {
                Gate::performing(effect)
            },
        )
    }

    /// The session and engine of what deals with scripts and asks no service: a wrong configuration must not stop it.
    fn offline(&self) -> Result<Run> {
        self.run(Config::compiled()?, Gate::planning(Effect::Read))
    }

    fn run(&self, config: Config, gate: Gate) -> Result<Run> {
        let runtime = runtime()?;
        let session = Session::new(Setup {
            config,
            environment: self.environment.clone(),
            folder: working_folder(),
            gate,
            console: self.console.clone(),
            runtime: runtime.handle()?.clone(),
            interrupt: Interrupt::default(),
            verbosity: self.globals.verbosity,
        });
        listen(&runtime, session.interrupt())?;
        Ok(Run {
            engine: Engine::new(&session),
            session,
            _runtime: runtime,
        })
    }
}

/// A run: its engine and session, and the runtime they wait on, which ends last.
struct Run {
    engine: Engine,
    session: Session,
    _runtime: Background,
}

/// A runtime that is let go without waiting: after Ctrl-C, a request that hangs must not keep the program.
struct Background(Option<Runtime>);

impl Background {
    fn handle(&self) -> Result<&tokio::runtime::Handle> {
        self.0
            .as_ref()
            .map(Runtime::handle)
            .ok_or_else(|| Error::internal("the runtime has ended"))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The working folder; one that was removed under us is still `.`, for what does not look into it.
fn working_folder() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

fn runtime() -> Result<Background> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let failed = |error: std::io::Error| {
        Error::new(Kind::Io, "the runtime could not be started").cause(error.to_string())
    };
    built
        .map(|runtime| Background(Some(runtime)))
        .map_err(failed)
}

/// A stop signal stops the run in order; a second one, at once.
fn listen(runtime: &Background, interrupt: &Interrupt) -> Result<()> {
    let interrupt = interrupt.clone();
    let handle = runtime.handle()?;
    let _inside = handle.enter();
    let mut stops = Stops::listen()?;
    handle.spawn(async move {
        loop {
            stops.next().await;
            if interrupt.is_stopping() {
                std::process::exit(i32::from(Kind::Interrupted.exit_code()));
            }
            interrupt.stop();
        }
    });
    Ok(())
}
