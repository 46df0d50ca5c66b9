//! The static check, before every run and in `dashictl check`: what would fail at run time is found before anything is
//! sent. Unknown functions, wrong argument counts, unknown option keys, effects beyond the header; unknown variables
//! and modules are found by the parser in strict mode.

use std::collections::BTreeSet;
use std::rc::Rc;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::arity::{Arities, Takes, arities, counted, functions_of, global_functions, wrong_arity};
pub use super::checked::Checked;
use super::fields::keys_of;
use super::import_tree::in_imports;
use super::imported::{Imported, Imports, imports, what_there_is};
use super::native_call::beyond_header;
use super::own_chain::own_chains;
use super::parse;
use super::program::Program;
use super::test::TestCode;
use super::walk::walk;
use crate::effects::Effect;
use crate::engine::Engine;
use crate::error::{Error, Kind, Place, Result, Trace, nearest};
use crate::session::Session;

/// What the engine treats as a call though no function of that name is registered.
pub(crate) const KEYWORDS: [&str; 9] = [
    "print",
    "debug",
    "type_of",
    "Fn",
    "call",
    "curry",
    "is_def_var",
    "is_def_fn",
    "is_shared",
];

/// Parses a program and checks it against what was declared about it. What cannot be parsed is an error.
pub fn check(engine: &Engine, session: &Session, program: &Program) -> Result<Checked> {
    let ast = parse::parse(engine, session, program)?;
    Ok(check_parsed(engine, session, program, ast))
}

/// The same of what is parsed already.
pub(crate) fn check_parsed(
    engine: &Engine,
    session: &Session,
    program: &Program,
    ast: AST,
) -> Checked {
    let mut checker = Checker::over(engine, session, program, &ast);
    checker.hidden_looks(&ast);
    checker.idle(&ast);
    checker.hiding_aliases();
    let wrong = in_imports(engine, session, program, &checker.imports);
    let Checker {
        mut errors,
        warnings,
        mut idle,
        ..
    } = checker;
    errors.sort_by_key(position_of);
    idle.sort_by_key(position_of);
    Checked {
        ast,
        errors: [errors, wrong.errors].concat(),
        warnings: [warnings, wrong.warnings].concat(),
        idle,
    }
}

fn position_of(error: &Error) -> (usize, usize) {
    let at = error
        .detail()
        .trace
        .as_ref()
        .and_then(|trace| trace.at.as_ref());
    at.map_or((0, 0), |at| (at.line, at.column))
}

/// Adds the text of the line to an error's trace.
pub(crate) fn with_excerpt(mut error: Error, session: &Session) -> Error {
    if let Some(trace) = &mut error.detail_mut().trace
        && let (None, Some(at)) = (&trace.excerpt, &trace.at)
    {
        trace.excerpt = session.sources().line(&at.source, at.line);
    }
    error
}

pub(super) struct Checker<'a> {
    pub(super) engine: &'a Engine,
    session: &'a Session,
    source: &'a str,
    pub(super) effect: Effect,
    /// What of it is there for its tests.
    pub(super) tests: TestCode,
    /// Functions of the script itself.
    own: Arities,
    /// Functions without a namespace: the language's and ours.
    global: Arities,
    pub(super) imports: Imports,
    /// What the script itself calls something in a map.
    keys: BTreeSet<String>,
    pub(super) errors: Vec<Error>,
    pub(super) warnings: Vec<Error>,
    /// What does nothing, or may be beyond the header: told by `dashictl check` alone.
    pub(super) idle: Vec<Error>,
}

