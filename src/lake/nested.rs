//! The texts that stand inside a text: values of a query, references encoded into a path, the text itself decoded.
//!
//! Each is a text that may hold references of its own; how deep that goes is for the reader of them to bound.

use super::href::{decoded, form_decoded, parameters};

/// Whether there can be a reference in it: a slash, plain or encoded, or an ARN. Most strings of a record end here.
pub(crate) fn may_refer(text: &str) -> bool {
    text.contains(['/', '\\']) || text.contains(":::") || has_encoded(text)
}

/// Whether it has a slash, a backslash or an ARN encoded, once (`%2F`) or more often (`%252F`).
fn has_encoded(text: &str) -> bool {
    ["%2F", "%2f", "%5C", "%5c", "%3A%3A%3A", "%3a%3a%3a", "%25"]
        .iter()
        .any(|encoded| text.contains(encoded))
}

/// The texts that stand inside this one, each different from it.
pub(crate) fn nested(text: &str) -> Vec<String> {
    let mut texts = Vec::new();
    if text.contains('\\') {
        texts.push(text.replace('\\', "/"));
    }
    if text.contains("&amp;") {
        texts.push(text.replace("&amp;", "&"));
    }
    let (before, query) = text.split_once('?').unwrap_or((text, ""));
    let values = parameters(query).filter(|(name, value)| !signs(name) && may_refer(value));
    for (_, value) in values {
        texts.push(value.to_owned());
        push_decoded(&mut texts, value);
    }
    if has_encoded(before) {
        for component in before.split('/').filter(|component| has_encoded(component)) {
            push_decoded(&mut texts, component);
        }
        push_decoded(&mut texts, text);
    }
    texts.retain(|inner| inner != text);
    texts
}

/// Whether the parameter signs a URL: its credential has slashes and is no path.
fn signs(name: &str) -> bool {
    let start = name.get(..6);
    start.is_some_and(|start| start.eq_ignore_ascii_case("X-Amz-"))
}

fn push_decoded(texts: &mut Vec<String>, text: &str) {
    texts.extend(decoded(text).ok());
    if text.contains('+') {
        texts.extend(form_decoded(text));
    }
}
