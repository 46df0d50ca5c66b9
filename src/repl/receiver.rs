//! The value before a dot, as it is written: where it begins, and what is taken of it step by step. What it is by that is said in
//! `guess`.

use rhai::Token;

use super::cursor::{is_word, word};
use crate::script::tokens::Piece;

/// A value as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receiver {
    /// Where it begins.
    pub(super) root: Root,
    /// What is taken of it.
    pub(super) steps: Vec<Step>,
}

/// Where a value begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Root {
    /// A variable.
    Variable(String),
    /// One by one, what another value holds: the variable of a loop, the parameter of a closure.
    Each(Box<Receiver>),
    /// What a function gives back.
    Call(String),
    /// What is written out is of this type, as scripts know it.
    Literal(&'static str),
    /// Nobody knows.
    Unknown,
}

/// What is taken of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A property.
    Property(String),
    /// What an index gives.
    Index,
    /// What a method gives back.
    Method(String),
}

impl Receiver {
    /// The value that stands at the end of these tokens.
    pub(super) fn at_end(text: &str, pieces: &[Piece]) -> Receiver {
        Writing { text, pieces }.value(pieces.len()).0
    }
}

/// Tokens that are read from their end.
struct Writing<'a> {
    text: &'a str,
    pieces: &'a [Piece],
}

