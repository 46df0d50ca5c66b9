//! Starting the flow run that ingests an upload, within the domain's ceiling.

use axum::body::Bytes;
use axum::extract::State as Held;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::wanted::{User, Wanted, landing_key};
use super::{Desk, services};
use crate::sandbox::reply;

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
    check_ceiling(&desk, &domain, &class).await?;
    let tags = [
        format!("submitted-by:{}", user.name),
        format!("domain:{domain}"),
    ];
    let run = submit(&desk, &json!({"parameters": parameters, "tags": tags})).await?;
    let id = run["id"].as_str().unwrap_or_default();
    let answer = json!({
        "flow_run_id": id,
        "flow_run_name": run["name"],
        "state": run["state"]["type"],
        "ui_url": format!("{}/runs/flow-run/{id}", desk.lake.prefect),
    });
    Ok(reply::json(StatusCode::OK, &answer))
}

async fn check_ceiling(desk: &Desk, domain: &str, class: &str) -> Result<(), Refusal> {
    let Some(collection) = services::collection(desk, domain).await? else {
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

async fn submit(desk: &Desk, run: &Value) -> Result<Value, Refusal> {
    let (flow, name) = DEPLOYMENT;
    let found = services::deployment(desk, flow, name).await?;
    let Some(id) = found.as_ref().and_then(|found| found["id"].as_str()) else {
        let detail = format!("prefect deployment '{flow}/{name}' not found");
        return Err(Refusal::missing(detail));
    };
    services::create_run(desk, id, run).await
}
