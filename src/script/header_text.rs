//! The `//!` lines of a script, taken apart into prose and TOML, with the places of both in the file. What the TOML says is read
//! in `header_lines`.

use std::ops::Range;

use super::prose::flowing;
use crate::error::{Error, Place, Result, Trace};
use crate::sources::line_and_column;

/// The `//!` lines of a script. The TOML text has an empty line for every line of the file that is not TOML, so that
/// its positions are those of the file.
pub(super) struct HeaderLines<'a> {
    source: &'a str,
    text: &'a str,
    prose: Vec<&'a str>,
    pub(super) toml: String,
}

impl<'a> HeaderLines<'a> {
    /// Those of a script.
    pub(super) fn of(source: &'a str, text: &'a str) -> Result<HeaderLines<'a>> {
        let mut lines = HeaderLines {
            source,
            text,
            prose: Vec::new(),
            toml: String::new(),
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (mut inside, mut seen, mut opened) = (false, false, 0);
        // Between fences of something else.
        let mut is_quoted = false;
        for (index, line) in text.lines().enumerate() {
            let Some(content) = line.strip_prefix("//!") else {
                // `#!`, empty lines and ordinary comments may stand before the header; anything else ends it.
                if (index == 0 && line.starts_with("#!"))
                    || (lines.prose.is_empty() && is_passed_over(line))
                {
                    lines.toml.push('\n');
                    continue;
                }
                break;
            };
            let content = content.strip_prefix(' ').unwrap_or(content);
            match (inside, content.trim()) {
                (false, "```toml") if seen => {
                    return Err(lines.at(
                        index + 1,
                        1,
                        "a header has one toml block, and this is a second",
                    ));
                }
                (false, "```toml") => (inside, seen, opened) = (true, true, index + 1),
                (true, "```") => inside = false,
                (true, _) => lines.toml.push_str(content),
                (false, other) if looks_like_toml(other) && !is_quoted => {
                    return Err(lines
                        .at(
                            index + 1,
                            5,
                            "this is what a header says in TOML, and it stands in its text",
                        )
                        .hint("put it between the lines //! ```toml and //! ```"));
                }
                (false, other) => {
                    is_quoted ^= other.starts_with("```");
                    lines.prose.push(content);
                }
            }
            lines.toml.push('\n');
        }
        if !seen {
            lines.refuse_late()?;
        }
        if inside {
            return Err(lines.at(
                opened,
                1,
                "the toml block of this header does not end with ```",
            ));
        }
        Ok(lines)
    }

    /// Fails where a header stands behind code: it would not be read.
    fn refuse_late(&self) -> Result<()> {
        let mut lines = self.text.lines().enumerate();
        let begin = if self.prose.is_empty() {
            "//! ```"
        } else {
            "//! ```toml"
        };
        match lines.find(|(_, line)| line.trim_start().starts_with(begin)) {
            // In a text or a comment over lines it is no header.
            Some((at, _))
                if self.text.lines().take(at).any(|line| {
                    line.contains(['`', '"']) && line.matches(['`', '"']).count() % 2 == 1
                        || line.contains("/*")
                        || line.contains("#\"")
                }) =>
            {
                Ok(())
            }
            None => Ok(()),
            Some((at, _)) if self.prose.is_empty() => Err(self
                .at(at + 1, 1, "a header that stands behind code is not read")
                .hint("put its lines at the top of the file, each beginning with //!")),
            Some((at, _)) => Err(self
                .at(
                    at + 1,
                    1,
                    "the header ended above this: a line that does not begin with //! ends it",
                )
                .hint("begin each line between them with //!")),
        }
    }

    /// The summary in one line, and the help after it.
    pub(super) fn prose(&self) -> (String, String) {
        let text = self.prose.join("\n");
        let (summary, help) = text.trim().split_once("\n\n").unwrap_or((text.trim(), ""));
        (
            summary.replace('\n', " ").trim_end_matches('.').to_owned(),
            flowing(help),
        )
    }

    /// A fault of the TOML.
    pub(super) fn toml_error(&self, error: &toml::de::Error) -> Error {
        self.at_span(error.span().unwrap_or(0..0), error.message())
            .hint("between ```toml and ``` stands TOML, as in effect = \"read\"")
    }

    /// An error at a span of the TOML text. Each of its lines lacks the `//! ` of the file's.
    pub(super) fn at_span(&self, span: Range<usize>, message: &str) -> Error {
        let (line, column) = line_and_column(&self.toml, span.start.min(self.toml.len()));
        // The file's line begins with `//!`, and a space if its writer put one.
        let raw = self.text.lines().nth(line - 1).unwrap_or_default();
        let before = if raw.starts_with("//! ") { 4 } else { 3 };
        self.at(line, column + before, message)
    }

    fn at(&self, line: usize, column: usize, message: &str) -> Error {
        let at = Place {
            source: self.source.to_owned(),
            line,
            column,
        };
        let excerpt = self.text.lines().nth(line - 1).map(str::to_owned);
        Error::usage(message).traced(Trace {
            at: Some(at),
            excerpt,
            calls: Vec::new(),
        })
    }
}

/// Whether a line of the text can only be meant for the TOML: a fence that is spelt otherwise, or what only a header has.
fn looks_like_toml(line: &str) -> bool {
    let fence = line.trim_start_matches(['`', '~']);
    let is_fence = fence.len() + 3 <= line.len() && fence.trim().eq_ignore_ascii_case("toml");
    is_fence
        || ["effect =", "effect=", "[args.", "[options.", "[[needs]]"]
            .iter()
            .any(|begin| line.starts_with(begin))
}

/// Whether a line may stand before a header.
fn is_passed_over(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || (line.starts_with("//") && !line.starts_with("///"))
}
