//! What is kept of a session, and how it becomes a runbook: imports and functions at the top, everything else in `main`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rhai::Token;

use super::entry::{Import, last_results};
use super::statement::{ended, is_name, last_statement, leaves_early, only_looks, sets_something};
use crate::effects::Effect;
use crate::script::tokens::{Piece, pieces};

/// An entry that went well.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// As it was typed.
    pub(super) text: String,
    /// The most it can come to do.
    pub(super) effect: Effect,
    /// Whether it set variables that were not there before.
    pub(super) sets: bool,
    /// Whether it gave something back.
    pub(super) gives: bool,
    /// Whether what it gave back was read to its end: a list that came in parts.
    pub(super) is_read: bool,
    /// What it failed with, of one that set variables before.
    pub(super) failed: Option<String>,
}

/// The text of each function that these entries define, by its name; the last counts.
pub(super) fn definitions(entries: &[Kept]) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, BTreeMap<usize, String>> = BTreeMap::new();
    for function in entries
        .iter()
        .flat_map(|entry| Parts::of(&entry.text).functions)
    {
        let (name, takes) = signature(&function);
        all.entry(name).or_default().insert(takes, function);
    }
    let joined = |(name, texts): (String, BTreeMap<usize, String>)| {
        (name, texts.into_values().collect::<Vec<_>>().join("\n"))
    };
    all.into_iter().map(joined).collect()
}

/// The text of a runbook that does what these entries did.
pub(super) fn runbook(entries: &[Kept], imports: &[Import], now: Timestamp) -> String {
    let effect = entries
        .iter()
        .map(|entry| entry.effect)
        .max()
        .unwrap_or(Effect::Read);
    let name = free_name(entries);
    let (mut functions, mut statements) = (Vec::new(), Vec::new());
    for (entry, parts) in entries.iter().zip(parts(entries, &name)) {
        for function in parts.functions {
            functions.retain(|known: &String| signature(known) != signature(&function));
            functions.push(function);
        }
        if entry.failed.is_some() && !entry.sets {
            // It is there for what it defines; what else it did is for a person to judge.
            let told = parts.rest.lines().map(|line| format!("// {line}"));
            let failed = entry.failed.as_deref().unwrap_or_default();
            let first = failed.lines().next().unwrap_or_default();
            if entry.effect > Effect::Read || sets_something(&parts.rest) {
                statements.push(format!("// This failed when it was typed: {first}"));
                statements.extend(told);
            }
            continue;
        }
        if let Some(failed) = &entry.failed {
            statements.push(format!(
                "// It failed when it was typed: {}",
                failed.lines().next().unwrap_or_default()
            ));
        }
        if parts.is_named && entry.gives {
            let read = if entry.is_read { ".collect()" } else { "" };
            let wrapped = format!("(|| {{ {} }}).call()", parts.rest);
            let (before, last) = if leaves_early(&parts.rest) && !entry.sets {
                ("", wrapped.as_str())
            } else {
                last_statement(&parts.rest)
            };
            if !before.is_empty() {
                statements.push(before.to_owned());
            }
            statements.push(format!("let {name} = {last}{read};"));
        } else if leaves_early(&parts.rest) && !entry.sets {
            // At the prompt it left the entry; in `main` it would leave the run.
            statements.push(format!("(|| {{ {} }}).call();", parts.rest));
        } else if entry.is_read && is_name(&parts.rest) {
            // Who looked at it had it as an array from then on.
            statements.push(format!("{0} = {0}.collect();", parts.rest));
        } else if entry.is_read {
            let (before, last) = last_statement(&parts.rest);
            statements.extend((!before.is_empty()).then(|| before.to_owned()));
            statements.push(format!("{last}.collect();"));
        } else if !parts.rest.is_empty() {
            statements.push(parts.rest);
        }
    }
    // What was only looked at is for who looked; the last is what the runbook gives back.
    let last = statements.pop();
    statements.retain(|statement| !only_looks(statement));
    statements.extend(last);
    let day = now.strftime("%Y-%m-%d");
    let mut text = format!(
        "//! Saved from the prompt on {day}.\n//!\n//! ```toml\n//! effect = \"{}\"\n//! ```\n",
        effect.name()
    );
    let is_used = |import: &&Import| {
        let call = format!("{}::", import.alias);
        functions
            .iter()
            .chain(&statements)
            .any(|text| text.contains(&call))
    };
    for import in imports.iter().filter(is_used) {
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
        // What stands between backticks has its own lines.
        let indent = if statement.contains('`') {
            "\n"
        } else {
            "\n    "
        };
        text.push_str(&format!(
            "    {}\n",
            ended(&statement).replace('\n', indent)
        ));
    }
    // What is last is what the runbook gives back.
    text.truncate(text.trim_end_matches([';', '\n']).len());
    text.push_str("\n}\n");
    text
}

/// The entries taken apart. What a later one takes up as `_` has a name.
fn parts(entries: &[Kept], name: &str) -> Vec<Parts> {
    let mut all: Vec<Parts> = entries.iter().map(|entry| Parts::of(&entry.text)).collect();
    for at in 0..all.len() {
        let before = (0..at).rev().find(|before| entries[*before].gives);
        let name = before.map_or("()", |_| name);
        let Some(renamed) = without_last(&all[at].rest, name) else {
            continue;
        };
        all[at].rest = renamed;
        if let Some(before) = before {
            all[before].is_named = true;
        }
    }
    all
}

/// A text in which `_` goes by this name; none where it is not in it.
fn without_last(text: &str, name: &str) -> Option<String> {
    let pieces = pieces(text);
    let places: Vec<_> = last_results(&pieces)
        .map(|piece| piece.start..piece.end)
        .collect();
    let mut renamed = text.to_owned();
    for place in places.iter().rev() {
        renamed.replace_range(place.clone(), name);
    }
    (!places.is_empty()).then_some(renamed)
}

