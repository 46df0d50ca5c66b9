//! A question to who sits at the terminal, and the line they type. Waiting for it ends with Ctrl-C.

use std::io::{self, IsTerminal, Write};

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
    // Read on a thread of its own: a read from the terminal cannot be interrupted, the wait for it can.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = sender.send(io::stdin().read_line(&mut line).map(|_| line));
    });
    let line = session.wait(async {
        receiver
            .await
            .map_err(|_| Error::internal("the answer was lost"))
    })?;
    let line = line.map_err(|error| {
        Error::new(Kind::Io, "the answer could not be read").cause(error.to_string())
    })?;
    if line.is_empty() {
        return Err(Error::usage(format!("'{question}' was not answered")));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
