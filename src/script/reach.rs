//! The most that a piece of script can come to do: the effects of all native functions that it reaches, also through its own
//! functions, its closures and what it imports. What is called through a value that was made elsewhere is not seen here; the
//! gate refuses it where it is too much.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Stmt};

use super::literal::{literal, says_own};
use super::spans::Spans;
use super::walk::walk;
use crate::effects::Effect;
use crate::engine::Engine;

/// A function of a script, by the script's name and its own.
type Name = (String, String);

/// The most that the statements of `own` can come to do. They may call the functions of `ast`, which has these too; those that
/// `also` names are taken to be called.
pub(crate) fn reach(engine: &Engine, ast: &AST, own: &AST, also: &[String]) -> Effect {
    let mut reach = Reach::new(engine, false);
    let mut first = Calls::of(own).0.remove(&None).unwrap_or_default();
    first.own.extend(also.iter().cloned());
    reach.follow(&Rc::new(Module::of(ast)), &first);
    reach.most.map_or(Effect::Read, |most| most.effect)
}

/// The names of all that the statements of a script come to call of its own functions.
pub(crate) fn called(ast: &AST) -> BTreeSet<String> {
    let calls = Calls::of(ast);
    calls.from(calls.of_statements())
}

/// What a function can come to do.
pub(super) struct Reached {
    /// That.
    pub(super) effect: Effect,
    /// By this native function.
    pub(super) by: String,
}

/// The most that a function of a script can come to do; none where that is to read. What only takes away what the run made itself
/// writes.
pub(super) fn reach_of(engine: &Engine, ast: &AST, function: &str) -> Option<Reached> {
    let mut reach = Reach::new(engine, true);
    reach.enter(&Rc::new(Module::of(ast)), function);
    reach.most
}

/// A script with what its functions call and what it imports.
struct Module {
    source: Option<String>,
    calls: Calls,
    /// The paths of what it imports, by alias, of which several may go by one in different places.
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl Module {
    fn of(ast: &AST) -> Module {
        Module {
            source: ast.source().map(str::to_owned),
            calls: Calls::of(ast),
            imports: imports_of(ast),
        }
    }
}

struct Reach<'a> {
    engine: &'a Engine,
    /// Whether what takes away only what the run made itself is known to do so.
    trusts_own: bool,
    most: Option<Reached>,
    /// What was imported, by the script that does and the path it names.
    modules: BTreeMap<(Option<String>, String), Option<Rc<Module>>>,
    seen: BTreeSet<Name>,
}

