//! The recorded exchanges of the real servers, replayed: status, content type, and the shape of every answer.
//!
//! Values differ from run to run; keys and JSON types must not. Text answers must be equal but for times. Exchanges left
//! out are listed with the reason.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::Lake;
use crate::sandbox::clock::{self, DAY};

/// Members that are null in one state of a thing and a text in another.
const NULLABLE: [&str; 8] = [
    "start_time",
    "end_time",
    "next_scheduled_start_time",
    "scheduled_time",
    "message",
    "idempotency_key",
    "retry_type",
    "entrypoint",
];

/// Members that hold what clients put there: of them only the type is compared.
const CLIENTS_OWN: [&str; 2] = ["parameters", "tags"];

/// The exchanges of one service, and what of them has been learnt so far.
struct Replay<'a> {
    lake: &'a Lake,
    base: &'a str,
    exchanges: Vec<Value>,
    left_out: &'static [(&'static str, &'static str)],
    /// Recorded texts and what stands for them here.
    known: Vec<(String, String)>,
    faults: Vec<String>,
}

impl<'a> Replay<'a> {
    fn new(
        lake: &'a Lake,
        base: &'a str,
        file: &str,
        left_out: &'static [(&'static str, &'static str)],
    ) -> Replay<'a> {
        let exchanges = exchanges(file);
        for (name, _) in left_out {
            let found = exchanges.iter().any(|exchange| exchange["name"] == *name);
            assert!(
                found,
                "'{name}' is left out of {file}, which has no such exchange"
            );
        }
        Replay {
            lake,
            base,
            exchanges,
            left_out,
            known: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn know(&mut self, recorded: &str, here: impl Into<String>) {
        self.known.push((recorded.to_owned(), here.into()));
    }

    fn translated(&self, text: &str) -> String {
        self.known
            .iter()
            .fold(text.to_owned(), |text, (recorded, here)| {
                text.replace(recorded, here)
            })
    }

    /// Replays one exchange after another. `before` and `after` prepare and learn, by the exchange's name.
    async fn run(
        mut self,
        mut after: impl FnMut(&str, &Value, &mut Vec<(String, String)>),
        before: impl AsyncFn(&str, &Lake),
    ) {
        for exchange in std::mem::take(&mut self.exchanges) {
            let name = exchange["name"].as_str().expect("a name").to_owned();
            if self.left_out.iter().any(|(left, _)| *left == name) {
                continue;
            }
            before(&name, self.lake).await;
            let body = self.replay(&name, &exchange).await;
            after(&name, &body, &mut self.known);
        }
        assert!(self.faults.is_empty(), "\n{}", self.faults.join("\n"));
    }

    async fn replay(&mut self, name: &str, exchange: &Value) -> Value {
        let (request, recorded) = (&exchange["request"], &exchange["response"]);
        let path = self.translated(request["path"].as_str().expect("a path"));
        let method = request["method"]
            .as_str()
            .expect("a method")
            .parse()
            .expect("a method");
        let mut call = self
            .lake
            .http
            .request(method, format!("{}{path}", self.base))
            .header("Remote-User", "operator");
        if !request["json"].is_null() {
            let sent = self.translated(&request["json"].to_string());
            call = call.header("Content-Type", "application/json").body(sent);
        }
        let response = call.send().await.expect("an answer");
        let status = json!(response.status().as_u16());
        let kind = response
            .headers()
            .get("content-type")
            .map(|kind| kind.to_str().expect("a content type").to_owned());
        let text = response.text().await.expect("a body");
        if recorded["status"] != status {
            self.faults.push(format!(
                "{name}: status {status}, recorded {}: {text}",
                recorded["status"]
            ));
        }
        if recorded
            .get("content_type")
            .is_some_and(|recorded| *recorded != json!(kind))
        {
            self.faults.push(format!(
                "{name}: {kind:?}, recorded {}",
                recorded["content_type"]
            ));
        }
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if let (Value::String(recorded), Value::String(ours)) = (&recorded["body"], &body) {
            if timeless(recorded) != timeless(ours) {
                self.faults
                    .push(format!("{name}: {ours:?}, recorded {recorded:?}"));
            }
        } else {
            compare(&recorded["body"], &body, name, &mut self.faults);
        }
        body
    }
}

/// All recorded exchanges of a file.
fn exchanges(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/contracts")
        .join(file);
    let text = std::fs::read_to_string(path).expect("the contract");
    serde_json::from_str(&text).expect("its exchanges")
}

/// One of them, by its name.
pub(super) fn exchange(file: &str, name: &str) -> Value {
    let mut all = exchanges(file).into_iter();
    all.find(|exchange| exchange["name"] == name)
        .expect("an exchange of this name")
}

/// A text with every moment in it made the same.
fn timeless(text: &str) -> String {
    let is_time = |word: &str| word.len() > 19 && word.contains('T') && word.contains(':');
    let words = text
        .trim_end()
        .split(' ')
        .map(|word| if is_time(word) { "<time>" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Notes where the shape of an answer differs from the recorded one.
pub(super) fn compare(recorded: &Value, ours: &Value, at: &str, faults: &mut Vec<String>) {
    match (recorded, ours) {
        (Value::String(mark), _) if is_elision(mark) => {}
        (Value::Object(recorded), Value::Object(ours)) => {
            let names =
                |of: &serde_json::Map<String, Value>| of.keys().cloned().collect::<BTreeSet<_>>();
            let (theirs, mine) = (names(recorded), names(ours));
            for missing in theirs.difference(&mine) {
                faults.push(format!("{at}: '{missing}' is missing"));
            }
            for extra in mine.difference(&theirs) {
                faults.push(format!("{at}: '{extra}' is not recorded"));
            }
            for (name, value) in ours {
                if let Some(recorded) = recorded.get(name) {
                    let nullable = NULLABLE.contains(&name.as_str());
                    let varies = nullable && (value.is_null() || recorded.is_null());
                    let own = CLIENTS_OWN.contains(&name.as_str())
                        && std::mem::discriminant(value) == std::mem::discriminant(recorded);
                    if !varies && !own {
                        compare(recorded, value, &format!("{at}.{name}"), faults);
                    }
                }
            }
        }
        (Value::Array(recorded), Value::Array(ours)) => compare_lists(recorded, ours, at, faults),
        (recorded, ours) => {
            let same = std::mem::discriminant(recorded) == std::mem::discriminant(ours);
            if !same {
                faults.push(format!("{at}: {ours}, recorded {recorded}"));
            }
        }
    }
}

/// Each of our members must have the shape of one of the recorded ones. An empty recorded list says nothing.
fn compare_lists(recorded: &[Value], ours: &[Value], at: &str, faults: &mut Vec<String>) {
    let shapes: Vec<&Value> = recorded
        .iter()
        .filter(|value| !value.as_str().is_some_and(is_elision))
        .collect();
    if shapes.is_empty() {
        return;
    }
    if ours.is_empty() {
        faults.push(format!(
            "{at}: empty, recorded with {} members",
            shapes.len()
        ));
    }
    for (place, value) in ours.iter().enumerate() {
        let mut best: Option<Vec<String>> = None;
        for shape in &shapes {
            let mut found = Vec::new();
            compare(shape, value, &format!("{at}[{place}]"), &mut found);
            if best.as_ref().is_none_or(|best| found.len() < best.len()) {
                best = Some(found);
            }
        }
        faults.extend(best.unwrap_or_default());
    }
}

fn is_elision(text: &str) -> bool {
    text.starts_with("...") || text.starts_with('…')
}

#[tokio::test]
async fn stac_answers_as_recorded() {
    let lake = Lake::start().await;
    let base = lake.sandbox.stac_url().to_owned();
    for number in 0..12 {
        let id = format!("domain-{number:02}");
        let body = json!({
            "type": "Collection", "id": id, "stac_version": "1.0.0", "title": id, "description": id,
            "license": "proprietary", "links": [],
            "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2026-11-01T00:00:00Z", null]]}},
            "dashi:retention": "indefinite", "dashi:max_classification": "int",
        });
        let (status, _) = lake.post(&base, "/collections", &body).await;
        assert_eq!(status, 201);
    }
    let replay = Replay::new(&lake, &base, "stac.json", &[]);
    let more_items = async |name: &str, lake: &Lake| {
        if name != "search page 1, only assets, exact count" {
            return;
        }
        for id in ["it-2", "it-3"] {
            let item = json!({
                "type": "Feature", "stac_version": "1.0.0", "id": id, "collection": "contract-demo",
                "geometry": {"type": "Point", "coordinates": [8, 50]}, "bbox": [8, 50, 8, 50],
                "properties": {"datetime": "2026-04-27T00:00:00Z"}, "links": [],
                "assets": {"data": {"href": "s3://processed/x", "roles": ["data"]}},
            });
            let path = "/collections/contract-demo/items";
            assert_eq!(lake.post(lake.sandbox.stac_url(), path, &item).await.0, 201);
        }
    };
    replay.run(|_, _, _| {}, more_items).await;
}

