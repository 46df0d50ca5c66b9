//! What the host itself does: run a script or expression, and the commands that deal with scripts (check, doc,
//! complete, trust) and with the sandbox. A command that a runbook could have been is not here but in `scripts/`.

mod apply;
pub mod check;
mod closing;
pub mod complete;
mod complete_bash;
mod confirm;
pub mod doc;
mod flow_run;
mod lock;
mod log;
mod new;
mod opening;
mod origin;
pub(crate) mod passes;
mod plan_file;
mod plan_view;
mod reader;
mod rest;
mod resume;
pub mod sandbox;
mod shard;
mod signal;
mod testing;
mod trash;
pub mod trust;
mod undo;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use self::flow_run::FlowRun;
use self::passes::{Caller, Passes};
use self::signal::Stops;
use crate::cli::{Action, Globals, Invocation};
use crate::config::{Config, Environment};
use crate::effects::{Effect, Gate, Order, Origin};
use crate::engine::Engine;
use crate::engine::interrupt::Interrupt;
use crate::error::{Error, Kind, Result};
use crate::output::{self, Console};
use crate::repl;
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
    let Invocation {
        globals,
        command,
        action,
    } = invocation;
    let host = Host {
        globals,
        command,
        environment,
        console,
    };
    let flow_run = FlowRun::of(&host)?;
    if let Some(flow_run) = &flow_run {
        flow_run.begun();
    }
    let ended = done(&host, library, action);
    if let Some(flow_run) = &flow_run {
        flow_run.ended(&ended);
    }
    ended
}

fn done(host: &Host, library: &Library, action: Action) -> Result<u8> {
    let (environment, console) = (host.environment, host.console);
    match action {
        Action::Complete { shell } => complete::register(&shell, console),
        Action::Trust { folder, remove } => {
            trust::perform(folder.as_deref(), remove, environment, console)
        }
        Action::Sandbox(action) => sandbox::perform(action, environment, console),
        Action::New {
            name,
            effect,
            about,
        } => new::perform(host, library, &name, effect, about.as_deref()),
        Action::Check { paths } => check::perform(host, &paths),
        Action::Test(wanted) => testing::perform(host, &wanted),
        Action::Repl => repl::perform(host),
        Action::Doc(wanted) => doc::perform(host, library, &wanted),
        Action::Apply { file, judged } => apply::perform(host, library, &file, judged.as_deref()),
        Action::Resume { run } => resume::perform(host, library, &run),
        Action::Undo { run } => undo::perform(host, &run),
        Action::LogList { limit } => log::list(host, limit),
        Action::LogShow { run } => log::show(host, &run),
        Action::TrashList => trash::list(host),
        Action::TrashPurge { run, older_than } => trash::purge(host, run.as_deref(), &older_than),
        Action::LockList => lock::list(host),
        Action::LockBreak { name } => lock::break_one(host, &name),
        Action::Eval { text, effect } => host.evaluate(
            Program::expression(&text, effect),
            Map::new(),
            Origin::Expression(text.clone()),
            None,
        ),
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
    pub(crate) globals: Globals,
    /// The command line as it was typed, without what only says how it is run.
    pub(crate) command: String,
    pub(crate) environment: &'a Environment,
    pub(crate) console: &'a Console,
}

impl Host<'_> {
    /// Runs a command.
    fn script(
        &self,
        script: &Script,
        header: &Header,
        arguments: Map<String, Value>,
    ) -> Result<u8> {
        let origin = match &script.path {
            Some(path) => Origin::File(path.display().to_string()),
            None => Origin::Command(script.words.clone()),
        };
        // The first that is given; a flag's value is its name.
        let word = header.confirm.iter().find_map(|name| {
            match arguments.get(&name.replace('-', "_"))? {
                Value::Bool(is_given) => is_given.then(|| name.clone()),
                value => value.as_str().map(str::to_owned),
            }
        });
        self.evaluate(Program::of(script, header), arguments, origin, word)
    }

    fn evaluate(
        &self,
        program: Program,
        arguments: Map<String, Value>,
        origin: Origin,
        word: Option<String>,
    ) -> Result<u8> {
        let started = self.start(program.effect)?;
        let order = Order {
            command: started.session.redact(&self.command),
            origin,
            arguments: arguments.clone(),
            effect: program.effect,
            began: started.session.now(),
        };
        let confirm = word.unwrap_or_else(|| started.session.config().context().to_owned());
        let passes = Passes {
            host: self,
            started: &started,
            script: started.script(program, arguments),
            caller: Caller::Command(confirm),
        };
        passes.run(order)
    }

    /// What was typed, of a command of the host that may destroy.
    fn order(&self, session: &Session) -> Order {
        Order {
            command: session.redact(&self.command),
            origin: Origin::Host,
            arguments: Map::new(),
            effect: Effect::Destroy,
            began: session.now(),
        }
    }

    /// The session and engine of a run that may do at most `effect`.
    fn start(&self, effect: Effect) -> Result<Started> {
        self.run(self.config()?, Gate::performing(effect))
    }

    /// The configuration; what is odd in it is told.
    fn config(&self) -> Result<Config> {
        let config = Config::load(&self.globals.flags, self.environment)?;
        for warning in config.warnings() {
            self.console.warn(warning);
        }
        Ok(config)
    }

    /// The session and engine of what deals with scripts and asks no service: a wrong configuration must not stop it.
    fn offline(&self) -> Result<Started> {
        self.run(Config::compiled()?, Gate::planning(Effect::Read))
    }

    fn run(&self, config: Config, gate: Gate) -> Result<Started> {
        self.begun(config, gate, |_| (), Stopped::Program)
    }

    /// A session in which entries are typed, one after the other: a signal stops one of them.
    pub(crate) fn at_prompt(&self, adjust: impl FnOnce(&mut rhai::Engine)) -> Result<Started> {
        self.begun(
            self.config()?,
            Gate::performing(Effect::Read),
            adjust,
            Stopped::Entry,
        )
    }

    fn begun(
        &self,
        config: Config,
        gate: Gate,
        adjust: impl FnOnce(&mut rhai::Engine),
        stopped: Stopped,
    ) -> Result<Started> {
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
        listen(&runtime, session.interrupt(), stopped)?;
        Ok(Started {
            engine: Engine::adjusted(&session, adjust),
            session,
            _runtime: runtime,
        })
    }
}

