//! Who types: runs the program with an environment of its own, and shows all that came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// An operator with an empty HOME, an empty working folder and no environment but what a test gives.
pub struct Operator {
    folder: TempDir,
    variables: BTreeMap<String, String>,
    context: Option<String>,
}

impl Operator {
    /// Somebody on a fresh machine.
    pub fn new() -> Operator {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("home")).unwrap();
        fs::create_dir_all(folder.path().join("work")).unwrap();
        Operator {
            folder,
            variables: BTreeMap::new(),
            context: None,
        }
    }

    /// Somebody who types `--context NAME` before everything.
    pub fn in_context(context: &str) -> Operator {
        let mut operator = Operator::new();
        operator.context = Some(context.to_owned());
        operator
    }

    /// With an environment variable.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Operator {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// HOME.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The working folder.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Writes a file below HOME.
    pub fn home_file(&self, path: &str, text: &str) -> PathBuf {
        write(&self.home().join(path), text)
    }

    /// Writes a file below the working folder.
    pub fn work_file(&self, path: &str, text: &str) -> PathBuf {
        write(&self.work().join(path), text)
    }

    /// Writes the configuration file, for its owner's eyes only.
    pub fn config(&self, text: &str) -> PathBuf {
        let path = self.home_file(".config/dashi/config.toml", text);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Runs the program with these arguments and nothing on stdin.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.ended(self.start(arguments))
    }

    /// The same, with variables for this run alone.
    pub fn run_in(&self, variables: &[(&str, String)], arguments: &[&str]) -> Ran {
        let variables = variables.iter().map(|(name, value)| (name, value));
        let child = self.command(arguments).envs(variables).spawn().unwrap();
        self.ended(child)
    }

    /// Runs a command line that the program has printed, as it stands, in a shell.
    pub fn copied(&self, line: &str) -> Ran {
        let folder = program().parent().unwrap().to_string_lossy();
        let mut shell = Command::new("sh");
        self.surround(&mut shell);
        let child = shell
            .args(["-c", &format!("PATH='{folder}':$PATH; {line}")])
            .spawn();
        self.ended(child.unwrap())
    }

    /// Waits for the end of a program that was started.
    pub fn ended(&self, mut child: Child) -> Ran {
        drop(child.stdin.take());
        let output = child.wait_with_output().unwrap();
        Ran {
            stdout: self.anonymous(&output.stdout),
            stderr: self.anonymous(&output.stderr),
            code: output.status.code(),
        }
    }

    /// Starts the program and does not wait for it.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// The command line, with pipes and the operator's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        self.surround(&mut command);
        if let Some(context) = &self.context {
            command.args(["--context", context]);
        }
        command.args(arguments);
        command
    }

    /// Gives a program the operator's environment, and pipes.
    fn surround(&self, command: &mut Command) {
        command
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(&self.variables)
            .current_dir(self.work())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    /// What was printed, with the folders of this test under the names they have for everybody.
    pub fn anonymous(&self, bytes: &[u8]) -> String {
        super::canary::assert_none(bytes, "what was printed");
        let text = String::from_utf8_lossy(bytes);
        text.replace(&*self.home().to_string_lossy(), "~")
            .replace(&*self.work().to_string_lossy(), "$WORK")
    }
}

impl Drop for Operator {
    /// What the program leaves in HOME (journals, plans, its sandbox) holds no secret.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            super::canary::assert_none_below(&self.home());
        }
    }
}

/// The program under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_dashictl"))
}

fn write(path: &Path, text: &str) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    path.to_path_buf()
}

/// All that came of one command line. Its Display is what a terminal would have shown.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

impl Ran {
    /// The standard output of a run that must have succeeded.
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self}");
        self.stdout
    }

    /// The standard output of a run that must have succeeded, as JSON.
    pub fn json(self) -> serde_json::Value {
        let stdout = self.success();
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error} in:\n{stdout}"))
    }

    /// What is printed on stderr between these two, which must be there.
    pub fn told(&self, before: &str, after: &str) -> String {
        let rest = self.stderr.split_once(before);
        let told = rest.and_then(|(_, rest)| rest.split_once(after));
        let (told, _) = told.unwrap_or_else(|| panic!("no {before:?} … {after:?}: {self}"));
        told.to_owned()
    }

    /// The standard error of a run that must have ended with this code.
    pub fn failure(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self}");
        self.stderr
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stdout)?;
        if !self.stderr.is_empty() {
            write!(f, "------- stderr -------\n{}", self.stderr)?;
        }
        match self.code {
            Some(0) => Ok(()),
            Some(code) => write!(f, "[exit status: {code}]"),
            None => write!(f, "[killed]"),
        }
    }
}
