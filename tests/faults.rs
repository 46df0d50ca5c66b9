//! Services that misbehave: each fault ends in a clear error, or in the right answer.

use super::fake::{Answer, FakeService};
use super::listener::SilentListener;
use super::operator::{Operator, Ran};
use serde_json::{Value, json};

fn collection(id: &str) -> Value {
    json!({"id": id, "type": "Collection"})
}

fn page(ids: &[&str], next: Option<&str>) -> Answer {
    let links: Vec<Value> = next
        .into_iter()
        .map(|href| json!({"rel": "next", "method": "GET", "href": href}))
        .collect();
    Answer::json(
        &json!({"collections": ids.iter().map(|id| collection(id)).collect::<Vec<_>>(), "links": links}),
    )
}

fn listing(service: &FakeService) -> Ran {
    Operator::new().run(&[
        "eval",
        "stac::collections().map(|c| c.id).collect()",
        "--stac-url",
        service.url(),
    ])
}

#[test]
fn a_server_that_never_answers_ends_in_an_error_within_the_timeout() {
    let service = SilentListener::start();
    let operator = Operator::new().with("DASHI_STAC_URL", service.url());
    let stderr = operator
        .run(&["domain", "list", "--http-timeout", "300ms"])
        .failure(1);
    assert!(
        stderr.contains(&format!(
            "stac did not answer GET {}/collections?limit=250 within 300ms",
            service.url()
        )),
        "{stderr}"
    );
    assert!(
        stderr.contains("raise http.timeout (now 300ms)"),
        "{stderr}"
    );
    assert_eq!(service.visits(), 1, "a silent server is not asked again");
}

#[test]
fn a_store_that_never_answers_ends_in_an_error_within_the_timeout() {
    let service = SilentListener::start();
    let operator = Operator::new()
        .with("DASHI_S3_ENDPOINT", service.url())
        .with("DASHI_S3_ACCESS_KEY", "key")
        .with("DASHI_S3_SECRET_KEY", "made-up-for-a-test")
        .with("DASHI_S3_TIMEOUT", "300ms");
    let stderr = operator.run(&["eval", "s3::buckets()"]).failure(1);
    assert!(
        stderr.contains(&format!(
            "s3 did not answer ListBuckets of the buckets at {} within 300ms",
            service.url()
        )),
        "{stderr}"
    );
    assert!(stderr.contains("raise s3.timeout (now 300ms)"), "{stderr}");
}

#[test]
fn a_service_that_is_not_there_is_named_with_its_address_and_setting() {
    let operator = Operator::new().with("DASHI_HTTP_RETRIES", "0");
    let stderr = operator
        .run(&["domain", "list", "--stac-url", "http://127.0.0.1:1"])
        .failure(1);
    assert!(
        stderr.contains("error: stac cannot be reached at http://127.0.0.1:1\n"),
        "{stderr}"
    );
    assert!(
        stderr
            .contains("its address is from --stac-url; another is set by stac_url, DASHI_STAC_URL"),
        "{stderr}"
    );
}

#[test]
fn a_passing_failure_is_tried_again_after_the_pause_it_asks_for() {
    let busy = Answer::status(503, "busy").header("retry-after", "0");
    let service = FakeService::start(vec![busy.clone(), busy, page(&["a"], None)]);
    assert_eq!(listing(&service).success(), "a\n");
    assert_eq!(service.lines().len(), 3);
}

#[test]
fn a_failure_that_does_not_pass_is_reported_with_the_tries() {
    let service = FakeService::start(vec![
        Answer::status(503, "down for repairs").header("retry-after", "0"),
    ]);
    let operator = Operator::new().with("DASHI_HTTP_RETRIES", "2");
    let stderr = operator
        .run(&["domain", "list", "--stac-url", service.url()])
        .failure(1);
    assert!(
        stderr.contains("stac answered 503 Service Unavailable to GET"),
        "{stderr}"
    );
    assert!(
        stderr.contains("because down for repairs") && stderr.contains("because 3 tries failed"),
        "{stderr}"
    );
    assert_eq!(service.lines().len(), 3);
}

#[test]
fn a_pause_too_long_to_wait_for_is_an_error_at_once() {
    let service = FakeService::start(vec![
        Answer::status(503, "later").header("retry-after", "3600"),
    ]);
    assert!(listing(&service).failure(1).contains("answered 503"));
    assert_eq!(service.lines().len(), 1);
}

#[test]
fn a_creation_is_not_sent_twice() {
    let service = FakeService::start(vec![
        Answer::status(404, "{}"),
        Answer::status(503, "busy").header("retry-after", "0"),
    ]);
    let script = "stac::put_collection(#{ id: \"x\" })";
    let ran = Operator::new().run(&[
        "eval",
        "--effect",
        "write",
        script,
        "--stac-url",
        service.url(),
    ]);
    assert!(ran.failure(1).contains("answered 503"));
    assert_eq!(service.lines(), ["GET /collections/x", "POST /collections"]);
}

