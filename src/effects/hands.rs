//! What changes go through: the clients that a change needs, what its target was seen to be, and what the change made.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures::StreamExt;
use serde_json::Value;

use super::cluster_object;
use super::deletion::{self, deletes};
use super::gate::lock;
use super::ingestion::{self, Ingestion};
use super::many::AT_ONCE;
use super::row::{Row, State};
use super::{
    Change, Facts, Manifest, Outgoing, Permit, RunId, deployment, download, flow_run, local,
    log_line, membership, object, record, rehearsal, table_branch, table_commit, table_snapshots,
    upload,
};
use crate::clients::cluster::Cluster;
use crate::clients::iceberg::Tables;
use crate::clients::identity::Identity;
use crate::clients::loki::Loki;
use crate::clients::prefect::Prefect;
use crate::clients::s3::S3;
use crate::clients::stac::Stac;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::session::Session;

/// What the target of a change was seen to be.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) facts: Facts,
    /// The record or file, to be brought back.
    pub(super) image: Option<Value>,
    /// The error for who needs it to be there.
    pub(super) missing: Option<Error>,
    /// What a copy is made from; looked at only where the copy may have been made already.
    pub(super) source: Option<Facts>,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen {
            facts: Facts::Absent,
            image: None,
            missing: None,
            source: None,
        }
    }
}

impl Seen {
    /// What was found, with what it is known by; what is not there is missing.
    pub(super) fn of(found: Result<Value>, facts: impl FnOnce(&Value) -> Facts) -> Result<Seen> {
        match found {
            Ok(image) => Ok(Seen {
                facts: facts(&image),
                image: Some(image),
                ..Seen::default()
            }),
            Err(error) if error.kind() == Kind::NotFound => Ok(Seen {
                missing: Some(error),
                ..Seen::default()
            }),
            Err(error) => Err(error),
        }
    }
}

/// What a change made.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) value: Value,
    pub(super) after: Facts,
    pub(super) aside: Option<ObjectRef>,
    pub(super) marker: Option<String>,
}

impl Default for Done {
    fn default() -> Done {
        Done {
            value: Value::Null,
            after: Facts::Absent,
            aside: None,
            marker: None,
        }
    }
}

/// Which effect of which run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number<'a> {
    pub(super) run: &'a RunId,
    pub(super) effect: i64,
}

/// The clients that changes go through, and what is known of the buckets.
pub(super) struct Hands {
    stac: Option<Stac>,
    s3: Option<S3>,
    ingestion: Option<Ingestion>,
    prefect: Option<Prefect>,
    loki: Option<Loki>,
    cluster: Option<Cluster>,
    identity: Option<Identity>,
    tables: Option<Tables>,
    manifest: Option<Manifest>,
    outgoing: Option<Outgoing>,
    session: Session,
    versions: Mutex<BTreeMap<String, bool>>,
}

impl Hands {
    /// Those that a change needs.
    pub(super) fn of(session: &Session, change: &Change) -> Result<Hands> {
        let needs_stac = change.is_record() || matches!(change, Change::Membership(_));
        let needs_s3 = change.needs_store();
        let needs_ingestion = change.is_ingestion();
        Ok(Hands {
            stac: needs_stac.then(|| session.stac().cloned()).transpose()?,
            s3: needs_s3.then(|| session.s3().cloned()).transpose()?,
            ingestion: needs_ingestion
                .then(|| Ingestion::of(session, change))
                .transpose()?,
            prefect: (change.is_flow_run() || change.is_deployment())
                .then(|| session.prefect().cloned())
                .transpose()?,
            loki: matches!(change, Change::PushLine { .. })
                .then(|| session.loki().cloned())
                .transpose()?,
            cluster: matches!(change, Change::Cluster(_))
                .then(|| session.cluster().cloned())
                .transpose()?,
            identity: matches!(change, Change::Membership(_))
                .then(|| session.identity().cloned())
                .transpose()?,
            tables: change
                .is_of_table()
                .then(|| session.iceberg().cloned())
                .transpose()?,
            manifest: match change {
                Change::Cluster(change) => change.manifest().cloned(),
                _ => None,
            },
            outgoing: match change {
                Change::SendRequest(request) => Some(request.clone()),
                _ => None,
            },
            session: session.clone(),
            versions: Mutex::new(BTreeMap::new()),
        })
    }

    fn stac(&self) -> Result<&Stac> {
        self.stac
            .as_ref()
            .ok_or_else(|| Error::internal("a change of a record without a catalogue"))
    }

