//! The gate as the wire sees it: in a plan pass nothing but reads is sent, however a script calls what destroys.

use std::collections::BTreeSet;

use super::lakes::{Lake, Tapped, on_both_lakes};
use super::operator::Ran;
use super::wire::{Request, Wire, lines};

/// Every way Rhai has to call a function with the URI in `uri`, each a body of `main`.
const WAYS: [(&str, &str); 24] = [
    ("direct", "s3::delete(uri);"),
    ("script_function", "drop_it(uri);"),
    ("method_of_a_value", "uri.drop_this();"),
    ("closure", "let f = |x| s3::delete(x); f.call(uri);"),
    ("captured", "let f = || s3::delete(uri); f.call();"),
    ("by_name", "Fn(\"drop_it\").call(uri);"),
    ("curried", "Fn(\"drop_two\").curry(uri).call(1);"),
    (
        "curried_closure",
        "let f = |x, y| s3::delete(x); curry(f, uri).call(2);",
    ),
    ("parallel", "parallel([uri], 4, |x| s3::delete(x));"),
    ("map_of_an_array", "[uri].map(|x| s3::delete(x));"),
    (
        "filter_of_an_array",
        "[uri].filter(|x| { s3::delete(x); true });",
    ),
    ("for_each", "[uri].for_each(|| s3::delete(this));"),
    (
        "map_of_a_stream",
        "s3::list(uri).map(|o| s3::delete(o)).collect();",
    ),
    (
        "filter_of_a_stream",
        "s3::list(uri).filter(|o| { s3::delete(o); true }).drain();",
    ),
    (
        "stream_given_back",
        "return s3::list(uri).map(|o| s3::delete(o));",
    ),
    ("whole_stream", "s3::delete(s3::list(uri));"),
    ("imported_module", "helper::drop(uri);"),
    ("catch", "try { throw 1 } catch { s3::delete(uri); }"),
    ("try", "try { s3::delete(uri); } catch { }"),
    ("switch", "switch 1 { 1 => s3::delete(uri), _ => () };"),
    ("interpolation", "let text = `${{ s3::delete(uri); 1 }}`;"),
    ("coalesce", "let x = () ?? s3::delete(uri);"),
    ("deferred", "defer(|| s3::delete(uri));"),
    (
        "loop",
        "for n in 0..1 { while true { s3::delete(uri); break; } }",
    ),
];

const FUNCTIONS: &str = "fn drop_it(x) { s3::delete(x) }\nfn drop_two(x, y) { s3::delete(x) }\nfn drop_this() { s3::delete(this) }\n";

/// A runbook that calls in this way.
fn runbook(way: &str, uri: &str) -> String {
    format!(
        "//! Drop.\n//! ```toml\n//! effect = \"destroy\"\n//! ```\nimport \"./helper\" as helper;\n{FUNCTIONS}\
         fn main() {{\n    let uri = \"{uri}\";\n    {way}\n}}\n"
    )
}

/// A tapped lake with one object of its own, and what was sent until now forgotten.
fn with_object(lake: Lake) -> (Tapped, String) {
    let tapped = lake.tapped();
    let uri = format!("s3://landing/{}/a.bin", Lake::name("gate"));
    let script = format!("s3::write(\"{uri}\", \"1\")");
    let operator = tapped.served.operator();
    operator
        .run(&["eval", "--effect", "write", &script])
        .success();
    tapped
        .operator
        .work_file("helper.rhai", "fn drop(x) { s3::delete(x) }\n");
    (tapped, uri)
}

fn changes(tapped: &Tapped) -> Vec<String> {
    [&tapped.s3, &tapped.stac, &tapped.loki]
        .into_iter()
        .flat_map(|wire| lines(&wire.changes()))
        .collect()
}

fn is_there(tapped: &Tapped, uri: &str) -> bool {
    let script = format!("s3::try_head(\"{uri}\") != ()");
    let operator = tapped.served.operator();
    operator.run(&["eval", &script]).success() == "true\n"
}

on_both_lakes! {
    fn however_a_script_calls_what_destroys_the_plan_pass_sends_only_reads(lake) {
        let (tapped, uri) = with_object(lake);
        for (name, way) in WAYS {
            let file = format!("{name}.rhai");
            tapped.operator.work_file(&file, &runbook(way, &uri));
            let ran = tapped.operator.run(&["run", &file]);
            assert!(ran.stdout.contains("s3::delete") && ran.stdout.contains(&uri), "{name}: {ran}");
            assert!(ran.stderr.contains("nothing was changed"), "{name}: {ran}");
            assert_eq!(changes(&tapped), [""; 0], "{name}");
            let _ = ran.success();
        }
        assert!(is_there(&tapped, &uri));
    }

    fn however_a_script_calls_what_destroys_it_is_done_once_it_is_confirmed(lake) {
        let (tapped, uri) = with_object(lake);
        let operator = tapped.served.operator();
        operator.work_file("helper.rhai", "fn drop(x) { s3::delete(x) }\n");
        let sample: BTreeSet<&str> = ["by_name", "parallel", "whole_stream", "catch", "deferred"].into();
        for (name, way) in WAYS.into_iter().filter(|(name, _)| sample.contains(name)) {
            let write = format!("s3::write(\"{uri}\", \"1\")");
            operator.run(&["eval", "--effect", "write", &write]).success();
            operator.work_file("x.rhai", &runbook(way, &uri));
            operator.run(&["run", "x.rhai", "--apply", "--yes"]).success();
            assert!(!is_there(&tapped, &uri), "{name}");
        }
    }
}