impl<'a> Reach<'a> {
    fn new(engine: &'a Engine, trusts_own: bool) -> Reach<'a> {
        Reach {
            engine,
            trusts_own,
            most: None,
            modules: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Notes what a native function does.
    fn native(&mut self, path: &str, is_own: bool) {
        let functions = self.engine.registry.find(path);
        let effect = functions.map(|function| function.effect).max();
        let limit = if is_own && self.trusts_own {
            Effect::Write
        } else {
            Effect::Destroy
        };
        let effect = effect.unwrap_or(Effect::Read).min(limit);
        let before = self.most.as_ref().map_or(Effect::Read, |most| most.effect);
        if effect > before {
            self.most = Some(Reached {
                effect,
                by: path.to_owned(),
            });
        }
    }

    fn follow(&mut self, module: &Rc<Module>, found: &Found) {
        for (path, is_own) in &found.native {
            self.native(path, *is_own);
        }
        for name in &found.own {
            self.enter(module, name);
        }
        for (alias, name) in &found.qualified {
            for path in module.imports.get(alias).into_iter().flatten() {
                if let Some(imported) = self.imported(module, path) {
                    self.enter(&imported, name);
                }
            }
        }
    }

    /// Goes into the functions of that name.
    fn enter(&mut self, module: &Rc<Module>, name: &str) {
        let source = module.source.clone().unwrap_or_default();
        if !self.seen.insert((source, name.to_owned())) {
            return;
        }
        if let Some(found) = module.calls.0.get(&Some(name.to_owned())) {
            self.follow(module, found);
        }
    }

    fn imported(&mut self, by: &Module, path: &str) -> Option<Rc<Module>> {
        let Engine { rhai, resolver, .. } = self.engine;
        let known = self.modules.entry((by.source.clone(), path.to_owned()));
        let module = known.or_insert_with(|| {
            let parsed = resolver.parse(rhai, by.source.as_deref(), path);
            parsed.ok().map(|ast| Rc::new(Module::of(&ast)))
        });
        module.clone()
    }
}

/// What each named function of a script calls, with its closures, and what is called in none. Where a statement stands says
/// whose it is: the engine's own choice of functions by name gives all of them.
pub(super) struct Calls(BTreeMap<Option<String>, Found>);

impl Calls {
    pub(super) fn of(ast: &AST) -> Calls {
        let (spans, closures) = (Spans::of(ast), Spans::of_closures(ast));
        let mut calls: BTreeMap<Option<String>, Found> = BTreeMap::new();
        walk(ast, |path| {
            let within = path
                .first()
                .and_then(|first| spans.name_at(first.position()));
            // A closure may be called by itself, from a variable that holds it. What is walked begins with a statement of its body.
            let first = path.first().map(ASTNode::position);
            for closure in first.iter().flat_map(|at| closures.all_at(*at)) {
                calls
                    .entry(Some(closure.to_owned()))
                    .or_default()
                    .take(path);
            }
            calls
                .entry(within.map(str::to_owned))
                .or_default()
                .take(path);
        });
        Calls(calls)
    }

    /// The names that the statements of the script call.
    pub(super) fn of_statements(&self) -> BTreeSet<String> {
        let found = self.0.get(&None).map(|found| found.own.clone());
        found.unwrap_or_default()
    }

    /// Some functions, and the names that come to be called from them on.
    pub(super) fn from(&self, first: BTreeSet<String>) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<String> = first.into_iter().collect();
        while let Some(name) = open.pop() {
            let known = reached.insert(name.clone()).then_some(Some(name));
            let found = known.and_then(|name| self.0.get(&name));
            open.extend(
                found
                    .into_iter()
                    .flat_map(|found| found.own.iter().cloned()),
            );
        }
        reached
    }
}

/// What some statements call.
#[derive(Default)]
struct Found {
    /// With whether each takes away only what the run made itself.
    native: BTreeSet<(String, bool)>,
    own: BTreeSet<String>,
    qualified: BTreeSet<Name>,
}

impl Found {
    fn take(&mut self, path: &[ASTNode]) {
        match path.last() {
            Some(
                ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _))
                | ASTNode::Stmt(Stmt::FnCall(call, _)),
            ) => self.call(call),
            Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) => {
                let name = value
                    .read_lock::<rhai::FnPtr>()
                    .map(|function| function.fn_name().to_owned());
                self.own.extend(name);
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &FnCallExpr) {
        let is_own = says_own(call) == Ok(true);
        if call.namespace.is_empty() {
            self.native.insert((call.name.to_string(), is_own));
            self.own.insert(call.name.to_string());
            // `Fn("name")`
            self.own.extend(
                call.args
                    .iter()
                    .filter_map(literal)
                    .filter(|_| call.name == "Fn"),
            );
        } else {
            let root = call.namespace.root();
            self.native
                .insert((format!("{root}::{}", call.name), is_own));
            self.qualified
                .insert((root.to_owned(), call.name.to_string()));
        }
    }
}

/// The paths of what a script imports, by alias.
fn imports_of(ast: &AST) -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    walk(ast, |path| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, _))) = path.last()
            && let Some(path) = literal(&import.0)
        {
            let alias = import.1.name.to_string();
            imports.entry(alias).or_default().insert(path);
        }
    });
    imports
}
