//! Running a script: check it, call its `main` with the arguments, or take the value of its last expression.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rhai::{AST, ASTFlags, CallFnOptions, Dynamic, EvalAltResult, Scope, Stmt};

use super::check::{check, with_excerpt};
use super::program::Program;
use crate::engine::Engine;
use crate::engine::arguments::Arguments;
use crate::engine::outcome::Outcome;
use crate::engine::raise::{Raised, caught};
use crate::engine::unknown;
use crate::engine::value::from_json;
use crate::error::{Error, Kind, Result, nearest};
use crate::session::Session;

/// Arguments by their names in the script.
type Json = serde_json::Map<String, serde_json::Value>;

/// Checks and runs a program; gives what its `main` gives, or its last expression where it has no `main`.
pub fn run(
    engine: &Engine,
    session: &Session,
    program: Program,
    arguments: Json,
) -> Result<Outcome> {
    evaluate(engine, session, program, arguments).map(Outcome::of)
}

/// The same, with the value as the engine has it.
pub fn evaluate(
    engine: &Engine,
    session: &Session,
    program: Program,
    arguments: Json,
) -> Result<Dynamic> {
    for name in &program.paths {
        session.named_paths().add(arguments.get(name));
    }
    let arguments = arguments
        .into_iter()
        .map(|(name, value)| (name.into(), from_json(value)));
    let arguments = Arguments(arguments.collect());
    let source = program.source;
    let ast = ready(engine, session, &program)?;
    let with_main = main_of(&ast, source)?;
    let mut scope = Scope::new();
    let called = || match with_main {
        None => engine.rhai.eval_ast_with_scope::<Dynamic>(&mut scope, &ast),
        Some(0) => {
            engine
                .rhai
                .call_fn_with_options(CallFnOptions::default(), &mut scope, &ast, "main", ())
        }
        Some(_) => engine.rhai.call_fn_with_options(
            CallFnOptions::default(),
            &mut scope,
            &ast,
            "main",
            (arguments,),
        ),
    };
    ended(engine, session, source, called)
}

/// Checks a program and calls a function of it that takes nothing.
pub(crate) fn call(
    engine: &Engine,
    session: &Session,
    program: &Program,
    name: &str,
) -> Result<Dynamic> {
    let ast = ready(engine, session, program)?;
    ended(engine, session, program.source, || {
        let options = CallFnOptions::default();
        engine
            .rhai
            .call_fn_with_options(options, &mut Scope::new(), &ast, name, ())
    })
}

/// Checks a program, says what is odd in it, and gives it if nothing is wrong with it.
fn ready(engine: &Engine, session: &Session, program: &Program) -> Result<AST> {
    let checked = check(engine, session, program)?;
    for warning in &checked.warnings {
        session.console().warn_of(warning);
    }
    checked.ready()
}

/// Calls the engine, and gives what came of it, with the stops and the errors of this run.
pub(crate) fn ended(
    engine: &Engine,
    session: &Session,
    source: &str,
    called: impl FnOnce() -> Raised<Dynamic>,
) -> Result<Dynamic> {
    // A panic of a native function must not pass for anything but our fault; the engine itself stays usable.
    let result = catch_unwind(AssertUnwindSafe(called))
        .map_err(|_| Error::internal(format!("a native function failed while running {source}")))?;
    if session.interrupt().is_stopping() {
        return stopped(session).map_err(|plain| match result {
            Err(error) => told(&error, source).unwrap_or(plain),
            Ok(_) => plain,
        });
    }
    result.or_else(|error| {
        let found = explained(&error, engine, source);
        if session.gate().is_planning() && unknown::is_wanted(&error) {
            end_part(session, &found);
            return Ok(Dynamic::UNIT);
        }
        Err(with_excerpt(found, session))
    })
}

/// The plan ends where a result that is not there yet is needed.
fn end_part(session: &Session, found: &Error) {
    let trace = found.detail().trace.as_ref();
    let at = trace.and_then(|trace| trace.at.as_ref());
    let at = at.map_or(String::new(), |at| format!(" at {}:{}", at.source, at.line));
    session.interrupt().end_part(&format!(
        "the rest depends on the result of a step: the script needs it{at}"
    ));
}

