//! What is typed at once: whether it is whole, and what it is as a script that goes on from the entries before it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rhai::{AST, ASTNode, Engine, Expr, LexError, ParseErrorType, Position, Scope, Stmt, Token};

use crate::error::Error;
use crate::script::tokens::{Piece, pieces};
use crate::script::walk::walk;
use crate::sources::line_and_column;

/// The name by which the last result goes.
pub(super) const LAST: &str = "_";

/// Where `_` is the last result. Elsewhere it is the language's own: the default of a `switch`.
#[derive(Clone, Default)]
pub(super) struct LastResult(Arc<Mutex<BTreeSet<(usize, usize)>>>);

impl LastResult {
    /// Lets an engine read `_` as a variable where it is one.
    #[allow(
        deprecated,
        reason = "it says that it is not deprecated, but may change: the version is pinned"
    )]
    pub(super) fn teach(&self, engine: &mut Engine) {
        let known = self.clone();
        engine.on_parse_token(move |token, position, _| match token {
            Token::Underscore if known.is_at(position) => Token::Identifier(Box::new(LAST.into())),
            token => token,
        });
    }

    fn is_at(&self, position: Position) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&place(position))
    }

    /// Finds where it stands in a text that begins after so many lines.
    fn find(&self, text: &str, before: usize) {
        let pieces = pieces(text);
        let places = last_results(&pieces)
            .map(|piece| line_and_column(text, piece.start))
            .map(|(line, column)| (line + before, column));
        self.set(places.collect());
    }

    fn set(&self, places: BTreeSet<(usize, usize)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = places;
    }
}

/// The pieces that are `_` as the last result: not where a `switch` has its default, nor where a map has a key of that name.
pub(super) fn last_results(pieces: &[Piece]) -> impl Iterator<Item = &Piece> {
    let token = |at: Option<usize>| at.and_then(|at| pieces.get(at)).map(|piece| &piece.token);
    let found = pieces.iter().enumerate().filter(move |(at, piece)| {
        piece.token == Token::Underscore
            && !matches!(
                token(at.checked_add(1)),
                Some(Token::DoubleArrow | Token::Colon)
            )
            && !matches!(token(at.checked_sub(1)), Some(Token::Period | Token::Elvis))
    });
    found.map(|(_, piece)| piece)
}

fn place(position: Position) -> (usize, usize) {
    (
        position.line().unwrap_or(0),
        position.position().unwrap_or(0),
    )
}

/// The script of an entry that stands below so many lines of a session. What was imported before is imported again, which costs
/// nothing; the variables of the scope are known.
pub(super) fn parse(
    engine: &Engine,
    scope: &Scope,
    last: &LastResult,
    text: &str,
    before: usize,
    imports: &[Import],
) -> Result<AST, rhai::ParseError> {
    last.find(text, before);
    let imports: String = imports.iter().map(Import::text).collect();
    // On a line above: the entry's own lines keep their numbers.
    let padded = format!("{imports}{}{text}", "\n".repeat(before));
    let parsed = engine.compile_with_scope(scope, padded);
    // What is read next by the same engine is another text.
    last.set(BTreeSet::new());
    parsed
}

/// An import that entries after it see too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) path: String,
    pub(super) alias: String,
}

impl Import {
    /// It as a statement.
    pub(super) fn text(&self) -> String {
        format!(
            "import {} as {};",
            serde_json::Value::from(self.path.as_str()),
            self.alias
        )
    }

    /// The error of one that no entry could call by a name.
    pub(super) fn refused(&self) -> Error {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let name = name.trim_end_matches(".rhai");
        Error::usage("an import without a name: nothing can use it").hint(format!(
            "import {} as {name};",
            serde_json::Value::from(self.path.as_str())
        ))
    }

    /// Those that an entry names at its top.
    pub(super) fn all(ast: &AST) -> Vec<Import> {
        let mut imports = Vec::new();
        walk(ast, |path| {
            if let [ASTNode::Stmt(Stmt::Import(import, _))] = path
                && let Expr::StringConstant(path, _) = &import.0
            {
                imports.push(Import {
                    path: path.to_string(),
                    alias: import.1.name.to_string(),
                });
            }
        });
        imports
    }
}

/// The variables that an entry names.
pub(super) fn variables(ast: &AST) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    walk(ast, |path| {
        if let Some(ASTNode::Expr(Expr::Variable(variable, _, _))) = path.last() {
            names.insert(variable.1.to_string());
        }
    });
    names
}

