//! Where the locks of a lake are kept, for everybody who works on it to see: as objects of its state, or, where the store does not
//! keep two writers apart, as Leases of its cluster. Both write only where there is nothing, or over what was seen.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::lock::{Holder, LASTS};
use super::payload::digest;
use super::{Permit, Store};
use crate::clients::k8s_leases::{Entry, Leases};
use crate::clients::s3_changes::{Condition, Content};
use crate::config::Setting;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::session::Session;

/// Where locks are kept.
#[derive(Clone)]
pub enum Board {
    /// Objects of the lake's state.
    Objects(Store),
    /// Leases of the lake's cluster.
    Leases(Box<Leases>),
}

/// What became of a write of a lock.
pub(super) enum Write {
    /// It was written, and is of this version.
    Done(Option<String>),
    /// There is one already, or it is of another version by now.
    Refused,
}

/// A lock as it stands: its holder, its version, and how long ago it was written, by the keeper's own clock.
pub(super) type Standing = (Holder, Option<String>, Duration);

impl Board {
    /// The one of the cluster that a lake is in. None where no cluster is named.
    pub(super) fn in_cluster(session: &Session) -> Result<Option<Board>> {
        let config = session.config();
        if !config.has_cluster() {
            return Ok(None);
        }
        let namespace = config
            .setting("kubernetes.namespace")
            .map(Setting::display)
            .unwrap_or_default();
        // Machines may reach one store by several names; its state is in one place.
        let lake = digest(config.state_url()?.as_bytes());
        let leases = Leases::of(session.cluster()?, &namespace, &lake[..12]);
        let leases = session.wait(leases)?;
        Ok(Some(Board::Leases(Box::new(leases))))
    }

    /// Writes a lock where there is none.
    pub(super) async fn write_new(&self, holder: &Holder) -> Result<Write> {
        let text = text(holder);
        let written = match self {
            Board::Objects(store) => {
                let (at, content) = (place(store, &holder.lock), content(text));
                let put = store
                    .s3()
                    .put(Permit::granted(), &at, &content, &Condition::Absent);
                put.await.map(|written| written.etag)
            }
            Board::Leases(leases) => {
                leases
                    .create(Permit::granted(), &entry(holder, &text))
                    .await
            }
        };
        unless_refused(written, &[409, 412])
    }

    /// Writes a lock over the version that was seen.
    pub(super) async fn replace(&self, holder: &Holder, version: Option<&str>) -> Result<Write> {
        let text = text(holder);
        let written = match self {
            Board::Objects(store) => {
                let (at, content) = (place(store, &holder.lock), content(text));
                let condition = version.map_or(Condition::Absent, |etag| {
                    Condition::Matches(etag.to_owned())
                });
                let put = store.s3().put(Permit::granted(), &at, &content, &condition);
                put.await.map(|written| written.etag)
            }
            Board::Leases(leases) => {
                let entry = entry(holder, &text);
                leases.replace(Permit::granted(), &entry, version).await
            }
        };
        // One that was let go meanwhile is no more what was seen.
        unless_refused(written, &[404, 409, 412])
    }

    /// A lock as it stands.
    pub(super) async fn read(&self, name: &str) -> Result<Standing> {
        let (text, version, written, now, told) = match self {
            Board::Objects(store) => {
                let (s3, at) = (store.s3(), place(store, name));
                let head = s3.head(&at.bucket, &at.key).await?;
                let bytes = s3.read(&at.bucket, &at.key, None, 65_536).await?;
                let written = head["last_modified"]
                    .as_str()
                    .and_then(|time| time.parse().ok());
                let now =
                    Timestamp::try_from(s3.date().await?).unwrap_or_else(|_| Timestamp::now());
                let text = String::from_utf8_lossy(&bytes).into_owned();
                (
                    text,
                    head["etag"].as_str().map(str::to_owned),
                    written,
                    now,
                    at.to_string(),
                )
            }
            Board::Leases(leases) => {
                let found = leases.read(name).await?;
                (
                    found.text,
                    found.version,
                    found.written,
                    leases.now().await?,
                    leases.told(name),
                )
            }
        };
        let holder: Holder = serde_json::from_str(&text).map_err(|error| {
            Error::new(Kind::Protocol, format!("{told} is no lock of dashictl"))
                .cause(error.to_string())
                .hint("look at it, and remove it if nobody runs anything")
        })?;
        let age = written.map_or(SignedDuration::ZERO, |written: Timestamp| {
            now.duration_since(written)
        });
        Ok((holder, version, Duration::try_from(age).unwrap_or_default()))
    }

    /// The version of a lock. Throws `not_found` where there is none.
    pub(super) async fn version(&self, name: &str) -> Result<Option<String>> {
        match self {
            Board::Objects(store) => {
                let at = place(store, name);
                let head = store.s3().head(&at.bucket, &at.key).await?;
                Ok(head["etag"].as_str().map(str::to_owned))
            }
            Board::Leases(leases) => Ok(leases.read(name).await?.version),
        }
    }

    /// Removes a lock, if it is still that version; whatever it is where none is said.
    pub(super) async fn remove(&self, name: &str, version: Option<&str>) -> Result<()> {
        match self {
            Board::Objects(store) => {
                let at = place(store, name);
                let deleted = store.s3().delete(Permit::granted(), &at, None, version);
                deleted.await.map(drop)
            }
            Board::Leases(leases) => leases.remove(Permit::granted(), name, version).await,
        }
    }

    /// The names of the locks that there are.
    pub(super) async fn names(&self) -> Result<Vec<String>> {
        match self {
            Board::Objects(store) => objects(store).await,
            Board::Leases(leases) => leases.names().await,
        }
    }
}

fn text(holder: &Holder) -> String {
    serde_json::to_string(holder).unwrap_or_default()
}

/// A lock as a Lease.
fn entry<'a>(holder: &'a Holder, text: &'a str) -> Entry<'a> {
    Entry {
        name: &holder.lock,
        holder: &holder.run,
        text,
        seconds: LASTS.as_secs(),
    }
}

/// What became of a write, which these answers refuse.
fn unless_refused(written: Result<Option<String>>, refusals: &[u16]) -> Result<Write> {
    match written {
        Ok(version) => Ok(Write::Done(version)),
        Err(error)
            if error
                .detail()
                .status
                .is_some_and(|status| refusals.contains(&status)) =>
        {
            Ok(Write::Refused)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn content(text: String) -> Content {
    Content {
        bytes: text.into_bytes().into(),
        content_type: Some("application/json".to_owned()),
        ..Content::default()
    }
}

/// Where the lock of this name is in the store.
fn place(store: &Store, name: &str) -> ObjectRef {
    store.object(&format!("locks/{name}.json"))
}

async fn objects(store: &Store) -> Result<Vec<String>> {
    let keys = store.keys("locks/").await?;
    let names = keys.iter().filter_map(|key| {
        let (_, name) = key.rsplit_once('/')?;
        name.strip_suffix(".json").map(str::to_owned)
    });
    Ok(names.collect())
}
