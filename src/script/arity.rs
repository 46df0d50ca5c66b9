//! How many arguments functions take: those of a script, of the language and of the registry. For the static check.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::AST;

use crate::engine::Engine;
use crate::engine::registry::Function;
use crate::error::Error;

/// The argument counts that each name may be called with.
pub(super) type Arities = BTreeMap<String, BTreeSet<usize>>;

/// The functions that a script defines. Those of closures are called `anon$…`.
pub(super) fn functions_of(ast: &AST) -> Arities {
    arities(
        ast.iter_functions()
            .filter(|f| !f.name.contains('$'))
            .map(|f| (f.name, vec![f.params.len()])),
    )
}

/// The functions that need no namespace.
pub(super) fn global_functions(engine: &Engine) -> Arities {
    let named = |info: rhai::FuncInfo| {
        info.namespace.is_empty().then(|| {
            (
                info.metadata.name.to_string(),
                vec![info.metadata.num_params],
            )
        })
    };
    arities(engine.rhai.collect_fn_metadata(None, named, true))
}

/// The counts of each name.
pub(super) fn arities(
    functions: impl IntoIterator<Item = (impl Into<String>, Vec<usize>)>,
) -> Arities {
    let mut all = Arities::new();
    for (name, counts) in functions {
        all.entry(name.into()).or_default().extend(counts);
    }
    all
}

/// What is wrong with a call of so many arguments; of a function of ours, with how it is called.
pub(super) fn wrong_arity(
    path: &str,
    count: usize,
    known: &BTreeSet<usize>,
    function: Option<&Arc<Function>>,
) -> Error {
    let takes: Vec<String> = known.iter().map(ToString::to_string).collect();
    let takes = takes.join(" or ");
    let error = Error::usage(format!("'{path}' takes {takes} arguments, not {count}"));
    match function {
        Some(function) => error.hint(format!("it is {}", function.signature())),
        None => error,
    }
}
