//! How the parts play together: a file, an environment and flags in, a configuration out.

use std::path::PathBuf;

use super::*;
use crate::error::Error;

mod contexts;
mod files;
mod precedence;
mod sandbox;
mod secrets;
mod services;
mod variables;

/// A machine of its own: a configuration folder, an environment, a command line.
struct Machine {
    dir: tempfile::TempDir,
    variables: Vec<(String, String)>,
    flags: Flags,
}

impl Machine {
    /// A machine without a configuration file.
    fn new() -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().display().to_string();
        let variables = vec![
            ("DASHI_CONFIG_HOME".to_owned(), home.clone()),
            ("HOME".to_owned(), home),
        ];
        Machine {
            dir,
            variables,
            flags: Flags::default(),
        }
    }

    /// A machine with this configuration file, which only its owner can read.
    fn with_file(text: &str) -> Machine {
        let machine = Machine::new();
        machine.write(text);
        machine
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
        self.chmod(0o600);
    }

    #[cfg(unix)]
    fn chmod(&self, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(self.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(not(unix))]
    fn chmod(&self, _: u32) {}

    fn path(&self) -> PathBuf {
        self.dir.path().join("config.toml")
    }

    fn set(mut self, name: &str, value: &str) -> Machine {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn flag(mut self, path: &'static str, value: &str) -> Machine {
        self.flags.values.push((path, value.to_owned()));
        self
    }

    fn context(mut self, name: &str) -> Machine {
        self.flags.context = Some(name.to_owned());
        self
    }

    fn env(&self) -> Environment {
        self.variables.iter().cloned().collect()
    }

    fn try_load(&self) -> Result<Config> {
        Config::load(&self.flags, &self.env())
    }

    fn load(&self) -> Config {
        self.try_load().unwrap()
    }

    /// The error of loading, its path to the file shortened to `config.toml`.
    fn error(&self) -> Refusal {
        let error = self.try_load().unwrap_err();
        let dir = format!("{}/", self.dir.path().display());
        let short = |text: &String| text.replace(&dir, "");
        Refusal {
            kind: error.kind(),
            message: short(&error.to_string()),
            hints: error.detail().hints.iter().map(short).collect(),
        }
    }

    /// Where a value of the file came from: this line.
    fn line(&self, line: usize) -> String {
        format!("{}:{line}", self.path().display())
    }
}

struct Refusal {
    kind: Kind,
    message: String,
    hints: Vec<String>,
}

/// What a setting shows and where it came from.
fn shown(config: &Config, path: &str) -> (String, String) {
    let setting = config.setting(path).unwrap();
    (setting.display(), setting.origin().to_string())
}

/// As strings in the way of [`shown`].
fn pair(display: &str, origin: &str) -> (String, String) {
    (display.to_owned(), origin.to_owned())
}

/// All that an error can show.
fn everything(error: &Error) -> String {
    format!("{error} {:?}", error.detail())
}
