//! The place of the websocket tail. What Loki refuses at the handshake is refused; the frames themselves are not served
//! yet, and saying so sends a client to its fallback, which is to poll `query_range`.

use axum::body::Bytes;
use axum::http::Uri;
use axum::response::Response;

use super::answer::Refusal;
use super::logql::Query;
use super::range::Parameters;

/// The longest delay Loki takes, in seconds.
const LONGEST_DELAY: i64 = 5;

/// `GET /loki/api/v1/tail`
pub(crate) async fn tail(uri: Uri) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &Bytes::new());
    Query::parse(parameters.get("query").unwrap_or_default())?;
    let delay = parameters.get("delay_for").unwrap_or("0");
    let delay: i64 = delay
        .parse()
        .map_err(|_| Refusal::Bad(format!("strconv.Atoi: parsing \"{delay}\": invalid syntax")))?;
    if delay > LONGEST_DELAY {
        return Err(Refusal::Bad(format!(
            "delay_for can't be greater than {LONGEST_DELAY}"
        )));
    }
    Err(Refusal::Unserved(
        "the sandbox does not serve the tail; query_range has every line",
    ))
}
