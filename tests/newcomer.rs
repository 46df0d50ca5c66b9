//! What somebody begins with: `dashictl new`, and the tour of the book from the first command to a schedule.

use super::operator::Operator;

#[test]
fn what_new_writes_is_a_command_that_is_checked_tested_and_runs() {
    for effect in ["read", "write", "destroy"] {
        let operator = Operator::new();
        let path = operator
            .run(&["new", "item", "sweep", "--effect", effect])
            .success();
        assert!(
            path.ends_with(".config/dashi/scripts/item/sweep.rhai\n"),
            "{path}"
        );
        let path = operator
            .home()
            .join(".config/dashi/scripts/item/sweep.rhai");
        let path = path.to_str().unwrap();
        let checked = operator.run(&["check", path]).success();
        assert_eq!(checked, "1 script(s) checked, 0 error(s), 0 warning(s)\n");
        let tested = operator.run(&["test", path]).success();
        assert!(tested.contains("test result: ok."), "{tested}");
        let domain: &[&str] = if effect == "destroy" {
            &["klima-historisch"]
        } else {
            &[]
        };
        operator
            .run(&[&["--context", "sandbox", "item", "sweep"], domain].concat())
            .success();
    }
}

#[test]
fn a_path_is_written_where_it_says_and_what_comes_next_is_told() {
    let operator = Operator::new();
    let ran = operator.run(&["new", "./sweep", "--about", "Sweep what is left."]);
    expect_test::expect![[r#"
        ./sweep.rhai
        ------- stderr -------
        next:
          dashictl check ./sweep.rhai
          dashictl test ./sweep.rhai
          dashictl --context sandbox run ./sweep.rhai
    "#]]
    .assert_eq(&ran.to_string());
    let help = operator.run(&["run", "sweep.rhai", "--help"]).success();
    assert!(help.starts_with("Sweep what is left\n"), "{help}");
    let again = operator.run(&["new", "sweep.rhai"]);
    expect_test::expect![[r#"
        ------- stderr -------
        error: sweep.rhai is there already
          hint choose another name, or remove it first
        [exit status: 1]"#]]
    .assert_eq(&again.to_string());
}

#[test]
fn a_name_that_is_taken_or_no_word_is_refused() {
    let operator = Operator::new();
    for (name, why) in [
        (&["gc"][..], "'dashictl gc' is a command already"),
        (
            &["item", "delete"],
            "'dashictl item delete' is a command already",
        ),
        (&["log", "sweep"], "'dashictl log' is a command already"),
        (&["Sweep"], "'Sweep' cannot be a word of a command"),
        (&["./Sweep it.rhai"], "cannot be the file of a command"),
    ] {
        let ran = operator.run(&[&["new"], name].concat());
        assert!(ran.stderr.contains(why), "{name:?}: {ran}");
        assert_ne!(ran.code, Some(0), "{ran}");
    }
    assert!(!operator.home().join(".config").exists());
}

#[test]
fn a_dry_run_of_new_writes_nothing() {
    let operator = Operator::new();
    let ran = operator.run(&["--dry-run", "new", "./sweep"]);
    assert!(
        ran.stderr.starts_with("would write ./sweep.rhai:\n") && ran.stdout.contains("fn main"),
        "{ran}"
    );
    assert!(!operator.work().join("sweep.rhai").exists());
}

#[test]
fn the_sweep_that_new_writes_bears_items_that_span_a_time_or_have_none() {
    let operator = Operator::in_context("sandbox");
    let _ = operator
        .run(&["new", "sweep", "--effect", "destroy"])
        .success();
    operator.work_file(
        "span.rhai",
        "//! Spans.\n//! ```toml\n//! effect = \"write\"\n//! ```\nfn main(args) {\n    let item = stac::item(\"klima-historisch\", \"dwd-stationen\");\n    \
         item.properties.datetime = ();\n    item.properties.start_datetime = \"2001-01-01T00:00:00Z\";\n    item.properties.end_datetime = \"2002-01-01T00:00:00Z\";\n    \
         stac::put_item(item);\n    stac::item(\"klima-historisch\", \"dwd-stationen\").properties.end_datetime\n}\nfn test_it_is_planned() {\n    \
         let ran = sandbox::run(\"span\");\n    if ran.code != 0 { fail(ran.stderr); }\n}\n",
    );
    let _ = operator.run(&["run", "span.rhai"]).success();
    let ran = operator.run(&["sweep", "klima-historisch", "--older-than", "1d"]);
    assert_eq!(ran.code, Some(0), "{ran}");
}
