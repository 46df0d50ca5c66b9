//! A session at a prompt: what its entries have defined, and how the next one is run. An entry that only reads is simply run;
//! one that writes asks before each change; one that may destroy is planned first, shown, and done once its name was typed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rhai::{AST, Dynamic, ParseErrorType, Scope};

use super::asking::Asking;
use super::entry::{self, Import, LAST, LastResult};
use super::history::without_secrets;
use super::kept::Kept;
use super::live_names::LiveNames;
use super::pass::{Entry, Left, has_open_steps};
use super::planned::Planned;
use super::result;
use super::vocabulary::Vocabulary;
use crate::cli::Globals;
use crate::config::{Environment, quoted};
use crate::effects::{Consent, Effect, Order, Origin};
use crate::engine::outcome::Outcome;
use crate::engine::stream::Stream;
use crate::error::{Error, Kind, Result};
use crate::host::passes::{Caller, Passes};
use crate::host::{Host, Started};
use crate::output::Console;
use crate::script::check::{check_parsed, with_excerpt};
use crate::script::parse::without_shebang;
use crate::script::program::Program;
use crate::script::reach::reach;
use crate::script::syntax::{Parsed, syntax};
use crate::session::Session;

/// The name of what is typed, in positions.
pub(super) const SOURCE: &str = "<repl>";

/// So long a protected context may be changed after it was armed.
const ARMED: Duration = Duration::from_mins(15);

/// A session at a prompt.
pub(super) struct Shell {
    pub(super) environment: Environment,
    pub(super) console: Console,
    pub(super) globals: Globals,
    pub(super) started: Started,
    /// The variables.
    pub(super) scope: Scope<'static>,
    /// The functions.
    pub(super) functions: AST,
    pub(super) imports: Vec<Import>,
    /// What went well, as it was typed.
    pub(super) kept: Vec<Kept>,
    /// All that was typed: positions count its lines.
    text: String,
    last: LastResult,
    armed: Option<Instant>,
    /// Whether the last entry was only planned.
    gave_up: bool,
    /// What was planned last and not done.
    pub(super) planned: Option<Planned>,
    /// What was typed last, whatever came of it.
    pub(super) latest: String,
    /// The code that `exit` was called with.
    pub(super) exit: Option<u8>,
    /// What the last entry gave back, also where that is nothing.
    pub(super) given: Dynamic,
    /// Whether that came as a list in parts, and was read to its end.
    is_read: bool,
    /// What was written in an editor last, which is an entry of the history.
    pub(super) edited: Option<String>,
    /// Whether everything is shown as JSON.
    pub(super) is_json: bool,
    pub(super) vocabulary: Vocabulary,
    pub(super) live_names: LiveNames,
}

/// How an entry is run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// As JSON, whatever the session shows.
    pub(super) json: bool,
    /// Nothing is shown.
    pub(super) quiet: bool,
    /// What was planned is done, also where plans are only shown, and no more than so much is destroyed.
    pub(super) apply: Option<u64>,
}

impl Shell {
    pub(super) fn new(
        globals: Globals,
        environment: &Environment,
        console: &Console,
    ) -> Result<Shell> {
        let last = LastResult::default();
        let host = Host {
            globals: globals.clone(),
            command: "dashictl repl".to_owned(),
            environment,
            console,
        };
        let started = host.at_prompt(|rhai| last.teach(rhai))?;
        let vocabulary = Vocabulary::of(&started.engine);
        let mut scope = Scope::new();
        scope.push_dynamic(LAST, Dynamic::UNIT);
        Ok(Shell {
            environment: environment.clone(),
            console: console.clone(),
            globals,
            started,
            scope,
            functions: AST::empty(),
            imports: Vec::new(),
            kept: Vec::new(),
            text: String::new(),
            last,
            armed: None,
            gave_up: false,
            planned: None,
            latest: String::new(),
            exit: None,
            given: Dynamic::UNIT,
            is_read: false,
            edited: None,
            is_json: false,
            vocabulary,
            live_names: LiveNames::default(),
        })
    }

    pub(super) fn session(&self) -> &Session {
        &self.started.session
    }

