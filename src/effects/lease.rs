//! A lock as an object in the lake's state: taken, renewed, looked at, let go. Whether the store can be trusted with it is
//! tried out first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use tokio::task::JoinHandle;

use super::lock::{Holder, LASTS};
use super::{Permit, Run, Store};
use crate::clients::s3::S3;
use crate::clients::s3_changes::{Condition, Content};
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
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

fn content(text: String) -> Content {
    Content {
        bytes: text.into_bytes().into(),
        content_type: Some("application/json".to_owned()),
        ..Content::default()
    }
}

/// Where the lock of this name is.
pub(super) fn place(store: &Store, name: &str) -> ObjectRef {
    store.object(&format!("locks/{name}.json"))
}

/// The names of the locks that there are.
pub(super) async fn names(store: &Store) -> Result<Vec<String>> {
    let below = place(store, "");
    let prefix = below.key.trim_end_matches(".json");
    let mut pages = store.s3().list(&below.bucket, prefix, None);
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        for object in page? {
            let key = object["key"].as_str().unwrap_or_default();
            let name = key
                .strip_prefix(prefix)
                .and_then(|name| name.strip_suffix(".json"));
            names.extend(name.map(str::to_owned));
        }
    }
    Ok(names)
}

/// Takes a lock, and renews it from then on.
pub(super) fn take(session: &Session, store: &Store, name: &str, run: &Run) -> Result<Lease> {
    let at = place(store, name);
    let holder = Holder::new(name, run);
    let etag = session.wait(acquire(session, store.s3(), &at, &holder))?;
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
    Ok(Lease {
        s3: store.s3().clone(),
        state,
        renewal,
    })
}

/// Writes the lock where there is none, or over one whose holder is gone.
async fn acquire(
    session: &Session,
    s3: &S3,
    at: &ObjectRef,
    holder: &Holder,
) -> Result<Option<String>> {
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
        return Err(found.refusal(session.config()));
    }
    match put(etag.map_or(Condition::Absent, Condition::Matches)).await {
        Ok(written) => Ok(written.etag),
        Err(error) if matches!(error.detail().status, Some(404 | 409 | 412)) => {
            Err(found.refusal(session.config()))
        }
        Err(error) => Err(error),
    }
}

/// A lock as it stands: its holder, its ETag, and how long ago it was written, by the store's own clock.
pub(super) async fn read(s3: &S3, at: &ObjectRef) -> Result<(Holder, Option<String>, Duration)> {
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

impl Lease {
    /// Fails unless the lock is still this run's.
    pub(super) async fn check(&self) -> Result<()> {
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

    /// Lets the lock go, if it is still this run's.
    pub(super) async fn release(&self) -> Result<()> {
        self.renewal.abort();
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
