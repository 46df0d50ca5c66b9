//! The value of a key: reading it from text (a variable, a flag, a default) and from TOML, and showing it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};
use url::Url;

use super::endpoint::{self, Endpoint};
use super::fault::Fault;
use super::keys::{Key, Shape};
use super::secret::Secret;
use crate::error::nearest;

/// A value, checked. There is one variant per shape of a key, and one for what is switched off.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Off,
    Endpoint(Endpoint),
    Proxy(Url),
    Text(String),
    Integer(u32),
    Switch(bool),
    Duration(Duration),
    Urls(Vec<Url>),
    Texts(Vec<String>),
    Secret(Secret),
    Path(PathBuf),
    Headers(Vec<(String, Secret)>),
}

/// What relative paths are relative to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Base<'a> {
    /// The folder of the configuration file; none for the working folder.
    pub(crate) folder: Option<&'a Path>,
    /// What `~` stands for.
    pub(crate) home: Option<&'a str>,
}

impl Base<'_> {
    fn path(self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), self.home, self.folder) {
            (Some(rest), Some(home), _) => Path::new(home).join(rest),
            (_, _, Some(folder)) => folder.join(text),
            (_, _, None) => text.into(),
        }
    }

    /// The words of a command. A program given as a relative path is found where a file would be, not where the
    /// operator happens to stand; one without a slash is looked up in `PATH`.
    fn command(self, mut words: Vec<String>) -> Vec<String> {
        if let Some(program) = words.first_mut().filter(|program| program.contains('/')) {
            *program = self.path(program).to_string_lossy().into_owned();
        }
        words
    }
}

impl Value {
    /// Reads a value from text, as variables, flags and defaults hold it.
    pub(crate) fn of_text(key: &Key, text: &str, base: Base) -> Result<Value, Fault> {
        match key.shape {
            Shape::OptionalEndpoint | Shape::Proxy if matches!(text, "" | "off") => Ok(Value::Off),
            Shape::Secret | Shape::Path if text.is_empty() => Ok(Value::Off),
            Shape::Endpoint | Shape::OptionalEndpoint => Endpoint::parse(text).map(Value::Endpoint),
            Shape::Proxy => endpoint::proxy(text).map(Value::Proxy),
            Shape::Text if text.is_empty() => Err(Fault::new("must not be empty")),
            Shape::Text => Ok(Value::Text(text.to_owned())),
            Shape::Integer => integer(text, 10).map(Value::Integer),
            Shape::Switch => switch(text).map(Value::Switch),
            Shape::Duration => duration(text).map(Value::Duration),
            Shape::Urls => urls(text).map(Value::Urls),
            Shape::Texts => texts(text.split(',')).map(Value::Texts),
            Shape::Secret => Ok(Value::Secret(Secret::text(key.path, text))),
            Shape::Path => Ok(Value::Path(base.path(text))),
            Shape::Headers => header_lines(key, text).map(Value::Headers),
        }
    }

    /// A secret that is in a file, as the variable with `_FILE` names it.
    pub(crate) fn secret_file(setting: &str, path: &str, base: Base) -> Value {
        Value::Secret(Secret::file(setting, base.path(path)))
    }

    /// A secret that a program prints, as the variable with `_COMMAND` and the file name it.
    pub(crate) fn secret_command(
        setting: &str,
        words: Vec<String>,
        base: Base,
    ) -> Result<Value, Fault> {
        match words.first() {
            Some(program) if !program.is_empty() => {
                Ok(Value::Secret(Secret::command(setting, base.command(words))))
            }
            _ => Err(Fault::new("must name a program")),
        }
    }

