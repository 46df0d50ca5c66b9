//! Where entries come from: a terminal, with all that helps to type, or anything else, a line at a time until one is whole.

use std::io::{self, BufRead};

use rustyline::{Cmd, ExternalPrinter, KeyCode, KeyEvent, Modifiers};

use super::assistant::Assistant;
use super::entry::is_open;
use super::history;
use crate::error::{Error, Kind, Result};

/// What came.
pub(super) enum Line {
    /// An entry.
    Entry(String),
    /// Ctrl-C: what was begun is given up.
    GivenUp,
    /// The end.
    End,
}

/// Where entries come from.
pub(super) enum Lines {
    /// A terminal.
    Terminal(Box<Terminal>),
    /// A file or pipe, or a terminal whose answers go elsewhere.
    Other,
}

/// What is typed at a terminal.
pub(super) struct Terminal {
    editor: Editor,
    /// Never used: where there is one, the editor waits for signals beside keys, and knows at once that the window was resized.
    _printer: Option<Box<dyn ExternalPrinter>>,
}

type Editor = rustyline::Editor<Assistant, rustyline::history::MemHistory>;

impl Lines {
    /// A terminal, with what was typed before.
    pub(super) fn terminal(
        assistant: Assistant,
        past: impl Iterator<Item = String>,
    ) -> Result<Lines> {
        let config = rustyline::Config::builder()
            .completion_type(rustyline::CompletionType::List)
            .bracketed_paste(true)
            .max_history_size(history::MOST)
            .and_then(|builder| builder.history_ignore_dups(true))
            .map_err(|error| failed(&error))?
            .build();
        let past_entries = rustyline::history::MemHistory::with_config(&config);
        let mut editor =
            Editor::with_history(config, past_entries).map_err(|error| failed(&error))?;
        let newline = KeyEvent(KeyCode::Enter, Modifiers::ALT);
        editor.bind_sequence(newline, Cmd::Newline);
        editor.set_helper(Some(assistant));
        for entry in past {
            let _ = editor.add_history_entry(entry);
        }
        let printer = editor.create_external_printer();
        let printer = printer.map(|printer| Box::new(printer) as Box<dyn ExternalPrinter>);
        Ok(Lines::Terminal(Box::new(Terminal {
            editor,
            _printer: printer.ok(),
        })))
    }

    /// The next entry.
    pub(super) fn next(&mut self, prompt: &str) -> Result<Line> {
        match self {
            Lines::Terminal(terminal) => match terminal.editor.readline(prompt) {
                Ok(text) => Ok(Line::Entry(text)),
                Err(rustyline::error::ReadlineError::Interrupted) => Ok(Line::GivenUp),
                Err(rustyline::error::ReadlineError::Eof) => Ok(Line::End),
                Err(error) => Err(failed(&error)),
            },
            // Not held between entries: what an entry asks is answered from there too.
            Lines::Other => whole(&mut io::stdin().lock()),
        }
    }

    /// Remembers an entry for the arrow keys.
    pub(super) fn remember(&mut self, entry: &str) {
        if let Lines::Terminal(terminal) = self {
            let _ = terminal.editor.add_history_entry(entry);
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Lines::Terminal(_))
    }
}

/// The lines of one entry.
fn whole(input: &mut impl BufRead) -> Result<Line> {
    let mut text = String::new();
    loop {
        let count = input.read_line(&mut text);
        let count = count.map_err(|error| {
            Error::new(Kind::Io, "stdin cannot be read").cause(error.to_string())
        })?;
        let is_command = text.trim_start().starts_with(':');
        if count > 0 && !is_command && is_open(&text) {
            continue;
        }
        return Ok(if text.is_empty() {
            Line::End
        } else {
            Line::Entry(text.trim_end_matches('\n').to_owned())
        });
    }
}

fn failed(error: &rustyline::error::ReadlineError) -> Error {
    Error::new(Kind::Io, "the terminal cannot be used").cause(error.to_string())
}