#[tokio::test]
async fn loki_answers_as_recorded() {
    const LEFT_OUT: &[(&str, &str)] = &[
        (
            "metric query_range",
            "the sandbox evaluates log queries only, and says so",
        ),
        (
            "tail: history, a live line, two lines with one timestamp",
            "a websocket: see tail.rs",
        ),
        (
            "tail: 1,500 lines pushed at once, 10 more soon after",
            "a websocket: see tail.rs",
        ),
    ];
    let lake = Lake::start().await;
    let base = lake.sandbox.loki_url().to_owned();
    let mut replay = Replay::new(&lake, &base, "loki.json", LEFT_OUT);
    let now = clock::now() * 1000;
    for recorded in [
        1_795_545_215_174_189_190_i64,
        1_795_545_215_174_189_191,
        1_795_545_205_174_189_190,
        1_795_545_225_174_189_190,
    ] {
        let here = now + (recorded - 1_795_545_215_174_189_190);
        replay.know(&recorded.to_string(), here.to_string());
    }
    replay.run(|_, _, _| {}, async |_: &str, _: &Lake| {}).await;
}

#[tokio::test]
async fn ingest_api_answers_as_recorded() {
    const LEFT_OUT: &[(&str, &str)] = &[(
        "openapi",
        "the sandbox does not publish a description of itself",
    )];
    let lake = Lake::start().await;
    let base = lake.sandbox.ingest_url().to_owned();
    let folder = "gelaende-umwelt/incoming";
    let tif = format!("{folder}/fee75bec23d942a78c848072d0b838a4/a.tif");
    lake.put("landing", &tif, "image/tiff", b"abcd").await;
    let geojson = format!("{folder}/f4276ba8cf9d4eac8a5fea8e11603f42/pt.geojson");
    let point = br#"{"type": "FeatureCollection", "features": []}"#;
    lake.put("landing", &geojson, "application/geo+json", point)
        .await;
    let replay = Replay::new(&lake, &base, "ingest_api.json", LEFT_OUT);
    let learn = |name: &str, body: &Value, known: &mut Vec<(String, String)>| {
        if name == "multipart start" {
            for (member, recorded) in [
                (
                    "upload_id",
                    "93c562174b3e71fbf1101dc670c8c031793a1704_e82dfe669cde483a9756fae5318efcd4",
                ),
                (
                    "key",
                    "gelaende-umwelt/incoming/35d962087f0a4b88b99adbdf14362842/big.laz",
                ),
            ] {
                let here = body[member].as_str().expect("a text");
                known.push((recorded.to_owned(), here.to_owned()));
            }
        }
    };
    replay.run(learn, async |_: &str, _: &Lake| {}).await;
}

