//! The functions that an engine knows: by themselves, and as methods of a type.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::{Array, ImmutableString, Map};

use crate::engine::Engine;
use crate::engine::registry::Function;
use crate::engine::stream::Stream;

/// The functions without a namespace.
pub(super) struct Vocabulary {
    /// Their names.
    pub(super) names: BTreeSet<String>,
    /// Those that a value of a type may stand before.
    methods: BTreeMap<TypeId, BTreeSet<String>>,
}

impl Vocabulary {
    pub(super) fn of(engine: &Engine) -> Vocabulary {
        let mut names = BTreeSet::new();
        let mut methods: BTreeMap<TypeId, BTreeSet<String>> = BTreeMap::new();
        let named = |info: rhai::FuncInfo| {
            let known = info.metadata;
            let is_word = known.name.starts_with(char::is_alphabetic) && !known.name.contains('$');
            (info.namespace.is_empty() && is_word)
                .then(|| (known.name.to_string(), known.param_types.first().copied()))
        };
        for (name, first) in engine.rhai.collect_fn_metadata(None, named, true) {
            if let Some(first) = first {
                // What is called by itself is no method, though a value may stand before it.
                let is_free =
                    |function: &Arc<Function>| function.namespace.is_empty() && !function.method;
                if !engine.registry.find(&name).any(is_free) {
                    methods.entry(first).or_default().insert(name.clone());
                }
            }
            names.insert(name);
        }
        Vocabulary { names, methods }
    }

    /// The methods of values of a type.
    pub(super) fn methods(&self, kind: TypeId) -> impl Iterator<Item = &String> {
        self.methods.get(&kind).into_iter().flatten()
    }

    /// The type that a function gives back, where its table names one.
    pub(super) fn kind(name: &str) -> Option<TypeId> {
        Some(match name {
            "Stream" => TypeId::of::<Stream>(),
            "string" => TypeId::of::<ImmutableString>(),
            "array" => TypeId::of::<Array>(),
            "map" => TypeId::of::<Map>(),
            "int" => TypeId::of::<i64>(),
            _ => return None,
        })
    }
}
