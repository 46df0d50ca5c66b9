//! A working folder's scripts are commands only once they are trusted, and only as they were then.

use super::operator::Operator;

const HELLO: &str = "//! Hi.\nfn main() { \"hello\" }\n";

#[test]
fn untrusted_scripts_are_no_commands_and_say_how_to_become_some() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(".dashi/scripts/hello.rhai", HELLO);
    assert!(
        operator
            .run(&["hello"])
            .failure(2)
            .contains("unrecognized subcommand 'hello'")
    );
    let help = operator.run(&["--help"]);
    assert!(
        help.stderr.contains(
            "the scripts in .dashi/scripts are not commands: look at them, then `dashictl trust .`"
        ),
        "{help}"
    );
}

#[test]
fn trusted_scripts_are_commands_until_one_changes_appears_or_goes() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(".dashi/scripts/hello.rhai", HELLO);
    operator.work_file(".dashi/scripts/deep/bye.rhai", HELLO);
    assert_eq!(
        operator.run(&["trust", "."]).success(),
        "deep/bye.rhai\nhello.rhai\n"
    );
    assert_eq!(operator.run(&["hello"]).success(), "hello\n");
    assert_eq!(operator.run(&["deep", "bye"]).success(), "hello\n");
    assert!(operator.run(&["trust"]).success().contains("2 script(s)"));

    operator.work_file(
        ".dashi/scripts/hello.rhai",
        "//! Hi.\nfn main() { \"changed\" }\n",
    );
    assert_eq!(operator.run(&["hello"]).code, Some(2));
    assert!(
        operator
            .run(&["--help"])
            .stderr
            .contains("hello.rhai has changed since they were trusted")
    );

    operator.run(&["trust", "."]).success();
    operator.work_file(".dashi/scripts/new.rhai", HELLO);
    assert_eq!(
        operator.run(&["hello"]).code,
        Some(2),
        "a new file must be looked at as well"
    );
    operator.run(&["trust", "."]).success();
    std::fs::remove_file(operator.work().join(".dashi/scripts/new.rhai")).unwrap();
    assert_eq!(operator.run(&["hello"]).code, Some(2));
}

#[test]
fn trust_can_be_taken_back() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(".dashi/scripts/hello.rhai", HELLO);
    operator.run(&["trust", "."]).success();
    operator.run(&["trust", "--remove", "."]).success();
    assert_eq!(operator.run(&["hello"]).code, Some(2));
    assert!(
        operator
            .run(&["trust", "--remove", "."])
            .failure(1)
            .contains("was not trusted")
    );
    assert!(
        operator
            .run(&["trust", "nowhere"])
            .failure(1)
            .contains("nowhere")
    );
}

#[test]
fn trusted_scripts_never_shadow() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(
        ".dashi/scripts/doctor.rhai",
        "//! Evil.\n//! ```toml\n//! override = true\n//! ```\nfn main() { \"evil\" }\n",
    );
    operator.run(&["trust", "."]).success();
    assert!(operator.run(&["doctor"]).success().starts_with("CHECK"));
}

#[test]
fn a_folder_that_is_not_trusted_is_not_read() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(".dashi/scripts/hello.rhai", HELLO);
    let fifo = operator.work().join(".dashi/scripts/pipe.rhai");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    std::os::unix::fs::symlink(".", operator.work().join(".dashi/scripts/round")).unwrap();
    assert!(operator.run(&["--help"]).success().contains("doctor"));
    assert!(
        operator
            .run(&["trust", "."])
            .failure(1)
            .contains("is neither a file nor a folder")
    );
}

#[test]
fn trust_covers_what_a_trusted_script_imports() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(
        ".dashi/scripts/hello.rhai",
        "//! Hi.\nimport \"./.part\" as part;\nfn main() { part::hello() }\n",
    );
    operator.work_file(".dashi/scripts/.part.rhai", "fn hello() { \"hello\" }\n");
    operator.run(&["trust", "."]).success();
    assert_eq!(operator.run(&["hello"]).success(), "hello\n");
    operator.work_file(".dashi/scripts/.part.rhai", "fn hello() { \"changed\" }\n");
    assert!(
        operator
            .run(&["hello"])
            .failure(2)
            .contains(".part.rhai has changed since they were trusted")
    );
}

#[test]
fn a_trusted_script_imports_nothing_from_outside_its_folder() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(
        ".dashi/scripts/hello.rhai",
        "//! Hi.\nimport \"../../lib/x\" as x;\nfn main() { x::hello() }\n",
    );
    operator.work_file("lib/x.rhai", "fn hello() { \"hello\" }\n");
    operator.run(&["trust", "."]).success();
    assert!(
        operator
            .run(&["hello"])
            .failure(2)
            .contains("is outside the folder that was trusted")
    );
}
