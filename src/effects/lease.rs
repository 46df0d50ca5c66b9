//! A lock in the hands of a run: taken, renewed, looked at, let go. Where it is kept is `board`'s. Whether the store can be trusted
//! with it is tried out first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::board::{Board, Write, content};
use super::lock::{Holder, LASTS};
use super::{Permit, Run, Store};
use crate::clients::s3_changes::Condition;
use crate::error::{Error, Kind, Result};
use crate::session::Session;

/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(20);
/// A holder that could not renew it for so long stops, well before anybody else may take it.
const TRUSTED: Duration = Duration::from_secs(30);
/// A look at the lock holds for so long.
const LOOK_HOLDS: Duration = Duration::from_secs(1);

/// What a run needs that cannot write its lock.
pub(super) const RIGHTS: &str = "destructive runs keep lock and journal in the lake (state.url): the credentials must be allowed to write there";

/// A lock in the lake that is this run's. It is renewed while it is held.
pub(super) struct Lease {
    board: Board,
    state: Arc<Mutex<Held>>,
    renewal: JoinHandle<()>,
}

/// What the run knows of its lock.
struct Held {
    holder: Holder,
    /// The version of the lock as it was last written.
    version: Option<String>,
    renewed: Instant,
    looked: Instant,
}

/// Whether two who write where there is nothing cannot both succeed, and one who replaces what it saw cannot replace
/// anything else. The store's word is not enough: some take the conditions and ignore them.
pub(super) async fn honours_conditions(store: &Store) -> Result<bool> {
    let s3 = store.s3();
    let at = store.object(&format!("probes/{}", super::run::ulid()));
    let put = async |text: &str, condition: Condition| {
        let content = content(text.to_owned());
        s3.put(Permit::granted(), &at, &content, &condition).await
    };
    let tried = async {
        let first = match put("first", Condition::Absent).await {
            Ok(first) => first,
            // A store that knows no conditions says so.
            Err(error) if matches!(error.detail().status, Some(400 | 412 | 501)) => {
                return Ok(false);
            }
            Err(error) => return Err(error.hint(RIGHTS)),
        };
        let again = is_refused(put("second", Condition::Absent).await)?;
        let stranger = Condition::Matches("00000000000000000000000000000000".to_owned());
        let other = is_refused(put("third", stranger).await)?;
        let own = match first.etag {
            Some(etag) => put("fourth", Condition::Matches(etag)).await.is_ok(),
            None => false,
        };
        Ok(again && other && own)
    };
    let honoured = tried.await;
    let removed = s3.delete(Permit::granted(), &at, None, None).await;
    let honoured = honoured?;
    removed?;
    Ok(honoured)
}

fn is_refused<T>(put: Result<T>) -> Result<bool> {
    match put {
        Ok(_) => Ok(false),
        Err(error) if matches!(error.detail().status, Some(409 | 412)) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Takes a lock, and renews it from then on.
pub(super) fn take(session: &Session, board: &Board, name: &str, run: &Run) -> Result<Lease> {
    let holder = Holder::new(name, run);
    let version = session.wait(acquire(session, board, &holder))?;
    let now = Instant::now();
    let state = Arc::new(Mutex::new(Held {
        holder,
        version,
        renewed: now,
        looked: now,
    }));
    let (renewing, renewed) = (board.clone(), Arc::clone(&state));
    let renewal = session.runtime().spawn(async move {
        loop {
            tokio::time::sleep(RENEWED).await;
            // A renewal that fails is tried again; the check before each batch knows how old the last one is.
            let _ = renew(&renewing, &renewed).await;
        }
    });
    Ok(Lease {
        board: board.clone(),
        state,
        renewal,
    })
}

/// Writes the lock where there is none, or over one whose holder is gone.
async fn acquire(session: &Session, board: &Board, holder: &Holder) -> Result<Option<String>> {
    let new = board.write_new(holder).await;
    if let Write::Done(version) = new.map_err(|error| error.hint(RIGHTS))? {
        return Ok(version);
    }
    let (found, version, age) = board.read(&holder.lock).await?;
    // A run that is resumed finds its own lock.
    let is_over = found.run == holder.run && found.pid == holder.pid
        || age > LASTS
        || found.is_dead(&holder.host);
    if !is_over {
        return Err(found.refusal(session.config()));
    }
    match board.replace(holder, version.as_deref()).await? {
        Write::Done(version) => Ok(version),
        Write::Refused => Err(found.refusal(session.config())),
    }
}

/// Writes the lock again, if it is as this run last wrote it.
async fn renew(board: &Board, state: &Mutex<Held>) -> Result<()> {
    let (holder, version) = {
        let held = state.lock().unwrap_or_else(PoisonError::into_inner);
        (held.holder.renewed(), held.version.clone())
    };
    let Write::Done(written) = board.replace(&holder, version.as_deref()).await? else {
        return Err(Error::new(Kind::Conflict, "somebody else holds it"));
    };
    let mut held = state.lock().unwrap_or_else(PoisonError::into_inner);
    held.holder = holder;
    held.version = written;
    held.renewed = Instant::now();
    Ok(())
}

impl Lease {
    /// Fails unless the lock is still this run's.
    pub(super) async fn check(&self) -> Result<()> {
        let (version, renewed, looked, lock) = {
            let held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (
                held.version.clone(),
                held.renewed,
                held.looked,
                held.holder.lock.clone(),
            )
        };
        if looked.elapsed() < LOOK_HOLDS {
            return Ok(());
        }
        let lost = |why: String| {
            Error::new(
                Kind::Conflict,
                format!("the lock of '{lock}' is not this run's any more: {why}"),
            )
            .hint("nothing more was changed; `dashictl lock list` shows who holds it")
        };
        if renewed.elapsed() > TRUSTED {
            renew(&self.board, &self.state)
                .await
                .map_err(|error| lost(error.to_string()))?;
        }
        let now = match self.board.version(&lock).await {
            Ok(now) => now,
            Err(error) if error.kind() == Kind::NotFound => {
                return Err(lost("somebody broke it".to_owned()));
            }
            Err(error) => return Err(error),
        };
        let mut held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have been renewed between the two looks.
        if now != held.version && now != version {
            return Err(lost("somebody else holds it".to_owned()));
        }
        held.looked = Instant::now();
        Ok(())
    }

    /// Lets the lock go, if it is still this run's.
    pub(super) async fn release(&self) -> Result<()> {
        self.renewal.abort();
        let (lock, version) = {
            let held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (held.holder.lock.clone(), held.version.clone())
        };
        if self.board.version(&lock).await? == version {
            self.board.remove(&lock, version.as_deref()).await?;
        }
        Ok(())
    }
}
