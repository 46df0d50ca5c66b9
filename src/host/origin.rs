//! The program that a plan or journal names, found again: a command's script, a file, an expression.

use crate::effects::{Effect, Order, Origin};
use crate::error::{Error, Kind, Result};
use crate::script::header::Header;
use crate::script::library::{self, Library, Script};
use crate::script::program::Program;

/// A program that was found again.
pub(super) enum Found {
    /// A script with its header.
    Script(Box<Script>, Box<Header>),
    /// An expression, and the most it may do.
    Expression(String, Effect),
}

impl Found {
    /// The program that an order names.
    pub(super) fn of(library: &Library, order: &Order) -> Result<Found> {
        let script = match &order.origin {
            Origin::Expression(text) => {
                return Ok(Found::Expression(text.clone(), order.effect));
            }
            Origin::File(path) => library::read(path.as_ref())?,
            Origin::Command(words) => library.scripts.get(words).cloned().ok_or_else(|| {
                Error::new(
                    Kind::Stale,
                    format!("the command '{}' is not there any more", words.join(" ")),
                )
            })?,
            Origin::Host => {
                return Err(Error::new(
                    Kind::Stale,
                    format!("'{}' has no script that could go on", order.command),
                ));
            }
        };
        let header = script.header()?;
        Ok(Found::Script(Box::new(script), Box::new(header)))
    }

    /// It, to be run.
    pub(super) fn program(&self) -> Program<'_> {
        match self {
            Found::Script(script, header) => Program::of(script, header),
            Found::Expression(text, effect) => Program::expression(text, *effect),
        }
    }
}
