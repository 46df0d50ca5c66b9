//! The audit line: who is about to change what, and what came of it, in logfmt. It stands on stderr, for the log shipper
//! of where the run is, and in Loki, so that `audit tail` shows what operators did from their own machines.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Effect, Origin, Permit, Run};
use crate::clients::loki::Loki;
use crate::config::Service;
use crate::error::Result;
use crate::session::Session;

/// A Loki that takes longer holds no run up.
const PUSH_LIMIT: Duration = Duration::from_secs(5);

/// The audit lines of one run.
#[derive(Debug, Clone)]
pub struct Audit {
    command: String,
    flag: &'static str,
    fields: Vec<(String, String)>,
}

impl Audit {
    /// For a run that is about to change `counts`.
    #[must_use]
    pub fn of(run: &Run, counts: &[(&str, String)]) -> Audit {
        let mut fields = vec![("context".to_owned(), run.scene.context.clone())];
        fields.extend(
            counts
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        fields.push(("effect".to_owned(), run.order.effect.name().to_owned()));
        fields.push(("actor".to_owned(), run.actor.clone()));
        fields.push(("run".to_owned(), run.id.to_string()));
        if let Some(undone) = &run.undoes {
            fields.push(("undoes".to_owned(), undone.to_string()));
        }
        fields.push(("script".to_owned(), run.script.clone()));
        // Only with this flag does a script come to be audited as one that destroys.
        let flag = match (run.order.effect, &run.order.origin) {
            (Effect::Destroy, origin) if *origin != Origin::Host => " --apply",
            _ => "",
        };
        Audit {
            command: run.order.command.clone(),
            flag,
            fields,
        }
    }

    /// For a further part of the run's plan.
    #[must_use]
    pub fn part(mut self, number: i64) -> Audit {
        self.fields.push(("part".to_owned(), number.to_string()));
        self
    }

    /// The line before the first change.
    #[must_use]
    pub fn intent(&self) -> String {
        self.line(&[])
    }

    /// The line after the last.
    #[must_use]
    pub fn outcome(&self, outcome: &str, counts: &[(&str, u64)]) -> String {
        let mut more = vec![("outcome".to_owned(), outcome.to_owned())];
        more.extend(
            counts
                .iter()
                .map(|(name, count)| ((*name).to_owned(), count.to_string())),
        );
        self.line(&more)
    }

    fn line(&self, more: &[(String, String)]) -> String {
        let (head, whole) = head(&self.command);
        let whole = whole.map(|whole| ("command".to_owned(), whole.to_owned()));
        let fields: String = whole
            .iter()
            .chain(&self.fields)
            .chain(more)
            .map(|(name, value)| format!(" {name}={}", quoted(value)))
            .collect();
        format!("[audit] {head}{}{fields}", self.flag)
    }
}

/// The words of a command line that no reader of logfmt takes for a field or a quoted text, up to the first that could
/// be one; and the whole of it, to be a field of its own, where that is more.
fn head(command: &str) -> (&str, Option<&str>) {
    let odd = |c: char| c.is_control() || (c != ' ' && c.is_whitespace()) || "=\"'`\\".contains(c);
    let Some(place) = command.find(odd) else {
        return (command, None);
    };
    let end = command[..place].rfind(' ').unwrap_or(0);
    (&command[..end], Some(command))
}

/// A value of logfmt: quoted where it would not be one word.
fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=');
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    // What JSON leaves as it is can begin a line, or steer a terminal.
    let steers = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let text = Value::from(value).to_string();
    text.chars()
        .map(|c| match c {
            c if steers(c) => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

/// The Loki that lines are pushed to, if this lake has one that can be asked.
pub(super) fn loki(session: &Session) -> Option<Result<Loki>> {
    match session.endpoints() {
        Ok(config) if !config.has(Service::Loki) => None,
        Ok(_) => Some(session.loki().map(|loki| loki.within(Some(PUSH_LIMIT)))),
        Err(error) => Some(Err(error)),
    }
}

/// Pushes a line of this moment.
pub(super) async fn push(loki: &Loki, at: Timestamp, line: &str) -> Result<()> {
    let labels = json!({"job": "dashictl", "namespace": "dashi-ops"});
    loki.push(Permit::granted(), labels, at, line).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_word_or_quoted() {
        let shown = ["a/b", "", "two words", "a=\"b\"", "a\nb"].map(quoted);
        assert_eq!(
            shown,
            [
                "a/b",
                "\"\"",
                "\"two words\"",
                "\"a=\\\"b\\\"\"",
                "\"a\\nb\""
            ]
        );
        assert_eq!(quoted("a \u{9b}31m\u{2028}b"), r#""a \u009b31m\u2028b""#);
    }

    #[test]
    fn only_plain_words_stand_outside_of_a_field() {
        assert_eq!(head("dashictl gc -n 3"), ("dashictl gc -n 3", None));
        for odd in [
            "dashictl eval 'x run=1'",
            "dashictl eval --a=b",
            "dashictl eval \"x",
            "dashictl eval x\ny",
        ] {
            assert_eq!(head(odd), ("dashictl eval", Some(odd)));
        }
    }
}