/// A run: its engine and session, and the runtime they wait on, which ends last.
pub(crate) struct Started {
    pub(crate) engine: Engine,
    pub(crate) session: Session,
    _runtime: Background,
}

impl Started {
    /// A program with its arguments, to be run in each pass.
    fn script<'a>(
        &'a self,
        program: Program<'a>,
        arguments: Map<String, Value>,
    ) -> passes::Script<'a> {
        Box::new(move || {
            run::run(
                &self.engine,
                &self.session,
                program.clone(),
                arguments.clone(),
            )
        })
    }
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

/// A write that goes on for so long after the run was stopped is one that nobody reads.
const UNREAD: Duration = Duration::from_secs(1);

/// What a stop signal stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// The program.
    Program,
    /// What was typed last at a prompt: there is something to go on with.
    Entry,
}

/// A stop signal stops the run in order; a second one, at once, and so does a reader that reads no more. At a prompt it takes a
/// third.
fn listen(runtime: &Background, interrupt: &Interrupt, stopped: Stopped) -> Result<()> {
    let interrupt = interrupt.clone();
    let handle = runtime.handle()?;
    let _inside = handle.enter();
    let mut stops = Stops::listen()?;
    handle.spawn(async move {
        let mut again = false;
        loop {
            stops.next().await;
            if interrupt.is_by_signal() {
                if again || stopped == Stopped::Program {
                    std::process::exit(i32::from(Kind::Interrupted.exit_code()));
                }
                again = true;
                continue;
            }
            again = false;
            interrupt.stop_by_signal();
            // A prompt goes on, and its reader may only have stopped the terminal for a while.
            if stopped == Stopped::Program {
                tokio::spawn(leave_unread());
            }
        }
    });
    Ok(())
}

/// Ends the program where it does nothing any more but wait for somebody to read what it writes.
async fn leave_unread() {
    loop {
        let write = output::writing();
        tokio::time::sleep(UNREAD).await;
        if write.is_some() && output::writing() == write {
            std::process::exit(i32::from(Kind::Interrupted.exit_code()));
        }
    }
}