#[test]
fn pages_are_followed_to_the_end() {
    let next = |n: u32| format!("{{url}}/collections?offset={n}");
    let service = FakeService::start(vec![
        page(&["a", "b"], Some(&next(2))),
        page(&["c"], Some(&next(3))),
        page(&["d"], None),
    ]);
    assert_eq!(listing(&service).success(), "a\nb\nc\nd\n");
    assert_eq!(
        service.lines(),
        [
            "GET /collections?limit=250",
            "GET /collections?offset=2",
            "GET /collections?offset=3"
        ]
    );
}

#[test]
fn a_page_that_leads_back_is_an_error() {
    let service = FakeService::start(vec![page(&["a"], Some("{url}/collections?offset=2"))]);
    let stderr = listing(&service).failure(1);
    assert!(
        stderr.contains("a 'next' link that leads back to a page already read"),
        "{stderr}"
    );
    assert_eq!(service.lines().len(), 2);
}

#[test]
fn an_answer_that_breaks_off_is_an_error_and_no_short_list() {
    let long = page(&["a", "b", "c", "d", "e", "f"], None).cut();
    let service = FakeService::start(vec![page(&["z"], Some("{url}/collections?offset=1")), long]);
    let operator = Operator::new().with("DASHI_HTTP_RETRIES", "0");
    let ran = operator.run(&["domain", "list", "--json", "--stac-url", service.url()]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.stderr.contains("stac broke off its answer to GET"),
        "{ran}"
    );
    assert!(
        serde_json::from_str::<Value>(&ran.stdout).is_err(),
        "half a list must not pass for a whole one: {ran}"
    );
}

#[test]
fn a_page_without_its_list_or_that_is_no_json_is_an_error() {
    for body in [
        "{\"links\": []}",
        "{\"code\": \"Oops\", \"description\": \"inside a 200\"}",
        "<html>login</html>",
        "",
    ] {
        let service = FakeService::start(vec![Answer::status(200, body)]);
        let stderr = listing(&service).failure(1);
        assert!(
            stderr.contains("stac gave a page without a list 'collections'")
                || stderr.contains("an answer that is no JSON"),
            "{body}: {stderr}"
        );
    }
}

#[test]
fn the_servers_own_words_are_quoted() {
    let body =
        json!({"code": "ForeignKeyError", "description": "collection x has items"}).to_string();
    let service = FakeService::start(vec![Answer::status(424, &body)]);
    let stderr = listing(&service).failure(1);
    assert!(
        stderr.contains("because ForeignKeyError: collection x has items"),
        "{stderr}"
    );
}

#[test]
fn refused_credentials_name_the_settings() {
    let service = FakeService::start(vec![Answer::status(401, "who are you?")]);
    let stderr = listing(&service).failure(1);
    assert!(
        stderr.contains("check stac.token and stac.headers"),
        "{stderr}"
    );
}

#[test]
fn credentials_go_to_the_configured_origin_alone() {
    let other = FakeService::start(vec![page(&["stolen"], None)]);
    let elsewhere = format!("{}/collections?offset=2", other.url());
    let service = FakeService::start(vec![page(&["a"], Some(&elsewhere)), page(&["b"], None)]);
    let operator = Operator::new();
    operator.config(&format!(
        "stac_url = {:?}\n[stac]\ntoken = \"canary-token\"\nheaders = {{ X-Tenant = \"canary-tenant\" }}\n",
        service.url()
    ));
    assert_eq!(
        operator
            .run(&["eval", "stac::collections().map(|c| c.id)"])
            .success(),
        "a\nb\n"
    );
    assert_eq!(
        service.asked()[0].header("authorization"),
        Some("Bearer canary-token")
    );
    assert_eq!(service.asked()[1].header("x-tenant"), Some("canary-tenant"));
    assert_eq!(service.lines()[1], "GET /collections?offset=2");
    assert!(other.asked().is_empty());
}

#[test]
fn a_redirect_within_the_origin_is_followed_and_to_another_refused() {
    let moved = Answer::status(307, "").header("location", "/collections/?limit=250");
    let service = FakeService::start(vec![moved, page(&["a"], None)]);
    assert_eq!(listing(&service).success(), "a\n");
    let other = FakeService::start(vec![page(&["stolen"], None)]);
    let away = Answer::status(302, "").header("location", &format!("{}/collections", other.url()));
    let service = FakeService::start(vec![away]);
    let stderr = listing(&service).failure(1);
    assert!(
        stderr.contains(&format!(
            "stac redirects to another origin, {}/collections",
            other.url()
        )),
        "{stderr}"
    );
    assert!(
        stderr.contains(&format!("stac_url = \"{}\"", other.url())),
        "{stderr}"
    );
    assert!(other.asked().is_empty());
}

