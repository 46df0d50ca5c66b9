//! The flow run that ingests what has landed: started once. The API knows no key that would keep it from starting a second,
//! so what was asked for is remembered before it is, and where nobody knows what came of it, Prefect is asked.

use std::time::{Duration, SystemTime};

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
use crate::lake::ObjectRef;
use crate::session::Session;

/// Where it is kept, in the state folder.
const KIND: &str = "submitted";
/// Servers' clocks differ by less.
const SKEW: SignedDuration = SignedDuration::from_mins(1);
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
    /// When, by the clock of the ingest-api, which is closer to Prefect's than this machine's.
    asked: Timestamp,
    /// The object, as the API described it: another one of the same name is another.
    object: Value,
    /// The answer; none where it never came.
    run: Option<Value>,
    /// The runs of the object that were known before: none of them is this one.
    others: Vec<Value>,
}

impl Submission {
    fn is_same(&self, other: &Submission) -> bool {
        (&self.domain, &self.classification, &self.object)
            == (&other.domain, &other.classification, &other.object)
    }
}

/// All that this machine has asked for of one object, the last of each kind.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Submissions(Vec<Submission>);

impl Submissions {
    fn like(&self, wanted: &Submission) -> Option<&Submission> {
        self.0.iter().find(|known| known.is_same(wanted))
    }

    fn with(&self, new: Submission) -> Submissions {
        let others = self.0.iter().filter(|known| !known.is_same(&new)).cloned();
        Submissions(others.chain([new.clone()]).collect())
    }

    fn without(&self, gone: &Submission) -> Submissions {
        Submissions(
            self.0
                .iter()
                .filter(|known| !known.is_same(gone))
                .cloned()
                .collect(),
        )
    }

    /// The ids of all runs that are known.
    fn runs(&self) -> Vec<Value> {
        let runs = self.0.iter().filter_map(|known| known.run.as_ref());
        let others = self.0.iter().flat_map(|known| known.others.clone());
        runs.map(|run| run["flow_run_id"].clone())
            .chain(others)
            .collect()
    }
}

/// What a change asks for.
struct Asked<'a> {
    uri: String,
    domain: &'a str,
    classification: &'a str,
    object: &'a Value,
    again: bool,
}

