//! The ways to look into the result of a change that a plan pass cannot see, found in the text: `switch`, `??`, `type_of`
//! and a bare condition. The engine tells the host nothing of them, so that a plan would go on as if it knew.

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::results::Results;
use super::walk::walk;

/// One such look: what it is, and where.
pub(crate) struct HiddenLook {
    /// How it is written, as in `switch`.
    pub(crate) how: &'static str,
    /// Where it stands.
    pub(crate) at: Position,
}

/// The hidden looks of a script, at calls that change something, also by its own functions, and at variables that hold what such a
/// call gave back.
pub(crate) fn hidden_looks(ast: &AST, changes: impl Fn(&FnCallExpr) -> bool) -> Vec<HiddenLook> {
    let mut has_changes = false;
    walk(ast, |path| {
        has_changes |= match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                changes(call)
            }
            _ => false,
        };
    });
    if !has_changes {
        return Vec::new();
    }
    let results = Results::of(ast, &changes);
    let is_result = |expression: &Expr| results.has(expression);
    let mut looks = Vec::new();
    walk(ast, |path| {
        let look = path.last().and_then(|node| look(node, &is_result));
        looks.extend(look.map(|(how, at)| HiddenLook { how, at }));
    });
    looks
}

fn look(node: &ASTNode, is_result: &impl Fn(&Expr) -> bool) -> Option<(&'static str, Position)> {
    match node {
        ASTNode::Stmt(Stmt::Switch(switch, at)) if is_result(&switch.0) => Some(("switch", *at)),
        ASTNode::Stmt(Stmt::If(flow, at)) if is_result(&flow.expr) => Some(("if", *at)),
        ASTNode::Stmt(Stmt::While(flow, at)) if is_result(&flow.expr) => Some(("while", *at)),
        ASTNode::Expr(Expr::Coalesce(parts, at)) if parts.first().is_some_and(is_result) => {
            Some(("??", *at))
        }
        ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at)) => {
            let asks = call.name == "type_of" && call.args.first().is_some_and(is_result);
            asks.then_some(("type_of", *at))
        }
        ASTNode::Expr(Expr::Dot(dot, _, at)) if is_result(&dot.lhs) => {
            let asks = matches!(&dot.rhs, Expr::MethodCall(call, _) if call.name == "type_of");
            asks.then_some(("type_of", *at))
        }
        _ => None,
    }
}
