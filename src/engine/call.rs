//! One call of a native function: what its body may ask of the run it is part of.

use std::sync::Arc;

use rhai::{Dynamic, FnPtr, NativeCallContext};

use super::callback::Callback;
use super::raise::{Failure, Raised, raise_failure};
use super::registry::Function;
use super::stream::Stream;
use super::unknown::Unknown;
use crate::clients::Pages;
use crate::effects::Verdict;
use crate::error::Result;
use crate::session::Session;

/// One call of a native function.
pub(crate) struct Call<'a> {
    session: &'a Session,
    function: &'a Arc<Function>,
    cx: &'a NativeCallContext<'a>,
}

impl Call<'_> {
    /// Runs a body, and throws what it fails with at the place of the call.
    pub(crate) fn enter(
        session: &Session,
        function: &Arc<Function>,
        cx: &NativeCallContext,
        body: impl FnOnce(&Call<'_>) -> std::result::Result<Dynamic, Failure>,
    ) -> Raised<Dynamic> {
        body(&Call {
            session,
            function,
            cx,
        })
        .map_err(|failure| raise_failure(cx, failure))
    }

    /// The run this call is part of.
    pub(crate) fn session(&self) -> &Session {
        self.session
    }

    /// The engine's own view of the call.
    pub(crate) fn context(&self) -> &NativeCallContext<'_> {
        self.cx
    }

    /// Waits for work with a service; Ctrl-C ends the wait at once.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.session.wait(work)
    }

    /// A stream over pages of a service.
    pub(crate) fn stream(&self, of: &str, pages: Pages) -> Stream {
        Stream::of_pages(self.session, of, pages)
    }

    /// Keeps a closure for after this call.
    pub(crate) fn callback(&self, function: FnPtr) -> Callback {
        Callback::new(self.cx, self.session, function)
    }

    /// Asks the gate for this function's effect on `target`. A value is the answer of a run that only plans.
    pub(crate) fn gate(&self, target: &str) -> Result<Option<Dynamic>> {
        match self
            .session
            .gate()
            .ask(&self.function.path(), self.function.effect, target)?
        {
            Verdict::Perform => Ok(None),
            Verdict::Planned(step) => Ok(Some(Dynamic::from(Unknown { step }))),
        }
    }
}
