//! What helps to type at a terminal: colours, completion, hints, and whether an entry is whole. Each of them is elsewhere; here
//! they meet the editor.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::entry::is_open;
use super::shell::Shell;
use super::{colours, completion, hint};

/// The editor's helper. It looks at the session as it is between two entries.
pub(super) struct Assistant {
    shell: Rc<RefCell<Shell>>,
    coloured: bool,
}

impl Assistant {
    pub(super) fn new(shell: Rc<RefCell<Shell>>, coloured: bool) -> Assistant {
        Assistant { shell, coloured }
    }
}

impl Helper for Assistant {}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, found) = completion::complete(&self.shell.borrow(), &line[..pos]);
        // A bracket that stands there already is not typed again.
        let is_called = line[pos..].starts_with('(');
        let pair = |candidate: completion::Candidate| Pair {
            display: candidate.shown(),
            replacement: match candidate.text.strip_suffix('(') {
                Some(name) if is_called => name.to_owned(),
                _ => candidate.text,
            },
        };
        Ok((start, found.into_iter().map(pair).collect()))
    }
}

/// A hint that is only looked at: nothing of it is taken into the line.
pub(super) struct Shown(String);

impl rustyline::hint::Hint for Shown {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Assistant {
    type Hint = Shown;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Shown> {
        if pos < line.len() {
            return None;
        }
        hint::hint(&self.shell.borrow(), line).map(|text| Shown(format!("  {text}")))
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if !self.coloured {
            return Cow::Borrowed(line);
        }
        Cow::Owned(colours::painted(&self.shell.borrow(), line))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if !self.coloured {
            return Cow::Borrowed(hint);
        }
        Cow::Owned(format!("\u{1b}[2m{hint}\u{1b}[0m"))
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if !self.coloured {
            return Cow::Borrowed(prompt);
        }
        let colour = if self.shell.borrow().is_armed() {
            "1;31"
        } else {
            "1;36"
        };
        Cow::Owned(format!("\u{1b}[{colour}m{prompt}\u{1b}[0m"))
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let is_command = text.trim_start().starts_with(':');
        Ok(if !is_command && is_open(text) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}
