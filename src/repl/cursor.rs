//! What stands at the cursor: a name, a function of a namespace, a member of a value, an option, a text that is an argument.
//! Told from the tokens before it.

use rhai::Token;

use super::receiver::Receiver;
use crate::script::tokens::Piece;

/// What is being typed, and what was typed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A name by itself.
    Name,
    /// A function of a namespace or import.
    Qualified(String),
    /// A property or method of a value.
    Member(Receiver),
    /// A key of the options of a function, which has these already.
    Option(String, Vec<String>),
    /// A text that is an argument of a function.
    Text(Argument),
    /// A text that is the value of a key, or one of several.
    Value(String),
    /// The path of what is imported.
    Import,
    /// Something that nobody could know.
    Nothing,
}

/// An argument of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Argument {
    /// The function, as it is written: `stac::item`, or `map` for a method.
    pub(super) function: String,
    /// Which argument, from 0.
    pub(super) index: usize,
    /// The texts before it, where they are literal.
    pub(super) before: Vec<Option<String>>,
}

/// What stands at the end of a text, and the byte at which it begins.
pub(super) fn at_end(text: &str, pieces: &[Piece]) -> (usize, Place) {
    if let Some(last) = pieces.last()
        && is_open_text(text, last)
    {
        return (
            last.start + 1,
            within_text(text, &pieces[..pieces.len() - 1]),
        );
    }
    let (start, before) = match pieces.split_last() {
        Some((last, before)) if last.end == text.len() && is_word(text, last) => {
            (last.start, before)
        }
        _ => (text.len(), pieces),
    };
    (start, place(text, before))
}

/// What a text is that begins behind these tokens.
fn within_text(text: &str, before: &[Piece]) -> Place {
    let bracket = before
        .iter()
        .rposition(|piece| !matches!(piece.token, Token::Comma | Token::StringConstant(_)));
    let of_list = bracket.filter(|at| before[*at].token == Token::LeftBracket);
    match &before[..of_list.unwrap_or(before.len())] {
        [.., import] if import.token == Token::Import => Place::Import,
        [.., key, colon] if colon.token == Token::Colon => Place::Value(word(text, key)),
        all => open_call(text, all).map_or(Place::Nothing, Place::Text),
    }
}

fn place(text: &str, before: &[Piece]) -> Place {
    let Some((last, rest)) = before.split_last() else {
        return Place::Name;
    };
    match last.token {
        Token::DoubleColon => rest
            .last()
            .map_or(Place::Name, |root| Place::Qualified(word(text, root))),
        Token::Period | Token::Elvis => Place::Member(Receiver::at_end(text, rest)),
        Token::MapStart | Token::Comma => match open_map(before) {
            Some(map) => {
                let given = before[map..].windows(2);
                let given = given.filter(|pair| pair[1].token == Token::Colon);
                let given = given.map(|pair| word(text, &pair[0])).collect();
                open_call(text, &before[..map])
                    .map_or(Place::Name, |call| Place::Option(call.function, given))
            }
            None => Place::Name,
        },
        _ => Place::Name,
    }
}

/// The call that is open at the end, whose next argument is typed.
pub(super) fn open_call(text: &str, pieces: &[Piece]) -> Option<Argument> {
    let (mut depth, mut index) = (0_usize, 0_usize);
    let mut before = Vec::new();
    for (at, piece) in pieces.iter().enumerate().rev() {
        match piece.token {
            _ if piece.closes() => depth += 1,
            _ if depth > 0 => depth -= usize::from(piece.opens()),
            Token::LeftParen => {
                let function = callee(text, &pieces[..at])?;
                before.reverse();
                return Some(Argument {
                    function,
                    index,
                    before,
                });
            }
            Token::LeftBracket | Token::LeftBrace | Token::MapStart | Token::SemiColon => {
                return None;
            }
            Token::Comma => {
                index += 1;
                before.push(at.checked_sub(1).and_then(|at| literal(&pieces[at])));
            }
            _ => {}
        }
    }
    None
}

