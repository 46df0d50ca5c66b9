//! What the parser does not understand, told so that it can be put right: what is meant by it, where that is, and what to write
//! instead.

use rhai::{EvalAltResult, LexError, ParseError, ParseErrorType, Position, Token};

use super::tokens::{Piece, Places, pieces};
use crate::engine::Engine;
use crate::engine::raise::caught;
use crate::error::{Error, nearest};
use crate::sources::line_and_column;

/// A text that was parsed.
pub(crate) struct Parsed<'a> {
    /// The name it goes by in positions.
    pub(crate) source: &'a str,
    /// It.
    pub(crate) text: &'a str,
    /// So many lines stand before it in what positions count.
    pub(crate) before: usize,
}

impl Parsed<'_> {
    /// The byte of a position.
    fn byte(&self, position: Position) -> usize {
        let line = position
            .line()
            .and_then(|line| line.checked_sub(self.before));
        let Some(line) = line.and_then(|line| u16::try_from(line).ok()) else {
            return self.text.len();
        };
        let column = u16::try_from(position.position().unwrap_or(1)).unwrap_or(u16::MAX);
        Places::of(self.text).byte(Position::new(line, column))
    }
}

/// A parse error as a person can use it.
pub(crate) fn syntax(engine: &Engine, error: ParseError, parsed: &Parsed) -> Error {
    let kind = error.err_type().clone();
    let position = error.position();
    let mut told = caught(&EvalAltResult::from(error), parsed.source);
    if let Some(message) = message(&kind) {
        told.detail_mut().message = message;
    }
    let pieces = pieces(parsed.text);
    let place = Place {
        parsed,
        pieces: &pieces,
        at: parsed.byte(position),
    };
    place.put_right(&mut told, &kind);
    place.help(engine, told, &kind)
}

/// What is wrong, where the parser says it in words that nobody would use.
fn message(kind: &ParseErrorType) -> Option<String> {
    Some(match kind {
        ParseErrorType::ModuleUndefined(name) => {
            format!("there is no namespace or import '{name}'")
        }
        ParseErrorType::VariableUndefined(name) => format!("there is no variable '{name}'"),
        ParseErrorType::MissingToken(token, _) if token == ";" => {
            "a ';' is missing between two statements".to_owned()
        }
        ParseErrorType::MissingToken(token, what) => format!("'{token}' is missing {what}"),
        ParseErrorType::UnexpectedEOF => "the text ends in the middle of something".to_owned(),
        ParseErrorType::Reserved(word) if word.starts_with(char::is_alphabetic) => {
            format!("'{word}' is a word of the language, and no name")
        }
        ParseErrorType::BadInput(LexError::UnterminatedString) => {
            "this text does not end".to_owned()
        }
        ParseErrorType::BadInput(LexError::MalformedChar(text)) => {
            format!("'{text}' is more than one letter")
        }
        ParseErrorType::FnDuplicatedDefinition(name, count) => {
            format!("there are two functions '{name}' with as many parameters ({count})")
        }
        ParseErrorType::WrongFnDefinition => {
            "a function stands in a block, or in another function".to_owned()
        }
        _ => return None,
    })
}

/// Where in a text something is wrong.
struct Place<'a> {
    parsed: &'a Parsed<'a>,
    pieces: &'a [Piece],
    /// The byte of the text.
    at: usize,
}

