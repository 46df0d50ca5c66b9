//! The flow of the seeded lake, its deployment, and runs in every state an operator meets, with their logs.

use rusqlite::Transaction;
use serde_json::json;

use super::datasets::{DATASETS, Dataset};
use crate::sandbox::clock::{DAY, HOUR, SECOND};
use crate::sandbox::prefect::{self, Ask, Deployment, Line, Refusal, Run, RunState};

/// One minute in microseconds.
const MINUTE: i64 = 60 * SECOND;

/// Writes flow, deployment, runs and logs.
pub(crate) fn fill(database: &Transaction<'_>, now: i64) -> Result<(), Refusal> {
    let made = now - 60 * DAY;
    let (flow, _) = prefect::ensure_flow(database, "dashi-ingest", &json!([]), made)?;
    let settings = json!({
        "parameters": {"source_path": "/data/sample", "domain": "gelaende-umwelt"},
        "tags": ["dashi", "ingest"],
        "entrypoint": "dashi_ingest/flow.py:ingest",
        "enforce_parameter_schema": false,
    });
    let (deployment, _) =
        prefect::store_deployment(database, &flow, "main", &settings, true, made)?;
    let history = History {
        database,
        deployment,
    };
    for dataset in &DATASETS {
        history.completed(dataset, now - dataset.age * DAY)?;
    }
    history.unlucky(now)?;
    history.underway(now)
}

struct History<'a> {
    database: &'a Transaction<'a>,
    deployment: Deployment,
}

impl History<'_> {
    fn completed(&self, dataset: &Dataset, end: i64) -> Result<(), Refusal> {
        let source = format!("s3://landing/{}", dataset.source());
        let took = MINUTE + i64::try_from(dataset.size).unwrap_or(0) * 2 * SECOND;
        let mut run = self.begin(&source, dataset.domain, end - took)?;
        self.say(&run, 2 * SECOND, 20, &format!("Reading {source}"))?;
        self.say(
            &run,
            took / 2,
            20,
            &format!("Writing {} object(s)", dataset.keys().len()),
        )?;
        let wrote = format!("Created STAC item {}/{}", dataset.domain, dataset.id);
        self.say(&run, took - SECOND, 20, &wrote)?;
        self.say(&run, took, 20, "Finished in state Completed()")?;
        run.enter(RunState::new("COMPLETED", end));
        self.keep(&mut run, None)
    }

    /// A failed, a crashed and a cancelled run.
    fn unlucky(&self, now: i64) -> Result<(), Refusal> {
        let source =
            "s3://landing/klima-historisch/incoming/7d1e9c0b2a3f4e5d6c7b8a9f0e1d2c3b/pr_kaputt.tif";
        let mut run = self.begin(source, "klima-historisch", now - 3 * DAY)?;
        let why =
            "RasterioIOError: 'pr_kaputt.tif' not recognized as being in a supported file format.";
        self.say(&run, 2 * SECOND, 20, &format!("Reading {source}"))?;
        self.say(
            &run,
            9 * SECOND,
            40,
            &format!("Encountered an exception: {why}"),
        )?;
        let failed = RunState::new("FAILED", run.state.since + 9 * SECOND);
        run.enter(failed.saying(format!("Flow run encountered an exception: {why}")));
        self.keep(&mut run, None)?;

        let source = "s3://landing/gelaende-umwelt/incoming/c0ffee00c0ffee00c0ffee00c0ffee00/als_rhoen_2025.laz";
        let mut run = self.begin(source, "gelaende-umwelt", now - 10 * DAY)?;
        self.say(&run, 2 * SECOND, 20, &format!("Reading {source}"))?;
        let crashed = RunState::new("CRASHED", run.state.since + 41 * MINUTE);
        run.enter(crashed.saying("Flow run infrastructure exited with non-zero status code 137."));
        self.keep(&mut run, None)?;

        let source =
            "s3://landing/gelaende-umwelt/incoming/0f3c2d6a5b1e4c7f9a8b7c6d5e4f3a2b/test ä+1.tif";
        let mut run = self.ask(source, "gelaende-umwelt", now - 27 * DAY, None)?;
        run.enter(RunState::new("CANCELLED", now - 27 * DAY + MINUTE));
        self.keep(&mut run, None)
    }

    /// A run that is at work for some hours yet, and one that is planned for tomorrow.
    fn underway(&self, now: i64) -> Result<(), Refusal> {
        let source = format!("s3://landing/{}", DATASETS[8].source());
        let mut run = self.begin(&source, "gelaende-umwelt", now - 20 * MINUTE)?;
        self.say(&run, 2 * SECOND, 20, &format!("Reading {source}"))?;
        self.say(&run, 4 * MINUTE, 30, "Part 3 of 12 is slow: 41 s")?;
        self.keep(&mut run, Some(now + 6 * HOUR))?;

        let source = format!("s3://landing/{}", DATASETS[10].source());
        let mut run = self.ask(&source, "klima-historisch", now - HOUR, Some(now + DAY))?;
        let due = run.due;
        self.keep(&mut run, due)
    }

    /// A run that was asked for a moment before this time, and started then.
    fn begin(&self, source: &str, domain: &str, start: i64) -> Result<Run, Refusal> {
        let mut run = self.ask(source, domain, start - 3 * SECOND, None)?;
        run.enter(RunState::new("PENDING", start - SECOND));
        run.enter(RunState::new("RUNNING", start));
        let name = run.name.clone();
        self.say(
            &run,
            0,
            20,
            &format!("Beginning flow run '{name}' for flow 'dashi-ingest'"),
        )?;
        Ok(run)
    }

    fn ask(
        &self,
        source: &str,
        domain: &str,
        at: i64,
        scheduled: Option<i64>,
    ) -> Result<Run, Refusal> {
        let class = if domain == "klima-historisch" {
            "pub"
        } else {
            "int"
        };
        let ask = Ask {
            parameters: json!({"source_path": source, "domain": domain, "classification": class}),
            tags: vec![
                json!("submitted-by:operator"),
                json!(format!("domain:{domain}")),
            ],
            scheduled,
            ..Ask::default()
        };
        let (run, _) = prefect::create_run(self.database, &self.deployment, &ask, at)?;
        Ok(run)
    }

    /// Writes a run as it is now. `due` is when the runner ends it.
    fn keep(&self, run: &mut Run, due: Option<i64>) -> Result<(), Refusal> {
        let step = if run.state.kind == "RUNNING" {
            "end"
        } else {
            "pick up"
        };
        run.due = due;
        run.step = due.map(|_| step.to_owned());
        Ok(prefect::update_run(self.database, run)?)
    }

    /// A log line so long after the run's state began.
    fn say(&self, run: &Run, after: i64, level: i64, message: &str) -> Result<(), Refusal> {
        let line = Line::of_run(&run.id, run.state.since + after, level, message.to_owned());
        Ok(prefect::insert_log(self.database, &line)?)
    }
}
