//! What is about to be checked and run: a text, the name it goes by, and what was declared about it.

use super::header::{Header, Parameter};
use super::library::Script;
use crate::effects::Effect;

/// A text with what was declared about it.
#[derive(Debug, Clone)]
pub struct Program<'a> {
    /// The name it goes by in positions.
    pub source: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The most it may do.
    pub effect: Effect,
    /// The names that its `main` finds in `args`; none where nothing was declared, as for an expression.
    pub fields: Option<Vec<String>>,
}

impl<'a> Program<'a> {
    /// A script with its header.
    #[must_use]
    pub fn of(script: &'a Script, header: &Header) -> Program<'a> {
        let fields: Vec<String> = header.parameters().map(Parameter::field).collect();
        // A script that declares nothing takes nothing: its `args`, if any, is a name like others.
        let fields = Some(fields).filter(|fields| !fields.is_empty());
        Program {
            source: &script.source,
            text: &script.text,
            effect: header.effect,
            fields,
        }
    }

    /// An expression that may do at most `effect`.
    #[must_use]
    pub fn expression(text: &'a str, effect: Effect) -> Program<'a> {
        Program {
            source: "<eval>",
            text,
            effect,
            fields: None,
        }
    }
}
