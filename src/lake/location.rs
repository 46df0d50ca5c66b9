//! What a person typed, as an object or a prefix, or as an error that says what to type or to configure.

use crate::error::{Error, Result};

use super::href::{Form, starts, without_secrets};
use super::meaning::{Meaning, meaning};
use super::{BUCKET_NAME, Foreign, Lake, ObjectRef, PrefixRef};

/// The object that was typed.
pub(crate) fn object(lake: &Lake, text: &str) -> Result<ObjectRef> {
    let (bucket, key) = stored(lake, text)?;
    if key.is_empty() {
        let text = without_secrets(text);
        return Err(Error::usage(format!(
            "'{text}' names the bucket '{bucket}', not an object"
        ))
        .hint(format!("write s3://{bucket}/<key>")));
    }
    Ok(ObjectRef { bucket, key })
}

/// The prefix that was typed.
pub(crate) fn prefix(lake: &Lake, text: &str) -> Result<PrefixRef> {
    let (bucket, prefix) = stored(lake, text)?;
    Ok(PrefixRef { bucket, prefix })
}

fn stored(lake: &Lake, text: &str) -> Result<(String, String)> {
    match meaning(&lake.endpoints, text) {
        Meaning::Stored { bucket, key } => Ok((bucket, key)),
        Meaning::StoreRoot => Err(no_place(text, "it names the store, but no bucket")),
        Meaning::Service => Err(no_place(
            text,
            "its host is a service that holds no objects",
        )),
        Meaning::Foreign(foreign) => Err(unplaced(lake, text, &foreign)),
        Meaning::Nothing => Err(no_place(text, "it has neither a scheme nor a path")),
    }
}

fn no_place(text: &str, why: &str) -> Error {
    let text = without_secrets(text);
    Error::usage(format!("'{text}' is no place in the object store: {why}"))
        .hint("write s3://<bucket>/<key>")
}

fn unplaced(lake: &Lake, text: &str, foreign: &Foreign) -> Error {
    let Some(host) = foreign.host() else {
        return bare_path(lake, text);
    };
    let start = starts(text).find(|start| start.form == Form::Bucket);
    let is_s3 = start.is_some_and(|start| text[..start.at].trim().is_empty());
    if is_s3 && !host.contains(':') {
        return no_place(text, "it names no bucket").hint(BUCKET_NAME);
    }
    let known = lake.endpoints.names().join(", ");
    let text = without_secrets(text);
    Error::usage(format!(
        "'{text}' is at '{host}', which is not a known host of the object store"
    ))
    .hint(format!(
        "the store is known as {known} (s3.endpoint, s3.aliases)"
    ))
    .hint(format!(
        "if '{host}' is the same store, add it to s3.aliases in the configuration file"
    ))
}

/// A path without a scheme: what was forgotten is most often `s3://`.
fn bare_path(lake: &Lake, text: &str) -> Error {
    let path = text.trim().trim_start_matches('/');
    let error = no_place(text, "it has no scheme");
    match path.split_once('/') {
        Some((bucket, _)) if lake.has_bucket(bucket) => {
            error.suggest(Some(&without_secrets(&format!("s3://{path}"))))
        }
        _ => error,
    }
}
