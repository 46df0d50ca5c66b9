//! The result of a change that is only planned. It can be handed on; to look into it ends the plan there, because nobody
//! knows it before the change is made.
//!
//! The end is sticky: a plain error could be caught by the script, which would then plan on as if it knew.

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, Map, NativeCallContext};

use super::interrupt::Interrupt;
use super::raise::{Raised, raise_failure};
use super::value::to_json;
use crate::effects::Step;
use crate::error::Error;

/// What a planned change will give back, once it is made.
#[derive(Debug, Clone)]
pub struct Unknown {
    step: Step,
    interrupt: Interrupt,
}

impl Unknown {
    /// The result of this step, in a run that stops by this.
    pub(crate) fn planned(step: Step, interrupt: &Interrupt) -> Unknown {
        Unknown {
            step,
            interrupt: interrupt.clone(),
        }
    }

    /// The step whose result it is.
    pub(crate) fn step(&self) -> &Step {
        &self.step
    }

    /// Ends this pass of the script: what comes next depends on the result.
    pub(crate) fn end_part(&self, why: &str) -> Error {
        let Step {
            number,
            function,
            target,
        } = &self.step;
        self.interrupt.end_part(&format!(
            "the rest depends on the result of step {number}, {function} of {target}: {why}"
        ));
        Error::interrupted()
    }

    fn looked_into(&self, cx: &NativeCallContext) -> Raised<Dynamic> {
        self.end_part(&format!("the script looks into it{}", place(cx)));
        Err(EvalAltResult::ErrorTerminated(Dynamic::UNIT, cx.call_position()).into())
    }
}

/// Who goes through it looks into it.
impl IntoIterator for Unknown {
    type Item = Raised<Dynamic>;
    type IntoIter = std::iter::Once<Raised<Dynamic>>;

    fn into_iter(self) -> Self::IntoIter {
        self.end_part("the script goes through it");
        let ended = EvalAltResult::ErrorTerminated(Dynamic::UNIT, rhai::Position::NONE);
        std::iter::once(Err(ended.into()))
    }
}

/// Whether a script failed for want of a result that is not known yet: as a condition, or by a method of what the
/// result will be.
pub(crate) fn is_wanted(error: &EvalAltResult) -> bool {
    match error.unwrap_inner() {
        EvalAltResult::ErrorMismatchDataType(_, actual, _) => actual.ends_with("Unknown"),
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            let (_, types) = signature.split_once(" (").unwrap_or_default();
            let types = types.trim_end_matches(')').split(", ");
            types.into_iter().any(|kind| kind.ends_with("Unknown"))
        }
        _ => false,
    }
}

/// Where in the script, as ` at file:line`.
pub(crate) fn place(cx: &NativeCallContext) -> String {
    let source = cx.call_source().unwrap_or("script");
    match cx.call_position().line() {
        Some(line) => format!(" at {source}:{line}"),
        None => String::new(),
    }
}

/// Registers every way to look into an [`Unknown`] that the engine would otherwise answer wrongly or vaguely.
pub(crate) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Unknown>("Unknown")
        .register_indexer_get(
            |cx: NativeCallContext, unknown: &mut Unknown, _: ImmutableString| {
                unknown.looked_into(&cx)
            },
        )
        .register_indexer_get(|cx: NativeCallContext, unknown: &mut Unknown, _: i64| {
            unknown.looked_into(&cx)
        })
        .register_indexer_set(
            |cx: NativeCallContext, unknown: &mut Unknown, _: ImmutableString, _: Dynamic| {
                unknown.looked_into(&cx).map(drop)
            },
        )
        .register_iterator_result::<Unknown, Dynamic>();
    // What a map has, caught by no `try`; and `tag`, which the language gives every value.
    for method in ["get$tag", "len", "is_empty", "keys", "values", "to_json"] {
        engine.register_fn(method, |cx: NativeCallContext, unknown: &mut Unknown| {
            unknown.looked_into(&cx)
        });
    }
    for method in ["contains", "get"] {
        engine.register_fn(
            method,
            |cx: NativeCallContext, unknown: &mut Unknown, _: Dynamic| unknown.looked_into(&cx),
        );
    }
    // The language's own writes the type's name where it should say that it cannot.
    engine.register_fn("to_json", |cx: NativeCallContext, map: Map| {
        let json =
            to_json(&Dynamic::from_map(map)).map_err(|error| raise_failure(&cx, error.into()))?;
        Raised::Ok(json.to_string())
    });
    // Interpolation and `print` swallow an error of these and show the type's name: the end being sticky, they cannot.
    for text in ["to_string", "to_debug"] {
        engine.register_fn(text, |cx: NativeCallContext, unknown: &mut Unknown| {
            unknown.end_part(&format!("the script makes text of it{}", place(&cx)));
            String::new()
        });
    }
    // Without these, `unknown == 3` is silently false.
    for operator in ["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"] {
        engine
            .register_fn(operator, |cx: NativeCallContext, a: Unknown, _: Unknown| {
                a.looked_into(&cx)
            })
            .register_fn(operator, |cx: NativeCallContext, a: Unknown, _: Dynamic| {
                a.looked_into(&cx)
            })
            .register_fn(operator, |cx: NativeCallContext, _: Dynamic, b: Unknown| {
                b.looked_into(&cx)
            })
            .register_fn(operator, |cx: NativeCallContext, _: &str, b: Unknown| {
                b.looked_into(&cx)
            })
            .register_fn(
                operator,
                |cx: NativeCallContext, _: ImmutableString, b: Unknown| b.looked_into(&cx),
            );
    }
}
