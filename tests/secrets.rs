//! No secret is ever printed: a canary in every credential, and everything that comes out is searched for it, in every
//! spelling.

use base64::Engine as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::fake::{Answer, FakeService};
use super::lakes::{Lake, real_lake};
use super::operator::Operator;
use serde_json::json;

const CANARY: &str = "c4nary+s3cret/with=signs";

fn assert_silent(ran: &super::operator::Ran, secret: &str) {
    let base64 = base64::engine::general_purpose::STANDARD.encode(secret);
    for spelling in [
        secret.to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        base64,
    ] {
        assert!(
            !ran.to_string().contains(&spelling),
            "'{spelling}' was printed:\n{ran}"
        );
    }
}

#[test]
fn no_command_prints_a_credential() {
    let body = json!({"collections": [], "links": [], "echo": CANARY});
    let service = FakeService::start(vec![Answer::json(&body)]);
    let mut operator = Operator::new()
        .with("DASHI_HTTP_RETRIES", "0")
        .with("MY_SECRET", CANARY);
    for variable in [
        "DASHI_STAC_TOKEN",
        "DASHI_PREFECT_TOKEN",
        "DASHI_LOKI_TOKEN",
        "DASHI_INGEST_TOKEN",
        "DASHI_S3_ACCESS_KEY",
        "DASHI_S3_SECRET_KEY",
        "DASHI_S3_SESSION_TOKEN",
    ] {
        operator = operator.with(variable, CANARY);
    }
    operator = operator.with("DASHI_STAC_HEADERS", format!("X-Api-Key: {CANARY}"));
    for variable in [
        "DASHI_STAC_URL",
        "DASHI_PREFECT_URL",
        "DASHI_LOKI_URL",
        "DASHI_INGEST_URL",
        "DASHI_S3_ENDPOINT",
    ] {
        operator = operator.with(variable, service.url());
    }
    for line in [
        vec!["config"],
        vec!["config", "--origin"],
        vec!["config", "--json"],
        vec!["doctor", "-vv"],
        vec!["doctor", "--json"],
        vec!["domain", "list", "-vv"],
        vec!["domain", "show", "x", "-vv"],
        vec!["domain", "create", "x", "-vv", "--json"],
        vec!["eval", "-vv", "s3::buckets()"],
        vec!["eval", "ctx::settings()"],
        vec![
            "eval",
            "print(env::secret(\"MY_SECRET\")); debug(env::secret(\"MY_SECRET\")); `${env::secret(\"MY_SECRET\")}`",
        ],
        vec!["eval", "env::secret(\"MY_SECRET\")"],
        vec!["eval", "--json", "[env::secret(\"MY_SECRET\")]"],
        vec!["eval", "\"a\" + env::secret(\"MY_SECRET\")"],
        vec!["eval", "json::text(#{a: env::secret(\"MY_SECRET\")})"],
        vec!["eval", "throw env::secret(\"MY_SECRET\")"],
    ] {
        assert_silent(&operator.run(&line), CANARY);
    }
}

#[test]
fn a_traced_run_against_the_real_lake_prints_no_key() {
    let secret = &real_lake()["DASHI_S3_SECRET_KEY"];
    for line in [
        vec!["doctor", "-vv"],
        vec!["eval", "-vv", "s3::list(\"s3://processed/\").count()"],
        vec!["config", "--origin"],
    ] {
        assert_silent(&Lake::Real.operator().run(&line), secret);
    }
}

#[test]
fn a_secret_in_a_script_cannot_be_compared_or_joined() {
    let operator = Operator::new().with("MY_SECRET", CANARY);
    for expression in [
        "env::secret(\"MY_SECRET\") == \"guess\"",
        "\"x\" + env::secret(\"MY_SECRET\")",
        "\"guess\" == env::secret(\"MY_SECRET\")",
    ] {
        let stderr = operator.run(&["eval", expression]).failure(1);
        assert!(
            stderr.contains("a secret cannot be joined to text or compared"),
            "{expression}: {stderr}"
        );
    }
}

#[test]
fn a_secret_that_a_script_sends_is_in_no_trace_or_error() {
    let service = FakeService::start(vec![Answer::status(500, "no")]);
    let operator = Operator::new().with("MY_SECRET", CANARY);
    let send = format!(
        "http::get({:?}, #{{ bearer: env::secret(\"MY_SECRET\"), headers: #{{ \"X-Api-Key\": env::secret(\"MY_SECRET\") }} }})",
        service.url()
    );
    let ran = operator.run(&["eval", "-vv", &send]);
    assert_eq!(service.asked()[0].header("x-api-key"), Some(CANARY));
    assert_silent(&ran, CANARY);
    let signed = format!("{}/x?X-Amz-Signature=c4narysignature", service.url());
    let operator = operator.with("SIGNED_URL", signed);
    assert_silent(
        &operator.run(&["eval", "-v", "http::get(env::get(\"SIGNED_URL\"))"]),
        "c4narysignature",
    );
    let operator = operator.with("URL_WITH_PASSWORD", "http://me:c4narypassword@127.0.0.1:1/");
    assert_silent(
        &operator.run(&["eval", "http::get(env::get(\"URL_WITH_PASSWORD\"))"]),
        "c4narypassword",
    );
}

#[test]
fn a_secret_is_hidden_wherever_it_stands_in_a_request() {
    let service = FakeService::start(vec![Answer::status(404, "no page called c4nary-in-path")]);
    let operator = Operator::new().with("MY_SECRET", "c4nary-in-path").with(
        "PAGE",
        format!("{}/c4nary-in-path?token=c4nary-in-query", service.url()),
    );
    let ran = operator.run(&[
        "eval",
        "-vv",
        "let s = env::secret(\"MY_SECRET\"); http::get(env::get(\"PAGE\"), #{ bearer: s })",
    ]);
    assert!(ran.stderr.contains("because no page called …"), "{ran}");
    assert!(!ran.to_string().contains("c4nary"), "{ran}");
}
