//! The program in tmux: what a person sees on the screen of a terminal that is pasted into and made smaller.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::operator::Operator;

/// How long is waited for what must appear.
const PATIENCE: Duration = Duration::from_mins(3);

/// A window of tmux, of a server of its own, that shows the program. The server ends with it.
pub struct Tmux<'a> {
    operator: &'a Operator,
    socket: PathBuf,
}

impl Operator {
    /// Starts the program in a window of 110 columns and 40 lines.
    pub fn in_tmux(&self, arguments: &[&str]) -> Tmux<'_> {
        let tmux = Tmux {
            operator: self,
            socket: self.home().join("tmux"),
        };
        let run = self.home().join("run.sh");
        std::fs::write(&run, script(&self.command(arguments))).unwrap();
        std::fs::set_permissions(&run, Permissions::from_mode(0o700)).unwrap();
        let run = run.to_str().unwrap();
        tmux.tell(&["new-session", "-d", "-x", "110", "-y", "40", run]);
        tmux
    }
}

/// A shell script that runs a command with its own environment and no other.
fn script(command: &Command) -> String {
    let quoted =
        |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap().replace('\'', "'\\''"));
    let mut script = "#!/bin/sh\nexec env -i TERM=xterm-256color".to_owned();
    for (name, value) in command.get_envs() {
        script.push_str(&format!(
            " {}={}",
            name.to_str().unwrap(),
            quoted(value.unwrap())
        ));
    }
    let folder = quoted(command.get_current_dir().unwrap().as_os_str());
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(quoted)
        .collect();
    // What it ended with stays to be read.
    format!(
        "{} sh -c 'trap : INT; cd \"$0\" && \"$@\"; echo \"ended with $?\"; sleep 600' {folder} {}\n",
        script,
        words.join(" ")
    )
}

impl Tmux<'_> {
    fn tell(&self, words: &[&str]) -> String {
        self.operator.anonymous(&self.told(words))
    }

    fn told(&self, words: &[&str]) -> Vec<u8> {
        let told = Command::new("tmux")
            .args(["-f", "/dev/null", "-S"])
            .arg(&self.socket)
            .args(words)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        assert!(
            told.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&told.stderr)
        );
        told.stdout
    }

    /// The screen, and what has gone out of it.
    pub fn screen(&self) -> String {
        self.tell(&["capture-pane", "-p", "-J", "-S", "-2000"])
    }

    /// Waits until this holds of the screen.
    pub fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            assert!(
                Instant::now() < deadline,
                "{what} did not come in:\n{screen}"
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a text stands on the screen so many times.
    pub fn expect(&self, text: &str, times: usize) -> String {
        self.until(text, |screen| screen.matches(text).count() >= times)
    }

    /// Waits for a text on a screen that may show what nobody but who types it should see, and lets go of that screen.
    pub fn expect_and_forget(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        let is_there =
            || String::from_utf8_lossy(&self.told(&["capture-pane", "-p"])).contains(text);
        while !is_there() {
            assert!(Instant::now() < deadline, "{text:?} did not come");
            thread::sleep(Duration::from_millis(50));
        }
        self.press(&["C-l"]);
        while is_there() {
            assert!(Instant::now() < deadline, "{text:?} did not go");
            thread::sleep(Duration::from_millis(50));
        }
        self.told(&["clear-history"]);
    }

    /// Types letters.
    pub fn type_text(&self, text: &str) {
        // A `;` at the end of an argument is tmux's own.
        let text = match text.strip_suffix(';') {
            Some(before) => format!("{before}\\;"),
            None => text.to_owned(),
        };
        self.tell(&["send-keys", "-l", &text]);
    }

    /// Presses keys by the names that tmux has for them.
    pub fn press(&self, keys: &[&str]) {
        self.tell(&[&["send-keys"], keys].concat());
    }

    /// Types a line.
    pub fn enter(&self, text: &str) {
        self.type_text(text);
        self.press(&["Enter"]);
    }

    /// Waits for the prompt with nothing typed behind it. What is typed before that is the terminal's, not the program's: it shows
    /// twice, and Ctrl-C and Ctrl-D mean other things.
    pub fn ready(&self) {
        self.until_last("the prompt", |line| line.ends_with('>'));
    }

    /// Types an entry at the prompt.
    pub fn entry(&self, text: &str) {
        self.ready();
        self.type_text(text);
        self.until_last(text, |line| line.contains(text.trim()));
        self.press(&["Enter"]);
    }

    /// Waits until this holds of the last line of the screen.
    fn until_last(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Not asked for secrets: who types one sees it.
            let screen = self.told(&["capture-pane", "-p", "-J"]);
            let screen = String::from_utf8_lossy(&screen);
            let last = screen
                .lines()
                .map(str::trim_end)
                .rfind(|line| !line.is_empty());
            if last.is_some_and(&holds) {
                return;
            }
            assert!(Instant::now() < deadline, "{what:?} did not come");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Pastes a text, as a terminal does that says so to the program.
    pub fn paste(&self, text: &str) {
        let file = self.operator.work_file("pasted", text);
        self.tell(&["load-buffer", file.to_str().unwrap()]);
        self.tell(&["paste-buffer", "-p"]);
    }

    /// Makes the window another size.
    pub fn resize(&self, columns: usize) {
        self.tell(&["set-option", "-g", "window-size", "manual"]);
        self.tell(&["resize-window", "-x", &columns.to_string(), "-y", "40"]);
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        let _ = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .arg("kill-server")
            .output();
    }
}
