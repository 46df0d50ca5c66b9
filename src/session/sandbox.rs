//! The run on the sandbox, where that is its context: its folder, its clock, and its servers, which are started when a service is
//! first asked for.

use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;

use super::Session;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::sandbox::{self, Clock, Ports, Sandbox};

impl Session {
    /// What time it is: in the sandbox, by its clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.sandbox_folder()
            .map_or_else(Timestamp::now, |folder| Clock::of(&folder).now())
    }

    /// The folder of the sandbox's state, where that is the context.
    pub(crate) fn sandbox_folder(&self) -> Option<PathBuf> {
        let is_sandbox = self.0.setup.config.is_sandbox();
        let folder = is_sandbox.then(|| sandbox::folder(self.environment()));
        folder.and_then(Result::ok)
    }

    /// Waits so long. A sandbox's clock that stands goes on by that instead, at once.
    pub(crate) fn pause(&self, duration: Duration) -> Result<()> {
        if let Some(folder) = self.sandbox_folder()
            && Clock::of(&folder).advance(duration)?
        {
            return Ok(());
        }
        self.wait(async {
            tokio::time::sleep(duration).await;
            Ok(())
        })
    }

    /// The configuration with real endpoints: brings the sandbox up where that is the context.
    pub fn endpoints(&self) -> Result<&Config> {
        if !self.0.setup.config.is_sandbox() {
            return Ok(&self.0.setup.config);
        }
        // One thread starts it, the others of a `parallel` wait for it here.
        let mut running = self
            .0
            .sandbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if running.is_none() {
            let folder = sandbox::folder(self.environment())?;
            let sandbox = self.wait(Sandbox::start(&folder, Ports::default()))?;
            let mut config = self.0.setup.config.clone();
            config.sandbox_endpoints(endpoints_of(&sandbox))?;
            let _ = self.0.endpoints.set(config);
            *running = Some(sandbox);
        }
        self.0
            .endpoints
            .get()
            .ok_or_else(|| Error::internal("the sandbox has no endpoints"))
    }
}

/// The settings that a running sandbox brings.
fn endpoints_of(sandbox: &Sandbox) -> [(&'static str, String); 16] {
    [
        ("ingest.user", "operator"),
        ("stac_url", sandbox.stac_url()),
        ("prefect_url", sandbox.prefect_url()),
        ("loki_url", sandbox.loki_url()),
        ("ingest_url", sandbox.ingest_url()),
        ("identity_url", sandbox.identity_url()),
        ("identity.realm", sandbox.realm()),
        ("identity.client_id", sandbox.client_id()),
        ("identity.client_secret", sandbox.client_secret()),
        ("iceberg_url", sandbox.iceberg_url()),
        ("iceberg.client_id", sandbox.access_key()),
        ("iceberg.client_secret", sandbox.secret_key()),
        ("s3.endpoint", sandbox.s3_endpoint()),
        ("s3.region", sandbox.region()),
        ("s3.access_key", sandbox.access_key()),
        ("s3.secret_key", sandbox.secret_key()),
    ]
    .map(|(path, value)| (path, value.to_owned()))
}
