//! A closure of a script that outlives the call it was handed to, as in a lazy `stream.map(|x| …)`.

// The crate marks this API "volatile", not deprecated; the version is pinned.
#![allow(deprecated)]

use std::sync::Arc;

use rhai::{FnPtr, FuncArgs, NativeCallContext, NativeCallContextStore, Variant};

use super::raise::{Raised, raise_unplaced};
use crate::error::Error;
use crate::session::Session;

/// A closure with all it needs to run later: where it was handed over, its imports, the engine.
#[derive(Clone)]
pub(crate) struct Callback {
    session: Session,
    function: FnPtr,
    context: Arc<NativeCallContextStore>,
}

impl Callback {
    /// Keeps `function` for later.
    pub(crate) fn new(cx: &NativeCallContext, session: &Session, function: FnPtr) -> Callback {
        Callback {
            session: session.clone(),
            function,
            context: Arc::new(cx.store_data()),
        }
    }

    /// The script in which it was handed over.
    pub(crate) fn source(&self) -> &str {
        self.context.source.as_deref().unwrap_or_default()
    }

    /// Runs it.
    pub(crate) fn call<T: Variant + Clone>(&self, arguments: impl FuncArgs) -> Raised<T> {
        let engine = self.session.engine().ok_or_else(|| {
            raise_unplaced(&Error::internal(
                "a closure was called after its engine had ended",
            ))
        })?;
        self.function
            .call_within_context(&self.context.create_context(&engine), arguments)
    }
}
