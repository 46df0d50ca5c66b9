//! Endpoints that are not those of the context: refused where nobody is asked, shown where somebody is.

use super::folder::Folder;
use super::lakes::{Lake, on_both_lakes};
use super::wire::lines;

on_both_lakes! {
    fn endpoints_of_the_environment_are_refused_beside_a_named_context_unless_they_are_meant(lake) {
        let (tapped, folder) = (lake.tapped(), Folder::new("mixed"));
        let addresses = &tapped.served.addresses;
        let operator = folder.apart(tapped.served.operator());
        let config = operator.home().join(".config/dashi/config.toml");
        let config = std::fs::read_to_string(config).unwrap();
        // The store's own address and the tap's are one store.
        operator.config(&format!("{config}[contexts.prod.s3]\naliases = [{:?}]\n", addresses.s3));
        folder.put(&operator, "a", "text");
        let endpoint = [("DASHI_S3_ENDPOINT", tapped.s3.url().to_owned())];
        let script = folder.delete_all();
        let line = ["--context", "prod", "eval", "--effect", "destroy", "--apply", "--yes", &script];
        let ran = operator.run_in(&endpoint, &line);
        assert!(ran.stderr.contains("would reach beyond the context 'prod': not all of its endpoints are its own"), "{ran}");
        let cause = format!("because s3.endpoint is {} (DASHI_S3_ENDPOINT)", tapped.s3.url());
        assert!(ran.stderr.contains(&cause) && ran.stderr.contains("--env-override"), "{ran}");
        let _ = ran.failure(2);
        assert_eq!(tapped.s3.requests(), []);
        assert_eq!(folder.names(&operator), ["a"]);
        let ran = operator.run_in(&endpoint, &[&line[..], &["--env-override"]].concat());
        assert!(ran.stderr.contains("warning: s3.endpoint is not the context's own"), "{ran}");
        let _ = ran.success();
        assert!(lines(&tapped.s3.changes()).iter().any(|line| line.starts_with("DELETE ")));
        assert_eq!(folder.names(&operator), [""; 0]);
    }
}

#[test]
fn the_question_says_that_the_environment_overrides_the_context() {
    let (tapped, folder) = (Lake::Sandbox.tapped(), Folder::new("asked"));
    folder.put(&tapped.served.operator(), "a", "text");
    let operator = tapped
        .served
        .operator()
        .with("DASHI_S3_ENDPOINT", tapped.s3.url());
    let config = operator.home().join(".config/dashi/config.toml");
    let config = std::fs::read_to_string(config).unwrap();
    operator.config(&format!("{config}[contexts.prod]\n"));
    let script = folder.delete_all();
    let line = [
        "--context",
        "prod",
        "eval",
        "--effect",
        "destroy",
        "--apply",
        &script,
    ];
    let mut terminal = operator.on_terminal(&line);
    terminal.expect("context prod: 1 target,");
    terminal.expect("s3.endpoint is not the context's own");
    terminal.expect("(DASHI_S3_ENDPOINT)");
    terminal.expect("Type 'prod' to do this:");
    terminal.type_line("landing");
    let ran = terminal.finish();
    assert!(
        ran.stdout
            .contains("'landing' is not 'prod': nothing was done"),
        "{ran}"
    );
    assert_eq!((ran.code, tapped.s3.changes()), (Some(2), vec![]));
}

#[test]
fn a_plan_in_a_file_needs_a_yes_too_before_anything_is_asked() {
    let (tapped, folder) = (Lake::Sandbox.tapped(), Folder::new("alone"));
    let operator = &tapped.operator;
    folder.put(&tapped.served.operator(), "a", "text");
    let script = folder.delete_all();
    let line = [
        "eval",
        "--effect",
        "destroy",
        "--plan-out",
        "plan.jsonl",
        &script,
    ];
    operator.run(&line).success();
    tapped.s3.forget();
    tapped.stac.forget();
    for line in [
        &["eval", "--effect", "destroy", "--apply", &script][..],
        &["apply", "plan.jsonl"],
    ] {
        let stderr = operator.run(line).failure(2);
        assert!(
            stderr.contains("there is no terminal to ask on"),
            "{stderr}"
        );
        assert!(stderr.contains("--yes, or DASHICTL_YES=1"), "{stderr}");
    }
    assert_eq!(
        (tapped.s3.requests(), tapped.stac.requests()),
        (vec![], vec![])
    );
    let yes = [("DASHICTL_YES", "1".to_owned())];
    operator.run_in(&yes, &["apply", "plan.jsonl"]).success();
    assert_eq!(folder.names(operator), [""; 0]);
}
