//! The result of a change that is only planned. It can be handed on; to look into it is an error, because nobody
//! knows it before the change is made.

use rhai::{Dynamic, Engine, ImmutableString, NativeCallContext};

use super::raise::{Raised, raise};
use crate::effects::Step;
use crate::error::{Error, Kind};

/// What a planned change will give back, once it is made.
#[derive(Debug, Clone)]
pub struct Unknown {
    /// The step of the plan whose result it is.
    pub step: Step,
}

impl Unknown {
    fn looked_into(&self, cx: &NativeCallContext) -> Raised<Dynamic> {
        let Step {
            number,
            function,
            target,
            ..
        } = &self.step;
        let message = format!(
            "the result of step {number}, {function} of {target}, is not known before it is done"
        );
        let hint = "hand it on as a whole, or make the change for real (leave --dry-run out)";
        Err(raise(cx, &Error::new(Kind::Script, message).hint(hint)))
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
