//! A change as data: what is done to which target. A plan and a journal hold it, so that what was confirmed can be done
//! later, elsewhere, without its script.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::cluster_change::ClusterChange;
use super::membership::Membership;
use super::outgoing::Outgoing;
use super::table_branch::TableBranch;
use super::table_rows::TableRows;
use super::table_snapshots::TableSnapshots;
use super::{Effect, Facts, Payload, log_line};
use crate::lake::{ObjectRef, Share};
use crate::local_file::LocalFile;

/// A change to one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Change {
    /// Creates a collection, or replaces the one of its id.
    PutCollection {
        /// The collection.
        record: Value,
    },
    /// Removes an empty collection.
    DeleteCollection {
        /// Its id.
        id: String,
    },
    /// Creates an item, or replaces the one of its id.
    PutItem {
        /// The item, which names its collection.
        record: Value,
    },
    /// Removes the record of an item.
    DeleteItem {
        /// Its collection.
        collection: String,
        /// Its id.
        id: String,
    },
    /// Writes an object; one that is there is put aside.
    WriteObject {
        /// Where.
        at: ObjectRef,
        /// What.
        content: Payload,
        /// The media type.
        content_type: Option<String>,
        /// The user metadata.
        metadata: std::collections::BTreeMap<String, String>,
        /// Only where there is no object yet.
        only_new: bool,
        /// Only over an object of this ETag.
        if_match: Option<String>,
    },
    /// Uploads a local file; an object that is there is put aside.
    UploadFile {
        /// The file, as it was when it was asked for.
        file: LocalFile,
        /// Where.
        at: ObjectRef,
        /// The media type.
        content_type: Option<String>,
        /// The user metadata.
        metadata: std::collections::BTreeMap<String, String>,
        /// Only where there is no object yet.
        only_new: bool,
        /// A larger file is uploaded in parts of so many bytes.
        part_size: u64,
    },
    /// Downloads an object to a local file that is not there yet.
    DownloadObject {
        /// Which.
        from: ObjectRef,
        /// What it was when it was asked for.
        was: Facts,
        /// The absolute path of the file.
        path: PathBuf,
    },
    /// Uploads a local file through the ingest-api, which says where it lands.
    LandFile {
        /// The file, as it was when it was asked for.
        file: LocalFile,
        /// The name that it was asked for by, which a link gives another than the file's own.
        name: String,
        /// The domain it is for.
        domain: String,
        /// The classification that it is to have.
        classification: String,
        /// The media type.
        content_type: String,
        /// Also where it has landed already.
        again: bool,
    },
    /// Gives an upload through the ingest-api up. Nothing is lost by it: the file is where it was.
    AbortLanding {
        /// The object that it would have made.
        at: ObjectRef,
        /// Its id.
        upload: String,
    },
    /// Starts the flow run that ingests what has landed.
    TriggerIngest {
        /// What has landed.
        at: ObjectRef,
        /// The domain it is for.
        domain: String,
        /// The classification that it is to have.
        classification: String,
        /// What the ingest-api said of the object.
        object: Value,
        /// Also where it was submitted already.
        again: bool,
    },
    /// Starts a run of a deployment of Prefect.
    StartFlowRun {
        /// The deployment, as `flow/deployment`.
        deployment: String,
        /// Its id.
        deployment_id: String,
        /// What goes over the deployment's own parameters.
        parameters: Value,
        /// What makes it one run however often it is asked for; none where each step is a run of its own.
        key: Option<String>,
        /// Tags beside the deployment's own.
        tags: Vec<String>,
        /// The run's name; none where Prefect is to draw one.
        name: Option<String>,
        /// When it is to begin (RFC 3339); none for now.
        at: Option<String>,
        /// It is started once fewer runs than this with all of its tags are under way; none where they do not matter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_active: Option<usize>,
    },
    /// Cancels a flow run.
    CancelFlowRun {
        /// Its id.
        id: String,
        /// Also where its worker does not answer: it is cancelled in Prefect's records.
        force: bool,
    },
    /// Lets a flow run that has failed run again.
    RetryFlowRun {
        /// Its id.
        id: String,
    },
    /// Makes a deployment of Prefect, or makes it so.
    PutDeployment {
        /// Its flow.
        flow: String,
        /// Its name within it.
        name: String,
        /// What is to be set of it.
        deployment: Value,
    },
    /// Deletes a deployment of Prefect.
    DeleteDeployment {
        /// Its flow.
        flow: String,
        /// Its name within it.
        name: String,
    },
    /// Pushes a line to Loki.
    PushLine {
        /// The labels of its stream.
        labels: Value,
        /// When, in nanoseconds since 1970.
        at: i64,
        /// The line.
        line: String,
    },
    /// Sends a request to a server that is no service of the lake.
    SendRequest(Outgoing),
    /// Copies an object inside the store; one that is in the way is put aside.
    CopyObject {
        /// From where.
        from: ObjectRef,
        /// To where.
        to: ObjectRef,
        /// Only where there is no object yet.
        only_new: bool,
    },
    /// Deletes an object, after putting it aside.
    DeleteObject {
        /// Which.
        at: ObjectRef,
        /// The share of its bucket that is swept, where others sweep the rest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<Share>,
        /// The bucket that it is put aside in, where its own takes nothing but tables.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trash: Option<String>,
    },
    /// Gives an upload in parts up: what it holds is gone.
    AbortUpload {
        /// The object that it would have made.
        at: ObjectRef,
        /// Its id.
        upload: String,
    },
    /// Deletes an object for good: what was put aside.
    PurgeObject {
        /// Which.
        at: ObjectRef,
    },
    /// Brings an object back from where it was put aside.
    RestoreObject {
        /// Where it was put.
        from: ObjectRef,
        /// Where it was.
        to: ObjectRef,
        /// What it was.
        was: Facts,
    },
    /// Removes a version of an object: a delete marker, so that the object is there again, or what was written over
    /// another version.
    RemoveVersion {
        /// Which object.
        at: ObjectRef,
        /// Which version.
        version: String,
        /// Whether the version is a delete marker.
        marker: bool,
    },
    /// Writes a local file.
    WriteFile {
        /// Its absolute path.
        path: PathBuf,
        /// What.
        content: Payload,
    },
    /// Removes a local file that a run had made.
    RemoveFile {
        /// Its absolute path.
        path: PathBuf,
    },
    /// Restores a backup into a throw-away server on this machine, and asks it questions.
    RehearseRestore {
        /// The dump.
        dump: ObjectRef,
        /// What it is of.
        label: String,
        /// Where the programs of PostgreSQL are; none where they are to be found.
        programs: Option<PathBuf>,
        /// So many seconds it may take.
        timeout: u64,
    },
    /// Changes an object of a cluster.
    Cluster(ClusterChange),
    /// Puts a user into a group, or takes one out of it.
    Membership(Membership),
    /// Takes rows out of a table, or brings them back.
    TableRows(TableRows),
    /// Moves the branch of a table that readers read.
    TableBranch(TableBranch),
    /// Has a table forget snapshots.
    TableSnapshots(TableSnapshots),
}

