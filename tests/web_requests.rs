//! `http::request`: a change like any other, sent once, of which nobody sees the secrets.

use super::canary::{self, HOOK};
use super::fake::{Answer, FakeService};
use super::operator::{Operator, Ran};

fn operator(hook: &FakeService) -> Operator {
    Operator::in_context("sandbox").with("HOOK", format!("{}/hooks/{HOOK}", hook.url()))
}

const NOTIFY: &str = "//! Tell them.\n//!\n//! ```toml\n//! effect = \"write\"\n//! ```\nimport \"std/notify\" as notify;\n\
    fn main() { notify::chat(env::secret(\"HOOK\"), \"swept\").status }";

/// What came of telling them.
fn told(operator: &Operator, flags: &[&str]) -> Ran {
    operator.work_file("tell.rhai", NOTIFY);
    operator.run(&[flags, &["run", "tell.rhai"]].concat())
}

#[test]
fn a_webhook_is_told_once_and_its_url_is_seen_nowhere() {
    let hook = FakeService::start(vec![Answer::status(200, "ok")]);
    let operator = operator(&hook);
    let ran = told(&operator, &["-vv"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "200\n"), "{ran}");
    canary::assert_none(ran.to_string().as_bytes(), "what it printed");
    let asked = hook.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, format!("POST /hooks/{HOOK}"));
    assert_eq!(asked[0].body, "{\"text\":\"swept\"}");
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    let run = operator.run(&["log", "list", "--json"]).json()[0]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let shown = operator.run(&["log", "show", &run]).success();
    assert!(shown.contains("POST http://127.0.0.1/…"), "{shown}");
    canary::assert_none_below(&operator.home());
    let undone = operator.run(&["undo", &run, "--yes"]);
    assert!(
        undone.to_string().contains("what was sent stays sent"),
        "{undone}"
    );
}

#[test]
fn a_dry_run_sends_nothing_and_says_what_it_would() {
    let hook = FakeService::start(Vec::new());
    let operator = operator(&hook);
    let ran = told(&operator, &["--dry-run"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.to_string().contains("POST http://127.0.0.1/…"), "{ran}");
    assert_eq!(hook.asked().len(), 0);
}

#[test]
fn a_refusal_names_the_host_and_what_it_said() {
    let hook = FakeService::start(vec![Answer::status(400, "text is too long")]);
    let operator = operator(&hook);
    let ran = told(&operator, &[]);
    assert_ne!(ran.code, Some(0), "{ran}");
    assert!(
        ran.stderr
            .contains("POST http://127.0.0.1/… was answered with status 400"),
        "{ran}"
    );
    assert!(ran.stderr.contains("text is too long"), "{ran}");
}

#[test]
fn only_what_changes_something_is_sent_and_only_by_who_may_write() {
    let operator = Operator::in_context("sandbox");
    let ran = operator.run(&[
        "eval",
        "--effect",
        "write",
        "http::request(\"GET\", \"http://127.0.0.1:9/\")",
    ]);
    assert!(
        ran.stderr
            .contains("it sends POST, PUT, PATCH, DELETE; http::get reads"),
        "{ran}"
    );
    let ran = operator.run(&["eval", "http::request(\"POST\", \"http://127.0.0.1:9/\")"]);
    assert!(
        ran.stderr.contains("http::request has the effect 'write'"),
        "{ran}"
    );
}

#[test]
fn a_server_that_says_again_what_it_was_asked_gives_nothing_away() {
    let said = format!("no hook at /hooks/{HOOK}, and the body was {HOOK}");
    for status in [200, 404] {
        let hook = FakeService::start(vec![
            Answer::status(status, &said).header("x-asked", &format!("/hooks/{HOOK}")),
        ]);
        let operator = operator(&hook).with("TOKEN", HOOK);
        let script = "try { print(http::request(\"POST\", env::secret(\"HOOK\"), #{body: #{token: env::secret(\"TOKEN\")}})) } catch (e) { throw e; }";
        let ran = operator.run(&["-vv", "eval", "--effect", "write", script]);
        assert!(hook.asked()[0].body.contains(HOOK), "it was sent");
        canary::assert_none(ran.to_string().as_bytes(), "what it printed");
        canary::assert_none_below(&operator.home());
    }
}

#[test]
fn who_is_sent_elsewhere_has_told_nobody() {
    let hook = FakeService::start(vec![
        Answer::status(302, "").header("location", "https://chat.example/elsewhere"),
    ]);
    let operator = operator(&hook);
    let ran = told(&operator, &[]);
    assert_ne!(ran.code, Some(0), "{ran}");
    assert!(
        ran.stderr
            .contains("was answered with status 302: it is somewhere else"),
        "{ran}"
    );
    assert!(
        ran.stderr
            .contains("location: https://chat.example/elsewhere"),
        "{ran}"
    );
    assert_eq!(hook.asked().len(), 1);
}
