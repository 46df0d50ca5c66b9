//! How many arguments functions take: those of a script, of the language and of the registry. For the static check.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::AST;

use crate::engine::Engine;
use crate::engine::registry::Function;
use crate::error::Error;

/// How each name may be called.
pub(super) type Arities = BTreeMap<String, Takes>;

/// How a name may be called.
#[derive(Debug, Clone, Default)]
pub(super) struct Takes {
    /// So many arguments.
    pub(super) counts: BTreeSet<usize>,
    /// The calls as they are written, of the functions of scripts: `row(domain)`.
    pub(super) calls: BTreeSet<String>,
}

/// The functions that a script defines. Those of closures are called `anon$…`.
pub(super) fn functions_of(ast: &AST) -> Arities {
    let mut all = Arities::new();
    for function in ast.iter_functions().filter(|f| !f.name.contains('$')) {
        let takes = all.entry(function.name.to_owned()).or_default();
        takes.counts.insert(function.params.len());
        takes
            .calls
            .insert(format!("{}({})", function.name, function.params.join(", ")));
    }
    all
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
        all.entry(name.into()).or_default().counts.extend(counts);
    }
    all
}

/// What is wrong with a call of so many arguments, with how it is called: of a function of ours, or of a script, below this
/// namespace.
pub(super) fn wrong_arity(
    path: &str,
    count: usize,
    known: &Takes,
    function: Option<&Arc<Function>>,
) -> Error {
    let error = Error::usage(format!(
        "'{path}' takes {}, not {count}",
        counted(known.counts.iter().copied())
    ));
    let below = path.rfind("::").map_or("", |end| &path[..end + 2]);
    let calls: Vec<String> = match function.filter(|_| known.calls.is_empty()) {
        Some(function) => vec![function.signature()],
        None => known
            .calls
            .iter()
            .map(|call| format!("{below}{call}"))
            .collect(),
    };
    if calls.is_empty() {
        error
    } else {
        error.hint(format!("it is {}", calls.join(" or ")))
    }
}

/// So many arguments, in words.
pub(super) fn counted(counts: impl Iterator<Item = usize>) -> String {
    let counts: Vec<usize> = counts.collect();
    let numbers: Vec<String> = counts.iter().map(ToString::to_string).collect();
    let plural = if counts.last() == Some(&1) { "" } else { "s" };
    format!("{} argument{plural}", numbers.join(" or "))
}
