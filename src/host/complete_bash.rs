//! Completion for bash, which takes a word apart at `=`: `--context=sandbox` reaches a completer as three.

use std::ffi::OsString;

use clap_complete::engine::CompletionCandidate;

/// What bash asks for.
pub(super) struct Question {
    /// The words as they were typed.
    pub(super) words: Vec<OsString>,
    /// Which of them is completed.
    pub(super) index: usize,
    /// What of it bash keeps, and does not want again.
    kept: String,
}

impl Question {
    /// The words that were taken apart, put together again.
    pub(super) fn of(apart: Vec<OsString>, at: usize) -> Question {
        let mut question = Question {
            words: Vec::with_capacity(apart.len()),
            index: at,
            kept: String::new(),
        };
        for (position, word) in apart.into_iter().enumerate() {
            let is_value = matches!(question.words.as_slice(), [.., flag, equals] if equals == "=" && is_flag(flag));
            if is_value {
                question.words.pop();
                let flag = question.words.last_mut();
                if let Some(flag) = flag {
                    flag.push("=");
                    if position == at {
                        question.kept = flag.to_string_lossy().into_owned();
                    }
                    flag.push(word);
                }
            } else {
                question.words.push(word);
            }
            if position == at {
                question.index = question.words.len() - 1;
            }
        }
        question
    }

    /// The answer as the function that bash has sourced reads it.
    pub(super) fn answer(&self, candidates: &[CompletionCandidate], separator: &str) -> String {
        let values = candidates.iter().map(|candidate| {
            let value = candidate.get_value().to_string_lossy();
            value.strip_prefix(&self.kept).unwrap_or(&value).to_owned()
        });
        values.collect::<Vec<_>>().join(separator)
    }
}

fn is_flag(word: &OsString) -> bool {
    word.to_str()
        .is_some_and(|word| word.starts_with("--") && !word.contains('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_apart_is_put_together() {
        let asked = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let last = words.len() - 1;
            let question = Question::of(words, last);
            let words = question.words.iter().map(|word| word.to_string_lossy());
            (
                words.collect::<Vec<_>>().join(" "),
                question.index,
                question.kept,
            )
        };
        assert_eq!(
            asked(&["dashictl", "--context", "=", "sandbox", "dom"]),
            (
                "dashictl --context=sandbox dom".to_owned(),
                2,
                String::new()
            )
        );
        assert_eq!(
            asked(&["dashictl", "gc", "--bucket", "=", "pr"]),
            (
                "dashictl gc --bucket=pr".to_owned(),
                2,
                "--bucket=".to_owned()
            )
        );
        assert_eq!(
            asked(&["dashictl", "eval", "a", "=", "b"]),
            ("dashictl eval a = b".to_owned(), 4, String::new())
        );
    }
}