impl<'a> Checker<'a> {
    fn new(
        engine: &'a Engine,
        session: &'a Session,
        program: &'a Program<'a>,
        ast: &AST,
    ) -> Checker<'a> {
        // Imports first: a function may be checked before the statement that imports its module is walked.
        let (imports, wrong) = imports(engine, session, program.source, ast);
        let mut checker = Checker {
            engine,
            session,
            source: program.source,
            effect: program.effect,
            tests: TestCode::of(ast),
            own: functions_of(ast),
            global: global_functions(engine),
            imports,
            keys: keys_of(ast),
            errors: Vec::new(),
            warnings: Vec::new(),
            idle: Vec::new(),
        };
        for (error, at) in wrong {
            checker.error(error, at);
        }
        checker
    }

    /// Goes through all of a text.
    pub(super) fn over(
        engine: &'a Engine,
        session: &'a Session,
        program: &'a Program<'a>,
        ast: &AST,
    ) -> Checker<'a> {
        let mut checker = Checker::new(engine, session, program, ast);
        walk(ast, |path| {
            if let Some(node) = path.last() {
                checker.node(node);
            }
        });
        for chain in own_chains(ast) {
            checker.error(chain.error(), chain.at);
        }
        checker.fields(ast, program.fields.as_deref());
        checker.main(ast);
        checker.no_main(ast, program.fields.as_deref());
        checker.streams(ast);
        checker.errors.sort_by_key(position_of);
        checker
    }

    /// The most that may be done at a place: a test is run on sandboxes alone, and may do anything there.
    pub(super) fn effect_at(&self, position: Position) -> Effect {
        if self.tests.has(position) {
            Effect::Destroy
        } else {
            self.effect
        }
    }

    fn node(&mut self, node: &ASTNode) {
        match node {
            ASTNode::Expr(Expr::FnCall(call, position))
            | ASTNode::Stmt(Stmt::FnCall(call, position)) => {
                self.call(call, *position);
            }
            ASTNode::Expr(Expr::MethodCall(call, position)) => self.method(call, *position),
            _ => {}
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position) {
        if call.op_token.is_some() || call.name.contains('$') {
            return;
        }
        if call.namespace.is_empty() {
            self.unqualified(call, position);
        } else {
            self.qualified(call, begin_of(call, position));
        }
    }

    fn unqualified(&mut self, call: &FnCallExpr, position: Position) {
        let name = call.name.as_str();
        if KEYWORDS.contains(&name) {
            return;
        }
        // A function of the script's own goes before one of ours.
        if !self
            .own
            .get(name)
            .is_some_and(|takes| takes.counts.contains(&call.args.len()))
        {
            self.options_and_effect(call, name, call.args.len(), position);
        }
        let mut known = self.own.get(name).cloned().unwrap_or_default();
        if let Some(global) = self.global.get(name) {
            known.counts.extend(&global.counts);
        }
        if known.counts.is_empty() {
            let names = self.own.keys().chain(self.global.keys());
            let near = nearest(name, names.map(String::as_str)).map(str::to_owned);
            let error =
                Error::usage(format!("there is no function '{name}'")).suggest(near.as_deref());
            self.error(error, position);
        } else {
            self.arity(name, call.args.len(), &known, position);
        }
    }

    fn qualified(&mut self, call: &FnCallExpr, position: Position) {
        let root = call.namespace.root();
        let path = path_of(call);
        let count = call.args.len();
        if call.namespace.path.len() > 1 {
            // Of a module in a module nothing is known.
            return;
        }
        if let Some(imported) = self.imports.get(root).cloned() {
            self.imported(&imported, call, &path, position);
        } else if let Some(namespace) = self.engine.registry.namespace(root) {
            let functions = namespace.functions.iter();
            let functions = arities(functions.map(|function| (function.name, function.arities())));
            self.options_and_effect(call, &path, count, position);
            self.known_in(&path, count, &functions, root, position);
        }
    }

    /// A call into what goes by an alias.
    fn imported(
        &mut self,
        imported: &[Option<Rc<Imported>>],
        call: &FnCallExpr,
        path: &str,
        at: Position,
    ) {
        let count = call.args.len();
        let takes = |imported: &Option<Rc<Imported>>| {
            imported.as_ref().is_none_or(|imported| {
                let known = imported.functions.get(call.name.as_str());
                known.is_some_and(|takes| takes.counts.contains(&count))
            })
        };
        // Which of several it is at this place is not worked out: it is taken to be the one that has the function.
        let meant = imported.iter().find(|one| takes(one)).or(imported.last());
        if let Some(Some(imported)) = meant {
            self.known_in(path, count, &imported.functions, &imported.path, at);
            self.effect_of_import(imported, call, path, at);
        }
    }

    /// Whether the header allows what an imported function can come to do.
    fn effect_of_import(
        &mut self,
        imported: &Imported,
        call: &FnCallExpr,
        path: &str,
        position: Position,
    ) {
        let most = self.effect_at(position);
        let reached = imported.reached(self.engine, &call.name);
        if let Some(reached) = reached.filter(|reached| reached.effect > most) {
            let does = format!("{path} can come to {}, which", reached.by);
            // By its names alone: which of several functions is called, and whether, is the gate's to know.
            self.idly(beyond_header(&does, reached.effect, most), position);
        }
    }

    /// Whether a module has such a function, and whether it takes so many arguments.
    fn known_in(
        &mut self,
        path: &str,
        count: usize,
        functions: &Arities,
        module: &str,
        at: Position,
    ) {
        let (root, name) = path.split_once("::").unwrap_or(("", path));
        if let Some(known) = functions.get(name) {
            return self.arity(path, count, known, at);
        }
        let near = nearest(name, functions.keys().map(String::as_str));
        let near = near.map(|near| format!("{root}::{near}"));
        let mut error = Error::usage(format!("there is no function '{path}'"))
            .suggest(near.as_deref())
            .hint(what_there_is(module, functions));
        if module != root && self.engine.registry.find(path).next().is_some() {
            error = error.hint(format!(
                "the import hides the namespace '{root}': give it another name"
            ));
        }
        self.error(error, at);
    }

    fn arity(&mut self, path: &str, count: usize, known: &Takes, position: Position) {
        if !known.counts.contains(&count) {
            let function = self.engine.registry.find(path).next();
            self.error(wrong_arity(path, count, known, function), position);
        }
    }

    fn method(&mut self, call: &FnCallExpr, position: Position) {
        let name = call.name.as_str();
        if call.op_token.is_some() || KEYWORDS.contains(&name) {
            return;
        }
        let native = self
            .global
            .get(name)
            .is_some_and(|known| known.counts.contains(&(call.args.len() + 1)));
        let own = self
            .own
            .get(name)
            .is_some_and(|known| known.counts.contains(&call.args.len()));
        // A map may hold a closure by that name.
        if native || own || self.keys.contains(name) {
            return;
        }
        let others = self.global.get(name);
        let error = if let Some(known) = others {
            let takes = known.counts.iter().filter_map(|count| count.checked_sub(1));
            Error::usage(format!(
                "method '{name}' takes {}, not {}",
                counted(takes),
                call.args.len()
            ))
        } else {
            let near = nearest(name, self.global.keys().map(String::as_str)).map(str::to_owned);
            Error::usage(format!("no type is known to have a method '{name}'"))
                .suggest(near.as_deref())
        };
        self.warning(error, position);
    }

    /// Notes what is wrong. It is the script that is, whatever the parts of it that could not be read.
    pub(super) fn error(&mut self, mut error: Error, position: Position) {
        if error.kind() != Kind::EffectRefused {
            error.detail_mut().kind = Kind::Usage;
        }
        let error = self.placed(error, position);
        self.errors.push(error);
    }

    /// Notes what may be wrong.
    pub(super) fn warning(&mut self, error: Error, position: Position) {
        let error = self.placed(error, position);
        self.warnings.push(error);
    }

    /// Notes what does nothing, or may be too much.
    pub(super) fn idly(&mut self, error: Error, position: Position) {
        let error = self.placed(error, position);
        self.idle.push(error);
    }

    /// The error with its place and the text there.
    pub(super) fn placed(&self, error: Error, position: Position) -> Error {
        placed(self.session, self.source, error, position)
    }
}

/// An error with its place in a text, and the line there.
pub(super) fn placed(session: &Session, source: &str, error: Error, position: Position) -> Error {
    let at = position.line().map(|line| Place {
        source: source.to_owned(),
        line,
        column: position.position().unwrap_or(0),
    });
    let trace = Trace {
        at,
        excerpt: None,
        calls: Vec::new(),
    };
    with_excerpt(error.traced(trace), session)
}

/// Where the text of a call begins, which stands at its name.
pub(super) fn begin_of(call: &FnCallExpr, at: Position) -> Position {
    call.namespace.path.first().map_or(at, |root| root.pos)
}

/// A function as it is called, as in `stac::items`.
pub(super) fn path_of(call: &FnCallExpr) -> String {
    if call.namespace.is_empty() {
        call.name.to_string()
    } else {
        format!("{}::{}", call.namespace.root(), call.name)
    }
}
