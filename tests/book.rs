//! The book: every code block of it is run, every page is in its summary, and it is what `doc --html` shows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::operator::Operator;
use super::sessions;

const BOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/src");
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// What a test cannot do: it would take minutes, or is what the test has done itself.
const NOT_RUN: [&str; 3] = [
    "cargo install --path . --locked",
    "mkdir -p ~/.config/dashi/scripts\ncp examples/*.rhai ~/.config/dashi/scripts/\ndashictl test ~/.config/dashi/scripts",
    "podman build -t dashictl:0.1.0 .\nkubectl create secret generic dashictl-config -n dashi-ops --from-file=config.toml=prod.toml",
];

/// The chapters that are written by hand, by their paths below the book.
fn chapters() -> Vec<(String, String)> {
    let mut chapters = Vec::new();
    for folder in ["", "cookbook"] {
        for entry in std::fs::read_dir(Path::new(BOOK).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "md") && !path.ends_with("SUMMARY.md") {
                let below = path.strip_prefix(BOOK).unwrap().display().to_string();
                chapters.push((below, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    chapters.sort();
    chapters
}

/// Somebody who has the examples as commands.
fn reader() -> Operator {
    let operator = Operator::new();
    for entry in std::fs::read_dir(EXAMPLES).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        operator.home_file(
            &format!(".config/dashi/scripts/{name}"),
            &std::fs::read_to_string(&path).unwrap(),
        );
    }
    operator
}

#[test]
fn the_tour_from_the_first_command_to_a_schedule_is_what_happens() {
    let tour = std::fs::read_to_string(Path::new(BOOK).join("tour.md")).unwrap();
    for step in [
        "## Install",
        "sandbox",
        "dashictl new",
        "dashictl check",
        "dashictl test",
        "--json",
        "schedule add",
    ] {
        assert!(tour.contains(step), "the tour has no {step}");
    }
    let (wrong, count) = sessions::differences(&Operator::new(), &tour);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(count >= 9, "only {count} commands were found in the tour");
}

#[test]
fn the_sessions_of_the_book_are_what_happens() {
    let mut wrong = Vec::new();
    for (path, text) in chapters() {
        if path == "tour.md" {
            continue;
        }
        let operator = if path.starts_with("cookbook") {
            reader()
        } else {
            Operator::new()
        };
        let (differences, _) = sessions::differences(&operator, &text);
        wrong.extend(
            differences
                .into_iter()
                .map(|text| format!("{path}: {text}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_scripts_of_the_book_are_checked_tested_and_give_what_they_say() {
    let mut count = 0;
    for (path, text) in chapters() {
        for block in sessions::blocks(&text, "rhai") {
            // The examples are tested by themselves.
            if block.starts_with("{{#include ") {
                continue;
            }
            count += 1;
            if block.starts_with("//!") {
                script(&path, block);
            } else {
                expression(&path, block);
            }
        }
    }
    assert!(count >= 12, "only {count} scripts were found in the book");
}

fn script(path: &str, text: &str) {
    let operator = Operator::new();
    operator.work_file("count.rhai", text);
    let ran = operator.run(&["check", "count.rhai"]);
    assert!(
        ran.stdout.ends_with(" 0 error(s), 0 warning(s)\n"),
        "{path}: {ran}"
    );
    if text.contains("fn test_") {
        operator.run(&["test", "count.rhai"]).success();
    }
}

fn expression(path: &str, text: &str) {
    let operator = Operator::in_context("sandbox");
    let value = |text: &str| {
        let ran = operator.run(&["--json", "eval", "--effect", "write", text]);
        assert!(matches!(ran.code, Some(0 | 3)), "{path}:\n{text}\n{ran}");
        serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap_or_default()
    };
    match text.split_once("\n//=>") {
        Some((code, expected)) => {
            assert_eq!(value(code), value(expected.trim()), "{path}:\n{text}");
        }
        None => drop(value(text)),
    }
}

#[test]
fn the_configuration_in_the_book_is_one() {
    for (path, text) in chapters() {
        for block in sessions::blocks(&text, "toml") {
            let operator = Operator::new();
            operator.config(block);
            let ran = operator.run(&["config"]);
            assert_eq!(ran.code, Some(0), "{path}: {ran}");
        }
    }
}

#[test]
fn every_other_block_of_the_book_is_known() {
    for (path, text) in chapters() {
        for block in sessions::blocks(&text, "sh") {
            assert!(
                NOT_RUN.contains(&block),
                "{path} has a block that is not run:\n{block}"
            );
        }
        let fences = text
            .lines()
            .filter(|line| line.starts_with("```") && line.len() > 3);
        for fence in fences {
            assert!(
                ["```console", "```rhai", "```toml", "```sh"].contains(&fence),
                "{path}: {fence}"
            );
        }
    }
}

/// The pages that the program writes, below a folder.
fn written(operator: &Operator, flag: &str) -> BTreeSet<String> {
    operator.run(&["doc", flag, "pages"]).success();
    let root = operator.work().join("pages");
    let mut found = BTreeSet::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(&root).unwrap().display().to_string());
            }
        }
    }
    found
}

#[test]
fn the_summary_lists_every_chapter_and_every_page_that_is_written() {
    let summary = std::fs::read_to_string(Path::new(BOOK).join("SUMMARY.md")).unwrap();
    let listed = summary
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let listed: BTreeSet<String> = listed.map(str::to_owned).collect();
    let mut pages = written(&Operator::new(), "--markdown");
    pages.extend(chapters().into_iter().map(|(path, _)| path));
    assert_eq!(listed, pages);
}

#[test]
fn the_book_as_html_has_every_page_and_no_link_leads_nowhere() {
    let operator = Operator::new();
    let pages = written(&operator, "--html");
    assert!(
        pages.contains("tour.html") && pages.contains("reference/stac.html"),
        "{pages:?}"
    );
    let root = operator.work().join("pages");
    for page in pages.iter().filter(|page| *page != "search.js") {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        assert!(!text.contains("{{#include"), "{page}");
        for link in text
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            if link.contains("://") {
                continue;
            }
            let target: PathBuf = root
                .join(page)
                .parent()
                .unwrap()
                .join(link.split('#').next().unwrap());
            assert!(target.exists(), "{page} has a link to {link}");
        }
    }
}

#[test]
fn a_chapter_a_library_and_an_option_are_printed() {
    let operator = Operator::new();
    let topics = operator.run(&["doc", "topics"]).success();
    assert!(
        topics.contains("safety") && topics.contains("retention-sweep"),
        "{topics}"
    );
    let chapter = operator.run(&["doc", "retention-sweep"]).success();
    assert!(
        chapter.starts_with("# Retention sweep\n") && chapter.contains("fn main(args)"),
        "{chapter}"
    );
    let library = operator.run(&["doc", "std/assert"]).success();
    assert!(
        library.contains("import \"std/assert\" as assert;")
            && library.contains("assert::equal(got, wanted)\n    Two"),
        "{library}"
    );
    let function = operator.run(&["doc", "assert::throws"]).success();
    assert!(
        function.starts_with("assert::throws(kind, work)\nimport"),
        "{function}"
    );
    expect_test::expect![[r#"
        s3::list(uri: string, #{start_after, by_folder, timeout}) -> Stream

          by_folder: bool (default: false)
              Give folders instead of what is in them.
    "#]]
    .assert_eq(&operator.run(&["doc", "s3::list", "by_folder"]).success());
}
