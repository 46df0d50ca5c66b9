//! Runs of the Prefect API: filters, pages, and what the runner makes of them.

use serde_json::{Value, json};

use super::Lake;
use crate::sandbox::clock::{self, DAY};

async fn main(lake: &Lake) -> String {
    let path = "/api/deployments/name/dashi-ingest/main";
    let (_, deployment) = lake.get(lake.sandbox.prefect_url(), path).await;
    deployment["id"].as_str().expect("an id").to_owned()
}

async fn submit(lake: &Lake, body: &Value) -> Value {
    let path = format!("/api/deployments/{}/create_flow_run", main(lake).await);
    lake.post(lake.sandbox.prefect_url(), &path, body).await.1
}

async fn set_state(lake: &Lake, run: &Value, state: Value) -> (u16, Value) {
    let id = run["id"].as_str().expect("an id");
    let path = format!("/api/flow_runs/{id}/set_state");
    let body = json!({ "state": state });
    lake.post(lake.sandbox.prefect_url(), &path, &body).await
}

/// Polls a run until it has ended.
async fn ended(lake: &Lake, run: &Value) -> Value {
    let path = format!("/api/flow_runs/{}", run["id"].as_str().expect("an id"));
    for _ in 0..80 {
        let (_, run) = lake.get(lake.sandbox.prefect_url(), &path).await;
        if !run["end_time"].is_null() {
            return run;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the run does not end");
}

#[tokio::test]
async fn a_submitted_run_is_picked_up_and_puts_an_item_into_the_catalogue() {
    let lake = Lake::start().await;
    lake.put(
        "landing",
        "gelaende-umwelt/incoming/u/neu_2026.tif",
        "image/tiff",
        b"II*\0",
    )
    .await;
    let run = submit(&lake, &json!({"parameters": {
        "source_path": "s3://landing/gelaende-umwelt/incoming/u/neu_2026.tif", "domain": "gelaende-umwelt"}})).await;
    assert_eq!(run["state_type"], "SCHEDULED");
    let run = ended(&lake, &run).await;
    assert_eq!(
        (&run["state_type"], &run["run_count"]),
        (&json!("COMPLETED"), &json!(1))
    );
    assert_eq!(run["total_run_time"], 2.0);
    let (_, item) = lake
        .get(
            lake.sandbox.stac_url(),
            "/collections/gelaende-umwelt/items/neu-2026",
        )
        .await;
    let href = item["assets"]["data"]["href"].as_str().expect("a href");
    assert!(href.ends_with("/processed/gelaende-umwelt/neu-2026/raster/scene.tif"));
    let made = lake
        .s3()
        .head_object()
        .bucket("processed")
        .key("gelaende-umwelt/neu-2026/raster/scene.tif");
    assert_eq!(
        made.send().await.expect("the object").content_length(),
        Some(4)
    );

    let body = json!({"logs": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "TIMESTAMP_ASC"});
    let (_, lines) = lake
        .post(lake.sandbox.prefect_url(), "/api/logs/filter", &body)
        .await;
    let last = lines.as_array().expect("lines").last().expect("a line");
    assert_eq!(last["message"], "Finished in state Completed()");
}

#[tokio::test]
async fn a_run_without_its_source_fails_and_can_be_retried() {
    let lake = Lake::start().await;
    let run = submit(
        &lake,
        &json!({"parameters": {"source_path": "s3://landing/none.tif"}}),
    )
    .await;
    let run = ended(&lake, &run).await;
    assert_eq!(run["state_type"], "FAILED");
    let message = run["state"]["message"].as_str().expect("a message");
    assert!(message.contains("FileNotFoundError: s3://landing/none.tif"));
    let again = json!({"type": "SCHEDULED", "name": "AwaitingRetry"});
    let (_, answer) = set_state(&lake, &run, again).await;
    assert_eq!(answer["status"], "ACCEPT");
    let run = ended(&lake, &run).await;
    assert_eq!(
        (&run["run_count"], &run["empirical_policy"]["retry_type"]),
        (&json!(2), &json!("reschedule"))
    );
}

#[tokio::test]
async fn a_running_run_is_cancelled_by_its_worker() {
    let lake = Lake::start().await;
    let body = json!({"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}});
    let (_, running) = lake
        .post(lake.sandbox.prefect_url(), "/api/flow_runs/filter", &body)
        .await;
    assert_eq!(running.as_array().map(Vec::len), Some(1));
    let (status, answer) = set_state(&lake, &running[0], json!({"type": "CANCELLING"})).await;
    assert_eq!(
        (status, &answer["state"]["type"]),
        (201, &json!("CANCELLING"))
    );
    let run = ended(&lake, &running[0]).await;
    assert_eq!(run["state_type"], "CANCELLED");
}

#[tokio::test]
async fn a_run_for_later_waits_for_its_time() {
    let lake = Lake::start().await;
    let at = clock::rfc3339(clock::now() + DAY);
    let run = submit(
        &lake,
        &json!({"state": {"type": "SCHEDULED", "state_details": {"scheduled_time": at}}}),
    )
    .await;
    assert_eq!(run["next_scheduled_start_time"], json!(at));
    assert_eq!(run["parameters"]["source_path"], "/data/sample");
    let (_, answer) = set_state(&lake, &run, json!({"type": "CANCELLING"})).await;
    assert_eq!(
        (&answer["status"], &answer["state"]["type"]),
        (&json!("REJECT"), &json!("CANCELLED"))
    );
}

#[tokio::test]
async fn runs_are_filtered_by_state_tag_time_and_deployment() {
    let lake = Lake::start().await;
    let count = async |filter: Value| {
        let (status, count) = lake
            .post(lake.sandbox.prefect_url(), "/api/flow_runs/count", &filter)
            .await;
        assert_eq!(status, 200, "{count}");
        count
    };
    let states = |names: &[&str]| json!({"flow_runs": {"state": {"type": {"any_": names}}}});
    assert_eq!(count(states(&["COMPLETED"])).await, 12);
    assert_eq!(count(states(&["FAILED", "CRASHED"])).await, 2);
    assert_eq!(count(json!({})).await, 17);
    let tagged = json!({"flow_runs": {"tags": {"all_": ["domain:klima-historisch", "ingest"]}}});
    assert_eq!(count(tagged).await, 7);
    let recent =
        json!({"flow_runs": {"start_time": {"after_": clock::rfc3339(clock::now() - 4 * DAY)}}});
    assert_eq!(count(recent).await, 3);
    let open = json!({"flow_runs": {"end_time": {"is_null_": true}}});
    assert_eq!(count(open).await, 2);
    let named = json!({"deployments": {"name": {"any_": ["main"]}}, "flows": {"name": {"like_": "INGEST"}}});
    assert_eq!(count(named).await, 17);
}

#[tokio::test]
async fn runs_are_paged_by_offset_in_a_stable_order() {
    let lake = Lake::start().await;
    let mut seen = Vec::new();
    loop {
        let body = json!({"sort": "EXPECTED_START_TIME_DESC", "limit": 5, "offset": seen.len()});
        let (_, page) = lake
            .post(lake.sandbox.prefect_url(), "/api/flow_runs/filter", &body)
            .await;
        let page = page.as_array().expect("runs").clone();
        if page.is_empty() {
            break;
        }
        seen.extend(page.iter().map(|run| {
            run["expected_start_time"]
                .as_str()
                .expect("a time")
                .to_owned()
        }));
    }
    assert_eq!(seen.len(), 17);
    assert!(seen.is_sorted_by(|one, other| clock::parse(one) >= clock::parse(other)));
}
