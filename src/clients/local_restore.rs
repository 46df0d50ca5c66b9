//! The program that restores a dump into a throw-away PostgreSQL (`restore.sh`), and how it runs on this machine: in a
//! process group of its own, tied to this process by its standard input, which ends with it however it ends.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use crate::error::{Error, Kind, Result};

/// The program, for bash.
pub const PROGRAM: &str = include_str!("restore.sh");

/// The dump may stay away so long without a byte more.
const PATIENCE: Duration = Duration::from_mins(2);
/// It may take so long to end once nobody waits for it.
const LAST: Duration = Duration::from_secs(20);

/// A program that runs.
pub struct Running {
    child: Child,
    tether: Option<ChildStdin>,
}

impl Running {
    /// Starts it in a folder, where the dump is to come.
    pub fn start(work: &Path, label: &str, programs: Option<&Path>) -> Result<Running> {
        let mut command = Command::new("bash");
        command
            .args(["-c", PROGRAM])
            .env("WORK", work)
            .env("LABEL", label)
            .env("PATIENCE", PATIENCE.as_secs().to_string())
            .env("TETHER", "yes")
            .env_remove("PG_BIN")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(programs) = programs {
            command.env("PG_BIN", programs);
        }
        let mut child = command.spawn().map_err(|error| {
            Error::new(Kind::Io, "bash cannot be started")
                .caused_by(&error)
                .hint("the restore on this machine is a program for bash: install it")
        })?;
        let tether = child.stdin.take();
        Ok(Running { child, tether })
    }

    /// Hands on its lines until it has ended.
    pub async fn lines(&mut self, mut each: impl FnMut(String)) -> Result<()> {
        let Some(output) = self.child.stdout.take() else {
            return Err(Error::internal("a program without an output"));
        };
        let mut lines = BufReader::new(output).lines();
        let broken = |error: std::io::Error| {
            Error::new(Kind::Io, "its lines cannot be read").caused_by(&error)
        };
        while let Some(line) = lines.next_line().await.map_err(broken)? {
            each(line);
        }
        self.child.wait().await.map(drop).map_err(broken)
    }

    /// Ends it, and waits until it has cleaned up.
    pub async fn end(mut self) {
        self.tether.take();
        let _ = timeout(LAST, self.child.wait()).await;
    }
}
