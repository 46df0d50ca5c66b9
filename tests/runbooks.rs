//! An operator's own script is a command like a shipped one: help, flags, completion, output, errors.

use super::lakes::on_both_lakes;
use super::operator::Operator;

const STATS: &str = r#"//! Count the items of a domain.
//!
//! Walks the whole collection.
//!
//! ```toml
//! [args.domain]
//! required = true
//! complete = "domains"
//! help = "The domain's id"
//! [options.min-size]
//! type = "int"
//! default = 3
//! short = "m"
//! env = "STATS_MIN_SIZE"
//! help = "Leave out smaller ones"
//! [options.tag]
//! multiple = true
//! help = "Tags to show"
//! [options.deep]
//! type = "bool"
//! help = "Look deeper"
//! [[examples]]
//! run = "dashictl domain stats raw"
//! about = "the raw domain"
//! ```
fn main(args) {
    let shown = #{ domain: args.domain, min_size: args.min_size, tag: args.tag, deep: args.deep };
    shown.items = stac::count(args.domain);
    [shown]
}
"#;

on_both_lakes! {
    fn a_script_in_the_operators_folder_is_a_command_with_help_flags_and_output(lake) {
        let operator = lake.operator();
        operator.home_file(".config/dashi/scripts/domain/stats.rhai", STATS);
        let help = operator.run(&["domain", "stats", "--help"]).success();
        assert!(help.starts_with("Count the items of a domain (yours)\n\nWalks the whole collection.\n\nExamples:\n  dashictl domain stats raw  the raw domain\n"), "{help}");
        assert!(help.contains("Leave out smaller ones [env: STATS_MIN_SIZE]"), "{help}");
        let rows = operator.run(&["domain", "stats", "gelaende-umwelt", "-m", "7", "--tag", "a", "--tag", "b", "--deep", "--json"]).json();
        assert_eq!(rows[0]["min_size"], 7);
        assert_eq!(rows[0]["tag"], serde_json::json!(["a", "b"]));
        assert_eq!(rows[0]["deep"], true);
        assert!(rows[0]["items"].as_i64().unwrap() > 0);
        let table = operator.run(&["domain", "stats", "gelaende-umwelt"]).success();
        assert!(table.starts_with("DEEP   DOMAIN           ITEMS  MIN SIZE\nfalse  gelaende-umwelt  "), "{table}");
        assert!(operator.run(&["--help"]).success().contains("domain: create, list, show, stats"));
        assert!(operator.run(&["domain", "show", "gelaende-umwelt", "--json"]).json()["id"] == "gelaende-umwelt", "shipped ones still work");
    }
}

fn operator_with(path: &str, text: &str) -> Operator {
    let operator = Operator::in_context("sandbox");
    operator.home_file(&format!(".config/dashi/scripts/{path}"), text);
    operator
}

#[test]
fn a_variable_stands_in_for_a_flag_and_is_held_to_its_type() {
    let operator = operator_with("domain/stats.rhai", STATS).with("STATS_MIN_SIZE", "9");
    let size = |flags: &[&str]| {
        let line = [&["domain", "stats", "gelaende-umwelt", "--json"], flags].concat();
        operator.run(&line).json()[0]["min_size"].clone()
    };
    assert_eq!((size(&[]), size(&["-m", "7"])), (9.into(), 7.into()));
    let wrong = operator_with("domain/stats.rhai", STATS).with("STATS_MIN_SIZE", "many");
    let stderr = wrong
        .run(&["domain", "stats", "gelaende-umwelt"])
        .failure(2);
    assert!(
        stderr.contains("the variable STATS_MIN_SIZE is wrong: 'many' is not a whole number"),
        "{stderr}"
    );
}