/// The call around the end, whatever is open within it: whose signature helps.
pub(super) fn call_around(text: &str, pieces: &[Piece]) -> Option<String> {
    let mut depth = 0_usize;
    for (at, piece) in pieces.iter().enumerate().rev() {
        match piece.token {
            Token::RightParen => depth += 1,
            Token::LeftParen if depth == 0 => return callee(text, &pieces[..at]),
            Token::LeftParen => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Where the map begins that is open at the end.
fn open_map(pieces: &[Piece]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, piece) in pieces.iter().enumerate().rev() {
        match piece.token {
            _ if piece.closes() => depth += 1,
            _ if depth > 0 => depth -= usize::from(piece.opens()),
            Token::MapStart => return Some(at),
            Token::LeftParen | Token::LeftBracket | Token::LeftBrace => return None,
            _ => {}
        }
    }
    None
}

/// The function whose opening bracket follows.
fn callee(text: &str, pieces: &[Piece]) -> Option<String> {
    let (name, rest) = pieces.split_last()?;
    if !is_word(text, name) {
        return None;
    }
    let name = word(text, name);
    match rest {
        [.., root, colons] if colons.token == Token::DoubleColon => {
            Some(format!("{}::{name}", word(text, root)))
        }
        _ => Some(name),
    }
}

fn literal(piece: &Piece) -> Option<String> {
    match &piece.token {
        Token::StringConstant(text) => Some(text.to_string()),
        _ => None,
    }
}

/// Whether a piece is a text that was begun and not ended.
fn is_open_text(text: &str, piece: &Piece) -> bool {
    let written = &text[piece.start..];
    matches!(piece.token, Token::LexError(_)) && written.starts_with(['"', '`'])
}

/// Whether a piece is a name.
pub(super) fn is_word(text: &str, piece: &Piece) -> bool {
    let first = text[piece.start..piece.end].chars().next();
    first.is_some_and(|letter| letter.is_alphabetic() || letter == '_')
}

/// A piece as it is written.
pub(super) fn word(text: &str, piece: &Piece) -> String {
    text[piece.start..piece.end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::tokens::pieces;

    fn at(text: &str) -> (String, Place) {
        let pieces = pieces(text);
        let (start, place) = at_end(text, &pieces);
        (text[start..].to_owned(), place)
    }

    #[test]
    fn what_is_typed_is_told_from_what_stands_before_it() {
        let member = |value: &str| Place::Member(Receiver::at_end(value, &pieces(value)));
        let text = |function: &str, index, before: &[Option<&str>]| {
            let before = before.iter().map(|text| text.map(str::to_owned)).collect();
            Place::Text(Argument {
                function: function.to_owned(),
                index,
                before,
            })
        };
        for (typed, word, place) in [
            ("", "", Place::Name),
            ("sta", "sta", Place::Name),
            ("let x = sta", "sta", Place::Name),
            ("stac::it", "it", Place::Qualified("stac".to_owned())),
            ("s3::", "", Place::Qualified("s3".to_owned())),
            ("item.prop", "prop", member("item")),
            ("f(item.properties.", "", member("item.properties")),
            ("_.", "", member("_")),
            ("stac::items(\"a\").ta", "ta", member("stac::items(\"a\")")),
            ("\"a\".", "", member("\"a\"")),
            ("(1 + 2).", "", member("(1 + 2)")),
            (
                "s3::list(\"s3://a\", #{",
                "",
                Place::Option("s3::list".to_owned(), Vec::new()),
            ),
            (
                "s3::list(\"s3://a\", #{by_folder: true, st",
                "st",
                Place::Option("s3::list".to_owned(), vec!["by_folder".to_owned()]),
            ),
            ("f(#{bucket: \"la", "la", Place::Value("bucket".to_owned())),
            (
                "f(#{collections: [\"a\", \"b",
                "b",
                Place::Value("collections".to_owned()),
            ),
            ("import \"std/re", "std/re", Place::Import),
            (
                "x.map(|a| #{",
                "",
                Place::Option("map".to_owned(), Vec::new()),
            ),
            ("let m = #{", "", Place::Name),
            ("stac::items(\"ra", "ra", text("stac::items", 0, &[])),
            (
                "stac::item(\"raw\", \"",
                "",
                text("stac::item", 1, &[Some("raw")]),
            ),
            ("f(a, g(1, 2), \"x", "x", text("f", 2, &[None, None])),
            ("let t = \"x", "x", Place::Nothing),
        ] {
            assert_eq!(at(typed), (word.to_owned(), place), "{typed}");
        }
    }

    #[test]
    fn the_call_around_is_found_through_what_is_open_in_it() {
        let around = |text: &str| call_around(text, &pieces(text));
        assert_eq!(around("s3::list(").as_deref(), Some("s3::list"));
        assert_eq!(around("s3::list(a, #{x: [1, ").as_deref(), Some("s3::list"));
        assert_eq!(around("a.map(f(1)").as_deref(), Some("map"));
        assert_eq!(around("f(1)"), None);
    }
}
