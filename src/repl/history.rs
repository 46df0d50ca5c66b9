//! What was typed at prompts, over all sessions: one line of JSON an entry, with when, where, and how long it took. No secret is
//! in it: what is known as one, and what is written where one belongs, is left out.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
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

/// Words that name a secret, alone or as part of a name: `password`, `api_token`, `clientSecret`.
const SECRET: [&str; 22] = [
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "pw",
    "secret",
    "secrets",
    "token",
    "credential",
    "credentials",
    "authorization",
    "passwords",
    "cred",
    "creds",
    "bearer",
    "auth",
    "cookie",
    "apikey",
    "authtoken",
    "secretkey",
    "privatekey",
];

/// What stands in a text before a secret, in small letters.
const MARKS: [&str; 17] = [
    "password=",
    "passwd=",
    "pwd=",
    "secret=",
    "token=",
    "accountkey=",
    "apikey=",
    "api_key=",
    "sig=",
    "--password ",
    "--user ",
    "-----begin",
    "bearer ",
    "password\":",
    "password\\\":",
    "token\":",
    "token\\\":",
];

/// With one of these before it, `key` names a secret as well.
const OF_KEYS: [&str; 5] = ["secret", "api", "access", "private", "signing"];

/// Names that look like those of secrets, and are none.
const PLAIN: [&str; 2] = ["continuation_token", "next_token"];

/// Functions whose argument is the name of a secret.
const NAMING: [&str; 3] = ["env::secret", "env::get", "env::try_get"];

/// What stands where a secret stood.
pub(super) const LEFT_OUT: &str = "…";

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
        let bytes = std::fs::read(&self.0).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
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
            .read(true)
            .append(true)
            .mode(0o600)
            .open(&self.0)
            .map_err(failed)?;
        // A line that was cut off, by a full disk or a kill, is not to take this one along.
        let begin = if ends_within_a_line(&mut file) {
            "\n"
        } else {
            ""
        };
        file.write_all(format!("{begin}{line}\n").as_bytes())
            .map_err(failed)
    }
}

fn ends_within_a_line(file: &mut File) -> bool {
    let mut last = [0];
    let read = file
        .seek(SeekFrom::End(-1))
        .and_then(|_| file.read_exact(&mut last));
    read.is_ok() && last != *b"\n"
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

/// Whether a text stands in what is given to a name that is one of a secret, or looks as if it were one.
fn is_secret(text: &str, pieces: &[Piece], at: usize) -> bool {
    let written = |at: usize| &text[pieces[at].start..pieces[at].end];
    if tells_a_secret(written(at)) {
        return true;
    }
    let mut depth = 0_usize;
    for before in (0..at).rev() {
        let name = before.checked_sub(1).map(written);
        match pieces[before].token {
            _ if pieces[before].closes() => depth += 1,
            _ if depth > 0 => depth -= usize::from(pieces[before].opens()),
            Token::LeftParen if name.is_some_and(is_word) => {
                let path = path_before(text, pieces, before);
                return !NAMING.contains(&path.as_str()) && names_a_secret(&path);
            }
            Token::Comma if name.is_some_and(|name| is_quoted(name) && names_a_secret(name)) => {
                return true;
            }
            Token::Colon
            | Token::Equals
            | Token::EqualsTo
            | Token::NotEqualsTo
            | Token::PlusAssign => {
                // Of an index it is what stands in its brackets.
                let is_index = before >= 3 && pieces[before - 1].token == Token::RightBracket;
                let name = if is_index {
                    Some(written(before - 2))
                } else {
                    name
                };
                return name.is_some_and(names_a_secret);
            }
            Token::SemiColon => return false,
            _ => {}
        }
    }
    false
}

/// The function whose bracket this is, with its namespace.
fn path_before(text: &str, pieces: &[Piece], bracket: usize) -> String {
    let is_part = |piece: &&Piece| {
        piece.token == Token::DoubleColon || is_word(&text[piece.start..piece.end])
    };
    let parts = pieces[..bracket].iter().rev().take_while(is_part).take(3);
    let mut parts: Vec<&str> = parts.map(|piece| &text[piece.start..piece.end]).collect();
    parts.reverse();
    parts.concat()
}

fn is_word(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

fn is_quoted(text: &str) -> bool {
    text.starts_with(['"', '`'])
}

/// Whether a text itself looks as if it held a secret: a header's value, a signed token, a URL with a password, `password=…`.
fn tells_a_secret(text: &str) -> bool {
    let named = text.split_whitespace().any(|word| {
        let mut name = word.split(['=', ':']).next().unwrap_or_default();
        name = name.rsplit(['?', '&', '"', '`']).next().unwrap_or_default();
        word.len() > name.len() && !word.contains("://") && names_a_secret(name)
    });
    let in_query = text.split(['?', '&']).skip(1).any(|part| {
        let name = part.split_once('=').map(|(name, _)| name);
        name.is_some_and(names_a_secret)
    });
    let is_login = text.split("-u ").skip(1).any(|rest| {
        rest.split_whitespace()
            .next()
            .is_some_and(|user| user.contains(':'))
    });
    let is_signed = text
        .find("eyJ")
        .is_some_and(|at| text[at..].matches('.').count() >= 2);
    let has_password = text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '"', '`', ' ']).next().unwrap_or_default();
        authority
            .split_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    });
    let lower = text.to_lowercase();
    let is_marked = MARKS.iter().any(|mark| lower.contains(mark));
    named || in_query || is_login || is_signed || has_password || is_marked || is_basic(text)
}

