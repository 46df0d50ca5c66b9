//! What was typed at prompts, over all sessions: one line of JSON an entry, with when, where, and how long it took. No secret is
//! in it: what is known as one, and what is written where one belongs, is left out.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rhai::Token;
use serde::{Deserialize, Serialize};

use crate::config::Environment;
use crate::error::{Error, Result};
use crate::script::tokens::{Piece, pieces};
use crate::session::Session;

/// So many entries are kept.
pub(super) const MOST: usize = 10_000;

/// Words that name a secret, as keys, variables or arguments.
const SECRET: [&str; 7] = [
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "authorization",
    "key",
];

/// Words that look like one of those and name none.
const PLAIN: [&str; 3] = ["key", "keys", "continuation_token"];

/// What stands where a secret stood.
const LEFT_OUT: &str = "…";

/// An entry of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    /// When it was typed.
    pub(super) at: Timestamp,
    /// The context.
    pub(super) context: String,
    /// How long it took, in seconds.
    pub(super) seconds: f64,
    /// Its text.
    pub(super) entry: String,
}

/// The history of this machine.
pub(super) struct History(PathBuf);

impl History {
    pub(super) fn of(environment: &Environment) -> Result<History> {
        Ok(History(environment.state_dir()?.join("history.jsonl")))
    }

    /// The entries, the oldest first. A line that cannot be read says nothing.
    pub(super) fn read(&self) -> Vec<Past> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let kept = &lines[lines.len().saturating_sub(MOST)..];
        if lines.len() > 2 * MOST {
            let _ = crate::file::replace(&self.0, (kept.join("\n") + "\n").as_bytes());
        }
        kept.iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Writes an entry down, from which the secrets were taken. Nothing is lost where that fails but the entry.
    pub(super) fn add(&self, session: &Session, entry: &str, took: Duration) -> Result<()> {
        let past = Past {
            at: session.now(),
            context: session.config().context().to_owned(),
            seconds: (took.as_secs_f64() * 1000.0).round() / 1000.0,
            entry: entry.to_owned(),
        };
        let line =
            serde_json::to_string(&past).map_err(|error| Error::internal(error.to_string()))?;
        let failed = |error: std::io::Error| Error::io("write", &self.0, &error);
        if let Some(folder) = self.0.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.0)
            .map_err(failed)?;
        file.write_all((line + "\n").as_bytes()).map_err(failed)
    }
}

/// A text without the secrets that are known, and without any that is written out.
pub(super) fn without_secrets(session: &Session, text: &str) -> String {
    without_literals(&session.redact(text))
}

/// A text without what is written behind a word that names a secret: `password: "…"`, `let token = "…"`, `"Bearer …"`.
fn without_literals(text: &str) -> String {
    let pieces = pieces(text);
    let (mut cleaned, mut from) = (String::new(), 0);
    for (at, piece) in pieces.iter().enumerate() {
        let is_text = matches!(
            piece.token,
            Token::StringConstant(_) | Token::InterpolatedString(_) | Token::LexError(_)
        );
        if is_text && piece.start >= from && is_secret(text, &pieces, at) {
            cleaned.push_str(&text[from..piece.start]);
            cleaned.push_str(&format!("\"{LEFT_OUT}\""));
            from = end_of_text(text, &pieces[at..]);
        }
    }
    cleaned + &text[from..]
}

fn is_secret(text: &str, pieces: &[Piece], at: usize) -> bool {
    let written = |piece: &Piece| &text[piece.start..piece.end];
    let is_behind = at >= 2
        && matches!(
            pieces[at - 1].token,
            Token::Colon | Token::Equals | Token::EqualsTo | Token::Comma | Token::LeftParen
        );
    (is_behind && names_a_secret(written(&pieces[at - 2]))) || tells_a_secret(written(&pieces[at]))
}

/// Whether a text itself looks as if it held a secret: a header's value, a signed token, a URL with a password, `password=…`.
fn tells_a_secret(text: &str) -> bool {
    let lower = text.to_lowercase();
    let is_named = |name: &&str| {
        ["=", ": "]
            .iter()
            .any(|mark| lower.contains(&format!("{name}{mark}")))
    };
    let named = SECRET
        .iter()
        .filter(|name| !PLAIN.contains(name))
        .any(is_named);
    let is_signed = text
        .find("eyJ")
        .is_some_and(|at| text[at..].matches('.').count() >= 2);
    let has_password = text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '"', '`', ' ']).next().unwrap_or_default();
        authority
            .split_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    });
    named || is_signed || has_password || text.contains("Bearer ") || text.contains("Basic ")
}

/// Where a text ends that begins with these pieces, also one with expressions in it.
fn end_of_text(text: &str, pieces: &[Piece]) -> usize {
    let is_end = |piece: &&Piece| {
        !matches!(piece.token, Token::InterpolatedString(_)) && text[..piece.end].ends_with('`')
    };
    match pieces {
        [first, ..] if matches!(first.token, Token::InterpolatedString(_)) => pieces
            .iter()
            .find(is_end)
            .map_or(text.len(), |last| last.end),
        [first, ..] => first.end,
        [] => text.len(),
    }
}

fn names_a_secret(word: &str) -> bool {
    let word = word.trim_matches(['"', '`']).to_lowercase();
    !PLAIN.contains(&word.as_str()) && SECRET.iter().any(|secret| word.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_where_a_secret_belongs_is_left_out() {
        for (typed, kept) in [
            ("let password = \"hunter2\";", "let password = \"…\";"),
            (
                "http::get(u, #{headers: #{Authorization: \"Bearer abc\"}})",
                "http::get(u, #{headers: #{Authorization: \"…\"}})",
            ),
            (
                "x(#{api_token: `a${b}`, key: \"a/b\"})",
                "x(#{api_token: \"…\", key: \"a/b\"})",
            ),
            (
                "s3::head(#{\"secret_key\": \"x\"})",
                "s3::head(#{\"secret_key\": \"…\"})",
            ),
            ("let key = \"a/b.tif\"", "let key = \"a/b.tif\""),
            ("secret == \"x\"", "secret == \"…\""),
            (
                "get(\"http://u:pw@h/\") + \"http://h:80/a@b:c\"",
                "get(\"…\") + \"http://h:80/a@b:c\"",
            ),
            ("let t = \"eyJh.eyJi.c\"", "let t = \"…\""),
            (
                "write(u, \"a password=x\", \"key=1\")",
                "write(u, \"…\", \"…\")",
            ),
            ("token = \"unfinished", "token = \"…\""),
        ] {
            assert_eq!(without_literals(typed), kept);
        }
    }
}