#[test]
fn a_wrong_value_or_missing_argument_is_a_usage_error() {
    let operator = operator_with("domain/stats.rhai", STATS);
    let stderr = operator
        .run(&["domain", "stats", "raw", "--min-size", "many"])
        .failure(2);
    assert!(
        stderr.contains(
            "invalid value 'many' for '--min-size <MIN_SIZE>': 'many' is not a whole number"
        ),
        "{stderr}"
    );
    let stderr = operator.run(&["domain", "stats"]).failure(2);
    assert!(
        stderr.contains("the following required arguments were not provided: <DOMAIN>"),
        "{stderr}"
    );
}

#[test]
fn a_wrong_header_is_reported_with_its_place_and_breaks_no_other_command() {
    let operator = operator_with(
        "sweep.rhai",
        "//! Sweep.\n//! ```toml\n//! [options.days]\n//! tpye = \"int\"\n//! ```\nfn main(args) { 1 }\n",
    );
    let stderr = operator.run(&["sweep", "--days", "3"]).failure(2);
    expect_test::expect![[r#"
        usage error: unknown key 'tpye' in an option
          --> ~/.config/dashi/scripts/sweep.rhai:4:5
          4 | //! tpye = "int"
            |     ^^^^
          hint did you mean 'type'?
          hint known keys: type, help, default, required, multiple, choices, short, env, complete, value
    "#]]
    .assert_eq(&stderr);
    assert!(
        operator
            .run(&["--help"])
            .success()
            .contains("sweep     its header is wrong: unknown key 'tpye' in an option (yours)")
    );
    let _ = operator.run(&["domain", "list"]).success();
}

#[test]
fn a_shipped_command_is_shadowed_only_on_purpose() {
    let silent = operator_with("doctor.rhai", "//! Mine.\nfn main() { \"mine\" }\n");
    assert!(silent.run(&["doctor"]).success().starts_with("CHECK"));
    let help = silent.run(&["--help"]);
    assert!(help.stderr.contains("doctor.rhai is passed over: 'doctor' is a shipped command already; its header may say `override = true`"), "{help}");
    let open = operator_with(
        "doctor.rhai",
        "//! Mine.\n//! ```toml\n//! override = true\n//! ```\nfn main() { \"mine\" }\n",
    );
    assert_eq!(open.run(&["doctor"]).success(), "mine\n");
    assert!(
        open.run(&["--help"])
            .success()
            .contains("Mine (yours, instead of the shipped one)")
    );
}

#[test]
fn a_script_is_run_by_its_path_with_its_own_flags() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(
        "x.rhai",
        &format!("#!/usr/bin/env -S dashictl run\n{STATS}"),
    );
    let rows = operator
        .run(&[
            "run",
            "./x.rhai",
            "gelaende-umwelt",
            "--min-size",
            "4",
            "--json",
        ])
        .json();
    assert_eq!(rows[0]["min_size"], 4);
    let help = operator.run(&["run", "./x.rhai", "--help"]).success();
    assert!(
        help.contains("Usage: dashictl run ./x.rhai [OPTIONS] <DOMAIN>"),
        "{help}"
    );
    let stderr = operator
        .run(&["run", "./x.rhai", "raw", "--min-sice", "4"])
        .failure(2);
    assert!(stderr.contains("--min-size"), "{stderr}");
    assert!(
        operator
            .run(&["run", "missing.rhai"])
            .failure(1)
            .contains("cannot read missing.rhai")
    );
}

#[test]
fn an_error_in_line_numbers_is_right_below_a_shebang() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(
        "x.rhai",
        "#!/usr/bin/env -S dashictl run\n\nfail(\"here\")\n",
    );
    assert!(
        operator
            .run(&["run", "x.rhai"])
            .failure(1)
            .contains("x.rhai:3:1")
    );
}

