//! What a script has and does nothing with, found in the text: an import that nothing uses, a list that is read for nothing. Told by
//! `dashictl check` alone: such a script runs all the same.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

/// Something that does nothing.
pub(super) struct Idle {
    /// What it is.
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: &'static str,
    /// Where it stands.
    pub(super) at: Position,
}

/// What does nothing in a script. `is_stream` says of a call whether it gives a list that is read as it comes.
pub(super) fn idle(ast: &AST, is_stream: impl Fn(&FnCallExpr) -> bool) -> Vec<Idle> {
    let (mut imports, mut roots, mut idle) = (Vec::new(), BTreeSet::new(), Vec::new());
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Import(import, at))) => imports.push((import.1.name.to_string(), *at)),
            Some(ASTNode::Stmt(Stmt::For(parts, at))) if parts.2.body.is_empty() && gives_stream(&parts.2.expr, &is_stream) => {
                idle.push(Idle {
                    message: "this list is read to its end, and nothing is done with it".to_owned(),
                    hint: "write what is to be done with each, or .drain() where reading it is what is wanted",
                    at: *at,
                });
            }
            Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) if !call.namespace.is_empty() => {
                roots.insert(call.namespace.root().to_owned());
            }
            Some(ASTNode::Expr(Expr::Variable(variable, _, _))) if !variable.2.is_empty() => {
                roots.insert(variable.2.root().to_owned());
            }
            _ => {}
        }
        true
    });
    idle.extend(
        imports
            .into_iter()
            .filter(|(alias, _)| !roots.contains(alias))
            .map(|(alias, at)| Idle {
                message: format!("nothing uses the import '{alias}'"),
                hint: "leave it out",
                at,
            }),
    );
    idle
}

/// Whether an expression is a call that gives a stream, or such a call with methods behind it.
fn gives_stream(expression: &Expr, is_stream: &impl Fn(&FnCallExpr) -> bool) -> bool {
    match expression {
        Expr::FnCall(call, _) => is_stream(call),
        Expr::Dot(parts, _, _) => gives_stream(&parts.lhs, is_stream),
        _ => false,
    }
}
