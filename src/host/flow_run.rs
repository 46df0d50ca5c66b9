//! A run of the program that a worker of Prefect has started: it says itself when it runs and how it ended, since no engine of
//! Prefect's does. A deployment asks for it by a variable (`prefect::put_deployment`, as `schedule add --to prefect` does).

use std::time::Duration;

use super::{Host, Started};
use crate::config::Environment;
use crate::effects::{Effect, report_flow_run};
use crate::error::{Error, Kind, Result};

/// Asks for it.
const WANTED: &str = "DASHICTL_FLOW_RUN";
/// The flow run, as every worker of Prefect 3 tells what it starts (`prefect/workers/base.py`).
const RUN: &str = "PREFECT__FLOW_RUN_ID";
/// A Prefect that is away holds nothing up for longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The flow run that this run of the program is.
pub(super) struct FlowRun {
    id: String,
    started: Started,
}

impl FlowRun {
    /// It, where a deployment asks for it.
    pub(super) fn of(host: &Host) -> Result<Option<FlowRun>> {
        let Some(id) = wanted(host.environment) else {
            return Ok(None);
        };
        Ok(Some(FlowRun {
            id: id.to_owned(),
            started: host.start(Effect::Read)?,
        }))
    }

    /// Says that it runs.
    pub(super) fn begun(&self) {
        self.tell("RUNNING", "Running", "");
    }

    /// Says how it ended. One that was stopped is told by who stopped it.
    pub(super) fn ended(&self, ended: &Result<u8>) {
        match ended {
            Ok(0) => self.tell("COMPLETED", "Completed", ""),
            Ok(code) => self.tell("FAILED", "Failed", &format!("exit code {code}")),
            Err(error) if error.kind() == Kind::Interrupted => {}
            Err(error) => {
                let told = self.started.session.redact(&error.to_string());
                self.tell("FAILED", "Failed", &told);
            }
        }
    }

    /// What Prefect is not told is no failure of what was done.
    fn tell(&self, kind: &str, name: &str, message: &str) {
        let session = &self.started.session;
        let told = session.prefect().and_then(|prefect| {
            let prefect = prefect.within(Some(PATIENCE));
            session.finish(report_flow_run(&prefect, &self.id, (kind, name), message))
        });
        if let Err(error) = told {
            let warning = Error::new(
                error.kind(),
                format!("Prefect was not told that flow run {} is {kind}", self.id),
            );
            session.console().warn(&format!("{warning}: {error}"));
        }
    }
}

fn wanted(environment: &Environment) -> Option<&str> {
    environment.get(WANTED).filter(|value| *value == "1")?;
    environment.get(RUN)
}
