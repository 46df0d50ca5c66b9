//! What a store can be trusted with, tried out before a destructive run and remembered on this machine: whether it keeps two
//! writers apart, and how it deletes many objects at once. What it turns out to be like in a run is remembered as well.
//!
//! A store can be replaced behind its address, so that an answer does not last: a good one a day, a poor one an hour.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::payload::digest;
use super::{Permit, Store, lease};
use crate::clients::s3::S3;
use crate::clients::s3_bulk::Doomed;
use crate::clients::s3_changes::{Condition, Content};
use crate::clients::s3_habits::Known;
use crate::error::{Kind, Result};
use crate::session::Session;

/// A good answer holds for so long.
const GOOD: SignedDuration = SignedDuration::from_hours(24);
/// A poor one for so long: it may have been a bad hour.
const POOR: SignedDuration = SignedDuration::from_hours(1);
/// What is kept is small.
const LIMIT: u64 = 1 << 16;

/// What a store can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Abilities {
    /// When it was tried out.
    tried: Timestamp,
    /// Whether of two that write where there is nothing only one succeeds.
    pub(super) keeps_writers_apart: bool,
    /// How it deletes.
    deleting: Known,
}

impl Abilities {
    /// Those of the store that a run keeps its state in: as remembered, or tried out now.
    pub(super) async fn of(session: &Session, store: &Store) -> Result<Abilities> {
        let path = place(session)?;
        let remembered = crate::file::read(&path, LIMIT).ok();
        let remembered =
            remembered.and_then(|bytes| serde_json::from_slice::<Abilities>(&bytes).ok());
        if let Some(known) = remembered.filter(|known| known.holds(Timestamp::now())) {
            store.s3().habits().adopt(known.deleting);
            return Ok(known);
        }
        let abilities = Abilities {
            keeps_writers_apart: lease::honours_conditions(store).await?,
            deleting: try_deleting(store).await?,
            tried: Timestamp::now(),
        };
        abilities.keep(&path);
        Ok(abilities)
    }

    fn holds(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.tried);
        let is_good = self.keeps_writers_apart && self.deleting == Known::default();
        self.deleting.is_known() && !age.is_negative() && age < if is_good { GOOD } else { POOR }
    }

    fn keep(&self, path: &std::path::Path) {
        // Who cannot remember tries it out again.
        let text = serde_json::to_vec(self).unwrap_or_default();
        let _ = crate::file::replace(path, &text);
    }
}

/// Remembers what the store turned out to be like since.
pub(super) fn remember(session: &Session, s3: &S3) {
    let Ok(path) = place(session) else { return };
    let bytes = crate::file::read(&path, LIMIT).unwrap_or_default();
    if let Ok(abilities) = serde_json::from_slice::<Abilities>(&bytes)
        && abilities.deleting != s3.habits().known()
    {
        let abilities = Abilities {
            deleting: s3.habits().known(),
            tried: Timestamp::now(),
            ..abilities
        };
        abilities.keep(&path);
    }
}

/// Where it is remembered: one address may lead to several stores, each known by who asks it for what.
fn place(session: &Session) -> Result<PathBuf> {
    let config = session.config();
    let s3 = config.s3()?;
    let access = s3.access_key.as_ref().map(|key| key.expose()).transpose()?;
    let known = [
        config.context(),
        s3.endpoint.as_str(),
        access.unwrap_or_default(),
        &config.state_url()?,
    ];
    let name = digest(known.join("\n").as_bytes());
    let folder = session.environment().cache_dir()?.join("stores");
    Ok(folder.join(format!("{}.json", &name[..32])))
}

/// Deletes two probes at once, of which one is not of the ETag that is named. A store that trips over the ETags is asked
/// without.
async fn try_deleting(store: &Store) -> Result<Known> {
    let habits = store.s3().habits();
    let looks = probe(store).await?;
    let with_etags = habits.known();
    if looks && with_etags.step == 0 {
        return Ok(with_etags);
    }
    habits.adopt(Known {
        step: 0,
        ignores_etags: true,
        ..with_etags
    });
    probe(store).await?;
    // Nothing is gained without them: then they do no harm.
    if habits.known().step > 0 && looks {
        habits.adopt(with_etags);
    }
    Ok(habits.known())
}

/// Whether of two probes the one that is not what it must be stays.
async fn probe(store: &Store) -> Result<bool> {
    let (s3, permit) = (store.s3(), Permit::granted());
    let mut doomed = Vec::new();
    let ulid = super::run::ulid();
    for name in ["goes", "stays"] {
        let at = store.object(&format!("probes/{ulid}-{name}"));
        let content = Content {
            bytes: name.into(),
            ..Content::default()
        };
        let written = s3.put(permit, &at, &content, &Condition::None).await;
        let written = written.map_err(|error| error.hint(lease::RIGHTS))?;
        let etag = if name == "goes" {
            written.etag
        } else {
            Some("0".repeat(32))
        };
        doomed.push((at, etag));
    }
    let bucket = doomed[0].0.bucket.clone();
    let keys = doomed.iter().map(|(at, etag)| Doomed {
        key: at.key.clone(),
        etag: etag.clone(),
    });
    s3.delete_many(permit, &bucket, &keys.collect::<Vec<_>>())
        .await;
    let mut stays = false;
    for (at, _) in &doomed {
        match s3.head(&at.bucket, &at.key).await {
            Ok(_) => {
                stays |= at.key.ends_with("stays");
                s3.delete(permit, at, None, None).await?;
            }
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(stays)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_answer_holds_for_a_day_and_a_poor_one_for_an_hour() {
        let now = Timestamp::now();
        let abilities = |hours: i64, step| Abilities {
            tried: now - SignedDuration::from_hours(hours),
            keeps_writers_apart: true,
            deleting: Known {
                step,
                ..Known::default()
            },
        };
        for (hours, step, holds) in [
            (0, 0, true),
            (23, 0, true),
            (25, 0, false),
            (0, 2, true),
            (2, 2, false),
            (-1, 0, false),
        ] {
            assert_eq!(abilities(hours, step).holds(now), holds, "{hours} {step}");
        }
    }
}
