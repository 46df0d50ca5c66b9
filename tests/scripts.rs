//! The shipped scripts and libraries as a set: all parse, all pass the check, all are what the program carries.

use std::path::{Path, PathBuf};

use dashictl::script::header::Header;
use dashictl::script::library::{embedded, files};

use super::operator::Operator;

fn root(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

#[test]
fn what_the_program_carries_is_what_is_on_disk() {
    for folder in ["scripts", "stdlib"] {
        let root = root(folder);
        let on_disk: Vec<_> = files(&root)
            .into_iter()
            .map(|path| {
                (
                    path.strip_prefix(&root).unwrap().to_path_buf(),
                    std::fs::read_to_string(&path).unwrap(),
                )
            })
            .collect();
        let carried: Vec<_> = embedded(folder)
            .into_iter()
            .map(|(path, text)| (path, text.into_owned()))
            .collect();
        assert_eq!(on_disk, carried);
        assert!(!carried.is_empty());
    }
}

#[test]
fn every_shipped_script_and_library_passes_the_check_without_a_warning() {
    for folder in ["scripts", "stdlib", "examples"] {
        let ran = Operator::new().run(&["check", root(folder).to_str().unwrap()]);
        assert!(ran.stdout.ends_with(" 0 error(s), 0 warning(s)\n"), "{ran}");
        let _ = ran.success();
    }
}

#[test]
fn every_shipped_command_describes_itself() {
    for path in files(&root("scripts")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let header = Header::parse(&path.to_string_lossy(), &text).unwrap();
        let name = path.display();
        assert!(!header.summary.is_empty(), "{name} has no summary");
        assert!(!header.examples.is_empty(), "{name} has no example");
        assert!(
            !header.needs.is_empty() || text.contains("ctx::"),
            "{name} says nothing of what it needs"
        );
        assert!(
            header
                .parameters()
                .all(|parameter| !parameter.help.is_empty()),
            "{name} has an argument without help"
        );
        assert!(text.contains("fn main("), "{name} has no main");
        assert!(
            !text.contains("print("),
            "{name} prints its result instead of returning it"
        );
    }
}

#[test]
fn every_function_of_a_shipped_library_has_a_text_and_an_example() {
    for path in files(&root("stdlib")) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//! "),
            "{} does not say what belongs in it",
            path.display()
        );
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.starts_with("fn "))
        {
            let documented = lines[index - 1].starts_with("///");
            let internal = lines[index - 1].starts_with("//") && !documented;
            let listed = index > 0 && !lines[index - 1].trim().is_empty();
            // A function that is only used inside its library has no docstring, or an ordinary comment.
            assert!(
                documented || internal || !listed,
                "{}: {line}",
                path.display()
            );
        }
        assert!(
            text.contains("/// ```rhai"),
            "{} has no example",
            path.display()
        );
    }
}

#[test]
fn a_group_without_its_command_is_answered_with_what_there_is() {
    let operator = Operator::new();
    let refused = operator.run(&["--json"]).failure(2);
    assert!(refused.contains("names no command"), "{refused}");
    for group in ["backup", "schedule", "lock"] {
        let asked = operator.run(&[group, "-h"]);
        let ran = operator.run(&[group]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran}");
        assert_eq!(asked.stdout.trim_end(), ran.stderr.trim_end());
        let refused = operator.run(&[group, "--json"]).failure(2);
        assert!(refused.contains("requires a subcommand"), "{refused}");
    }
}
