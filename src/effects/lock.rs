//! One destructive run per bucket of a lake at a time. The lock is an object in the lake's state, written only where
//! there is none, on stores that a test shows to honour that; on others it is a file on this machine, which keeps only
//! this machine's runs apart, and says so.
//!
//! It is renewed while the run lives and looked at before each batch: a run that cannot show that it still holds its
//! lock stops.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::{Permit, Run, Store};
use crate::clients::s3::S3;
use crate::clients::s3_changes::{Condition, Content};
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::session::Session;

/// The name of the lock of runs that change records alone.
pub(super) const CATALOGUE: &str = "catalogue";

/// A lock that was not renewed for so long is its holder's no more.
const LASTS: Duration = Duration::from_mins(1);
/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(20);
/// A holder that could not renew it for so long stops, well before anybody else may take it.
const TRUSTED: Duration = Duration::from_secs(30);
/// A look at the lock holds for so long.
const LOOK_HOLDS: Duration = Duration::from_secs(1);

/// What a run needs that cannot write its lock.
const RIGHTS: &str = "destructive runs keep lock and journal in the lake (state.url): the credentials must be allowed to write there";

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// What is locked: a bucket, or the catalogue.
    pub lock: String,
    /// The run.
    pub run: String,
    /// What it does.
    pub command: String,
    /// Who runs it.
    pub actor: String,
    /// On which machine.
    pub host: String,
    /// The process there.
    pub pid: u32,
    /// When it took the lock.
    pub since: Timestamp,
    /// When the lock ends, unless it is renewed.
    pub expires: Timestamp,
}

impl Holder {
    fn new(lock: &str, run: &Run) -> Holder {
        let now = Timestamp::now();
        Holder {
            lock: lock.to_owned(),
            run: run.id.to_string(),
            command: run.order.command.clone(),
            actor: run.actor.clone(),
            host: run.host.clone(),
            pid: std::process::id(),
            since: now,
            expires: later(now),
        }
    }

    fn renewed(&self) -> Holder {
        Holder {
            expires: later(Timestamp::now()),
            ..self.clone()
        }
    }

    /// Whether its process is known to be gone: only of this machine can that be told.
    fn is_dead(&self, host: &str) -> bool {
        let pid = i32::try_from(self.pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        // A process of another user may not be sent a signal, and lives.
        let is_gone = |pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
        self.host == host && pid.is_none_or(is_gone)
    }

    fn refusal(&self) -> Error {
        let message = format!(
            "'{}' is locked by run {} ({}) of {} on {}, process {}, since {}",
            self.lock, self.run, self.command, self.actor, self.host, self.pid, self.since
        );
        Error::new(Kind::Conflict, message)
            .hint(format!(
                "wait until it is done; its lock ends at {} unless it is renewed",
                self.expires
            ))
            .hint(format!(
                "if that run is gone for good: dashictl lock break {}",
                self.lock
            ))
    }
}

fn later(now: Timestamp) -> Timestamp {
    now.checked_add(jiff::SignedDuration::try_from(LASTS).unwrap_or_default())
        .unwrap_or(now)
}

/// The locks of one run. They are let go when this is.
pub struct Locks {
    names: Vec<String>,
    kept: Vec<Kept>,
    session: Session,
}

enum Kept {
    InLake(InLake),
    OnMachine { _file: File },
}

struct InLake {
    s3: S3,
    state: Arc<Mutex<Held>>,
    renewal: JoinHandle<()>,
}

/// What the run knows of its lock.
struct Held {
    at: ObjectRef,
    holder: Holder,
    /// The ETag of the lock as it was last written.
    etag: Option<String>,
    renewed: Instant,
    looked: Instant,
}

impl Locks {
    /// Takes the lock of each of these, or none. `warn` is told where the store cannot lock.
    pub fn take(
        session: &Session,
        store: &Store,
        names: &[String],
        run: &Run,
        warn: impl Fn(&str),
    ) -> Result<Locks> {
        let mut locks = Locks {
            names: names.to_vec(),
            kept: Vec::new(),
            session: session.clone(),
        };
        let in_lake = session.wait(honours_conditions(store))?;
        if !in_lake {
            warn(
                "this store does not keep two runs apart (it ignores If-None-Match): only runs on this machine are locked out",
            );
        }
        for name in names {
            let kept = if in_lake {
                Kept::InLake(take_in_lake(session, store, name, run)?)
            } else {
                Kept::OnMachine {
                    _file: take_on_machine(session, name)?,
                }
            };
            locks.kept.push(kept);
        }
        Ok(locks)
    }