    /// Shows something of the session.
    pub(super) fn show(&self, outcome: &Outcome) -> Result<()> {
        self.console_of(Manner::default()).show(outcome).map(drop)
    }

    /// Where what is run in this manner is shown.
    fn console_of(&self, manner: Manner) -> Console {
        if manner.json || self.is_json {
            return self.console.raw();
        }
        self.console.clone()
    }

    /// How many lines were typed.
    pub(super) fn lines(&self) -> usize {
        self.text.matches('\n').count()
    }

    /// Counts a line that is no entry, so that positions are those of the whole session.
    pub(super) fn skip_line(&mut self) {
        self.text.push('\n');
    }

    /// Forgets what was defined.
    pub(super) fn clear(&mut self) {
        self.scope.clear();
        self.scope.push_dynamic(LAST, Dynamic::UNIT);
        self.functions = AST::empty();
        self.imports.clear();
        self.kept.clear();
        self.planned = None;
    }

    /// Goes to another context. Functions, imports and plain values come along.
    pub(super) fn go_to(&mut self, context: &str) -> Result<()> {
        let mut globals = self.globals.clone();
        globals.flags.context = Some(context.to_owned());
        // Where one lake is says nothing of where another is.
        let (endpoints, values) = globals.flags.without_endpoints();
        globals.flags.values = values;
        let other = Shell::new(globals, &self.environment, &self.console)?;
        let old = std::mem::replace(self, other);
        self.functions = old.functions;
        self.imports = old.imports;
        self.kept = old.kept;
        self.text = old.text;
        self.is_json = old.is_json;
        self.session().sources().remember(SOURCE, &self.text);
        self.latest = old.latest;
        let mut left = endpoints;
        for (name, _, value) in old.scope.iter() {
            // A stream reads from the lake that it was asked of.
            if result::is_plain(&value) {
                self.scope.set_or_push(name.to_owned(), value);
            } else if name != LAST {
                left.push(name.to_owned());
            }
        }
        if !left.is_empty() {
            self.console.note(&format!(
                "left behind, being of the other lake: {}",
                left.join(", ")
            ));
        }
        Ok(())
    }

    /// Whether the context is one that is only read unless it is armed.
    pub(super) fn is_protected(&self) -> bool {
        self.session()
            .config()
            .setting("protected")
            .is_some_and(|setting| setting.json() == true)
    }

    /// How long it is still armed.
    pub(super) fn armed_for(&self) -> Option<Duration> {
        self.armed
            .and_then(|since| ARMED.checked_sub(since.elapsed()))
    }

    pub(super) fn is_armed(&self) -> bool {
        self.is_protected() && self.armed_for().is_some()
    }

    /// What stands before an entry: the context, and what may be done to it.
    pub(super) fn prompt(&self) -> String {
        let context = self.session().config().context();
        let protection = match self.armed_for() {
            Some(left) if self.is_protected() => {
                Some(format!("armed, {} min", left.as_secs().div_ceil(60)))
            }
            None if self.is_protected() => Some("read-only".to_owned()),
            _ => None,
        };
        let dry = self.globals.dry_run.then(|| "dry run".to_owned());
        let json = self.is_json.then(|| "json".to_owned());
        let modes: Vec<String> = protection.into_iter().chain(dry).chain(json).collect();
        if modes.is_empty() {
            return format!("{context}> ");
        }
        format!("{context} ({})> ", modes.join(", "))
    }

    /// Lets a protected context be changed for a while.
    pub(super) fn arm(&mut self, context: &str) -> Result<()> {
        let own = self.session().config().context();
        if context != own {
            return Err(
                Error::usage(format!("this is '{own}', and not '{context}'"))
                    .hint(format!("type :arm {own}")),
            );
        }
        self.armed = Some(Instant::now());
        Ok(())
    }

    /// Fails where the context is protected and not armed.
    pub(super) fn refuse_protected(&self) -> Result<()> {
        if !self.is_protected() || self.armed_for().is_some() {
            return Ok(());
        }
        let context = self.session().config().context();
        Err(Error::new(
            Kind::EffectRefused,
            format!("the context '{context}' is protected, and here it is only read"),
        )
        .hint(format!(":arm {context} lets you change it for 15 minutes")))
    }

