//! LogQL: a stream selector with its matchers, and the line filters after it.
//!
//! Parsing belongs here, with errors in Loki's words: `parse error at line 1, col 12: syntax error: unexpected $end,
//! expecting STRING`.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::CharIndices;

use super::answer::Refusal;
use super::pattern::Pattern;

/// A log query.
#[derive(Debug)]
pub(crate) struct Query {
    matchers: Vec<Matcher>,
    filters: Vec<Filter>,
}

#[derive(Debug)]
struct Matcher {
    label: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Equal(String),
    Unequal(String),
    Like(Pattern),
    Unlike(Pattern),
}

#[derive(Debug)]
enum Filter {
    Contains(String),
    Lacks(String),
    Matches(Pattern),
    Mismatches(Pattern),
}

impl Query {
    /// Reads a query.
    pub(crate) fn parse(text: &str) -> Result<Query, Refusal> {
        let mut parser = Parser::new(text);
        let matchers = parser.selector()?;
        let filters = parser.filters()?;
        if !matchers.iter().any(Matcher::demands_something) {
            return Err(Refusal::Bad(
                "parse error : queries require at least one regexp or equality matcher that does not have an empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will"
                    .to_owned(),
            ));
        }
        Ok(Query { matchers, filters })
    }

    /// Whether a stream with these labels is selected. A label that is absent counts as empty.
    pub(crate) fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.matchers.iter().all(|matcher| {
            let value = labels.get(&matcher.label).map_or("", String::as_str);
            matcher.test.holds(value)
        })
    }

    /// Whether a line passes every filter.
    pub(crate) fn passes(&self, line: &str) -> bool {
        self.filters.iter().all(|filter| match filter {
            Filter::Contains(part) => line.contains(part),
            Filter::Lacks(part) => !line.contains(part),
            Filter::Matches(pattern) => pattern.finds(line),
            Filter::Mismatches(pattern) => !pattern.finds(line),
        })
    }

    /// Whether there are line filters; a series selector may have none.
    pub(crate) fn is_selector(&self) -> bool {
        self.filters.is_empty()
    }
}

