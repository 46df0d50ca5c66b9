//! The flow run that ingests what has landed: started once. The API knows no key that would keep it from starting a second,
//! so what was asked for is remembered before it is, and where nobody knows what came of it, Prefect is asked.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hands::{Done, Hands};
use super::ingestion::Ingestion;
use super::landings;
use super::memory::{self, Memory};
use super::{Change, Facts, Permit};
use crate::clients::prefect::Prefect;
use crate::error::{Error, Kind, Result};
use crate::session::Session;

/// Where it is kept, in the state folder.
const KIND: &str = "submitted";
/// Runs are looked for from so long before they were asked for: clocks differ.
const EARLIER: SignedDuration = SignedDuration::from_mins(10);
/// A run that was just asked for is looked for so often, with a pause between.
const LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(700);
/// States of a run that has come to nothing.
const FAILED: [&str; 4] = ["FAILED", "CRASHED", "CANCELLED", "CANCELLING"];

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Submission {
    domain: String,
    classification: String,
    /// When.
    asked: Timestamp,
    /// The object, as the API described it: another one of the same name is another.
    object: Value,
    /// The answer; none where it never came.
    run: Option<Value>,
}

impl Submission {
    fn is_same(&self, other: &Submission) -> bool {
        (&self.domain, &self.classification, &self.object)
            == (&other.domain, &other.classification, &other.object)
    }
}

/// What a change asks for.
struct Asked<'a> {
    uri: String,
    domain: &'a str,
    classification: &'a str,
    object: &'a Value,
}

