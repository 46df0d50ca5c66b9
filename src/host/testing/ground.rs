//! What one test finds: a HOME of its own with a new sandbox whose clock stands, an empty working folder, and the scripts of its
//! folder as commands. The process that runs it is started here, and ended where it takes too long.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::{Pid, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Child;

use super::case::Case;
use super::verdict::{Outcome, Verdict};
use crate::config::Environment;
use crate::error::{Error, Kind, Result};
use crate::parent;
use crate::sandbox::Clock;
use crate::script::library::has_ending;

/// When each test begins: a Monday.
const BEGIN: &str = "2026-03-02T08:00:00Z";
/// How the names of their folders begin; the number of the process follows.
const PREFIX: &str = "dashictl-test-";
/// A folder of nobody is removed after this time.
const LEFT: Duration = Duration::from_hours(1);
/// So much of what a test prints is kept: its end.
const SHOWN: usize = 64 << 10;
/// What a test keeps of the environment: all else is the same everywhere.
const KEPT: [&str; 3] = ["PATH", "TMPDIR", "LANG"];

/// The ground of one test. It is gone with this.
struct Ground {
    folder: TempDir,
}

impl Ground {
    fn lay(case: &Case, environment: &Environment) -> Result<Ground> {
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir();
        let folder = folder.map_err(|error| {
            Error::io(
                "create the folder of a test in",
                &std::env::temp_dir(),
                &error,
            )
        })?;
        let ground = Ground { folder };
        for made in [ground.working(), ground.config(), ground.sandbox()] {
            fs::create_dir_all(&made).map_err(|error| Error::io("create", &made, &error))?;
        }
        let begin: Timestamp = BEGIN
            .parse()
            .map_err(|_| Error::internal("the tests have no beginning"))?;
        Clock::of(&ground.sandbox()).set(Some(begin))?;
        let own = environment.config_dir().ok();
        ground.bring_scripts(case, own.as_deref())?;
        if let Some(lib) = own.map(|own| own.join("lib")).filter(|lib| lib.is_dir()) {
            link(&lib, &ground.config().join("lib"))?;
        }
        Ok(ground)
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn working(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn config(&self) -> PathBuf {
        self.home().join(".config/dashi")
    }

    fn sandbox(&self) -> PathBuf {
        self.home().join(".local/share/dashi/sandbox")
    }

    fn outcome(&self) -> PathBuf {
        self.folder.path().join("outcome.json")
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("output")
    }

    /// Makes scripts commands: those of the operator's own folder where the test is of it, else those of the folder that was named
    /// and those beside the test, by their own names. Of a single file, what lies deeper may be anything.
    fn bring_scripts(&self, case: &Case, own: Option<&Path>) -> Result<()> {
        let scripts = self.config().join("scripts");
        let file = absolute(&case.file);
        if let Some(own) = own
            .map(|own| own.join("scripts"))
            .filter(|own| file.starts_with(own))
        {
            return link(&own, &scripts);
        }
        fs::create_dir_all(&scripts).map_err(|error| Error::io("create", &scripts, &error))?;
        if let Some(folder) = &case.folder {
            bring(&absolute(folder), &scripts, |_| true)?;
        }
        let beside = file.parent().unwrap_or_else(|| Path::new("/"));
        bring(beside, &scripts, has_scripts)
    }

    /// Starts the process that runs the test.
    fn begin(&self, case: &Case, environment: &Environment) -> Result<Child> {
        let failed = |error: &std::io::Error| {
            Error::new(Kind::Io, "a test cannot be started").caused_by(error)
        };
        let output = File::create(self.output()).map_err(|error| failed(&error))?;
        let both = output.try_clone().map_err(|error| failed(&error))?;
        let kept = KEPT
            .iter()
            .filter_map(|name| Some((*name, environment.get(name)?.to_owned())));
        let home = self.home().display().to_string();
        let own = [("HOME", home), ("TZ", "UTC".to_owned())];
        parent::child(kept.chain(own))?
            .args([
                "--context",
                "sandbox",
                "--color",
                "never",
                "test",
                "--alone",
                &case.name,
            ])
            .arg("--outcome")
            .arg(self.outcome())
            .arg("--")
            .arg(absolute(&case.file))
            .current_dir(self.working())
            .stdout(output)
            .stderr(both)
            .spawn()
            .map_err(|error| failed(&error))
    }

    /// What it printed, with the names of files as they were typed.
    fn printed(&self, case: &Case) -> String {
        let bytes = fs::read(self.output()).unwrap_or_default();
        let before = bytes.len().saturating_sub(SHOWN);
        let mut text = String::from_utf8_lossy(&bytes[before..]).into_owned();
        if before > 0 {
            text.insert_str(0, &format!("… {before} bytes before this are left out\n"));
        }
        let named = case.folder.as_deref().or_else(|| case.file.parent());
        let typed = named.unwrap_or_else(|| Path::new(""));
        let here = if typed.as_os_str().is_empty() {
            Path::new(".")
        } else {
            typed
        };
        let scripts = self.config().join("scripts");
        [absolute(here), scripts].iter().fold(text, |text, real| {
            let (real, typed) = (format!("{}/", real.display()), typed.join(""));
            text.replace(&real, &typed.display().to_string())
        })
    }

    /// The error that the test ended with, as it wrote it down.
    fn error(&self) -> Option<Value> {
        let text = fs::read(self.outcome()).ok()?;
        let outcome: Value = serde_json::from_slice(&text).ok()?;
        Some(outcome["error"].clone()).filter(|error| !error.is_null())
    }
}

/// Removes what runs have left that were killed a good while ago: others may see this folder under other numbers of processes.
pub(super) fn sweep() {
    let is_alive = |pid: i32| Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok());
    let entries = fs::read_dir(std::env::temp_dir());
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        let is_left = owner
            .and_then(|pid| pid.parse().ok())
            .is_some_and(|pid| !is_alive(pid));
        if is_left && age(&entry).is_some_and(|age| age > LEFT) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn age(entry: &fs::DirEntry) -> Option<Duration> {
    entry.metadata().ok()?.modified().ok()?.elapsed().ok()
}

/// Runs a test. That it fails is its verdict; that it could not be run is an error.
pub(super) async fn verdict<'a>(
    case: &'a Case,
    environment: &Environment,
    timeout: Duration,
) -> Result<Verdict<'a>> {
    let ground = Ground::lay(case, environment)?;
    let began = Instant::now();
    let mut child = ground.begin(case, environment)?;
    let ended = tokio::time::timeout(timeout, ended(&mut child)).await;
    let took = began.elapsed();
    let (outcome, error) = match ended {
        Err(_) => {
            let _ = child.kill().await;
            let limit = crate::time::spell(timeout);
            let text =
                format!("it took longer than {limit}, and was ended: --timeout gives it more");
            (Outcome::TimedOut, Some(Value::from(text)))
        }
        Ok(status) => match (status?.code(), ground.error()) {
            (Some(0), _) => (Outcome::Passed, None),
            (_, Some(error)) => (Outcome::Failed, Some(error)),
            (code, None) => {
                let code = code.map_or("by a signal".to_owned(), |code| {
                    format!("with exit code {code}")
                });
                (
                    Outcome::Failed,
                    Some(Value::from(format!("its process ended {code}"))),
                )
            }
        },
    };
    Ok(Verdict {
        case,
        outcome,
        took,
        error,
        output: ground.printed(case),
    })
}

async fn ended(child: &mut Child) -> Result<ExitStatus> {
    child
        .wait()
        .await
        .map_err(|error| Error::new(Kind::Io, "a test cannot be waited for").caused_by(&error))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn link(from: &Path, to: &Path) -> Result<()> {
    match symlink(from, to) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Error::io("create", to, &error))
        }
        _ => Ok(()),
    }
}

/// Links to the scripts of a folder, and to those of its folders that are wanted, unless there is something of the name.
fn bring(folder: &Path, scripts: &Path, wants: impl Fn(&Path) -> bool) -> Result<()> {
    let entries =
        fs::read_dir(folder).map_err(|error| Error::io("read the folder", folder, &error))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let brings = if path.is_dir() {
            wants(&path)
        } else {
            has_ending(&path)
        };
        if let Some(name) = path.file_name().filter(|_| brings) {
            link(&path, &scripts.join(name))?;
        }
    }
    Ok(())
}

fn has_scripts(folder: &Path) -> bool {
    let is_hidden = folder
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let mut files = fs::read_dir(folder).into_iter().flatten().flatten();
    !is_hidden && files.any(|entry| has_ending(&entry.path()))
}