    /// Those of these names that are not among them.
    pub(super) fn missing(&self, names: &[String]) -> Vec<String> {
        let mut missing = names.to_vec();
        missing.retain(|name| !self.names.contains(name));
        missing
    }

    /// Takes over other locks of the same run.
    pub(super) fn join(&mut self, mut others: Locks) {
        self.names.append(&mut others.names);
        self.kept.append(&mut others.kept);
    }

    /// Fails unless every lock is still this run's. Asked before each batch of changes.
    pub fn check(&self) -> Result<()> {
        for kept in &self.kept {
            if let Kept::InLake(lock) = kept {
                self.session.finish(lock.check())?;
            }
        }
        Ok(())
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        for kept in &self.kept {
            if let Kept::InLake(lock) = kept {
                lock.renewal.abort();
                // What could not be let go ends by itself.
                let _ = self.session.finish(lock.release());
            }
        }
    }
}

/// Whether two who write where there is nothing cannot both succeed, and one who replaces what it saw cannot replace
/// anything else. The store's word is not enough: some take the conditions and ignore them.
async fn honours_conditions(store: &Store) -> Result<bool> {
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

fn content(text: String) -> Content {
    Content {
        bytes: text.into_bytes().into(),
        content_type: Some("application/json".to_owned()),
        ..Content::default()
    }
}

fn place(store: &Store, name: &str) -> ObjectRef {
    store.object(&format!("locks/{name}.json"))
}

fn take_in_lake(session: &Session, store: &Store, name: &str, run: &Run) -> Result<InLake> {
    let at = place(store, name);
    let holder = Holder::new(name, run);
    let etag = session.wait(acquire(store.s3(), &at, &holder))?;
    let now = Instant::now();
    let state = Arc::new(Mutex::new(Held {
        at,
        holder,
        etag,
        renewed: now,
        looked: now,
    }));
    let (s3, renewed) = (store.s3().clone(), Arc::clone(&state));
    let renewal = session.runtime().spawn(async move {
        loop {
            tokio::time::sleep(RENEWED).await;
            // A renewal that fails is tried again; the check before each batch knows how old the last one is.
            let _ = renew(&s3, &renewed).await;
        }
    });
    Ok(InLake {
        s3: store.s3().clone(),
        state,
        renewal,
    })
}

/// Writes the lock where there is none, or over one whose holder is gone.
async fn acquire(s3: &S3, at: &ObjectRef, holder: &Holder) -> Result<Option<String>> {
    let text = serde_json::to_string(holder).unwrap_or_default();
    let put = async |condition: Condition| {
        s3.put(Permit::granted(), at, &content(text.clone()), &condition)
            .await
    };
    match put(Condition::Absent).await {
        Ok(written) => return Ok(written.etag),
        Err(error) if matches!(error.detail().status, Some(409 | 412)) => {}
        Err(error) => return Err(error.hint(RIGHTS)),
    }
    let (found, etag, age) = read(s3, at).await?;
    // A run that is resumed finds its own lock.
    let is_over = found.run == holder.run && found.pid == holder.pid
        || age > LASTS
        || found.is_dead(&holder.host);
    if !is_over {
        return Err(found.refusal());
    }
    match put(etag.map_or(Condition::Absent, Condition::Matches)).await {
        Ok(written) => Ok(written.etag),
        Err(error) if matches!(error.detail().status, Some(404 | 409 | 412)) => {
            Err(found.refusal())
        }
        Err(error) => Err(error),
    }
}

/// A lock as it stands: its holder, its ETag, and how long ago it was written, by the store's own clock.
async fn read(s3: &S3, at: &ObjectRef) -> Result<(Holder, Option<String>, Duration)> {
    let head = s3.head(&at.bucket, &at.key).await?;
    let bytes = s3.read(&at.bucket, &at.key, None, 65_536).await?;
    let holder: Holder = serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(Kind::Protocol, format!("{at} is no lock of dashictl"))
            .cause(error.to_string())
            .hint("look at it, and remove it if nobody runs anything")
    })?;
    let written: Option<Timestamp> = head["last_modified"]
        .as_str()
        .and_then(|time| time.parse().ok());
    let now = Timestamp::try_from(s3.date().await?).unwrap_or_else(|_| Timestamp::now());
    let age = written.map_or(jiff::SignedDuration::ZERO, |written| {
        now.duration_since(written)
    });
    Ok((
        holder,
        head["etag"].as_str().map(str::to_owned),
        Duration::try_from(age).unwrap_or_default(),
    ))
}

