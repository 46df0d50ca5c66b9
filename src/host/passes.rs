//! How a script is run: once where it reads or writes, once without effect where it is only planned, twice where it
//! destroys and that is wanted. What a pass does with a change is `effects`'; asking is `confirm`'s.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::closing::finish;
use super::opening::{counts, keep_plan, locked, prepare};
use super::reader::Reader;
use super::{Host, Started, apply, confirm, plan_file, plan_view};
use crate::effects::{Audit, Effect, Order, PlanHeader, Recorder, State};
use crate::engine::outcome::Outcome;
use crate::error::{Error, Kind, Result};
use crate::script::check::with_excerpt;
use crate::session::Session;
use jiff::Timestamp;

/// What one pass runs.
pub(crate) type Script<'a> = Box<dyn Fn() -> Result<Outcome> + 'a>;

/// Who has the script run.
pub(crate) enum Caller {
    /// A command line. This word is to be typed before anything is destroyed.
    Command(String),
    /// Who sits at a prompt: asked for the name of the plan's only target, else of the context, and told of no plan where nothing
    /// was to change.
    Prompt,
}

/// A script in a run that has begun.
pub(crate) struct Passes<'a> {
    pub(crate) host: &'a Host<'a>,
    pub(crate) started: &'a Started,
    pub(crate) script: Script<'a>,
    pub(crate) caller: Caller,
}