impl Writing<'_> {
    /// The value that ends before a token, and the token that it begins with.
    fn value(&self, end: usize) -> (Receiver, usize) {
        let (mut end, mut steps) = (end, Vec::new());
        loop {
            let (part, start) = self.part(end);
            let step = match (part, self.before(start)) {
                (Part::Word(name), Some(Token::Period | Token::Elvis)) => Step::Property(name),
                (Part::Call(name), Some(Token::Period | Token::Elvis)) => Step::Method(name),
                (Part::Index, Some(_)) if self.ends_a_value(start) => {
                    steps.push(Step::Index);
                    end = start;
                    continue;
                }
                (part, _) => {
                    steps.reverse();
                    let (root, start) = self.root(part, start);
                    return (Receiver { root, steps }, start);
                }
            };
            steps.push(step);
            end = start - 1;
        }
    }

    /// The last part of a value that ends before a token, and the token that it begins with.
    fn part(&self, end: usize) -> (Part, usize) {
        let Some(last) = end.checked_sub(1).map(|at| &self.pieces[at]) else {
            return (Part::Other, 0);
        };
        let at = end - 1;
        match last.token {
            Token::RightParen => match self.opening(at) {
                Some(open) if open > 0 && self.is_word(open - 1) => {
                    (Part::Call(self.word(open - 1)), open - 1)
                }
                open => (Part::Other, open.unwrap_or(0)),
            },
            // Brackets with nothing in them are one token.
            Token::Unit if at > 0 && self.is_word(at - 1) => {
                (Part::Call(self.word(at - 1)), at - 1)
            }
            Token::RightBracket => (Part::Index, self.opening(at).unwrap_or(0)),
            Token::RightBrace => match self.opening(at) {
                Some(open) if self.pieces[open].token == Token::MapStart => {
                    (Part::Literal("map"), open)
                }
                open => (Part::Other, open.unwrap_or(0)),
            },
            Token::StringConstant(_) => (Part::Literal("string"), at),
            Token::IntegerConstant(_) => (Part::Literal("int"), at),
            Token::FloatConstant(_) => (Part::Literal("float"), at),
            _ if self.is_word(at) => (Part::Word(self.word(at)), at),
            _ => (Part::Other, at),
        }
    }

    fn root(&self, part: Part, start: usize) -> (Root, usize) {
        let is_qualified = matches!(self.before(start), Some(Token::DoubleColon));
        match part {
            Part::Call(name) if is_qualified && start >= 2 => {
                let space = self.word(start - 2);
                (Root::Call(format!("{space}::{name}")), start - 2)
            }
            Part::Word(_) if is_qualified => (Root::Unknown, start),
            Part::Call(name) => (Root::Call(name), start),
            Part::Word(name) => (self.bound(&name, start), start),
            Part::Index => (Root::Literal("array"), start),
            Part::Literal(kind) => (Root::Literal(kind), start),
            Part::Other => (Root::Unknown, start),
        }
    }

    /// What a name stands for: what the loop or closure around it goes through, else a variable.
    fn bound(&self, name: &str, before: usize) -> Root {
        for at in (1..before).rev().filter(|at| self.is_word(*at)) {
            if self.word(at) != name {
                continue;
            }
            let held = match (&self.pieces[at - 1].token, &self.pieces[at + 1].token) {
                (Token::For, Token::In) => self.gone_through(at + 2),
                (Token::Pipe, Token::Pipe | Token::Comma) => self.handed_out(at - 1),
                (Token::Let | Token::Const, _) => return Root::Unknown,
                _ => continue,
            };
            return held.map_or(Root::Unknown, |held| Root::Each(Box::new(held)));
        }
        Root::Variable(name.to_owned())
    }

    /// What a loop goes through, from a token to the brace of its body.
    fn gone_through(&self, start: usize) -> Option<Receiver> {
        let body = (start..self.pieces.len())
            .filter(|at| self.pieces[*at].token == Token::LeftBrace)
            .find_map(|brace| Some(self.value(brace)).filter(|(_, begins)| *begins == start));
        body.map(|(held, _)| held)
    }

    /// What hands its values to the closure that begins with a token: what its method is called on.
    fn handed_out(&self, bar: usize) -> Option<Receiver> {
        let method = bar.checked_sub(2).filter(|at| self.is_word(*at))?;
        let is_method = self.pieces[bar - 1].token == Token::LeftParen
            && matches!(self.before(method), Some(Token::Period | Token::Elvis));
        is_method.then(|| self.value(method - 1).0)
    }

    /// Whether what ends before a token is a value, of which an index can be taken.
    fn ends_a_value(&self, before: usize) -> bool {
        matches!(
            self.before(before),
            Some(Token::RightParen | Token::RightBracket | Token::StringConstant(_))
        ) || before > 0
            && matches!(
                self.pieces[before - 1].token,
                Token::Identifier(_) | Token::Custom(_)
            )
    }

    /// The bracket that a token closes.
    fn opening(&self, closing: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for at in (0..=closing).rev() {
            if self.pieces[at].closes() {
                depth += 1;
            } else if self.pieces[at].opens() {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        None
    }

    fn before(&self, at: usize) -> Option<&Token> {
        at.checked_sub(1).map(|at| &self.pieces[at].token)
    }

    fn is_word(&self, at: usize) -> bool {
        is_word(self.text, &self.pieces[at])
    }

    fn word(&self, at: usize) -> String {
        word(self.text, &self.pieces[at])
    }
}

/// The last part of a value.
enum Part {
    Word(String),
    /// A name with its arguments.
    Call(String),
    /// Something in square brackets.
    Index,
    Literal(&'static str),
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::tokens::pieces;

    /// A value in few letters: `x.y.f()[]`.
    fn told(receiver: &Receiver) -> String {
        let root = match &receiver.root {
            Root::Variable(name) => name.clone(),
            Root::Each(held) => format!("each of {}", told(held)),
            Root::Call(path) => format!("{path}()"),
            Root::Literal(kind) => (*kind).to_owned(),
            Root::Unknown => "?".to_owned(),
        };
        let steps = receiver.steps.iter().map(|step| match step {
            Step::Property(name) => format!(".{name}"),
            Step::Index => "[]".to_owned(),
            Step::Method(name) => format!(".{name}()"),
        });
        root + &steps.collect::<String>()
    }

    #[test]
    fn a_value_is_what_it_begins_with_and_what_is_taken_of_it() {
        for (text, receiver) in [
            ("", "?"),
            ("item", "item"),
            ("f(item.properties", "item.properties"),
            ("1 + list[0].name", "list[].name"),
            ("list?[0]?.name", "list[].name"),
            ("f(1)", "f()"),
            ("a.f().g(", "?"),
            ("a::f().first()", "a::f().first()"),
            ("a::f(g(1), [2])", "a::f()"),
            ("s.map(|x| x + 1).filter(|x| { true })", "s.map().filter()"),
            ("let x = [1, 2]", "array"),
            ("return [1]", "array"),
            ("[[1]][0]", "array[]"),
            ("#{a: 1}", "map"),
            ("\"a\"", "string"),
            ("(1 + 2)", "?"),
            ("a::b", "?"),
            ("if x { 1 }", "?"),
            ("items.map(|it| it", "each of items"),
            ("items.sub.filter(|it| f(it.a) && it", "each of items.sub"),
            ("s3::list(\"a\").map(|o, i| o", "each of s3::list()"),
            ("for x in a.b { f(x", "each of a.b"),
            (
                "for x in items.filter(|y| { y }) { x",
                "each of items.filter()",
            ),
            ("let f = |x| x", "?"),
            ("let it = 1; it", "?"),
            ("a)", "?"),
            ("}", "?"),
        ] {
            let pieces = pieces(text);
            assert_eq!(told(&Receiver::at_end(text, &pieces)), receiver, "{text}");
        }
    }
}
