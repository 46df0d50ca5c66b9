//! `http::` — servers that are no service of the lake. Services have namespaces, which know their errors and paging.

use rhai::{Dynamic, ImmutableString};

use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::engine::secret::SecretValue;
use crate::engine::value::one_line;
use crate::error::Result;
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
                call.wait(call.session().web()?.get(&url, &headers, options.duration("timeout")?))?
            }
    }
    namespace
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
