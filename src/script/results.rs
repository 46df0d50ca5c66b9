//! Where in a script the result of a change is: at the calls that change something, in the variables that hold what they gave back, in
//! what own functions give of it.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Stmt, StmtBlock};

use super::bodies::{Bodies, Value, value_of};
use super::scopes::{Declaration, Scopes, last_of_expression};
use super::spans::{Place, place};
use super::walk::walk;

/// Who gives a result, and what holds it.
pub(super) struct Results<'a> {
    changes: &'a dyn Fn(&FnCallExpr) -> bool,
    scopes: Scopes,
    /// Where each variable is given a value, and whether that is a result.
    held: BTreeMap<Declaration, BTreeMap<Place, bool>>,
    /// The script's own functions that give one, with how many arguments each takes.
    own: BTreeSet<(String, usize)>,
}

impl Results<'_> {
    /// Follows a script from the native functions on that change something.
    pub(super) fn of<'a>(ast: &AST, changes: &'a dyn Fn(&FnCallExpr) -> bool) -> Results<'a> {
        let mut results = Results {
            changes,
            scopes: Scopes::of(ast),
            held: BTreeMap::new(),
            own: BTreeSet::new(),
        };
        let bodies = Bodies::of(ast);
        let functions = ast.iter_fn_def().map(|function| {
            let said = place(function.body.start_position());
            (said, (function.name.to_string(), function.params.len()))
        });
        let functions: BTreeMap<Place, (String, usize)> = functions.collect();
        // The functions come in no order: what variables hold is settled before it is said what functions give.
        loop {
            results.settle(ast);
            let mut own = BTreeSet::new();
            walk(ast, |path| {
                let body = results.returned(path, &bodies);
                own.extend(body.and_then(|body| functions.get(&body)).cloned());
            });
            let is_settled = own.is_subset(&results.own);
            results.own.extend(own);
            if is_settled {
                return results;
            }
        }
    }

    /// Works out what each variable holds, by what the functions give as far as that is known.
    fn settle(&mut self, ast: &AST) {
        loop {
            let before = self.held.clone();
            walk(ast, |path| {
                if let Some((declaration, at, is_result)) = self.given(path) {
                    let given = self.held.entry(declaration).or_default();
                    given.insert(at, is_result);
                }
            });
            if before == self.held {
                return;
            }
        }
    }

    /// The variable that the last node of a path gives a value, where that is whole, and whether the value is a result.
    fn given(&self, path: &[ASTNode]) -> Option<(Declaration, Place, bool)> {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(variable, _, at))) => {
                let end = last_of_expression(&variable.1).max(place(*at));
                Some((Declaration::Statement(*at), end, self.has(&variable.1)))
            }
            Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
                let declaration = self.declaration(&assignment.1.lhs)?.clone();
                let end = last_of_expression(&assignment.1.rhs);
                Some((declaration, end, self.has(&assignment.1.rhs)))
            }
            _ => None,
        }
    }

    /// The body of the function that gives a result by the last node of a path.
    fn returned(&self, path: &[ASTNode], bodies: &Bodies) -> Option<Place> {
        let Some(ASTNode::Stmt(statement)) = path.last() else {
            return None;
        };
        let gives = match statement {
            Stmt::Return(Some(value), flags, at) => {
                let is_throw = flags.contains(rhai::ASTFlags::BREAK);
                (!is_throw && self.has(value)).then_some(*at)
            }
            other if self.is_given(other) => Some(other.position()),
            _ => None,
        };
        let body = gives.and_then(|at| bodies.innermost(place(at)))?;
        let is_returned = matches!(statement, Stmt::Return(..))
            || matches!(value_of(path), Value::OfBody(root) if bodies.is_last(root));
        is_returned.then_some(body)
    }

    /// Whether an expression is the result of a change.
    pub(super) fn has(&self, expression: &Expr) -> bool {
        match expression {
            Expr::FnCall(call, _) => self.changes(call),
            Expr::Stmt(block) => self.ends_in_one(block),
            other => self.is_held(other),
        }
    }

    /// Whether a variable holds a result, by what it was given last before this place.
    fn is_held(&self, variable: &Expr) -> bool {
        let declaration = self.declaration(variable);
        let given = declaration.and_then(|declaration| self.held.get(declaration));
        let at = place(variable.position());
        given.is_some_and(|given| {
            let before = given.range(..at).next_back();
            before.is_some_and(|(_, is_result)| *is_result)
        })
    }

    fn changes(&self, call: &FnCallExpr) -> bool {
        let called = (call.name.to_string(), call.args.len());
        let is_own = call.namespace.is_empty() && self.own.contains(&called);
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
