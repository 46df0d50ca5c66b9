//! Changes that go through the ingest-api: what they need, what their targets are, what came of those whose end nobody
//! told. How a file lands, an upload is given up and a run is started has files of its own.

use super::hands::{Done, Hands, Seen};
use super::landings::{self, Landings};
use super::object::of_upload;
use super::{Change, Facts, Permit, landing, submission};
use crate::clients::ingest::Ingest;
use crate::clients::prefect::Prefect;
use crate::clients::presigned::Presigned;
use crate::clients::s3::S3;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::session::Session;

/// What such a change goes through.
pub(super) struct Ingestion {
    pub(super) ingest: Ingest,
    pub(super) presigned: Presigned,
    /// The store, where there are keys for it.
    pub(super) own: Option<S3>,
    pub(super) prefect: Option<Prefect>,
}

impl Ingestion {
    /// What this change needs.
    pub(super) fn of(session: &Session, change: &Change) -> Result<Ingestion> {
        let needs_prefect = matches!(change, Change::TriggerIngest { .. });
        let has_keys = session.endpoints()?.has_s3_keys();
        Ok(Ingestion {
            ingest: session.ingest()?.clone(),
            presigned: session.presigned()?.clone(),
            own: has_keys.then(|| session.s3().cloned()).transpose()?,
            prefect: needs_prefect
                .then(|| session.prefect().cloned())
                .transpose()?,
        })
    }

    /// The store, by keys of one's own.
    pub(super) fn own(&self) -> Result<&S3> {
        self.own
            .as_ref()
            .ok_or_else(|| Error::internal("the store without keys for it"))
    }
}

/// What the target of a change is now. What a landing or a run will make is not there before.
pub(super) async fn look(hands: &Hands, change: &Change) -> Result<Seen> {
    let Change::AbortLanding { at, upload, .. } = change else {
        return Ok(Seen::default());
    };
    let size = match &hands.ingestion()?.own {
        Some(s3) => s3.upload_size(at, upload).await?,
        // Without keys, what is remembered is all that is known.
        None => landings::open(hands.session(), upload)?.map(|(landing, _)| landing.file.size),
    };
    Ok(Seen {
        facts: size.map_or(Facts::Absent, of_upload),
        ..Seen::default()
    })
}

/// What a change whose end nobody told has made.
pub(super) async fn look_for(hands: &Hands, change: &Change, seen: &mut Seen) -> Result<()> {
    let made = match change {
        Change::LandFile { .. } => landing::found(hands.session(), change)?,
        Change::TriggerIngest { .. } => submission::found(hands, change).await?,
        _ => None,
    };
    if let Some((value, facts)) = made {
        seen.facts = facts;
        seen.image = Some(value);
    }
    Ok(())
}

/// Makes the change.
pub(super) async fn perform(hands: &Hands, permit: Permit, change: &Change) -> Result<Done> {
    match change {
        Change::LandFile { .. } => landing::perform(hands, permit, change).await,
        Change::TriggerIngest { .. } => submission::perform(hands, permit, change).await,
        Change::AbortLanding { at, upload, .. } => {
            // Held first: one that is being sent is not given up under its sender.
            let known = landings::open(hands.session(), upload)?;
            let held = known.map(|(landing, _)| Landings::of(hands.session(), &landing));
            let held = held.transpose()?;
            let aborted = hands.ingestion()?.ingest.abort(permit, at, upload).await;
            if let Err(error) = aborted {
                refuse_open(hands, (at, upload), error).await?;
            }
            if let Some(held) = held {
                held.forget();
            }
            Ok(Done::default())
        }
        _ => Err(Error::internal("this is no change of the ingest-api's")),
    }
}

/// An abort that failed of an upload that is gone is none.
async fn refuse_open(hands: &Hands, (at, upload): (&ObjectRef, &str), error: Error) -> Result<()> {
    let is_gone = match &hands.ingestion()?.own {
        Some(s3) => s3.upload_size(at, upload).await?.is_none(),
        None => error.kind() == Kind::NotFound,
    };
    if is_gone { Ok(()) } else { Err(error) }
}
