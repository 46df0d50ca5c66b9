//! Statements as they were typed, looked at piece by piece: where the last begins, whether they only look, set or leave something.

use rhai::Token;

use crate::script::tokens::pieces;

/// Statements, and the last of them, which gives their value.
pub(super) fn last_statement(statements: &str) -> (&str, &str) {
    let statements = statements.trim().trim_end_matches(';');
    let pieces = pieces(statements);
    let (mut depth, mut start) = (0_usize, 0);
    for (at, piece) in pieces.iter().enumerate() {
        let goes_on = pieces.get(at + 1).is_none_or(|next| {
            matches!(
                next.token,
                Token::Else | Token::Catch | Token::While | Token::Until
            )
        });
        match piece.token {
            _ if piece.opens() => depth += 1,
            Token::RightBrace if depth == 1 && !goes_on && begins_block(&statements[start..]) => {
                depth = 0;
                start = piece.end;
            }
            _ if piece.closes() => depth = depth.saturating_sub(1),
            Token::SemiColon if depth == 0 => start = piece.end,
            _ => {}
        }
    }
    let (before, last) = statements.split_at(start);
    (before.trim(), last.trim())
}

/// Whether a statement does nothing but give a value: nothing is called in it, and nothing set.
pub(super) fn only_looks(statement: &str) -> bool {
    let pieces = pieces(statement);
    !pieces.is_empty() && pieces.iter().all(|piece| only_gives(&piece.token))
}

fn only_gives(token: &Token) -> bool {
    matches!(
        token,
        Token::Identifier(_)
            | Token::IntegerConstant(_)
            | Token::FloatConstant(_)
            | Token::StringConstant(_)
            | Token::InterpolatedString(_)
            | Token::True
            | Token::False
            | Token::Unit
            | Token::Period
            | Token::SemiColon
            | Token::Comma
            | Token::Colon
            | Token::LeftBracket
            | Token::RightBracket
            | Token::MapStart
            | Token::RightBrace
            | Token::Plus
            | Token::Minus
            | Token::UnaryMinus
            | Token::UnaryPlus
            | Token::Multiply
            | Token::Divide
            | Token::Modulo
            | Token::EqualsTo
            | Token::NotEqualsTo
            | Token::LessThan
            | Token::LessThanEqualsTo
            | Token::GreaterThan
            | Token::GreaterThanEqualsTo
            | Token::And
            | Token::Or
            | Token::Bang
    )
}

/// Whether something is set in a text.
pub(super) fn sets_something(text: &str) -> bool {
    pieces(text).iter().any(|piece| {
        matches!(
            piece.token,
            Token::Equals
                | Token::PlusAssign
                | Token::MinusAssign
                | Token::MultiplyAssign
                | Token::DivideAssign
        )
    })
}

/// Whether a text leaves what it is in before its end, but for what closures of it leave.
pub(super) fn leaves_early(text: &str) -> bool {
    let pieces = pieces(text);
    let mut open: Vec<bool> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &pieces[before].token);
        match piece.token {
            Token::LeftBrace => open.push(matches!(before, Some(Token::Pipe | Token::Or))),
            Token::MapStart => open.push(false),
            Token::RightBrace => drop(open.pop()),
            Token::Return if !open.contains(&true) => return true,
            _ => {}
        }
    }
    false
}

/// How statements begin that end with a block.
const BLOCKS: [&str; 6] = ["for ", "while ", "loop ", "if ", "switch ", "try "];

fn begins_block(statement: &str) -> bool {
    let statement = statement.trim_start();
    BLOCKS.iter().any(|word| statement.starts_with(word))
}

pub(super) fn is_name(statement: &str) -> bool {
    matches!(pieces(statement).as_slice(), [only] if matches!(only.token, Token::Identifier(_)))
}

/// A statement that another may follow.
pub(super) fn ended(statement: &str) -> String {
    let statement = statement.trim_end();
    let is_block = statement.ends_with('}') && begins_block(last_statement(statement).1);
    if is_block || statement.ends_with(';') || statement.starts_with("//") {
        return statement.to_owned();
    }
    format!("{statement};")
}