    /// Runs an entry. Gives its exit code; what it gives back is `_` from then on.
    pub(super) fn run(&mut self, typed: &str, manner: Manner) -> Result<u8> {
        let session = self.session().clone();
        session.interrupt().begin_entry();
        // What was known of the lake may be other by now, also by what was typed.
        session.begin_pass();
        let text = without_shebang(typed);
        text.trim_end().clone_into(&mut self.latest);
        let before = self.lines();
        session
            .sources()
            .remember(SOURCE, &format!("{}{text}", self.text));
        let parsed = self.parse(&text, before);
        self.text.push_str(text.trim_end_matches('\n'));
        self.text.push('\n');
        let own = parsed.map_err(|error| with_excerpt(error, &session))?;
        if let Some(nameless) = Import::all(&own)
            .iter()
            .find(|import| import.alias.is_empty())
        {
            return Err(nameless.refused());
        }
        if text.contains("import") {
            // A file may have changed since it was read.
            self.started.engine.resolver.forget();
        }
        let mut whole = self.functions.merge(&own);
        whole.set_source(SOURCE);
        let whole = self.checked(whole, &text, before)?;
        let most = reach(&self.started.engine, &whole, &own, &self.held(&own));
        let most = match most {
            _ if !self.may_change() => Effect::Read,
            // What is called through a value is not seen: where it is only planned, everything is.
            most if self.globals_of(manner).dry_run => most.max(Effect::Write),
            most => most,
        };
        let variables = self.scope.len();
        let evaluated = self.evaluate(typed, &whole, most, manner);
        if let Some(code) = session.interrupt().exit_code() {
            self.exit = Some(u8::try_from(code).unwrap_or(1));
        }
        let imports = Import::all(&own);
        let sets = self.scope.len() > variables;
        let defines = sets || own.iter_functions().next().is_some() || text.contains("import");
        let is_done = !self.gave_up && (!manner.quiet || most > Effect::Read);
        if defines || is_done {
            self.kept.push(Kept {
                text,
                effect: most,
                sets,
                gives: !self.given.is_unit() && !manner.quiet,
                is_read: self.is_read,
                failed: evaluated.as_ref().err().map(ToString::to_string),
            });
        }
        // What an entry defines stays as its variables do, whatever comes of it: a closure is nothing without its function.
        self.functions = self.functions.merge(&own.clone_functions_only());
        for import in imports {
            self.imports.retain(|known| known.alias != import.alias);
            self.imports.push(import);
        }
        evaluated
    }

    fn parse(&self, text: &str, before: usize) -> Result<AST> {
        let rhai = &self.started.engine.rhai;
        let parsed = entry::parse(rhai, &self.scope, &self.last, text, before, &self.imports);
        parsed.map_err(|error| {
            let unknown = match error.err_type() {
                ParseErrorType::VariableUndefined(name) => Some(name.clone()),
                _ => None,
            };
            let parsed = Parsed {
                source: SOURCE,
                text,
                before,
            };
            let error = syntax(&self.started.engine, error, &parsed);
            match unknown {
                Some(name) => self.unknown_variable(error, &name),
                None => error,
            }
        })
    }

    /// The script, if nothing is wrong with the entry that begins below so many lines.
    fn checked(&self, whole: AST, text: &str, before: usize) -> Result<AST> {
        let program = Program {
            source: SOURCE,
            text,
            effect: Effect::Destroy,
            paths: Vec::new(),
            fields: None,
        };
        let mut checked = check_parsed(&self.started.engine, self.session(), &program, whole);
        checked.errors.retain(|error| {
            let at = error
                .detail()
                .trace
                .as_ref()
                .and_then(|trace| trace.at.as_ref());
            at.is_none_or(|at| at.line > before)
        });
        let checked = checked.ready();
        checked.map_err(|error| self.uncalled(error))
    }

    /// The functions that the variables hold which an entry names, also in what they hold.
    fn held(&self, entry: &AST) -> Vec<String> {
        let mut held = Vec::new();
        for name in entry::variables(entry) {
            if let Some(value) = self.scope.get(&name) {
                result::functions(value, &mut held);
            }
        }
        held
    }

