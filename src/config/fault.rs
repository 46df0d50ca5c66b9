//! What is wrong with one value, before it is known where the value stands.
//!
//! A reader of values says "must be ..", and whoever asked for the value (the file, a variable, a flag) adds the subject.

use crate::error::{Error, Kind};

/// The second half of a sentence about a value, what to do about it, and where in the file it is, when that is known
/// more closely than the value's own place.
#[derive(Debug)]
pub(crate) struct Fault {
    says: String,
    hint: Option<String>,
    pub(crate) offset: Option<usize>,
}

impl Fault {
    /// A fault that continues the name of a key, as in "must be a URL".
    pub(crate) fn new(says: impl Into<String>) -> Fault {
        Fault {
            says: says.into(),
            hint: None,
            offset: None,
        }
    }

    /// With what to do next.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Fault {
        Fault {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// At this byte of the file, unless a nearer place is known.
    pub(crate) fn at(self, offset: usize) -> Fault {
        Fault {
            offset: self.offset.or(Some(offset)),
            ..self
        }
    }

    /// As an error about `subject`: a key, a variable or a flag.
    pub(crate) fn into_error(self, kind: Kind, subject: &str) -> Error {
        let error = Error::new(kind, format!("{subject} {}", self.says));
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