#[test]
fn a_write_runbook_writes_and_its_dry_run_does_not() {
    let text = "//! Note.\n//! ```toml\n//! effect = \"write\"\n//! ```\nfn main() { fs::write(\"note.txt\", \"x\"); fs::exists(\"note.txt\") }\n";
    let operator = operator_with("note.rhai", text);
    let dry = operator.run(&["note", "--dry-run"]);
    assert!(dry.stdout.contains("file $WORK/note.txt"), "{dry}");
    assert!(
        dry.stderr.contains(
            "fs::exists reads file $WORK/note.txt at ~/.config/dashi/scripts/note.rhai:5"
        ),
        "{dry}"
    );
    assert!(!operator.work().join("note.txt").exists());
    assert_eq!(operator.run(&["note"]).success(), "true\n");
}

#[test]
fn operators_share_code_through_their_library_folder() {
    let operator = operator_with(
        "hello.rhai",
        "//! Hi.\nimport \"greet\" as greet;\nfn main() { greet::hello(\"you\") }\n",
    );
    operator.home_file(
        ".config/dashi/lib/greet.rhai",
        "fn hello(who) { `hello ${who}` }\n",
    );
    assert_eq!(operator.run(&["hello"]).success(), "hello you\n");
}

#[test]
fn a_header_that_takes_a_name_of_every_command_is_refused_with_its_place() {
    for (toml, message, place) in [
        (
            "[options.json]",
            "'json' is an option that every command has",
            ":3:",
        ),
        (
            "[options.stac-url]",
            "'stac-url' is an option that every command has",
            ":3:",
        ),
        (
            "[options.x]\n//! short = \"v\"",
            "the letter 'v' of 'x' is taken",
            ":3:",
        ),
        (
            "[args.x]\n//! [options.x]",
            "'x' is an argument and an option as well",
            ":4:",
        ),
        (
            "[args.a]\n//! multiple = true\n//! [args.b]",
            "argument 'a' is repeated, so it must be the last",
            ":3:",
        ),
        (
            "[options.x]\n//! complete = \"domain\"",
            "there are no live names 'domain'",
            ":3:",
        ),
        (
            "[options.x]\n//! choices = [\"a\"]\n//! default = \"b\"",
            "the default 'b' is none of the choices",
            ":3:",
        ),
    ] {
        let operator = operator_with(
            "odd.rhai",
            &format!("//! Odd.\n//! ```toml\n//! {toml}\n//! ```\nfn main(args) {{ }}\n"),
        );
        let stderr = operator.run(&["odd"]).failure(2);
        assert!(
            stderr.contains(message) && stderr.contains(&format!("odd.rhai{place}")),
            "{toml}: {stderr}"
        );
    }
}

#[test]
fn a_script_cannot_have_the_name_of_a_host_command() {
    let operator = operator_with("run.rhai", "//! Mine.\nfn main() { 1 }\n");
    operator.home_file(
        ".config/dashi/scripts/sandbox/x.rhai",
        "//! Mine.\nfn main() { 1 }\n",
    );
    let help = operator.run(&["--help"]);
    assert!(
        help.stderr
            .contains("run.rhai is passed over: 'run' is a command of the host"),
        "{help}"
    );
    assert!(
        help.stderr
            .contains("x.rhai is passed over: 'sandbox' is a command of the host"),
        "{help}"
    );
}

#[test]
fn values_may_begin_with_a_dash_where_they_are_numbers_or_times() {
    let text = "//! T.\n//! ```toml\n//! [options.since]\n//! type = \"time\"\n//! [options.n]\n//! type = \"int\"\n//! ```\nfn main(args) { [args.since, args.n] }\n";
    let operator = operator_with("t.rhai", text);
    assert_eq!(
        operator
            .run(&["t", "--since", "-2h", "--n", "-5"])
            .success(),
        "-2h\n-5\n"
    );
}

#[test]
fn a_wrong_configuration_does_not_stop_doc_and_check() {
    let operator = Operator::new();
    operator.config("not [ toml");
    operator.work_file("x.rhai", "1");
    assert!(
        operator
            .run(&["doc", "stac"])
            .success()
            .contains("stac::items")
    );
    let _ = operator.run(&["check", "x.rhai"]).success();
}

