//! Terminal sessions in Markdown: every line after `$` is run in a shell, and what it prints is compared.

use super::operator::Operator;

/// The code blocks of a language, in order. One that begins with `//!` may hold fences of its own behind those.
pub fn blocks<'a>(markdown: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let mut blocks = Vec::new();
    let mut rest = markdown;
    while let Some(start) = rest.find(&fence) {
        let is_at_line = start == 0 || rest[..start].ends_with('\n');
        rest = &rest[start + fence.len()..];
        if !is_at_line {
            continue;
        }
        let end = rest.find("\n```\n").unwrap_or(rest.len());
        blocks.push(&rest[..end]);
        rest = &rest[end..];
    }
    blocks
}

/// Runs the sessions of a text, one after the other, and gives what was not as it says, and how many lines were run.
pub fn differences(operator: &Operator, markdown: &str) -> (Vec<String>, usize) {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for block in blocks(markdown, "console") {
        let exchanges = block
            .split("$ ")
            .filter(|exchange| !exchange.trim().is_empty());
        for exchange in exchanges {
            let (line, expected) = exchange.split_once('\n').unwrap_or((exchange, ""));
            let ran = operator.copied(line);
            let shown = same_everywhere(&format!("{}{}", ran.stdout, ran.stderr));
            let expected = same_everywhere(expected);
            if shown.trim_end() != expected.trim_end() {
                wrong.push(format!("$ {line}\n{shown}\n--- and not:\n{expected}"));
            }
            count += 1;
        }
    }
    (wrong, count)
}

/// The sandbox's ports are free ones, and other ones each time; so are the times that things take.
fn same_everywhere(text: &str) -> String {
    let ports = regex_lite::Regex::new(r"127\.0\.0\.1:(\d+|PORT)").unwrap();
    let times = regex_lite::Regex::new(r"\d+\.\d\ds\b").unwrap();
    times
        .replace_all(&ports.replace_all(text, "127.0.0.1:PORT"), "0.00s")
        .into_owned()
}
