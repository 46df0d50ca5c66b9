//! Names that the lake has right now, for completion. Who types never waits long for them: an older answer, or none, is better.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::host::complete::names_of;
use crate::session::Session;

/// How long a service may take before an older answer is given.
const PATIENCE: Duration = Duration::from_millis(150);

/// An answer this young is given without asking again.
const FRESH: Duration = Duration::from_secs(30);

/// The names of one lake, as they were told last.
#[derive(Clone, Default)]
pub(super) struct LiveNames(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    names: BTreeMap<String, (Instant, Vec<String>)>,
    /// What is being asked for.
    asked: BTreeSet<String>,
}

impl LiveNames {
    /// The names of one kind, as `names_of` has them.
    pub(super) fn of(&self, session: &Session, source: &str) -> Vec<String> {
        let mut known = self.lock();
        let last = known.names.get(source).cloned();
        match last {
            Some((since, names)) if since.elapsed() < FRESH => return names,
            // Who has not answered before is not waited for again.
            last if !known.asked.insert(source.to_owned()) => {
                return last.map(|(_, names)| names).unwrap_or_default();
            }
            _ => {}
        }
        drop(known);
        let answer = self.ask(session.clone(), source.to_owned());
        let _ = answer.recv_timeout(PATIENCE);
        self.lock()
            .names
            .get(source)
            .map(|(_, names)| names.clone())
            .unwrap_or_default()
    }

    fn ask(&self, session: Session, source: String) -> mpsc::Receiver<()> {
        let (sender, receiver) = mpsc::channel();
        let names = self.clone();
        thread::spawn(move || {
            let answer = names_of(&session, &source);
            let mut known = names.lock();
            known.asked.remove(&source);
            if let Ok(answer) = answer {
                known.names.insert(source, (Instant::now(), answer));
            }
            drop(known);
            let _ = sender.send(());
        });
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