/// Whether more is to come: a bracket is open, an operator waits for its operand, a comment has no end.
pub(super) fn is_open(text: &str) -> bool {
    if text.trim().is_empty() {
        return false;
    }
    // Names mean nothing here, only how they are put together.
    let last = LastResult::default();
    let mut engine = Engine::new_raw();
    last.teach(&mut engine);
    last.find(text, 0);
    engine.set_max_expr_depths(128, 128);
    let Err(error) = engine.compile(text) else {
        return is_in_comment(text);
    };
    let is_at_end = || is_past(text, error.position());
    match error.err_type() {
        ParseErrorType::UnexpectedEOF => true,
        ParseErrorType::MissingToken(..)
        | ParseErrorType::MissingSymbol(_)
        | ParseErrorType::ExprExpected(_)
        | ParseErrorType::VariableExpected
        | ParseErrorType::PropertyExpected
        | ParseErrorType::FnMissingBody(_)
        | ParseErrorType::FnMissingParams(_)
        | ParseErrorType::FnMissingName => is_at_end(),
        ParseErrorType::WrongDocComment => only_comments_follow(text, error.position()),
        // A quote that was forgotten is a mistake; text between backticks goes over lines.
        ParseErrorType::BadInput(LexError::UnterminatedString) => is_in_backticks(text),
        _ => false,
    }
}

/// Whether the text that is open at the end began with a backtick.
fn is_in_backticks(text: &str) -> bool {
    let pieces = pieces(text);
    let is_interpolated = pieces
        .iter()
        .any(|piece| matches!(piece.token, Token::InterpolatedString(_)));
    pieces.last().is_some_and(|last| {
        let rest = &text[last.start..];
        rest.starts_with('`') || (is_interpolated && !rest.starts_with('"'))
    })
}

/// Whether a text has nothing but comments from a line on.
fn only_comments_follow(text: &str, position: Position) -> bool {
    let before = position.line().unwrap_or(1) - 1;
    let mut lines = text.lines().skip(before).map(str::trim);
    lines.all(|line| line.is_empty() || line.starts_with("//"))
}

/// Whether a position is at or behind the last letter of a text.
fn is_past(text: &str, position: Position) -> bool {
    let Some(line) = position.line() else {
        return true;
    };
    let text = text.trim_end();
    let lines = text.matches('\n').count() + 1;
    let letters = text.rsplit('\n').next().unwrap_or_default().chars().count();
    let column = position.position().unwrap_or(0);
    // What is missing is told of the token that comes instead, and that may be the last one.
    line > lines || (line == lines && column > letters)
}

/// Whether a comment is open at the end: then what follows is no token of the text.
fn is_in_comment(text: &str) -> bool {
    let probe = format!("{text}\n;");
    let last_of = |text| pieces(text).last().map(|last| last.start);
    text.contains("/*") && last_of(&probe).is_none_or(|last| last < text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `notes/rhai.md` 9, and what was found beside it.
    #[test]
    fn an_entry_is_open_until_it_is_whole() {
        let mut wrong = Vec::new();
        for open in [
            "fn f(a)",
            "fn f(",
            "fn f",
            "fn",
            "x.",
            "for x in a",
            "for x in",
            "for",
            "if a {",
            "if a",
            "let x =",
            "[1, 2",
            "#{a: 1,",
            "#{a:",
            "foo(1,",
            "a +",
            "a &&",
            "`text",
            "`a ${b",
            "`a\n${b}",
            "`a\n${b}\nc",
            "/* c",
            "let x = 5 /* c",
            "switch x {",
            "switch x { 1 =>",
            "import",
            "import \"std/x\" as",
            "/// text",
            "while",
            "do {",
            "try {",
            "x?.",
            "while x {\n  y();",
        ] {
            wrong.extend((!is_open(open)).then_some(open));
        }
        for whole in [
            "",
            "1",
            "foo(1))",
            "let x = 5 5",
            "\"text",
            "fn f(a) { a }",
            "if a { b }",
            "`a ${b} c`",
            "`a\n${b}\nc`",
            "`a ${b}` + \"c",
            "x.y",
            "// c",
            "/* c */ 1",
            "let x = 5;",
            "a b",
            ")",
            "let 5",
            "#{a: 1}",
            "foo()\n\n",
        ] {
            wrong.extend(is_open(whole).then_some(whole));
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn the_last_result_is_a_variable_but_not_where_a_switch_has_its_default() {
        let last = LastResult::default();
        let mut engine = Engine::new();
        last.teach(&mut engine);
        engine.set_strict_variables(true);
        let mut scope = Scope::new();
        scope.push(LAST, 20_i64);
        let text = "let x = _ + 1;\nswitch _ { 1 => 2, _ => x + _ }";
        let ast = parse(&engine, &scope, &last, text, 3, &[]).unwrap();
        assert_eq!(
            engine.eval_ast_with_scope::<i64>(&mut scope, &ast).unwrap(),
            41
        );
        assert!(parse(&engine, &scope, &last, "let y = z;", 3, &[]).is_err());
    }
}