/// Writes the lock again, if it is as this run last wrote it.
async fn renew(s3: &S3, state: &Mutex<Held>) -> Result<()> {
    let (at, holder, etag) = {
        let held = state.lock().unwrap_or_else(PoisonError::into_inner);
        (held.at.clone(), held.holder.renewed(), held.etag.clone())
    };
    let text = serde_json::to_string(&holder).unwrap_or_default();
    let condition = etag.map_or(Condition::None, Condition::Matches);
    let written = s3
        .put(Permit::granted(), &at, &content(text), &condition)
        .await?;
    let mut held = state.lock().unwrap_or_else(PoisonError::into_inner);
    held.holder = holder;
    held.etag = written.etag;
    held.renewed = Instant::now();
    Ok(())
}

impl InLake {
    async fn check(&self) -> Result<()> {
        let (at, etag, renewed, looked, lock) = {
            let held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (
                held.at.clone(),
                held.etag.clone(),
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
            renew(&self.s3, &self.state)
                .await
                .map_err(|error| lost(error.to_string()))?;
        }
        let head = match self.s3.head(&at.bucket, &at.key).await {
            Ok(head) => head,
            Err(error) if error.kind() == Kind::NotFound => {
                return Err(lost("somebody broke it".to_owned()));
            }
            Err(error) => return Err(error),
        };
        let mut held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have been renewed between the two looks.
        let is_ours = head["etag"].as_str() == held.etag.as_deref()
            || head["etag"].as_str() == etag.as_deref();
        if !is_ours {
            return Err(lost("somebody else holds it".to_owned()));
        }
        held.looked = Instant::now();
        Ok(())
    }

    async fn release(&self) -> Result<()> {
        let (at, etag) = {
            let held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (held.at.clone(), held.etag.clone())
        };
        let head = self.s3.head(&at.bucket, &at.key).await?;
        if head["etag"].as_str() == etag.as_deref() {
            self.s3
                .delete(Permit::granted(), &at, None, etag.as_deref())
                .await?;
        }
        Ok(())
    }
}

fn take_on_machine(session: &Session, name: &str) -> Result<File> {
    let folder = session.environment().state_dir()?.join("locks");
    std::fs::create_dir_all(&folder).map_err(|error| Error::io("make", &folder, &error))?;
    // One lake's bucket is not another's of the same name.
    let lake = super::payload::digest(session.config().s3()?.endpoint.as_str().as_bytes());
    let path = folder.join(format!("{name}-{}.lock", &lake[..12]));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| Error::io("open", &path, &error))?;
    file.try_lock().map_err(|_| {
        Error::new(
            Kind::Conflict,
            format!("'{name}' is locked by another run on this machine"),
        )
        .hint(format!(
            "wait until it is done; the lock is {}",
            path.display()
        ))
    })?;
    Ok(file)
}

/// The locks that are held in the lake.
pub async fn held(store: &Store) -> Result<Vec<Holder>> {
    let below = store.object("locks/");
    let mut pages = store.s3().list(
        &below.bucket,
        &format!("{}/", below.key.trim_end_matches('/')),
        None,
    );
    let mut holders = Vec::new();
    while let Some(page) = pages.next().await {
        for object in page? {
            let at = ObjectRef {
                bucket: below.bucket.clone(),
                key: object["key"].as_str().unwrap_or_default().to_owned(),
            };
            match read(store.s3(), &at).await {
                Ok((holder, _, _)) => holders.push(holder),
                // Let go between the listing and the look.
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(holders)
}

/// Who holds a lock. One that is not held is an error.
pub async fn holder_of(store: &Store, name: &str) -> Result<Holder> {
    match read(store.s3(), &place(store, name)).await {
        Ok((holder, _, _)) => Ok(holder),
        Err(error) if error.kind() == Kind::NotFound => Err(Error::new(
            Kind::NotFound,
            format!("'{name}' is not locked"),
        )
        .hint("`dashictl lock list` shows what is")),
        Err(error) => Err(error),
    }
}

/// Breaks a lock, whoever holds it. Gives who held it.
pub async fn break_lock(store: &Store, name: &str) -> Result<Holder> {
    let at = place(store, name);
    let holder = holder_of(store, name).await?;
    store
        .s3()
        .delete(Permit::granted(), &at, None, None)
        .await?;
    Ok(holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_also_where_another_user_runs_it() {
        let now = Timestamp::now();
        let holder = |pid| Holder {
            lock: "raw".to_owned(),
            run: "01J".to_owned(),
            command: "dashictl gc".to_owned(),
            actor: "me".to_owned(),
            host: "here".to_owned(),
            pid,
            since: now,
            expires: now,
        };
        assert!(!holder(1).is_dead("here"), "whoever runs this test");
        assert!(holder(i32::MAX.unsigned_abs()).is_dead("here"));
        assert!(!holder(i32::MAX.unsigned_abs()).is_dead("elsewhere"));
    }
}
