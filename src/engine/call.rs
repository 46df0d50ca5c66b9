//! One call of a native function: what its body may ask of the run it is part of.

use std::sync::Arc;

use jiff::Timestamp;
use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};

use super::callback::Callback;
use super::options::Options;
use super::raise::{Failure, Raised, raise_failure};
use super::registry::Function;
use super::stream::Stream;
use super::unknown::{Unknown, place};
use super::value::{from_json, type_name};
use crate::clients::Pages;
use crate::effects::{Answer, Asked, Change, Effect};
use crate::error::{Error, Kind, Result};
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

    /// The moment of an option, resolved once; `-v` says what it came to.
    pub(crate) fn moment(&self, options: &Options, name: &str) -> Result<Option<Timestamp>> {
        self.moment_at(options, name, self.session.now())
    }

    /// The same, where several are to be told by one now.
    pub(crate) fn moment_at(
        &self,
        options: &Options,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let moment = options.moment(name, now)?;
        if let (Some(moment), Some(text)) = (moment, options.text(name)) {
            self.session.trace(&format!("{name} {text} is {moment}"));
        }
        Ok(moment)
    }

    /// A stream over pages of a service.
    pub(crate) fn stream(&self, of: &str, pages: Pages) -> Stream {
        Stream::of_pages(self.session, of, pages)
    }

    /// Keeps a closure for after this call.
    pub(crate) fn callback(&self, function: FnPtr) -> Callback {
        Callback::new(self.cx, self.session, function)
    }

    /// Asks the gate for a change. The option `after` names the results of changes that must be wholly done before.
    pub(crate) fn change(&self, change: Change, options: &Options) -> Result<Dynamic> {
        let asked = Asked::from(change);
        if options.flag("own") {
            self.session.gate().refuse_strange(&asked.change)?;
        }
        let answer =
            self.session
                .gate()
                .ask(self.session, self.known_as(), asked, after(options)?)?;
        Ok(self.answered(answer))
    }

    /// Asks the gate for changes of many targets, as one step.
    pub(crate) fn changes(
        &self,
        all: impl Iterator<Item = Result<Asked>>,
        options: &Options,
    ) -> Result<Dynamic> {
        let after = after(options)?;
        let gate = self.session.gate();
        let is_own = options.flag("own");
        let all = all.map(|asked| {
            let asked = asked?;
            if is_own {
                gate.refuse_strange(&asked.change)?;
            }
            Ok(asked)
        });
        let answer = gate.ask_many(self.session, self.known_as(), all, after)?;
        Ok(self.answered(answer))
    }

    /// Asks the gate for a change of one target that comes after another of the same call.
    pub(crate) fn change_after(
        &self,
        before: &Dynamic,
        asked: Asked,
        options: &Options,
    ) -> Result<Dynamic> {
        let mut after = after(options)?;
        // What is done already needs no waiting for.
        if let Some(unknown) = before.read_lock::<Unknown>() {
            after.push(unknown.step().number);
        }
        let all = std::iter::once(Ok(asked));
        let gate = self.session.gate();
        let answer = gate.ask_many(self.session, self.known_as(), all, after)?;
        Ok(self.answered(answer))
    }

    fn answered(&self, answer: Answer) -> Dynamic {
        match answer {
            Answer::Known(value) => from_json(value),
            Answer::Planned(step) => {
                Dynamic::from(Unknown::planned(step, self.session.interrupt()))
            }
        }
    }

    fn known_as(&self) -> (&str, Effect) {
        (&self.function.path, self.function.effect)
    }

    /// Ends the pass where a script reads what an earlier step of the plan is to change: nobody knows it yet.
    pub(crate) fn reads(&self, target: &str) -> Result<()> {
        match self.session.gate().will_change(target)? {
            None => Ok(()),
            Some(step) => {
                let why = format!("{} reads {target}", self.function.path);
                let unknown = Unknown::planned(step, self.session.interrupt());
                Err(unknown.end_part(&format!("{why}{}", place(self.cx))))
            }
        }
    }

    /// Ends the pass where an argument of any type is a result that is not known yet.
    pub(crate) fn refuse_unknown(&self, argument: &Dynamic) -> Result<()> {
        match argument.read_lock::<Unknown>() {
            Some(unknown) => {
                let why = format!("{} needs it{}", self.function.path, place(self.cx));
                Err(unknown.end_part(&why))
            }
            None => Ok(()),
        }
    }

    /// What comes of a call with arguments that are not known yet: a result that is not known either. A change cannot
    /// be planned without them.
    pub(crate) fn with_unknowns(
        &self,
        arguments: &[&Dynamic],
    ) -> std::result::Result<Dynamic, Failure> {
        let unknown = arguments
            .iter()
            .find_map(|argument| argument.read_lock::<Unknown>().map(|found| found.clone()));
        match unknown {
            Some(unknown) if self.function.effect == Effect::Read => Ok(Dynamic::from(unknown)),
            Some(unknown) => {
                let why = format!("{} needs it{}", self.function.path, place(self.cx));
                Err(unknown.end_part(&why).into())
            }
            None => Err(self.wrong_types(arguments).into()),
        }
    }

    fn wrong_types(&self, arguments: &[&Dynamic]) -> Error {
        let types: Vec<String> = arguments
            .iter()
            .map(|argument| type_name(argument))
            .collect();
        let path = &self.function.path;
        Error::new(
            Kind::Script,
            format!("there is no function {path} ({})", types.join(", ")),
        )
        .hint(format!("it is {}", self.function.signature()))
    }
}

/// The steps that the option `after` names.
fn after(options: &Options) -> Result<Vec<usize>> {
    options
        .any("after")
        .map_or(Ok(Vec::new()), |value| steps(&value))
}

/// The steps that the value of an option `after` stands for: the result of a change, planned or done, or several.
fn steps(value: &Dynamic) -> Result<Vec<usize>> {
    if let Some(unknown) = value.read_lock::<Unknown>() {
        return Ok(vec![unknown.step().number]);
    }
    if let Some(all) = value.read_lock::<Array>() {
        return Ok(all.iter().map(steps).collect::<Result<Vec<_>>>()?.concat());
    }
    if value.is_unit() {
        return Ok(Vec::new());
    }
    let step = value
        .read_lock::<Map>()
        .map(|map| map.get("step").cloned().unwrap_or_default());
    match step {
        // What a change gave back that names no step was wholly done, or would have thrown.
        Some(step) if step.is_unit() => Ok(Vec::new()),
        Some(step) => Ok(step.as_int().ok().and_then(|step| usize::try_from(step).ok()).into_iter().collect()),
        None => Err(Error::usage("option 'after' takes what a change gave back")
            .hint("as in: let done = s3::delete(objects); stac::delete_item(domain, id, #{after: done})")),
    }
}
