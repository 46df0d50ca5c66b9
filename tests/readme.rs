//! README's terminal session is executed, and its scripts are checked.

use super::operator::Operator;
use super::sessions;

const README: &str = include_str!("../README.md");

#[test]
fn the_session_in_the_readme_is_what_happens() {
    let (wrong, count) = sessions::differences(&Operator::new(), README);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(count >= 4, "only {count} commands were found in the README");
}

#[test]
fn the_scripts_in_the_readme_pass_the_check() {
    let operator = Operator::new();
    for (index, text) in sessions::blocks(README, "rhai").iter().enumerate() {
        operator.work_file(&format!("{index}.rhai"), text);
    }
    let ran = operator.run(&["check", "."]);
    assert!(ran.stdout.contains(" 0 error(s), 0 warning(s)"), "{ran}");
    let _ = ran.success();
}
