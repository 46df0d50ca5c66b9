//! The script engine: Rhai with our namespaces, limits, interruption and module lookup. Here it is put together;
//! each of its parts has a file. What services can do is in `modules`, what scripts are is in `script`.

pub(crate) mod arguments;
mod by_name;
pub(crate) mod call;
pub(crate) mod callback;
pub mod interrupt;
pub(crate) mod moment;
pub(crate) mod object_set;
pub(crate) mod options;
pub mod outcome;
pub(crate) mod parallel;
pub(crate) mod raise;
pub mod registry;
pub(crate) mod resolver;
pub(crate) mod secret;
pub(crate) mod stream;
pub(crate) mod unknown;
pub(crate) mod value;
pub(crate) mod view;

use std::sync::Arc;

use rhai::packages::Package;
use rhai::{Dynamic, ImmutableString, NativeCallContext, OptimizationLevel};

use self::registry::Registry;
use self::resolver::Resolver;
use crate::modules;
use crate::session::Session;

/// How deep calls of script functions may nest. The library's default differs between debug and release builds.
const CALL_LEVELS: usize = 128;
/// How deep expressions may nest, at top level and in functions.
const EXPRESSION_DEPTH: usize = 128;

/// An engine with all namespaces, and the table of what is in them.
pub struct Engine {
    /// Rhai's engine.
    pub rhai: Arc<rhai::Engine>,
    /// Our native functions.
    pub registry: Arc<Registry>,
    /// Where imports are looked up.
    pub resolver: Resolver,
}

impl Engine {
    /// Builds the engine of one run and makes it known to the session, for closures that outlive their call.
    #[must_use]
    pub fn new(session: &Session) -> Engine {
        Engine::adjusted(session, |_| ())
    }

    /// The same, with something of Rhai's own set otherwise.
    pub(crate) fn adjusted(session: &Session, adjust: impl FnOnce(&mut rhai::Engine)) -> Engine {
        let mut rhai = rhai::Engine::new_raw();
        rhai.register_global_module(rhai::packages::StandardPackage::new().as_shared_module());
        let resolver = Resolver::new(session.clone());
        limit(&mut rhai);
        rhai.set_module_resolver(resolver.clone());
        listen(&mut rhai, session);
        register_types(&mut rhai);
        let registry = Arc::new(register_modules(&mut rhai, session));
        adjust(&mut rhai);
        let rhai = Arc::new(rhai);
        session.set_engine(&rhai);
        Engine {
            rhai,
            registry,
            resolver,
        }
    }
}

fn limit(rhai: &mut rhai::Engine) {
    rhai.set_optimization_level(OptimizationLevel::None)
        .set_strict_variables(true)
        .set_max_call_levels(CALL_LEVELS)
        .set_max_expr_depths(EXPRESSION_DEPTH, EXPRESSION_DEPTH)
        // Under `sync` the interner is one lock for all threads.
        .set_max_strings_interned(0)
        .disable_symbol("eval");
}

fn listen(rhai: &mut rhai::Engine, session: &Session) {
    let interrupt = session.interrupt().clone();
    rhai.on_progress(move |_| interrupt.is_stopping().then_some(Dynamic::UNIT));
    let printing = session.clone();
    rhai.on_print(move |text| printing.console().note(text));
    let debugging = session.clone();
    rhai.on_debug(move |text, source, position| {
        debugging
            .console()
            .say(&format!("{}:{position} {text}", source.unwrap_or("script")));
    });
}

fn register_types(rhai: &mut rhai::Engine) {
    rhai.register_type_with_name::<stream::Stream>("Stream")
        .register_type_with_name::<view::View>("View")
        .register_type_with_name::<secret::SecretValue>("Secret")
        .register_iterator_result::<stream::Stream, Dynamic>()
        .register_fn("to_string", |_: &mut secret::SecretValue| "Secret(…)")
        .register_fn("to_debug", |_: &mut secret::SecretValue| "Secret(…)")
        .register_fn("to_string", |stream: &mut stream::Stream| {
            format!("{stream:?}")
        })
        .register_fn("to_debug", |stream: &mut stream::Stream| {
            format!("{stream:?}")
        });
    arguments::register(rhai);
    by_name::register(rhai);
    moment::register(rhai);
    object_set::register(rhai);
    unknown::register(rhai);
    refuse_text_of_secrets(rhai);
}

/// `"" + secret` would otherwise join its masked text, and look like it worked.
fn refuse_text_of_secrets(rhai: &mut rhai::Engine) {
    let refuse = |cx: &NativeCallContext| -> raise::Raised<Dynamic> {
        let error = crate::error::Error::new(
            crate::error::Kind::Script,
            "a secret cannot be joined to text or compared",
        );
        Err(raise::raise(
            cx,
            &error.hint("hand it to the function that sends it"),
        ))
    };
    for operator in ["+", "==", "!="] {
        rhai.register_fn(
            operator,
            move |cx: NativeCallContext, _: &str, _: secret::SecretValue| refuse(&cx),
        )
        .register_fn(
            operator,
            move |cx: NativeCallContext, _: ImmutableString, _: secret::SecretValue| refuse(&cx),
        )
        .register_fn(
            operator,
            // Whether there is one at all is no secret.
            move |cx: NativeCallContext, _: secret::SecretValue, other: Dynamic| match operator {
                "==" if other.is_unit() => Ok(Dynamic::FALSE),
                "!=" if other.is_unit() => Ok(Dynamic::TRUE),
                _ => refuse(&cx),
            },
        )
        .register_fn(
            operator,
            move |cx: NativeCallContext, _: Dynamic, _: secret::SecretValue| refuse(&cx),
        );
    }
}

fn register_modules(rhai: &mut rhai::Engine, session: &Session) -> Registry {
    let mut registry = Registry::default();
    for build in modules::ROLL {
        let (entry, mut module) = build(session).finish();
        module.build_index();
        if entry.name.is_empty() {
            rhai.register_global_module(module.into());
        } else {
            rhai.register_static_module(entry.name, module.into());
        }
        registry.namespaces.push(entry);
    }
    registry
}