/// The functions whose changes nothing takes back.
pub const FOR_GOOD: [&str; 13] = [
    "http::request",
    "backup::rehearse",
    "k8s::restart",
    "k8s::exec",
    "prefect::run",
    "prefect::cancel",
    "prefect::retry",
    "loki::push",
    "ingest::trigger",
    "ingest::abort",
    "iceberg::expire",
    "s3::abort_uploads",
    "trash purge",
];

/// What a change is known by: its function, target and arguments, as a fingerprint.
pub type Fingerprint = [u8; 16];

impl Change {
    /// Deletes an object.
    #[must_use]
    pub fn delete(at: ObjectRef) -> Change {
        Change::DeleteObject {
            at,
            share: None,
            trash: None,
        }
    }

    /// What it does to the world, whatever function it came from.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Change::Cluster(change) => change.effect(),
            Change::Membership(change) => change.effect(),
            Change::TableRows(change) => change.effect(),
            Change::DeleteCollection { .. }
            | Change::DeleteItem { .. }
            | Change::DeleteObject { .. }
            | Change::AbortUpload { .. }
            | Change::PurgeObject { .. }
            | Change::RemoveVersion { marker: false, .. }
            | Change::DeleteDeployment { .. }
            | Change::TableBranch(_)
            | Change::TableSnapshots(_)
            | Change::RemoveFile { .. } => Effect::Destroy,
            _ => Effect::Write,
        }
    }

    /// The function that an operator would call for it.
    #[must_use]
    pub fn function(&self) -> &'static str {
        match self {
            Change::PutCollection { .. } => "stac::put_collection",
            Change::DeleteCollection { .. } => "stac::delete_collection",
            Change::PutItem { .. } => "stac::put_item",
            Change::DeleteItem { .. } => "stac::delete_item",
            Change::WriteObject { .. } => "s3::write",
            Change::UploadFile { .. } => "s3::upload",
            Change::DownloadObject { .. } => "s3::download",
            Change::LandFile { .. } => "ingest::upload",
            Change::AbortLanding { .. } => "ingest::abort",
            Change::TriggerIngest { .. } => "ingest::trigger",
            Change::StartFlowRun { .. } => "prefect::run",
            Change::CancelFlowRun { .. } => "prefect::cancel",
            Change::RetryFlowRun { .. } => "prefect::retry",
            Change::PutDeployment { .. } => "prefect::put_deployment",
            Change::DeleteDeployment { .. } => "prefect::delete_deployment",
            Change::PushLine { .. } => "loki::push",
            Change::SendRequest(_) => "http::request",
            Change::CopyObject { .. } => "s3::copy",
            Change::DeleteObject { .. } => "s3::delete",
            Change::AbortUpload { .. } => "s3::abort_uploads",
            Change::PurgeObject { .. } => "trash purge",
            Change::RestoreObject { .. } | Change::RemoveVersion { .. } => "undo",
            Change::WriteFile { .. } => "fs::write",
            Change::RemoveFile { .. } => "fs::remove",
            Change::RehearseRestore { .. } => "backup::rehearse",
            Change::Cluster(change) => change.function(),
            Change::Membership(change) => change.function(),
            Change::TableRows(change) => change.function(),
            Change::TableBranch(_) => "iceberg::rollback",
            Change::TableSnapshots(_) => "iceberg::expire",
        }
    }

    /// What it is done to, as in `item raw/a`, `s3://bucket/key`.
    #[must_use]
    pub fn target(&self) -> String {
        let text = |record: &Value, field: &str| {
            let missing = || format!("(without '{field}')");
            record[field].as_str().map_or_else(missing, str::to_owned)
        };
        match self {
            Change::PutCollection { record } => format!("collection {}", text(record, "id")),
            Change::DeleteCollection { id } => format!("collection {id}"),
            Change::PutItem { record } => {
                format!("item {}/{}", text(record, "collection"), text(record, "id"))
            }
            Change::DeleteItem { collection, id } => format!("item {collection}/{id}"),
            Change::WriteFile { path, .. }
            | Change::DownloadObject { path, .. }
            | Change::RemoveFile { path } => {
                format!("file {}", path.display())
            }
            Change::LandFile { file, domain, .. } => {
                format!("upload of {} to domain {domain}", file.path.display())
            }
            Change::TriggerIngest { at, domain, .. } => format!("ingest of {at} into {domain}"),
            Change::StartFlowRun {
                deployment,
                parameters,
                key,
                ..
            } => match key {
                Some(key) => format!("flow run of {deployment} by the key {key}"),
                None => format!("flow run of {deployment} with {parameters}"),
            },
            Change::CancelFlowRun { id, .. } | Change::RetryFlowRun { id } => {
                format!("flow run {id}")
            }
            Change::PutDeployment { flow, name, .. } | Change::DeleteDeployment { flow, name } => {
                format!("deployment {flow}/{name}")
            }
            Change::RehearseRestore { dump, .. } => format!("restore of {dump} on this machine"),
            Change::Cluster(change) => change.target(),
            Change::Membership(change) => change.target(),
            Change::TableRows(change) => change.target(),
            Change::TableBranch(change) => change.target(),
            Change::TableSnapshots(change) => change.target(),
            Change::PushLine { labels, .. } => format!("log {}", log_line::selector(labels)),
            Change::SendRequest(request) => request.target(),
            Change::AbortUpload { at, upload } | Change::AbortLanding { at, upload } => {
                format!("upload {upload} of {at}")
            }
            _ => self.object().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// The object it changes, if it changes one.
    #[must_use]
    pub fn object(&self) -> Option<&ObjectRef> {
        match self {
            Change::WriteObject { at, .. }
            | Change::UploadFile { at, .. }
            | Change::DeleteObject { at, .. }
            | Change::AbortUpload { at, .. }
            | Change::PurgeObject { at }
            | Change::RemoveVersion { at, .. } => Some(at),
            Change::CopyObject { to, .. } | Change::RestoreObject { to, .. } => Some(to),
            _ => None,
        }
    }

    /// The bucket that it puts an object aside in, where that is another than the object's.
    #[must_use]
    pub fn trash(&self) -> Option<&str> {
        match self {
            Change::DeleteObject { trash, .. } => trash.as_deref(),
            _ => None,
        }
    }

    /// What it is known by, as the effect of a function.
    #[must_use]
    pub fn fingerprint(&self, function: &str) -> Fingerprint {
        let mut hash = Sha256::new();
        hash.update(function);
        hash.update([0]);
        // Maps of JSON values are sorted by key, so equal changes have equal texts.
        hash.update(serde_json::to_vec(self).unwrap_or_default());
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(&hash.finalize()[..16]);
        fingerprint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_comes_back_from_its_text() {
        let at = ObjectRef {
            bucket: "b".to_owned(),
            key: "a ä+%.tif".to_owned(),
        };
        let change = Change::delete(at);
        let text = serde_json::to_string(&change).unwrap();
        assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), change);
        assert_eq!(change.target(), "s3://b/a ä+%.tif");
    }

    #[test]
    fn other_arguments_make_another_change() {
        let put = |title: &str| Change::PutItem {
            record: json!({"id": "a", "collection": "c", "title": title}),
        };
        let known = |change: &Change| change.fingerprint("stac::put_item");
        assert_eq!(known(&put("x")), known(&put("x")));
        assert_ne!(known(&put("x")), known(&put("y")));
        assert_ne!(known(&put("x")), put("x").fingerprint("other"));
    }
}