#[test]
fn a_script_without_main_that_only_imports_and_names_is_an_error() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(
        "x.rhai",
        "import \"std/time\" as times;\nconst N = 3;\nfn mian(args) { times::day(\"2026-01-01\") }",
    );
    let stderr = operator.run(&["run", "x.rhai"]).failure(2);
    assert!(
        stderr.contains("did you mean 'main'") || stderr.contains("did you mean 'mian'"),
        "{stderr}"
    );
}

#[test]
fn a_script_without_main_that_would_do_nothing_is_an_error() {
    let operator = operator_with("typo.rhai", "//! T.\nfn mian(args) { 1 }\n");
    let stderr = operator.run(&["typo"]).failure(2);
    assert!(
        stderr.contains("typo.rhai has functions, but no `main` that is run")
            && stderr.contains("did you mean 'mian'?"),
        "{stderr}"
    );
}

#[test]
fn a_mistyped_argument_inside_the_script_is_an_error_under_any_name() {
    let header = "//! T.\n//! ```toml\n//! [options.min-size]\n//! [options.bucket]\n//! ```\n";
    for body in [
        "fn main(args) {\n    args.bukcet\n}",
        "fn main(o) {\n    o[\"bukcet\"]\n}",
        "fn f(a) {\n    a.bukcet }\nfn main(args) { f(args) }",
    ] {
        let operator = operator_with("t.rhai", &format!("{header}{body}\n"));
        let stderr = operator.run(&["t"]).failure(2);
        assert!(
            stderr.contains("the header declares no argument or option 'bukcet'\n  --> "),
            "{body}: {stderr}"
        );
        assert!(
            stderr.contains("did you mean 'bucket'?") && stderr.contains("t.rhai:7:"),
            "{body}: {stderr}"
        );
    }
    let right = "fn helper(args) { args.other } fn main(args) { args.bucket = \"b\"; [helper(#{ other: 1 }), args.contains(\"bucket\"), args.keys(), args] }";
    let value = operator_with("t.rhai", &format!("{header}{right}\n"))
        .run(&["t", "--json"])
        .json();
    assert_eq!(
        value,
        serde_json::json!([1, true, ["bucket", "min_size"], {"bucket": "b", "min_size": null}])
    );
}

#[test]
fn a_script_that_is_passed_over_is_told_of_where_its_name_is_called() {
    let operator = operator_with("domain/list.rhai", "//! Mine.\nfn main() { 1 }\n");
    assert!(
        operator
            .run(&["domain", "list"])
            .stderr
            .contains("domain/list.rhai is passed over")
    );
    std::fs::write(
        operator.home().join(".config/dashi/scripts/bin.rhai"),
        [0xff, 0xfe],
    )
    .unwrap();
    assert!(
        operator
            .run(&["bin"])
            .failure(2)
            .contains("cannot read the script ~/.config/dashi/scripts/bin.rhai")
    );
}

#[test]
fn a_pipe_in_place_of_a_script_or_of_the_configuration_hangs_nothing() {
    let operator = operator_with("ok.rhai", "//! Ok.\nfn main() { 1 }\n");
    let pipe = |path: &str| {
        assert!(
            std::process::Command::new("mkfifo")
                .arg(operator.home().join(path))
                .status()
                .unwrap()
                .success()
        );
    };
    pipe(".config/dashi/scripts/x.rhai");
    assert_eq!(operator.run(&["ok"]).success(), "1\n");
    pipe(".config/dashi/config.toml");
    assert!(operator.run(&["ok"]).failure(2).contains("it is no file"));
}

#[test]
fn a_byte_order_mark_and_comments_before_the_header_are_nothing() {
    let operator = operator_with(
        "b.rhai",
        "\u{feff}// (c) us\n\n//! Says b.\nfn main() { 1 }\n",
    );
    assert!(
        operator
            .run(&["b", "--help"])
            .success()
            .starts_with("Says b (yours)")
    );
    assert_eq!(operator.run(&["b"]).success(), "1\n");
}

