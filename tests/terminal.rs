//! The program on a terminal: a person who reads what appears there, types lines and presses Ctrl-C.

use std::io::{Read, Write};
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};

use super::operator::{Operator, Ran};

/// How long is waited for what must appear: a busy machine walks the whole real lake meanwhile.
const PATIENCE: Duration = Duration::from_mins(3);

/// A terminal of 40 lines by 120 columns, whose foreground is the program. Left without [`Terminal::finish`], the
/// program is killed.
pub struct Terminal<'a> {
    operator: &'a Operator,
    child: Child,
    keyboard: Arc<Pty>,
    screen: Receiver<Vec<u8>>,
    /// Every byte so far.
    seen: Vec<u8>,
    /// Up to where what was seen, made plain, was expected.
    read: usize,
}

impl Operator {
    /// Starts the program on a terminal.
    pub fn on_terminal(&self, arguments: &[&str]) -> Terminal<'_> {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(40, 120)).unwrap();
        let mut command = self.command(arguments);
        command.env("TERM", "xterm-256color");
        let child = Command::from(command).spawn(pts).unwrap();
        let keyboard = Arc::new(pty);
        Terminal {
            operator: self,
            child,
            screen: watch(Arc::clone(&keyboard)),
            keyboard,
            seen: Vec::new(),
            read: 0,
        }
    }
}

/// Passes on what appears, until no program has the terminal any more.
fn watch(pty: Arc<Pty>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = (&*pty).read(&mut bytes) {
            if sender.send(bytes[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Terminal<'_> {
    /// Waits until this appears, after what was expected before. What is typed appears too.
    pub fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = plain(&self.seen);
            let mut places = seen[self.read..].windows(text.len());
            if let Some(place) = places.position(|window| window == text.as_bytes()) {
                self.read += place + text.len();
                return;
            }
            assert!(
                self.look(deadline),
                "{text:?} did not appear after {:?} in:\n{}",
                String::from_utf8_lossy(&seen[..self.read]),
                self.shown()
            );
        }
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        self.press(format!("{line}\n").as_bytes());
    }

    /// Ends the input, as Ctrl-D at the begin of a line does.
    pub fn type_end(&mut self) {
        self.press(b"\x04");
    }

    /// Presses Ctrl-C, which the terminal turns into a signal.
    pub fn press_ctrl_c(&mut self) {
        self.press(b"\x03");
    }

    fn press(&mut self, keys: &[u8]) {
        (&*self.keyboard).write_all(keys).unwrap();
    }

    /// Waits for the end. All that appeared is the run's stdout.
    pub fn finish(mut self) -> Ran {
        let deadline = Instant::now() + PATIENCE;
        while self.look(deadline) {}
        assert!(
            Instant::now() < deadline,
            "the program did not end:\n{}",
            self.shown()
        );
        Ran {
            code: self.child.wait().unwrap().code(),
            stdout: self.shown(),
            stderr: String::new(),
        }
    }

    /// Reads on; false at the end and when the time is over.
    fn look(&mut self, deadline: Instant) -> bool {
        let patience = deadline.saturating_duration_since(Instant::now());
        let bytes = self.screen.recv_timeout(patience);
        let came = bytes.is_ok();
        self.seen.extend(bytes.unwrap_or_default());
        came
    }

    fn shown(&self) -> String {
        self.operator.anonymous(&plain(&self.seen))
    }
}

/// What a person reads: without colours and other control sequences, and with the line ends that every file has.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b'\x1b' => drop(rest.find(u8::is_ascii_alphabetic)),
            b'\r' => {}
            byte => read.push(byte),
        }
    }
    read
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_question_is_answered_by_the_next_line() {
    let operator = Operator::new();
    let mut terminal = operator.on_terminal(&["eval", "ask(\"Which domain?\")"]);
    terminal.expect("Which domain? ");
    terminal.type_line("klima");
    let shown = terminal.finish().success();
    assert_eq!(shown, "Which domain? klima\nklima\n");
}

#[test]
fn ctrl_c_leaves_a_question() {
    let operator = Operator::new();
    let mut terminal = operator.on_terminal(&["eval", "ask(\"Which domain?\")"]);
    terminal.expect("Which domain?");
    terminal.press_ctrl_c();
    let ran = terminal.finish();
    assert_eq!(ran.code, Some(130), "{ran}");
    assert!(ran.stdout.contains("stopped: interrupted"), "{ran}");
}
