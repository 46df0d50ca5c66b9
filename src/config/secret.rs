//! Secrets: values that are not shown, and that a file or a program may hold.
//!
//! A [`Secret`] cannot be displayed, serialised or compared; the one way to its text is [`Secret::expose`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::command;
use crate::error::{Error, Result};

/// No secret is larger than this many bytes.
const LARGEST: u64 = 1 << 20;

/// How long a program may take to give a secret.
const LIMIT: Duration = Duration::from_secs(10);

/// A secret, read when it is first needed and kept from then on. Clones share what was read.
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

struct Inner {
    setting: String,
    source: Source,
    value: OnceLock<String>,
    /// Held while reading, so that two threads don't ask a password manager twice.
    reading: Mutex<()>,
}

enum Source {
    Text(String),
    File(PathBuf),
    Command(Vec<String>),
}

impl Secret {
    /// A secret that is known. `setting` names it in errors.
    #[must_use]
    pub fn text(setting: impl Into<String>, value: impl Into<String>) -> Secret {
        Secret::from(setting, Source::Text(value.into()))
    }

    /// A secret that is the content of a file, without the line break at its end.
    #[must_use]
    pub fn file(setting: impl Into<String>, path: impl Into<PathBuf>) -> Secret {
        Secret::from(setting, Source::File(path.into()))
    }

    /// A secret that a program prints, without the line break at its end. The program is run without a shell.
    #[must_use]
    pub fn command(setting: impl Into<String>, words: Vec<String>) -> Secret {
        Secret::from(setting, Source::Command(words))
    }

    fn from(setting: impl Into<String>, source: Source) -> Secret {
        Secret(Arc::new(Inner {
            setting: setting.into(),
            source,
            value: OnceLock::new(),
            reading: Mutex::new(()),
        }))
    }

    /// The secret itself. The first call may read a file or run a program for up to ten seconds (and blocks meanwhile);
    /// later ones answer from memory. Fails when the file or the program gives none; the next call tries again.
    pub fn expose(&self) -> Result<&str> {
        match &self.0.source {
            Source::Text(value) => Ok(value),
            Source::File(path) => self.once(|| self.read_file(path)),
            Source::Command(words) => self.once(|| self.run(words, LIMIT)),
        }
    }

