//! The most that a piece of script can come to do: the effects of all native functions that it reaches, also through its own
//! functions, its closures and what it imports. What is called through a value that was made elsewhere is not seen here; the
//! gate refuses it where it is too much.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Stmt};

use super::literal::literal;
use super::spans::Spans;
use crate::effects::Effect;
use crate::engine::Engine;

/// A function of a script, by the script's name and its own.
type Name = (String, String);

/// The most that the statements of `own` can come to do. They may call the functions of `ast`, which has these too; those that
/// `also` names are taken to be called.
pub(crate) fn reach(engine: &Engine, ast: &AST, own: &AST, also: &[String]) -> Effect {
    let mut reach = Reach {
        engine,
        most: Effect::Read,
        seen: BTreeSet::new(),
    };
    let imports = imports_of(ast);
    let mut found = Found::default();
    for statement in own.statements() {
        statement.walk(&mut Vec::new(), &mut |path| found.take(path));
    }
    found.own.extend(also.iter().cloned());
    // Closures of the statements themselves.
    found.own.extend(closures(own, None));
    reach.follow(ast, &imports, found);
    reach.most
}

struct Reach<'a> {
    engine: &'a Engine,
    most: Effect,
    seen: BTreeSet<Name>,
}

impl Reach<'_> {
    fn follow(&mut self, ast: &AST, imports: &BTreeMap<String, String>, found: Found) {
        for path in &found.native {
            let effects = self
                .engine
                .registry
                .find(path)
                .map(|function| function.effect);
            self.most = effects.fold(self.most, Effect::max);
        }
        for name in found.own {
            self.enter(ast, imports, &name);
        }
        for (alias, name) in found.qualified {
            let Some(path) = imports.get(&alias) else {
                continue;
            };
            let parsed = self
                .engine
                .resolver
                .parse(&self.engine.rhai, ast.source(), path);
            if let Ok(module) = parsed {
                let imports = imports_of(&module);
                self.enter(&module, &imports, &name);
            }
        }
    }

    /// Goes into the functions of that name, with the closures that stand in them.
    fn enter(&mut self, ast: &AST, imports: &BTreeMap<String, String>, name: &str) {
        let source = ast.source().unwrap_or_default().to_owned();
        if !self.seen.insert((source, name.to_owned())) {
            return;
        }
        let mut found = Found::default();
        ast.clone_functions_only_filtered(|_, _, _, known, _| known == name)
            .walk(&mut |path: &[ASTNode]| found.take(path));
        found.own.extend(closures(ast, Some(name)));
        self.follow(ast, imports, found);
    }
}

/// What some statements call.
#[derive(Default)]
struct Found {
    native: BTreeSet<String>,
    own: BTreeSet<String>,
    qualified: BTreeSet<Name>,
}

impl Found {
    fn take(&mut self, path: &[ASTNode]) -> bool {
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
        true
    }

    fn call(&mut self, call: &FnCallExpr) {
        if call.namespace.is_empty() {
            self.native.insert(call.name.to_string());
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
            self.native.insert(format!("{root}::{}", call.name));
            self.qualified
                .insert((root.to_owned(), call.name.to_string()));
        }
    }
}

/// The paths of what a script imports, by alias.
fn imports_of(ast: &AST) -> BTreeMap<String, String> {
    let mut imports = BTreeMap::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, _))) = path.last()
            && let Some(path) = literal(&import.0)
        {
            imports.insert(import.1.name.to_string(), path);
        }
        true
    });
    imports
}

/// The closures of a script that stand in the functions of a name; without one, those that stand in none.
fn closures(ast: &AST, within: Option<&str>) -> Vec<String> {
    let spans = Spans::of(ast);
    ast.iter_fn_def()
        .filter(|function| function.name.contains('$'))
        .filter(|closure| spans.name_at(closure.body.start_position()) == within)
        .map(|closure| closure.name.to_string())
        .collect()
}