/// What the engine hands up as an error; a call with the wrong types is told which would be right.
fn explained(error: &EvalAltResult, engine: &Engine, source: &str) -> Error {
    let found = caught(error, source);
    if let EvalAltResult::ErrorVariableNotFound(name, _) = error.unwrap_inner()
        && name.contains("::")
    {
        return no_constant(found, engine, name);
    }
    let EvalAltResult::ErrorFunctionNotFound(signature, _) = error.unwrap_inner() else {
        return found;
    };
    let name = signature.split(" (").next().unwrap_or(signature);
    let function = engine.registry.find(name).next();
    let given = signature
        .split(['(', ',', ')'])
        .nth(1)
        .map_or("", str::trim);
    // The type `()` is two of the marks that it was split at.
    let given = if given.is_empty() { "()" } else { given };
    match function {
        Some(method)
            if method.method && method.parameters.first().is_some_and(|it| it.kind != given) =>
        {
            let kind = method.parameters[0].kind;
            found.hint(format!(
                "'{name}' is a method of {kind}, and this is {given}"
            ))
        }
        Some(function) => found.hint(format!("it is {}", function.signature())),
        // Arguments of the types `time` and `duration` come as they were typed.
        None if signature.contains("Moment") => {
            found.hint("text becomes a time by time::parse(…), and seconds by time::duration(…)")
        }
        None => found,
    }
}

/// A name behind a namespace that is called without brackets, or is none.
fn no_constant(found: Error, engine: &Engine, name: &str) -> Error {
    if engine.registry.find(name).next().is_some() {
        return found.hint(format!("a function is called with brackets: {name}()"));
    }
    let known = engine.registry.functions().map(|function| function.path());
    let known: Vec<String> = known.collect();
    found.suggest(nearest(name, known.iter().map(String::as_str)))
}

/// What the function says that was stopped, if it says more than that it was.
fn told(error: &EvalAltResult, source: &str) -> Option<Error> {
    let error = caught(error, source);
    let says_more = error.kind() == Kind::Interrupted && !error.detail().hints.is_empty();
    says_more.then_some(error)
}

/// How many arguments the script's `main` takes, if it has one.
fn main_of(ast: &AST, source: &str) -> Result<Option<usize>> {
    let counts: Vec<usize> = ast
        .iter_functions()
        .filter(|f| f.name == "main")
        .map(|f| f.params.len())
        .collect();
    match counts.as_slice() {
        [] if runs_nothing(ast) => Err(no_main(ast, source)),
        [] => Ok(None),
        [count @ (0 | 1)] => Ok(Some(*count)),
        _ => Err(Error::new(
            Kind::Usage,
            format!("the function 'main' of {source} is wrong"),
        )
        .hint("there is one, and it takes the map of arguments, or nothing: fn main(args) { … }")),
    }
}

/// Whether a script has functions, and nothing that calls them.
fn runs_nothing(ast: &AST) -> bool {
    only_defines(ast) && ast.iter_functions().next().is_some()
}

/// Whether the statements of a script only import and name things.
pub(super) fn only_defines(ast: &AST) -> bool {
    let defines = |statement: &Stmt| match statement {
        Stmt::Import(..) | Stmt::Noop(_) => true,
        Stmt::Var(_, flags, _) => flags.contains(ASTFlags::CONSTANT),
        _ => false,
    };
    ast.statements().iter().all(defines)
}

/// Doing nothing must not look like success.
fn no_main(ast: &AST, source: &str) -> Error {
    let names: Vec<&str> = ast
        .iter_functions()
        .map(|function| function.name)
        .filter(|name| !name.contains('$'))
        .collect();
    Error::usage(format!("{source} has functions, but no `main` that is run"))
        .suggest(nearest("main", names))
        .hint("write fn main(args) { … }; a library is not run but imported")
}

/// The run was stopped: by `exit`, whose code is the run's, or by the operator.
fn stopped(session: &Session) -> Result<Dynamic> {
    let interrupt = session.interrupt();
    // The end of what can be planned is an end, and no failure.
    if interrupt.exit_code().is_some() || interrupt.part_end().is_some() {
        return Ok(Dynamic::UNIT);
    }
    Err(Error::interrupted())
}
