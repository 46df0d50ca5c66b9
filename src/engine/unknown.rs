//! The result of a change that is only planned. It can be handed on; to look into it ends the plan there, because nobody
//! knows it before the change is made.
//!
//! The end is sticky: a plain error could be caught by the script, which would then plan on as if it knew.

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext};

use super::interrupt::Interrupt;
use super::raise::Raised;
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
