//! The arguments and flags of a header on the command line, and what was typed as values for the script.

use clap::builder::{ArgExt, ValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, ValueHint};
use serde_json::{Map, Value};

use super::one_of;
use crate::config::Environment;
use crate::error::{Error, Result};
use crate::script::header::{Header, Parameter};
use crate::script::shape::Shape;

/// Which live names an argument takes, as its header says; completion looks for it.
#[derive(Debug, Clone)]
pub struct LiveNames(pub String);

impl ArgExt for LiveNames {}

/// The arguments of a header.
pub(super) fn of(header: &Header) -> Vec<Arg> {
    let positional = header.arguments.iter().enumerate();
    let positional = positional.map(|(index, parameter)| argument(parameter).index(index + 1));
    positional
        .chain(header.options.iter().map(option))
        .collect()
}

fn argument(parameter: &Parameter) -> Arg {
    let mut argument = Arg::new(parameter.name.clone())
        .help(help(parameter))
        .required(parameter.required && parameter.env.is_none())
        .value_parser(parser(parameter));
    let value = parameter
        .value
        .clone()
        .unwrap_or_else(|| parameter.name.to_uppercase().replace('-', "_"));
    argument = argument.value_name(value);
    if parameter.multiple {
        argument = argument.num_args(1..).action(ArgAction::Append);
    }
    if let Some(default) = &parameter.default {
        argument = argument.default_value(default.clone());
    }
    argument = match parameter.shape {
        // `--since -2h`, `--limit -5`: what begins with a dash may be a value.
        Shape::Int | Shape::Float => argument.allow_negative_numbers(true),
        Shape::Time => argument.allow_hyphen_values(true),
        Shape::Path => argument.value_hint(ValueHint::AnyPath),
        _ => argument,
    };
    if let Some(source) = &parameter.complete {
        argument = argument.add(LiveNames(source.clone()));
    }
    argument
}

fn option(parameter: &Parameter) -> Arg {
    let mut option = argument(parameter).long(parameter.name.clone());
    if let Some(short) = parameter.short {
        option = option.short(short);
    }
    if parameter.multiple {
        option = option.num_args(1);
    }
    if parameter.shape == Shape::Bool {
        let default = parameter
            .default
            .clone()
            .unwrap_or_else(|| "false".to_owned());
        option = option
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .hide_default_value(default == "false")
            .default_value(default)
            .value_parser(["true", "false"])
            .hide_possible_values(true);
    }
    option
}

fn help(parameter: &Parameter) -> String {
    match &parameter.env {
        Some(variable) => format!("{} [env: {variable}]", parameter.help),
        None => parameter.help.clone(),
    }
}

fn parser(parameter: &Parameter) -> ValueParser {
    if !parameter.choices.is_empty() {
        return one_of(&parameter.choices).into();
    }
    let shape = parameter.shape;
    ValueParser::new(move |text: &str| {
        shape
            .check(text)
            .map(|()| text.to_owned())
            .map_err(|error| said(&error))
    })
}

/// An error with its hints in one line, for clap's sentence.
fn said(error: &Error) -> String {
    let hints = error.detail().hints.iter().map(|hint| format!(" ({hint})"));
    hints.fold(error.to_string(), |said, hint| said + &hint)
}

/// The arguments of a script by their names in it. What is left out is `()`, or an empty array where many are allowed.
pub fn parameters(
    header: &Header,
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<Map<String, Value>> {
    let value =
        |parameter: &Parameter| Ok((parameter.field(), value(parameter, matches, environment)?));
    header.parameters().map(value).collect()
}

fn value(parameter: &Parameter, matches: &ArgMatches, environment: &Environment) -> Result<Value> {
    let typed: Vec<&String> = matches
        .get_many(&parameter.name)
        .into_iter()
        .flatten()
        .collect();
    let is_typed = matches.value_source(&parameter.name) == Some(ValueSource::CommandLine);
    let from_variable = parameter
        .env
        .as_deref()
        .and_then(|variable| Some((variable, environment.get(variable)?)));
    let texts = match from_variable.filter(|_| !is_typed) {
        Some((variable, text)) => vec![allowed(parameter, variable, text)?.to_owned()],
        None if parameter.shape == Shape::Path && !is_typed => typed
            .into_iter()
            .map(|default| at_home(default, environment))
            .collect(),
        None => typed.into_iter().cloned().collect(),
    };
    let values = texts
        .iter()
        .map(|text| parameter.shape.value(text))
        .collect::<Result<Vec<_>>>()?;
    if parameter.multiple {
        return Ok(Value::Array(values));
    }
    match values.into_iter().next() {
        Some(value) => Ok(value),
        None if parameter.required => Err(missing(parameter)),
        None => Ok(Value::Null),
    }
}

/// A path of a header's default: no shell has read its `~/`.
fn at_home(default: &str, environment: &Environment) -> String {
    match (default.strip_prefix("~/"), environment.get("HOME")) {
        (Some(below), Some(home)) => format!("{}/{below}", home.trim_end_matches('/')),
        _ => default.to_owned(),
    }
}

/// Only what a variable may stand in for can be missing here; clap asks for the rest.
fn missing(parameter: &Parameter) -> Error {
    let variable = parameter
        .env
        .as_ref()
        .map(|variable| format!(", or set {variable}"))
        .unwrap_or_default();
    Error::usage(format!("'{}' is missing", parameter.name)).hint(format!("give it{variable}"))
}

/// A variable stands in for an argument; it is held to the same rules.
fn allowed<'a>(parameter: &Parameter, variable: &str, text: &'a str) -> Result<&'a str> {
    let from =
        |message: String| Error::usage(format!("the variable {variable} is wrong: {message}"));
    if !parameter.choices.is_empty() && !parameter.choices.iter().any(|choice| choice == text) {
        return Err(from(format!(
            "'{text}' is none of {}",
            parameter.choices.join(", ")
        )));
    }
    parameter
        .shape
        .check(text)
        .map_err(|error| from(said(&error)))?;
    Ok(text)
}
