//! The plan as a file: JSON Lines, a header, one line for each step on each target, and the totals with the digest of all
//! that stands before. It can be reviewed, kept, and applied once.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::row::Row;
use super::run::{Order, Scene, script_digest, script_digests};
use super::{Ledger, RunId, Totals};
use crate::error::{Error, Kind, Result};
use crate::session::Session;

/// A plan is good for so long.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The version of the format.
const VERSION: u32 = 1;

/// The first line of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanHeader {
    /// The version of the format.
    pub plan: u32,
    /// What makes it good for one use.
    pub nonce: String,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it can be applied.
    pub expires: Timestamp,
    /// What was typed.
    #[serde(flatten)]
    pub order: Order,
    /// The lake.
    #[serde(flatten)]
    pub scene: Scene,
    /// The digest of the script and what it imports.
    pub script: String,
    /// The digest of each of them.
    pub scripts: BTreeSet<String>,
    /// Which part of the run it is, from 1.
    pub part: i64,
    /// Why it is not whole: the step whose result the rest depends on, and where the script looks at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
    /// The word to be typed before it is applied.
    pub confirm: String,
    /// The run whose rest it is, where it is not the first part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<RunId>,
}

impl PlanHeader {
    /// The header of a plan that is made now.
    pub fn new(
        session: &Session,
        order: Order,
        part: i64,
        partial: Option<String>,
        confirm: String,
    ) -> Result<PlanHeader> {
        let created = session.now();
        Ok(PlanHeader {
            plan: VERSION,
            nonce: super::run::ulid(),
            created,
            expires: created
                .checked_add(GOOD_FOR)
                .map_err(|error| Error::internal(error.to_string()))?,
            order,
            scene: Scene::of(session)?,
            script: script_digest(session),
            scripts: script_digests(session),
            part,
            partial,
            confirm,
            continues: None,
        })
    }

    /// Fails where the plan cannot be applied here and now.
    pub fn check(&self, session: &Session) -> Result<()> {
        let stale = |message: String| {
            Error::new(Kind::Stale, message).hint(format!(
                "make a new plan: {} --plan-out FILE",
                self.order.command
            ))
        };
        if self.plan != VERSION {
            return Err(stale(format!(
                "this plan is of version {}, and this program reads {VERSION}",
                self.plan
            )));
        }
        if ulid::Ulid::from_string(&self.nonce).is_err() {
            return Err(stale("this plan has no nonce".to_owned()));
        }
        self.scene.check(&Scene::of(session)?, "this plan")?;
        if session.now() > self.expires {
            return Err(stale(format!("this plan expired at {}", self.expires)));
        }
        Ok(())
    }

    /// Fails where a script that was read is none of those that made the plan. What is imported only later counts when
    /// it is.
    pub fn check_scripts(&self, session: &Session) -> Result<()> {
        if script_digests(session).is_subset(&self.scripts) {
            return Ok(());
        }
        Err(other_scripts(&self.order))
    }
}

/// That a script is none of those that made the plan.
pub(super) fn other_scripts(order: &Order) -> Error {
    Error::new(
        Kind::Stale,
        "the script, or one that it imports, is not the one that made this plan",
    )
    .hint(format!(
        "make a new plan: {} --plan-out FILE",
        order.command
    ))
}

/// A plan that was read.
pub struct Plan {
    /// Its header.
    pub header: PlanHeader,
    /// Its steps.
    pub ledger: Ledger,
    /// What its last line says is the digest of all before, and is.
    pub digest: String,
}

/// The last line of a plan.
#[derive(Debug, Serialize, Deserialize)]
struct Trailer {
    totals: Value,
    digest: String,
}

/// Writes the plan of a ledger's latest part to a new file, for its owner alone. Gives its digest.
pub fn write(ledger: &Ledger, header: &PlanHeader, path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| Error::io("write", path, &error);
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    // One that was there before may be for others to read.
    if file.metadata().map_err(failed)?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))
            .map_err(failed)?;
    }
    let mut out = BufWriter::new(file);
    let mut hash = Sha256::new();
    let mut line = |value: &Value| -> Result<()> {
        let text = format!("{value}\n");
        hash.update(&text);
        out.write_all(text.as_bytes()).map_err(failed)
    };
    line(&json!(header))?;
    ledger.rows(false, |row| line(&json!(row)))?;
    let digest = format!("sha256:{}", hex::encode(hash.finalize()));
    let trailer = json!(Trailer {
        totals: sums(&ledger.totals(false)?),
        digest: digest.clone(),
    });
    writeln!(out, "{trailer}")
        .and_then(|()| out.flush())
        .and_then(|()| out.get_ref().sync_all())
        .map_err(failed)?;
    Ok(digest)
}

/// The totals of a plan in one value.
#[must_use]
pub fn sums(totals: &[Totals]) -> Value {
    let sum = |of: fn(&Totals) -> u64| totals.iter().map(of).sum::<u64>();
    json!({"targets": sum(|total| total.targets), "bytes": sum(|total| total.bytes), "steps": totals})
}

impl Plan {
    /// Reads a plan. One that is damaged or was changed by hand is refused.
    pub fn read(path: &Path) -> Result<Plan> {
        let file = File::open(path).map_err(|error| Error::io("read", path, &error))?;
        let damaged = |what: &str| {
            Error::new(
                Kind::Stale,
                format!("the plan {} is damaged: {what}", path.display()),
            )
            .hint("make a new one: what was confirmed must be what is done")
        };
        let mut lines = BufReader::new(file).lines();
        let mut next = || {
            lines
                .next()
                .transpose()
                .map_err(|error| Error::io("read", path, &error))
        };
        let mut hash = Sha256::new();
        let first = next()?.ok_or_else(|| damaged("it is empty"))?;
        let header: PlanHeader = serde_json::from_str(&first).map_err(|error| {
            damaged("its first line is no header of a plan").cause(error.to_string())
        })?;
        hash.update(format!("{first}\n"));
        let mut ledger = Ledger::new()?;
        let digest = loop {
            let line = next()?.ok_or_else(|| damaged("its end is missing"))?;
            if let Ok(trailer) = serde_json::from_str::<Trailer>(&line) {
                if trailer.digest != format!("sha256:{}", hex::encode(hash.finalize())) {
                    return Err(damaged("its digest does not fit"));
                }
                if trailer.totals != sums(&ledger.totals(false)?) {
                    return Err(damaged("its totals do not fit"));
                }
                if next()?.is_some() {
                    return Err(damaged("there is something after its end"));
                }
                break trailer.digest;
            }
            let row: Row = serde_json::from_str(&line)
                .map_err(|error| damaged("a line is no step").cause(error.to_string()))?;
            hash.update(format!("{line}\n"));
            ledger.add(&row.fingerprint(), &row)?;
        };
        Ok(Plan {
            header,
            ledger,
            digest,
        })
    }
}
