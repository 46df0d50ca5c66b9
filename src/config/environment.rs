//! The process environment as a value, and the folders that it names.
//!
//! Nothing else in `config` asks the process, so a test can be given any environment. Reading keys out of it is done in
//! `variables`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The folder of this program inside each XDG folder.
const FOLDER: &str = "dashi";

/// Environment variables, by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process. Bytes that are no Unicode are replaced, so that a damaged value is seen as
    /// damaged and not as absent.
    #[must_use]
    pub fn of_process() -> Environment {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        std::env::vars_os()
            .map(|(name, value)| (lossy(name), lossy(value)))
            .collect()
    }

    /// The value of a variable; an empty one, or one of blanks, counts as unset.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.trim().is_empty())
    }

    /// All variables with their values, for a program that is to have the same.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The names of all variables that are set.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(|name| self.get(name).is_some())
    }

    /// The folder of `config.toml` and of the operator's scripts: `DASHI_CONFIG_HOME`, else `dashi` under
    /// `XDG_CONFIG_HOME` or `~/.config`.
    pub fn config_dir(&self) -> Result<PathBuf> {
        match self.get("DASHI_CONFIG_HOME") {
            Some(dir) => Ok(std::path::absolute(dir).unwrap_or_else(|_| dir.into())),
            None => self
                .xdg("XDG_CONFIG_HOME", ".config", "configuration")
                .map_err(|error| {
                    error.hint("or set DASHI_CONFIG_HOME to the folder that holds config.toml")
                }),
        }
    }

    /// The folder of journals and locks: `dashi` under `XDG_STATE_HOME` or `~/.local/state`.
    pub fn state_dir(&self) -> Result<PathBuf> {
        self.xdg("XDG_STATE_HOME", ".local/state", "state")
    }

    /// The folder of the sandbox's lake: `dashi` under `XDG_DATA_HOME` or `~/.local/share`.
    pub fn data_dir(&self) -> Result<PathBuf> {
        self.xdg("XDG_DATA_HOME", ".local/share", "data")
    }

    /// The folder of what can be fetched again: `dashi` under `XDG_CACHE_HOME` or `~/.cache`.
    pub fn cache_dir(&self) -> Result<PathBuf> {
        self.xdg("XDG_CACHE_HOME", ".cache", "cache")
    }

    /// The kubeconfig files, the first that says something wins: those that `KUBECONFIG` names, else `~/.kube/config`.
    #[must_use]
    pub fn kubeconfigs(&self) -> Vec<PathBuf> {
        match (self.get("KUBECONFIG"), self.get("HOME")) {
            (Some(paths), _) => std::env::split_paths(paths).collect(),
            (None, Some(home)) => vec![Path::new(home).join(".kube/config")],
            (None, None) => Vec::new(),
        }
    }

    /// An XDG folder. A relative path in the variable is ignored, as the XDG Base Directory Specification demands.
    fn xdg(&self, variable: &str, below_home: &str, what: &str) -> Result<PathBuf> {
        let given = self.get(variable).map(Path::new);
        if let Some(dir) = given.filter(|dir| dir.is_absolute()) {
            return Ok(dir.join(FOLDER));
        }
        let home = self.get("HOME").ok_or_else(|| {
            Error::config(format!(
                "cannot tell where the {what} folder is: HOME is not set"
            ))
            .hint(format!(
                "set HOME, or {variable} to an absolute path (cron and systemd set neither by themselves)"
            ))
        })?;
        Ok(Path::new(home).join(below_home).join(FOLDER))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Environment {
        Environment(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for Environment {
    /// The names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn folders(pairs: &[(&str, &str)]) -> [PathBuf; 4] {
        let env: Environment = pairs.iter().copied().collect();
        [
            env.config_dir(),
            env.state_dir(),
            env.data_dir(),
            env.cache_dir(),
        ]
        .map(|dir| dir.unwrap())
    }

    #[test]
    fn folders_lie_below_home_by_default() {
        let expected = [
            "/home/ada/.config/dashi",
            "/home/ada/.local/state/dashi",
            "/home/ada/.local/share/dashi",
            "/home/ada/.cache/dashi",
        ]
        .map(PathBuf::from);
        assert_eq!(folders(&[("HOME", "/home/ada")]), expected);
    }

    #[test]
    fn xdg_variables_win_when_absolute() {
        let dirs = folders(&[
            ("HOME", "/home/ada"),
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_STATE_HOME", "relative"),
            ("XDG_DATA_HOME", ""),
            ("XDG_CACHE_HOME", "/k"),
        ]);
        let expected = [
            "/c/dashi",
            "/home/ada/.local/state/dashi",
            "/home/ada/.local/share/dashi",
            "/k/dashi",
        ]
        .map(PathBuf::from);
        assert_eq!(dirs, expected);
    }

    #[test]
    fn dashi_config_home_is_the_folder_itself_and_needs_no_home() {
        let env: Environment = [
            ("DASHI_CONFIG_HOME", "/etc/lake"),
            ("XDG_CONFIG_HOME", "/c"),
        ]
        .into_iter()
        .collect();
        assert_eq!(env.config_dir().unwrap(), PathBuf::from("/etc/lake"));
    }

    #[test]
    fn a_relative_dashi_config_home_is_made_absolute() {
        let env: Environment = [("DASHI_CONFIG_HOME", "lake")].into_iter().collect();
        let dir = env.config_dir().unwrap();
        assert!(dir.is_absolute() && dir.ends_with("lake"), "{dir:?}");
    }

    #[test]
    fn a_missing_home_is_an_error_that_says_so() {
        let env: Environment = [("HOME", "")].into_iter().collect();
        for error in [
            env.config_dir().unwrap_err(),
            env.state_dir().unwrap_err(),
            env.data_dir().unwrap_err(),
            env.cache_dir().unwrap_err(),
        ] {
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.to_string().ends_with("HOME is not set"), "{error}");
            assert!(error.detail().hints[0].contains("set HOME"));
        }
    }

    #[test]
    fn printing_an_environment_for_debugging_shows_no_value() {
        let env: Environment = [("DASHI_S3_SECRET_KEY", "hunter2hunter2")]
            .into_iter()
            .collect();
        assert_eq!(format!("{env:?}"), r#"{"DASHI_S3_SECRET_KEY"}"#);
    }
}
