//! What `sandbox::` does to the embedded lake: faults as they show on the wire, the clock that stands, commands run on it.

use std::time::{Duration, Instant};

use super::operator::Operator;

fn sandbox() -> Operator {
    Operator::in_context("sandbox")
}

/// What an expression gives there.
fn value(operator: &Operator, expression: &str) -> serde_json::Value {
    operator
        .run(&["--json", "eval", "--effect", "write", expression])
        .json()
}

#[test]
fn a_fault_is_obeyed_by_every_program_until_it_is_healed() {
    let operator = sandbox();
    value(
        &operator,
        "sandbox::fault(\"stac\", #{status: 503, path: \"/collections\"})",
    );
    let ran = operator.run(&["domain", "list"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.stderr.contains("503 Service Unavailable"), "{ran}");
    let hits = value(&operator, "sandbox::faults()[0].hits");
    assert!(hits.as_u64() > Some(1), "it is tried again: {hits}");
    value(&operator, "sandbox::heal()");
    operator.run(&["domain", "list"]).success();
}

#[test]
fn a_fault_that_passes_is_tried_again_until_it_has() {
    let operator = sandbox();
    let script = "sandbox::fault(\"stac\", #{status: 503, times: 2});
        [stac::collections().collect().len(), sandbox::faults()[0].hits]";
    assert_eq!(value(&operator, script), serde_json::json!([2, 2]));
}

#[test]
fn each_way_to_go_wrong_is_seen_as_what_it_is() {
    let cases = [
        ("stac", "#{status: 500}", "unavailable"),
        ("stac", "#{status: 403}", "forbidden"),
        ("stac", "#{body: \"<html>busy</html>\"}", "protocol"),
        ("stac", "#{cut: 10}", "unavailable"),
        ("s3", "#{status: 503}", "unavailable"),
        ("s3", "#{status: 403}", "forbidden"),
        ("s3", "#{cut: 20}", "unavailable"),
        ("prefect", "#{silent: true}", "timeout"),
        ("prefect", "#{delay: \"1h\"}", "timeout"),
    ];
    let mut wrong = Vec::new();
    for (service, fault, kind) in cases {
        let ask = match service {
            "s3" => "s3::list(\"s3://landing/\").collect()",
            "prefect" => "prefect::health(#{timeout: \"500ms\"})",
            _ => "stac::collections().collect()",
        };
        let script = format!(
            "sandbox::heal(); sandbox::fault(\"{service}\", {fault}); try {{ {ask} }} catch (e) {{ return e.kind; }}"
        );
        let got = value(&sandbox(), &script);
        if got != kind {
            wrong.push(format!("{service} {fault}: {got}, not {kind}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_clock_stands_for_the_services_too_and_sleep_moves_it() {
    let operator = sandbox();
    let script = "sandbox::clock(\"2026-04-27\");
        sleep(\"36h\");
        s3::write(\"s3://landing/x.txt\", \"x\");
        [`${time::now()}`, s3::head(\"s3://landing/x.txt\").last_modified]";
    let begun = Instant::now();
    let seen = value(&operator, script);
    assert_eq!(
        seen,
        serde_json::json!(["2026-04-28T12:00:00Z", "2026-04-28T12:00:00Z"])
    );
    assert!(begun.elapsed() < Duration::from_hours(1));
    // In another program as well, until it runs again.
    assert_eq!(value(&operator, "`${time::now()}`"), "2026-04-28T12:00:00Z");
    let now = value(&operator, "sandbox::clock(()); `${time::now()}`");
    assert_ne!(now, "2026-04-28T12:00:00Z");
}

#[test]
fn a_flow_run_comes_to_its_end_while_the_clock_stands() {
    let operator = sandbox();
    let script = "sandbox::clock(\"2026-04-27\");
        let source = s3::list(\"s3://landing/\").first().uri;
        let run = prefect::run(\"dashi-ingest/main\", #{source_path: source, domain: \"klima-historisch\"});
        let ended = prefect::wait(run, #{timeout: \"1m\"});
        [ended.state_type, time::now() - time::parse(\"2026-04-27\")]";
    let seen = value(&operator, script);
    assert_eq!(seen[0], "COMPLETED", "{seen}");
    assert_eq!(seen[1], 3, "seconds: {seen}");
}

#[test]
fn a_command_is_run_with_its_code_and_both_outputs() {
    let operator = sandbox();
    let script = "let run = sandbox::run([\"domain\", \"show\", \"no-such\"]); [run.code, run.stdout, run.value]";
    assert_eq!(value(&operator, script), serde_json::json!([1, "", null]));
    let script = "sandbox::run(\"eval --json '1 + 1'\").value";
    assert_eq!(value(&operator, script), 2);
    let script = "sandbox::run([\"eval\", \"env::get(\\\"GREETING\\\")\"], #{env: #{GREETING: \"moin\"}}).stdout";
    assert_eq!(value(&operator, script), "moin\n");
}

#[test]
fn on_any_other_lake_it_is_refused_with_a_way_out() {
    let operator = Operator::new();
    let ran = operator.run(&["eval", "sandbox::fault(\"stac\", #{status: 503})"]);
    expect_test::expect![[r#"
        ------- stderr -------
        usage error: sandbox:: is for the sandbox, and this run is on 'default'
          --> <eval>:1:10
          1 | sandbox::fault("stac", #{status: 503})
            |          ^^^^^
          hint use --context sandbox, or write a test: dashictl test FILE
        [exit status: 2]"#]]
    .assert_eq(&ran.to_string());
}

#[test]
fn a_fault_that_does_nothing_or_is_of_no_service_is_refused() {
    let operator = sandbox();
    let ran = operator.run(&["eval", "sandbox::fault(\"stak\", #{status: 503})"]);
    assert!(ran.stderr.contains("hint did you mean 'stac'?"), "{ran}");
    let ran = operator.run(&["eval", "sandbox::fault(\"stac\", #{times: 3})"]);
    assert!(ran.stderr.contains("this fault does nothing"), "{ran}");
    let ran = operator.run(&["eval", "sandbox::fault(\"stac\", #{status: 42})"]);
    assert!(ran.stderr.contains("42 is no status of HTTP"), "{ran}");
}

#[test]
fn the_clock_goes_on_only_and_what_sleeps_at_once_adds_up() {
    let operator = sandbox();
    let script = "sandbox::clock(\"2026-04-27\");
        stac::count();
        parallel([1, 2, 3, 4], 4, |n| sleep(\"1h\"));
        let back = ();
        try { sandbox::clock(\"2026-04-27\"); } catch (e) { back = e.message; }
        [`${time::now()}`, back]";
    let seen = value(&operator, script);
    assert_eq!(seen[0], "2026-04-27T04:00:00Z");
    assert!(
        seen[1].as_str().unwrap().contains("does not go back"),
        "{seen}"
    );
    let ran = operator.run(&["eval", "sandbox::clock(\"2300-01-01\")"]);
    assert!(ran.stderr.contains("the sandbox has no year 2300"), "{ran}");
}