    /// The secret, when it is text or was read already. For redaction: what was never read cannot leak.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        match &self.0.source {
            Source::Text(value) => Some(value),
            _ => self.0.value.get().map(String::as_str),
        }
    }

    /// The setting that it is the value of.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.0.setting
    }

    /// Whether a program has to be run for it, which may ask somebody.
    #[must_use]
    pub fn asks_a_program(&self) -> bool {
        matches!(self.0.source, Source::Command(_)) && self.known().is_none()
    }

    /// What may be shown of it: the first four characters of a text, or where else it is from. Reads nothing.
    #[must_use]
    pub fn masked(&self) -> String {
        match &self.0.source {
            Source::Text(value) => mask(value),
            Source::File(path) => format!("from file {}", path.display()),
            Source::Command(words) => format!("from command {}", words.join(" ")),
        }
    }

    /// The value that is kept, or what `read` gives.
    fn once(&self, read: impl FnOnce() -> Result<String>) -> Result<&str> {
        let lock = self.0.reading.lock();
        let _reading = lock.unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = self.0.value.get() {
            return Ok(value);
        }
        let value = read()?;
        Ok(self.0.value.get_or_init(|| value))
    }

    fn read_file(&self, path: &Path) -> Result<String> {
        let setting = &self.0.setting;
        let bytes = crate::file::read(path, LARGEST).map_err(|error| {
            // A configuration fault whatever the cause: "not found" would read as "the item is not there" to a script.
            Error::config(format!(
                "cannot read {setting} from file {}",
                path.display()
            ))
            .cause(error.to_string())
        })?;
        self.accept(bytes, &format!("file {}", path.display()))
    }

    fn run(&self, words: &[String], limit: Duration) -> Result<String> {
        let command = format!("command {}", words.join(" "));
        let bytes = command::output(words, limit).map_err(|failure| {
            let error = Error::config(format!(
                "cannot read {} from {command}: it {}",
                self.0.setting, failure.says
            ));
            if failure.stderr.is_empty() {
                error
            } else {
                error.cause(failure.stderr)
            }
        })?;
        self.accept(bytes, &command)
    }

    /// What was read, as a secret: text that is not empty, without the line break at its end.
    fn accept(&self, bytes: Vec<u8>, source: &str) -> Result<String> {
        let refuse = |why: &str| Error::config(format!("{} from {source} {why}", self.0.setting));
        let text = String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8 text"))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(refuse("is empty")),
            value => Ok(value.to_owned()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The first four characters of a secret; nothing of one under nine characters, where four would be half of it. What
/// could steer a terminal is replaced.
fn mask(value: &str) -> String {
    let shown = if value.chars().count() < 9 { 0 } else { 4 };
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    value
        .chars()
        .take(shown)
        .map(printable)
        .chain(['…'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_mask_shows_four_characters_of_nine_or_more() {
        let letters = "abcdefghijkl";
        for length in 0..=12 {
            let expected = if length < 9 { "…" } else { "abcd…" };
            assert_eq!(mask(&letters[..length]), expected, "{length}");
        }
    }

    #[test]
    fn a_mask_counts_characters_and_not_bytes() {
        let letters: Vec<char> = "äß€語🦀ñøåéàçü".chars().collect();
        for length in 0..=12 {
            let secret: String = letters[..length].iter().collect();
            let expected = if length < 9 { "…" } else { "äß€語…" };
            assert_eq!(mask(&secret), expected, "{length}");
        }
        assert_eq!(mask("rustfsadmin"), "rust…");
        assert_eq!(mask("\u{1b}[2J-and-more"), "\u{fffd}[2J…");
    }

    #[test]
    fn debugging_shows_nothing() {
        let secret = Secret::text("s3.secret_key", "rustfssecret");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(format!("{:?}", Some(&secret)), "Some(Secret(…))");
    }

    #[test]
    fn a_text_is_known_at_once() {
        let secret = Secret::text("s3.secret_key", "rustfssecret");
        assert_eq!(secret.known(), Some("rustfssecret"));
        assert_eq!(secret.expose().unwrap(), "rustfssecret");
        assert_eq!(secret.masked(), "rust…");
    }

    #[test]
    fn a_file_is_read_when_needed_once_and_without_its_line_break() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let secret = Secret::file("s3.secret_key", &path);
        assert_eq!(secret.masked(), format!("from file {}", path.display()));
        assert_eq!(secret.known(), None);

        let error = secret.expose().unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let expected = format!("cannot read s3.secret_key from file {}", path.display());
        assert_eq!(error.to_string(), expected);

        std::fs::write(&path, " rustfs secret\r\n").unwrap();
        let clone = secret.clone();
        assert_eq!(clone.expose().unwrap(), " rustfs secret");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(secret.expose().unwrap(), " rustfs secret");
        assert_eq!(secret.known(), Some(" rustfs secret"));
        assert!(secret.masked().starts_with("from file "));
    }

    #[test]
    fn an_empty_or_binary_file_is_no_secret_and_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let cases: [(&[u8], &str); 3] = [
            (b"", "is empty"),
            (b"\n", "is empty"),
            (b"hunter2\xff", "is not UTF-8 text"),
        ];
        for (content, expected) in cases {
            std::fs::write(&path, content).unwrap();
            let error = Secret::file("stac.token", &path).expose().unwrap_err();
            assert!(error.to_string().ends_with(expected), "{error}");
            assert!(!format!("{:?}", error.detail()).contains("hunter2"));
        }
    }

    #[cfg(unix)]
    mod commands {
        use super::*;

        fn shell(script: &str) -> Secret {
            Secret::command(
                "s3.secret_key",
                ["sh", "-c", script].map(str::to_owned).into(),
            )
        }

        #[test]
        fn a_program_is_run_when_needed_and_once_for_all_threads() {
            let dir = tempfile::tempdir().unwrap();
            let calls = dir.path().join("calls");
            let secret = shell(&format!(
                "echo call >> '{}'; sleep 0.1; echo rustfssecret",
                calls.display()
            ));
            assert!(secret.masked().starts_with("from command sh -c "));
            assert!(!calls.exists());
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| assert_eq!(secret.expose().unwrap(), "rustfssecret"));
                }
            });
            assert_eq!(std::fs::read_to_string(&calls).unwrap(), "call\n");
        }

        #[test]
        fn a_failing_program_is_named_with_its_stderr_and_without_its_stdout() {
            let secret = shell("echo hunter2; echo 'gpg: no key' >&2; exit 2");
            let error = secret.expose().unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.to_string().contains("s3.secret_key from command sh"));
            assert!(error.to_string().ends_with("it failed with exit status: 2"));
            assert_eq!(error.detail().causes, ["gpg: no key"]);
        }

        #[test]
        fn a_program_that_hangs_is_named_with_the_limit() {
            let words = ["sleep", "20"].map(str::to_owned);
            let secret = Secret::command("stac.token", words.to_vec());
            let error = secret.run(&words, Duration::from_millis(50)).unwrap_err();
            let expected = "cannot read stac.token from command sleep 20: it did not end within 50ms and was stopped";
            assert_eq!(error.to_string(), expected);
        }

        #[test]
        fn a_program_that_prints_nothing_gives_no_secret() {
            let error = shell("echo").expose().unwrap_err();
            assert!(error.to_string().ends_with("is empty"), "{error}");
        }
    }
}