    /// Reads a value from TOML.
    pub(crate) fn of_toml(key: &Key, value: &Spanned<DeValue>, base: Base) -> Result<Value, Fault> {
        let found = match (key.shape, value.get_ref()) {
            (Shape::Integer, DeValue::Integer(number)) => {
                integer(number.as_str(), number.radix()).map(Value::Integer)
            }
            (Shape::Switch, DeValue::Boolean(on)) => Ok(Value::Switch(*on)),
            (Shape::Urls, DeValue::Array(array)) => url_array(array).map(Value::Urls),
            (Shape::Texts, DeValue::Array(array)) => {
                let all = array.iter().map(|item| item.get_ref().as_str());
                let all = all.collect::<Option<Vec<_>>>();
                let all = all.ok_or_else(|| Fault::new("must be a list of texts in quotes"));
                all.and_then(|all| texts(all.into_iter())).map(Value::Texts)
            }
            (Shape::Headers, DeValue::Table(table)) => {
                header_table(key, table, base).map(Value::Headers)
            }
            (Shape::Secret, _) => secret(key.path, value, base),
            (
                Shape::Integer | Shape::Switch | Shape::Urls | Shape::Texts | Shape::Headers,
                other,
            ) => Err(wrong_type(key.shape, other)),
            (_, DeValue::String(text)) => Value::of_text(key, text, base),
            (shape, other) => Err(wrong_type(shape, other)),
        };
        found.map_err(|fault| fault.at(value.span().start))
    }

    /// The secrets in it.
    pub(crate) fn secrets(&self) -> Vec<&Secret> {
        match self {
            Value::Secret(secret) => vec![secret],
            Value::Headers(headers) => headers.iter().map(|(_, secret)| secret).collect(),
            _ => Vec::new(),
        }
    }