impl Matcher {
    /// Whether an absent label would fail it.
    fn demands_something(&self) -> bool {
        matches!(self.test, Test::Equal(_) | Test::Like(_)) && !self.test.holds("")
    }
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        match self {
            Test::Equal(wanted) => value == wanted,
            Test::Unequal(unwanted) => value != unwanted,
            Test::Like(pattern) => pattern.covers(value),
            Test::Unlike(pattern) => !pattern.covers(value),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Mark(&'static str),
    Identifier(String),
    Text(String),
    Other(char),
    End,
}

impl Token {
    /// As Loki's grammar calls it.
    fn named(&self) -> String {
        match self {
            Token::Mark(mark) => (*mark).to_owned(),
            Token::Identifier(_) => "IDENTIFIER".to_owned(),
            Token::Text(_) => "STRING".to_owned(),
            Token::Other(letter) => letter.to_string(),
            Token::End => "$end".to_owned(),
        }
    }
}

/// Where a token begins: line and column from 1.
type Place = (usize, usize);

struct Parser<'a> {
    letters: Peekable<CharIndices<'a>>,
    text: &'a str,
    place: Place,
    token: Token,
    begins: Place,
    broken: Option<String>,
}

/// Longer marks first, so that `=~` is not taken for `=`.
const MARKS: [&str; 11] = ["=~", "!~", "!=", "|=", "|~", "|", "=", "{", "}", ",", "("];

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parser<'a> {
        let mut parser = Parser {
            letters: text.char_indices().peekable(),
            text,
            place: (1, 1),
            token: Token::End,
            begins: (1, 1),
            broken: None,
        };
        parser.advance();
        parser
    }

    fn selector(&mut self) -> Result<Vec<Matcher>, Refusal> {
        if let Token::Identifier(name) = &self.token {
            return Err(self.refuse(&format!(
                "the sandbox evaluates log queries only, not '{name}'"
            )));
        }
        self.expect("{")?;
        let mut matchers = Vec::new();
        while self.token != Token::Mark("}") {
            matchers.push(self.matcher()?);
            if self.token == Token::Mark(",") {
                self.advance();
            } else if self.token != Token::Mark("}") {
                return Err(self.unexpected("} or ,"));
            }
        }
        self.advance();
        Ok(matchers)
    }

    fn matcher(&mut self) -> Result<Matcher, Refusal> {
        let Token::Identifier(label) = self.token.clone() else {
            return Err(self.unexpected("IDENTIFIER or }"));
        };
        self.advance();
        let Token::Mark(mark @ ("=" | "!=" | "=~" | "!~")) = self.token else {
            return Err(self.unexpected("= or != or =~ or !~"));
        };
        self.advance();
        let begins = self.begins;
        let value = self.string()?;
        let test = match mark {
            "=" => Test::Equal(value),
            "!=" => Test::Unequal(value),
            "=~" => Test::Like(pattern(&value, begins)?),
            _ => Test::Unlike(pattern(&value, begins)?),
        };
        Ok(Matcher { label, test })
    }

    fn filters(&mut self) -> Result<Vec<Filter>, Refusal> {
        let mut filters = Vec::new();
        loop {
            let mark = match self.token {
                Token::End => return Ok(filters),
                Token::Mark(mark @ ("|=" | "!=" | "|~" | "!~")) => mark,
                Token::Mark("|") => {
                    return Err(self.refuse(
                        "the sandbox evaluates line filters only: no parsers, label filters or formats",
                    ));
                }
                _ => return Err(self.unexpected("!= or !~ or |= or |~")),
            };
            self.advance();
            let begins = self.begins;
            let value = self.string()?;
            filters.push(match mark {
                "|=" => Filter::Contains(value),
                "!=" => Filter::Lacks(value),
                "|~" => Filter::Matches(pattern(&value, begins)?),
                _ => Filter::Mismatches(pattern(&value, begins)?),
            });
        }
    }

    fn string(&mut self) -> Result<String, Refusal> {
        if let Some(words) = self.broken.take() {
            return Err(error_at(self.begins, &words));
        }
        match std::mem::replace(&mut self.token, Token::End) {
            Token::Text(value) => {
                self.advance();
                Ok(value)
            }
            other => {
                self.token = other;
                Err(self.unexpected("STRING"))
            }
        }
    }

    fn expect(&mut self, mark: &'static str) -> Result<(), Refusal> {
        if self.token != Token::Mark(mark) {
            return Err(self.unexpected(mark));
        }
        self.advance();
        Ok(())
    }

    fn unexpected(&self, expected: &str) -> Refusal {
        let found = self.token.named();
        self.refuse(&format!("unexpected {found}, expecting {expected}"))
    }

    fn refuse(&self, words: &str) -> Refusal {
        error_at(self.begins, &format!("syntax error: {words}"))
    }

    fn advance(&mut self) {
        while self
            .letters
            .peek()
            .is_some_and(|(_, letter)| letter.is_whitespace())
        {
            self.take();
        }
        self.begins = self.place;
        let Some(&(start, first)) = self.letters.peek() else {
            self.token = Token::End;
            return;
        };
        let rest = &self.text[start..];
        if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(mark)) {
            for _ in mark.chars() {
                self.take();
            }
            self.token = Token::Mark(mark);
        } else if first == '"' || first == '`' {
            self.token = self.quoted(first);
        } else if first.is_alphabetic() || first == '_' {
            let mut name = String::new();
            while let Some((_, letter)) = self.letters.peek() {
                if !letter.is_alphanumeric() && *letter != '_' {
                    break;
                }
                name.extend(self.take());
            }
            self.token = Token::Identifier(name);
        } else {
            self.take();
            self.token = Token::Other(first);
        }
    }

    /// A Go string: escapes between double quotes, none between backquotes.
    fn quoted(&mut self, quote: char) -> Token {
        self.take();
        let mut value = String::new();
        loop {
            match self.take() {
                None => {
                    self.broken = Some("literal not terminated".to_owned());
                    return Token::End;
                }
                Some(letter) if letter == quote => return Token::Text(value),
                Some('\\') if quote == '"' => match self.escape() {
                    Some(letter) => value.push(letter),
                    None => self.broken = Some("invalid char escape".to_owned()),
                },
                Some(letter) => value.push(letter),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let digits = match self.take()? {
            'n' => return Some('\n'),
            't' => return Some('\t'),
            'r' => return Some('\r'),
            letter @ ('\\' | '"' | '\'') => return Some(letter),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return None,
        };
        let code: String = (0..digits).filter_map(|_| self.take()).collect();
        char::from_u32(u32::from_str_radix(&code, 16).ok()?)
    }

    fn take(&mut self) -> Option<char> {
        let (_, letter) = self.letters.next()?;
        self.place = match letter {
            '\n' => (self.place.0 + 1, 1),
            _ => (self.place.0, self.place.1 + 1),
        };
        Some(letter)
    }
}

fn pattern(text: &str, at: Place) -> Result<Pattern, Refusal> {
    Pattern::parse(text)
        .map_err(|why| error_at(at, &format!("error parsing regexp: {why}: `{text}`")))
}

fn error_at((line, column): Place, words: &str) -> Refusal {
    Refusal::Bad(format!("parse error at line {line}, col {column}: {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        match Query::parse(text) {
            Err(Refusal::Bad(words)) => words,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_query_that_breaks_off_is_refused_as_loki_refuses_it() {
        assert_eq!(
            refusal("{namespace="),
            "parse error at line 1, col 12: syntax error: unexpected $end, expecting STRING"
        );
        assert!(refusal("{a=\"b\"\n x").starts_with("parse error at line 2, col 2"));
        assert!(refusal("{a=\"b}").contains("literal not terminated"));
    }

    #[test]
    fn what_the_sandbox_does_not_evaluate_is_named() {
        assert!(refusal("sum(rate({a=\"b\"}[1m]))").contains("'sum'"));
        assert!(refusal("{a=\"b\"} | json").contains("no parsers"));
    }

    #[test]
    fn a_selector_must_demand_something() {
        assert!(refusal("{a=~\".*\"}").contains("empty-compatible"));
        assert!(refusal("{}").contains("empty-compatible"));
        assert!(Query::parse("{a=~\".+\", b!=\"c\"}").is_ok());
    }

    #[test]
    fn matchers_and_filters_all_hold() {
        let labels = BTreeMap::from([("app".to_owned(), "ingest".to_owned())]);
        let Ok(query) =
            Query::parse(r#"{app=~"in.*", pod!="x"} |= "level" != `debug` |~ "4\\d{2}" !~ "^x""#)
        else {
            panic!("the query is right");
        };
        assert!(query.selects(&labels));
        assert!(query.passes("level=warn status=404"));
        assert!(!query.passes("level=debug status=404") && !query.passes("level=warn status=500"));
    }
}
