//! Where a value came from.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from, in the order of precedence: each beats those above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File {
        /// The file, as an absolute path.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
        /// The context whose block it stands in; none for the file's own part. A block beats that part.
        context: Option<String>,
    },
    /// An environment variable, by its full name.
    Variable(String),
    /// A flag, with its dashes.
    Flag(String),
    /// The embedded lake of the sandbox.
    Sandbox,
}

impl Origin {
    /// How strong it is; the higher one wins.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Origin::Default => 0,
            Origin::File { context: None, .. } => 1,
            Origin::File { .. } => 2,
            Origin::Variable(_) => 3,
            Origin::Flag(_) => 4,
            Origin::Sandbox => 5,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line, .. } => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) | Origin::Flag(name) => f.write_str(name),
            Origin::Sandbox => f.write_str("sandbox"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_shown_as_something_to_open_or_unset() {
        let file = Origin::File {
            path: "/home/ada/.config/dashi/config.toml".into(),
            line: 12,
            context: Some("prod".to_owned()),
        };
        let shown = [
            Origin::Default,
            file,
            Origin::Variable("DASHI_STAC_URL".to_owned()),
            Origin::Flag("--stac-url".to_owned()),
            Origin::Sandbox,
        ]
        .map(|origin| origin.to_string());
        let expected = [
            "default",
            "/home/ada/.config/dashi/config.toml:12",
            "DASHI_STAC_URL",
            "--stac-url",
            "sandbox",
        ];
        assert_eq!(shown, expected);
    }
}
