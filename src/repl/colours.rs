//! The colours of an entry while it is typed. A function that nobody knows is red.

use rhai::Token;

use super::shell::Shell;
use crate::script::tokens::{Piece, pieces};

const TEXT: &str = "32";
const NUMBER: &str = "33";
const KEYWORD: &str = "35";
const FUNCTION: &str = "36";
const UNKNOWN: &str = "31";
const COMMENT: &str = "2";

/// An entry with its colours. Its letters stay where they are.
pub(super) fn painted(shell: &Shell, text: &str) -> String {
    if text.trim_start().starts_with(':') {
        return text.to_owned();
    }
    let pieces = pieces(text);
    let mut painted = String::with_capacity(text.len() * 2);
    let mut at = 0;
    for (index, piece) in pieces.iter().enumerate() {
        between(&mut painted, &text[at.min(piece.start)..piece.start]);
        let written = &text[piece.start.max(at)..piece.end.max(at)];
        match colour(shell, text, &pieces, index) {
            Some(colour) => paint(&mut painted, colour, written),
            None => painted.push_str(written),
        }
        at = at.max(piece.end);
    }
    between(&mut painted, &text[at.min(text.len())..]);
    painted
}

/// What stands between two tokens: space, or a comment.
fn between(painted: &mut String, text: &str) {
    if text.contains('/') {
        paint(painted, COMMENT, text);
    } else {
        painted.push_str(text);
    }
}

/// Colours end with each line: an editor draws them one by one.
fn paint(painted: &mut String, colour: &str, text: &str) {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| format!("\u{1b}[{colour}m{line}\u{1b}[0m"))
        .collect();
    painted.push_str(&lines.join("\n"));
}

fn colour(shell: &Shell, text: &str, pieces: &[Piece], index: usize) -> Option<&'static str> {
    let piece = &pieces[index];
    match &piece.token {
        Token::StringConstant(_) | Token::InterpolatedString(_) | Token::CharConstant(_) => {
            Some(TEXT)
        }
        Token::LexError(_) => text[piece.start..].starts_with(['"', '`']).then_some(TEXT),
        Token::IntegerConstant(_) | Token::FloatConstant(_) | Token::True | Token::False => {
            Some(NUMBER)
        }
        Token::Identifier(_) => called(shell, text, pieces, index),
        _ => text[piece.start..piece.end]
            .chars()
            .all(char::is_alphabetic)
            .then_some(KEYWORD),
    }
}

/// The colour of a name that is called.
fn called(shell: &Shell, text: &str, pieces: &[Piece], index: usize) -> Option<&'static str> {
    let is_call = pieces
        .get(index + 1)
        .is_some_and(|next| next.token == Token::LeftParen);
    if !is_call {
        return None;
    }
    let written = |piece: &Piece| &text[piece.start..piece.end];
    let name = written(&pieces[index]);
    let is_known = match index.checked_sub(1).map(|before| &pieces[before].token) {
        Some(Token::DoubleColon) => index >= 2 && shell.knows_in(written(&pieces[index - 2]), name),
        // A function is being defined.
        Some(Token::Fn) => true,
        // A method is one of these too.
        _ => shell.knows(name) || defines(text, pieces, name),
    };
    Some(if is_known { FUNCTION } else { UNKNOWN })
}

/// Whether the entry itself defines a function.
fn defines(text: &str, pieces: &[Piece], name: &str) -> bool {
    pieces
        .windows(2)
        .any(|pair| pair[0].token == Token::Fn && &text[pair[1].start..pair[1].end] == name)
}
