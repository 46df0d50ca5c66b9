//! What is wrong in the files of the operator's that a script imports, and in those that these import: it is found before anything is
//! run. The libraries that ship are held to it by a test.

use std::collections::BTreeSet;

use super::check::{Checker, placed};
use super::imported::Imports;
use super::program::Program;
use crate::effects::Effect;
use crate::engine::Engine;
use crate::engine::resolver::cycle;
use crate::error::Error;
use crate::session::Session;

/// What is wrong, and what may be.
pub(super) struct Wrong {
    pub(super) errors: Vec<Error>,
    pub(super) warnings: Vec<Error>,
}

/// All of it.
pub(super) fn in_imports(
    engine: &Engine,
    session: &Session,
    program: &Program,
    imports: &Imports,
) -> Wrong {
    let mut tree = Tree {
        engine,
        session,
        plans: program.effect == Effect::Destroy,
        seen: BTreeSet::new(),
        wrong: Wrong {
            errors: Vec::new(),
            warnings: Vec::new(),
        },
    };
    tree.below(&[program.source], imports);
    tree.wrong
}

struct Tree<'a> {
    engine: &'a Engine,
    session: &'a Session,
    /// Whether the script is planned before it is done.
    plans: bool,
    /// The names of the files that were looked at.
    seen: BTreeSet<String>,
    wrong: Wrong,
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
            let mut checker = Checker::over(self.engine, self.session, &program, &imported.ast);
            self.wrong.errors.append(&mut checker.errors);
            if self.plans {
                // Which of its functions are called is not known.
                checker.warnings.clear();
                checker.effect = Effect::Write;
                checker.hidden_looks(&imported.ast);
                self.wrong.warnings.append(&mut checker.warnings);
            }
            self.below(&[way, &[name]].concat(), &checker.imports);
        }
    }

    /// Whether a name is on the way already, which is an error.
    fn closes(&mut self, way: &[&str], name: &str, at: rhai::Position) -> bool {
        let start = way.iter().position(|known| *known == name);
        if let (Some(start), Some(here)) = (start, way.last()) {
            let error = cycle(way[start..].iter().copied().chain([name]));
            self.wrong
                .errors
                .push(placed(self.session, here, error, at));
        }
        start.is_some()
    }
}
