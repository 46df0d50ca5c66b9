//! What must be known before an object is called an orphan, read at one time: catalogue, runs, uploads, the store's clock.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};

use super::catalogue::Record;
use super::in_flight::InFlight;
use super::referenced::{Referenced, Wanted};
use super::sweep::{Judge, Sweep};
use crate::clients::prefect::Prefect;
use crate::clients::s3::S3;
use crate::clients::s3_uploads::Upload;
use crate::clients::stac::Stac;
use crate::error::{Error, Kind, Result};
use crate::lake::Lake;

/// While objects are deleted, what is known is read again after so long.
pub const KNOWN_FOR: Duration = Duration::from_mins(5);

/// An upload that has been open for so long was given up without a word.
const STALE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The clocks of the store and of this machine may be apart so far.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The services that it is read from.
#[derive(Clone)]
pub struct Services {
    /// The catalogue.
    pub stac: Stac,
    /// The store.
    pub s3: S3,
    /// The flows.
    pub prefect: Prefect,
    /// Where hrefs lead.
    pub lake: Lake,
}

/// What is known.
pub struct Knowledge {
    /// What the catalogue refers to.
    pub referenced: Arc<Referenced>,
    /// What is being worked on.
    pub in_flight: InFlight,
    /// The store's clock.
    pub now: Timestamp,
    read: Instant,
}

impl Knowledge {
    /// Reads all of it, or fails: what is not known whole is not known.
    pub async fn read(services: &Services, sweep: &Sweep) -> Result<Knowledge> {
        Knowledge::read_with(services, sweep, |_| ()).await
    }

    /// The same; each record of the catalogue is shown to `also`, some of them twice.
    pub async fn read_with(
        services: &Services,
        sweep: &Sweep,
        also: impl FnMut(&Record<'_>),
    ) -> Result<Knowledge> {
        let Services {
            stac,
            s3,
            prefect,
            lake,
        } = services;
        let read = Instant::now();
        let now = store_clock(s3).await?;
        let in_flight = InFlight::read(s3, prefect, lake, &sweep.bucket, now).await?;
        // After the runs: what one of them has registered meanwhile is in the catalogue by now.
        let wanted = Wanted {
            resolving: Some(&sweep.bucket),
            share: sweep.share,
            ..Wanted::default()
        };
        Ok(Knowledge {
            referenced: Arc::new(Referenced::read_with(stac, lake, wanted, also).await?),
            in_flight,
            now,
            read,
        })
    }

    /// How long ago it was read.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.read.elapsed()
    }

    /// The uploads that have been open for long. One of which it is not told since when is not among them.
    pub fn stale_uploads(&self) -> impl Iterator<Item = &Upload> {
        let is_stale = |upload: &&Upload| {
            let begun = upload.begun_at();
            begun.is_some_and(|begun| self.now.duration_since(begun) > STALE)
        };
        self.in_flight.uploads().iter().filter(is_stale)
    }

    /// Judges by it.
    #[must_use]
    pub fn judge<'a>(&'a self, sweep: &'a Sweep) -> Judge<'a> {
        Judge::new(sweep, &self.referenced, &self.in_flight, self.now)
    }
}

/// The store's clock. Where it and this machine's are far apart, no age can be told, and that is an error.
pub async fn store_clock(s3: &S3) -> Result<Timestamp> {
    checked(s3.date().await?, SystemTime::now())
}

/// The store's clock, unless it and this machine's are too far apart: then no age can be told.
fn checked(store: SystemTime, here: SystemTime) -> Result<Timestamp> {
    let read = |time: SystemTime| {
        Timestamp::try_from(time).map_err(|error| {
            Error::new(Kind::Protocol, "a clock cannot be read").cause(error.to_string())
        })
    };
    let (store, here) = (read(store)?, read(here)?);
    let apart = store.duration_since(here);
    if apart.abs() > SKEW {
        return Err(Error::new(
            Kind::Conflict,
            format!(
                "the store's clock and this machine's are {} seconds apart, so no object's age can be told",
                apart.abs().as_secs()
            ),
        )
        .hint("set the clocks right; `dashictl doctor` tells how far they are apart"));
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_far_apart_tell_no_age() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
        for (seconds, is_fine) in [(0, true), (299, true), (301, false)] {
            let other = now + Duration::from_secs(seconds);
            assert_eq!(checked(now, other).is_ok(), is_fine);
            assert_eq!(checked(other, now).is_ok(), is_fine);
        }
    }
}