    /// How it is shown; secrets are masked.
    pub(crate) fn display(&self) -> String {
        match self {
            Value::Off => "off".to_owned(),
            Value::Endpoint(endpoint) => endpoint.to_string(),
            Value::Proxy(url) => endpoint::display(url).to_owned(),
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Switch(on) => on.to_string(),
            Value::Duration(span) => span_text(*span),
            Value::Urls(urls) => {
                let shown: Vec<_> = urls.iter().map(endpoint::display).collect();
                shown.join(", ")
            }
            Value::Texts(texts) => texts.join(", "),
            Value::Secret(secret) => secret.masked(),
            Value::Path(path) => path.display().to_string(),
            Value::Headers(headers) => {
                let shown = headers
                    .iter()
                    .map(|(name, secret)| format!("{name}: {}", secret.masked()));
                shown.collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// How it is shown to a program; secrets are masked, what is switched off is null.
    pub(crate) fn json(&self) -> Json {
        match self {
            Value::Off => Json::Null,
            Value::Integer(number) => json!(number),
            Value::Switch(on) => json!(on),
            Value::Urls(urls) => urls.iter().map(endpoint::display).collect(),
            Value::Texts(texts) => json!(texts),
            Value::Headers(headers) => headers
                .iter()
                .map(|(name, secret)| (name.clone(), Json::from(secret.masked())))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other.display().into(),
        }
    }
}

/// A duration in the form that the configuration takes: `30s`, `1m 30s`.
pub(crate) fn span_text(span: Duration) -> String {
    SignedDuration::try_from(span).map_or_else(|_| format!("{span:?}"), |span| format!("{span:#}"))
}

fn wrong_type(shape: Shape, found: &DeValue) -> Fault {
    let found = match found {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    Fault::new(format!("must be {}, not {found}", shape.expectation()))
}

fn integer(text: &str, radix: u32) -> Result<u32, Fault> {
    u32::from_str_radix(text, radix).map_err(|_| {
        Fault::new(format!(
            "must be {}, not '{text}'",
            Shape::Integer.expectation()
        ))
    })
}

fn switch(text: &str) -> Result<bool, Fault> {
    match text {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        other => Err(Fault::new(format!(
            "must be {}, not '{other}'",
            Shape::Switch.expectation()
        ))),
    }
}

fn duration(text: &str) -> Result<Duration, Fault> {
    let span = text.parse::<SignedDuration>().map_err(|_| {
        Fault::new(format!(
            "must be a duration like 30s, 500ms or 2m, not '{text}'"
        ))
    })?;
    Duration::try_from(span)
        .ok()
        .filter(|span| !span.is_zero())
        .ok_or_else(|| Fault::new(format!("must be longer than nothing, not '{text}'")))
}

/// A list of texts, none of them empty.
fn texts<'a>(all: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Fault> {
    let all: Vec<String> = all.map(|text| text.trim().to_owned()).collect();
    if all.iter().any(String::is_empty) {
        return Err(Fault::new("must not have an empty text in it"));
    }
    Ok(all)
}

fn urls(text: &str) -> Result<Vec<Url>, Fault> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(endpoint::http)
        .collect()
}

fn url_array(array: &DeArray) -> Result<Vec<Url>, Fault> {
    array
        .iter()
        .map(|element| match element.get_ref() {
            DeValue::String(text) => {
                endpoint::http(text).map_err(|fault| fault.at(element.span().start))
            }
            other => Err(wrong_type(Shape::Urls, other).at(element.span().start)),
        })
        .collect()
}

/// Reads a secret: `"text"`, `{ file = ".." }` or `{ command = [..] }`. No fault shows what was found.
fn secret(setting: &str, value: &Spanned<DeValue>, base: Base) -> Result<Value, Fault> {
    match value.get_ref() {
        DeValue::String(text) if text.is_empty() => Ok(Value::Off),
        DeValue::String(text) => Ok(Value::Secret(Secret::text(setting, text.as_ref()))),
        DeValue::Table(table) => secret_table(setting, table, base),
        other => Err(wrong_type(Shape::Secret, other)),
    }
}

fn secret_table(setting: &str, table: &DeTable, base: Base) -> Result<Value, Fault> {
    let known = ["file", "command"];
    if let Some(key) = table
        .keys()
        .find(|key| !known.contains(&key.get_ref().as_ref()))
    {
        let fault = Fault::new(format!(
            "has an unknown key '{}': a secret in a table takes file or command",
            key.get_ref()
        ))
        .at(key.span().start);
        return Err(match nearest(key.get_ref(), known) {
            Some(name) => fault.hint(format!("did you mean '{name}'?")),
            None => fault,
        });
    }
    match (table.get("file"), table.get("command")) {
        (Some(file), None) => match file.get_ref() {
            DeValue::String(path) if !path.is_empty() => {
                Ok(Value::secret_file(setting, path, base))
            }
            _ => Err(Fault::new("must name its file as text in quotes").at(file.span().start)),
        },
        (None, Some(command)) => words(command)
            .and_then(|words| Value::secret_command(setting, words, base))
            .map_err(|fault| fault.at(command.span().start)),
        _ => Err(Fault::new(
            "must be either { file = .. } or { command = [..] }",
        )),
    }
}

fn words(command: &Spanned<DeValue>) -> Result<Vec<String>, Fault> {
    let fault = || {
        Fault::new(
            "must give its command as a list of words such as [\"pass\", \"show\", \"dashi/s3\"]",
        )
    };
    let DeValue::Array(array) = command.get_ref() else {
        return Err(fault());
    };
    array
        .iter()
        .map(|word| match word.get_ref() {
            DeValue::String(word) => Ok(word.clone().into_owned()),
            _ => Err(fault().at(word.span().start)),
        })
        .collect()
}

fn header_table(key: &Key, table: &DeTable, base: Base) -> Result<Vec<(String, Secret)>, Fault> {
    table
        .iter()
        .map(|(name, value)| {
            let setting = header_name(key, name.get_ref()).map_err(|f| f.at(name.span().start))?;
            match secret(&setting, value, base).map_err(|fault| fault.at(value.span().start))? {
                Value::Secret(secret) => Ok((name.get_ref().clone().into_owned(), secret)),
                _ => Err(
                    Fault::new(format!("must give the header '{}' a value", name.get_ref()))
                        .at(value.span().start),
                ),
            }
        })
        .collect()
}

fn header_lines(key: &Key, text: &str) -> Result<Vec<(String, Secret)>, Fault> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line
                .split_once(':')
                .map(|(name, value)| (name.trim(), value.trim()))
                .filter(|(_, value)| !value.is_empty())
                .ok_or_else(|| Fault::new("must hold one 'Name: value' a line"))?;
            let setting = header_name(key, name)?;
            Ok((name.to_owned(), Secret::text(setting, value)))
        })
        .collect()
}

/// Checks the name of a header (a token of RFC 9110) and gives the name of the setting that it makes.
fn header_name(key: &Key, name: &str) -> Result<String, Fault> {
    let of_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(of_token) {
        return Err(Fault::new(format!(
            "has a header name that HTTP does not allow: '{}'",
            name.escape_debug()
        )));
    }
    Ok(format!("{}.{name}", key.path))
}