impl Passes<'_> {
    fn session(&self) -> &Session {
        &self.started.session
    }

    /// Runs it as its effect and the flags demand. Gives the exit code.
    pub(crate) fn run(&self, order: Order) -> Result<u8> {
        let globals = &self.host.globals;
        let effect = order.effect;
        let command = order.command.clone();
        self.session().gate().set_order(order);
        match effect {
            Effect::Read => self.once(),
            Effect::Destroy if globals.changes.apply && !globals.dry_run => {
                // At a prompt, what could destroy something may come to nothing: then nobody need be asked.
                if !self.is_at_prompt() {
                    let config = self.session().config();
                    confirm::refuse_unconfirmed(globals, config, &command, "leave --apply out")?;
                }
                self.twice()
            }
            Effect::Write if !globals.dry_run && globals.changes.plan_out.is_none() => self.once(),
            _ => self.planned(),
        }
    }

    /// One pass of the script.
    fn pass(&self) -> Result<Outcome> {
        (self.script)()
    }

    /// Performs as it goes.
    fn once(&self) -> Result<u8> {
        let outcome = self.pass();
        let shown = outcome.and_then(|outcome| {
            let _reader = outcome
                .is_stream()
                .then(|| Reader::watch(self.session().interrupt()));
            self.host.console.show(&outcome)
        });
        let ended = self.concluded(shown);
        match self.session().gate().recorder() {
            Some(recorder) => finish(self.session(), &recorder, ended),
            None => ended,
        }
    }

    /// Notes, and shows what was noted.
    fn planned(&self) -> Result<u8> {
        self.session().gate().set_preview();
        let (outcome, code) = self.plan(1)?;
        if self.is_idle()? {
            return outcome.map_or(Ok(code), |outcome| self.host.console.show(&outcome));
        }
        let header = self.header(1)?;
        let shown = outcome.filter(|outcome| !outcome.is_unknown());
        plan_view::show(self.session(), &header, shown.as_ref())?;
        self.tell_how(&header, shown.as_ref())?;
        Ok(code)
    }

    /// The plan pass. Gives what the script gave back, if it came to its end, and its exit code.
    pub(super) fn plan(&self, part: i64) -> Result<(Option<Outcome>, u8)> {
        let session = self.session();
        session.begin_pass();
        session.gate().begin_planning()?;
        let outcome = self.pass();
        // A stream with changes in its closures makes them only while it is read.
        let read = outcome.and_then(|outcome| outcome.exhaust().map(|()| outcome));
        let interrupt = session.interrupt();
        let had_exited = interrupt.exit_code().is_some();
        let deferred = session.run_deferred();
        if interrupt.is_by_signal() {
            return Err(Error::interrupted());
        }
        // What follows waits for services and for an answer, which a pass that has stopped does not.
        interrupt.end_pass();
        if interrupt.part_end().is_some() {
            self.settle_clock()?;
            return Ok((None, 0));
        }
        let explained = |error| {
            self.tell_plan_so_far(part);
            session.redacted(with_excerpt(error, session))
        };
        if let Some(code) = interrupt.exit_code() {
            if had_exited {
                deferred.map_err(explained)?;
            }
            self.settle_clock()?;
            return Ok((None, u8::try_from(code).unwrap_or(1)));
        }
        let outcome = both(self.session(), read, deferred).map_err(explained)?;
        self.settle_clock()?;
        let code = outcome.exit_code().map_err(explained)?;
        // A stream can be read once, and it was.
        Ok(((!outcome.is_stream()).then_some(outcome), code))
    }

    /// A script that fails has planned something all the same: that helps to see why.
    fn tell_plan_so_far(&self, part: i64) {
        let session = self.session();
        let totals = session.gate().with_ledger(|ledger| ledger.totals(false));
        if let Ok(Some(totals)) = totals
            && !totals.is_empty()
        {
            let which = if part > 1 {
                "the next part of the plan"
            } else {
                "the plan"
            };
            session.console().say(&format!(
                "{which} up to the failure (nothing of it was done):"
            ));
            session.console().note(&plan_view::text(&totals));
        }
    }

    /// Stores tell times in seconds. What was written in this very second could be written again within it and look the
    /// same, so the plan is complete only in the next.
    fn settle_clock(&self) -> Result<()> {
        let session = self.session();
        let Some(newest) = session.gate().newest() else {
            return Ok(());
        };
        let newest: Timestamp = match newest.parse() {
            Ok(newest) => newest,
            Err(_) => return Ok(()),
        };
        let age = session.now().duration_since(newest);
        if age.abs().as_secs() > 600 {
            return Ok(());
        }
        let store = session.wait(session.s3()?.date())?;
        let store = Timestamp::try_from(store).unwrap_or(newest);
        if store.as_second() > newest.as_second() {
            return Ok(());
        }
        session.wait(async {
            tokio::time::sleep(Duration::from_millis(1100)).await;
            Ok(())
        })
    }

    /// The header of a part of the plan that was just made.
    pub(super) fn header(&self, part: i64) -> Result<PlanHeader> {
        let session = self.session();
        PlanHeader::new(
            session,
            session.gate().order(),
            part,
            session.interrupt().part_end(),
            self.word()?,
        )
    }

    /// The word to be typed before anything is destroyed.
    fn word(&self) -> Result<String> {
        if let Caller::Command(word) = &self.caller {
            return Ok(word.clone());
        }
        let totals = self
            .session()
            .gate()
            .with_ledger(|ledger| ledger.totals(false))?;
        Ok(match totals.unwrap_or_default().as_slice() {
            [only] if only.targets == 1 => {
                only.first.rsplit(' ').next().unwrap_or_default().to_owned()
            }
            _ => self.session().config().context().to_owned(),
        })
    }

    /// Says on stderr what became of the plan, and how it is done.
    fn tell_how(&self, header: &PlanHeader, outcome: Option<&Outcome>) -> Result<()> {
        let session = self.session();
        let console = session.console();
        let planned = session
            .gate()
            .with_ledger(|ledger| ledger.count(false, None))?;
        if planned.unwrap_or(0) == 0 && self.host.globals.changes.plan_out.is_none() {
            return Ok(());
        }
        if let Some(why) = &header.partial {
            console.note(&format!("this is not the whole plan: {why}"));
        }
        if let Some(path) = &self.host.globals.changes.plan_out {
            plan_file::write(session, header, path)?;
            if let Some(outcome) = outcome {
                plan_file::write_result(session, path, outcome)?;
            }
            console.note(&format!(
                "nothing was changed. The plan is in {}: `{}` does it, once, until {}",
                path.display(),
                session.config().command_line(&apply::command(path)),
                header.expires
            ));
            return Ok(());
        }
        let destroyed = session.gate().with_ledger(|ledger| ledger.destroyed())?;
        if let Some(told) = confirm::too_many(&self.host.globals, destroyed.unwrap_or(0)) {
            console.warn(&format!("{told}: it would be refused"));
        }
        let command = &header.order.command;
        console.note(&match (&self.caller, header.order.effect) {
            (Caller::Prompt, _) => "nothing was changed. To do this: :apply".to_owned(),
            (Caller::Command(_), Effect::Destroy) => {
                format!("dry run: nothing was changed. To do this: {command} --apply")
            }
            (Caller::Command(_), _) => {
                format!("dry run: nothing was changed. To do this: {command}")
            }
        });
        Ok(())
    }

    /// Plans, asks, and performs what was planned; again for each part of a plan whose rest depended on results.
    fn twice(&self) -> Result<u8> {
        self.parts(None, 1)
    }

    /// The same from a part on, with the recorder of a run that has begun.
    pub(super) fn parts(&self, recorder: Option<Arc<Recorder>>, first: i64) -> Result<u8> {
        let mut recorder = recorder;
        let mut part = first;
        loop {
            let planned = self.plan(part);
            let (outcome, code) = match (planned, &recorder) {
                (Ok(planned), _) => planned,
                (Err(error), None) => return Err(error),
                (Err(error), Some(recorder)) => {
                    return finish(self.session(), recorder, Err(error));
                }
            };
            let partial = self.session().interrupt().part_end();
            let open = self.count(State::Open)?;
            if open == 0 || (code != 0 && outcome.is_none()) {
                return self.nothing_more(recorder.as_ref(), outcome, partial, code);
            }
            if let Some(outcome) = outcome.filter(|outcome| !outcome.is_unknown()) {
                self.host.console.tell(&outcome)?;
            }
            let begun = self.begin(recorder.as_ref(), part);
            let begun = match (begun, &recorder) {
                (Ok(begun), _) => begun,
                (Err(error), None) => return Err(error),
                (Err(error), Some(recorder)) => {
                    return finish(self.session(), recorder, Err(error));
                }
            };
            recorder = Some(Arc::clone(&begun));
            let done = self.guarded(&begun, partial.is_some(), None);
            if self.session().interrupt().part_end().is_none() || done.is_err() {
                return finish(self.session(), &begun, done);
            }
            self.session().gate().begin_part()?;
            part += 1;
        }
    }

    /// The pass that performs what is planned, and shows what the script gave back unless it ended where the next part of
    /// the plan begins. `scripts` as in [`Gate::begin_guarded`](crate::effects::Gate::begin_guarded).
    pub(super) fn guarded(
        &self,
        recorder: &Arc<Recorder>,
        partial: bool,
        scripts: Option<BTreeSet<String>>,
    ) -> Result<u8> {
        let session = self.session();
        session.begin_pass();
        let gate = session.gate();
        gate.begin_guarded(Arc::clone(recorder), partial, scripts)?;
        let shown = match self.pass() {
            Ok(_) if session.interrupt().part_end().is_some() => Ok(0),
            Ok(outcome) => self.host.console.show(&outcome),
            Err(error) => Err(error),
        };
        self.concluded(shown)
    }

    /// There is nothing to do, or nothing more.
    fn nothing_more(
        &self,
        recorder: Option<&Arc<Recorder>>,
        outcome: Option<Outcome>,
        partial: Option<String>,
        code: u8,
    ) -> Result<u8> {
        let session = self.session();
        let shown = match (outcome, partial) {
            (Some(outcome), _) => self.host.console.show(&outcome),
            (None, Some(why)) => {
                Err(Error::new(Kind::Partial, "the rest cannot be planned").cause(why))
            }
            (None, None) => Ok(code),
        };
        if let Some(recorder) = recorder {
            return finish(session, recorder, shown);
        }
        if self.is_idle()? {
            return shown;
        }
        session.console().say(match self.count(State::Open)? {
            0 => "there is nothing to do",
            _ => "the script ended with a code that says no: nothing of its plan was done",
        });
        shown
    }

    fn count(&self, state: State) -> Result<u64> {
        let count = self
            .session()
            .gate()
            .with_ledger(|ledger| ledger.count(false, Some(state)));
        Ok(count?.unwrap_or(0))
    }

    /// What stands before the first change of a part: the bound, the question, lock, journal, audit line.
    fn begin(&self, recorder: Option<&Arc<Recorder>>, part: i64) -> Result<Arc<Recorder>> {
        let session = self.session();
        let globals = &self.host.globals;
        let summary = session
            .gate()
            .with_ledger(|ledger| Ok((ledger.destroyed()?, ledger.totals(false)?)))?;
        let (destroyed, totals) = summary.unwrap_or_default();
        confirm::refuse_too_many(globals, destroyed)?;
        if part > 1 && globals.yes && globals.changes.max_delete.is_none() {
            return Err(Error::new(
                Kind::EffectRefused,
                "the next part of the plan could not be seen when --yes was said",
            )
            .hint("bound it: --max-delete N"));
        }
        let header = self.header(part)?;
        if let Some(path) = &globals.changes.plan_out {
            plan_file::write(session, &header, &apply::place(path, part))?;
        }
        if self.is_at_prompt() {
            let command = session.gate().order().command;
            confirm::refuse_unconfirmed(globals, session.config(), &command, "--dry-run")?;
            self.tell_targets()?;
        }
        confirm::ask(session, globals, &totals, &self.word()?)?;
        match recorder {
            None => prepare(session, &header),
            Some(recorder) => {
                let places = session.gate().with_ledger(locked)?.unwrap_or_default();
                recorder.hold_also(&places)?;
                keep_plan(session, recorder, &header)?;
                recorder.part(part)?;
                let counts = counts(&totals, &places);
                recorder.announce(Audit::of(recorder.run(), &counts).part(part))?;
                Ok(Arc::clone(recorder))
            }
        }
    }

    fn is_at_prompt(&self) -> bool {
        matches!(self.caller, Caller::Prompt)
    }

    /// Whether an entry at the prompt has asked for no change at all: then nothing is said of a plan.
    fn is_idle(&self) -> Result<bool> {
        let asked = self
            .session()
            .gate()
            .with_ledger(|ledger| ledger.count(true, None))?;
        Ok(self.is_at_prompt()
            && asked.unwrap_or(0) == 0
            && self.session().interrupt().part_end().is_none())
    }

    /// What a plan does to each thing, as far as there are few: at a prompt nothing else has shown them.
    fn tell_targets(&self) -> Result<()> {
        const FEW: usize = 20;
        let session = self.session();
        let mut told = Vec::new();
        session.gate().with_ledger(|ledger| {
            ledger.rows(false, |row| {
                if row.state == State::Open && told.len() <= FEW {
                    told.push(row.target);
                }
                Ok(())
            })
        })?;
        if (2..=FEW).contains(&told.len()) {
            for target in told {
                session.console().note(&format!("  {target}"));
            }
        }
        Ok(())
    }

    /// Runs what was deferred after a pass that performs. Gives what both ended in.
    fn concluded(&self, shown: Result<u8>) -> Result<u8> {
        let session = self.session();
        let exit_code = || session.interrupt().exit_code();
        let had_exited = exit_code().is_some();
        let deferred = session.run_deferred();
        let ended = self.ended(shown);
        if !had_exited && exit_code().is_some() {
            return ended;
        }
        let explained = |error| session.redacted(with_excerpt(error, session));
        both(self.session(), ended, deferred.map_err(explained))
    }

    /// What a pass ended in, with `exit` and Ctrl-C, which may come while a stream is read.
    fn ended(&self, shown: Result<u8>) -> Result<u8> {
        let session = self.session();
        let interrupt = session.interrupt();
        if interrupt.is_by_signal() {
            // What was stopped may say how it goes on.
            let stopped = shown
                .err()
                .filter(|error| error.kind() == Kind::Interrupted);
            return Err(stopped.map_or_else(Error::interrupted, |error| session.redacted(error)));
        }
        session.gate().refuse_stale()?;
        match interrupt.exit_code() {
            Some(code) => Ok(u8::try_from(code).unwrap_or(1)),
            None if interrupt.part_end().is_some() => Ok(0),
            None => shown.map_err(|error| session.redacted(with_excerpt(error, session))),
        }
    }
}

/// What was deferred fails a run that did not fail; a run's own failure is told before it.
pub(super) fn both<T>(session: &Session, result: Result<T>, deferred: Result<()>) -> Result<T> {
    match (result, deferred) {
        (Ok(_), Err(error)) => Err(error),
        (Err(error), Err(other)) => {
            if other.kind() != Kind::Interrupted {
                session.warn(&format!("what was deferred failed too: {other}"));
            }
            Err(error)
        }
        (result, Ok(())) => result,
    }
}
