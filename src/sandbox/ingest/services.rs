//! The lake's catalogue and its Prefect as ingest-api asks them: JSON over HTTP.
//!
//! What is asked belongs here, what follows from the answers to the handlers. The store has a file of its own.

use percent_encoding::utf8_percent_encode;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use super::Desk;
use super::answer::Refusal;
use super::signature::RESERVED;

/// All collections, by id.
pub(crate) async fn collections(desk: &Desk) -> Result<Vec<Value>, Refusal> {
    let mut all = Vec::new();
    // One page as a rule: pages go by offset, and one that is deleted between two of them hides another.
    let mut next = Some(catalogue(desk, "/collections?limit=1000"));
    while let Some(url) = next {
        let mut page = ask("stac", desk.http.get(url)).await?;
        next = next_page(&page);
        if let Value::Array(collections) = page["collections"].take() {
            all.extend(collections);
        }
    }
    all.sort_by_key(|collection| collection["id"].as_str().unwrap_or_default().to_owned());
    Ok(all)
}

/// The collection with this id.
pub(crate) async fn collection(desk: &Desk, id: &str) -> Result<Option<Value>, Refusal> {
    let path = format!("/collections/{}", utf8_percent_encode(id, RESERVED));
    let found = find("stac", desk.http.get(catalogue(desk, &path))).await?;
    // An id of dots, and the empty one, lead to other pages of the catalogue.
    Ok(found.filter(|collection| collection["id"] == id))
}

/// The deployment of this name of that flow.
pub(crate) async fn deployment(
    desk: &Desk,
    flow: &str,
    name: &str,
) -> Result<Option<Value>, Refusal> {
    let path = format!("/deployments/name/{flow}/{name}");
    find("prefect", desk.http.get(prefect(desk, &path))).await
}

/// Makes a run of the deployment with this id.
pub(crate) async fn create_run(desk: &Desk, id: &str, run: &Value) -> Result<Value, Refusal> {
    let path = format!("/deployments/{id}/create_flow_run");
    ask("prefect", desk.http.post(prefect(desk, &path)).json(run)).await
}

fn catalogue(desk: &Desk, path: &str) -> String {
    format!("{}{path}", desk.lake.stac)
}

fn prefect(desk: &Desk, path: &str) -> String {
    format!("{}/api{path}", desk.lake.prefect)
}

/// Where the page after this one is.
fn next_page(page: &Value) -> Option<String> {
    let links = page["links"].as_array()?;
    let next = links.iter().find(|link| link["rel"] == "next")?;
    next["href"].as_str().map(str::to_owned)
}

/// What a service answers.
async fn ask(service: &str, request: RequestBuilder) -> Result<Value, Refusal> {
    let found = find(service, request).await?;
    found.ok_or_else(|| Refusal::of_service(service, "404", "Not Found"))
}

/// What a service answers where it has what is asked for.
async fn find(service: &str, request: RequestBuilder) -> Result<Option<Value>, Refusal> {
    let silent = |error| Refusal::unreached(service, error);
    let response = request.send().await.map_err(silent)?;
    let status = response.status();
    let body = response.bytes().await.map_err(silent)?;
    let refused = |said: &str| Refusal::of_service(service, status.as_str(), said);
    if status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    if !status.is_success() {
        return Err(refused(String::from_utf8_lossy(&body).trim()));
    }
    let answer = serde_json::from_slice(&body);
    answer.map_err(|error| refused(&format!("the answer is no JSON: {error}")))
}
