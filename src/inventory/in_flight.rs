//! What is being worked on: uploads in parts that are open, and what flow runs read and may be about to register.
//!
//! A run that is not over is about to name objects that no item names yet: its source, and all that it has written below
//! its domain. The source of one that failed is needed to try it again.

use std::collections::HashSet;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::catalogue::Walked;
use super::gathering::Gathering;
use super::referenced::{Referenced, Wanted};
use crate::clients::prefect::{ENDS, Prefect};
use crate::clients::s3::S3;
use crate::clients::s3_uploads::Upload;
use crate::error::{Error, Kind, Result};
use crate::lake::{Lake, Place, strings};

/// The states of a run that somebody may try again.
const FAILED: [&str; 2] = ["FAILED", "CRASHED"];

/// How long the source of a failed run is kept.
const RETRIED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How far the clocks of two machines may be apart.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The tag of flow runs that are runs of this program (`schedule add --to prefect`): they write as anybody at a terminal does,
/// and what they start of the lake's flows are runs of their own.
const OWN: &str = "dashictl-command";

/// Times that the runs are read, until they stand still meanwhile.
const TRIES: usize = 3;

/// What is being worked on in one bucket.
#[derive(Debug)]
pub struct InFlight {
    uploads: Vec<Upload>,
    uploading: HashSet<String>,
    /// What runs name, as a set, and each with the run.
    sources: Referenced,
    names: Vec<(Place, String)>,
    /// Parameters as they are.
    bare: HashSet<String>,
    /// What runs that are not over may write.
    outputs: Vec<Output>,
}

/// What one run may write: all below its domain since it began; all there is where it names none.
#[derive(Debug)]
struct Output {
    below: Option<String>,
    since: Timestamp,
    run: String,
}

impl InFlight {
    /// Reads it to the end, or fails.
    pub async fn read(
        s3: &S3,
        prefect: &Prefect,
        lake: &Lake,
        bucket: &str,
        now: Timestamp,
    ) -> Result<InFlight> {
        let uploads = s3.uploads(bucket).await?;
        let mut reading = Reading::new(lake, now);
        let at_work = json!({"state": {"type": {"not_any_": ENDS}}});
        for run in runs(prefect, &at_work).await? {
            reading.add(&run, true);
        }
        let since = now.checked_sub(RETRIED).unwrap_or(Timestamp::MIN);
        for run in runs(prefect, &json!({"state": {"type": {"any_": FAILED}}})).await? {
            if ended(&run).is_none_or(|ended| ended >= since) {
                reading.add(&run, false);
            }
        }
        // One that was tried again meanwhile was in neither list.
        for run in runs(prefect, &at_work).await? {
            reading.add(&run, true);
        }
        Ok(reading.into_in_flight(uploads))
    }

    /// The open uploads.
    #[must_use]
    pub fn uploads(&self) -> &[Upload] {
        &self.uploads
    }

    /// Who works on an object, if anybody does.
    #[must_use]
    pub fn keeps(&self, bucket: &str, key: &str, modified: Timestamp) -> Option<String> {
        if self.uploading.contains(key) {
            return Some("an upload that is open".to_owned());
        }
        if self.bare.contains(key) || self.sources.has(bucket, key) {
            let mut names = self.names.iter();
            let named = names.find(|(place, _)| place.covers(bucket, key));
            let run = named.map(|(_, run)| format!("flow run '{run}' reads it"));
            return Some(
                run.unwrap_or_else(|| "a flow run has it among its parameters".to_owned()),
            );
        }
        let writes = |output: &&Output| {
            let is_below = |below: &String| key.starts_with(below.as_str());
            modified >= output.since && output.below.as_ref().is_none_or(is_below)
        };
        let output = self.outputs.iter().find(writes)?;
        Some(format!("flow run '{}' may have written it", output.run))
    }
}

