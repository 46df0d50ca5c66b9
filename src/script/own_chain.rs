//! Chains that begin with a variable and use it in one of their own closures, as `sets.keys().map(|name| sets[name])` does: the
//! engine holds the variable for the chain, and the closure cannot have it.

use rhai::{AST, ASTFlags, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::walk::walk;
use crate::error::Error;

/// One of them.
pub(super) struct OwnChain {
    /// The variable.
    pub(super) name: String,
    /// Where the chain begins.
    pub(super) at: Position,
}

impl OwnChain {
    /// What the engine would refuse as a race when it comes to it.
    pub(super) fn error(&self) -> Error {
        let name = &self.name;
        let message =
            format!("this chain begins with '{name}', and a closure in it uses '{name}' as well");
        Error::usage(message).hint(format!(
            "take it apart: let values = {name}…; and then values.map(…)"
        ))
    }
}

/// All of a script.
pub(super) fn own_chains(ast: &AST) -> Vec<OwnChain> {
    let mut found = Vec::new();
    walk(ast, |path| {
        if let Some(ASTNode::Expr(chain @ (Expr::Dot(parts, ..) | Expr::Index(parts, ..)))) =
            path.last()
            && let Some((name, at)) = root(&parts.lhs)
            && captures_behind(chain, name)
        {
            found.push(OwnChain {
                name: name.to_owned(),
                at,
            });
        }
    });
    found.sort_by_key(|chain| (chain.at.line(), chain.at.position()));
    found.dedup_by_key(|chain| chain.at);
    found
}

/// The variable that a chain begins with.
fn root(expression: &Expr) -> Option<(&str, Position)> {
    match expression {
        Expr::Variable(variable, _, at) if variable.2.is_empty() => Some((&variable.1, *at)),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => root(&parts.lhs),
        _ => None,
    }
}

/// Whether a closure among the arguments of a chain's calls has the variable. Deeper ones are handed to other calls.
fn captures(chain: &Expr, name: &str) -> bool {
    match chain {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => {
            captures(&parts.lhs, name) || captures_behind(chain, name)
        }
        Expr::MethodCall(call, _) | Expr::FnCall(call, _) => call
            .args
            .iter()
            .any(|argument| is_closure_with(argument, name)),
        _ => false,
    }
}

/// The same of what follows the first value. An index itself is known before the variable is held.
fn captures_behind(chain: &Expr, name: &str) -> bool {
    match chain {
        Expr::Dot(parts, ..) => captures(&parts.rhs, name),
        Expr::Index(_, flags, _) if flags.contains(ASTFlags::BREAK) => false,
        Expr::Index(parts, ..) => match &parts.rhs {
            inner @ (Expr::Dot(..) | Expr::Index(..)) => captures_behind(inner, name),
            _ => false,
        },
        _ => false,
    }
}

/// A closure that captures is a call of `curry` with what it captures, behind the statements that share it.
fn is_closure_with(argument: &Expr, name: &str) -> bool {
    match argument {
        Expr::FnCall(call, _) => curries(call, name),
        Expr::Stmt(block) => block.iter().any(|statement| match statement {
            Stmt::Expr(inner) => is_closure_with(inner, name),
            Stmt::FnCall(call, _) => curries(call, name),
            _ => false,
        }),
        _ => false,
    }
}

fn curries(call: &FnCallExpr, name: &str) -> bool {
    let is_it =
        |argument: &Expr| matches!(argument, Expr::Variable(variable, ..) if variable.1 == name);
    call.name == "curry" && call.args.iter().any(is_it)
}