    pub(super) fn s3(&self) -> Result<&S3> {
        self.s3
            .as_ref()
            .ok_or_else(|| Error::internal("a change of an object without a store"))
    }

    pub(super) fn ingestion(&self) -> Result<&Ingestion> {
        self.ingestion
            .as_ref()
            .ok_or_else(|| Error::internal("a change through the ingest-api without one"))
    }

    fn prefect(&self) -> Result<&Prefect> {
        self.prefect
            .as_ref()
            .ok_or_else(|| Error::internal("a change of a flow run without Prefect"))
    }

    fn loki(&self) -> Result<&Loki> {
        self.loki
            .as_ref()
            .ok_or_else(|| Error::internal("a line of a log without Loki"))
    }

    pub(super) fn cluster(&self) -> Result<&Cluster> {
        self.cluster
            .as_ref()
            .ok_or_else(|| Error::internal("a change of a cluster without one"))
    }

    fn identity(&self) -> Result<&Identity> {
        self.identity
            .as_ref()
            .ok_or_else(|| Error::internal("a change of a membership without who keeps them"))
    }

    /// The catalogue, and who keeps the memberships that it tells of.
    pub(super) fn keepers(&self) -> Result<(&Stac, &Identity)> {
        Ok((self.stac()?, self.identity()?))
    }

    /// The catalogue of tables.
    pub(super) fn tables(&self) -> Result<&Tables> {
        self.tables
            .as_ref()
            .ok_or_else(|| Error::internal("a change of a table without a catalogue"))
    }

    /// Ends a change that was found to be made by a run that was killed.
    pub(super) async fn complete(&self, change: &Change) -> Result<()> {
        match change {
            Change::Membership(change) => {
                membership::complete(self, Permit::granted(), change).await
            }
            _ => Ok(()),
        }
    }

    /// The manifest that was asked for, with what only this process knows of it.
    pub(super) fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn has_trash(&self, bucket: &str) -> bool {
        self.session.config().has_trash(bucket)
    }

    /// Whether a bucket keeps what is deleted or written over. One where that is suspended does not.
    pub(super) async fn keeps_versions(&self, bucket: &str) -> Result<bool> {
        if let Some(known) = lock(&self.versions).get(bucket) {
            return Ok(*known);
        }
        let keeps = self.s3()?.versioning(bucket).await? == "Enabled";
        lock(&self.versions).insert(bucket.to_owned(), keeps);
        Ok(keeps)
    }

    /// What the target of a change is now.
    pub(super) async fn look(&self, change: &Change) -> Result<Seen> {
        if change.is_record() {
            record::look(self.stac()?, change).await
        } else if change.is_ingestion() {
            ingestion::look(self, change).await
        } else if change.object().is_some() {
            object::look(self.s3()?, change).await
        } else if change.is_flow_run() {
            flow_run::look(self.prefect()?, change).await
        } else if change.is_deployment() {
            deployment::look(self.prefect()?, change).await
        } else if let Change::RehearseRestore { dump, .. } = change {
            object::seen(self.s3()?, dump).await
        } else if let Change::Cluster(change) = change {
            cluster_object::look(self.cluster()?, change).await
        } else if let Change::Membership(change) = change {
            membership::look(self.identity()?, change).await
        } else if let Change::TableRows(change) = change {
            table_commit::look(self, change).await
        } else if let Change::TableBranch(change) = change {
            table_branch::look(self, change).await
        } else if let Change::TableSnapshots(change) = change {
            table_snapshots::look(self, change).await
        } else if matches!(change, Change::PushLine { .. } | Change::SendRequest(_)) {
            Ok(Seen::default())
        } else {
            local::look(change)
        }
    }

    /// What the targets of many changes are now, in their order: objects that are to be deleted together, all else one by
    /// one.
    pub(super) async fn look_at_all(&self, changes: &[&Change]) -> Vec<Result<Seen>> {
        if let Some(s3) = self.s3.as_ref().filter(|_| deletes(changes)) {
            let objects = changes.iter().filter_map(|change| change.object().cloned());
            return deletion::look(s3, &objects.collect::<Vec<_>>()).await;
        }
        let looks = futures::stream::iter(changes).map(|change| self.look(change));
        looks.buffered(AT_ONCE).collect().await
    }

    /// Waits until a change may begin.
    pub(super) async fn ready(&self, change: &Change) -> Result<()> {
        match change {
            Change::StartFlowRun {
                tags,
                max_active: Some(most),
                ..
            } => flow_run::room(&self.session, self.prefect()?, tags, *most).await,
            _ => Ok(()),
        }
    }

