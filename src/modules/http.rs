//! `http::` — servers that are no service of the lake. Services have namespaces, which know their errors and paging.

use rhai::{Dynamic, ImmutableString};
use url::Url;

use crate::clients::trace::hide_parameters;
use crate::clients::web::WebRequest;
use crate::config::Secret;
use crate::effects::{Change, Outgoing};
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::engine::secret::SecretValue;
use crate::engine::value::{one_line, reveal_json};
use crate::error::{Error, Result};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "http", "Servers that are no service of the lake.");
    let ns = &mut namespace;
    native! { ns,
        /// `GET` of a URL: `status`, `headers` and `body` (text). A status of 400 and more throws. Redirects are not
        /// followed, and nothing of the lake's credentials is sent.
        ///
        /// ```rhai
        /// let stac = ctx::settings().find(|s| s.key == "stac_url").value;
        /// json::parse(http::get(stac + "/_mgmt/ping").body).message
        /// //=> "PONG"
        /// ```
        read fn get(call, url: ImmutableString) -> "map"
            options as options {
                /// Headers to send; a value may be a secret (`env::secret`).
                headers: Map,
                /// A bearer token to send; text or a secret.
                bearer: Any,
                /// How long it may take.
                timeout: Duration = "as configured"
            }
            {
                let headers = headers(&options)?;
                call.wait(call.session().web()?.get(&url, headers, options.duration("timeout")?))?
            }

        /// Sends a request, once: `status`, `headers` and `body` (text) of its answer. A status of 300 and more throws: redirects are not
        /// followed. A body that is
        /// no text is sent as JSON. A URL that is a secret (`env::secret`) is shown by its host alone. What is sent stands in
        /// plan and journal as a digest, its answer in full; nothing takes it back.
        ///
        /// ```rhai
        /// let stac = ctx::settings().find(|s| s.key == "stac_url").value;
        /// let query = #{collections: ["klima-historisch"], limit: 1};
        /// json::parse(http::request("POST", stac + "/search", #{body: query}).body).type
        /// //=> "FeatureCollection"
        /// ```
        write fn request(call, method: ImmutableString, url: Dynamic) -> "map"
            options as options {
                /// What is sent: text as it is, anything else as JSON.
                body: Any,
                /// Headers to send; a value may be a secret (`env::secret`).
                headers: Map,
                /// A bearer token to send; text or a secret.
                bearer: Any,
                /// How long it may take.
                timeout: Duration = "as configured",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let request = outgoing(call.session(), &method, &url, &options)?;
                call.change(Change::SendRequest(Outgoing::new(request)), &options)?
            }
    }
    namespace
}

/// The methods that change something, or may.
const METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

fn outgoing(
    session: &Session,
    method: &str,
    url: &Dynamic,
    options: &Options,
) -> Result<WebRequest> {
    let known = METHODS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(method));
    let method = known.and_then(|name| name.parse().ok()).ok_or_else(|| {
        Error::usage(format!("'{method}' is not sent by http::request"))
            .hint(format!("it sends {}; http::get reads", METHODS.join(", ")))
    })?;
    let text = exposed(url)?;
    let shown = if url.is::<SecretValue>() {
        hide_parts(session, &text);
        host_of(&text)
    } else {
        hide_parameters(&text)
    };
    let mut headers = headers(options)?;
    let (body, kind) = match options.any("body") {
        None => (None, None),
        Some(body) => match body.clone().into_immutable_string() {
            Ok(text) => (Some(text.to_string()), None),
            Err(_) => (
                Some(reveal_json(&body)?.to_string()),
                Some("application/json"),
            ),
        },
    };
    let is_named = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if let Some(kind) = kind.filter(|_| !is_named) {
        headers.push(("content-type".to_owned(), kind.to_owned()));
    }
    Ok(WebRequest {
        method,
        url: text,
        shown,
        headers,
        body,
        timeout: options.duration("timeout")?,
    })
}

/// The parts of a secret URL by which a server may say it again: what follows the host, and whatever of that is long enough to
/// open something.
fn hide_parts(session: &Session, url: &str) {
    let Ok(url) = Url::parse(url) else { return };
    let whole = &url[url::Position::BeforePath..];
    let pieces = whole
        .split(['/', '?', '&', '=', '#'])
        .filter(|piece| piece.len() >= OPENS);
    for part in std::iter::once(whole).chain(pieces) {
        session.hide(&Secret::text("the URL", part));
    }
}

/// Shorter pieces of a URL are words.
const OPENS: usize = 8;

/// The part of a secret URL that is none.
fn host_of(url: &str) -> String {
    let parsed = Url::parse(url).ok();
    let host = parsed
        .as_ref()
        .and_then(|url| Some((url.scheme(), url.host_str()?)));
    host.map_or_else(
        || "a secret URL".to_owned(),
        |(scheme, host)| format!("{scheme}://{host}/…"),
    )
}

fn headers(options: &Options) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    for (name, value) in options.map("headers").unwrap_or_default() {
        headers.push((name.to_string(), exposed(&value)?));
    }
    if let Some(bearer) = options.any("bearer") {
        headers.push((
            "authorization".to_owned(),
            format!("Bearer {}", exposed(&bearer)?),
        ));
    }
    Ok(headers)
}

/// The text of a value that is about to be sent.
fn exposed(value: &Dynamic) -> Result<String> {
    match value.read_lock::<SecretValue>() {
        Some(secret) => Ok(secret.0.expose()?.to_owned()),
        None => Ok(one_line(value)),
    }
}
