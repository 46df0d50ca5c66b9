//! Log queries: selectors, filters, directions, and what is refused.

use serde_json::{Value, json};

use super::Lake;
use crate::sandbox::clock;

async fn query(lake: &Lake, pairs: &[(&str, &str)]) -> (u16, Value) {
    let encoded = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    lake.get(
        lake.sandbox.loki_url(),
        &format!("/loki/api/v1/query_range?{encoded}"),
    )
    .await
}

fn lines(answer: &Value) -> Vec<String> {
    let streams = answer["data"]["result"].as_array().expect("streams");
    let values = streams
        .iter()
        .flat_map(|stream| stream["values"].as_array().expect("values"));
    values
        .map(|value| value[1].as_str().expect("a line").to_owned())
        .collect()
}

async fn push(lake: &Lake, streams: Value) -> (u16, Value) {
    lake.post(
        lake.sandbox.loki_url(),
        "/loki/api/v1/push",
        &json!({ "streams": streams }),
    )
    .await
}

#[tokio::test]
async fn a_pushed_line_is_found_at_once_by_any_matcher() {
    let lake = Lake::start().await;
    let now = clock::now() * 1000;
    let values = json!([
        [now.to_string(), "level=warn slow status=503"],
        [(now + 1).to_string(), "ok status=200"]
    ]);
    let pushed = push(
        &lake,
        json!([{"stream": {"namespace": "probe", "app": "a"}, "values": values}]),
    )
    .await;
    assert_eq!(pushed.0, 204);
    for (selector, found) in [
        ("{namespace=\"probe\"}", 2),
        ("{namespace=~\"pro.*\", app!=\"b\"}", 2),
        ("{namespace=\"probe\", app!~\"a|b\"}", 0),
        ("{namespace=\"probe\"} |= \"slow\"", 1),
        ("{namespace=\"probe\"} != \"slow\"", 1),
        ("{namespace=\"probe\"} |~ \"status=5\\\\d\\\\d\"", 1),
        ("{namespace=\"probe\"} !~ `status=\\d+`", 0),
    ] {
        let (status, answer) = query(&lake, &[("query", selector)]).await;
        assert_eq!(
            (status, lines(&answer).len()),
            (200, found),
            "{selector}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_range_is_read_in_pages_from_either_end() {
    let lake = Lake::start().await;
    let start = clock::now() * 1000 - 1_000_000;
    let values: Vec<Value> = (0..25)
        .map(|number| json!([(start + number).to_string(), format!("line {number}")]))
        .collect();
    push(
        &lake,
        json!([{"stream": {"app": "paged"}, "values": values}]),
    )
    .await;
    let (mut from, mut seen) = (start, Vec::new());
    loop {
        let from_text = from.to_string();
        let (_, answer) = query(
            &lake,
            &[
                ("query", "{app=\"paged\"}"),
                ("limit", "10"),
                ("direction", "forward"),
                ("start", &from_text),
            ],
        )
        .await;
        let page = lines(&answer);
        if page.is_empty() {
            break;
        }
        from += i64::try_from(page.len()).expect("a page");
        seen.extend(page);
    }
    assert_eq!(seen.len(), 25);
    assert_eq!((seen[0].as_str(), seen[24].as_str()), ("line 0", "line 24"));
    let (_, newest) = query(&lake, &[("query", "{app=\"paged\"}"), ("limit", "1")]).await;
    assert_eq!(lines(&newest), ["line 24"]);
}

#[tokio::test]
async fn equal_lines_of_a_stream_are_kept_once() {
    let lake = Lake::start().await;
    let at = (clock::now() * 1000).to_string();
    for _ in 0..2 {
        push(
            &lake,
            json!([{"stream": {"app": "twice"}, "values": [[at, "same"]]}]),
        )
        .await;
    }
    let (_, answer) = query(&lake, &[("query", "{app=\"twice\"}")]).await;
    assert_eq!(lines(&answer), ["same"]);
}

#[tokio::test]
async fn what_a_stream_says_can_be_looked_up() {
    let lake = Lake::start().await;
    let base = lake.sandbox.loki_url();
    let (_, names) = lake.get(base, "/loki/api/v1/labels").await;
    assert_eq!(
        names["data"],
        json!(["app", "namespace", "pod", "service_name"])
    );
    let (_, values) = lake
        .get(base, "/loki/api/v1/label/namespace/values?since=2d")
        .await;
    assert_eq!(
        values["data"],
        json!(["dashi-data", "dashi-ops", "dashi-web"])
    );
    let (_, none) = lake.get(base, "/loki/api/v1/label/none/values").await;
    assert_eq!(none, json!({"status": "success"}));
    let (_, series) = lake
        .get(
            base,
            "/loki/api/v1/series?match[]=%7Bnamespace%3D%22dashi-web%22%7D",
        )
        .await;
    assert_eq!(series["data"][0]["app"], "ingest-api");
    let (_, stats) = lake
        .get(
            base,
            "/loki/api/v1/index/stats?since=3d&query=%7Bapp%3D%22backup%22%7D",
        )
        .await;
    assert!(stats["entries"].as_i64() >= Some(4) && stats["streams"] == 1);
}

#[tokio::test]
async fn what_is_not_evaluated_is_refused_by_name() {
    let lake = Lake::start().await;
    for (text, word) in [
        ("sum(count_over_time({a=\"b\"}[1m]))", "log queries only"),
        ("{a=\"b\"} | json", "no parsers"),
        ("{a=\"b\"} |= ", "unexpected $end"),
        ("{a=~\"(\"}", "error parsing regexp"),
    ] {
        let (status, answer) = query(&lake, &[("query", text)]).await;
        assert!(
            status == 400 && answer.as_str().is_some_and(|answer| answer.contains(word)),
            "{answer}"
        );
    }
}
