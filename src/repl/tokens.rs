//! An entry as the language reads it: its tokens with where they stand, also of one that is not whole yet. For colours,
//! completion and hints.

use rhai::{Engine, Position, Token};

/// A token and where it stands, in bytes.
pub(super) struct Piece {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The tokens of a text. Comments are in none of them.
pub(super) fn pieces(engine: &Engine, text: &str) -> Vec<Piece> {
    let places = Places::of(text);
    let mut pieces: Vec<Piece> = Vec::new();
    // Where an interpolation began, its closing brace leads back into the text around it: that is the parser's to say.
    let (mut braces, mut interpolated) = (0_usize, Vec::new());
    let texts = [text];
    let (tokens, control) = engine.lex(&texts);
    for (token, position) in tokens {
        match &token {
            Token::EOF => break,
            Token::InterpolatedString(_) => interpolated.push(braces),
            Token::LeftBrace | Token::MapStart => braces += 1,
            Token::RightBrace => {
                braces = braces.saturating_sub(1);
                if interpolated.last() == Some(&braces) {
                    interpolated.pop();
                    control.borrow_mut().is_within_text = true;
                }
            }
            _ => {}
        }
        let start = places.byte(position);
        if let Some(last) = pieces.last_mut() {
            last.end = end_of(text, last.start, start, &last.token);
        }
        pieces.push(Piece {
            token,
            start,
            end: text.len(),
        });
    }
    if let Some(last) = pieces.last_mut() {
        last.end = end_of(text, last.start, text.len(), &last.token);
    }
    pieces
}

/// Where a token ends that is followed by space, comments and then what begins at `next`.
fn end_of(text: &str, start: usize, next: usize, token: &Token) -> usize {
    let all = text.get(start..next).unwrap_or_default();
    let is_text = matches!(
        token,
        Token::StringConstant(_)
            | Token::InterpolatedString(_)
            | Token::LexError(_)
            | Token::CharConstant(_)
    );
    let comment = ["//", "/*"].iter().filter_map(|mark| all.find(mark)).min();
    let end = match comment {
        Some(comment) if !is_text => comment,
        _ => all.len(),
    };
    start + all[..end].trim_end().len()
}

/// The lines of a text, to find the byte of a position.
struct Places<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl Places<'_> {
    fn of(text: &str) -> Places<'_> {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Places {
            text,
            lines: std::iter::once(0).chain(after).collect(),
        }
    }

    fn byte(&self, position: Position) -> usize {
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
        let pieces = pieces(&Engine::new_raw(), text);
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