/// A name that no entry has in it.
fn free_name(entries: &[Kept]) -> String {
    let names = (1..).map(|n| {
        if n == 1 {
            "last".to_owned()
        } else {
            format!("last_{n}")
        }
    });
    let is_free = |name: &String| {
        entries
            .iter()
            .all(|entry| !entry.text.contains(name.as_str()))
    };
    { names }.find(is_free).unwrap_or_default()
}

/// Whether an entry that cannot be wrapped leaves before its end, which would end the runbook.
pub(super) fn ends_the_run(entries: &[Kept]) -> bool {
    let mut entries = entries.iter().filter(|entry| entry.sets);
    entries.any(|entry| leaves_early(&Parts::of(&entry.text).rest))
}

/// The functions that were defined anew, by another text, after an entry had called them that changed something.
pub(super) fn changed_by_another(entries: &[Kept]) -> Vec<String> {
    let mut changed = Vec::new();
    let parts: Vec<Parts> = entries.iter().map(|entry| Parts::of(&entry.text)).collect();
    for (at, own) in parts.iter().enumerate() {
        for function in &own.functions {
            let (name, takes) = signature(function);
            let is_other =
                |other: &String| signature(other) == (name.clone(), takes) && other != function;
            let anew = parts[at + 1..]
                .iter()
                .rposition(|later| later.functions.iter().any(is_other));
            let Some(anew) = anew else { continue };
            let until = at + 1 + anew;
            let used = entries[at..until].iter().any(|entry| {
                let is_name = |piece: &Piece| entry.text[piece.start..piece.end] == name;
                entry.effect > Effect::Read && pieces(&entry.text).iter().any(is_name)
            });
            if used && !changed.contains(&name) {
                changed.push(name);
            }
        }
    }
    changed
}

/// An entry taken apart.
#[derive(Default)]
struct Parts {
    functions: Vec<String>,
    rest: String,
    is_named: bool,
}

impl Parts {
    fn of(text: &str) -> Parts {
        let pieces = pieces(text);
        let mut parts = Parts::default();
        let (mut index, mut depth, mut is_over) = (0, 0_usize, false);
        while let Some(piece) = pieces.get(index) {
            let taken = (depth == 0)
                .then(|| function(&pieces, index).or_else(|| import(&pieces, index)))
                .flatten();
            if let Some(last) = taken {
                if is_function(&pieces, index) {
                    let docs = docs_before(&text[..piece.start]);
                    parts
                        .functions
                        .push(docs + &text[piece.start..pieces[last].end]);
                }
                index = last + 1;
                continue;
            }
            match piece.token {
                Token::LeftBrace | Token::MapStart => depth += 1,
                Token::RightBrace => depth = depth.saturating_sub(1),
                _ => {}
            }
            let before = index.checked_sub(1).map_or(0, |before| pieces[before].end);
            if depth == 0 && piece.token == Token::Return {
                // At the prompt it ends the entry; in `main` it would end the run. What stands behind it was never done.
                is_over = true;
                index += 1;
                continue;
            }
            if is_over && depth == 0 && piece.token == Token::SemiColon {
                break;
            }
            parts.rest.push_str(&space(&text[before..piece.start]));
            parts.rest.push_str(&text[piece.start..piece.end]);
            index += 1;
        }
        parts.rest = parts.rest.trim().to_owned();
        parts
    }
}

/// What stands between two tokens, without its comments.
fn space(between: &str) -> String {
    match between.rsplit_once('\n') {
        Some((_, indent)) => {
            let indent = indent.len() - indent.trim_start().len();
            format!("\n{:indent$}", "")
        }
        None if between.is_empty() => String::new(),
        None => " ".to_owned(),
    }
}

/// The doc comment that a text ends with.
fn docs_before(text: &str) -> String {
    let is_doc = |line: &&str| line.trim_start().starts_with("///");
    let mut lines: Vec<&str> = text.trim_end().lines().rev().take_while(is_doc).collect();
    lines.reverse();
    lines
        .iter()
        .map(|line| format!("{}\n", line.trim()))
        .collect()
}

/// The name of a function, and how many arguments it takes.
fn signature(function: &str) -> (String, usize) {
    let pieces = pieces(function);
    let mut words = pieces
        .iter()
        .skip_while(|piece| piece.token != Token::Fn)
        .skip(1);
    let name = words
        .next()
        .map(|piece| function[piece.start..piece.end].to_owned());
    let taken = words
        .skip(1)
        .take_while(|piece| piece.token != Token::RightParen);
    (
        name.unwrap_or_default(),
        taken.filter(|piece| piece.token != Token::Comma).count(),
    )
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
            sets: true,
            gives: !text.contains('='),
            is_read: text.starts_with("stac::"),
            failed: text.contains("nope").then(|| "no".to_owned()),
        };
        let entries = [
            kept("import \"std/gc\" as gc;", Effect::Read),
            kept("let raw = stac::items(\"raw\")", Effect::Read),
            kept(
                "/// Twice.\nfn double(x) {\n    #{ it: gc::x(x) }\n}\nlet two = double(1);",
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
            /// Twice.\nfn double(x) {\n    #{ it: gc::x(x) }\n}\n\nfn main(args) {\n    let raw = stac::items(\"raw\");\n    let two = double(1);\n    // It failed when it was typed: no\n    let four = 4; nope();\n    \
            for item in raw { stac::put_item(item) }\n    let last = two.it;\n    switch last { 2 => last + 1, _ => 0 }\n}\n";
        assert_eq!(text, expected);
    }
}
