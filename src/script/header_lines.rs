//! Reading a header: what its TOML says, every fault with its place in the file. How its lines are taken apart is in `header_text`,
//! what a header means in `header`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::header::{Example, Header, Need, Parameter};
use super::header_text::HeaderLines;
use super::shape::Shape;
use crate::config::{KEYS, Key, Service};
use crate::effects::Effect;
use crate::error::{Error, Result, nearest};

/// The keys of each table of a header, as `[args.x]` and its kin name them.
const HEADER_KEYS: &[&str] = &[
    "effect", "confirm", "override", "args", "options", "needs", "examples",
];
const ARGUMENT_KEYS: &[&str] = &[
    "type", "help", "default", "required", "multiple", "choices", "short", "env", "complete",
    "value",
];
/// What `complete` may name.
const LIVE_NAMES: [&str; 8] = [
    "domains",
    "buckets",
    "contexts",
    "deployments",
    "flow_runs",
    "users",
    "roles",
    "tables",
];

/// The options that every command has, beside those that set configuration, and their letters.
const GLOBAL_NAMES: [&str; 12] = [
    "context",
    "json",
    "verbose",
    "yes",
    "dry-run",
    "color",
    "help",
    "version",
    "apply",
    "max-delete",
    "plan-out",
    "env-override",
];
const GLOBAL_LETTERS: [char; 4] = ['v', 'y', 'h', 'V'];
const NEED_KEYS: &[&str] = &["service", "right", "resource", "namespace", "when", "why"];
const EXAMPLE_KEYS: &[&str] = &["run", "about"];

#[derive(Deserialize)]
struct RawParameter {
    r#type: Option<Spanned<String>>,
    help: Option<String>,
    default: Option<Spanned<toml::Value>>,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    multiple: bool,
    #[serde(default)]
    choices: Vec<String>,
    short: Option<char>,
    env: Option<String>,
    complete: Option<String>,
    value: Option<String>,
}

/// A name, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize, Default)]
struct RawHeader {
    effect: Option<Spanned<String>>,
    confirm: Option<Spanned<Names>>,
    #[serde(default, rename = "override")]
    overrides: bool,
    #[serde(default)]
    args: BTreeMap<String, Spanned<RawParameter>>,
    #[serde(default)]
    options: BTreeMap<String, Spanned<RawParameter>>,
    #[serde(default)]
    needs: Vec<Need>,
    #[serde(default)]
    examples: Vec<Example>,
}

/// Reads the header of a script.
pub(super) fn read(source: &str, text: &str) -> Result<Header> {
    let lines = HeaderLines::of(source, text)?;
    let table = DeTable::parse(&lines.toml).map_err(|error| lines.toml_error(&error))?;
    lines.check_keys(table.get_ref())?;
    let raw: RawHeader = toml::from_str(&lines.toml).map_err(|error| lines.toml_error(&error))?;
    let spans: Spans = raw
        .args
        .iter()
        .chain(&raw.options)
        .map(|(name, parameter)| (name.clone(), parameter.span()))
        .collect();
    let clash = raw.args.keys().find(|name| raw.options.contains_key(*name));
    if let Some(name) = clash {
        let message = format!("'{name}' is an argument and an option as well");
        return Err(lines.at_span(raw.options[name].span(), &message));
    }
    let mut header = Header {
        effect: lines.effect(raw.effect.as_ref())?,
        overrides: raw.overrides,
        arguments: lines.parameters(raw.args)?,
        options: lines.parameters(raw.options)?,
        needs: raw.needs,
        examples: raw.examples,
        ..Header::default()
    };
    (header.summary, header.help) = lines.prose();
    header.confirm = lines.confirm(raw.confirm, &header)?;
    lines.check_positions(&header, &spans)?;
    lines.check_names(&header, &spans)?;
    lines.check_rights(&header)?;
    Ok(header)
}

/// Where each parameter stands in the TOML text.
type Spans = BTreeMap<String, Range<usize>>;

