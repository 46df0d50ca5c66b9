//! README's terminal session is executed: every line after `$` is run, and what it prints is compared.

use super::operator::Operator;

#[test]
fn the_session_in_the_readme_is_what_happens() {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let operator = Operator::new();
    let mut count = 0;
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for exchange in block
            .split("$ ")
            .filter(|exchange| !exchange.trim().is_empty())
        {
            let (line, expected) = exchange.split_once('\n').unwrap();
            // With a pipe in it, it takes a shell.
            let ran = match line.strip_prefix("dashictl ") {
                Some(arguments) => {
                    let words = shell_words(arguments);
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    operator.run(&words)
                }
                None => operator.copied(line),
            };
            let shown = without_port(&format!("{}{}", ran.stdout, ran.stderr));
            assert_eq!(shown.trim_end(), expected.trim_end(), "$ {line}");
            count += 1;
        }
    }
    assert!(count >= 4, "only {count} commands were found in the README");
}

/// The scripts in the README pass the check.
#[test]
fn the_scripts_in_the_readme_pass_the_check() {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let operator = Operator::new();
    for (index, block) in readme.split("```rhai\n").skip(1).enumerate() {
        // A header holds a fence of its own, behind `//!`.
        let text = block.split("\n```\n").next().unwrap();
        operator.work_file(&format!("{index}.rhai"), text);
    }
    let ran = operator.run(&["check", "."]);
    assert!(ran.stdout.contains(" 0 error(s), 0 warning(s)"), "{ran}");
    let _ = ran.success();
}

/// The sandbox's ports are free ones, and other ones each time.
fn without_port(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("127.0.0.1:") {
        plain.push_str(before);
        plain.push_str("127.0.0.1:PORT");
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    plain + rest
}

/// The words of a line with single quotes.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words
}
