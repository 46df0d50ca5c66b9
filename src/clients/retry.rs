//! When a request may be sent again, and how long to wait before: full jitter, and what the server asks for.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

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
