//! Completion: what each shell sources, what it is answered, live names, and a dead service.

use super::fake::{Answer, FakeService};
use super::flows::Flows;
use super::lakes::Lake;
use super::listener::SilentListener;
use super::operator::Operator;
use serde_json::json;

/// The answers to a shell that completes the last of these words.
fn completed(operator: &Operator, words: &[&str]) -> Vec<String> {
    let last = words.len() - 1;
    let line = [&["--"], words].concat();
    let variables = [
        ("DASHICTL_COMPLETE", "fish".to_owned()),
        ("_CLAP_COMPLETE_INDEX", last.to_string()),
    ];
    let stdout = operator.run_in(&variables, &line).success();
    stdout
        .lines()
        .map(|line| line.split('\t').next().unwrap().to_owned())
        .collect()
}

/// The same, asked until a name is among them: a service has 140 ms, which a busy machine may not give it.
fn completed_with(operator: &Operator, words: &[&str], name: &str) -> Vec<String> {
    for _ in 0..50 {
        let names = completed(operator, words);
        if names.contains(&name.to_owned()) {
            return names;
        }
    }
    panic!("'{name}' is never among the answers to {words:?}");
}

#[test]
fn every_shell_gets_something_to_source() {
    for (shell, sign) in [
        ("bash", "complete -o"),
        ("zsh", "compdef"),
        ("fish", "complete --keep-order"),
        ("powershell", "Register-ArgumentCompleter"),
        ("nushell", "completions.external"),
    ] {
        let script = Operator::new().run(&["complete", shell]).success();
        assert!(
            script.contains(sign) && script.contains("DASHICTL_COMPLETE"),
            "{shell}:\n{script}"
        );
    }
    assert!(
        Operator::new()
            .run(&["complete", "tcsh"])
            .failure(2)
            .contains("bash, zsh, fish, powershell, nushell")
    );
}