impl Place<'_> {
    /// Something that is missing is missing behind what comes before, and not where the next line begins.
    fn put_right(&self, told: &mut Error, kind: &ParseErrorType) {
        let is_missing = matches!(
            kind,
            ParseErrorType::MissingToken(..) | ParseErrorType::UnexpectedEOF
        );
        let Some(last) = self.before().last().filter(|_| is_missing) else {
            return;
        };
        let between = self.parsed.text.get(last.end..self.at);
        let is_above = between.is_some_and(|between| between.contains('\n'));
        let (line, column) = self.place(last.end);
        let trace = told.detail_mut().trace.as_mut();
        if is_above && let Some(at) = trace.and_then(|trace| trace.at.as_mut()) {
            (at.line, at.column) = (line + self.parsed.before, column);
        }
    }

    /// What helps.
    fn help(&self, engine: &Engine, told: Error, kind: &ParseErrorType) -> Error {
        match kind {
            ParseErrorType::ModuleUndefined(name) => {
                let known = engine.registry.namespaces.iter();
                told.suggest(nearest(name, known.map(|namespace| namespace.name)))
            }
            ParseErrorType::VariableUndefined(name) => self.variable(engine, told, name),
            _ => match self.way_out(kind) {
                Some(hint) => told.hint(hint),
                None => told,
            },
        }
    }

    fn variable(&self, engine: &Engine, told: Error, name: &str) -> Error {
        if engine.registry.namespace(name).is_some() {
            return told.hint(format!(
                "'{name}' is a namespace: write {name}::<function>(…)"
            ));
        }
        if self.follows(name, |token| *token == Token::Fn) {
            return told.hint(format!(
                "'{name}' is a function that stands further below: write Fn(\"{name}\"), or move it up"
            ));
        }
        let bound = self.bound();
        let told = told.suggest(nearest(
            name,
            bound.into_iter().filter(|known| *known != name),
        ));
        if self.follows(name, |token| *token == Token::Const) {
            return told.hint(format!(
                "a constant of the script is read in a function as global::{name}"
            ));
        }
        let is_set = self.follows(name, |token| *token == Token::Let);
        told.hint(if is_set {
            "functions see only their arguments and own variables: hand it over as an argument"
        } else {
            "functions see only their arguments and own variables"
        })
    }

    /// Whether a name stands somewhere in the text behind such a word.
    fn follows(&self, name: &str, is_word: impl Fn(&Token) -> bool) -> bool {
        let mut pairs = self.pieces.windows(2);
        pairs.any(|pair| is_word(&pair[0].token) && self.written(&pair[1]) == name)
    }

    fn way_out(&self, kind: &ParseErrorType) -> Option<String> {
        Some(match kind {
            ParseErrorType::MissingToken(token, _) if token == ";" => {
                "write it, or the operator that is to join the two".to_owned()
            }
            ParseErrorType::MissingToken(..) | ParseErrorType::UnexpectedEOF => {
                let open = self.open()?;
                let (line, column) = self.place(open.start);
                format!(
                    "the '{}' of line {}, column {column} is open here",
                    self.written(open),
                    line + self.parsed.before
                )
            }
            ParseErrorType::Reserved(_) => "choose another name".to_owned(),
            ParseErrorType::BadInput(LexError::UnterminatedString) => {
                "a text in \"…\" ends on its line; one over several lines stands between backticks"
                    .to_owned()
            }
            ParseErrorType::BadInput(LexError::MalformedChar(_)) => {
                "a text stands in \"…\"; '…' is for one letter".to_owned()
            }
            ParseErrorType::BadInput(LexError::MalformedEscapeSequence(_)) => {
                "a backslash is written \\\\; between backticks nothing is escaped".to_owned()
            }
            ParseErrorType::FnDuplicatedDefinition(..) => "rename one of them".to_owned(),
            ParseErrorType::WrongFnDefinition => {
                "move it to the top of the file, or make it a closure: let f = |x| …".to_owned()
            }
            ParseErrorType::AssignmentToConstant(_) => {
                "`let` makes a variable that can be set again".to_owned()
            }
            ParseErrorType::AssignmentToInvalidLHS(_) => {
                "`=` sets a variable or property, `==` compares".to_owned()
            }
            ParseErrorType::WrongDocComment => {
                "`///` stands before a function; `//` anywhere".to_owned()
            }
            ParseErrorType::LoopBreak => "`return` leaves a function".to_owned(),
            ParseErrorType::DuplicatedProperty(_) => "leave one of them out".to_owned(),
            ParseErrorType::FnDuplicatedParam(..) | ParseErrorType::DuplicatedVariable(_) => {
                "rename one of them".to_owned()
            }
            _ => return None,
        })
    }

    /// What stands before it.
    fn before(&self) -> impl DoubleEndedIterator<Item = &Piece> {
        let end = self.pieces.partition_point(|piece| piece.start < self.at);
        self.pieces[..end].iter()
    }

    /// The bracket that is open there.
    fn open(&self) -> Option<&Piece> {
        let mut open = Vec::new();
        for piece in self.before() {
            if piece.opens() {
                open.push(piece);
            } else if piece.closes() {
                open.pop();
            }
        }
        open.pop()
    }

    /// The names of variables and parameters that are given before it, in the function that it is in.
    fn bound(&self) -> Vec<&str> {
        let before: Vec<&Piece> = self.before().collect();
        let start = before
            .iter()
            .rposition(|piece| piece.token == Token::Fn)
            .unwrap_or(0);
        let own = &before[start..];
        let is_name = |piece: &Piece| matches!(piece.token, Token::Identifier(_));
        let parameters = own
            .iter()
            .take_while(|piece| piece.token != Token::LeftBrace);
        let parameters = parameters.skip(2).filter(|piece| is_name(piece)).copied();
        let gives = |token: &Token| {
            matches!(
                token,
                Token::Let
                    | Token::Const
                    | Token::For
                    | Token::Pipe
                    | Token::Comma
                    | Token::LeftParen
            )
        };
        let given = own.windows(2).filter_map(|pair| {
            let begins = gives(&pair[0].token) && is_name(pair[1]);
            begins.then_some(pair[1])
        });
        parameters
            .chain(given)
            .map(|piece| self.written(piece))
            .collect()
    }

    fn place(&self, byte: usize) -> (usize, usize) {
        line_and_column(self.parsed.text, byte)
    }

    fn written(&self, piece: &Piece) -> &str {
        &self.parsed.text[piece.start..piece.end]
    }
}