    /// Runs an entry that can come to do this at most. Gives its exit code.
    fn evaluate(&mut self, typed: &str, whole: &AST, most: Effect, manner: Manner) -> Result<u8> {
        let session = self.session().clone();
        self.renew_gate(most);
        (self.given, self.is_read, self.gave_up) = (Dynamic::UNIT, false, false);
        let (console, globals) = (self.console_of(manner), self.globals_of(manner));
        let may_go_again = most == Effect::Destroy;
        // A pass that only notes must leave the variables as they are: the next one begins with them.
        let base = if may_go_again || globals.dry_run {
            self.scope.clone()
        } else {
            std::mem::take(&mut self.scope)
        };
        let host = Host {
            globals,
            command: self.command(typed, most),
            environment: &self.environment,
            console: &console,
        };
        let entry = Entry::new(&self.started, whole, manner.quiet, base, may_go_again);
        let passes = Passes {
            host: &host,
            started: &self.started,
            script: Box::new(|| entry.pass()),
            caller: Caller::Prompt,
        };
        let ended = passes.run(order(&session, &host.command, most));
        drop(passes);
        let gate = session.gate();
        if gate.is_planning() && (ended.is_err() || has_open_steps(gate)?) {
            entry.give_up();
            self.gave_up = true;
            let destroys = gate.with_ledger(|ledger| ledger.destroyed())?;
            self.planned = Some(self.plan_of(typed, whole, destroys.unwrap_or(0)));
        } else if let Some(left) = entry.left() {
            self.take_over(left, typed, manner);
        }
        ended.map_err(|error| self.protecting(error))
    }

    /// Lets the gate through what an entry is to do.
    fn renew_gate(&self, most: Effect) {
        let session = self.session();
        // What a function does that is called through a value is not seen beforehand: it is asked about when it comes.
        let at_most = match most {
            _ if !self.may_change() => Effect::Read,
            Effect::Destroy => Effect::Destroy,
            _ => Effect::Write,
        };
        let consent: Arc<dyn Consent> = Arc::new(Asking::new(session, self.globals.yes));
        session.gate().renew(at_most, Some(consent));
    }

    /// Takes over what an entry has left.
    fn take_over(&mut self, left: Left, typed: &str, manner: Manner) {
        self.scope = left.scope;
        self.is_read = left.is_read;
        self.given.clone_from(&left.value);
        // Who only looked at a list that is read as it comes has it whole again.
        let name = typed.trim().trim_end_matches(';');
        let held = self.scope.get_mut(name).filter(|held| held.is::<Stream>());
        if let (Some(held), false) = (held, manner.quiet) {
            held.clone_from(&left.value);
        }
        if !left.value.is_unit() && !manner.quiet {
            self.scope.set_or_push(LAST, left.value);
        }
    }

    /// A change that was refused because the context is protected says so.
    fn protecting(&self, error: Error) -> Error {
        if error.kind() != Kind::EffectRefused || self.may_change() {
            return error;
        }
        match self.refuse_protected() {
            Err(refused) => refused.cause(error.to_string()),
            Ok(()) => error,
        }
    }

    /// Whether an entry may come to changes: where it only plans, nothing is changed by it.
    fn may_change(&self) -> bool {
        self.globals.dry_run || self.refuse_protected().is_ok()
    }

    /// The flags of a command line that would do the same.
    fn globals_of(&self, manner: Manner) -> Globals {
        let mut globals = self.globals.clone();
        globals.dry_run &= manner.apply.is_none();
        globals.changes.apply = !globals.dry_run;
        globals.changes.max_delete = manner.apply.or(globals.changes.max_delete);
        globals
    }

    /// That command line.
    fn command(&self, typed: &str, most: Effect) -> String {
        let effect = match most {
            Effect::Read => String::new(),
            most => format!("--effect {} ", most.name()),
        };
        let typed = without_secrets(self.session(), typed);
        format!("dashictl eval {effect}{}", quoted(&typed))
    }
}

fn order(session: &Session, command: &str, effect: Effect) -> Order {
    Order {
        command: command.to_owned(),
        // It stands on what was typed before it, which nobody has later.
        origin: Origin::Host,
        arguments: serde_json::Map::new(),
        effect,
        began: session.now(),
    }
}
