//! Where in a script the result of a change is: at the calls that change something, in the variables that hold what they gave back, in
//! what own functions give of it.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Stmt, StmtBlock};

use super::bodies::{Bodies, Value, value_of};
use super::scopes::{Declaration, Scopes};
use super::spans::{Place, place};
use super::walk::walk;

/// Who gives a result, and what holds it.
pub(super) struct Results<'a> {
    changes: &'a dyn Fn(&FnCallExpr) -> bool,
    scopes: Scopes,
    holders: BTreeSet<Declaration>,
    /// The script's own functions that give one.
    own: BTreeSet<String>,
}

impl Results<'_> {
    /// Follows a script from the native functions on that change something.
    pub(super) fn of<'a>(ast: &AST, changes: &'a dyn Fn(&FnCallExpr) -> bool) -> Results<'a> {
        let mut results = Results {
            changes,
            scopes: Scopes::of(ast),
            holders: BTreeSet::new(),
            own: BTreeSet::new(),
        };
        let bodies = Bodies::of(ast);
        let names: BTreeMap<Place, String> = ast
            .iter_fn_def()
            .map(|function| {
                (
                    place(function.body.start_position()),
                    function.name.to_string(),
                )
            })
            .collect();
        loop {
            let before = (results.holders.len(), results.own.len());
            walk(ast, |path| {
                let (held, given) = results.next(path, &bodies);
                results.holders.extend(held);
                results
                    .own
                    .extend(given.and_then(|body| names.get(&body)).cloned());
            });
            if before == (results.holders.len(), results.own.len()) {
                return results;
            }
        }
    }

    /// What holds a result by the last node of a path, and the body of the function that gives one by it.
    fn next(&self, path: &[ASTNode], bodies: &Bodies) -> (Option<Declaration>, Option<Place>) {
        let Some(ASTNode::Stmt(statement)) = path.last() else {
            return (None, None);
        };
        let held = match statement {
            Stmt::Var(variable, _, at) => {
                self.has(&variable.1).then_some(Declaration::Statement(*at))
            }
            Stmt::Assignment(assignment) if self.has(&assignment.1.rhs) => {
                self.declaration(&assignment.1.lhs).cloned()
            }
            _ => None,
        };
        let gives = match statement {
            Stmt::Return(Some(value), flags, at) => {
                let is_throw = flags.contains(rhai::ASTFlags::BREAK);
                (!is_throw && self.has(value)).then_some(*at)
            }
            other if self.is_given(other) => Some(other.position()),
            _ => None,
        };
        let body = gives.and_then(|at| bodies.innermost(place(at)));
        let is_returned = matches!(statement, Stmt::Return(..))
            || matches!(value_of(path), Value::OfBody(root) if bodies.is_last(root));
        (held, body.filter(|_| is_returned))
    }

    /// Whether an expression is the result of a change.
    pub(super) fn has(&self, expression: &Expr) -> bool {
        match expression {
            Expr::FnCall(call, _) => self.changes(call),
            Expr::Stmt(block) => self.ends_in_one(block),
            other => self
                .declaration(other)
                .is_some_and(|declaration| self.holders.contains(declaration)),
        }
    }

    fn changes(&self, call: &FnCallExpr) -> bool {
        let is_own = call.namespace.is_empty() && self.own.contains(call.name.as_str());
        is_own || (self.changes)(call)
    }

    fn declaration(&self, expression: &Expr) -> Option<&Declaration> {
        match expression {
            Expr::Variable(variable, _, at) => self.scopes.declaration(&variable.1, *at),
            _ => None,
        }
    }

    fn ends_in_one(&self, block: &StmtBlock) -> bool {
        let last = block.statements().last();
        last.is_some_and(|last| self.is_given(last))
    }

    /// Whether a result is the value of a statement.
    fn is_given(&self, statement: &Stmt) -> bool {
        match statement {
            Stmt::Expr(expression) => self.has(expression),
            Stmt::FnCall(call, _) => self.changes(call),
            Stmt::If(flow, _) => self.ends_in_one(&flow.body) || self.ends_in_one(&flow.branch),
            Stmt::Block(block) => self.ends_in_one(block),
            Stmt::While(flow, _) | Stmt::Do(flow, ..) => self.breaks_with_one(&flow.body),
            _ => false,
        }
    }

    fn breaks_with_one(&self, body: &StmtBlock) -> bool {
        let mut found = false;
        for statement in body {
            statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
                if let Some(ASTNode::Stmt(Stmt::BreakLoop(Some(value), ..))) = path.last() {
                    found |= self.has(value);
                }
                true
            });
        }
        found
    }
}
