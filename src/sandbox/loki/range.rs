//! The parameters of a query: from the URL or a form, with times as Loki reads them.

use axum::body::Bytes;
use axum::http::Uri;
use jiff::Timestamp;
use url::form_urlencoded;

use super::answer::Refusal;
use crate::sandbox::clock::Clock;

/// One hour in nanoseconds.
pub(crate) const HOUR: i64 = 3_600_000_000_000;
/// Longer ranges are refused (30 days and an hour).
const LONGEST: i64 = 721 * HOUR;

/// The parameters of a request, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// From the URL's query and, for POST, the form in the body.
    pub(crate) fn of(uri: &Uri, form: &Bytes) -> Parameters {
        let query = uri.query().unwrap_or_default().as_bytes();
        let pairs = form_urlencoded::parse(query).chain(form_urlencoded::parse(form));
        let owned = pairs.map(|(name, value)| (name.into_owned(), value.into_owned()));
        Parameters(owned.collect())
    }

    /// A parameter's first value; an empty one counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }
}

/// A span of time in nanoseconds since 1970; the start belongs to it, the end does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first nanosecond.
    pub(crate) start: i64,
    /// The first nanosecond after it.
    pub(crate) end: i64,
}

impl Span {
    /// From `start`, `end` and `since`. Without them it ends `now` and reaches back by `reach`.
    pub(crate) fn parse(parameters: &Parameters, reach: i64, now: i64) -> Result<Span, Refusal> {
        let named = |name: &str| {
            parameters
                .get(name)
                .map(|text| instant(name, text))
                .transpose()
        };
        let end = named("end")?.unwrap_or(now);
        let reach = match parameters.get("since") {
            Some(text) => duration(text)?,
            None => reach,
        };
        let start = named("start")?.unwrap_or(end.saturating_sub(reach));
        if end < start {
            return bad("end timestamp must not be before or equal to start time");
        }
        if end - start > LONGEST {
            let hours = (end - start) / HOUR;
            return bad(&format!(
                "the query time range exceeds the limit (query length: {hours}h0m0s, limit: 30d1h)"
            ));
        }
        Ok(Span { start, end })
    }
}

/// The moment of a clock in nanoseconds since 1970.
pub(crate) fn now(clock: &Clock) -> i64 {
    i64::try_from(clock.now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Whole seconds in RFC 3339, as Loki prints a time in its refusals.
pub(crate) fn rfc3339(nanos: i64) -> String {
    crate::sandbox::clock::rfc3339(nanos.div_euclid(1_000_000_000) * 1_000_000)
}

/// Nanoseconds as a number, seconds with a fraction or up to ten digits, or RFC 3339.
fn instant(name: &str, text: &str) -> Result<i64, Refusal> {
    let digits = text.trim_start_matches('-');
    if let (true, Ok(seconds)) = (text.contains('.'), text.parse::<f64>()) {
        let read = Timestamp::from_duration(
            jiff::SignedDuration::try_from_secs_f64(seconds).unwrap_or_default(),
        );
        return nanos(name, text, read.ok());
    }
    if let Ok(number) = text.parse::<i64>() {
        let scale = if digits.len() <= 10 { 1_000_000_000 } else { 1 };
        return Ok(number.saturating_mul(scale));
    }
    nanos(name, text, text.parse::<Timestamp>().ok())
}

fn nanos(name: &str, text: &str, instant: Option<Timestamp>) -> Result<i64, Refusal> {
    let nanos = instant.and_then(|instant| i64::try_from(instant.as_nanosecond()).ok());
    nanos.ok_or_else(|| {
        Refusal::Bad(format!(
            "could not parse '{name}' parameter: parsing time \"{text}\" as \"2006-01-02T15:04:05.999999999Z07:00\": cannot parse \"{text}\" as \"2006\""
        ))
    })
}

/// A Prometheus duration, as in `90m` or `1h30m`.
fn duration(text: &str) -> Result<i64, Refusal> {
    let mut rest = text;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.len()
            - rest
                .trim_start_matches(|letter: char| letter.is_ascii_digit())
                .len();
        let (number, after) = rest.split_at(digits);
        let units: [(&str, i64); 7] = [
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", HOUR),
            ("d", 24 * HOUR),
            ("w", 168 * HOUR),
            ("y", 8760 * HOUR),
        ];
        let unit = units.iter().find(|(unit, _)| after.starts_with(unit));
        let (Ok(number), Some((unit, size))) = (number.parse::<i64>(), unit) else {
            return bad(&format!(
                "could not parse 'since' parameter: not a valid duration string: \"{text}\""
            ));
        };
        total = total.saturating_add(number.saturating_mul(*size));
        rest = &after[unit.len()..];
    }
    Ok(total)
}

fn bad<T>(words: &str) -> Result<T, Refusal> {
    Err(Refusal::Bad(words.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(query: &str) -> Result<Span, Refusal> {
        let uri: Uri = format!("/?{query}").parse().unwrap_or_default();
        Span::parse(&Parameters::of(&uri, &Bytes::new()), HOUR, 1_000 * HOUR)
    }

    #[test]
    fn times_are_nanoseconds_seconds_or_rfc3339() {
        let ends = [
            "1795545215174189190",
            "1795545215",
            "1795545215.5",
            "2026-11-24T18:33:35Z",
        ]
        .map(|end| span(&format!("end={end}")).map_or(0, |span| span.end));
        assert_eq!(
            ends,
            [
                1_795_545_215_174_189_190,
                1_795_545_215_000_000_000,
                1_795_545_215_500_000_000,
                1_795_545_215_000_000_000
            ]
        );
    }

    #[test]
    fn a_range_of_more_than_a_month_is_refused() {
        assert!(span("since=31d").is_err());
        assert!(span("since=1h30m").is_ok());
        assert!(span("start=2&end=1").is_err());
    }
}
