//! A request to a JSON service, before it is sent: method, path below the service's URL, query, body, and whether it may
//! be sent twice. Pure values; `http` sends them. One that changes something takes the gate's leave to be made.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::Url;

use crate::effects::Permit;
use crate::error::{Error, Result};

/// A request to a service, by a path below its configured URL.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: Method,
    path: String,
    query: Vec<(String, String)>,
    pub(super) body: Option<Value>,
    /// The fields of a form, where it sends one: they may be secrets, as may be what comes back for them.
    pub(super) form: Option<Vec<(&'static str, String)>>,
    /// The most bytes that its answer may have; none for what is usual.
    pub(super) most: Option<usize>,
    /// Whether it changes nothing, or the same however often it comes, so that it may be sent again.
    pub(super) reads: bool,
}

impl Request {
    fn new(method: Method, path: impl Into<String>) -> Request {
        let reads = method == Method::GET;
        Request {
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            form: None,
            most: None,
            reads,
        }
    }

    /// `GET path`.
    pub fn get(path: impl Into<String>) -> Request {
        Request::new(Method::GET, path)
    }

    /// `POST path` with a JSON body that creates something: sent once.
    pub fn post(_: Permit, path: impl Into<String>, body: Value) -> Request {
        Request {
            body: Some(body),
            ..Request::new(Method::POST, path)
        }
    }

    /// `POST path` with a JSON body that only asks: sent again after a passing failure.
    pub fn ask(path: impl Into<String>, body: Value) -> Request {
        Request {
            reads: true,
            body: Some(body),
            ..Request::new(Method::POST, path)
        }
    }

    /// `POST path` with a form that asks for a token. Neither it nor its answer is ever traced.
    pub fn login(path: impl Into<String>, form: Vec<(&'static str, String)>) -> Request {
        Request {
            reads: true,
            form: Some(form),
            ..Request::new(Method::POST, path)
        }
    }

    /// `PUT path` without a body.
    pub fn set(_: Permit, path: impl Into<String>) -> Request {
        Request::new(Method::PUT, path)
    }

    /// `PUT path` with a JSON body.
    pub fn put(_: Permit, path: impl Into<String>, body: Value) -> Request {
        Request {
            body: Some(body),
            ..Request::new(Method::PUT, path)
        }
    }

    /// `DELETE path`.
    pub fn delete(_: Permit, path: impl Into<String>) -> Request {
        Request::new(Method::DELETE, path)
    }

    /// The same request, which does no harm when it comes twice: it may be sent again.
    #[must_use]
    pub fn repeatable(self) -> Request {
        Request {
            reads: true,
            ..self
        }
    }

    /// The same request, whose answer is not to be larger than so many bytes.
    #[must_use]
    pub fn at_most(self, bytes: usize) -> Request {
        Request {
            most: Some(bytes),
            ..self
        }
    }

    /// With one more query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl ToString) -> Request {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// With these query parameters instead of any before.
    #[must_use]
    pub fn with_query(mut self, query: Vec<(String, String)>) -> Request {
        self.query = query;
        self
    }

    /// The same request with another body.
    #[must_use]
    pub fn with_body(&self, body: Value) -> Request {
        Request {
            body: Some(body),
            ..self.clone()
        }
    }

    /// The JSON body.
    #[must_use]
    pub fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// What is sent, with its media type.
    pub(super) fn payload(&self) -> Option<(&'static str, String)> {
        if let Some(form) = &self.form {
            let mut text = url::form_urlencoded::Serializer::new(String::new());
            text.extend_pairs(form);
            return Some(("application/x-www-form-urlencoded", text.finish()));
        }
        let body = self.body.as_ref()?;
        Some(("application/json", body.to_string()))
    }

    /// Text that is equal for equal requests.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        format!("{} {}?{} {body}", self.method, self.path, query.join("&"))
    }

    /// The URL below a service's own.
    pub(super) fn url(&self, base: &Url) -> Result<Url> {
        let mut url = base.clone();
        url.set_path(&format!(
            "{}{}",
            base.path().trim_end_matches('/'),
            self.path
        ));
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        if url.origin() != base.origin() {
            return Err(Error::internal(format!(
                "{} leads away from {base}",
                self.path
            )));
        }
        Ok(url)
    }
}

/// A path made of segments, each encoded: an id with `/` or `?` in it stays one segment. An empty one and the dot
/// segments, which every URL parser resolves away however they are encoded, would ask for something else: refused.
pub fn path(segments: &[&str]) -> Result<String> {
    const KEEP: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    if let Some(segment) = segments
        .iter()
        .find(|segment| matches!(**segment, "" | "." | ".."))
    {
        return Err(Error::usage(format!(
            "'{segment}' cannot be the name of anything a service holds"
        )));
    }
    Ok(segments
        .iter()
        .map(|segment| format!("/{}", utf8_percent_encode(segment, KEEP)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_segment() {
        assert_eq!(
            path(&["collections", "a/b?c d"]).unwrap(),
            "/collections/a%2Fb%3Fc%20d"
        );
    }

    #[test]
    fn a_segment_that_leads_elsewhere_is_refused() {
        for segment in ["", ".", ".."] {
            assert!(path(&["collections", segment]).is_err(), "'{segment}'");
        }
        assert_eq!(path(&["..."]).unwrap(), "/...");
    }

    #[test]
    fn a_request_stays_below_its_service() {
        let base: Url = "http://h:1/api/stac/".parse().unwrap();
        let url = Request::get("/search")
            .query("token", "next:a b")
            .url(&base)
            .unwrap();
        assert_eq!(url.as_str(), "http://h:1/api/stac/search?token=next%3Aa+b");
    }
}