impl<'a> Asked<'a> {
    fn of(change: &'a Change) -> Result<Asked<'a>> {
        match change {
            Change::TriggerIngest {
                at,
                domain,
                classification,
                object,
                again,
            } => Ok(Asked {
                uri: at.to_string(),
                domain,
                classification,
                object,
                again: *again,
            }),
            _ => Err(Error::internal("this starts no flow run")),
        }
    }

    fn at(&self, time: Timestamp) -> Submission {
        Submission {
            domain: self.domain.to_owned(),
            classification: self.classification.to_owned(),
            asked: time,
            object: self.object.clone(),
            run: None,
            others: Vec::new(),
        }
    }
}

/// Starts the run, if it was not started already.
pub(super) async fn perform(hands: &Hands, permit: Permit, change: &Change) -> Result<Done> {
    let (ingestion, asked) = (hands.ingestion()?, Asked::of(change)?);
    let session = hands.session();
    let memory = memory_of(session, &asked)?;
    let known: Submissions = memory.recall().unwrap_or_default();
    let now = Submission {
        others: known.runs(),
        ..asked.at(now(ingestion, session).await?)
    };
    // Looked at again now that nobody else can submit it.
    if let Some(run) = session
        .stoppable(started_before(ingestion, &asked, &known, &now))
        .await?
    {
        let mut done = kept(&memory, &known, now, run)?;
        done.value["earlier"] = true.into();
        return Ok(done);
    }
    memory.keep(&known.with(now.clone()))?;
    let triggering =
        ingestion
            .ingest
            .trigger(permit, &asked.uri, asked.domain, asked.classification);
    match session.stoppable(triggering).await {
        Ok(run) => kept(&memory, &known, now, run),
        Err(error) if is_refusal(&error) => {
            memory.keep(&known.without(&now))?;
            Err(error)
        }
        Err(error) if error.kind() == Kind::Interrupted => Err(in_doubt(error)),
        Err(error) => {
            let looking = async { Ok(after_silence(ingestion, &asked, &now).await) };
            match session.stoppable(looking).await {
                Ok(Some(run)) => kept(&memory, &known, now, run),
                Ok(None) => Err(in_doubt(error)),
                Err(stopped) => Err(in_doubt(stopped)),
            }
        }
    }
}

/// The run of the very same that there is already, and has not come to nothing.
async fn started_before(
    ingestion: &Ingestion,
    asked: &Asked<'_>,
    known: &Submissions,
    now: &Submission,
) -> Result<Option<Value>> {
    let prefect = prefect(ingestion)?;
    match known.like(now) {
        Some(earlier) if earlier.run.is_none() => in_prefect(prefect, asked, earlier).await,
        Some(Submission { run: Some(run), .. }) if !asked.again => still(prefect, run).await,
        _ => Ok(None),
    }
}

/// A run with its state of now, unless it has come to nothing or is gone.
async fn still(prefect: &Prefect, run: &Value) -> Result<Option<Value>> {
    let id = run["flow_run_id"].as_str().unwrap_or_default();
    match prefect.flow_run(id).await {
        Ok(now) if has_failed(&now) => Ok(None),
        Ok(now) => {
            let mut run = run.clone();
            run["state"] = now["state_type"].clone();
            Ok(Some(run))
        }
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What time it is where flow runs are started.
async fn now(ingestion: &Ingestion, session: &Session) -> Result<Timestamp> {
    let clock = session.stoppable(ingestion.ingest.clock()).await?;
    let told = |time: SystemTime| Timestamp::try_from(time).ok();
    Ok(clock.and_then(told).unwrap_or_else(|| session.now()))
}

/// Whether the API said no, so that nothing was started.
fn is_refusal(error: &Error) -> bool {
    matches!(error.detail().status, Some(400..=499))
}

fn in_doubt(error: Error) -> Error {
    error.hint("nobody knows whether the flow run was started: the same command again asks Prefect before it starts one")
}

fn kept(memory: &Memory, known: &Submissions, asked: Submission, run: Value) -> Result<Done> {
    let submission = Submission {
        run: Some(run.clone()),
        ..asked
    };
    let id = run["flow_run_id"].as_str().unwrap_or_default().to_owned();
    memory
        .keep(&known.with(submission))
        .map_err(|error| error.hint(format!("flow run {id} was started all the same")))?;
    Ok(Done {
        after: Facts::of_record(&run),
        value: run,
        ..Done::default()
    })
}

fn memory_of(session: &Session, asked: &Asked<'_>) -> Result<Memory> {
    let memory = Memory::of(session, KIND, &name(session, &asked.uri)?)?;
    if memory.is_mine() {
        return Ok(memory);
    }
    let message = format!(
        "{} is being submitted already, by this run or another",
        asked.uri
    );
    Err(Error::new(Kind::Conflict, message)
        .hint("wait for that one: the same command then finds its run"))
}

fn name(session: &Session, uri: &str) -> Result<String> {
    Ok(format!("{} {uri}", landings::api(session)?))
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
    doubt: &Submission,
) -> Option<Value> {
    for _ in 0..LOOKS {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let prefect = prefect(ingestion).ok()?;
        if let Ok(Some(run)) = in_prefect(prefect, asked, doubt).await {
            return Some(run);
        }
    }
    None
}

/// A run that Prefect has of this object, domain and classification since it was asked for, and that was not known before,
/// as the API would have told it.
async fn in_prefect(
    prefect: &Prefect,
    asked: &Asked<'_>,
    doubt: &Submission,
) -> Result<Option<Value>> {
    let since = doubt.asked.saturating_sub(SKEW).unwrap_or(doubt.asked);
    let runs = prefect.runs_since(&since.to_string()).await?;
    let is_it = |run: &&Value| {
        let parameters = &run["parameters"];
        parameters["source_path"] == asked.uri.as_str()
            && parameters["domain"] == asked.domain
            && parameters["classification"] == asked.classification
            && !doubt.others.contains(&run["id"])
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
fn has_failed(run: &Value) -> bool {
    let state = run["state_type"].as_str();
    state.is_some_and(|state| FAILED.contains(&state))
}

/// What came of a submission whose end nobody told.
pub(super) async fn found(hands: &Hands, change: &Change) -> Result<Option<(Value, Facts)>> {
    let (ingestion, asked) = (hands.ingestion()?, Asked::of(change)?);
    let name = name(hands.session(), &asked.uri)?;
    let known: Option<Submissions> = memory::glance(hands.session(), KIND, &name)?;
    let known = known.unwrap_or_default();
    let run = match known.like(&asked.at(hands.session().now())) {
        Some(Submission { run: Some(run), .. }) => Some(run.clone()),
        Some(doubt) => in_prefect(prefect(ingestion)?, &asked, doubt).await?,
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
    let name = name(session, &asked.uri)?;
    let known: Option<Submissions> = memory::glance(session, KIND, &name)?;
    let known = known.unwrap_or_default();
    let Some(Submission { run: Some(run), .. }) = known.like(&asked.at(session.now())) else {
        return Ok(None);
    };
    session.wait(still(session.prefect()?, run))
}

/// Whether this machine has started a flow run of an object, which may need it.
pub fn is_submitted(session: &Session, at: &ObjectRef) -> Result<bool> {
    if !session.config().has(crate::config::Service::Ingest) {
        return Ok(false);
    }
    let known: Option<Submissions> =
        memory::glance(session, KIND, &name(session, &at.to_string())?)?;
    Ok(known.is_some_and(|known| !known.0.is_empty()))
}
