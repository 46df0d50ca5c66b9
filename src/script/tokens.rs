//! A text as the language reads it: its tokens with where they stand, also of one that is not whole yet. For colours,
//! completion and hints of the prompt, and for what is wrong with a text that cannot be parsed.

use std::ops::Range;

use rhai::{Engine, Position, Token};

/// A token and where it stands, in bytes.
pub(crate) struct Piece {
    pub(crate) token: Token,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Piece {
    /// Whether it is a bracket that opens, of whatever kind.
    pub(crate) fn opens(&self) -> bool {
        matches!(
            self.token,
            Token::LeftParen
                | Token::LeftBracket
                | Token::QuestionBracket
                | Token::LeftBrace
                | Token::MapStart
        )
    }

    /// Whether it is a bracket that closes.
    pub(crate) fn closes(&self) -> bool {
        matches!(
            self.token,
            Token::RightParen | Token::RightBracket | Token::RightBrace
        )
    }
}

/// The tokens of a text. Comments are in none of them.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    // One of its own: that of a session reads some tokens otherwise, by where they stand in an entry.
    let engine = Engine::new_raw();
    let places = Places::of(text);
    let mut pieces: Vec<Piece> = Vec::new();
    // Where an interpolation began, its closing brace leads back into the text around it: that is the parser's to say.
    let (mut braces, mut interpolated) = (0_usize, Vec::new());
    let texts = [text];
    let (tokens, control) = engine.lex(&texts);
    // Whether the last piece, and the next one, go on with a text behind an interpolation.
    let (mut is_rest, mut comes_rest) = (false, false);
    for (token, position) in tokens {
        let is_next_rest = std::mem::take(&mut comes_rest);
        match &token {
            Token::EOF => break,
            Token::InterpolatedString(_) => interpolated.push(braces),
            Token::LeftBrace | Token::MapStart => braces += 1,
            Token::RightBrace => {
                braces = braces.saturating_sub(1);
                if interpolated.last() == Some(&braces) {
                    interpolated.pop();
                    control.borrow_mut().is_within_text = true;
                    comes_rest = true;
                }
            }
            _ => {}
        }
        // An empty rest has no position of its own: it begins behind the brace.
        let start = match pieces.last() {
            Some(brace) if is_next_rest => brace.start + 1,
            _ => places.byte(position),
        };
        if let Some(last) = pieces.last_mut() {
            last.end = end_of(text, last.start..start, &last.token, is_rest);
        }
        is_rest = is_next_rest;
        pieces.push(Piece {
            token,
            start,
            end: text.len(),
        });
    }
    if let Some(last) = pieces.last_mut() {
        last.end = end_of(text, last.start..text.len(), &last.token, is_rest);
    }
    pieces
}

/// Where a token ends that is followed by space, comments and then what begins at `next`.
fn end_of(text: &str, place: Range<usize>, token: &Token, is_rest: bool) -> usize {
    let start = place.start;
    let all = text.get(place).unwrap_or_default();
    let end = match token {
        Token::StringConstant(_) | Token::CharConstant(_) => end_of_text(all, is_rest),
        Token::InterpolatedString(_) | Token::LexError(_) => all.len(),
        _ => ["//", "/*"]
            .iter()
            .filter_map(|mark| all.find(mark))
            .min()
            .unwrap_or(all.len()),
    };
    start + all[..end].trim_end().len()
}

/// Where a text ends, with its quote. What goes on behind an interpolation begins without one.
fn end_of_text(text: &str, is_rest: bool) -> usize {
    let quote = match text.chars().next() {
        Some(first) if !is_rest => first,
        _ => '`',
    };
    let marks = text.len() - text.trim_start_matches('#').len();
    if marks > 0 && !is_rest {
        // `#"…"#`
        let end = format!("\"{}", "#".repeat(marks));
        let begin = marks + 1;
        let found = text.get(begin..).and_then(|rest| rest.find(&end));
        return found.map_or(text.len(), |at| begin + at + end.len());
    }
    let mut is_escaped = false;
    let mut letters = text.char_indices().skip(usize::from(!is_rest)).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if quote != '`' => is_escaped = true,
            // Twice it is one of the text.
            letter if letter == quote && letters.peek().is_some_and(|(_, next)| *next == quote) => {
                letters.next();
            }
            letter if letter == quote => return at + letter.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// The lines of a text, to find the byte of a position.
pub(crate) struct Places<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl Places<'_> {
    pub(crate) fn of(text: &str) -> Places<'_> {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Places {
            text,
            lines: std::iter::once(0).chain(after).collect(),
        }
    }

    /// The byte of a position; that of the end, where it has none.
    pub(crate) fn byte(&self, position: Position) -> usize {
        let line = position.line().unwrap_or(1).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or(self.text.len());
        let letters = position.position().unwrap_or(1).saturating_sub(1);
        let within = self.text[start..].char_indices().nth(letters);
        within.map_or(self.text.len(), |(at, _)| start + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let pieces = pieces(text);
        pieces
            .iter()
            .map(|piece| text[piece.start..piece.end].to_owned())
            .collect()
    }

    #[test]
    fn tokens_stand_where_they_are_written() {
        assert_eq!(
            shown("let ä = s3::list( // all\n  \"a // b\");"),
            [
                "let",
                "ä",
                "=",
                "s3",
                "::",
                "list",
                "(",
                "\"a // b\"",
                ")",
                ";"
            ]
        );
        assert_eq!(
            shown("x.map(|a| a"),
            ["x", ".", "map", "(", "|", "a", "|", "a"]
        );
        assert_eq!(shown("#{a: 1"), ["#{", "a", ":", "1"]);
    }

    #[test]
    fn what_follows_an_interpolation_is_text_again() {
        let text = "`a ${ #{b: 1}.b } c` + d";
        assert_eq!(shown(text).last().unwrap(), "d");
        assert_eq!(shown("stac::item(\"raw\", \"x").last().unwrap(), "\"x");
    }
}
