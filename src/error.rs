//! What can go wrong, as one type: a kind that decides, a sentence that names the thing, hints that say what to do next.
//!
//! Wording of lower errors (their `From`s) belongs here; drawing belongs to `report`, and the way through a script
//! (positions, call trace) is attached by `engine::raise` as a [`Trace`].

use std::fmt;

/// What an error means. The kind, never the text, decides the exit code, the heading and what a script can catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The command line, a header or a script was written wrongly; nothing was sent.
    Usage,
    /// The configuration file, an environment variable or a secret is wrong; nothing was sent.
    Config,
    /// An effect that the run's header or mode does not allow.
    EffectRefused,
    /// The thing asked for does not exist.
    NotFound,
    /// It exists already, or somebody else changed it.
    Conflict,
    /// The service wants other credentials (401).
    Unauthorized,
    /// The credentials do not allow this (403).
    Forbidden,
    /// The service refused the request as wrong (400, 422 and kin).
    Invalid,
    /// The service, or the way to it, is down (5xx, refused or broken connections, throttling).
    Unavailable,
    /// No answer within the time allowed.
    Timeout,
    /// An answer that breaks the service's own protocol: a truncated page, a repeated token, an error inside a 200.
    Protocol,
    /// An answer that is larger than can be taken, by this program or by the service itself.
    TooLarge,
    /// A local file or stream could not be read or written.
    Io,
    /// A plan that no longer holds: used, expired, made for another context or by another script.
    Stale,
    /// Done in part: what was not done, and why, stands in the journal.
    Partial,
    /// A script failed on its own: `throw`, `fail`, a type error.
    Script,
    /// The operator stopped the run.
    Interrupted,
    /// Nobody reads stdout any more (`| head`); the run ends quietly.
    Closed,
    /// A fault of this program.
    Internal,
}

impl Kind {
    /// Every kind, in the order of the reference.
    pub const ALL: [Kind; 19] = [
        Kind::Usage,
        Kind::Config,
        Kind::EffectRefused,
        Kind::NotFound,
        Kind::Conflict,
        Kind::Unauthorized,
        Kind::Forbidden,
        Kind::Invalid,
        Kind::Unavailable,
        Kind::Timeout,
        Kind::Protocol,
        Kind::TooLarge,
        Kind::Io,
        Kind::Stale,
        Kind::Partial,
        Kind::Script,
        Kind::Interrupted,
        Kind::Closed,
        Kind::Internal,
    ];

    /// The name a script sees as `e.kind`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Usage => "usage",
            Kind::Config => "config",
            Kind::EffectRefused => "effect_refused",
            Kind::NotFound => "not_found",
            Kind::Conflict => "conflict",
            Kind::Unauthorized => "unauthorized",
            Kind::Forbidden => "forbidden",
            Kind::Invalid => "invalid",
            Kind::Unavailable => "unavailable",
            Kind::Timeout => "timeout",
            Kind::Protocol => "protocol",
            Kind::TooLarge => "too_large",
            Kind::Io => "io",
            Kind::Stale => "stale",
            Kind::Partial => "partial",
            Kind::Script => "script",
            Kind::Interrupted => "interrupted",
            Kind::Closed => "closed",
            Kind::Internal => "internal",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The process exit code: 1 failed, 2 usage or effect refused, 4 partly done, 5 a plan that no longer holds,
    /// 130 interrupted.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Usage | Kind::Config | Kind::EffectRefused => 2,
            Kind::Partial => 4,
            Kind::Stale => 5,
            Kind::Interrupted => 130,
            Kind::Closed => 0,
            _ => 1,
        }
    }

    /// What an HTTP status means.
    #[must_use]
    pub fn of_status(status: u16) -> Kind {
        match status {
            401 => Kind::Unauthorized,
            403 => Kind::Forbidden,
            404 | 410 => Kind::NotFound,
            409 | 412 => Kind::Conflict,
            408 | 425 | 429 | 500..=599 => Kind::Unavailable,
            400..=499 => Kind::Invalid,
            _ => Kind::Protocol,
        }
    }
}

/// A place in a source text, one-based; the column counts characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the operator knows it, or the name of a text that is in no file (`<eval>`).
    pub source: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1; 0 where only the line is known.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.line)?;
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        Ok(())
    }
}

/// The way through a script to an error: where it happened and who called whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Where it happened.
    pub at: Option<Place>,
    /// The text of the line it happened in.
    pub excerpt: Option<String>,
    /// The calls on the way, innermost first: function name and the place of the call.
    pub calls: Vec<(String, Place)>,
}

/// The parts of an [`Error`]; boxed, so that a `Result` stays small.
#[derive(Debug, Clone)]
pub struct Detail {
    /// What it means.
    pub kind: Kind,
    /// One sentence that names the thing.
    pub message: String,
    /// The service that was asked, by its configuration name: `stac`, `s3`, `prefect`, `loki`, `ingest`.
    pub service: Option<String>,
    /// The HTTP method or S3 operation.
    pub method: Option<String>,
    /// The URL that was asked, without credentials.
    pub url: Option<String>,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// What to do next, each a sentence.
    pub hints: Vec<String>,
    /// Why, as further sentences: the server's own words first.
    pub causes: Vec<String>,
    /// The way through a script.
    pub trace: Option<Trace>,
}