impl<'a> Asked<'a> {
    fn of(change: &'a Change) -> Result<Asked<'a>> {
        match change {
            Change::TriggerIngest {
                at,
                domain,
                classification,
                object,
            } => Ok(Asked {
                uri: at.to_string(),
                domain,
                classification,
                object,
            }),
            _ => Err(Error::internal("this starts no flow run")),
        }
    }

    fn now(&self, session: &Session) -> Submission {
        Submission {
            domain: self.domain.to_owned(),
            classification: self.classification.to_owned(),
            asked: session.now(),
            object: self.object.clone(),
            run: None,
        }
    }
}

/// Starts the run, if it was not started already.
pub(super) async fn perform(hands: &Hands, permit: Permit, change: &Change) -> Result<Done> {
    let (ingestion, asked) = (hands.ingestion()?, Asked::of(change)?);
    let memory = memory_of(hands.session(), &asked)?;
    let now = asked.now(hands.session());
    let earlier = memory
        .recall::<Submission>()
        .filter(|earlier| earlier.is_same(&now));
    if let Some(earlier) = earlier.filter(|earlier| earlier.run.is_none())
        && let Some(run) = in_prefect(prefect(ingestion)?, &asked, earlier.asked).await?
    {
        return kept(&memory, &earlier, run);
    }
    memory.keep(&now)?;
    let answer = ingestion
        .ingest
        .trigger(permit, &asked.uri, asked.domain, asked.classification)
        .await;
    match answer {
        Ok(run) => kept(&memory, &now, run),
        Err(error) if is_refusal(&error) => {
            memory.forget();
            Err(error)
        }
        Err(error) => match after_silence(ingestion, &asked, now.asked).await {
            Some(run) => kept(&memory, &now, run),
            None => Err(error.hint(
                "nobody knows whether the flow run was started: the same command again asks Prefect before it starts one",
            )),
        },
    }
}

/// Whether the API said no, so that nothing was started.
fn is_refusal(error: &Error) -> bool {
    matches!(error.detail().status, Some(400..=499))
}

fn kept(memory: &Memory, asked: &Submission, run: Value) -> Result<Done> {
    memory.keep(&Submission {
        run: Some(run.clone()),
        ..asked.clone()
    })?;
    Ok(Done {
        after: Facts::of_record(&run),
        value: run,
        ..Done::default()
    })
}

fn memory_of(session: &Session, asked: &Asked<'_>) -> Result<Memory> {
    let memory = Memory::of(session, KIND, &name(&landings::api(session)?, &asked.uri))?;
    if memory.is_mine() {
        return Ok(memory);
    }
    let message = format!("{} is being submitted by another process", asked.uri);
    Err(Error::new(Kind::Conflict, message)
        .hint("wait for it: the same command then finds its run"))
}

fn name(api: &str, uri: &str) -> String {
    format!("{api} {uri}")
}

fn prefect(ingestion: &Ingestion) -> Result<&Prefect> {
    ingestion
        .prefect
        .as_ref()
        .ok_or_else(|| Error::internal("a flow run without Prefect"))
}

/// The run that was started although its answer was lost, if it shows soon.
async fn after_silence(
    ingestion: &Ingestion,
    asked: &Asked<'_>,
    since: Timestamp,
) -> Option<Value> {
    for _ in 0..LOOKS {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        if let Ok(Some(run)) = in_prefect(prefect(ingestion).ok()?, asked, since).await {
            return Some(run);
        }
    }
    None
}

/// The newest run that Prefect has of this object, domain and classification since then, as the API would have told it.
async fn in_prefect(
    prefect: &Prefect,
    asked: &Asked<'_>,
    since: Timestamp,
) -> Result<Option<Value>> {
    let after = since.saturating_sub(EARLIER).unwrap_or(since).to_string();
    let runs = prefect.runs_since(&after).await?;
    let is_it = |run: &&Value| {
        let parameters = &run["parameters"];
        parameters["source_path"] == asked.uri.as_str()
            && parameters["domain"] == asked.domain
            && parameters["classification"] == asked.classification
            && !has_failed(run)
    };
    Ok(runs.iter().find(is_it).map(|run| {
        json!({
            "flow_run_id": run["id"],
            "flow_run_name": run["name"],
            "state": run["state_type"],
            "ui_url": prefect.page_of(run["id"].as_str().unwrap_or_default()),
        })
    }))
}

/// Whether a run has come to nothing.
#[must_use]
pub fn has_failed(run: &Value) -> bool {
    run["state_type"]
        .as_str()
        .is_some_and(|state| FAILED.contains(&state))
}

/// What came of a submission whose end nobody told.
pub(super) async fn found(hands: &Hands, change: &Change) -> Result<Option<(Value, Facts)>> {
    let (ingestion, asked) = (hands.ingestion()?, Asked::of(change)?);
    let name = name(&landings::api(hands.session())?, &asked.uri);
    let now = asked.now(hands.session());
    let known: Option<Submission> = memory::glance(hands.session(), KIND, &name)?;
    let run = match known.filter(|known| known.is_same(&now)) {
        Some(Submission { run: Some(run), .. }) => Some(run),
        Some(known) => in_prefect(prefect(ingestion)?, &asked, known.asked).await?,
        None => None,
    };
    Ok(run.map(|run| {
        let facts = Facts::of_record(&run);
        (run, facts)
    }))
}

/// The run that this machine has started of the very same before, where that has not come to nothing: what the API gave
/// back then, with the state of now.
pub fn submitted_before(session: &Session, change: &Change) -> Result<Option<Value>> {
    let asked = Asked::of(change)?;
    let name = name(&landings::api(session)?, &asked.uri);
    let known: Option<Submission> = memory::glance(session, KIND, &name)?;
    let known = known.filter(|known| known.is_same(&asked.now(session)));
    let Some(Submission {
        run: Some(mut run), ..
    }) = known
    else {
        return Ok(None);
    };
    let id = run["flow_run_id"].as_str().unwrap_or_default();
    match session.wait(session.prefect()?.flow_run(id)) {
        Ok(now) if has_failed(&now) => Ok(None),
        Ok(now) => {
            run["state"] = now["state_type"].clone();
            Ok(Some(run))
        }
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