/// When a run ended, if that is told.
fn ended(run: &Value) -> Option<Timestamp> {
    run["end_time"].as_str()?.parse().ok()
}

fn is_own(run: &Value) -> bool {
    let tags = run["tags"].as_array();
    tags.is_some_and(|tags| tags.iter().any(|tag| tag == OWN))
}

/// Whether a run waits for its first time, as those do that a deployment's schedule makes long before.
fn has_never_begun(run: &Value) -> bool {
    run["state_type"] == "SCHEDULED" && run["start_time"].is_null() && run["run_count"] == 0
}

/// What is read so far of what runs work on.
struct Reading<'a> {
    lake: &'a Lake,
    bare: HashSet<String>,
    sources: Gathering<'a>,
    names: Vec<(Place, String)>,
    outputs: Vec<Output>,
    now: Timestamp,
}

impl<'a> Reading<'a> {
    fn new(lake: &'a Lake, now: Timestamp) -> Reading<'a> {
        Reading {
            lake,
            now,
            bare: HashSet::new(),
            sources: Gathering::new(lake, Wanted::default()),
            names: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn add(&mut self, run: &Value, is_at_work: bool) {
        let name = run["name"].as_str().or(run["id"].as_str());
        let name = name.unwrap_or_default().to_owned();
        for found in strings(&run["parameters"]) {
            let references = self.lake.references(found.text);
            self.sources.add_text(&references, false);
            // A parameter may be the key alone.
            self.bare
                .insert(found.text.trim().trim_start_matches('/').to_owned());
            let places = references.places().iter().cloned();
            self.names.extend(places.map(|place| (place, name.clone())));
        }
        if !is_at_work || is_own(run) {
            return;
        }
        let created = run["created"].as_str().and_then(|time| time.parse().ok());
        // One that has never begun has written nothing yet; it may begin now.
        let began = if has_never_begun(run) {
            Some(self.now)
        } else {
            created
        };
        let domain = run["parameters"]["domain"].as_str();
        self.outputs.push(Output {
            below: domain
                .filter(|domain| !domain.is_empty())
                .map(|domain| format!("{domain}/")),
            since: began
                .and_then(|began: Timestamp| began.checked_sub(SKEW).ok())
                .unwrap_or(Timestamp::MIN),
            run: name,
        });
    }

    fn into_in_flight(self, uploads: Vec<Upload>) -> InFlight {
        InFlight {
            uploading: uploads.iter().map(|upload| upload.key.clone()).collect(),
            uploads,
            sources: self.sources.into_referenced(Walked::default()),
            names: self.names,
            bare: self.bare,
            outputs: self.outputs,
        }
    }
}

/// The runs that fit a filter, read anew where they changed too fast.
async fn runs(prefect: &Prefect, filter: &Value) -> Result<Vec<Value>> {
    let mut last = None;
    for _ in 0..TRIES {
        match all(prefect, filter).await {
            Err(error) if error.kind() == Kind::Conflict => last = Some(error),
            Err(error) => return Err(unread(error)),
            Ok(runs) => return Ok(runs),
        }
    }
    Err(unread(last.unwrap_or_else(|| {
        Error::internal("flow runs were never read")
    })))
}

async fn all(prefect: &Prefect, filter: &Value) -> Result<Vec<Value>> {
    let mut pages = prefect.flow_runs(filter)?;
    let mut runs = Vec::new();
    while let Some(page) = pages.next().await {
        runs.extend(page?);
    }
    Ok(runs)
}

fn unread(mut error: Error) -> Error {
    let detail = error.detail_mut();
    detail.message = format!(
        "it cannot be told what flow runs work on, so nothing was planned: {}",
        detail.message
    );
    error
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::inventory::tests::lake;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn run(parameters: Value) -> Value {
        json!({"name": "brave-eel", "created": "2026-11-01T12:00:00Z", "parameters": parameters})
    }

    /// Nobody works on anything.
    pub(in crate::inventory) fn idle() -> InFlight {
        Reading::new(&lake(), at("2026-11-20T12:00:00Z")).into_in_flight(Vec::new())
    }

    fn working(run: &Value, is_at_work: bool) -> InFlight {
        let lake = lake();
        let mut reading = Reading::new(&lake, at("2026-11-20T12:00:00Z"));
        reading.add(run, is_at_work);
        reading.into_in_flight(Vec::new())
    }

    #[test]
    fn a_run_at_work_keeps_its_source_and_what_is_newer_below_its_domain() {
        let parameters = json!({
            "source_path": "http://localhost:9000/landing/klima/incoming/7/a%20b.tif",
            "domain": "klima",
        });
        let in_flight = working(&run(parameters), true);
        let keeps = |bucket, key, time| in_flight.keeps(bucket, key, at(time));
        let old = "2020-01-01T00:00:00Z";
        assert_eq!(
            keeps("landing", "klima/incoming/7/a b.tif", old).as_deref(),
            Some("flow run 'brave-eel' reads it")
        );
        let soon = "2026-11-01T11:56:00Z";
        assert_eq!(
            keeps("processed", "klima/x/y.tif", soon).as_deref(),
            Some("flow run 'brave-eel' may have written it")
        );
        for (bucket, key, time) in [
            ("processed", "klima/incoming/7/a b.tif", old),
            ("processed", "klima/x/y.tif", "2026-11-01T11:54:00Z"),
            ("processed", "klimata/x/y.tif", soon),
        ] {
            assert_eq!(keeps(bucket, key, time), None, "{key}");
        }
    }

    #[test]
    fn a_run_without_a_domain_may_write_anything_and_a_failed_one_writes_nothing_more() {
        for (is_at_work, kept) in [(true, true), (false, false)] {
            let parameters = json!({"source_path": "s3://landing/a/b.tif"});
            let in_flight = working(&run(parameters), is_at_work);
            let later = at("2026-11-02T00:00:00Z");
            assert_eq!(in_flight.keeps("processed", "x", later).is_some(), kept);
            assert!(in_flight.keeps("landing", "a/b.tif", later).is_some());
        }
    }

    #[test]
    fn a_run_that_has_never_begun_has_written_nothing_and_one_of_this_program_writes_nothing() {
        let mut waiting = run(json!({}));
        (waiting["state_type"], waiting["run_count"]) = (json!("SCHEDULED"), json!(0));
        let keeps = |run: &Value, time| {
            working(run, true)
                .keeps("processed", "x", at(time))
                .is_some()
        };
        let (soon, now) = ("2026-11-02T00:00:00Z", "2026-11-20T11:56:00Z");
        assert!(!keeps(&waiting, soon) && keeps(&waiting, now));
        // One that waits to be tried again has.
        let mut again = waiting.clone();
        again["run_count"] = json!(1);
        assert!(keeps(&again, soon));
        let mut own = run(json!({}));
        own["tags"] = json!([OWN]);
        assert!(!keeps(&own, now));
    }

    #[test]
    fn a_run_of_unknown_age_may_have_written_anything_below_its_domain() {
        let mut run = run(json!({"domain": "klima"}));
        run["created"] = Value::Null;
        let in_flight = working(&run, true);
        let keeps = in_flight.keeps("processed", "klima/x", at("1980-01-01T00:00:00Z"));
        assert!(keeps.is_some());
    }

    #[test]
    fn what_is_being_uploaded_is_kept() {
        let upload = Upload {
            key: "a/b".to_owned(),
            id: "u".to_owned(),
            begun: None,
        };
        let in_flight =
            Reading::new(&lake(), at("2026-11-20T12:00:00Z")).into_in_flight(vec![upload]);
        let now = Timestamp::now();
        assert!(in_flight.keeps("landing", "a/b", now).is_some());
        assert!(in_flight.keeps("landing", "a/b/c", now).is_none());
    }
}
