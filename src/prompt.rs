//! A question to who sits at the terminal, and the line they type. Waiting for it ends with Ctrl-C.

use std::io::{self, IsTerminal, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result};
use crate::session::Session;

/// Whether somebody can be asked: what is asked is seen, and what is typed is read.
#[must_use]
pub fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Fails unless the word is typed after a question, or another spelling of it.
pub fn demand(session: &Session, question: &str, word: &str, also: &str) -> Result<()> {
    let typed = ask(session, question)?;
    let typed = typed.trim();
    if typed == word || typed == also {
        return Ok(());
    }
    Err(Error::usage(format!(
        "'{typed}' is not '{word}': nothing was done"
    )))
}

/// The line that is typed after a question.
pub fn ask(session: &Session, question: &str) -> Result<String> {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{question} ").and_then(|()| stderr.flush());
    drop(stderr);
    // A read from the terminal cannot be interrupted, and would take what is typed next at a prompt.
    while !is_typed()? {
        if session.interrupt().is_stopping() {
            return Err(Error::interrupted());
        }
    }
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(|error| unread(&error))?;
    if line.is_empty() {
        return Err(Error::usage(format!("'{question}' was not answered")));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Whether a line is there to be read; looked for a short while.
fn is_typed() -> Result<bool> {
    const WHILE: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 50_000_000,
    };
    let stdin = io::stdin();
    let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut watched, Some(&WHILE)) {
        Ok(count) => Ok(count > 0),
        // A signal has come: whether it stops the run is looked at next.
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(unread(&error.into())),
    }
}

fn unread(error: &io::Error) -> Error {
    Error::new(Kind::Io, "the answer could not be read").cause(error.to_string())
}
