//! What is kept of a session, and how it becomes a runbook: imports and functions at the top, everything else in `main`.

use jiff::Timestamp;
use rhai::{Engine, Token};

use super::entry::Import;
use super::tokens::{Piece, pieces};
use crate::effects::Effect;

/// An entry that went well.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// As it was typed.
    pub(super) text: String,
    /// The most it can come to do.
    pub(super) effect: Effect,
    /// Whether it gave something back.
    pub(super) gives: bool,
    /// What it failed with, of one that set variables before.
    pub(super) failed: Option<String>,
}

/// The text of a runbook that does what these entries did.
pub(super) fn runbook(entries: &[Kept], imports: &[Import], now: Timestamp) -> String {
    let engine = &Engine::new_raw();
    let effect = entries
        .iter()
        .map(|entry| entry.effect)
        .max()
        .unwrap_or(Effect::Read);
    let (mut functions, mut statements) = (Vec::new(), Vec::new());
    for (entry, parts) in entries.iter().zip(parts(engine, entries)) {
        functions.extend(parts.functions);
        if let Some(failed) = &entry.failed {
            statements.push(format!(
                "// It failed when it was typed: {}",
                failed.lines().next().unwrap_or_default()
            ));
        }
        if parts.is_named && entry.gives {
            statements.push(format!("let last = {};", block(&parts.rest)));
        } else if !parts.rest.is_empty() {
            statements.push(parts.rest);
        }
    }
    let day = now.strftime("%Y-%m-%d");
    let mut text = format!(
        "//! Saved from the prompt on {day}.\n//!\n//! ```toml\n//! effect = \"{}\"\n//! ```\n",
        effect.name()
    );
    for import in imports {
        text.push_str(&import.text());
        text.push('\n');
    }
    for function in functions {
        text.push_str(&format!("\n{function}\n"));
    }
    if statements.is_empty() {
        return text;
    }
    text.push_str("\nfn main(args) {\n");
    for statement in statements {
        for line in ended(&statement).lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    // What is last is what the runbook gives back.
    text.truncate(text.trim_end_matches([';', '\n']).len());
    text.push_str("\n}\n");
    text
}

/// The entries taken apart. What a later one takes up as `_` has a name.
fn parts(engine: &Engine, entries: &[Kept]) -> Vec<Parts> {
    let mut all: Vec<Parts> = entries
        .iter()
        .map(|entry| Parts::of(engine, &entry.text))
        .collect();
    for at in 0..all.len() {
        let Some(renamed) = without_last(engine, &all[at].rest) else {
            continue;
        };
        all[at].rest = renamed;
        if let Some(before) = (0..at).rev().find(|before| entries[*before].gives) {
            all[before].is_named = true;
        }
    }
    all
}

/// A text in which `_` goes by a name; none where it is not in it.
fn without_last(engine: &Engine, text: &str) -> Option<String> {
    let pieces = pieces(engine, text);
    let follows = pieces
        .iter()
        .skip(1)
        .map(|piece| Some(&piece.token))
        .chain([None]);
    let places: Vec<_> = pieces
        .iter()
        .zip(follows)
        .filter(|(piece, next)| {
            piece.token == Token::Underscore && *next != Some(&Token::DoubleArrow)
        })
        .map(|(piece, _)| piece.start..piece.end)
        .collect();
    let mut renamed = text.to_owned();
    for place in places.iter().rev() {
        renamed.replace_range(place.clone(), "last");
    }
    (!places.is_empty()).then_some(renamed)
}

/// Statements as one expression.
fn block(statements: &str) -> String {
    let statements = statements.trim().trim_end_matches(';');
    if statements.contains(';') || statements.starts_with("let ") {
        return format!("{{ {statements} }}");
    }
    statements.to_owned()
}

/// A statement that another may follow.
fn ended(statement: &str) -> String {
    let statement = statement.trim_end();
    if statement.ends_with([';', '}']) || statement.starts_with("//") {
        return statement.to_owned();
    }
    format!("{statement};")
}

/// An entry taken apart.
#[derive(Default)]
struct Parts {
    functions: Vec<String>,
    rest: String,
    is_named: bool,
}

impl Parts {
    fn of(engine: &Engine, text: &str) -> Parts {
        let pieces = pieces(engine, text);
        let mut parts = Parts::default();
        let (mut at, mut index) = (0, 0);
        let mut depth = 0_usize;
        while index < pieces.len() {
            let piece = &pieces[index];
            let taken = if depth > 0 {
                None
            } else {
                function(&pieces, index).or_else(|| import(&pieces, index))
            };
            if let Some(last) = taken {
                parts.rest.push_str(&text[at..piece.start]);
                at = pieces[last].end;
                if is_function(&pieces, index) {
                    parts.functions.push(text[piece.start..at].to_owned());
                }
                index = last + 1;
                continue;
            }
            match piece.token {
                Token::LeftBrace | Token::MapStart => depth += 1,
                Token::RightBrace => depth = depth.saturating_sub(1),
                _ => {}
            }
            index += 1;
        }
        parts.rest.push_str(&text[at..]);
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let lines: Vec<&str> = parts.rest.lines().filter(is_code).collect();
        let rest = lines.join("\n").trim().to_owned();
        parts.rest = rest;
        parts
    }
}

fn is_function(pieces: &[Piece], index: usize) -> bool {
    match pieces[index].token {
        Token::Fn => true,
        Token::Private => pieces
            .get(index + 1)
            .is_some_and(|next| next.token == Token::Fn),
        _ => false,
    }
}

/// The last piece of the function that begins here.
fn function(pieces: &[Piece], index: usize) -> Option<usize> {
    if !is_function(pieces, index) {
        return None;
    }
    let mut depth = 0;
    for (at, piece) in pieces.iter().enumerate().skip(index) {
        match piece.token {
            Token::LeftBrace | Token::MapStart => depth += 1,
            Token::RightBrace if depth == 1 => return Some(at),
            Token::RightBrace => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The last piece of the import that begins here.
fn import(pieces: &[Piece], index: usize) -> Option<usize> {
    if pieces[index].token != Token::Import {
        return None;
    }
    let end = pieces
        .iter()
        .skip(index)
        .position(|piece| piece.token == Token::SemiColon);
    Some(end.map_or(pieces.len() - 1, |end| index + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_becomes_a_runbook() {
        let kept = |text: &str, effect| Kept {
            text: text.to_owned(),
            effect,
            gives: !text.contains('='),
            failed: text.contains("nope").then(|| "no".to_owned()),
        };
        let entries = [
            kept("import \"std/gc\" as gc;", Effect::Read),
            kept("let raw = stac::items(\"raw\")", Effect::Read),
            kept(
                "fn double(x) {\n    #{ it: x * 2 }\n}\nlet two = double(1);",
                Effect::Read,
            ),
            kept("let four = 4; nope()", Effect::Read),
            kept("for item in raw { stac::put_item(item) }", Effect::Write),
            kept("two.it", Effect::Read),
            kept("switch _ { 2 => _ + 1, _ => 0 }", Effect::Read),
        ];
        let imports = [Import {
            path: "std/gc".to_owned(),
            alias: "gc".to_owned(),
        }];
        let now = "2026-11-27T12:00:00Z".parse().unwrap();
        let text = runbook(&entries, &imports, now);
        let expected = "//! Saved from the prompt on 2026-11-27.\n//!\n//! ```toml\n//! effect = \"write\"\n//! ```\nimport \"std/gc\" as gc;\n\n\
            fn double(x) {\n    #{ it: x * 2 }\n}\n\nfn main(args) {\n    let raw = stac::items(\"raw\");\n    let two = double(1);\n    // It failed when it was typed: no\n    let four = 4; nope();\n    \
            for item in raw { stac::put_item(item) }\n    let last = two.it;\n    switch last { 2 => last + 1, _ => 0 }\n}\n";
        assert_eq!(text, expected);
    }
}