#[tokio::test]
async fn prefect_answers_as_recorded() {
    const LEFT_OUT: &[(&str, &str)] = &[
        (
            "websocket /api/events/out",
            "the sandbox publishes no events",
        ),
        (
            "websocket /api/logs/out",
            "the sandbox publishes no log lines; the real server does not either",
        ),
    ];
    let lake = Lake::start().await;
    let base = lake.sandbox.prefect_url().to_owned();
    let mut replay = Replay::new(&lake, &base, "prefect.json", LEFT_OUT);
    prepare_prefect(&mut replay).await;
    let finish = replay.translated("36018680-a815-4310-8475-130101802e0c");
    let complete = async |name: &str, lake: &Lake| {
        if name == "cancel a finished run" {
            set_state(lake, &finish, json!({"type": "COMPLETED"}), true).await;
        }
    };
    replay.run(|_, _, _| {}, complete).await;
}

/// Makes the runs that the recorded exchanges speak of, and says which is which.
async fn prepare_prefect(replay: &mut Replay<'_>) {
    let lake = replay.lake;
    let base = replay.base;
    let (_, main) = lake
        .get(base, "/api/deployments/name/dashi-ingest/main")
        .await;
    let flow = main["flow_id"].as_str().expect("a flow").to_owned();
    let main = main["id"].as_str().expect("a deployment").to_owned();
    let probe = json!({"name": "probe", "flow_id": flow, "enforce_parameter_schema": false});
    let (_, probe) = lake.post(base, "/api/deployments/", &probe).await;
    let probe = probe["id"].as_str().expect("a deployment").to_owned();
    for recorded in [
        "0cac79e9-aa45-4c00-be63-d9e13fae42d9",
        "aa611cce-89a3-4794-abd9-8be046a9a398",
    ] {
        replay.know(recorded, flow.clone());
    }
    replay.know("05a31892-b5f0-451a-9e72-eae71313e432", main.clone());

    let first = json!({
        "parameters": {"source_path": "s3://landing/x", "domain": "gelaende-umwelt", "classification": "int"},
        "tags": ["submitted-by:operator", "domain:gelaende-umwelt"],
        "idempotency_key": "contract-1",
    });
    let cancelled = make_run(lake, &main, &first).await;
    set_state(lake, &cancelled, json!({"type": "CANCELLED"}), false).await;
    let line = json!([{"name": "prefect.flow_runs", "level": 20, "message": "hello",
        "timestamp": "2026-11-24T00:00:00Z", "flow_run_id": cancelled}]);
    assert_eq!(lake.post(base, "/api/logs/", &line).await.0, 201);
    replay.know("9fa792b4-c0a0-4bc2-b278-68ecd5320734", cancelled);
    for days in [2, 3] {
        let mut later = first.clone();
        later["idempotency_key"] = Value::Null;
        let at = clock::rfc3339(clock::now() + days * DAY);
        later["state"] = json!({"type": "SCHEDULED", "state_details": {"scheduled_time": at}});
        make_run(lake, &main, &later).await;
    }
    for recorded in [
        "2af6d49e-5b22-4207-a581-562963539b21",
        "b74d1293-940f-4a10-9089-7a654217f792",
        "36018680-a815-4310-8475-130101802e0c",
        "77b872d6-5b33-4aa3-9413-36ddd4f426d8",
    ] {
        let parameters = json!({"parameters": {"source_path": "s3://landing/x"}});
        let run = make_run(lake, &probe, &parameters).await;
        let states: &[&str] = match &recorded[..3] {
            "360" => &["RUNNING"],
            "77b" => &["RUNNING", "FAILED"],
            _ => &[],
        };
        for kind in states {
            set_state(lake, &run, json!({ "type": kind }), false).await;
        }
        replay.know(recorded, run);
    }
    let failed = replay.translated("77b872d6-5b33-4aa3-9413-36ddd4f426d8");
    let lines: Vec<Value> = (0..400)
        .map(|number| {
            json!({"name": "prefect.flow_runs", "level": 20, "message": format!("line {number}"),
            "timestamp": clock::rfc3339(clock::now() + number), "flow_run_id": failed})
        })
        .collect();
    assert_eq!(lake.post(base, "/api/logs/", &json!(lines)).await.0, 201);
    for key in ["probe:2026-01-01:1", "probe:2026-01-09:1"] {
        let run = json!({"parameters": {"as_of": "2026-01-01"}, "idempotency_key": key});
        make_run(lake, &probe, &run).await;
    }
    let day = |ago: i64| clock::rfc3339((clock::now() / DAY - ago) * DAY);
    replay.know(
        "\"history_start\":\"2026-11-23T00:00:00Z\"",
        format!("\"history_start\":\"{}\"", day(1)),
    );
    replay.know(
        "\"history_end\":\"2026-11-25T00:00:00Z\"",
        format!("\"history_end\":\"{}\"", day(-1)),
    );
}

async fn make_run(lake: &Lake, deployment: &str, body: &Value) -> String {
    let path = format!("/api/deployments/{deployment}/create_flow_run");
    let (status, run) = lake.post(lake.sandbox.prefect_url(), &path, body).await;
    assert_eq!(status, 201, "{run}");
    run["id"].as_str().expect("an id").to_owned()
}

async fn set_state(lake: &Lake, run: &str, state: Value, force: bool) {
    let path = format!("/api/flow_runs/{run}/set_state");
    let body = json!({"state": state, "force": force});
    let (status, answer) = lake.post(lake.sandbox.prefect_url(), &path, &body).await;
    assert_eq!((status, &answer["status"]), (201, &json!("ACCEPT")));
}