#[test]
fn what_follows_the_file_of_run_is_the_scripts_as_it_was_typed() {
    let operator = Operator::in_context("sandbox");
    operator.work_file("e.rhai", "//! E.\n//! ```toml\n//! [args.a]\n//! required = true\n//! ```\nfn main(args) { args.a }\n");
    assert_eq!(
        operator.run(&["run", "e.rhai", "--", "-5s"]).success(),
        "-5s\n"
    );
    assert_eq!(
        operator.run(&["run", "e.rhai", "--", "--json"]).success(),
        "--json\n"
    );
    assert_eq!(
        operator.run(&["run", "e.rhai", "x", "--json"]).success(),
        "\"x\"\n"
    );
}

#[test]
fn what_a_header_quotes_is_no_header() {
    let operator = Operator::in_context("sandbox");
    let quoted = "//! ````text\n//! ```toml\n//! effect = \"destroy\"\n//! ```\n//! ````\n";
    let real = "//! ```toml\n//! [options.name]\n//! help = \"N\"\n//! ```\n";
    operator.work_file(
        "x.rhai",
        &format!("//! X.\n//!\n{quoted}fn main() {{ s3::delete([\"s3://landing/q\"]) }}\n"),
    );
    let stderr = operator.run(&["check", "x.rhai"]).failure(1);
    assert!(
        stderr.contains("this script is declared 'read'"),
        "{stderr}"
    );
    for text in [
        format!(
            "//! X.\n//!\n//! ```dashictl run x.rhai``` shows it.\n//!\n//! A heading\n//! ~~~~~~~~~\n{real}fn main(args) {{ args.name }}\n"
        ),
        format!("//! X.\n//!\n{quoted}//!\n{real}fn main(args) {{ args.name }}\n"),
        format!("//! X.\n//!\n{real}//!\n{quoted}fn main(args) {{ args.name }}\n"),
        format!(
            "//! X.\n//!\n//! What has\n//! effect = \"write\" would be too much, and\n//! [options.x] is gone.\n{real}fn main(args) {{ args.name }}\n"
        ),
    ] {
        operator.work_file("x.rhai", &text);
        let ran = operator.run(&["check", "x.rhai"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{text}");
        assert_eq!(
            operator.run(&["run", "x.rhai", "--name", "n"]).success(),
            "n\n"
        );
    }
}

#[test]
fn an_import_that_hides_what_a_library_needs_is_refused() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(
        "x.rhai",
        "import \"std/time\" as time;\nfn main(args) { time::day(\"2026-01-01\") }",
    );
    let stderr = operator.run(&["check", "x.rhai"]).failure(1);
    assert!(
        stderr.contains("hides the namespace of that name, which std/time needs\n  --> x.rhai:1:1"),
        "{stderr}"
    );
    // One of the operator's own that needs it not is theirs to name.
    operator.work_file("stac.rhai", "fn items(id) { [id] }\nfn write(x) { true }");
    operator.work_file(
        "x.rhai",
        "import \"./stac\" as stac;\nfn main(args) { stac::items(\"q\").len() }",
    );
    let _ = operator.run(&["check", "x.rhai"]).success();
    assert_eq!(operator.run(&["run", "x.rhai"]).success(), "1\n");
}

#[test]
fn a_look_into_a_change_in_what_is_imported_stops_no_script_that_only_reads() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(
        "put.rhai",
        "fn put(uri) { let r = s3::write(uri, \"1\"); r ?? \"none\" }\nfn other() { 1 }",
    );
    operator.work_file(
        "x.rhai",
        "import \"./put\" as put;\nfn main(args) { put::other() }",
    );
    let ran = operator.run(&["check", "x.rhai"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran}");
    assert_eq!(operator.run(&["run", "x.rhai"]).success(), "1\n");
}
