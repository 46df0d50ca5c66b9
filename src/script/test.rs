//! The functions of a script that are tests: they are called by `dashictl test` alone, and only on sandboxes.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::spans::Spans;

/// What the name of a test begins with.
const PREFIX: &str = "test_";

/// A function that is a test.
pub(crate) struct Test {
    /// Its name.
    pub(crate) name: String,
    /// How many arguments it takes.
    pub(crate) takes: usize,
    /// The line on which it begins.
    pub(crate) line: usize,
}

fn is_test(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The functions of a script that only its tests call, the tests among them. In a library, whose functions others call, the
/// tests alone.
pub(super) struct TestCode {
    spans: Spans,
    names: BTreeSet<String>,
}

impl TestCode {
    pub(super) fn of(ast: &AST) -> TestCode {
        let spans = Spans::of(ast);
        let names = ast.iter_fn_def().map(|function| function.name.to_string());
        let (tests, others): (BTreeSet<String>, BTreeSet<String>) =
            names.partition(|name| is_test(name));
        let mut names = tests;
        if others.contains("main") {
            let reached = reached(&calls(ast, &spans));
            names.extend(others);
            names.retain(|name| !reached.contains(name));
        }
        TestCode { spans, names }
    }

    /// Whether a place is in one of them.
    pub(super) fn has(&self, position: Position) -> bool {
        let function = self.spans.name_at(position);
        function.is_some_and(|name| self.names.contains(name))
    }
}

/// The functions that are called when a script is run.
fn reached(calls: &Calls) -> BTreeSet<String> {
    let mut reached = BTreeSet::from(["main".to_owned()]);
    let mut open = vec![None, Some("main".to_owned())];
    while let Some(caller) = open.pop() {
        let called = calls.get(&caller).into_iter().flatten();
        let new = called.filter(|name| reached.insert((*name).clone()));
        open.extend(new.cloned().map(Some));
    }
    reached
}

/// The names that each function of a script calls, and those that are called in none.
type Calls = BTreeMap<Option<String>, BTreeSet<String>>;

fn calls(ast: &AST, spans: &Spans) -> Calls {
    let mut calls = Calls::new();
    let mut note = |call: &FnCallExpr, at: Position| {
        let caller = spans.name_at(at).map(str::to_owned);
        calls
            .entry(caller)
            .or_default()
            .insert(call.name.to_string());
    };
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(
            ASTNode::Expr(Expr::FnCall(call, at) | Expr::MethodCall(call, at))
            | ASTNode::Stmt(Stmt::FnCall(call, at)),
        ) = path.last()
        {
            note(call, *at);
        }
        true
    });
    calls
}

/// The tests of a script, in the order in which they stand there.
pub(crate) fn tests_of(ast: &AST) -> Vec<Test> {
    let functions = ast.iter_fn_def().filter(|function| is_test(&function.name));
    let mut tests: Vec<Test> = functions
        .map(|function| Test {
            name: function.name.to_string(),
            takes: function.params.len(),
            line: function.body.start_position().line().unwrap_or(0),
        })
        .collect();
    tests.sort_by_key(|test| test.line);
    tests
}
