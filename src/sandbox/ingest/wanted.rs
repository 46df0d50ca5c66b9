//! What a body must hold, field by field, and the user that the proxy in front names.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde_json::{Value, json};

use super::answer::Refusal;
use crate::sandbox::validation::{Fault, below, place};

/// The bucket that uploads go to.
pub(crate) const LANDING: &str = "landing";

/// A body being read. Every fault is collected, so that all are told at once.
pub(crate) struct Wanted {
    body: Value,
    faults: Vec<Fault>,
}

impl Wanted {
    /// The JSON of a request's body.
    pub(crate) fn of(bytes: &[u8]) -> Result<Wanted, Refusal> {
        let body = serde_json::from_slice(bytes)
            .map_err(|error| Refusal::Schema(vec![Fault::not_json(&error)]))?;
        Ok(Wanted {
            body,
            faults: Vec::new(),
        })
    }

    /// A text of so many characters at least and at most.
    pub(crate) fn text(&mut self, name: &str, least: usize, most: usize) -> String {
        let at = place(["body", name]);
        let Some(value) = self.body.get(name) else {
            self.faults.push(Fault::missing(&at, &self.body));
            return String::new();
        };
        let Some(text) = value.as_str() else {
            self.faults.push(Fault::of_type(&at, "string", value));
            return String::new();
        };
        let length = text.chars().count();
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        if length < least {
            let message = format!(
                "String should have at least {least} character{}",
                plural(least)
            );
            let fault = Fault::new("string_too_short", &at, &message, value);
            self.faults
                .push(fault.context(json!({"min_length": least})));
        } else if length > most {
            let message = format!(
                "String should have at most {most} character{}",
                plural(most)
            );
            let fault = Fault::new("string_too_long", &at, &message, value);
            self.faults.push(fault.context(json!({"max_length": most})));
        }
        text.to_owned()
    }

    /// A text that may be left out.
    pub(crate) fn maybe_text(&mut self, name: &str, most: usize) -> Option<String> {
        match self.body.get(name) {
            None | Some(Value::Null) => None,
            Some(_) => Some(self.text(name, 0, most)),
        }
    }

    /// A domain's name: lower case, digits and hyphens.
    pub(crate) fn domain(&mut self) -> String {
        let domain = self.text("domain", 1, 64);
        let fits =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        if !domain.chars().all(fits) {
            let pattern = "^[a-z0-9-]+$";
            let message = format!("String should match pattern '{pattern}'");
            let at = place(["body", "domain"]);
            let fault = Fault::new("string_pattern_mismatch", &at, &message, &json!(domain));
            self.faults
                .push(fault.context(json!({ "pattern": pattern })));
        }
        domain
    }

    /// A whole number from 1.
    pub(crate) fn positive(&mut self, name: &str) -> i64 {
        let at = place(["body", name]);
        let Some(value) = self.body.get(name) else {
            self.faults.push(Fault::missing(&at, &self.body));
            return 1;
        };
        match value.as_i64() {
            Some(number) if number >= 1 => return number,
            Some(_) => {
                let message = "Input should be greater than or equal to 1";
                let fault = Fault::new("greater_than_equal", &at, message, value);
                self.faults.push(fault.context(json!({"ge": 1})));
            }
            None => self.faults.push(Fault::of_type(&at, "int", value)),
        }
        1
    }

    /// The parts of a multipart upload, as pairs of number and ETag; at least one.
    pub(crate) fn parts(&mut self) -> Vec<(i32, String)> {
        let at = place(["body", "parts"]);
        let Some(listed) = self.body["parts"].as_array() else {
            self.faults.push(Fault::missing(&at, &self.body));
            return Vec::new();
        };
        if listed.is_empty() {
            let message = "List should have at least 1 item after validation, not 0";
            let fault = Fault::new("too_short", &at, message, &json!([]));
            let context = json!({"field_type": "List", "min_length": 1, "actual_length": 0});
            self.faults.push(fault.context(context));
        }
        let mut parts = Vec::with_capacity(listed.len());
        for (place, part) in listed.iter().enumerate() {
            let number = part["part_number"]
                .as_i64()
                .and_then(|number| i32::try_from(number).ok());
            match (number, part["etag"].as_str()) {
                (Some(number @ 1..=10_000), Some(etag)) if !etag.is_empty() => {
                    parts.push((number, etag.to_owned()));
                }
                _ => {
                    let message = "Input should have a part_number from 1 to 10000 and an etag";
                    let fault = Fault::new("value_error", &below(&at, place), message, part);
                    self.faults.push(fault);
                }
            }
        }
        parts
    }

    /// Ends the reading: what was collected, if anything.
    pub(crate) fn settle(self) -> Result<(), Refusal> {
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(Refusal::Schema(self.faults))
    }
}

/// The landing key that an `s3://` URI names. `doing` is the endpoint, for the refusal of another bucket.
pub(crate) fn landing_key(uri: &str, doing: &str) -> Result<String, Refusal> {
    let named = uri
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'));
    match named {
        Some((LANDING, key)) if !key.is_empty() => Ok(key.to_owned()),
        Some((_, key)) if !key.is_empty() => Err(Refusal::bad(format!(
            "{doing} only allowed on bucket=landing; stage objects there first (rclone, dashi-ingest CLI)."
        ))),
        _ => Err(Refusal::bad("s3_uri must look like s3://bucket/key")),
    }
}

/// Who asks: the proxy in front sets the headers, and nobody gets past it without them.
#[derive(Debug, Clone)]
pub(crate) struct User {
    /// The name.
    pub(crate) name: String,
    /// The groups.
    pub(crate) groups: Vec<String>,
}

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let header = |name: &str| {
            let value = parts.headers.get(name)?.to_str().ok()?.trim();
            (!value.is_empty()).then_some(value)
        };
        let name = header("remote-user").or_else(|| header("x-remote-user"));
        let groups = header("remote-groups").or_else(|| header("x-remote-groups"));
        let Some(name) = name else {
            return Err(Refusal::Detail(
                StatusCode::UNAUTHORIZED,
                "missing Remote-User header: ingest-api is reached through the Authelia proxy only"
                    .to_owned(),
            ));
        };
        let listed = groups.unwrap_or_default().split(',').map(str::trim);
        Ok(User {
            name: name.to_owned(),
            groups: listed
                .filter(|group| !group.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}
