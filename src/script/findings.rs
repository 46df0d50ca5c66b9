//! What is found in a text as a whole, where `check` looks at one call after another.

use std::collections::BTreeSet;

use rhai::{AST, FnCallExpr};

use super::check::{Checker, KEYWORDS, path_of};
use super::fields::fields_read;
use super::hidden_look::hidden_looks;
use super::idle::{empty_loops, idle};
use super::lost::lost;
use super::run::only_defines;
use super::stream_chain::{Methods, missing};
use crate::effects::Effect;
use crate::engine::arguments::undeclared;
use crate::error::Error;

impl Checker<'_> {
    /// What a plan pass would answer wrongly without a word. A run that only writes has no plan but in a dry run: there it
    /// is worth a warning.
    pub(super) fn hidden_looks(&mut self, ast: &AST) {
        let registry = std::sync::Arc::clone(&self.engine.registry);
        // What is imported hides what ships.
        let imports: BTreeSet<String> = self.imports.keys().cloned().collect();
        let changes = |call: &FnCallExpr| {
            let is_imported = !call.namespace.is_empty() && imports.contains(call.namespace.root());
            let path = path_of(call);
            let mut functions = registry.find(&path);
            !is_imported && functions.any(|function| function.effect > Effect::Read)
        };
        for look in hidden_looks(ast, changes) {
            if self.tests.has(look.at) {
                continue;
            }
            let message = format!(
                "`{}` of what a change gives back: a plan cannot tell it",
                look.how
            );
            let error = Error::usage(message)
                .hint("look into it by a property or a comparison, where the plan ends and goes on with the real result");
            if self.effect == Effect::Destroy {
                self.error(error, look.at);
            } else {
                self.warning(error, look.at);
            }
        }
    }

    /// What `main` reads of its arguments must be declared: it would fail when it comes to it.
    pub(super) fn fields(&mut self, ast: &AST, declared: Option<&[String]>) {
        let Some(declared) = declared else { return };
        let known: Vec<&str> = declared.iter().map(String::as_str).collect();
        for (field, at) in fields_read(ast) {
            if !known.contains(&field.as_str()) {
                let way = format!("declare it: [options.{}]", field.replace('_', "-"));
                self.error(undeclared(&field, &known).hint(way), at);
            }
        }
    }

    /// Values that nobody uses, lists of which nobody sees what comes, and methods that they do not have.
    pub(super) fn streams(&mut self, ast: &AST) {
        let aliases = self.imports.keys().cloned().collect();
        let methods = Methods::of(ast, &self.engine.registry, aliases, &KEYWORDS);
        let lost = lost(ast, &methods);
        for idle in [empty_loops(ast), lost.errors].concat() {
            let at = idle.at;
            self.error(idle.error(), at);
        }
        for idle in lost.warnings {
            let at = idle.at;
            self.warning(idle.error(), at);
        }
        for idle in lost.idle {
            let at = idle.at;
            self.idly(idle.error(), at);
        }
        for missing in missing(ast, &methods) {
            self.error(missing.error(), missing.at);
        }
    }

    /// What is meant as `main` and is called otherwise: that a header declares arguments, or a name like it, tells.
    pub(super) fn no_main(&mut self, ast: &AST, declared: Option<&[String]>) {
        let mut functions = ast.iter_fn_def();
        if !only_defines(ast) || functions.any(|function| function.name == "main") {
            return;
        }
        let takes = declared.is_some_and(|declared| !declared.is_empty());
        let meant = ast
            .iter_fn_def()
            .find(|function| is_turned_main(&function.name));
        let first = ast.iter_fn_def().next().filter(|_| takes);
        let Some(function) = meant.or(first) else {
            return;
        };
        let at = function.body.start_position();
        let error = Error::usage("there is no main: a run of this script calls no function");
        let error = error.hint(match meant {
            Some(near) => format!("call '{}' main, if that is what it is", near.name),
            None => "write fn main(args) { … }".to_owned(),
        });
        if takes {
            self.error(error, at);
        } else {
            self.idly(error, at);
        }
    }

    /// `main` is called with the arguments, or with nothing.
    pub(super) fn main(&mut self, ast: &AST) {
        let mains: Vec<_> = ast
            .iter_fn_def()
            .filter(|function| function.name == "main")
            .collect();
        if let [_, other, ..] = mains.as_slice() {
            let error = Error::usage("there are two functions main")
                .hint("leave one of them out: it takes the map of arguments, or nothing");
            self.error(error, other.body.start_position());
        }
        if let Some(main) = mains.iter().find(|main| main.params.len() > 1) {
            let error = Error::usage(format!("main takes {} arguments", main.params.len()))
                .hint("it takes one, a map of what the header declares: fn main(args)");
            self.error(error, main.body.start_position());
        }
    }

    pub(super) fn idle(&mut self, ast: &AST) {
        for idle in idle(ast) {
            let at = idle.at;
            self.idly(idle.error(), at);
        }
    }

    /// An import that hides a namespace hides it from the libraries as well that are called.
    pub(super) fn hiding_aliases(&mut self) {
        let mut hiding = Vec::new();
        for (alias, own) in &self.imports {
            let Some(imported) = own.iter().flatten().next() else {
                continue;
            };
            if self.engine.registry.namespace(alias).is_none() {
                continue;
            }
            let mut all = self.imports.values().flatten().flatten();
            let needs = all.find(|other| other.calls(alias));
            hiding.extend(needs.map(|other| (alias.clone(), other.path.clone(), imported.at)));
        }
        for (alias, other, at) in hiding {
            let message = format!(
                "the import '{alias}' hides the namespace of that name, which {other} needs"
            );
            self.error(
                Error::usage(message).hint(format!("give it another name, as in {alias}s")),
                at,
            );
        }
    }
}

/// Whether a name has the letters of `main` in another order.
fn is_turned_main(name: &str) -> bool {
    let mut letters: Vec<char> = name.to_lowercase().chars().collect();
    letters.sort_unstable();
    letters == ['a', 'i', 'm', 'n']
}
