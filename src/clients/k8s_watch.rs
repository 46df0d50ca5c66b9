//! Objects of a cluster as they come, change and go: a stream that has no end. One that breaks off, or that the API server has
//! forgotten the beginning of, is gone on with: what happened meanwhile is told as well, as far as it can still be seen.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{DynamicObject, ListParams, WatchEvent, WatchParams};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Pages;
use super::cluster::Cluster;
use super::k8s_kind::KindOf;
use super::k8s_objects::{Selection, place, shown};
use super::relayed::{To, relayed};
use crate::error::{Error, Kind, Result};

/// A stream that broke off is opened again after so long.
const AGAIN: Duration = Duration::from_millis(500);
/// An API server that does not answer is borne for so long.
const AWAY: Duration = Duration::from_mins(2);
/// The API server ends a watch after so many seconds, so that one that is dead is found out.
const LASTS: u32 = 290;
/// So many events wait to be taken at most.
const WAITING: usize = 1000;
/// What the API server says of a beginning that it has forgotten.
const GONE: u16 = 410;

/// The events of the objects of a kind that are selected, each with `type` (`added`, also for what is there already, `modified`,
/// `deleted`) and `object`.
#[must_use]
pub fn watch(cluster: &Cluster, kind: String, wanted: Selection) -> Pages {
    let cluster = cluster.clone();
    relayed(WAITING, |to| async move {
        read(cluster, &kind, wanted, &to).await
    })
}

/// What is watched, and what is known of it.
struct Watching {
    cluster: Cluster,
    kind: KindOf,
    wanted: Selection,
    /// The objects that are there, by their uids.
    known: BTreeMap<String, Value>,
    version: Option<String>,
}

/// Why a stream ended.
enum End {
    /// Nobody takes events any more.
    Unwanted,
    /// It is to be gone on with from where it was.
    Broken,
    /// What happened since is not known any more.
    Forgotten,
}

async fn read(cluster: Cluster, kind: &str, wanted: Selection, to: &To) -> Result<()> {
    let mut watching = Watching {
        kind: KindOf::meant(&cluster, kind).await?,
        cluster,
        wanted,
        known: BTreeMap::new(),
        version: None,
    };
    let mut heard = Instant::now();
    loop {
        let ended = match &watching.version {
            None => watching.list(to).await,
            Some(_) => watching.stream(to).await,
        };
        match ended {
            Ok(End::Unwanted) => return Ok(()),
            Ok(End::Forgotten) => watching.version = None,
            Ok(End::Broken) => {
                heard = Instant::now();
                sleep(AGAIN / 5).await;
            }
            Err(error) if error.kind() == Kind::Unavailable && heard.elapsed() < AWAY => {
                sleep(AGAIN).await;
            }
            Err(error) => return Err(error),
        }
        if to.is_closed() {
            return Ok(());
        }
    }
}

impl Watching {
    fn what(&self) -> String {
        let place = place(self.wanted.namespace.as_deref());
        format!("{}{place}", self.kind.full_name())
    }

    /// Looks at all of them, and tells what is new, other or gone since they were last seen.
    async fn list(&mut self, to: &To) -> Result<End> {
        let objects = self
            .kind
            .objects(&self.cluster, self.wanted.namespace.as_deref());
        let mut asked = ListParams {
            label_selector: self.wanted.labels.clone(),
            field_selector: self.wanted.fields.clone(),
            limit: Some(500),
            ..ListParams::default()
        };
        let mut gone: BTreeMap<String, Value> = self.known.clone();
        loop {
            let listed = self
                .cluster
                .answer(&self.what(), objects.list(&asked))
                .await?;
            for object in listed.items {
                gone.remove(&uid(&object));
                if !self.seen(object, to).await? {
                    return Ok(End::Unwanted);
                }
            }
            self.version = listed.metadata.resource_version;
            asked.continue_token = listed.metadata.continue_.filter(|token| !token.is_empty());
            if asked.continue_token.is_none() {
                break;
            }
        }
        for (uid, object) in gone {
            self.known.remove(&uid);
            if !tell("deleted", object, to).await {
                return Ok(End::Unwanted);
            }
        }
        Ok(End::Broken)
    }

    /// Follows what happens from the last version on.
    async fn stream(&mut self, to: &To) -> Result<End> {
        let objects = self
            .kind
            .objects(&self.cluster, self.wanted.namespace.as_deref());
        let asked = WatchParams {
            label_selector: self.wanted.labels.clone(),
            field_selector: self.wanted.fields.clone(),
            timeout: Some(LASTS),
            bookmarks: true,
            ..WatchParams::default()
        };
        let version = self.version.clone().unwrap_or_default();
        let opened = self
            .cluster
            .answer(&self.what(), objects.watch(&asked, &version))
            .await;
        let mut events = match opened {
            Ok(events) => pin!(events),
            Err(error) if error.detail().status == Some(GONE) => return Ok(End::Forgotten),
            Err(error) => return Err(error),
        };
        loop {
            let event = tokio::select! {
                () = to.closed() => return Ok(End::Unwanted),
                event = events.next() => event,
            };
            let goes_on = match event {
                Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                    self.version.clone_from(&object.metadata.resource_version);
                    self.seen(object, to).await?
                }
                Some(Ok(WatchEvent::Deleted(object))) => {
                    self.version.clone_from(&object.metadata.resource_version);
                    self.known.remove(&uid(&object));
                    tell("deleted", shown(&self.kind, object)?, to).await
                }
                Some(Ok(WatchEvent::Bookmark(mark))) => {
                    self.version = Some(mark.metadata.resource_version);
                    true
                }
                Some(Ok(WatchEvent::Error(status))) if status.code == GONE => {
                    return Ok(End::Forgotten);
                }
                Some(Ok(WatchEvent::Error(status))) => {
                    let message = format!("{} can be watched no longer", self.what());
                    return Err(self.cluster.at(
                        Error::new(Kind::of_status(status.code), message).cause(status.message)
                    ));
                }
                Some(Err(_)) | None => return Ok(End::Broken),
            };
            if !goes_on {
                return Ok(End::Unwanted);
            }
        }
    }

    /// Tells an object that is there, unless it was told as it is. False where nobody wants it.
    async fn seen(&mut self, object: DynamicObject, to: &To) -> Result<bool> {
        let uid = uid(&object);
        let object = shown(&self.kind, object)?;
        let told = match self.known.entry(uid) {
            Entry::Vacant(entry) => {
                entry.insert(object.clone());
                "added"
            }
            Entry::Occupied(entry)
                if entry.get()["metadata"]["resourceVersion"]
                    == object["metadata"]["resourceVersion"] =>
            {
                return Ok(true);
            }
            Entry::Occupied(mut entry) => {
                entry.insert(object.clone());
                "modified"
            }
        };
        Ok(tell(told, object, to).await)
    }
}

async fn tell(what: &str, object: Value, to: &To) -> bool {
    let event = json!({"type": what, "object": object});
    to.send(Ok(event)).await.is_ok()
}

fn uid(object: &DynamicObject) -> String {
    object.metadata.uid.clone().unwrap_or_default()
}
