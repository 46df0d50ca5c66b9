//! What a script has and does nothing with, found in the text: an import that nothing uses, which `dashictl check` alone tells, and a
//! loop without a body, which is an error: it would not even see what fails.

use std::collections::BTreeSet;

use super::scopes::{Declaration, Scopes};
use super::walk::walk;
use crate::error::Error;
use rhai::{AST, ASTNode, Expr, Position, Stmt};

/// Something that does nothing.
#[derive(Clone)]
pub(super) struct Idle {
    /// What it is.
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: &'static str,
    /// Where it stands.
    pub(super) at: Position,
}

impl Idle {
    /// It as it is told.
    pub(super) fn error(self) -> Error {
        Error::usage(self.message).hint(self.hint)
    }
}

/// The loops without a body, but for those that count.
pub(super) fn empty_loops(ast: &AST) -> Vec<Idle> {
    let (mut empty, mut ranges) = (Vec::new(), BTreeSet::new());
    walk(ast, |path| match path.last() {
        Some(ASTNode::Stmt(Stmt::Var(variable, _, at))) if counts(&variable.1) => {
            ranges.insert(Declaration::Statement(*at));
        }
        Some(ASTNode::Stmt(Stmt::For(parts, at)))
            if parts.2.body.is_empty() && !counts(&parts.2.expr) =>
        {
            empty.push((variable_of(&parts.2.expr), *at));
        }
        _ => {}
    });
    let scopes = (!empty.is_empty()).then(|| Scopes::of(ast));
    empty.retain(|(variable, _)| {
        let variable = variable.as_ref();
        let declaration = variable.and_then(|(name, at)| scopes.as_ref()?.declaration(name, *at));
        declaration.is_none_or(|declaration| !ranges.contains(declaration))
    });
    let told = empty.into_iter().map(|(_, at)| Idle {
        message: "this list is read to its end, and nothing is done with it".to_owned(),
        hint: "write what is to be done with each, or .drain() where reading it is what is wanted",
        at,
    });
    told.collect()
}

fn variable_of(list: &Expr) -> Option<(String, Position)> {
    match list {
        Expr::Variable(variable, _, at) => Some((variable.1.to_string(), *at)),
        _ => None,
    }
}

/// Whether a loop over this goes through what is written out.
fn counts(list: &Expr) -> bool {
    match list {
        Expr::FnCall(call, _) => matches!(call.name.as_str(), ".." | "..=" | "range"),
        Expr::Array(..) | Expr::DynamicConstant(..) => true,
        _ => false,
    }
}

/// What nothing in a script uses.
pub(super) fn idle(ast: &AST) -> Vec<Idle> {
    let (mut imports, mut roots, mut idle) = (Vec::new(), BTreeSet::new(), Vec::new());
    walk(ast, |path| match path.last() {
        Some(ASTNode::Stmt(Stmt::Import(import, at))) => {
            imports.push((import.1.name.to_string(), *at));
        }
        Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _)))
            if !call.namespace.is_empty() =>
        {
            roots.insert(call.namespace.root().to_owned());
        }
        Some(ASTNode::Expr(Expr::Variable(variable, _, _))) if !variable.2.is_empty() => {
            roots.insert(variable.2.root().to_owned());
        }
        _ => {}
    });
    idle.extend(
        imports
            .into_iter()
            .filter(|(alias, _)| !roots.contains(alias))
            .map(|(alias, at)| Idle {
                hint: if alias.is_empty() {
                    "give it a name, by which its functions are called: import \"…\" as name;"
                } else {
                    "leave it out"
                },
                message: if alias.is_empty() {
                    "an import without a name: nothing can use it".to_owned()
                } else {
                    format!("nothing uses the import '{alias}'")
                },
                at,
            }),
    );
    idle
}
