//! What is printed where: data on stdout, talk on stderr, raw values with `--json`, nothing animated off a terminal.

use std::io::{BufRead, BufReader, Read};
use std::process::Command;

use super::fake::{Answer, FakeService};
use super::operator::{Operator, program};
use serde_json::json;

#[test]
fn help_and_version_need_no_configuration() {
    let operator = Operator::new();
    operator.config("this is = not [ toml");
    assert!(
        operator
            .run(&["--version"])
            .success()
            .starts_with("dashictl ")
    );
    assert!(operator.run(&["--help"]).success().contains("domain"));
    assert!(
        operator
            .run(&["domain", "list", "--help"])
            .success()
            .contains("Examples:")
    );
    assert!(
        operator
            .run(&["config"])
            .failure(2)
            .contains("config.toml:1:")
    );
}

#[test]
fn help_of_a_command_shows_examples_first() {
    let help = Operator::new().run(&["domain", "create", "-h"]).success();
    let (examples, usage) = (
        help.find("Examples:").unwrap(),
        help.find("Usage:").unwrap(),
    );
    assert!(examples < usage, "{help}");
    assert!(help.contains("dashictl domain create klima --retention 90d                            change only the retention") || help.contains("change only the retention"), "{help}");
    assert!(
        help.contains("--max-classification <MAX_CLASSIFICATION>"),
        "{help}"
    );
    assert!(
        !help.contains("--stac-url"),
        "endpoint flags are in --help only: {help}"
    );
}

