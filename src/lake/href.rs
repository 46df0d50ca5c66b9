//! Where in a text a reference begins, and how its parts are told apart: scheme, authority, bucket, path, query.
//!
//! Cutting only. What an authority or a path means is decided by those who call this.

use percent_encoding::percent_decode_str;
use url::Url;

/// Bytes in which a host or a bucket's name ends, credentials before it included: no name is longer than 255.
const MAX_AUTHORITY: usize = 1024;

/// How a reference names its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Bucket, slash, raw key: `s3://`, `s3a://`, `s3n://`, `/vsis3/`, an ARN.
    Bucket,
    /// Authority and URL path: `http(s)://`.
    Url,
}

/// The schemes of the store.
const SCHEMES: [(&str, Form); 5] = [
    ("s3", Form::Bucket),
    ("s3a", Form::Bucket),
    ("s3n", Form::Bucket),
    ("http", Form::Url),
    ("https", Form::Url),
];

/// The beginning of a reference inside a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start<'a> {
    /// The offset of the scheme or of `/vsis3`.
    pub(crate) at: usize,
    /// How the object is named.
    pub(crate) form: Form,
    /// What follows the scheme and its slashes, up to the end of the text.
    pub(crate) tail: &'a str,
}

/// Every reference that begins in the text, in no particular order.
pub(crate) fn starts(text: &str) -> impl Iterator<Item = Start<'_>> {
    let colons = text.match_indices(':');
    let schemes = colons.filter_map(move |(colon, _)| scheme_start(text, colon));
    let slashes = text.match_indices("/vsi");
    schemes.chain(slashes.filter_map(move |(slash, _)| gdal_start(text, slash)))
}

fn scheme_start(text: &str, colon: usize) -> Option<Start<'_>> {
    let (before, after) = (&text[..colon], &text[colon + 1..]);
    if let Some(tail) = after.strip_prefix("s3:::") {
        let at = before.rfind("arn:").or_else(|| before.rfind("ARN:"))?;
        return (!before[at + 4..].contains(':')).then_some(Start {
            at,
            form: Form::Bucket,
            tail,
        });
    }
    // One slash is what a path library leaves of two.
    let tail = after.trim_start_matches('/');
    if tail.len() == after.len() {
        return None;
    }
    let (scheme, form) = SCHEMES
        .into_iter()
        .find(|(scheme, _)| ends_with_ignoring_case(before, scheme))?;
    let at = colon - scheme.len();
    Some(Start { at, form, tail })
}

/// Whatever stands before the scheme: it may be glued to another (`zip+s3`) or to an escape (`\ns3`).
fn ends_with_ignoring_case(text: &str, end: &str) -> bool {
    let start = text.len().checked_sub(end.len());
    let tail = start.and_then(|start| text.get(start..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

fn gdal_start(text: &str, at: usize) -> Option<Start<'_>> {
    let after = &text[at..];
    let tail = after
        .strip_prefix("/vsis3/")
        .or_else(|| after.strip_prefix("/vsis3_streaming/"))?;
    let form = Form::Bucket;
    let tail = tail.trim_start_matches('/');
    Some(Start { at, form, tail })
}

/// Splits what follows `http://` into the authority and the rest, which begins at the path, the query, or wherever
/// the text cannot be an authority any more.
pub(crate) fn split_authority(tail: &str) -> (&str, &str) {
    let window = &tail[..tail.floor_char_boundary(MAX_AUTHORITY)];
    let brackets = match (window.starts_with('['), window.find(']')) {
        (true, Some(end)) => end + 1,
        _ => 0,
    };
    let end = window[brackets..]
        .find(|c: char| matches!(c, '/' | '?' | '#' | '\\') || ends_text(c))
        .map_or(window.len(), |end| brackets + end);
    tail.split_at(end)
}

/// Splits what follows `s3://` into the bucket's name and the rest; credentials before an `@` are skipped.
pub(crate) fn split_bucket(tail: &str) -> (&str, &str) {
    let window = &tail[..tail.floor_char_boundary(MAX_AUTHORITY)];
    let authority = window.split(['/', '?', '#']).next().unwrap_or(window);
    let start = authority.rfind('@').map_or(0, |at| at + 1);
    let tail = &tail[start..];
    tail.split_at(bucket_name(tail).len())
}

/// The bucket name with which the text begins; empty where it begins with none.
pub(crate) fn bucket_name(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')));
    &text[..end.unwrap_or(text.len())]
}

/// Whether a reference inside a longer text may end before this character: white space, quotes, closing brackets,
/// and what separates a reference from the next thing (`&` in a query, `!` and `|` before an archive's inner path).
pub(crate) fn ends_text(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '"' | '\'' | '`' | '<' | '>' | '|' | '!' | ',' | ';' | '&' | ')' | ']' | '}'
        )
        || matches!(c, '«' | '»' | '“' | '”' | '„' | '‘' | '’')
}

/// The path that a URL parser makes of this one, where it makes another: dot segments resolved, `\` as `/`, tabs and
/// line breaks dropped. The result is percent-encoded.
pub(crate) fn resolved(path: &str) -> Option<String> {
    let dotted = ["/.", "/%2e", "/%2E"];
    let differs =
        path.contains(['\\', '\t', '\n', '\r']) || dotted.iter().any(|dot| path.contains(dot));
    if !differs {
        return None;
    }
    let url = Url::parse(&format!("http://host{path}")).ok()?;
    Some(url.path().to_owned())
}

/// The text percent-decoded once. The error is the part of it before the first byte that is no UTF-8.
pub(crate) fn decoded(text: &str) -> Result<String, String> {
    let bytes: Vec<u8> = percent_decode_str(text).collect();
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned()
    })
}

/// The text with only those escapes undone that a URL parser writes: for a key with a `%` of its own that was put raw
/// into a URL (`a %41` becomes `a%20%41`). The set is the URL standard's path percent-encode set.
pub(crate) fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| escaped_byte(after)).flatten();
        if let Some(byte) = escaped.filter(|byte| is_escaped_in_path(*byte)) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn escaped_byte(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..2)?).ok()?;
    // `from_str_radix` takes a sign as well.
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

fn is_escaped_in_path(byte: u8) -> bool {
    let is_listed = b" \"#<>?^`{}".contains(&byte);
    byte.is_ascii_control() || !byte.is_ascii() || is_listed
}

/// The text as a form decodes it: `+` is a space, then percent-decoded. `None` where that is no UTF-8.
pub(crate) fn form_decoded(text: &str) -> Option<String> {
    decoded(&text.replace('+', " ")).ok()
}

/// The parameters of a query, still encoded; a part without `=` is a value without a name.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = query.split(['&', ';', '?']);
    parts.map(|part| part.split_once('=').unwrap_or(("", part)))
}

/// The text as an error may show it: without the credentials before a host and without a presigned URL's signature.
pub(crate) fn without_secrets(text: &str) -> String {
    let signed = text.find("X-Amz-").or_else(|| text.find("x-amz-"));
    let (shown, more) = signed.map_or((text, ""), |query| (&text[..query], "…"));
    let Some((scheme, rest)) = shown.split_once("://") else {
        return format!("{shown}{more}");
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}://{host}{path}{more}")
}
