//! Flow runs in the order that people look at them, the newest first, and the one whose id begins with what somebody typed.

use std::collections::HashSet;

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::Pages;
use super::prefect::{PAGE, Prefect};
use crate::error::{Error, Kind, Result};

/// An id of a flow run, as text.
const ID: usize = 36;
/// So many runs around the place of an id are looked at: others may come while it is searched for.
const AROUND: usize = 20;
/// How often the search begins anew where they do.
const SEARCHES: usize = 5;

/// Where a listing goes on.
struct Place {
    prefect: Prefect,
    /// What Prefect filters by: `flow_runs`, `flows`, `deployments`.
    filter: Value,
    /// Runs that were to begin no later; none at the beginning.
    before: Option<String>,
    /// Of those of that very time, the ones that were given already.
    given: HashSet<String>,
    /// So many more are wanted; none for all.
    left: Option<usize>,
}

impl Prefect {
    /// The flow runs that fit filters (`flow_runs`, `flows`, `deployments` of Prefect's API), by the time they were to
    /// begin, the latest first. It goes on by time, so that runs that come or change meanwhile move none out of the way.
    #[must_use]
    pub fn runs(&self, filter: Value, limit: Option<usize>) -> Pages {
        let place = Place {
            left: limit,
            prefect: self.clone(),
            filter,
            before: None,
            given: HashSet::new(),
        };
        let pages = stream::unfold(Some(place), |place| async move {
            let mut place = place?;
            match place.page().await {
                Ok((runs, is_last)) => Some((Ok(runs), (!is_last).then_some(place))),
                Err(error) => Some((Err(error), None)),
            }
        });
        pages
            .filter(|page| std::future::ready(!page.as_ref().is_ok_and(Vec::is_empty)))
            .boxed()
    }

    /// The id that begins like this, if it is the only one. Prefect filters by whole ids alone, but sorts by them.
    pub async fn find_run(&self, beginning: &str) -> Result<String> {
        let wanted = normal(beginning);
        if wanted.is_empty() {
            return Err(
                Error::usage("the id of a flow run, or a beginning of it, is wanted")
                    .hint("see what there is: dashictl runs"),
            );
        }
        if wanted.len() == ID {
            return Ok(wanted);
        }
        for _ in 0..SEARCHES {
            if let Some(ids) = self.search(&wanted).await? {
                return one_of(beginning, &ids);
            }
        }
        Err(Error::new(
            Kind::Conflict,
            "the flow runs changed faster than they could be searched",
        )
        .hint("run it again"))
    }

    /// The ids that begin like this, or at least two of them; none where others came in between.
    async fn search(&self, wanted: &str) -> Result<Option<Vec<String>>> {
        // From the greatest id down: those before `low` are greater than what is wanted.
        let (mut low, mut high) = (0, self.count(&json!({})).await?);
        while low < high {
            let middle = usize::midpoint(low, high);
            let runs = self.by_id(middle, 1).await?;
            match runs.first() {
                Some(id) if is_after(id, wanted) => low = middle + 1,
                _ => high = middle,
            }
        }
        let first = low.saturating_sub(AROUND);
        let ids = self.by_id(first, 2 * AROUND).await?;
        let begins = first == 0 || ids.first().is_some_and(|id| is_after(id, wanted));
        let fit: Vec<String> = ids
            .iter()
            .filter(|id| id.starts_with(wanted))
            .cloned()
            .collect();
        let ends = ids.len() < 2 * AROUND
            || fit.len() > 1
            || ids.last().is_some_and(|id| id.as_str() < wanted);
        Ok((begins && ends).then_some(fit))
    }

    async fn by_id(&self, offset: usize, limit: usize) -> Result<Vec<String>> {
        let runs = self
            .some_runs(json!({"sort": "ID_DESC", "offset": offset, "limit": limit}))
            .await?;
        Ok(runs
            .iter()
            .filter_map(|run| run["id"].as_str().map(str::to_owned))
            .collect())
    }
}

/// An id, or a beginning of one, as Prefect spells it: also one that was copied without its dashes.
fn normal(typed: &str) -> String {
    let typed = typed.trim().to_lowercase();
    match typed.parse::<uuid::Uuid>() {
        Ok(id) => id.to_string(),
        Err(_) => with_dashes(typed),
    }
}

/// A beginning that was copied without its dashes gets them back.
fn with_dashes(typed: String) -> String {
    let is_plain = typed.bytes().all(|letter| letter.is_ascii_hexdigit());
    if !is_plain || typed.len() > 32 {
        return typed;
    }
    let mut dashed = String::new();
    for (at, letter) in typed.chars().enumerate() {
        if [8, 12, 16, 20].contains(&at) {
            dashed.push('-');
        }
        dashed.push(letter);
    }
    dashed
}

/// Whether an id comes after all that begin like this.
fn is_after(id: &str, wanted: &str) -> bool {
    id > wanted && !id.starts_with(wanted)
}