/// An error of this program. See [`Kind`] for what kinds there are and [`Detail`] for what is known of one.
#[derive(Debug, Clone)]
pub struct Error(Box<Detail>);

/// A result with this program's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this kind that says this.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error(Box::new(Detail {
            kind,
            message: message.into(),
            service: None,
            method: None,
            url: None,
            status: None,
            hints: Vec::new(),
            causes: Vec::new(),
            trace: None,
        }))
    }

    /// The command line or a script was written wrongly.
    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(Kind::Usage, message)
    }

    /// The configuration is wrong.
    pub fn config(message: impl Into<String>) -> Error {
        Error::new(Kind::Config, message)
    }

    /// A fault of this program.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(Kind::Internal, message)
    }

    /// The operator stopped the run.
    #[must_use]
    pub fn interrupted() -> Error {
        Error::new(Kind::Interrupted, "interrupted")
    }

    /// A file that could not be read or written: `doing` says what was tried, as in "read" or "create".
    #[must_use]
    pub fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Error {
        let kind = if error.kind() == std::io::ErrorKind::NotFound {
            Kind::NotFound
        } else {
            Kind::Io
        };
        Error::new(kind, format!("cannot {doing} {}", path.display())).cause(error.to_string())
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hints.push(hint.into());
        self
    }

    /// With "did you mean", where a near name was found.
    #[must_use]
    pub fn suggest(self, nearest: Option<&str>) -> Error {
        match nearest {
            Some(name) => self.hint(format!("did you mean '{name}'?")),
            None => self,
        }
    }

    /// With one more sentence why.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Error {
        self.0.causes.push(cause.into());
        self
    }

    /// With every source of this error as a cause.
    #[must_use]
    pub fn caused_by(mut self, error: &dyn std::error::Error) -> Error {
        let mut next = Some(error);
        while let Some(error) = next {
            let said = error.to_string();
            if self.0.causes.last() != Some(&said) {
                self.0.causes.push(said);
            }
            next = error.source();
        }
        self
    }

    /// With the request that failed.
    #[must_use]
    pub fn request(mut self, service: &str, method: &str, url: &str) -> Error {
        self.0.service = Some(service.to_owned());
        self.0.method = Some(method.to_owned());
        self.0.url = Some(url.to_owned());
        self
    }

    /// With the HTTP status of the answer.
    #[must_use]
    pub fn status(mut self, status: u16) -> Error {
        self.0.status = Some(status);
        self
    }

    /// With the way through a script; a trace that is there already (set nearer to the fault) stays.
    #[must_use]
    pub fn traced(mut self, trace: Trace) -> Error {
        if self.0.trace.is_none() {
            self.0.trace = Some(trace);
        }
        self
    }

    /// The same error with each of its texts put through `word`.
    #[must_use]
    pub fn reworded(mut self, word: impl Fn(&str) -> String) -> Error {
        let detail = &mut *self.0;
        detail.message = word(&detail.message);
        detail.url = detail.url.as_deref().map(&word);
        for text in detail.causes.iter_mut().chain(&mut detail.hints) {
            *text = word(text);
        }
        self
    }

    /// What it means.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// All that is known.
    #[must_use]
    pub fn detail(&self) -> &Detail {
        &self.0
    }

    /// All that is known, to change.
    pub fn detail_mut(&mut self) -> &mut Detail {
        &mut self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

/// The known name nearest to a mistyped one, when it is near enough to be meant.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = typed.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&lower, &name.to_lowercase()),
                name,
            )
        })
        // Nothing is left of a name that was changed in every letter.
        .filter(|(distance, name)| *distance < typed.chars().count() || is_part(&lower, name))
        .filter(|(distance, name)| {
            *distance <= 1.max(name.chars().count().max(typed.chars().count()) / 3)
                || is_part(&lower, name)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Whether what was typed is the beginning of a longer name, as in `coll` for `collections`.
fn is_part(typed: &str, name: &str) -> bool {
    typed.chars().count() >= 3 && name.to_lowercase().starts_with(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_has_every_kind_with_its_exit_code() {
        let chapter = include_str!("../docs/src/errors.md");
        for kind in Kind::ALL {
            let row = format!("| `{}` | {} |", kind.name(), kind.exit_code());
            assert!(chapter.contains(&row), "{row}");
        }
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
    }

    #[test]
    fn a_transposed_name_is_near_and_a_stranger_is_not() {
        assert_eq!(nearest("limti", ["recursive", "limit"]), Some("limit"));
        assert_eq!(
            nearest("gelaende", ["raw", "gelaende-umwelt"]),
            Some("gelaende-umwelt")
        );
        assert_eq!(nearest("bananas", ["recursive", "limit"]), None);
    }

    #[test]
    fn a_single_letter_is_near_to_nothing_else() {
        assert_eq!(nearest("a", ["-", "b"]), None);
    }

    #[test]
    fn a_status_means_its_kind() {
        let kinds = [404, 409, 401, 403, 422, 503].map(Kind::of_status);
        assert_eq!(
            kinds,
            [
                Kind::NotFound,
                Kind::Conflict,
                Kind::Unauthorized,
                Kind::Forbidden,
                Kind::Invalid,
                Kind::Unavailable
            ]
        );
    }
}
