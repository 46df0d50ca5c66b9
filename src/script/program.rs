//! What is about to be checked and run: a text, the name it goes by, and what was declared about it.

use super::header::{Header, Parameter};
use super::library::Script;
use super::shape::Shape;
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
    /// The arguments whose values are local paths.
    pub paths: Vec<String>,
    /// The arguments that its header declares; none where it has no header.
    pub fields: Option<Vec<String>>,
}

impl<'a> Program<'a> {
    /// A script with its header.
    #[must_use]
    pub fn of(script: &'a Script, header: &Header) -> Program<'a> {
        Program {
            source: &script.source,
            text: &script.text,
            effect: header.effect,
            paths: header
                .parameters()
                .filter(|parameter| parameter.shape == Shape::Path)
                .map(Parameter::field)
                .collect(),
            fields: Some(header.parameters().map(Parameter::field).collect()),
        }
    }

    /// A file of functions. What they may do is for those to say who call them.
    pub(super) fn imported(source: &'a str, text: &'a str) -> Program<'a> {
        Program {
            source,
            ..Program::expression(text, Effect::Destroy)
        }
    }

    /// An expression that may do at most `effect`.
    #[must_use]
    pub fn expression(text: &'a str, effect: Effect) -> Program<'a> {
        Program {
            source: "<eval>",
            text,
            effect,
            paths: Vec::new(),
            fields: None,
        }
    }
}
