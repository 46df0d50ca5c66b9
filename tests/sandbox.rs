//! The sandbox as an operator meets it: nothing of a production lake reaches it, its state stays, other programs can use
//! it. Its protocols are tested in `src/sandbox`.

use std::io::{BufRead, BufReader};

use super::listener::SilentListener;
use super::operator::Operator;

#[test]
fn variables_of_a_production_lake_do_not_reach_the_sandbox() {
    let production = SilentListener::start();
    let mut operator = Operator::in_context("sandbox");
    for key in dashictl::config::KEYS {
        let value = if key.path.contains("bucket") {
            "production".to_owned()
        } else {
            production.url()
        };
        operator = operator.with(key.variable, value);
    }
    for proxy in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"] {
        operator = operator.with(proxy, production.url());
    }
    operator.config(&format!("stac_url = {:?}\n", production.url()));
    let table = operator.run(&["doctor"]).success();
    assert!(table.contains("'processed' is there"), "{table}");
    let _ = operator.run(&["domain", "list"]).success();
    let _ = operator.run(&["config", "--origin"]).success();
    assert_eq!(production.visits(), 0);
}

#[test]
fn endpoint_flags_do_not_go_with_the_sandbox() {
    let stderr = Operator::in_context("sandbox")
        .run(&["domain", "list", "--stac-url", "http://x"])
        .failure(2);
    assert!(
        stderr.contains("--stac-url cannot go with the context 'sandbox'"),
        "{stderr}"
    );
}

#[test]
fn what_was_created_is_there_in_the_next_run_until_a_reset() {
    let operator = Operator::in_context("sandbox");
    operator.run(&["domain", "create", "mine"]).success();
    assert!(operator.run(&["domain", "list"]).success().contains("mine"));
    let path = operator.run(&["sandbox", "path"]).success();
    assert_eq!(path, "~/.local/share/dashi/sandbox\n");
    operator.run(&["sandbox", "reset"]).success();
    let listed = operator.run(&["domain", "list"]).success();
    assert!(
        !listed.contains("mine") && listed.contains("gelaende-umwelt"),
        "{listed}"
    );
}

#[test]
fn other_programs_can_use_a_served_sandbox() {
    let operator = Operator::new();
    let mut child = operator.start(&["sandbox", "serve", "--any-port", "--json"]);
    let line = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .next()
        .unwrap()
        .unwrap();
    let endpoints: serde_json::Value = serde_json::from_str(&line).unwrap();
    let other = Operator::new();
    let ran = other.run(&[
        "domain",
        "list",
        "--stac-url",
        endpoints["stac_url"].as_str().unwrap(),
    ]);
    assert!(ran.success().contains("gelaende-umwelt"));
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert!(child.wait().unwrap().success());
}

#[test]
fn two_programs_share_one_sandbox() {
    let operator = Operator::in_context("sandbox");
    let creating: Vec<_> = (0..4)
        .map(|n| operator.start(&["domain", "create", &format!("at-once-{n}")]))
        .collect();
    for child in creating {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let listed = operator.run(&["domain", "list"]).success();
    assert!(
        (0..4).all(|n| listed.contains(&format!("at-once-{n}"))),
        "{listed}"
    );
}

#[test]
fn a_killed_program_leaves_a_sandbox_that_works() {
    let operator = Operator::in_context("sandbox");
    for pause in [5, 20, 60, 150] {
        // The first of these dies while it fills the lake, the later ones while they write to it.
        let mut child = operator.start(&[
            "eval",
            "--effect",
            "write",
            "loop { stac::put_item(stac::items(\"klima-historisch\").first()); }",
        ]);
        std::thread::sleep(std::time::Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
        let whole = operator.run(&[
            "eval",
            "stac::count(\"klima-historisch\") == stac::items(\"klima-historisch\").count()",
        ]);
        assert_eq!(whole.success(), "true\n");
    }
    assert!(
        operator
            .run(&["doctor"])
            .success()
            .contains("'processed' is there")
    );
}
