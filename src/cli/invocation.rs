//! What was typed, as values: the flags that every command takes and what to do. How it is read from argv stands in
//! `cli` and `globals`.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::config::Flags;
use crate::effects::Effect;
use crate::script::header::Header;
use crate::script::library::Script;

/// What was typed.
#[derive(Debug)]
pub struct Invocation {
    /// The flags that every command takes.
    pub globals: Globals,
    /// The command line as it was typed, without what only says how it is run (`--yes`, `--apply`, `--json`, …).
    pub command: String,
    /// What to do.
    pub action: Action,
}

/// The flags that every command takes.
#[derive(Debug, Default, Clone)]
pub struct Globals {
    /// `--context` and the flags that set configuration.
    pub flags: Flags,
    /// `-v`, `-vv`.
    pub verbosity: u8,
    /// `--yes`, or `DASHICTL_YES=1`.
    pub yes: bool,
    /// `--dry-run`.
    pub dry_run: bool,
    /// What is said about a change.
    pub changes: Changes,
}

/// The flags of what changes or destroys something.
#[derive(Debug, Default, Clone)]
pub struct Changes {
    /// `--apply`: do what would be destroyed.
    pub apply: bool,
    /// `--max-delete`: do nothing where more would be destroyed.
    pub max_delete: Option<u64>,
    /// `--plan-out`: where the plan is written.
    pub plan_out: Option<PathBuf>,
    /// `--env-override`: endpoints from the environment are meant.
    pub env_override: bool,
}

/// What to do.
#[derive(Debug)]
pub enum Action {
    /// Run a script with these arguments.
    Script {
        /// The script.
        script: Script,
        /// Its header.
        header: Box<Header>,
        /// Its arguments.
        arguments: Map<String, Value>,
    },
    /// Evaluate an expression.
    Eval {
        /// Its text.
        text: String,
        /// The most it may do.
        effect: Effect,
    },
    /// Read entries and run them.
    Repl,
    /// Write a runbook to begin with.
    New {
        /// The words of its command, or its path.
        name: Vec<String>,
        /// The most it may do.
        effect: Effect,
        /// What it does, in a sentence.
        about: Option<String>,
    },
    /// Check scripts.
    Check {
        /// Files and folders.
        paths: Vec<PathBuf>,
    },
    /// Run the tests of scripts.
    Test(TestWanted),
    /// Print or write documentation.
    Doc(DocWanted),
    /// Print what a shell needs to complete.
    Complete {
        /// The shell.
        shell: String,
    },
    /// Trust a folder's scripts, or list what is trusted.
    Trust {
        /// The folder; where there is none, list.
        folder: Option<PathBuf>,
        /// Take the trust back.
        remove: bool,
    },
    /// Deal with the sandbox.
    Sandbox(SandboxAction),
    /// Do what a plan says.
    Apply {
        /// The file of the plan, or its object.
        file: PathBuf,
        /// The object that says that it was judged with those of other shards.
        judged: Option<String>,
    },
    /// Do what is left of a run.
    Resume {
        /// The run.
        run: String,
    },
    /// Take a run back.
    Undo {
        /// The run.
        run: String,
    },
    /// List runs.
    LogList {
        /// How many at most.
        limit: usize,
    },
    /// Show one run.
    LogShow {
        /// The run.
        run: String,
    },
    /// List what was put aside.
    TrashList,
    /// End what was put aside.
    TrashPurge {
        /// Of this run alone.
        run: Option<String>,
        /// Only what was put aside so long ago.
        older_than: String,
    },
    /// List the locks that are held.
    LockList,
    /// Break a lock.
    LockBreak {
        /// What is locked.
        name: String,
    },
}

/// Which documentation.
#[derive(Debug)]
pub struct DocWanted {
    /// A function, namespace, option, library, command or topic; all where there is none.
    pub name: Vec<String>,
    /// Print the source of a command's script.
    pub source: bool,
    /// Write the reference as Markdown into this folder.
    pub markdown: Option<PathBuf>,
    /// Write the book and the reference as HTML into this folder.
    pub html: Option<PathBuf>,
}

/// Which tests to run, and how.
#[derive(Debug)]
pub struct TestWanted {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Only those whose file or name contains this.
    pub name: Option<String>,
    /// How many at once; one for each processor where it is not said.
    pub jobs: Option<usize>,
    /// What takes longer has failed.
    pub timeout: Duration,
    /// Where the results are written as JUnit XML.
    pub junit: Option<PathBuf>,
    /// One test, to be run in this process, and where its outcome is written.
    pub alone: Option<(String, PathBuf)>,
}

/// What to do with the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxAction {
    /// Serve it until interrupted, on the usual ports.
    Serve {
        /// On free ports instead.
        any_port: bool,
    },
    /// Remove its state.
    Reset,
    /// Print where its state is.
    Path,
}

/// What parsing ended in.
pub enum Parsed {
    /// Help, to be printed.
    Printed(Printed),
    /// A command.
    Invocation(Box<Invocation>),
}

/// Help, and what a person should know beside it.
pub struct Printed {
    /// The text.
    pub text: String,
    /// Scripts that were passed over.
    pub warnings: Vec<String>,
    /// Whether somebody asked for it; else it is what there is to say to a command line without its command.
    pub was_asked_for: bool,
}