/// Whether a text holds what HTTP's basic authentication sends.
fn is_basic(text: &str) -> bool {
    let is_encoded = |word: &str| {
        let word = word.trim_end_matches(['"', '`']);
        word.len() >= 8
            && word
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "+/=_-".contains(letter))
            && (word.ends_with('=') || word.chars().any(|letter| letter.is_ascii_digit()))
    };
    let rest = text.split("Basic ").skip(1);
    let mut words = rest.filter_map(|rest| rest.split_whitespace().next());
    words.any(is_encoded)
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

/// Whether one of the words of a name says that it is a secret's.
fn names_a_secret(name: &str) -> bool {
    let name = name.trim_matches(['"', '`']);
    if PLAIN.contains(&name) {
        return false;
    }
    let mut spaced = String::new();
    let mut was_small = false;
    for letter in name.chars() {
        if letter.is_uppercase() && was_small {
            spaced.push(' ');
        }
        was_small = letter.is_lowercase();
        spaced.extend(letter.to_lowercase());
    }
    let words: Vec<&str> = spaced
        .split(|letter: char| !letter.is_alphanumeric())
        .collect();
    let is_key = words
        .windows(2)
        .any(|pair| pair[1] == "key" && OF_KEYS.contains(&pair[0]));
    is_key || words.iter().any(|word| SECRET.contains(word))
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
            ("let password = (\"a\")", "let password = (\"…\")"),
            (
                "let pw = \"a\" + \"b\"; \"c\"",
                "let pw = \"…\" + \"…\"; \"c\"",
            ),
            (
                "#{secret_key: [\"a\"], key: \"b\"}",
                "#{secret_key: [\"…\"], key: \"b\"}",
            ),
            (
                "#{password: if true { \"a\" } else { \"b\" }}",
                "#{password: if true { \"…\" } else { \"…\" }}",
            ),
            ("set(\"token\", \"a\")", "set(\"token\", \"…\")"),
            ("run(\"-u me:pw x\")", "run(\"…\")"),
            ("m[\"password\"] = \"a\"", "m[\"password\"] = \"…\""),
            ("post(u, \"{\\\"password\\\": 1}\")", "post(u, \"…\")"),
            ("x(\"Server=x;Password=y;\")", "x(\"…\")"),
            ("x(\"Basic statistics\")", "x(\"Basic statistics\")"),
            ("x(\"Basic dXNlcjpwdw==\")", "x(\"…\")"),
            ("set_token(\"a\")", "set_token(\"…\")"),
            ("f(\"http://h/?api_key=1\")", "f(\"…\")"),
            // What only looks so is kept: it is to be run again.
            ("let turkey_id = \"7\"", "let turkey_id = \"7\""),
            (
                "stac::item(\"tokens-2025\", \"a\")",
                "stac::item(\"tokens-2025\", \"a\")",
            ),
            (
                "let token = env::secret(\"HOOK\")",
                "let token = env::secret(\"HOOK\")",
            ),
            (
                "s3::read(\"s3://a/pass/x.tif\")",
                "s3::read(\"s3://a/pass/x.tif\")",
            ),
        ] {
            assert_eq!(without_literals(typed), kept);
        }
    }
}
