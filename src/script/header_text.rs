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
    /// So many lines of the file are the header, and what may stand before it.
    end: usize,
    pub(super) toml: String,
}

impl<'a> HeaderLines<'a> {
    /// Those of a script.
    pub(super) fn of(source: &'a str, text: &'a str) -> Result<HeaderLines<'a>> {
        let mut lines = HeaderLines {
            source,
            text,
            prose: Vec::new(),
            end: 0,
            toml: String::new(),
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut block = Block::Prose;
        let (mut seen, mut odd) = (false, None);
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
            lines.end = index + 1;
            let content = content.strip_prefix(' ').unwrap_or(content);
            let fence = Fence::of(content);
            match (&block, fence) {
                (Block::Toml(_), Some(fence)) if fence.is_end() => block = Block::Prose,
                (Block::Toml(_), _) => lines.toml.push_str(content),
                (Block::Quoted(open), Some(fence)) if fence.ends(open) => {
                    lines.prose.push(content);
                    block = Block::Prose;
                }
                (Block::Prose, Some(fence)) if fence.is_header() && seen => {
                    return Err(lines.at(
                        index + 1,
                        1,
                        "a header has one toml block, and this is a second",
                    ));
                }
                (Block::Prose, Some(fence)) if fence.is_header() => {
                    (block, seen) = (Block::Toml(index + 1), true);
                }
                (Block::Prose, Some(fence)) => {
                    lines.prose.push(content);
                    block = Block::Quoted(fence);
                }
                (block, _) => {
                    let is_meant = match block {
                        Block::Quoted(open) => open.says_toml(),
                        _ => true,
                    };
                    if is_meant && is_toml_of_a_header(content) {
                        odd.get_or_insert(index + 1);
                    }
                    lines.prose.push(content);
                }
            }
            lines.toml.push('\n');
        }
        if let (false, Some(odd)) = (seen, odd) {
            return Err(lines
                .at(
                    odd,
                    5,
                    "this is what a header says in TOML, and it stands in its text",
                )
                .hint("put it between the lines //! ```toml and //! ```"));
        }
        if !seen {
            lines.refuse_late()?;
        }
        if let Block::Toml(opened) = block {
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
        let lines = self.text.lines().enumerate();
        let begin = if self.prose.is_empty() {
            "//! ```"
        } else {
            "//! ```toml"
        };
        let mut lines = lines.skip(self.end);
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

/// What the lines of a header are in.
enum Block<'a> {
    /// Its text.
    Prose,
    /// Its TOML, which begins on this line.
    Toml(usize),
    /// Something that the text quotes.
    Quoted(Fence<'a>),
}

/// A line that begins or ends a block: three or more of a mark, and what is in it.
#[derive(Clone, Copy)]
struct Fence<'a> {
    mark: char,
    count: usize,
    says: &'a str,
}

impl<'a> Fence<'a> {
    fn of(line: &'a str) -> Option<Fence<'a>> {
        let line = line.trim();
        let mark = line
            .chars()
            .next()
            .filter(|mark| ['`', '~'].contains(mark))?;
        let says = line.trim_start_matches(mark);
        let count = line.len() - says.len();
        let fence = Fence {
            mark,
            count,
            says: says.trim(),
        };
        // `//! ```a``` is a`, and a line below a heading.
        let is_other = says.contains(mark) || (mark == '~' && count > 3 && says.is_empty());
        (count >= 3 && !is_other).then_some(fence)
    }

    fn is_header(self) -> bool {
        (self.mark, self.count, self.says) == ('`', 3, "toml")
    }

    fn is_end(self) -> bool {
        (self.mark, self.count, self.says) == ('`', 3, "")
    }

    fn ends(self, open: &Fence) -> bool {
        self.mark == open.mark && self.count >= open.count && self.says.is_empty()
    }

    fn says_toml(self) -> bool {
        let first = self.says.split_whitespace().next();
        self.count == 3 && first.is_some_and(|first| first.eq_ignore_ascii_case("toml"))
    }
}

/// Whether a line of the text can only be meant for the TOML.
fn is_toml_of_a_header(line: &str) -> bool {
    let begins = ["effect =", "effect=", "[args.", "[options.", "[[needs]]"];
    begins.iter().any(|begin| line.starts_with(begin)) && line.parse::<toml::Table>().is_ok()
}

/// Whether a line may stand before a header.
fn is_passed_over(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || (line.starts_with("//") && !line.starts_with("///"))
}
