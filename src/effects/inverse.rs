//! How a change is taken back: the change that does so, and what the target must still be for it.

use serde_json::Value;

use super::account::Effected;
use super::object::of_version;
use super::row::State;
use super::{Change, Facts, Payload, cluster_object, deployment, membership};
use crate::lake::ObjectRef;

/// What takes a step back.
#[derive(Debug, Clone, PartialEq)]
pub enum Inverse {
    /// This change, if the target is still as the step left it.
    Change(Box<Change>, Facts),
    /// Nothing was changed.
    Nothing,
    /// It cannot be taken back, because of this.
    Lost(String),
}

/// What takes a step back that was begun.
#[must_use]
pub fn inverse(step: &Effected) -> Inverse {
    let Some(begun) = &step.begun else {
        return Inverse::Nothing;
    };
    let Some(ended) = &step.ended else {
        return Inverse::Lost("nobody knows whether it was done, and it changed since".to_owned());
    };
    if ended.state != State::Done {
        return Inverse::Nothing;
    }
    let (before, image) = (&begun.row.facts, begun.image.as_ref());
    let now = ended.now.clone();
    let aside = ended.aside.clone();
    match &begun.row.change {
        Change::DeleteItem { .. } | Change::DeleteCollection { .. } => {
            back_to(image, &begun.row.change, Facts::Absent)
        }
        change @ (Change::PutItem { .. }
        | Change::PutCollection { .. }
        | Change::WriteFile { .. }) => {
            let Some(now) = now else {
                return Inverse::Lost("nobody knows whether it was done".to_owned());
            };
            back_to(image, change, now)
        }
        Change::DeleteObject { at, .. } => {
            if let Some(marker) = ended.marker.clone() {
                let change = Change::RemoveVersion {
                    at: at.clone(),
                    version: marker.clone(),
                    marker: true,
                };
                return Inverse::Change(Box::new(change), of_version(marker));
            }
            match aside {
                Some(from) => Inverse::Change(
                    Box::new(Change::RestoreObject {
                        from,
                        to: at.clone(),
                        was: before.clone(),
                    }),
                    Facts::Absent,
                ),
                None => Inverse::Lost(
                    "it was deleted for good: trash was switched off for its bucket".to_owned(),
                ),
            }
        }
        Change::WriteObject { at, .. }
        | Change::UploadFile { at, .. }
        | Change::CopyObject { to: at, .. } => {
            let Some(now) = now else {
                return Inverse::Lost("nobody knows whether it was done".to_owned());
            };
            let version = match &now {
                Facts::Object { version, .. } => version.clone(),
                _ => None,
            };
            let change = match (before, aside, version) {
                (Facts::Absent, _, _) => Change::delete(at.clone()),
                (_, Some(from), _) => Change::RestoreObject {
                    from,
                    to: at.clone(),
                    was: before.clone(),
                },
                (_, None, Some(version)) => Change::RemoveVersion {
                    at: at.clone(),
                    version,
                    marker: false,
                },
                _ => return Inverse::Lost("what it replaced was not put aside".to_owned()),
            };
            Inverse::Change(Box::new(change), now)
        }
        Change::LandFile { .. } => landed(&ended.value, now),
        Change::RestoreObject { to: at, .. }
        | Change::RemoveVersion {
            at, marker: true, ..
        } => by(Change::delete(at.clone()), now),
        Change::DownloadObject { path, .. } => by(Change::RemoveFile { path: path.clone() }, now),
        Change::RemoveFile { path } => match content(image) {
            Some(content) => Inverse::Change(
                Box::new(Change::WriteFile {
                    path: path.clone(),
                    content,
                }),
                Facts::Absent,
            ),
            None => Inverse::Lost("the file was too large to be kept".to_owned()),
        },
        // Nothing of it is left.
        Change::RehearseRestore { .. } => Inverse::Nothing,
        change if change.is_deployment() => {
            since(now, |now| deployment::inverse(change, image, now))
        }
        Change::Cluster(change) => since(now, |now| cluster_object::inverse(change, image, now)),
        Change::Membership(change) => since(now, |now| membership::inverse(change, before, now)),
        Change::TableBranch(change) => since(now, |now| change.inverse(image, now)),
        Change::TableRows(change) => since(now, |now| change.inverse(&ended.value, now)),
        change => Inverse::Lost(for_good(change, &ended.value)),
    }
}

