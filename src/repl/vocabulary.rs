//! The functions that an engine knows: by themselves, and as methods of a type.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::{Array, ImmutableString, Map};

use crate::engine::Engine;
use crate::engine::moment::Moment;
use crate::engine::object_set::ObjectSet;
use crate::engine::registry::Function;
use crate::engine::stream::Stream;

/// The functions without a namespace.
pub(super) struct Vocabulary {
    /// Their names.
    pub(super) names: BTreeSet<String>,
    /// Those that a value of a type may stand before, with the type that they give back, where that is known.
    methods: BTreeMap<TypeId, BTreeMap<String, Option<TypeId>>>,
}

impl Vocabulary {
    pub(super) fn of(engine: &Engine) -> Vocabulary {
        let mut names = BTreeSet::new();
        let mut methods: BTreeMap<TypeId, BTreeMap<String, Option<TypeId>>> = BTreeMap::new();
        let named = |info: rhai::FuncInfo| {
            let known = info.metadata;
            let is_word = known.name.starts_with(char::is_alphabetic) && !known.name.contains('$');
            let gives = Vocabulary::kind(short(&known.return_type));
            (info.namespace.is_empty() && is_word).then(|| {
                (
                    known.name.to_string(),
                    known.param_types.first().copied(),
                    gives,
                )
            })
        };
        for (name, first, gives) in engine.rhai.collect_fn_metadata(None, named, true) {
            if let Some(first) = first {
                // What is called by itself is no method, though a value may stand before it.
                let is_free =
                    |function: &Arc<Function>| function.namespace.is_empty() && !function.method;
                if !engine.registry.find(&name).any(is_free) {
                    let gives = own(engine, &name, first).or(gives);
                    methods
                        .entry(first)
                        .or_default()
                        .insert(name.clone(), gives);
                }
            }
            names.insert(name);
        }
        Vocabulary { names, methods }
    }

    /// The methods of values of a type.
    pub(super) fn methods(&self, kind: TypeId) -> impl Iterator<Item = &String> {
        self.methods.get(&kind).into_iter().flat_map(BTreeMap::keys)
    }

    /// The type of what a method of a value of a type gives back.
    pub(super) fn gives(&self, kind: TypeId, method: &str) -> Option<TypeId> {
        *self.methods.get(&kind)?.get(method)?
    }

    /// The type that is called so, by our own tables or in the language's.
    pub(super) fn kind(name: &str) -> Option<TypeId> {
        Some(match name {
            "Stream" => TypeId::of::<Stream>(),
            "ObjectSet" => TypeId::of::<ObjectSet>(),
            "Moment" => TypeId::of::<Moment>(),
            "string" | "String" | "ImmutableString" => TypeId::of::<ImmutableString>(),
            "array" | "Array" => TypeId::of::<Array>(),
            "map" | "Map" => TypeId::of::<Map>(),
            "int" | "i64" | "INT" => TypeId::of::<i64>(),
            "float" | "f64" | "FLOAT" => TypeId::of::<f64>(),
            "bool" => TypeId::of::<bool>(),
            _ => return None,
        })
    }
}

/// What a native method gives back, by its own table.
fn own(engine: &Engine, name: &str, first: TypeId) -> Option<TypeId> {
    let takes = |function: &&Arc<Function>| {
        let receiver = function.parameters.first();
        function.method
            && receiver.and_then(|receiver| Vocabulary::kind(receiver.kind)) == Some(first)
    };
    let method = engine.registry.find(name).find(takes)?;
    Vocabulary::kind(method.returns.split(' ').next()?)
}

/// The last word of a type's path, without what may be around it: `Array` of `Result<rhai::Array>`.
fn short(path: &str) -> &str {
    let within = path
        .rsplit('<')
        .next()
        .unwrap_or(path)
        .trim_end_matches('>');
    let within = within.split(',').next().unwrap_or(within);
    within.rsplit("::").next().unwrap_or(within).trim()
}
