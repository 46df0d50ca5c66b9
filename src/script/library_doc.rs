//! What the libraries that ship with the program (`std/…`) say of themselves: their text, and their functions with theirs.

use rhai::{AST, FnAccess};

use super::library;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// A shipped library.
pub(crate) struct LibraryDoc {
    /// The path by which it is imported.
    pub(crate) path: String,
    /// The prose at its top.
    pub(crate) text: String,
    /// Its functions, in the order of its file.
    pub(crate) functions: Vec<LibraryFunction>,
}

/// A function of a library.
pub(crate) struct LibraryFunction {
    /// The call, as in `equal(got, wanted)`.
    pub(crate) signature: String,
    /// Its name.
    pub(crate) name: String,
    /// Its docstring, examples included.
    pub(crate) text: String,
}

impl LibraryFunction {
    /// The first paragraph of its text.
    pub(crate) fn summary(&self) -> String {
        let lines = self.text.lines().take_while(|line| !line.trim().is_empty());
        lines.collect::<Vec<_>>().join(" ")
    }
}

impl LibraryDoc {
    /// All of them.
    pub(crate) fn all(engine: &Engine) -> Result<Vec<LibraryDoc>> {
        library::standard_names()
            .iter()
            .map(|name| LibraryDoc::of(engine, name))
            .collect()
    }

    fn of(engine: &Engine, name: &str) -> Result<LibraryDoc> {
        let path = format!("std/{name}");
        let text = library::standard(name).unwrap_or_default();
        let ast = engine
            .rhai
            .compile(&text)
            .map_err(|error| Error::internal(format!("{path} cannot be read")).caused_by(&error))?;
        Ok(LibraryDoc {
            functions: functions(&ast, &text),
            text: prose(&text),
            path,
        })
    }

    /// The name that its functions have before them where it is imported by its own name.
    pub(crate) fn alias(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The statement that imports it.
    pub(crate) fn import(&self) -> String {
        format!("import \"{}\" as {};", self.path, self.alias())
    }

    /// The first sentence of its text.
    pub(crate) fn summary(&self) -> String {
        let first = self.text.split(". ").next().unwrap_or_default();
        let first = first.split("\n\n").next().unwrap_or_default();
        first.replace('\n', " ").trim_end_matches('.').to_owned() + "."
    }
}

/// The lines of prose at the top, without the header's TOML.
fn prose(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    let lines: Vec<&str> = lines
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let text = lines.join("\n");
    text.split("```toml")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn functions(ast: &AST, text: &str) -> Vec<LibraryFunction> {
    // What has no text is not meant for others, even where nothing keeps them from it.
    let public = ast
        .iter_functions()
        .filter(|function| function.access == FnAccess::Public && !function.comments.is_empty());
    let mut functions: Vec<(usize, LibraryFunction)> = public
        .map(|function| {
            let signature = format!("{}({})", function.name, function.params.join(", "));
            let at = text
                .find(&format!("fn {}(", function.name))
                .unwrap_or(usize::MAX);
            let documented = LibraryFunction {
                signature,
                name: function.name.to_owned(),
                text: docstring(&function.comments),
            };
            (at, documented)
        })
        .collect();
    functions.sort_by_key(|(at, _)| *at);
    functions
        .into_iter()
        .map(|(_, function)| function)
        .collect()
}

fn docstring(comments: &[&str]) -> String {
    let lines = comments.iter().flat_map(|comment| comment.lines());
    let lines = lines.map(|line| {
        let line = line.trim_start().trim_start_matches("///");
        line.strip_prefix(' ').unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