#[test]
fn answers_are_asked_for_compressed() {
    let service = FakeService::start(vec![page(&["a"], None)]);
    let _ = listing(&service).success();
    let asked = service.asked();
    let encodings = asked[0].header("accept-encoding").unwrap();
    assert!(
        encodings.contains("gzip") && encodings.contains("br"),
        "{encodings}"
    );
    assert!(
        asked[0]
            .header("user-agent")
            .unwrap()
            .starts_with("dashictl/")
    );
}

#[test]
fn an_id_that_leads_elsewhere_is_refused_and_nothing_is_sent() {
    let service = SilentListener::start();
    let operator = Operator::new().with("DASHI_STAC_URL", service.url());
    for call in [
        "stac::collection(\"..\")",
        "stac::item(\"c\", \"..\")",
        "stac::items(\"\").count()",
        "stac::try_collection(\".\")",
    ] {
        let stderr = operator.run(&["eval", call]).failure(2);
        assert!(
            stderr.contains("cannot be the name of anything a service holds"),
            "{call}: {stderr}"
        );
    }
    assert_eq!(service.visits(), 0);
}

#[test]
fn a_bound_that_ends_tells_the_last_failure() {
    let busy = Answer::status(503, "overloaded since noon").header("retry-after", "30");
    let service = FakeService::start(vec![busy]);
    let stderr = Operator::new()
        .run(&[
            "eval",
            "stac::landing(#{timeout: \"2s\"})",
            "--stac-url",
            service.url(),
        ])
        .failure(1);
    assert!(
        stderr.contains("answered 503") && stderr.contains("because overloaded since noon"),
        "{stderr}"
    );
}

#[test]
fn a_creation_that_is_redirected_is_not_sent_again() {
    let moved = Answer::status(303, "").header("location", "/elsewhere");
    let service = FakeService::start(vec![Answer::status(404, "{}"), moved]);
    let script = "stac::put_collection(#{ id: \"x\" })";
    let ran = Operator::new().run(&[
        "eval",
        "--effect",
        "write",
        script,
        "--stac-url",
        service.url(),
    ]);
    assert!(ran.failure(1).contains("stac answered 303 See Other"));
    assert_eq!(service.lines().len(), 2);
}

#[test]
fn a_server_that_quotes_what_it_was_sent_does_not_get_the_token_printed() {
    let service = FakeService::start(vec![Answer::status(
        500,
        "you sent authorization: Bearer canary-token-1",
    )]);
    for flags in [vec![], vec!["--json"]] {
        let line = [vec!["domain", "list", "--stac-url", service.url()], flags].concat();
        let ran = Operator::new()
            .with("DASHI_STAC_TOKEN", "canary-token-1")
            .run(&line);
        assert!(
            ran.stderr.contains("you sent authorization: Bearer …")
                && !ran.to_string().contains("canary"),
            "{ran}"
        );
    }
}

#[test]
fn a_web_server_is_no_lake() {
    let page = FakeService::start(vec![Answer::status(200, "<html>login please</html>")]);
    let mut operator = Operator::new()
        .with("DASHI_S3_ACCESS_KEY", "key")
        .with("DASHI_S3_SECRET_KEY", "made-up-for-a-test");
    for variable in [
        "DASHI_STAC_URL",
        "DASHI_PREFECT_URL",
        "DASHI_LOKI_URL",
        "DASHI_INGEST_URL",
        "DASHI_S3_ENDPOINT",
    ] {
        operator = operator.with(variable, page.url());
    }
    let rows: Value = serde_json::from_str(&operator.run(&["doctor", "--json"]).stdout).unwrap();
    let well: Vec<&Value> = rows
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["status"] == "ok")
        .collect();
    assert!(well.is_empty(), "{well:#?}");
    let stderr = operator.run(&["eval", "s3::buckets()"]).failure(1);
    assert!(
        stderr.contains("s3 gave an answer that is not S3's"),
        "{stderr}"
    );
    assert!(
        operator
            .run(&["domain", "list"])
            .failure(1)
            .contains("is that the address of stac?")
    );
}

#[test]
fn a_record_that_is_none_is_the_services_fault() {
    let service = FakeService::start(vec![Answer::json(
        &json!({"collections": [{"id": "a"}, 5], "links": []}),
    )]);
    let stderr = listing(&service).failure(1);
    assert!(
        stderr.contains("stac gave a page with a record without an id")
            || stderr.contains("stac gave a record without an id among its 'collections'"),
        "{stderr}"
    );
}

#[test]
fn ctrl_c_does_not_wait_for_a_command_that_gives_a_secret() {
    let operator = Operator::new();
    operator.config("[stac]\ntoken = { command = [\"sleep\", \"30\"] }\n");
    let mut child = operator.start(&["domain", "list"]);
    std::thread::sleep(std::time::Duration::from_secs(1));
    let sent = std::time::Instant::now();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        sent.elapsed() < std::time::Duration::from_secs(3),
        "{:?}",
        sent.elapsed()
    );
}