fn one_of(beginning: &str, ids: &[String]) -> Result<String> {
    match ids {
        [id] => Ok(id.clone()),
        [] => Err(Error::new(
            Kind::NotFound,
            format!("there is no flow run whose id begins with '{beginning}'"),
        )
        .hint("see what there is: dashictl runs")),
        some => Err(Error::usage(format!(
            "the ids of {} or more flow runs begin with '{beginning}'",
            some.len()
        ))
        .hint(format!(
            "say more of it, as in {}",
            some.iter()
                .take(3)
                .cloned()
                .collect::<Vec<_>>()
                .join(" or ")
        ))),
    }
}

impl Place {
    /// The next runs, and whether they are the last.
    async fn page(&mut self) -> Result<(Vec<Value>, bool)> {
        let mut body = self.filter.clone();
        body["sort"] = "EXPECTED_START_TIME_DESC".into();
        // The runs of the last time may be among those that were given.
        let few = self.left.map(|left| left + self.given.len());
        let limit = few.map_or(PAGE, |few| few.min(PAGE));
        body["limit"] = limit.into();
        if let Some(before) = &self.before {
            bound(&mut body, "before_", before);
        }
        let runs = self.prefect.some_runs(body).await?;
        let (Some(first), Some(last)) = (runs.first().map(expected), runs.last().map(expected))
        else {
            return Ok((Vec::new(), true));
        };
        let is_last = runs.len() < limit;
        if first == last && !is_last && limit == PAGE {
            return self.moment(&last).await;
        }
        let fresh = self.go_on(runs, last);
        Ok((fresh, is_last || self.left == Some(0)))
    }

    /// All runs of one time, of which there are more than a page.
    async fn moment(&mut self, time: &str) -> Result<(Vec<Value>, bool)> {
        let mut filter = self.filter.clone();
        bound(&mut filter, "before_", time);
        bound(&mut filter, "after_", time);
        let mut pages = self.prefect.flow_runs_of(&filter)?;
        let mut runs = Vec::new();
        while let Some(page) = pages.next().await {
            runs.extend(page?);
        }
        let fresh = self.go_on(runs, time.to_owned());
        self.before = Some(just_before(time)?);
        self.given.clear();
        Ok((fresh, self.left == Some(0)))
    }

    /// Those that were not given yet; it goes on from a time.
    fn go_on(&mut self, runs: Vec<Value>, last: String) -> Vec<Value> {
        let mut fresh: Vec<Value> = runs
            .into_iter()
            .filter(|run| !self.given.contains(id(run)))
            .collect();
        if let Some(left) = &mut self.left {
            fresh.truncate(*left);
            *left -= fresh.len();
        }
        if self.before.as_ref() != Some(&last) {
            self.given.clear();
        }
        let of_last = fresh.iter().filter(|run| expected(run) == last);
        self.given.extend(of_last.map(|run| id(run).to_owned()));
        self.before = Some(last);
        fresh
    }
}

/// Sets a bound of the time that runs were to begin at; of two bounds the narrower holds.
fn bound(body: &mut Value, name: &str, time: &str) {
    body["flow_runs"]["expected_start_time"][name] = time.into();
}

fn expected(run: &Value) -> String {
    run["expected_start_time"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn id(run: &Value) -> &str {
    run["id"].as_str().unwrap_or_default()
}

/// The last moment before a time: Prefect counts microseconds.
fn just_before(time: &str) -> Result<String> {
    let parsed: Option<jiff::Timestamp> = time.parse().ok();
    let before =
        parsed.and_then(|time| time.checked_sub(jiff::SignedDuration::from_micros(1)).ok());
    before
        .map(|before| before.to_string())
        .ok_or_else(|| Error::new(Kind::Protocol, format!("prefect gave '{time}' for a time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_by_a_beginning_that_no_other_has() {
        let ids = ["a1".to_owned(), "a2".to_owned()];
        assert_eq!(one_of("a1", &ids[..1]).unwrap(), "a1");
        assert_eq!(one_of("a", &ids).unwrap_err().kind(), Kind::Usage);
        assert_eq!(one_of("b", &[]).unwrap_err().kind(), Kind::NotFound);
        assert!(is_after("b0", "a") && !is_after("a1", "a") && !is_after("0", "a"));
    }

    #[test]
    fn an_id_is_taken_as_it_was_copied() {
        let id = "9fa792b4-c0a0-4bc2-b278-68ecd5320734";
        for typed in [id, " 9FA792B4C0A04BC2B27868ECD5320734 "] {
            assert_eq!(normal(typed), id);
        }
        assert_eq!(normal("9FA7"), "9fa7");
        assert_eq!(normal("9fa792b4c0a04b"), "9fa792b4-c0a0-4b");
    }

    #[test]
    fn the_moment_before_a_time_is_a_microsecond_less() {
        assert_eq!(
            just_before("2026-01-01T00:00:00Z").unwrap(),
            "2025-12-31T23:59:59.999999Z"
        );
    }
}