    /// What the target of a planned step is now. Where the step may have been done already, what a copy is made from is
    /// looked at as well.
    pub(super) async fn look_again(&self, run: &RunId, row: &Row) -> Result<Seen> {
        let mut seen = self.look(&row.change).await?;
        if row.state != State::Begun {
            return Ok(seen);
        }
        if row.change.is_flow_run() {
            let number = Number {
                run,
                effect: row.number,
            };
            return flow_run::look_for(self.prefect()?, number, &row.change).await;
        }
        if row.change.is_ingestion() {
            ingestion::look_for(self, &row.change, &mut seen).await?;
            return Ok(seen);
        }
        seen.source = match &row.change {
            Change::CopyObject { from, .. } => Some(object::seen(self.s3()?, from).await?.facts),
            Change::UploadFile {
                file, part_size, ..
            } => upload::source(file, *part_size),
            _ => None,
        };
        Ok(seen)
    }

    /// What a change made, by a run that could not say so any more.
    pub(super) async fn found(
        &self,
        number: Number<'_>,
        change: &Change,
        seen: &Seen,
    ) -> Result<Done> {
        let mut done = Done {
            after: seen.facts.clone(),
            value: match change {
                Change::PutItem { .. }
                | Change::PutCollection { .. }
                | Change::LandFile { .. }
                | Change::TriggerIngest { .. }
                | Change::StartFlowRun { .. }
                | Change::CancelFlowRun { .. }
                | Change::Cluster(_)
                | Change::Membership(_)
                | Change::PutDeployment { .. }
                | Change::TableBranch(_)
                | Change::RetryFlowRun { .. } => seen.image.clone().unwrap_or_default(),
                Change::WriteObject { at, .. }
                | Change::UploadFile { at, .. }
                | Change::CopyObject { to: at, .. } => object::value(at, &seen.facts),
                Change::DownloadObject { from, was, path } => download::value(from, was, path),
                Change::TableRows(change) => table_commit::found(self, number, change).await?,
                _ => Value::Null,
            },
            ..Done::default()
        };
        if let Some(at) = change.object().filter(|_| change.may_be_aside()) {
            let s3 = self.s3()?;
            let aside = object::place_aside(number, at, change.trash().unwrap_or(&at.bucket))?;
            if object::seen(s3, &aside).await?.facts != Facts::Absent {
                done.aside = Some(aside);
            } else if matches!(change, Change::DeleteObject { .. }) {
                done.marker = s3.marker_of(at).await?;
            }
        }
        Ok(done)
    }

    /// Makes a change to what was seen.
    pub(super) async fn perform(
        &self,
        number: Number<'_>,
        change: &Change,
        seen: &Seen,
    ) -> Result<Done> {
        let permit = Permit::granted();
        if change.is_record() {
            record::perform(self.stac()?, permit, change, seen).await
        } else if change.is_ingestion() {
            ingestion::perform(self, permit, change).await
        } else if change.is_flow_run() {
            flow_run::perform(&self.session, self.prefect()?, permit, number, change).await
        } else if change.is_deployment() {
            deployment::perform(self.prefect()?, permit, change).await
        } else if let Change::RehearseRestore { .. } = change {
            rehearsal::perform(self, change, &seen.facts).await
        } else if let Change::Cluster(change) = change {
            cluster_object::perform(self, permit, change, seen).await
        } else if let Change::Membership(change) = change {
            membership::perform(self, permit, change, seen).await
        } else if let Change::TableRows(change) = change {
            table_commit::perform(self, (permit, number), change, seen).await
        } else if let Change::TableBranch(change) = change {
            table_branch::perform(self, permit, change, seen).await
        } else if let Change::TableSnapshots(change) = change {
            table_snapshots::perform(self, permit, change, seen).await
        } else if let Change::PushLine { .. } = change {
            log_line::perform(self.loki()?, permit, change).await
        } else if let Change::SendRequest(request) = change {
            let known = self.outgoing.as_ref();
            request.perform(&self.session, permit, known).await
        } else if let Change::UploadFile { .. } = change {
            upload::perform(self, permit, number, change, seen).await
        } else if let Change::DownloadObject { from, was, path } = change {
            download::perform(self, from, was, path).await
        } else if change.object().is_some() {
            object::perform(self, permit, number, change, seen).await
        } else {
            local::perform(change)
        }
    }
}
