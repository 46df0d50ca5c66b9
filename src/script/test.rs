//! The functions of a script that are tests: they are called by `dashictl test` alone, and only on sandboxes.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use rhai::{AST, FnAccess, Position};

use super::reach::Calls;
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

/// The functions of a script that its tests call and a run of it does not, the tests among them. Of a library, others call the
/// functions too that are not `private`, unless its name says that it is there for tests.
pub(super) struct TestCode {
    spans: Spans,
    names: BTreeSet<String>,
}

impl TestCode {
    pub(super) fn of(ast: &AST) -> TestCode {
        let functions = || ast.iter_fn_def().map(|function| function.name.as_str());
        let mut names: BTreeSet<String> = functions()
            .filter(|name| is_test(name))
            .map(str::to_owned)
            .collect();
        // Most scripts have no tests, and are not to pay for those that have.
        if !names.is_empty() {
            let calls = Calls::of(ast);
            let run = calls.from(called_by_others(ast, &calls, &names));
            names = calls.from(names);
            names.retain(|name| !run.contains(name));
        }
        TestCode {
            spans: Spans::of(ast),
            names,
        }
    }

    /// Whether a place is in one of them.
    pub(super) fn has(&self, position: Position) -> bool {
        let function = self.spans.name_at(position);
        function.is_some_and(|name| self.names.contains(name))
    }
}

/// Where a run of the script begins, or whatever imports it.
fn called_by_others(ast: &AST, calls: &Calls, tests: &BTreeSet<String>) -> BTreeSet<String> {
    let functions = || ast.iter_fn_def().filter(|f| !f.name.contains('$'));
    let mut first = calls.of_statements();
    let has_main = functions().any(|function| function.name == "main");
    if has_main || ast.source().is_some_and(is_for_tests) {
        first.insert("main".to_owned());
        return first;
    }
    let public = functions().filter(|function| function.access == FnAccess::Public);
    first.extend(public.map(|function| function.name.to_string()));
    &first - tests
}

/// Whether the name of a file says that there are tests in it: `sweep_test.rhai`, `test_sweep.rhai`.
fn is_for_tests(source: &str) -> bool {
    let stem = Path::new(source).file_stem().and_then(OsStr::to_str);
    stem.is_some_and(|stem| is_test(stem) || stem.ends_with("_test") || stem.ends_with("-test"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_tests_call_is_theirs() {
        let code = |text: &str| {
            let ast = rhai::Engine::new().compile(text).unwrap();
            TestCode::of(&ast).names.into_iter().collect::<Vec<_>>()
        };
        let helper = "fn helper() { 1 }";
        assert_eq!(
            code(&format!(
                "fn main() {{}} {helper} fn test_a() {{ helper() }}"
            )),
            ["helper", "test_a"]
        );
        // Not what a run calls as well, also by name or in a closure, nor what nobody calls.
        for main in ["helper()", "Fn(\"helper\").call()", "[1].map(|x| helper())"] {
            let text = format!("fn main() {{ {main} }} {helper} fn test_a() {{ helper() }}");
            assert_eq!(code(&text), ["test_a"], "{main}");
        }
        assert!(code(&format!("fn main() {{}} {helper}")).is_empty());
        assert_eq!(
            code(&format!("fn main() {{}} {helper} fn test_a() {{}}")),
            ["test_a"]
        );
        // A library's functions are for others, but for what is its own or there for tests.
        let own = "private fn own() { 1 } fn test_a() { own() }";
        assert_eq!(code(own), ["own", "test_a"]);
        let mut ast = rhai::Engine::new()
            .compile("fn own() { 1 } fn test_a() { own() }")
            .unwrap();
        ast.set_source("lib/sweep_test.rhai");
        assert!(TestCode::of(&ast).names.contains("own"));
        assert_eq!(
            code(&format!("{helper} fn test_a() {{ helper() }}")),
            ["test_a"]
        );
    }
}
