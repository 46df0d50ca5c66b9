//! A service that is away for a while, borne by who waits for something that takes longer: a restart of a server is no end
//! of a run that is waited for.

use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};

/// One that never answered is given up after so many questions, each with its own tries.
const QUESTIONS: u32 = 5;
/// One that did answer, after so long.
const PATIENCE: Duration = Duration::from_mins(10);

/// How long a service has been away.
#[derive(Debug, Default)]
pub struct Away {
    known: bool,
    since: Option<Instant>,
    questions: u32,
}

impl Away {
    /// It has answered.
    pub fn back(&mut self) {
        *self = Away {
            known: true,
            ..Away::default()
        };
    }

    /// It has not answered: what to tell, the first time; the error where that is no passing one, or lasted too long.
    pub fn bear(&mut self, error: Error) -> Result<Option<String>> {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.questions += 1;
        let is_passing = matches!(error.kind(), Kind::Unavailable | Kind::Timeout);
        let is_over = if self.known {
            since.elapsed() > PATIENCE
        } else {
            self.questions > QUESTIONS
        };
        if !is_passing || is_over {
            return Err(error);
        }
        Ok((self.questions == 1).then(|| format!("{error}; it is asked again")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone() -> Error {
        Error::new(Kind::Unavailable, "gone")
    }

    #[test]
    fn one_that_never_answered_is_given_up_sooner_than_one_that_did() {
        let mut away = Away::default();
        let told: Vec<bool> = (0..5)
            .map(|_| away.bear(gone()).unwrap().is_some())
            .collect();
        assert_eq!(told, [true, false, false, false, false]);
        assert!(away.bear(gone()).is_err());
        away.back();
        assert!((0..100).all(|_| away.bear(gone()).is_ok()));
    }

    #[test]
    fn what_does_not_pass_is_not_borne() {
        let mut away = Away::default();
        away.back();
        assert!(away.bear(Error::new(Kind::NotFound, "none")).is_err());
    }
}
