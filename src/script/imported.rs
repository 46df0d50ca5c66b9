//! What a script imports: which functions there are, and what each of them can come to do.

use std::collections::BTreeMap;
use std::rc::Rc;

use rhai::{AST, ASTNode, Expr, Position, Stmt};

use super::arity::{Arities, functions_of};
use super::literal::literal;
use super::parse::parse;
use super::program::Program;
use super::reach::{Reached, reach_of};
use super::walk::walk;
use crate::engine::Engine;
use crate::error::Error;
use crate::session::Session;

/// A library, or a file of functions.
pub(super) struct Imported {
    /// The path that the script names.
    pub(super) path: String,
    /// Its functions.
    pub(super) functions: Arities,
    /// Its text.
    pub(super) ast: AST,
    /// Where it is imported.
    pub(super) at: Position,
}

impl Imported {
    /// Whether it calls functions behind this name, and imports nothing by it itself.
    pub(super) fn calls(&self, root: &str) -> bool {
        let (mut calls, mut imports) = (false, false);
        walk(&self.ast, |path| match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                calls |= !call.namespace.is_empty() && call.namespace.root() == root;
            }
            Some(ASTNode::Stmt(Stmt::Import(import, _))) => imports |= import.1.name == root,
            _ => {}
        });
        calls && !imports
    }

    /// The most that one of its functions can come to do, and by what; what the run made itself it may take away in a
    /// script that writes.
    pub(super) fn reached(&self, engine: &Engine, function: &str) -> Option<Reached> {
        reach_of(engine, &self.ast, function)
    }
}

/// The imports of a script by alias, of which several may go by one in different places; none of a path that is no literal, so
/// that nothing is known, and of one that could not be read, which is among the errors.
pub(super) type Imports = BTreeMap<String, Vec<Option<Rc<Imported>>>>;

/// Reads what a script imports.
pub(super) fn imports(
    engine: &Engine,
    session: &Session,
    source: &str,
    ast: &AST,
) -> (Imports, Vec<(Error, Position)>) {
    let mut found = Vec::new();
    walk(ast, |path| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, position))) = path.last() {
            found.push((literal(&import.0), import.1.name.to_string(), *position));
        }
    });
    let (mut imports, mut errors) = (Imports::new(), Vec::new());
    for (path, alias, position) in found {
        let read = path.map(|path| {
            let (id, text) = engine.resolver.read(Some(source), &path)?;
            let ast = parse(engine, session, &Program::imported(&id, &text))?;
            Ok(Rc::new(Imported {
                functions: functions_of(&ast),
                path,
                ast,
                at: position,
            }))
        });
        let imported = match read.transpose() {
            Ok(imported) => imported,
            Err(error) => {
                errors.push((error, position));
                None
            }
        };
        imports.entry(alias).or_default().push(imported);
    }
    (imports, errors)
}

/// Where the functions of a module are listed; those of a file of the operator's, themselves.
pub(super) fn what_there_is(module: &str, functions: &Arities) -> String {
    if module.starts_with("std/") || !module.contains(['/', '.']) {
        return format!("`dashictl doc {module}` lists what there is");
    }
    let names: Vec<&str> = functions.keys().map(String::as_str).collect();
    format!("{module} has {}", names.join(", "))
}