impl HeaderLines<'_> {
    fn check_keys(&self, table: &DeTable) -> Result<()> {
        self.known(table, HEADER_KEYS, "a header")?;
        for (section, kind) in [("args", "an argument"), ("options", "an option")] {
            for (_, parameter) in inner_table(table, section).into_iter().flatten() {
                if let DeValue::Table(parameter) = parameter.get_ref() {
                    self.known(parameter, ARGUMENT_KEYS, kind)?;
                }
            }
        }
        for (section, keys, kind) in [
            ("needs", NEED_KEYS, "a need"),
            ("examples", EXAMPLE_KEYS, "an example"),
        ] {
            let Some(DeValue::Array(rows)) = table.get(section).map(Spanned::get_ref) else {
                continue;
            };
            for row in rows {
                if let DeValue::Table(row) = row.get_ref() {
                    self.known(row, keys, kind)?;
                }
            }
        }
        Ok(())
    }

    fn known(&self, table: &DeTable, known: &[&str], what: &str) -> Result<()> {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let message = format!("unknown key '{name}' in {what}");
                let error = self
                    .at_span(key.span(), &message)
                    .suggest(nearest(name, known.iter().copied()));
                return Err(error.hint(format!("known keys: {}", known.join(", "))));
            }
        }
        Ok(())
    }

    fn effect(&self, effect: Option<&Spanned<String>>) -> Result<Effect> {
        let Some(effect) = effect else {
            return Ok(Effect::Read);
        };
        Effect::from_name(effect.get_ref()).ok_or_else(|| {
            let message = format!("unknown effect '{}'", effect.get_ref());
            self.at_span(effect.span(), &message)
                .hint("an effect is read, write or destroy")
        })
    }

    fn confirm(&self, confirm: Option<Spanned<Names>>, header: &Header) -> Result<Vec<String>> {
        let Some(confirm) = confirm else {
            return Ok(Vec::new());
        };
        let span = confirm.span();
        let asked = match confirm.into_inner() {
            Names::One(name) => vec![name],
            Names::Several(names) => names,
        };
        let known: Vec<&str> = header
            .parameters()
            .map(|parameter| parameter.name.as_str())
            .collect();
        match asked.iter().find(|name| !known.contains(&name.as_str())) {
            None => Ok(asked),
            Some(name) => {
                let message =
                    format!("confirm names '{name}', which is neither an argument nor an option");
                Err(self.at_span(span, &message).suggest(nearest(name, known)))
            }
        }
    }

    /// The parameters of a section, in the order they stand in the file.
    fn parameters(&self, raw: BTreeMap<String, Spanned<RawParameter>>) -> Result<Vec<Parameter>> {
        let mut parameters: Vec<_> = raw.into_iter().collect();
        parameters.sort_by_key(|(_, parameter)| parameter.span().start);
        parameters
            .into_iter()
            .map(|(name, parameter)| self.parameter(name, parameter))
            .collect()
    }

    fn parameter(&self, name: String, raw: Spanned<RawParameter>) -> Result<Parameter> {
        let span = raw.span();
        let wrong = |message: String| self.at_span(span.clone(), &message);
        if name.is_empty()
            || !name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            || name.starts_with('-')
        {
            return Err(wrong(format!(
                "'{name}' is no name for an argument: write lower-case letters, digits and dashes"
            )));
        }
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(wrong(format!(
                "'{name}' begins with a digit, and could not be read as args.{name}"
            ))
            .hint("begin it with a letter"));
        }
        let raw = raw.into_inner();
        if let Some(variable) = &raw.env {
            check_variable(variable).map_err(|(message, hint)| wrong(message).hint(hint))?;
        }
        let shape = match &raw.r#type {
            None => Shape::Text,
            Some(name) => Shape::from_name(name.get_ref()).ok_or_else(|| {
                let error =
                    self.at_span(name.span(), &format!("unknown type '{}'", name.get_ref()));
                error
                    .suggest(nearest(name.get_ref(), Shape::NAMES))
                    .hint(format!("types: {}", Shape::NAMES.join(", ")))
            })?,
        };
        let default = raw
            .default
            .as_ref()
            .map(|value| {
                let fault = |message: String| self.at_span(value.span(), &message);
                spelt(value.get_ref(), shape)
                    .map_err(|message| fault(message).hint("write one that fits, or change `type`"))
            })
            .transpose()?;
        if let Some(default) = default
            .as_ref()
            .filter(|default| !raw.choices.is_empty() && !raw.choices.contains(default))
        {
            return Err(wrong(format!(
                "the default '{default}' is none of the choices"
            )));
        }
        if raw.required && default.is_some() {
            return Err(wrong(format!("'{name}' is required, and has a default"))
                .hint("leave one of the two out"));
        }
        if raw.multiple && default.is_some() {
            return Err(wrong(format!(
                "'{name}' may be given several times, and has a default"
            ))
            .hint("leave the default out: nothing given is an empty list"));
        }
        let twice = |at: usize| raw.choices[..at].contains(&raw.choices[at]);
        if let Some(at) = (0..raw.choices.len()).find(|at| twice(*at)) {
            let choice = &raw.choices[at];
            return Err(wrong(format!(
                "the choice '{choice}' of '{name}' stands there twice"
            ))
            .hint("leave one of the two out"));
        }
        if let Some(choice) = raw
            .choices
            .iter()
            .find(|choice| shape.check(choice).is_err())
        {
            return Err(wrong(format!(
                "the choice '{choice}' does not fit the type of '{name}'"
            ))
            .hint("write choices that fit, or change `type`"));
        }
        if let Some(source) = raw
            .complete
            .as_ref()
            .filter(|source| !LIVE_NAMES.contains(&source.as_str()))
        {
            let error = wrong(format!("there are no live names '{source}'"))
                .suggest(nearest(source, LIVE_NAMES));
            return Err(error.hint(format!("live names: {}", LIVE_NAMES.join(", "))));
        }
        Ok(Parameter {
            name,
            shape,
            help: raw.help.unwrap_or_default(),
            default,
            required: raw.required,
            multiple: raw.multiple,
            choices: raw.choices,
            short: raw.short,
            env: raw.env,
            complete: raw.complete,
            value: raw.value,
        })
    }

    /// What a command line cannot express: something after a repeated argument, a required one after an optional.
    fn check_positions(&self, header: &Header, spans: &Spans) -> Result<()> {
        let mut optional = None;
        for (index, argument) in header.arguments.iter().enumerate() {
            let wrong =
                |message: String| Err(self.at_span(spans[&argument.name].clone(), &message));
            if argument.multiple && index + 1 < header.arguments.len() {
                return wrong(format!(
                    "argument '{}' is repeated, so it must be the last",
                    argument.name
                ));
            }
            match optional {
                Some(before) if argument.required => {
                    return wrong(format!(
                        "argument '{}' is required, but '{before}' before it is not",
                        argument.name
                    ));
                }
                None if !argument.required => optional = Some(&argument.name),
                _ => {}
            }
        }
        Ok(())
    }

    /// Names and letters that every command has already, and letters and variables given twice.
    fn check_names(&self, header: &Header, spans: &Spans) -> Result<()> {
        let mut letters: Vec<char> = GLOBAL_LETTERS.to_vec();
        let mut variables = BTreeSet::new();
        for parameter in header.parameters() {
            let wrong =
                |message: String| Err(self.at_span(spans[&parameter.name].clone(), &message));
            let flags = KEYS.iter().filter_map(|key| key.flag);
            if flags.chain(GLOBAL_NAMES).any(|name| name == parameter.name) {
                return wrong(format!(
                    "'{}' is an option that every command has",
                    parameter.name
                ));
            }
            if let Some(variable) = &parameter.env
                && !variables.insert(variable)
            {
                return wrong(format!("{variable} stands for two arguments"))
                    .map_err(|error| error.hint("give each one of its own"));
            }
            if let Some(letter) = parameter.short {
                if !letter.is_ascii_alphabetic() {
                    return wrong(format!(
                        "'{letter}' cannot be the letter of '{}': it is one from a to z or A to Z",
                        parameter.name
                    ));
                }
                if letters.contains(&letter) {
                    return wrong(format!(
                        "the letter '{letter}' of '{}' is taken",
                        parameter.name
                    ));
                }
                letters.push(letter);
            }
        }
        Ok(())
    }

    /// Rights in the cluster become a Role: they must be ones.
    fn check_rights(&self, header: &Header) -> Result<()> {
        let at = |text: &str, message: String| {
            let start = self.toml.find(text).unwrap_or_default();
            self.at_span(start..start + text.len(), &message)
        };
        for need in &header.needs {
            let services = || Service::ALL.iter().map(|service| service.name());
            let known = || ["s3", "k8s"].into_iter().chain(services());
            if !known().any(|name| name == need.service) {
                let all: Vec<&str> = known().collect();
                return Err(at(
                    &need.service,
                    format!("there is no service '{}'", need.service),
                )
                .suggest(nearest(&need.service, known()))
                .hint(format!("services: {}", all.join(", "))));
            }
            if let Err(error) = need.cluster_rights() {
                let placed = at(need.right.as_deref().unwrap_or_default(), error.to_string());
                return Err(error
                    .detail()
                    .hints
                    .iter()
                    .cloned()
                    .fold(placed, Error::hint));
            }
            let mut names = need.namespace.iter().chain(&need.when);
            if let Some(name) = names.find(|name| Key::at(name).is_none()) {
                let known = KEYS.iter().map(|key| key.path);
                return Err(
                    at(name, format!("'{name}' is no setting")).suggest(nearest(name, known))
                );
            }
        }
        Ok(())
    }
}

/// The table of that name in a table.
fn inner_table<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> Option<&'t DeTable<'i>> {
    match table.get(name)?.get_ref() {
        DeValue::Table(inner) => Some(inner),
        _ => None,
    }
}

/// A default as it would be typed.
fn spelt(value: &toml::Value, shape: Shape) -> std::result::Result<String, String> {
    let text = match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
            value.to_string()
        }
        _ => {
            return Err(
                "a default is a string, a number or a boolean; what may be repeated has none"
                    .to_owned(),
            );
        }
    };
    shape
        .check(&text)
        .map_err(|error| format!("the default does not fit its type: {error}"))?;
    Ok(text)
}

/// What is wrong with a variable that is to stand in for an argument, and what to do. An argument is printed and kept in journals: a
/// secret is none.
fn check_variable(name: &str) -> std::result::Result<(), (String, String)> {
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !is_name {
        return Err((
            format!("'{name}' is no name of an environment variable"),
            "write letters, digits and _".to_owned(),
        ));
    }
    if Key::is_secret_variable(name) {
        return Err((
            format!("{name} holds a secret, and an argument is printed and kept in journals"),
            format!("leave the option out, and take it as env::secret(\"{name}\")"),
        ));
    }
    Ok(())
}
