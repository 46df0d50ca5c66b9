//! What Loki says where it refuses: plain text, with the column of the query where it stumbled, or with a limit.

use unicode_width::UnicodeWidthStr;

use crate::error::{Error, Kind};

/// The error with the query under it and a caret where Loki stumbled, if it says where.
#[must_use]
pub fn explained(mut error: Error, query: &str) -> Error {
    if error.kind() != Kind::Invalid {
        return error;
    }
    let Some(said) = error.detail().causes.first().cloned() else {
        return error;
    };
    let place = place_of(&said).and_then(|(place, what)| Some((drawn(query, place)?, what)));
    if let Some((drawn, what)) = place {
        error.detail_mut().causes[0] = format!("{said}\n{drawn}");
        error.detail_mut().message = format!("Loki cannot read the query: {what}");
    }
    if said.starts_with("parse error") {
        return error.hint("a query selects streams and filters lines, as in {namespace=\"dashi-web\"} |= \"error\"");
    }
    if said.contains("the query time range exceeds the limit") {
        return error.hint("ask for a shorter span (--since, --from, --to)");
    }
    error
}

/// The most lines that a server gives, out of `max entries limit per query exceeded, limit >
/// max_entries_limit_per_query (100000 > 5000)`.
#[must_use]
pub fn most_lines(error: &Error) -> Option<usize> {
    let said = error.detail().causes.first()?;
    if error.kind() != Kind::Invalid || !said.starts_with("max entries limit") {
        return None;
    }
    let (_, most) = said.rsplit_once("> ")?;
    most.trim_end_matches(')').parse().ok()
}

/// Whether an answer is too large to be taken: by this program, or by the parts that Loki is made of, which say so with a
/// status that means anything.
#[must_use]
pub fn is_too_large(error: &Error) -> bool {
    let said = error.detail().causes.first();
    error.kind() == Kind::TooLarge
        || said.is_some_and(|said| said.contains("message larger than max"))
}

/// Line and column, from 1, and what is wrong there: `parse error at line 1, col 12: syntax error: …`.
fn place_of(said: &str) -> Option<((usize, usize), &str)> {
    let rest = said.strip_prefix("parse error at line ")?;
    let (line, rest) = rest.split_once(", col ")?;
    let (column, what) = rest.split_once(": ")?;
    Some(((line.parse().ok()?, column.parse().ok()?), what))
}

/// A line of the query with a caret under a column of it; Loki counts characters.
fn drawn(query: &str, (line, column): (usize, usize)) -> Option<String> {
    let text = query.lines().nth(line.checked_sub(1)?)?.replace('\t', " ");
    let before: String = text.chars().take(column.checked_sub(1)?).collect();
    let blank = " ".repeat(before.width());
    Some(format!("{text}\n{blank}^"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(said: &str) -> Error {
        Error::new(Kind::Invalid, "loki answered 400").cause(said)
    }

    #[test]
    fn the_query_is_shown_with_a_caret_where_loki_stumbled() {
        let said = "parse error at line 1, col 12: syntax error: unexpected $end, expecting STRING";
        let error = explained(refused(said), "{namespace=");
        let caret = error.detail().causes[0].lines().skip(1).collect::<Vec<_>>();
        assert_eq!(caret, ["{namespace=", "           ^"]);
        let elsewhere = explained(refused("parse error at line 7, col 1: odd"), "{a=\"b\"}");
        assert_eq!(
            elsewhere.detail().causes[0],
            "parse error at line 7, col 1: odd"
        );
    }

    #[test]
    fn a_server_of_less_patience_tells_how_much_it_gives() {
        let said = "max entries limit per query exceeded, limit > max_entries_limit_per_query (100000 > 5000)";
        assert_eq!(most_lines(&refused(said)), Some(5000));
        assert_eq!(most_lines(&refused("max of something")), None);
    }
}
