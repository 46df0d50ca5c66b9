//! What is wrong in the files of the operator's that a script imports, and in those that these import: it is found before anything is
//! run. The libraries that ship are held to it by a test.

use std::collections::BTreeSet;

use super::check::{Checker, placed};
use super::imported::Imports;
use super::program::Program;
use crate::engine::Engine;
use crate::engine::resolver::cycle;
use crate::error::Error;
use crate::session::Session;

/// All of it.
pub(super) fn in_imports(
    engine: &Engine,
    session: &Session,
    source: &str,
    imports: &Imports,
) -> Vec<Error> {
    let mut tree = Tree {
        engine,
        session,
        seen: BTreeSet::new(),
        errors: Vec::new(),
    };
    tree.below(&[source], imports);
    tree.errors
}

struct Tree<'a> {
    engine: &'a Engine,
    session: &'a Session,
    /// The names of the files that were looked at.
    seen: BTreeSet<String>,
    errors: Vec<Error>,
}

impl Tree<'_> {
    /// Looks at what the last of a way imports.
    fn below(&mut self, way: &[&str], imports: &Imports) {
        for imported in imports.values().flatten().flatten() {
            let name = imported.ast.source().unwrap_or_default();
            if name.starts_with("std/")
                || self.closes(way, name, imported.at)
                || !self.seen.insert(name.to_owned())
            {
                continue;
            }
            let program = Program::imported(name, "");
            let checker = Checker::over(self.engine, self.session, &program, &imported.ast);
            self.errors.extend(checker.errors.iter().cloned());
            self.below(&[way, &[name]].concat(), &checker.imports);
        }
    }

    /// Whether a name is on the way already, which is an error.
    fn closes(&mut self, way: &[&str], name: &str, at: rhai::Position) -> bool {
        let start = way.iter().position(|known| *known == name);
        if let (Some(start), Some(here)) = (start, way.last()) {
            let error = cycle(way[start..].iter().copied().chain([name]));
            self.errors.push(placed(self.session, here, error, at));
        }
        start.is_some()
    }
}
