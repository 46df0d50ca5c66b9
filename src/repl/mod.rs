//! The prompt: `dashictl` on a terminal. What is typed is run with the lake of its context; what is defined stays for the next
//! entry. How entries are read is in `lines`, what they do to the session in `shell`.

mod asking;
mod assistant;
mod colours;
mod command;
mod completion;
mod cursor;
mod entry;
mod guess;
mod hint;
mod history;
mod kept;
mod known;
mod lines;
mod live_names;
mod pass;
mod planned;
mod receiver;
mod result;
mod shell;
mod statement;
mod subcommand;
mod vocabulary;

use std::cell::RefCell;
use std::io::{self, IsTerminal};
use std::rc::Rc;
use std::time::Instant;

use self::assistant::Assistant;
use self::command::Next;
use self::history::History;
use self::lines::{Line, Lines};
use self::shell::{Manner, Shell};
use crate::error::{Error, Kind, Result};
use crate::host::Host;

/// Reads entries and runs them, until there are no more. Off a terminal the first that fails ends it.
pub fn perform(host: &Host) -> Result<u8> {
    let console = host.console.asked_by(":json");
    let shell = Shell::new(host.globals.clone(), host.environment, &console)?;
    let shell = Rc::new(RefCell::new(shell));
    let history = History::of(host.environment)?;
    let mut lines = lines(host, &shell, &history)?;
    if lines.is_terminal() {
        greet(host, &shell.borrow());
    }
    let (mut code, mut is_warned) = (0, false);
    loop {
        let prompt = shell.borrow().prompt();
        let typed = match lines.next(&prompt)? {
            Line::Entry(typed) => typed,
            Line::GivenUp => continue,
            Line::End => return Ok(code),
        };
        if typed.trim().is_empty() {
            shell.borrow_mut().skip_line();
            continue;
        }
        let begun = Instant::now();
        let ended = if lines.is_terminal() && typed.contains(GAP) {
            Err(forgotten())
        } else {
            answered(&mut shell.borrow_mut(), &typed)
        };
        let edited = shell.borrow_mut().edited.take();
        let shell = shell.borrow();
        // What follows looks at the lake too, for names.
        shell.session().interrupt().begin_entry();
        if lines.is_terminal() && !typed.starts_with(' ') {
            for entry in [Some(typed.clone()), edited].into_iter().flatten() {
                // The arrow keys give what was typed; what lies on the disk has no secret.
                lines.remember(&entry);
                let kept = history::without_secrets(shell.session(), &entry);
                let added = history.add(shell.session(), &kept, begun.elapsed());
                if let (Err(error), false) = (added, is_warned) {
                    host.console.warn(&error.to_string());
                    is_warned = true;
                }
            }
        }
        match ended {
            Ok(Next::Leave) => return Ok(0),
            Ok(Next::Go(_)) if shell.exit.is_some() => return Ok(shell.exit.unwrap_or(0)),
            Ok(Next::Go(_) | Next::Failed(_)) if lines.is_terminal() => {}
            Ok(Next::Failed(code)) => return Ok(code),
            // Nobody has seen what the entries said: the last one's answer is the program's.
            Ok(Next::Go(last)) => code = last,
            Err(error) if !lines.is_terminal() || error.kind() == Kind::Closed => {
                return Err(error);
            }
            Err(error) => host.console.say_error(&error),
        }
    }
}

/// What stands in an entry of an earlier session in place of a secret, so that it is not taken for what somebody types.
const GAP: &str = "‹secret›";

fn forgotten() -> Error {
    Error::usage(format!(
        "{GAP} stands where the history has left something out that may have been a secret"
    ))
    .hint("type in its place what belongs there")
}

/// Words that people type at a prompt to leave it or for help, where nothing else goes by them.
fn meant(shell: &Shell, typed: &str) -> Option<&'static str> {
    let word = typed.trim().trim_end_matches(';').trim_end_matches("()");
    let is_known = shell.scope.contains(word) || shell.knows(word) && word != "exit";
    match word {
        _ if is_known || typed.contains('(') => None,
        "help" | "?" => Some(":help"),
        "exit" | "quit" => Some(":quit"),
        _ => None,
    }
}

fn answered(shell: &mut Shell, typed: &str) -> Result<Next> {
    let typed = meant(shell, typed).unwrap_or(typed);
    if typed.trim_start().starts_with(':') {
        let before = shell.lines();
        let ended = command::run(shell, typed);
        if shell.lines() == before {
            shell.skip_line();
        }
        return ended;
    }
    shell.run(typed, Manner::default()).map(Next::Go)
}

fn lines(host: &Host, shell: &Rc<RefCell<Shell>>, history: &History) -> Result<Lines> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Ok(Lines::Other);
    }
    let assistant = Assistant::new(Rc::clone(shell), host.console.colours_errors());
    let entries = history.read().into_iter();
    let past = entries.map(|past| past.entry.replace(history::LEFT_OUT, GAP));
    Lines::terminal(assistant, past)
}

fn greet(host: &Host, shell: &Shell) {
    let version = env!("CARGO_PKG_VERSION");
    let context = shell.session().config().context();
    host.console.note(&format!(
        "dashictl {version} in the context '{context}'. :help says what there is, Ctrl-D leaves"
    ));
}
