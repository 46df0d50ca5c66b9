//! Asking a program for a secret: `pass show x`, `op read y`. Without a shell, with a time limit.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The most that a program may print: no secret is longer.
const MAX_OUTPUT: usize = 64 * 1024;

/// How long the rest of the output may take once the program has ended. A program that it left in the background (an
/// agent) can hold the pipe open for ever; what the program itself wrote is there by then.
const GRACE: Duration = Duration::from_millis(500);

/// Why a program gave no secret: the second half of a sentence, and what it wrote to stderr. Never its stdout.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) says: String,
    pub(crate) stderr: String,
}

impl Failure {
    fn new(says: impl Into<String>) -> Failure {
        Failure {
            says: says.into(),
            stderr: String::new(),
        }
    }
}

/// Runs a program without a shell and with nothing on stdin, and gives back what it wrote to stdout. One that takes
/// longer than `limit` is killed.
pub(crate) fn output(words: &[String], limit: Duration) -> Result<Vec<u8>, Failure> {
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| Failure::new("names no program"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::new(format!("could not be started: {error}")))?;
    let result = attend(&mut child, limit);
    if result.is_err() {
        // It may have ended already, and then there is nothing to kill; waiting leaves no zombie.
        let _ = child.kill();
        let _ = child.wait();
    }
    result
}

/// Waits for the child and takes its output.
fn attend(child: &mut Child, limit: Duration) -> Result<Vec<u8>, Failure> {
    let broken = |error: io::Error| Failure::new(format!("could not be followed: {error}"));
    let stdout = Collected::from(child.stdout.take()).map_err(broken)?;
    let stderr = Collected::from(child.stderr.take()).map_err(broken)?;
    let status = wait(child, Instant::now() + limit).map_err(broken)?;
    let says = match status {
        None => format!("did not end within {limit:?} and was stopped"),
        Some(status) if !status.success() => format!("failed with {status}"),
        Some(_) => {
            let bytes = stdout.take(GRACE);
            if bytes.len() <= MAX_OUTPUT {
                return Ok(bytes);
            }
            format!("printed more than {MAX_OUTPUT} bytes")
        }
    };
    let grace = if status.is_some() {
        GRACE
    } else {
        Duration::ZERO
    };
    let stderr = String::from_utf8_lossy(&stderr.take(grace))
        .trim()
        .to_owned();
    Err(Failure { says, stderr })
}

/// The child's exit status, or none when it has not ended by the deadline.
fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// What a pipe has given so far, read by a thread so that the child never waits for us.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    ended: Receiver<()>,
}

impl Collected {
    fn from(pipe: Option<impl Read + Send + 'static>) -> io::Result<Collected> {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = mpsc::channel();
        let target = Arc::clone(&bytes);
        thread::Builder::new().spawn(move || {
            if let Some(pipe) = pipe {
                drain(pipe, &target);
            }
            drop(end);
        })?;
        Ok(Collected { bytes, ended })
    }

    /// What has come, after waiting for the pipe's end at most this long.
    fn take(&self, grace: Duration) -> Vec<u8> {
        let _ = self.ended.recv_timeout(grace);
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut bytes)
    }
}

/// Reads a pipe to its end; keeps one byte more than is allowed, so that too much can be told.
fn drain(mut pipe: impl Read, target: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        let mut bytes = target.lock().unwrap_or_else(PoisonError::into_inner);
        let room = (MAX_OUTPUT + 1).saturating_sub(bytes.len()).min(count);
        bytes.extend_from_slice(&buffer[..room]);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Vec<u8>, Failure> {
        let words = ["sh", "-c", script].map(str::to_owned);
        output(&words, limit)
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn the_output_is_given_back_byte_by_byte() {
        assert_eq!(shell("printf 'a\\nb\\n'", LONG).unwrap(), b"a\nb\n");
    }

    #[test]
    fn words_reach_the_program_unexpanded() {
        let words = ["printf", "%s|", "$HOME", "*", "a b"].map(str::to_owned);
        assert_eq!(output(&words, LONG).unwrap(), b"$HOME|*|a b|");
    }

    #[test]
    fn stdin_is_empty() {
        assert_eq!(shell("cat; echo end", LONG).unwrap(), b"end\n");
    }

    #[test]
    fn a_failure_tells_stderr_and_never_stdout() {
        let failure = shell("echo hunter2; echo 'no such entry' >&2; exit 3", LONG).unwrap_err();
        assert_eq!(failure.says, "failed with exit status: 3");
        assert_eq!(failure.stderr, "no such entry");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let failure = output(&["/no/such/program".to_owned()], LONG).unwrap_err();
        assert!(failure.says.starts_with("could not be started: "));
        assert_eq!(output(&[], LONG).unwrap_err().says, "names no program");
    }

    #[test]
    fn a_program_that_hangs_is_stopped_even_when_its_children_hold_the_pipes() {
        let start = Instant::now();
        let failure = shell(
            "echo waiting >&2; sleep 20 & sleep 20",
            Duration::from_millis(300),
        )
        .unwrap_err();
        assert_eq!(failure.says, "did not end within 300ms and was stopped");
        assert_eq!(failure.stderr, "waiting");
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn an_agent_left_in_the_background_delays_but_does_not_spoil_the_output() {
        let start = Instant::now();
        assert_eq!(shell("sleep 20 & echo value", LONG).unwrap(), b"value\n");
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn endless_output_is_refused_in_bounded_memory() {
        let failure = shell("head -c 3000000 /dev/zero", LONG).unwrap_err();
        assert_eq!(failure.says, "printed more than 65536 bytes");
    }
}
