//! Starting the flow run that ingests an upload, within the domain's ceiling.

use axum::body::Bytes;
use axum::extract::State as Held;
use axum::http::StatusCode;
use axum::response::Response;
use rusqlite::{OptionalExtension, Transaction};
use serde_json::{Value, json};

use super::Desk;
use super::answer::Refusal;
use super::wanted::{User, Wanted, landing_key};
use crate::sandbox::prefect::{self, Ask, Run};
use crate::sandbox::{clock, reply};

/// The classifications, the most open first.
const CLASSES: [&str; 4] = ["pub", "int", "rst", "cnf"];
/// What is run, as flow and deployment.
const DEPLOYMENT: (&str, &str) = ("dashi-ingest", "main");

/// `POST /trigger`
pub(crate) async fn trigger(
    Held(desk): Held<Desk>,
    user: User,
    body: Bytes,
) -> Result<Response, Refusal> {
    let mut wanted = Wanted::of(&body)?;
    let uri = wanted.text("s3_uri", 0, usize::MAX);
    let domain = wanted.text("domain", 0, usize::MAX);
    let class = wanted.maybe_text("classification", usize::MAX);
    let description = wanted.maybe_text("collection_description", usize::MAX);
    wanted.settle()?;
    let class = class.unwrap_or_else(|| "int".to_owned());
    if !CLASSES.contains(&class.as_str()) {
        return Err(Refusal::bad(
            "classification must be one of ['cnf', 'int', 'pub', 'rst']",
        ));
    }
    landing_key(&uri, "trigger")?;
    let mut parameters = json!({"source_path": uri, "domain": domain, "classification": class});
    if let Some(description) = description {
        parameters["collection_description"] = json!(description);
    }
    let ask = Ask {
        parameters,
        tags: vec![
            json!(format!("submitted-by:{}", user.name)),
            json!(format!("domain:{domain}")),
        ],
        ..Ask::default()
    };
    let run = desk
        .state
        .write(move |database| {
            check_ceiling(database, &domain, &class)?;
            submit(database, &ask)
        })
        .await?;
    let answer = json!({
        "flow_run_id": run.id,
        "flow_run_name": run.name,
        "state": run.state.kind,
        "ui_url": format!("{}/runs/flow-run/{}", desk.lake.prefect, run.id),
    });
    Ok(reply::json(StatusCode::OK, &answer))
}

fn check_ceiling(database: &Transaction<'_>, domain: &str, class: &str) -> Result<(), Refusal> {
    let stored: Option<String> = database
        .query_row(
            "SELECT body FROM collection WHERE id = ?1",
            [domain],
            |row| row.get(0),
        )
        .optional()?;
    let collection: Option<Value> = stored.and_then(|text| serde_json::from_str(&text).ok());
    let Some(collection) = collection else {
        return Err(Refusal::missing(format!("domain '{domain}' not found")));
    };
    let ceiling = collection["dashi:max_classification"]
        .as_str()
        .unwrap_or("int");
    let rank = |class: &str| CLASSES.iter().position(|known| *known == class);
    if rank(class) > rank(ceiling) {
        return Err(Refusal::Detail(
            StatusCode::FORBIDDEN,
            format!(
                "classification '{class}' exceeds the {domain} domain ceiling '{ceiling}' — see docs/classification.md"
            ),
        ));
    }
    Ok(())
}

fn submit(database: &Transaction<'_>, ask: &Ask) -> Result<Run, Refusal> {
    let (flow, name) = DEPLOYMENT;
    let deployment = prefect::deployment_by_name(database, flow, name)?
        .ok_or_else(|| Refusal::missing(format!("prefect deployment '{flow}/{name}' not found")))?;
    let (run, _) = prefect::create_run(database, &deployment, ask, clock::now())?;
    Ok(run)
}
