//! The hand that writes a run down while it changes things: every line goes to this machine's disk, and for a destructive
//! run to the lake as well, before the change that it announces. It also holds the locks and the audit line.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::task::JoinHandle;

use super::journal::{Begun, Ended, Journal, Line};
use super::{Audit, Effect, Locks, Run, State, Store, abilities, audit};
use crate::error::{Error, Result};
use crate::session::Session;

/// Writes one run down.
pub struct Recorder {
    run: Run,
    session: Session,
    journal: Journal,
    store: Option<Store>,
    /// Sets the pieces that this process writes apart from another's of the same run.
    series: String,
    pieces: AtomicU64,
    locks: Mutex<Option<Locks>>,
    audit: OnceLock<Audit>,
    /// Whether its audit lines are said on stderr.
    aloud: AtomicBool,
    pushing: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    /// Begins the journal of a run: on this machine, and in the lake where `store` is given.
    pub fn begin(session: &Session, run: Run, store: Option<Store>) -> Result<Recorder> {
        let journals = session.journals()?;
        let journal = journals.begin(&run.id)?;
        let recorder = Recorder::over(session, run, store, journal, "0");
        recorder.write(&Line::Run(Box::new(recorder.run.clone())))?;
        Ok(recorder)
    }

    /// Goes on with the journal of a run.
    pub fn resume(
        session: &Session,
        run: Run,
        store: Option<Store>,
        pieces: usize,
    ) -> Result<Recorder> {
        let journals = session.journals()?;
        let is_new_here = !journals.has(&run.id);
        let journal = journals.go_on(&run.id)?;
        let mine = Run::begin(session, run.order.clone(), None)?;
        // Names sort after those of every piece there is.
        let series = format!("{pieces:06}");
        let recorder = Recorder::over(session, run, store, journal, &series);
        if is_new_here {
            recorder.write_here(&Line::Run(Box::new(recorder.run.clone())))?;
        }
        recorder.write(&Line::Resumed {
            actor: mine.actor,
            host: mine.host,
            at: session.now(),
        })?;
        Ok(recorder)
    }

