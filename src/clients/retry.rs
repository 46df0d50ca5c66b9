//! When a request may be sent again, how long to wait before (full jitter, and what the server asks for), and the loop
//! that does so for every client. What a try is, and which failure passes, is the clients' business.

use std::time::{Duration, Instant, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

use super::trace::Tracer;
use crate::error::{Error, Result};

/// The longest pause between two tries that a server may ask for; beyond it the error is the better answer.
pub const LONGEST_PAUSE: Duration = Duration::from_mins(1);

const FIRST_STEP: Duration = Duration::from_millis(200);
const LAST_STEP: Duration = Duration::from_secs(5);

/// Whether an answer says "not now": throttled, or a gateway without its service.
#[must_use]
pub fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// The pause before the next try, of which `attempt` (from 0) have failed: any length up to a step that doubles.
#[must_use]
pub fn pause(attempt: u32) -> Duration {
    let step = FIRST_STEP
        .saturating_mul(1 << attempt.min(10))
        .min(LAST_STEP);
    step.mul_f64(rand::random::<f64>())
}

/// The pause that an answer asks for, as seconds or as a date (RFC 9110, 10.2.3).
#[must_use]
pub fn asked_for(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// What one try came to; an error that no other try would change is its `Err`.
pub enum Tried<T> {
    /// The answer.
    Answered(T),
    /// No answer, and the pause after which another try may bring one; none where it would not help.
    Failed(Error, Option<Duration>),
}

/// How often and how long one request is tried.
pub struct Tries<'a> {
    /// The service's name, for the trace.
    pub service: &'a str,
    /// The tries that may follow the first; 0 for a request that changes something.
    pub retries: u32,
    /// A bound on the whole, tries and pauses included.
    pub within: Option<Duration>,
    /// Where a pause is told.
    pub tracer: &'a Tracer,
}

impl Tries<'_> {
    /// Tries until there is an answer or a failure that lasts, as often as the retries and the bound allow. When the
    /// bound ends, the last failure says more than that nothing came in time, which `silent` says of the first try.
    pub async fn run<T, F>(
        &self,
        silent: impl Fn(Duration) -> Error,
        attempt: impl Fn(u32) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<Tried<T>>>,
    {
        let end = self.within.map(|bound| (Instant::now() + bound, bound));
        let mut last: Option<Error> = None;
        for count in 0.. {
            let tried = match end {
                None => attempt(count).await?,
                Some((end, bound)) => {
                    match tokio::time::timeout_at(end.into(), attempt(count)).await {
                        Ok(tried) => tried?,
                        Err(_) => return Err(last.unwrap_or_else(|| silent(bound))),
                    }
                }
            };
            let (error, pause) = match tried {
                Tried::Answered(answer) => return Ok(answer),
                Tried::Failed(error, pause) => (error, pause),
            };
            let longest = end.map_or(LONGEST_PAUSE, |(end, _)| {
                end.saturating_duration_since(Instant::now())
                    .min(LONGEST_PAUSE)
            });
            let may_repeat = |pause: &Duration| count < self.retries && *pause <= longest;
            let Some(pause) = pause.filter(may_repeat) else {
                return Err(counted(error, count));
            };
            self.tracer.line(&format!(
                "  {} failed ({error}), again in {} ms",
                self.service,
                pause.as_millis()
            ));
            tokio::time::sleep(pause).await;
            last = Some(error);
        }
        Err(Error::internal("a request was tried for ever"))
    }
}

/// The error of the last of several tries says how many there were.
fn counted(error: Error, failed_before: u32) -> Error {
    match failed_before {
        0 => error,
        before => error.cause(format!("{} tries failed", before + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        headers
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Tue, 24 Nov 2026 20:00:00 GMT").unwrap();
        assert_eq!(asked_for(&headers("7"), now), Some(Duration::from_secs(7)));
        assert_eq!(
            asked_for(&headers("Tue, 24 Nov 2026 20:00:09 GMT"), now),
            Some(Duration::from_secs(9))
        );
        assert_eq!(
            asked_for(&headers("Tue, 24 Nov 2026 19:00:00 GMT"), now),
            Some(Duration::ZERO)
        );
        assert_eq!(asked_for(&headers("soon"), now), None);
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert!((0..50).all(|_| pause(0) <= FIRST_STEP));
        assert!((0..50).all(|attempt| pause(attempt) <= LAST_STEP));
    }
}
