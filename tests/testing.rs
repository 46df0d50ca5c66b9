//! `dashictl test`: each test on a lake of its own, results like cargo's, and what ends a test that does not end.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::operator::Operator;

/// A runbook with a test that passes and one that does not.
const SWEEP: &str = r#"//! List the items of a domain.
//!
//! ```toml
//! effect = "read"
//! [args.domain]
//! help = "The domain"
//! ```
import "std/assert" as assert;

fn main(args) {
    stac::items(args.domain).map(|item| item.id).collect()
}

fn test_it_lists_what_is_there() {
    let run = sandbox::run("sweep klima-historisch --json");
    assert::ended(run, 0);
    assert::equal(run.value.len(), stac::count("klima-historisch"));
}

fn test_it_lists_too_much() {
    out::note("looked");
    assert::equal(#{ids: [1, 2]}, #{ids: [1, 3]});
}
"#;

/// The times that tests took are another each time.
fn timeless(text: &str) -> String {
    let number = regex_lite::Regex::new(r"\d+\.\d\ds").unwrap();
    number.replace_all(text, "0.00s").into_owned()
}

#[test]
fn results_are_told_like_cargos_and_a_failure_with_its_place() {
    let operator = Operator::new();
    operator.work_file("sweep.rhai", SWEEP);
    let ran = operator.run(&["test", "sweep.rhai"]);
    expect_test::expect![[r#"
        running 2 tests
        test sweep.rhai::test_it_lists_what_is_there ... ok (0.00s)
        test sweep.rhai::test_it_lists_too_much ... FAILED (0.00s)

        failures:

        ---- sweep.rhai::test_it_lists_too_much (line 20) ----
        looked
        error: at ids[1]: got 2, wanted 3
          --> sweep.rhai:22:13
          22 |     assert::equal(#{ids: [1, 2]}, #{ids: [1, 3]});
             |             ^^^^^

        failures:
            sweep.rhai::test_it_lists_too_much

        test result: FAILED. 1 passed; 1 failed; finished in 0.00s
        [exit status: 1]"#]]
    .assert_eq(&timeless(&ran.to_string()));
}

#[test]
fn what_passes_exits_with_zero_and_says_so() {
    let operator = Operator::new();
    operator.work_file("sweep.rhai", SWEEP);
    let ran = operator.run(&["test", ".", "--name", "what_is_there"]);
    expect_test::expect![[r#"
        running 1 test
        test ./sweep.rhai::test_it_lists_what_is_there ... ok (0.00s)

        test result: ok. 1 passed; 0 failed; finished in 0.00s
    "#]]
    .assert_eq(&timeless(&ran.to_string()));
}

#[test]
fn results_are_data_too() {
    let operator = Operator::new();
    operator.work_file("sweep.rhai", SWEEP);
    let ran = operator.run(&["--json", "test", "sweep.rhai"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let first = &rows[0];
    assert_eq!(
        (&first["name"], &first["outcome"]),
        (&"test_it_lists_what_is_there".into(), &"passed".into())
    );
    let second = &rows[1];
    assert_eq!(second["outcome"], "failed");
    assert_eq!(second["error"]["message"], "at ids[1]: got 2, wanted 3");
    assert_eq!(second["error"]["at"], "$WORK/sweep.rhai:22:13");
    assert!(
        second["output"].as_str().unwrap().starts_with("looked\n"),
        "{second}"
    );
}

#[test]
fn results_are_written_as_junit() {
    let operator = Operator::new();
    operator.work_file("sweep.rhai", SWEEP);
    let ran = operator.run(&["test", "sweep.rhai", "--junit", "report.xml"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    let report = std::fs::read_to_string(operator.work().join("report.xml")).unwrap();
    assert!(
        report.contains(
            "<testsuite name=\"sweep.rhai\" tests=\"2\" skipped=\"0\" errors=\"0\" failures=\"1\">"
        ),
        "{report}"
    );
    assert!(
        report.contains("<failure message=\"at ids[1]: got 2, wanted 3\""),
        "{report}"
    );
    assert!(report.contains("line=\"20\""), "{report}");
}

#[test]
fn each_test_finds_a_lake_a_home_and_a_clock_of_its_own() {
    let operator = Operator::new()
        .with("DASHI_STAC_URL", "http://127.0.0.1:9")
        .with("SECRET_OF_MINE", "hidden");
    operator.config("[contexts.prod]\nstac_url = \"http://127.0.0.1:9\"\n");
    operator.work_file("beside.txt", "mine");
    operator.work_file(
        "own.rhai",
        r#"//! Own.
import "std/assert" as assert;
fn main() {}
fn leaves_traces() {
    assert::equal(time::now().to_string(), "2026-03-02T08:00:00Z");
    assert::equal(fs::files(".").collect(), []);
    assert::equal(stac::count("klima-historisch"), 5);
    assert::equal(ctx::name(), "sandbox");
    assert::equal(env::try_get("SECRET_OF_MINE"), ());
    assert::equal(env::try_get("DASHI_STAC_URL"), ());
    sleep("1d");
    fs::write("trace.txt", "x");
    sandbox::fault("loki", #{status: 500});
    stac::delete_item("klima-historisch", "klimaatlas-2024");
}
fn test_one() { leaves_traces() }
fn test_two() { leaves_traces() }
"#,
    );
    let ran = operator.run(&["test", "own.rhai", "--jobs", "1"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    let left = std::fs::read_dir(operator.work()).unwrap().count();
    assert_eq!(left, 2, "nothing is left beside the script");
    assert!(
        !operator.home().join(".local").exists(),
        "nor in the home of who tests"
    );
}

#[test]
fn scripts_beside_it_are_commands_with_what_they_import() {
    let operator = Operator::new();
    operator.work_file("books/lib/names.rhai", "fn greeting() { \"moin\" }");
    operator.work_file(
        "books/greet.rhai",
        "//! Greet.\nimport \"./lib/names\" as names;\nfn main() { names::greeting() }",
    );
    let tests = "//! Tests.\nimport \"std/assert\" as assert;\nfn main() {}\n\
        fn test_greet() { assert::equal(sandbox::run(\"greet\").stdout, \"moin\\n\") }";
    operator.work_file("books/greet_tests.rhai", tests);
    for path in ["books", "books/greet_tests.rhai"] {
        operator.run(&["test", path]).success();
    }
    // So are those of the operator's own folder, with what they share.
    operator.home_file(
        ".config/dashi/lib/names.rhai",
        "fn greeting() { \"hallo\" }",
    );
    let path = operator.home_file(
        ".config/dashi/scripts/say/hello.rhai",
        "//! Say.\nimport \"names\" as names;\nimport \"std/assert\" as assert;\nfn main() { names::greeting() }\n\
         fn test_it() { assert::equal(sandbox::run(\"say hello\").stdout, \"hallo\\n\") }",
    );
    operator
        .run(&["test", &path.display().to_string()])
        .success();
}

#[test]
fn a_test_that_does_not_end_is_ended() {
    let operator = Operator::new();
    operator.work_file(
        "loop.rhai",
        "//! Loop.\nfn main() {}\nfn test_loop() { loop {} }\nfn test_fine() {}",
    );
    let ran = operator.run(&["test", "loop.rhai", "--timeout", "1s"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.stdout
            .contains("it took longer than 1s, and was ended: --timeout gives it more"),
        "{ran}"
    );
    assert!(ran.stdout.contains("1 passed; 1 failed"), "{ran}");
}

#[test]
fn exit_does_not_pass_for_the_end_of_a_test() {
    let operator = Operator::new();
    operator.work_file(
        "exit.rhai",
        "//! Exit.\nfn main() {}\nfn test_exit() { exit() }",
    );
    let ran = operator.run(&["test", "exit.rhai"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.stdout.contains("exit(0) ended the test before its end"),
        "{ran}"
    );
}

#[test]
fn what_was_deferred_runs_and_its_failure_is_the_tests() {
    let operator = Operator::new();
    operator.work_file(
        "d.rhai",
        "//! D.\nfn main() {}\nfn test_d() { defer(|| fail(\"not tidied\")); }",
    );
    let ran = operator.run(&["test", "d.rhai"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.stdout.contains("error: not tidied\n  --> d.rhai:3:"),
        "{ran}"
    );
    // A test's own failure does not hide it.
    operator.work_file(
        "both.rhai",
        "//! B.\nfn main() {}\nfn test_b() { defer(|| fail(\"not tidied\")); fail(\"not so\") }",
    );
    let ran = operator.run(&["test", "both.rhai"]);
    assert!(ran.stdout.contains("error: not so"), "{ran}");
    assert!(
        ran.stdout
            .contains("what was deferred failed too: not tidied"),
        "{ran}"
    );
}

#[test]
fn no_tests_are_no_success() {
    let operator = Operator::new();
    operator.work_file("none.rhai", "//! None.\nfn main() {}");
    let ran = operator.run(&["test", "none.rhai"]);
    expect_test::expect![[r#"
        ------- stderr -------
        error: there are no tests in none.rhai
          hint a test is a function without arguments whose name begins with test_
        [exit status: 1]"#]]
    .assert_eq(&ran.to_string());
    operator.work_file(
        "takes.rhai",
        "//! Takes.\nfn main() {}\nfn test_it(domain) {}",
    );
    let ran = operator.run(&["test", "takes.rhai"]);
    expect_test::expect![[r#"
        ------- stderr -------
        usage error: the test 'test_it' takes arguments
          --> takes.rhai:3
          hint a test takes none; call what is to be tested, or rename it
        [exit status: 2]"#]]
    .assert_eq(&ran.to_string());
}

#[test]
fn a_stop_ends_the_tests_that_run_and_says_how_many_were_not() {
    let operator = Operator::new();
    operator.work_file(
        "loop.rhai",
        "//! Loop.\nfn main() {}\nfn test_a() { loop {} }\nfn test_b() { loop {} }",
    );
    let child = operator
        .command(&["test", "loop.rhai"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while children(child.id()).len() < 2 && begun.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let running = children(child.id());
    assert!(!running.is_empty());
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ran = operator.ended(child);
    assert_eq!(ran.code, Some(130), "{ran}");
    assert!(
        ran.stdout
            .contains("test result: stopped. 0 passed; 0 failed; 2 not run;"),
        "{ran}"
    );
    let begun = Instant::now();
    while running.iter().any(|pid| is_alive(*pid)) {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "a test outlived its stop"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes that a process has started.
fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let mut children = Vec::new();
    for thread in threads.into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.extend(
            text.split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
    }
    children
}

fn is_alive(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_test_may_do_what_its_script_may_not() {
    let operator = Operator::new();
    operator.work_file("sweep.rhai", SWEEP);
    let path = operator.work_file(
        "r.rhai",
        "//! R.\nfn main() { stac::collections().count() }\nfn test_w() { stac::delete_item(\"klima-historisch\", \"klimaatlas-2024\"); }",
    );
    operator
        .run(&["check", &path.display().to_string()])
        .success();
    operator.run(&["test", "r.rhai"]).success();
}

#[test]
fn what_has_ended_before_a_stop_is_told_though_its_turn_had_not_come() {
    let operator = Operator::new();
    let script =
        "//! Loop.\nfn main() {}\nfn test_a() { loop {} }\nfn test_b() { fs::write(\"b\", \"\"); }";
    operator.work_file("loop.rhai", script);
    let child = operator
        .command(&["test", "loop.rhai", "--jobs", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // First both, then one alone.
    let begun = Instant::now();
    let mut most = 0;
    while most < 2 || children(child.id()).len() > 1 {
        most = most.max(children(child.id()).len());
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{most} ran at once"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(500));
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ran = operator.ended(child);
    assert_eq!(ran.code, Some(130), "{ran}");
    assert!(
        ran.stdout.contains("test loop.rhai::test_b ... ok"),
        "{ran}"
    );
    assert!(
        ran.stdout
            .contains("test result: stopped. 1 passed; 0 failed; 1 not run;"),
        "{ran}"
    );
}

#[test]
fn what_a_test_has_started_ends_with_it() {
    let operator = Operator::new();
    operator.work_file(
        "hang.rhai",
        "//! Hang.\nfn main() { loop {} }\nfn test_hang() { sandbox::run(\"hang\"); }",
    );
    let child = operator
        .command(&["test", "hang.rhai", "--timeout", "1m"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let descendants = |pid: u32| {
        children(pid)
            .into_iter()
            .flat_map(children)
            .collect::<Vec<_>>()
    };
    let begun = Instant::now();
    while descendants(child.id()).is_empty() {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "nothing was started"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let running = descendants(child.id());
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    drop(operator.ended(child));
    let begun = Instant::now();
    while running.iter().any(|pid| is_alive(*pid)) {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "a command outlived its test"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn whoever_reads_no_more_does_not_make_a_failure_a_success() {
    let operator = Operator::new();
    operator.work_file("sweep.rhai", SWEEP);
    let line = "(dashictl test sweep.rhai --jobs 1; echo $? >code) | true; until [ -s code ]; do sleep 0.1; done; cat code";
    let ran = operator.copied(line);
    assert_eq!(ran.stdout, "1\n", "{ran}");
}

#[test]
fn a_runbook_is_the_same_command_whether_its_file_or_its_folder_is_tested() {
    let operator = Operator::new();
    operator.work_file("books/lib/names.rhai", "fn greeting() { \"moin\" }");
    let script = "//! Greet.\nimport \"../lib/names\" as names;\nimport \"std/assert\" as assert;\nfn main() { names::greeting() }\n\
        fn test_it() { assert::equal(sandbox::run(\"greet\").stdout, \"moin\\n\") }";
    operator.work_file("books/say/greet.rhai", script);
    for path in ["books", "books/say", "books/say/greet.rhai"] {
        let tested = operator.run(&["test", path]);
        assert_eq!(tested.code, Some(0), "{path}: {tested}");
    }
}

#[test]
fn a_script_that_is_wrong_is_told_once_and_nothing_is_run() {
    let operator = Operator::new();
    operator.work_file(
        "w.rhai",
        "//! W.\nfn main() { stac::itms(\"a\") }\nfn test_a() {}\nfn test_b() {}",
    );
    let ran = operator.run(&["test", "w.rhai"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran}");
    assert_eq!(
        ran.stderr
            .matches("there is no function 'stac::itms'")
            .count(),
        1,
        "{ran}"
    );
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_run() {
    let operator = Operator::new();
    operator.work_file("sweep.rhai", SWEEP);
    for (arguments, why) in [
        (
            &["--context", "prod", "test", "sweep.rhai"][..],
            "and not on 'prod'",
        ),
        (
            &["test", "sweep.rhai", "--timeout", "0s"],
            "has failed before it begins",
        ),
        (
            &["test", "sweep.rhai", "--junit", "no/such/folder.xml"],
            "no/such/folder.xml",
        ),
        (
            &["new", "./x.rhai", "--about", "  "],
            "--about says in a sentence",
        ),
    ] {
        let ran = operator.run(arguments);
        assert!(ran.stderr.contains(why), "{arguments:?}: {ran}");
        assert_eq!(ran.stdout, "", "{arguments:?}: {ran}");
    }
    let twice = operator.run(&[
        "test",
        "sweep.rhai",
        "./sweep.rhai",
        ".",
        "--name",
        "too_much",
    ]);
    assert!(twice.stdout.starts_with("running 1 test\n"), "{twice}");
}

#[test]
fn a_test_that_main_calls_is_no_way_around_the_check() {
    let operator = Operator::new();
    let script =
        "//! W.\nfn main() { test_w() }\nfn test_w() { s3::delete([\"s3://landing/x\"]); }";
    operator.work_file("w.rhai", script);
    let ran = operator.run(&["check", "w.rhai"]);
    assert!(
        ran.stderr.contains("s3::delete has the effect 'destroy'"),
        "{ran}"
    );
    // Nor is one that is only named, or a function that nothing calls.
    for body in [
        "fn main() { Fn(\"test_w\").call() }\nfn test_w() { s3::delete([\"s3://landing/x\"]); }",
        "fn main() { 1 }\nfn spare() { s3::delete([\"s3://landing/x\"]); }",
        "fn main() { 1 }\nfn test_w() { }\nfn spare() { s3::delete([\"s3://landing/x\"]); }",
    ] {
        operator.work_file("w.rhai", &format!("//! W.\n{body}"));
        let ran = operator.run(&["check", "w.rhai"]);
        assert_eq!(ran.code, Some(1), "{body}: {ran}");
    }
}

#[test]
fn a_script_that_cannot_be_tested_fails_and_the_others_are_run() {
    let operator = Operator::new();
    operator.work_file("all/good.rhai", "fn test_good() { 1 }");
    operator.work_file("all/bad.rhai", "fn test_bad() { stac::itmes() }");
    let ran = operator.run(&["test", "all", "--junit", "report.xml"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.stdout.contains("good.rhai::test_good ... ok")
            && ran.stdout.contains("bad.rhai::(script)")
            && ran.stdout.contains("1 passed; 1 failed"),
        "{ran}"
    );
    let report = std::fs::read_to_string(operator.work().join("report.xml")).unwrap();
    assert!(
        report.contains("stac::itmes") && report.contains("failures=\"1\""),
        "{report}"
    );
}

#[test]
fn a_test_that_takes_arguments_hides_no_other() {
    let operator = Operator::new();
    operator.work_file(
        "x.rhai",
        "//! X.\nfn main() {}\nfn test_first() { 1 }\nfn test_data(kind) { kind }\nfn test_second() { fail(\"it is run\") }",
    );
    let ran = operator.run(&["test", "x.rhai"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    for told in [
        "running 3 tests",
        "it is run",
        "the test 'test_data' takes arguments",
        "1 passed; 2 failed",
    ] {
        assert!(ran.stdout.contains(told), "{told}: {ran}");
    }
    let ran = operator.run(&["test", "x.rhai", "--name", "test_second"]);
    assert!(
        ran.stdout.contains("running 1 test\n") && ran.stdout.contains("it is run"),
        "{ran}"
    );
}

#[test]
fn a_list_that_a_test_gives_back_is_read() {
    let operator = Operator::new();
    operator.work_file(
        "x.rhai",
        "//! X.\nfn main() {}\nfn test_fails() { stac::items(\"nowhere\") }\nfn test_goes() { stac::items(\"gelaende-umwelt\") }\nfn test_view() { view(stac::items(\"nowhere\"), #{empty: \"none\"}) }\nfn test_held() { [#{a: stac::items(\"nowhere\")}] }",
    );
    let ran = operator.run(&["test", "x.rhai"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.stdout.contains("1 passed; 3 failed") && ran.stdout.contains("'nowhere'"),
        "{ran}"
    );
}