    fn over(
        session: &Session,
        run: Run,
        store: Option<Store>,
        journal: Journal,
        series: &str,
    ) -> Recorder {
        let run_destroys = run.order.effect == Effect::Destroy;
        Recorder {
            run,
            session: session.clone(),
            journal,
            store,
            series: series.to_owned(),
            pieces: AtomicU64::new(0),
            locks: Mutex::new(None),
            audit: OnceLock::new(),
            aloud: AtomicBool::new(run_destroys),
            pushing: Mutex::new(None),
        }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Where the run is kept in the lake.
    #[must_use]
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// Writes down which planned steps the script did not ask for again: they are not to be done later either. Gives how
    /// many these are.
    pub fn leave_unasked(&self, session: &Session) -> Result<usize> {
        let mut unasked = Vec::new();
        session.gate().with_ledger(|ledger| {
            ledger.rows(true, |row| {
                if row.state == State::Open {
                    unasked.push(Ended::left(&row, "the script did not ask for it again"));
                }
                Ok(())
            })
        })?;
        for some in unasked.chunks(1000) {
            self.ended(some.to_vec())?;
        }
        Ok(unasked.len())
    }

    /// Hands the locks over, to be held until the run is over.
    pub fn hold(&self, locks: Locks) {
        *self.held() = Some(locks);
    }

    /// Takes the locks of those of these that the run does not hold yet.
    pub fn hold_also(&self, names: &[String]) -> Result<()> {
        let missing = self.held().as_ref().map(|locks| locks.missing(names));
        let (Some(missing), Some(store)) = (missing, &self.store) else {
            return Ok(());
        };
        if missing.is_empty() {
            return Ok(());
        }
        let warn = |text: &str| self.session.console().warn(text);
        let others = Locks::take(&self.session, store, &missing, &self.run, warn)?;
        if let Some(locks) = self.held().as_mut() {
            locks.join(others);
        }
        Ok(())
    }

    /// Fails unless the run still holds its locks.
    pub fn check_locks(&self) -> Result<()> {
        self.held().as_ref().map_or(Ok(()), Locks::check)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Locks>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &Line) -> Result<()> {
        let text = self.write_here(line)?;
        let Some(store) = &self.store else {
            return Ok(());
        };
        let piece = self.pieces.fetch_add(1, Ordering::SeqCst);
        let name = format!("{}-{piece:09}", self.series);
        self.session
            .finish(store.write_segment(&self.run.id, &name, &text))
    }

    fn write_here(&self, line: &Line) -> Result<String> {
        let text = serde_json::to_string(line)
            .map_err(|error| Error::internal("a line of the journal").cause(error.to_string()))?;
        self.journal.write(&text)?;
        Ok(text)
    }

    /// Writes down what is about to be done.
    pub fn begun(&self, all: Vec<Begun>) -> Result<()> {
        self.write(&Line::Begun(all))
    }

    /// Writes down what came of it.
    pub fn ended(&self, all: Vec<Ended>) -> Result<()> {
        self.write(&Line::Ended(all))
    }

    /// Writes down that a further part of the plan was confirmed.
    pub fn part(&self, number: i64) -> Result<()> {
        self.write(&Line::Part { number })
    }

    /// Says the audit line: in the journal and in Loki, and, where the run destroys or changes who may see what, on stderr
    /// and in Loki before this returns, so that the line is there whatever happens next. A Loki that does not take it is
    /// warned of.
    pub fn announce(&self, audit: Audit) -> Result<()> {
        let line = self.session.redact(&audit.intent());
        let waits = self.aloud.load(Ordering::SeqCst);
        if waits {
            self.session.console().note(&line);
        }
        self.write(&Line::Audit(line.clone()))?;
        let _ = self.audit.set(audit);
        self.push(line, waits);
        Ok(())
    }

    /// Says the audit line on stderr from now on, whatever the run does: it changes who may see what. The line before
    /// the changes is in Loki when this returns.
    pub fn speak_up(&self) {
        if self.aloud.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Some(audit) = self.audit.get() {
            let line = self.session.redact(&audit.intent());
            self.session.console().note(&line);
        }
        self.settle_push();
    }

    fn push(&self, line: String, waits: bool) {
        let now = self.session.now();
        let loki = match audit::loki(&self.session) {
            None => return,
            Some(Ok(loki)) => loki,
            Some(Err(error)) => return self.warn_unpushed(&error),
        };
        if waits {
            if let Err(error) = self.session.finish(audit::push(&loki, now, &line)) {
                self.warn_unpushed(&error);
            }
            return;
        }
        let pushing = self.session.runtime().spawn(async move {
            let _ = audit::push(&loki, now, &line).await;
        });
        *self.pushing.lock().unwrap_or_else(PoisonError::into_inner) = Some(pushing);
    }

    fn warn_unpushed(&self, error: &Error) {
        self.session.console().warn(&format!(
            "the audit line could not be pushed to Loki (it is in the journal and above): {error}"
        ));
    }

    /// Ends the run: the journal's last line, the audit line of what came of it, and the locks let go.
    pub fn finish(&self, outcome: &str, why: Option<String>, counts: &[(&str, u64)]) -> Result<()> {
        let written = self.write(&Line::Finished {
            outcome: outcome.to_owned(),
            why,
            at: self.session.now(),
        });
        if let Some(audit) = self.audit.get() {
            let line = self.session.redact(&audit.outcome(outcome, counts));
            if self.aloud.load(Ordering::SeqCst) {
                self.session.console().note(&line);
            }
            self.settle_push();
            self.push(line, true);
        }
        if self.held().take().is_some()
            && let Some(store) = &self.store
        {
            abilities::remember(&self.session, store.s3());
        }
        written
    }

    /// The line before the changes must stand before the line after them.
    fn settle_push(&self) {
        let pushing = self
            .pushing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(pushing) = pushing {
            let _ = self.session.finish(async {
                let _ = pushing.await;
                Ok(())
            });
        }
    }
}