/// The examples of every function that changes something, from its own docstring.
fn examples() -> Vec<(String, String)> {
    let listing = super::operator::Operator::in_context("sandbox");
    let names = listing.run(&["doc", "--json"]).json();
    let functions = names.as_array().unwrap().iter();
    // The sandbox has no cluster: those of `k8s::` are tried on a real one.
    let is_of_cluster = |name: &serde_json::Value| name.as_str().unwrap().starts_with("k8s::");
    let functions = functions.filter(|function| !is_of_cluster(&function["name"]));
    let changing = functions.filter(|function| function["effect"] != "read");
    changing
        .flat_map(|function| {
            let name = function["name"].as_str().unwrap().to_owned();
            let all = function["examples"].as_array().unwrap().clone();
            all.into_iter()
                .map(move |example| (name.clone(), example.as_str().unwrap().to_owned()))
        })
        .collect()
}

#[test]
fn no_function_that_changes_something_reaches_a_service_around_the_gate() {
    let tapped = Lake::Sandbox.tapped();
    let examples = examples();
    let names: BTreeSet<&str> = examples.iter().map(|(name, _)| name.as_str()).collect();
    assert!(
        names.contains("s3::delete") && names.contains("stac::put_item") && names.len() >= 8,
        "{names:?}"
    );
    let addresses = &tapped.served.addresses;
    let catalogue = Wire::before(&addresses.iceberg.0);
    let tables = [
        ("DASHI_ICEBERG_URL", catalogue.url().to_owned()),
        ("DASHI_ICEBERG_CLIENT_ID", addresses.access_key.clone()),
        ("DASHI_ICEBERG_CLIENT_SECRET", addresses.secret_key.clone()),
    ];
    let is_change =
        |request: &Request| request.is_change() && !request.target.ends_with("/oauth/tokens");
    for (name, example) in &examples {
        let line = ["eval", "--effect", "destroy", example];
        let ran: Ran = tapped.operator.run_in(&tables, &line);
        assert!(
            ran.to_string().contains(name.as_str()),
            "{name} left no step: {ran}"
        );
        assert_eq!(changes(&tapped), [""; 0], "{name}: {ran}");
        assert!(catalogue.that(is_change).is_empty(), "{name}: {ran}");
    }
    assert!(!catalogue.requests().is_empty());
}

#[test]
fn a_reading_run_is_refused_every_change_before_anything_is_asked() {
    let tapped = Lake::Sandbox.tapped();
    for call in [
        "s3::write(\"s3://landing/x\", \"1\")",
        "s3::delete(\"s3://landing/x\")",
        "stac::delete_item(\"gelaende-umwelt\", \"dgm1-harz-2025\")",
        "fs::write(\"x\", \"1\")",
        "try { s3::delete(\"s3://landing/x\") } catch { }",
    ] {
        let ran = tapped.operator.run(&["eval", call]);
        let refused =
            ran.stderr.contains("and this run may only read") || ran.stderr.contains("effect");
        assert!(refused && ran.code == Some(2), "{call}: {ran}");
        assert_eq!(changes(&tapped), [""; 0]);
    }
}

#[test]
fn a_writing_run_may_take_away_what_it_made_itself_and_nothing_else() {
    let operator = Lake::Sandbox.operator();
    let own = "s3::write(\"s3://landing/own\", \"1\"); s3::delete(\"s3://landing/own\", #{own: true}).deleted";
    operator.work_file(
        "own.rhai",
        &format!("//! Own.\n//! ```toml\n//! effect = \"write\"\n//! ```\nfn main() {{ {own} }}\n"),
    );
    let ran = operator.run(&["run", "own.rhai"]);
    assert_eq!(ran.success(), "1\n");
    let other = "s3::delete(\"s3://landing/README.txt\", #{own: true})";
    operator.work_file(
        "other.rhai",
        &format!(
            "//! Other.\n//! ```toml\n//! effect = \"write\"\n//! ```\nfn main() {{ {other} }}\n"
        ),
    );
    let ran = operator.run(&["run", "other.rhai"]);
    assert_eq!(ran.code, Some(2), "{ran}");
    assert_eq!(
        operator
            .run(&["eval", "s3::try_head(\"s3://landing/README.txt\") != ()"])
            .success(),
        "true\n"
    );
}
