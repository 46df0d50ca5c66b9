//! Whether a step may be done: what its target must be, and whether it still is what was planned.

use super::hands::Seen;
use super::row::{Row, State};
use super::{Change, Facts, cluster_object, deployment, flow_run, local, object, record};
use crate::error::Result;

/// What is deleted must be there, where it is a record: a wrong id is a mistake. An object that is gone is gone.
pub(super) fn refuse_missing(change: &Change, mut seen: Seen) -> Result<Seen> {
    match seen.missing.take() {
        Some(error) if change.removes() && change.object().is_none() => Err(error),
        _ => Ok(seen),
    }
}

/// What a write demands of its target is told when it is planned, not only when it is tried.
pub(super) fn refuse_unmet(change: &Change, facts: &Facts) -> Result<()> {
    let (at, only_new, if_match) = match change {
        Change::WriteObject {
            at,
            only_new,
            if_match,
            ..
        } => (at, *only_new, if_match.as_deref()),
        Change::CopyObject { to, only_new, .. } => (to, *only_new, None),
        Change::UploadFile { at, only_new, .. } => (at, *only_new, None),
        Change::DownloadObject { path, .. } => return local::refuse_existing(path, facts),
        Change::Cluster(change) => return cluster_object::refuse_unmet(change, facts),
        _ => return Ok(()),
    };
    if matches!(facts, Facts::ByStep { .. }) {
        return Ok(());
    }
    object::condition(at, facts, only_new, if_match).map(drop)
}

/// What is to be done about a step, now that its target was looked at again.
pub(super) enum Judged {
    /// It is what was planned: the change can be made.
    AsPlanned,
    /// It is gone, as it should be.
    Gone,
    /// It is what the change would make of it, by somebody else's doing.
    SoAlready,
    /// It is what the change makes of it: the run did it, and was killed before it could say so.
    DoneAlready,
    /// It is something else, and is left alone.
    Changed(String),
}

/// Judges a step by what its target is now.
pub(super) fn judge(row: &Row, seen: &Seen) -> Judged {
    let removes = row.change.removes();
    if removes && seen.facts == Facts::Absent {
        return if row.state == State::Begun {
            Judged::DoneAlready
        } else {
            Judged::Gone
        };
    }
    if row.state == State::Begun {
        match &row.change {
            Change::Cluster(change) if change.is_command() => {
                return Judged::Changed("nobody knows whether it was run".to_owned());
            }
            Change::SendRequest(_) => {
                return Judged::Changed("nobody knows whether it was sent".to_owned());
            }
            _ => {}
        }
    }
    let is_unchanged = row.facts.still(&seen.facts);
    // A run that was killed may have done it and not said so. What nobody has touched it has not, or to no effect.
    let may_be_done = !is_unchanged || matches!(row.facts, Facts::ByStep { .. });
    if row.state == State::Begun && may_be_done && is_made(&row.change, seen) {
        return Judged::DoneAlready;
    }
    if is_unchanged {
        return Judged::AsPlanned;
    }
    // Somebody did the same: nothing is left to do, and nothing of this run's to take back.
    if is_made(&row.change, seen) {
        return Judged::SoAlready;
    }
    Judged::Changed(match (&row.facts, &seen.facts) {
        (Facts::Absent, _) => "somebody else made it since the plan".to_owned(),
        (_, Facts::Absent) => "it is gone since the plan".to_owned(),
        _ => "it was changed since the plan".to_owned(),
    })
}

/// Whether a target is what a change would make of it.
fn is_made(change: &Change, seen: &Seen) -> bool {
    match (change, &seen.facts, &seen.image) {
        (
            Change::PutItem { record: wanted } | Change::PutCollection { record: wanted },
            _,
            Some(found),
        ) => record::is(found, wanted),
        (Change::WriteObject { content, .. }, Facts::Object { size, etag, .. }, _) => {
            let bytes = content.bytes().unwrap_or_default();
            let md5 = hex::encode(<md5::Md5 as md5::Digest>::digest(&bytes));
            *size == content.size() && etag.as_deref() == Some(md5.as_str())
        }
        (Change::CopyObject { .. } | Change::UploadFile { .. }, now @ Facts::Object { .. }, _) => {
            let source = seen.source.as_ref();
            source.is_some_and(|source| object::is_copy(now, source))
        }
        (Change::WriteFile { content, .. }, Facts::File { sha256 }, _) => {
            sha256 == content.sha256()
        }
        (change, _, Some(found)) if change.is_deployment() => deployment::is_made(change, found),
        (Change::Membership(change), _, Some(_)) => change.joins,
        (Change::TableBranch(change), _, Some(found)) => change.is_made(found),
        (Change::TableRows(change), _, Some(_)) => change.taken_by.is_some(),
        (Change::Cluster(change), _, Some(found)) => cluster_object::is_made(change, found),
        (change, _, Some(run)) if change.is_flow_run() => flow_run::is_made(change, run),
        // What they make is found only where they made it.
        (Change::LandFile { .. } | Change::TriggerIngest { .. }, now, _) => *now != Facts::Absent,
        // A file takes its place only when it is whole.
        (Change::DownloadObject { was, path, .. }, Facts::File { .. }, _) => {
            std::fs::metadata(path).is_ok_and(|file| Some(file.len()) == was.size())
        }
        (Change::RestoreObject { was, .. }, now @ Facts::Object { .. }, _) => {
            object::is_copy(now, was)
        }
        _ => false,
    }
}

/// Whether a step would be done, now that its target is this.
#[cfg(test)]
pub(crate) fn is_done(row: &Row, now: Facts) -> bool {
    let seen = Seen {
        facts: now,
        ..Seen::default()
    };
    matches!(judge(row, &seen), Judged::AsPlanned)
}