#[test]
fn a_wrong_flag_names_the_nearest_and_exits_2() {
    let ran = Operator::new().run(&["domain", "create", "x", "--retenton", "90d"]);
    expect_test::expect![[r#"
        ------- stderr -------
        usage error: unexpected argument '--retenton' found
          hint a similar argument exists: '--retention'
          hint usage: dashictl domain create --retention <RETENTION> <DOMAIN>
        [exit status: 2]"#]]
    .assert_eq(&ran.to_string());
    let ran = Operator::new().run(&["domian", "list"]);
    assert!(
        ran.stderr.contains("a similar subcommand exists: 'domain'"),
        "{ran}"
    );
    assert_eq!(ran.code, Some(2), "{ran}");
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let ran = Operator::new().with("DASHI_HTTP_RETRIES", "0").run(&[
        "domain",
        "list",
        "--json",
        "--stac-url",
        "http://127.0.0.1:1",
    ]);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "unavailable");
    assert_eq!(error["error"]["service"], "stac");
    assert_eq!(error["error"]["exit_code"], 1);
    assert_eq!(
        ran.stdout, "",
        "a list that never began is not closed as if it were whole"
    );
}

#[test]
fn json_of_a_stream_is_one_array_written_as_it_comes() {
    let page = |id: &str, next: serde_json::Value| {
        Answer::json(&json!({"collections": [{"id": id}], "links": next}))
    };
    let next = json!([{"rel": "next", "method": "GET", "href": "{url}/collections?offset=1"}]);
    let service = FakeService::start(vec![page("a", next), page("b", json!([]))]);
    let ran = Operator::new().run(&["domain", "list", "--json", "--stac-url", service.url()]);
    assert_eq!(ran.success(), "[{\"id\":\"a\"}\n,{\"id\":\"b\"}\n]\n");
}

#[test]
fn the_first_value_is_there_before_the_last_page() {
    let page = Answer::json(
        &json!({"collections": [{"id": "a"}], "links": [{"rel": "next", "method": "GET", "href": "{url}/collections?offset=1"}]}),
    );
    let slow = Answer::status(503, "wait").header("retry-after", "55");
    let service = FakeService::start(vec![page, slow]);
    let operator = Operator::new();
    let mut child = operator.start(&["domain", "list", "--json", "--stac-url", service.url()]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "[{\"id\":\"a\"}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    let operator = Operator::new();
    let mut child = operator.start(&[
        "eval",
        "let all = []; for i in 0..200000 { all.push(`line ${i}`) } all",
    ]);
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn print_and_notes_go_to_stderr() {
    let ran = Operator::new().run(&[
        "eval",
        "print(\"talk\"); out::note(\"more\"); out::warn(\"careful\"); 42",
    ]);
    expect_test::expect![[r"
        42
        ------- stderr -------
        talk
        more
        warning: careful
    "]]
    .assert_eq(&ran.to_string());
}

#[test]
fn off_a_terminal_there_are_no_colours_unless_asked_for() {
    let operator = Operator::new();
    let plain = operator.run(&["eval", "[#{id: 1}]; fail(\"x\")"]);
    assert!(!plain.stderr.contains('\u{1b}'), "{plain}");
    let coloured = operator.run(&["eval", "fail(\"x\")", "--color", "always"]);
    assert!(coloured.stderr.contains('\u{1b}'), "{coloured}");
}

#[test]
fn on_a_terminal_a_table_fits_ids_are_whole_and_no_color_is_heard() {
    let id = "gelaende-umwelt-with-a-rather-long-identifier-0123456789";
    let value = format!(
        "[#{{ id: \"{id}\", about: \"words and more words and still more words until it does not fit any more\" }}]"
    );
    let shown = in_terminal(
        &format!("NO_COLOR=1 {} eval '{value}'", program().display()),
        80,
    );
    assert!(shown.contains(id), "{shown}");
    assert!(
        shown
            .lines()
            .all(|line| line.trim_end().chars().count() <= 80),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let bold = in_terminal(
        &format!("TERM=xterm {} eval '{value}'", program().display()),
        80,
    );
    assert!(bold.contains('\u{1b}'), "{bold}");
}

/// What a command prints on a terminal of some width.
fn in_terminal(command: &str, columns: u32) -> String {
    let home = tempfile::tempdir().unwrap();
    let line = format!("stty cols {columns} rows 40; {command}");
    let output = Command::new("script")
        .args(["-q", "-e", "-c", &line, "/dev/null"])
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var_os("PATH").unwrap())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn traces_show_requests_without_secrets() {
    let service = FakeService::start(vec![Answer::json(
        &json!({"collections": [], "links": [], "note": "canary-token"}),
    )]);
    let operator = Operator::new().with("DASHI_STAC_TOKEN", "canary-token");
    let ran = operator.run(&["domain", "list", "-v", "--stac-url", service.url()]);
    assert!(
        ran.stderr.contains(&format!(
            "> stac GET {}/collections?limit=250\n",
            service.url()
        )),
        "{ran}"
    );
    assert!(ran.stderr.contains("< stac 200 "), "{ran}");
    let ran = operator.run(&["domain", "list", "-vv", "--stac-url", service.url()]);
    assert!(
        ran.stderr.contains("authorization: …") && ran.stderr.contains("\"note\":\"…\""),
        "{ran}"
    );
    assert!(!ran.stderr.contains("canary"), "{ran}");
}

#[test]
fn a_table_and_lines_are_shown_as_they_come() {
    let page = |n: u32| {
        let next = json!([{"rel": "next", "method": "GET", "href": format!("{{url}}/collections?offset={n}")}]);
        Answer::json(&json!({"collections": [{"id": format!("c{n}")}], "links": next}))
    };
    for command in [
        vec!["domain", "list"],
        vec!["eval", "stac::collections().map(|c| c.id)"],
    ] {
        let mut answers: Vec<Answer> = (0..3).map(page).collect();
        answers.push(Answer::status(503, "wait").header("retry-after", "50"));
        let service = FakeService::start(answers);
        let operator = Operator::new();
        let line = [command, vec!["--stac-url", service.url()]].concat();
        let mut child = operator.start(&line);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next().is_some_and(|line| line.is_ok()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_secret_variable_is_only_given_as_a_secret() {
    let operator = Operator::new().with("DASHI_S3_SECRET_KEY", "c4nary");
    let stderr = operator
        .run(&["eval", "env::get(\"DASHI_S3_SECRET_KEY\")"])
        .failure(2);
    assert!(
        stderr.contains("take it as one: env::secret") && !stderr.contains("c4nary"),
        "{stderr}"
    );
}

#[test]
fn columns_that_are_left_out_are_named_and_nothing_vanishes() {
    let operator = Operator::new();
    let some = operator.run(&["eval", "[#{ a: 1, n: #{ b: 2 } }]"]);
    expect_test::expect![[r"
        A
        1
        ------- stderr -------
        left out, being lists or maps: n (--json shows them)
    "]]
    .assert_eq(&some.to_string());
    assert_eq!(
        operator.run(&["eval", "[#{ n: #{ b: 2 } }]"]).success(),
        "N\n{\"b\":2}\n"
    );
}

#[test]
fn talk_of_a_script_cannot_steer_the_terminal() {
    let operator = Operator::new();
    for talk in [
        "print(\"a\\x1b[2J\")",
        "out::note(\"a\\x1b[2J\")",
        "out::warn(\"a\\x1b[2J\")",
        "view([#{a: 1}], #{note: \"a\\x1b[2J\"})",
        "exit(\"a\\x1b[2J\")",
        "#{\"k\\x1b[31m\": 1}",
        "[#{\"k\\x1b[31m\": 1}]",
    ] {
        let ran = operator.run(&["eval", talk]);
        assert!(
            !ran.to_string().contains('\u{1b}') && ran.to_string().contains("u{1b}"),
            "{talk}: {ran}"
        );
    }
}

/// Runs a command line whose output nobody reads, and gives its exit code.
fn unread(operator: &Operator, arguments: &str) -> String {
    let line = format!(
        "'{}' --context sandbox {arguments} | true; echo ${{PIPESTATUS[0]}}",
        super::operator::program().display()
    );
    let environment = operator.command(&[]);
    let environment = environment.get_envs();
    let environment = environment.filter_map(|(name, value)| Some((name, value?)));
    let output = std::process::Command::new("bash")
        .args(["-c", &line])
        .env_clear()
        .envs(environment)
        .env("PATH", std::env::var("PATH").unwrap())
        .current_dir(operator.work())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn what_came_of_a_run_is_told_also_where_nobody_reads_what_it_says() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(
        "sweep.rhai",
        "//! Sweeps.\n//! ```toml\n//! effect = \"destroy\"\n//! ```\nfn main(args) {\n    s3::delete([\"s3://landing/README.txt\"]);\n    \
         let rows = [];\n    for n in 0..40000 { rows.push(#{n: n, text: \"a row\"}); }\n    rows\n}\n",
    );
    let sweep = "run sweep.rhai --apply --yes";
    let fault = "sandbox::fault(\"s3\", #{status: 403, method: \"DELETE\", path: \"README.txt\"})";
    let _ = operator.run(&["eval", fault]).success();
    assert_eq!(unread(&operator, sweep), "4");
    let _ = operator.run(&["eval", "sandbox::heal()"]).success();
    assert_eq!(unread(&operator, sweep), "0");
    let log = operator.run(&["log", "list", "--json"]).json();
    assert_eq!(log[0]["outcome"], "done", "{log}");
}