/// Why what was done, and gave this back, cannot be taken back.
fn for_good(change: &Change, value: &Value) -> String {
    match change {
        Change::TriggerIngest { .. } => {
            let id = text(value, "flow_run_id");
            format!("flow run {id} was started: what it makes is taken back with `item delete`")
        }
        Change::StartFlowRun { .. } => {
            let id = text(value, "id");
            format!("flow run {id} was started: `runs cancel {id}` stops it")
        }
        Change::CancelFlowRun { id, .. } => {
            format!("flow run {id} was cancelled: `runs retry {id}` lets it run again")
        }
        Change::RetryFlowRun { id } => {
            format!("flow run {id} runs again: `runs cancel {id}` stops it")
        }
        Change::SendRequest(_) => "what was sent stays sent".to_owned(),
        Change::PushLine { .. } => "a line that Loki has taken stays".to_owned(),
        Change::AbortUpload { .. } | Change::AbortLanding { .. } => {
            "an upload that was given up is gone".to_owned()
        }
        Change::TableSnapshots(_) => {
            "a snapshot that a catalogue has forgotten is not taken back".to_owned()
        }
        Change::PurgeObject { .. } => "what is purged is gone".to_owned(),
        Change::RemoveVersion { .. } => "a version that was removed is gone".to_owned(),
        _ => format!("{} cannot be taken back", change.target()),
    }
}

/// What takes away what has landed.
fn landed(value: &Value, now: Option<Facts>) -> Inverse {
    let at = ObjectRef {
        bucket: text(value, "bucket").to_owned(),
        key: text(value, "key").to_owned(),
    };
    by(Change::delete(at), now)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// What takes a step back that left its target as this.
fn by(change: Change, now: Option<Facts>) -> Inverse {
    since(now, |now| Inverse::Change(Box::new(change), now))
}

/// What takes back a step whose target is known to have become this.
fn since(now: Option<Facts>, back: impl FnOnce(Facts) -> Inverse) -> Inverse {
    match now {
        Some(now) => back(now),
        None => Inverse::Lost("nobody knows whether it was done".to_owned()),
    }
}

/// The change that brings a record or file back to what it was, or takes it away where it was not.
fn back_to(image: Option<&Value>, change: &Change, now: Facts) -> Inverse {
    let back = match (change, image) {
        (Change::DeleteItem { .. } | Change::PutItem { .. }, Some(record)) => Change::PutItem {
            record: record.clone(),
        },
        (Change::DeleteCollection { .. } | Change::PutCollection { .. }, Some(record)) => {
            Change::PutCollection {
                record: record.clone(),
            }
        }
        (Change::PutItem { record }, None) => Change::DeleteItem {
            collection: record["collection"].as_str().unwrap_or_default().to_owned(),
            id: record["id"].as_str().unwrap_or_default().to_owned(),
        },
        (Change::PutCollection { record }, None) => Change::DeleteCollection {
            id: record["id"].as_str().unwrap_or_default().to_owned(),
        },
        (Change::WriteFile { path, .. }, None) => Change::RemoveFile { path: path.clone() },
        (Change::WriteFile { path, .. }, Some(image)) => match content(Some(image)) {
            Some(content) => Change::WriteFile {
                path: path.clone(),
                content,
            },
            None => return Inverse::Lost("what it replaced was too large to be kept".to_owned()),
        },
        _ => return Inverse::Lost("what was there before is not in the journal".to_owned()),
    };
    Inverse::Change(Box::new(back), now)
}

/// The content that is kept of a file.
fn content(image: Option<&Value>) -> Option<Payload> {
    let payload: Payload = serde_json::from_value(image?.clone()).ok()?;
    payload.bytes().is_ok().then_some(payload)
}
