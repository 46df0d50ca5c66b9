//! From a text to a parsed script: what may stand before it, and faults of the language in our words, with the nearest
//! name where one is unknown.

use rhai::{AST, EvalAltResult};

use super::check::with_excerpt;
use super::program::Program;
use crate::engine::Engine;
use crate::engine::raise::caught;
use crate::error::{Error, Result, nearest};
use crate::session::Session;

/// Parses a program, and keeps its text for excerpts.
pub(crate) fn parse(engine: &Engine, session: &Session, program: &Program) -> Result<AST> {
    let text = without_shebang(program.text);
    session.sources().remember(program.source, &text);
    let parsed = engine
        .rhai
        .compile(&text)
        .map_err(|error| syntax(engine, error, program.source));
    let mut ast = parsed.map_err(|error| with_excerpt(error, session))?;
    ast.set_source(program.source);
    Ok(ast)
}

/// `#!/usr/bin/env -S dashictl run` on the first line is a comment, and a byte order mark nothing; line numbers stay.
pub(crate) fn without_shebang(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.starts_with("#!") {
        format!("// {text}")
    } else {
        text.to_owned()
    }
}

/// A parse error, with the nearest name where a variable or module is unknown.
pub(crate) fn syntax(engine: &Engine, error: rhai::ParseError, source: &str) -> Error {
    let kind = (*error.err_type()).clone();
    let unknown = caught(&EvalAltResult::from(error), source);
    match kind {
        rhai::ParseErrorType::ModuleUndefined(name) => {
            let known = engine
                .registry
                .namespaces
                .iter()
                .map(|namespace| namespace.name);
            reworded(unknown, format!("there is no namespace or import '{name}'"))
                .suggest(nearest(&name, known))
        }
        rhai::ParseErrorType::VariableUndefined(name) => {
            let error = reworded(unknown, format!("there is no variable '{name}'"));
            match engine.registry.namespace(&name) {
                Some(_) => error.hint(format!(
                    "'{name}' is a namespace: write {name}::<function>(…)"
                )),
                None => error.hint("functions see only their arguments and own variables"),
            }
        }
        _ => unknown,
    }
}

fn reworded(mut error: Error, message: String) -> Error {
    error.detail_mut().message = message;
    error
}
