//! The arguments of a script, as its `main` gets them: like a map, but a name that the header does not declare is an
//! error with the nearest one, since a mistyped `args.bukcet` would otherwise count as left out.

use rhai::{Array, Dynamic, Engine, ImmutableString, Map, NativeCallContext};

use super::raise::{Raised, raise};
use crate::error::{Error, nearest};

/// The declared arguments of a run, by their names in the script.
#[derive(Debug, Clone)]
pub struct Arguments(pub(crate) Map);

impl Arguments {
    fn get(&self, cx: &NativeCallContext, name: &str) -> Raised<Dynamic> {
        self.0.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(|name| &**name).collect();
            raise(cx, &undeclared(name, &known))
        })
    }
}

/// The error of an argument that is read and that the header does not declare, beside those that it does.
pub(crate) fn undeclared(name: &str, known: &[&str]) -> Error {
    let error = Error::usage(format!(
        "the header declares no argument or option '{name}'"
    ));
    let error = error.suggest(nearest(name, known.iter().copied()));
    error.hint(match known {
        [] => "it declares none".to_owned(),
        known => format!("it declares {}", known.join(", ")),
    })
}

/// Registers what can be done with arguments: read, change, list, ask whether one is declared, take as a map.
pub(crate) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Arguments>("Arguments")
        .register_indexer_get(
            |cx: NativeCallContext, args: &mut Arguments, name: ImmutableString| {
                args.get(&cx, &name)
            },
        )
        .register_indexer_set(
            |args: &mut Arguments, name: ImmutableString, value: Dynamic| {
                args.0.insert(name.as_str().into(), value);
            },
        )
        // Every value of the language has a property `tag` of its own, which an argument of that name must go before.
        .register_get_set(
            "tag",
            |cx: NativeCallContext, args: &mut Arguments| args.get(&cx, "tag"),
            |args: &mut Arguments, value: Dynamic| {
                args.0.insert("tag".into(), value);
            },
        )
        .register_fn("contains", |args: &mut Arguments, name: ImmutableString| {
            args.0.contains_key(name.as_str())
        })
        .register_fn("keys", |args: &mut Arguments| {
            args.0
                .keys()
                .map(|name| name.to_string().into())
                .collect::<Array>()
        })
        .register_fn("to_map", |args: &mut Arguments| args.0.clone());
}
