//! The audit line: who is about to change what, and what came of it, in logfmt. It stands on stderr, for the log shipper
//! of where the run is, and in Loki, so that `audit tail` shows what operators did from their own machines.

use std::time::Duration;

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
            command: format!("{}{flag}", run.order.command),
            fields,
        }
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
        let fields: String = self
            .fields
            .iter()
            .chain(more)
            .map(|(name, value)| format!(" {name}={}", quoted(value)))
            .collect();
        format!("[audit] {}{fields}", one_line(&self.command))
    }
}

/// A value of logfmt: quoted where it would not be one word.
fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=');
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        Value::from(value).to_string()
    }
}

/// A line break in an argument must not begin a line of its own.
fn one_line(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(visible).collect()
}

/// The Loki that lines are pushed to, if this lake has one that can be asked.
pub(super) fn loki(session: &Session) -> Option<Result<Loki>> {
    match session.endpoints() {
        Ok(config) if !config.has(Service::Loki) => None,
        Ok(_) => Some(session.loki().map(|loki| loki.within(Some(PUSH_LIMIT)))),
        Err(error) => Some(Err(error)),
    }
}

/// Pushes a line.
pub(super) async fn push(loki: &Loki, line: &str) -> Result<()> {
    let labels = json!({"job": "dashictl", "namespace": "dashi-ops"});
    loki.push(Permit::granted(), labels, jiff::Timestamp::now(), line)
        .await
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
        assert_eq!(one_line("x\ny"), "x y");
    }
}
