//! `dashictl sandbox`: serve the embedded lake for other programs, remove its state, say where that is.

use std::path::PathBuf;

use serde_json::json;

use super::signal::Stops;
use crate::cli::SandboxAction;
use crate::config::Environment;
use crate::error::Result;
use crate::output::Console;
use crate::sandbox::{self, Ports, Sandbox};

/// The ports of the real services, as the compiled defaults name them; Keycloak's own is that of the STAC API.
const USUAL: Ports = Ports {
    stac: 8080,
    prefect: 4200,
    loki: 3100,
    ingest: 8088,
    identity: 8180,
    iceberg: 8181,
    s3: 9000,
};

/// Does one of the actions.
pub(super) fn perform(
    action: SandboxAction,
    environment: &Environment,
    console: &Console,
) -> Result<u8> {
    let folder = sandbox::folder(environment)?;
    match action {
        SandboxAction::Path if console.json() => console.print(&format!("{}\n", json!(folder)))?,
        SandboxAction::Path => console.print(&format!("{}\n", folder.display()))?,
        SandboxAction::Reset => {
            sandbox::reset(&folder)?;
            console.say("the sandbox is empty; its next use fills it anew");
        }
        SandboxAction::Serve { any_port } => {
            let ports = if any_port { Ports::default() } else { USUAL };
            let runtime = super::runtime()?;
            runtime.handle()?.block_on(serve(folder, ports, console))?;
        }
    }
    Ok(0)
}

async fn serve(folder: PathBuf, ports: Ports, console: &Console) -> Result<()> {
    let mut stops = Stops::listen()?;
    let sandbox = Sandbox::start(&folder, ports).await?;
    let endpoints = json!({
        "stac_url": sandbox.stac_url(),
        "prefect_url": sandbox.prefect_url(),
        "loki_url": sandbox.loki_url(),
        "ingest_url": sandbox.ingest_url(),
        "identity_url": sandbox.identity_url(),
        "iceberg_url": sandbox.iceberg_url(),
        "iceberg": {
            "client_id": sandbox.access_key(),
            "client_secret": sandbox.secret_key(),
        },
        "identity": {
            "realm": sandbox.realm(),
            "client_id": sandbox.client_id(),
            "client_secret": sandbox.client_secret(),
        },
        "s3": {
            "endpoint": sandbox.s3_endpoint(),
            "region": sandbox.region(),
            "access_key": sandbox.access_key(),
            "secret_key": sandbox.secret_key(),
        },
    });
    if console.json() {
        console.print(&format!("{endpoints}\n"))?;
    } else {
        // As the configuration file takes it: the keys guard made-up data on loopback.
        let toml = toml::to_string(&endpoints).unwrap_or_default();
        console.print(&toml)?;
    }
    console.say("serving until Ctrl-C");
    stops.next().await;
    Ok(())
}