/// What bash makes of words, the one at a place being completed, through what it has sourced.
fn in_bash(operator: &Operator, words: &str, at: usize, typed: &str) -> String {
    let script = operator.run(&["complete", "bash"]).success();
    let bin = super::operator::program().parent().unwrap();
    let line = format!(
        "PATH={}:$PATH\n{script}\nCOMP_WORDS=({words})\nCOMP_CWORD={at}\nCOMP_TYPE=9\n_clap_complete_dashictl dashictl '{typed}' x\necho \"${{COMPREPLY[*]}}\"",
        bin.display()
    );
    let output = std::process::Command::new("bash")
        .args(["--norc", "-c", &line])
        .env("HOME", operator.home())
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn bash_completes_through_what_it_sourced_also_behind_an_equals_sign() {
    let operator = Operator::new();
    operator.config("[contexts.prod]\n[contexts.staging]\n");
    for (words, at, typed, whole) in [
        ("dashictl domain cr", 2, "cr", "create"),
        ("dashictl --context = prod domain cr", 5, "cr", "create"),
        ("dashictl --context = pr", 3, "pr", "prod"),
    ] {
        assert_eq!(in_bash(&operator, words, at, typed), whole, "{words}");
    }
}

#[test]
fn commands_flags_and_choices_are_completed_also_of_an_operators_script() {
    let own = || {
        let operator = Operator::new();
        operator.home_file(".config/dashi/scripts/domain/stats.rhai", "//! Stats.\n//! ```toml\n//! [options.kind]\n//! choices = [\"raster\", \"vector\"]\n//! ```\nfn main(args) { }\n");
        operator
    };
    assert_eq!(
        completed(&own(), &["dashictl", "domain", ""])
            .into_iter()
            .filter(|word| !word.starts_with('-'))
            .collect::<Vec<_>>(),
        ["create", "list", "show", "stats"]
    );
    assert!(
        completed(&own(), &["dashictl", "domain", "stats", "--k"]).contains(&"--kind".to_owned())
    );
    assert_eq!(
        completed(&own(), &["dashictl", "domain", "stats", "--kind", ""]),
        ["raster", "vector"]
    );
}

#[test]
fn live_names_come_from_the_service_and_then_from_the_cache() {
    let domains = json!({"collections": [{"id": "raw"}, {"id": "gelaende"}], "links": []});
    let service = FakeService::start(vec![Answer::json(&domains)]);
    let operator = Operator::new().with("DASHI_STAC_URL", service.url());
    let words = ["dashictl", "domain", "show", ""];
    assert!(completed_with(&operator, &words, "raw").contains(&"gelaende".to_owned()));
    let asked = service.lines().len();
    assert!(completed(&operator, &words).contains(&"raw".to_owned()));
    assert_eq!(
        service.lines().len(),
        asked,
        "the second answer is from the cache"
    );
}

#[test]
fn a_dead_service_gives_no_names_and_no_complaint() {
    let service = SilentListener::start();
    let operator = Operator::new()
        .with("DASHI_STAC_URL", service.url())
        .with("DASHICTL_COMPLETE", "fish")
        .with("_CLAP_COMPLETE_INDEX", "3");
    let started = std::time::Instant::now();
    let ran = operator.run(&["--", "dashictl", "domain", "show", ""]);
    assert!(
        started.elapsed() < std::time::Duration::from_secs(2),
        "200 ms are allowed, plus a busy machine"
    );
    assert_eq!((ran.stderr.as_str(), ran.code), ("", Some(0)), "{ran}");
    assert_eq!(service.visits(), 1);
}

#[test]
fn no_tab_runs_the_program_of_a_secret() {
    let service = SilentListener::start();
    let operator = Operator::new().with("DASHI_STAC_URL", service.url());
    operator
        .config("[stac]\ntoken = { command = [\"sh\", \"-c\", \"echo asked > asked; echo t\"] }\n");
    assert!(!completed(&operator, &["dashictl", "domain", "show", ""]).contains(&"raw".to_owned()));
    assert!(!operator.work().join("asked").exists());
    assert_eq!(service.visits(), 0);
}

#[test]
fn contexts_are_completed_from_the_file() {
    let operator = Operator::new();
    operator.config("[contexts.prod]\n[contexts.staging]\n");
    let names = completed(&operator, &["dashictl", "--context", ""]);
    assert!(
        ["prod", "staging", "sandbox"]
            .iter()
            .all(|name| names.contains(&(*name).to_owned())),
        "{names:?}"
    );
}

#[test]
fn nushell_is_answered_in_json() {
    let operator = Operator::new().with("DASHICTL_COMPLETE", "nushell");
    let value = operator.run(&["--", "dashictl", "domain", "sh"]).json();
    assert_eq!(
        value,
        json!([{"value": "show", "description": "Show one domain"}])
    );
}

#[test]
fn a_context_with_the_name_of_a_command_does_not_mislead() {
    let operator = Operator::new();
    assert_eq!(
        completed(
            &operator,
            &["dashictl", "--context", "sandbox", "domain", "sh"]
        ),
        ["show"]
    );
    let _ = operator
        .run(&["--context", "sandbox", "domain", "list"])
        .success();
    let words = ["dashictl", "--context", "sandbox", "domain", "show", ""];
    let _ = completed_with(&operator, &words, "gelaende-umwelt");
}

#[test]
fn live_names_come_from_the_lake_that_the_typed_flags_name() {
    let domains = json!({"collections": [{"id": "elsewhere"}], "links": []});
    let service = FakeService::start(vec![Answer::json(&domains)]);
    let words = [
        "dashictl",
        "--stac-url",
        service.url(),
        "domain",
        "show",
        "",
    ];
    let _ = completed_with(&Operator::new(), &words, "elsewhere");
}

#[test]
fn deployments_and_flow_runs_are_completed() {
    let flows = Flows::new(Lake::Sandbox);
    let run = flows.start(&json!({}));
    let deployment = flows.deployment();
    let names = completed_with(&flows.operator, &["dashictl", "backfill", ""], &deployment);
    assert!(names.contains(&"dashi-ingest/main".to_owned()), "{names:?}");
    completed_with(
        &flows.operator,
        &["dashictl", "runs", "cancel", &run[..4]],
        &run,
    );
}
