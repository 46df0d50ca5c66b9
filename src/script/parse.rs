//! From a text to a parsed script, and what may stand before it. What the parser does not understand is told in `syntax`.

use rhai::AST;

use super::check::with_excerpt;
use super::program::Program;
use super::syntax::{Parsed, syntax};
use crate::engine::Engine;
use crate::error::Result;
use crate::session::Session;

/// Parses a program, and keeps its text for excerpts.
pub(crate) fn parse(engine: &Engine, session: &Session, program: &Program) -> Result<AST> {
    let text = without_shebang(program.text);
    session.sources().remember(program.source, &text);
    let parsed = engine.rhai.compile(&text).map_err(|error| {
        let parsed = Parsed {
            source: program.source,
            text: &text,
            before: 0,
        };
        syntax(engine, error, &parsed)
    });
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
