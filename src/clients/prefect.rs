//! Prefect's REST API (server 3): health, deployments, flow runs. Lists come 200 at a time, by offset. Runs by time, and
//! by the beginning of an id, are `prefect_runs`; what they log is `prefect_logs`.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use serde_json::{Value, json};

use super::Pages;
use super::answer::Answer;
use super::http::{Request, Sender, path};
use crate::effects::Permit;
use crate::error::{Error, Kind, Result};

/// The most records that Prefect gives at once; more is refused with 422.
pub(super) const PAGE: usize = 200;

/// The states that a flow run does not leave by itself.
pub const ENDS: [&str; 4] = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"];

/// The states of a flow run that has not ended.
pub const UNDER_WAY: [&str; 5] = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"];

/// So many runs of a page are asked for again with the next: where some have left the list meanwhile, the rest moved up.
const OVERLAP: usize = 100;

/// The client of Prefect.
#[derive(Clone)]
pub struct Prefect {
    sender: Sender,
}

impl Prefect {
    /// A client that sends through `sender`. Its URL may end in `/api` or not, as people copy it from either place.
    #[must_use]
    pub fn new(sender: Sender) -> Prefect {
        Prefect { sender }
    }

    /// The same client, with a bound on each whole call.
    #[must_use]
    pub fn within(&self, bound: Option<Duration>) -> Prefect {
        Prefect {
            sender: self.sender.within(bound),
        }
    }

    /// Asks whether the server is well.
    pub async fn health(&self) -> Result<()> {
        let answer = self
            .sender
            .send(Request::get(self.api(&["health"])?))
            .await?;
        if answer.json()? == Value::Bool(true) {
            Ok(())
        } else {
            Err(answer.fault("something else than 'true'"))
        }
    }

    /// The version of the server's API, such as `0.8.4`.
    pub async fn version(&self) -> Result<String> {
        let answer = self
            .sender
            .send(Request::get(self.api(&["version"])?))
            .await?;
        let version = answer.json()?;
        version
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| answer.fault("a version that is no string"))
    }

    /// All deployments, page by page.
    pub fn deployments(&self) -> Result<Pages> {
        self.filtered(&["deployments", "filter"], json!({"sort": "NAME_ASC"}))
    }

    /// One deployment by `flow/deployment`.
    pub async fn deployment(&self, name: &str) -> Result<Value> {
        let parts = name.split_once('/');
        let parts = parts.filter(|(flow, deployment)| !flow.is_empty() && !deployment.is_empty());
        let Some((flow, deployment)) = parts else {
            return Err(Error::usage(format!("'{name}' is no deployment"))
                .hint("a deployment is named flow/deployment, as in dashi-ingest/main"));
        };
        let path = self.api(&["deployments", "name", flow, deployment])?;
        let answer = self.sender.send(Request::get(path)).await?;
        record(&answer, "a deployment without an id", |found| {
            found["id"].is_string()
        })
    }

    /// The flow runs that fit a filter (`flow_runs` of Prefect's API), the newest first. None is passed over, whichever
    /// leave the list while it is read; where too many do, that is an error.
    pub fn flow_runs(&self, filter: &Value) -> Result<Pages> {
        self.flow_runs_of(&json!({"flow_runs": filter}))
    }

    /// The same by more filters than of runs alone.
    pub(super) fn flow_runs_of(&self, filters: &Value) -> Result<Pages> {
        let mut body = filters.clone();
        body["sort"] = "ID_DESC".into();
        let listing = Listing {
            sender: self.sender.clone(),
            path: self.api(&["flow_runs", "filter"])?,
            body,
            seen: HashSet::new(),
            last: Vec::new(),
        };
        let pages = stream::unfold(Some((listing, 0)), |state| async move {
            let (mut listing, offset) = state?;
            let page = listing.page(offset).await;
            let next = matches!(page, Ok((_, false)));
            let page = page.map(|(runs, _)| runs);
            Some((page, next.then_some((listing, offset + PAGE - OVERLAP))))
        });
        Ok(pages.boxed())
    }

    /// One flow, by its id.
    pub async fn flow(&self, id: &str) -> Result<Value> {
        self.sender
            .json(Request::get(self.api(&["flows", id])?))
            .await
    }

    /// One flow run.
    pub async fn flow_run(&self, id: &str) -> Result<Value> {
        let answer = self
            .sender
            .send(Request::get(self.api(&["flow_runs", id])?))
            .await?;
        record(&answer, "something else than that flow run", |run| {
            let is_it = run["id"]
                .as_str()
                .is_some_and(|found| found.eq_ignore_ascii_case(id));
            is_it && run["state_type"].is_string()
        })
    }

    /// All flow runs that were to begin after this time (RFC 3339), the newest first.
    pub async fn runs_since(&self, time: &str) -> Result<Vec<Value>> {
        let filter = json!({"expected_start_time": {"after_": time}});
        let mut pages = self.flow_runs(&filter)?;
        let mut runs = Vec::new();
        while let Some(page) = pages.next().await {
            runs.extend(page?);
        }
        Ok(runs)
    }

    /// The flow runs that these idempotency keys name; at most as many keys as a page has runs.
    pub async fn runs_by_keys(&self, keys: &[String]) -> Result<Vec<Value>> {
        let mut runs = Vec::new();
        for some in keys.chunks(PAGE) {
            let filter = json!({"idempotency_key": {"any_": some}});
            runs.extend(
                self.some_runs(json!({"flow_runs": filter, "limit": PAGE}))
                    .await?,
            );
        }
        Ok(runs)
    }

    /// Starts a run of a deployment. Its idempotency key makes it one run however often it is asked for.
    pub async fn start(&self, permit: Permit, deployment: &str, body: Value) -> Result<Value> {
        let path = self.api(&["deployments", deployment, "create_flow_run"])?;
        let request = Request::post(permit, path, body);
        self.sender.json(request.repeatable()).await
    }

    /// The id of a flow, which is made where it is not there.
    pub async fn ensure_flow(&self, permit: Permit, name: &str) -> Result<String> {
        let request = Request::post(
            permit,
            format!("{}/", self.api(&["flows"])?),
            json!({"name": name}),
        );
        let answer = self.sender.send(request.repeatable()).await?;
        let flow = record(&answer, "a flow without an id", |found| {
            found["id"].is_string()
        })?;
        Ok(flow["id"].as_str().unwrap_or_default().to_owned())
    }

    /// Makes a deployment, or updates the one of that flow and name.
    pub async fn put_deployment(&self, permit: Permit, body: Value) -> Result<Value> {
        let request = Request::post(permit, format!("{}/", self.api(&["deployments"])?), body);
        let answer = self.sender.send(request.repeatable()).await?;
        record(&answer, "a deployment without an id", |found| {
            found["id"].is_string()
        })
    }

    /// Deletes a deployment by its id. Runs of it that have not begun go with it.
    pub async fn delete_deployment(&self, permit: Permit, id: &str) -> Result<()> {
        let request = Request::delete(permit, self.api(&["deployments", id])?);
        self.sender.send(request).await.map(drop)
    }

    /// Asks for a state of a flow run: what Prefect says to it, `status` (`ACCEPT`, `REJECT`, `ABORT`, `WAIT`), `state`
    /// and `details`. With `force`, its rules are passed over.
    pub async fn set_state(
        &self,
        permit: Permit,
        id: &str,
        state: Value,
        force: bool,
    ) -> Result<Value> {
        let body = json!({"state": state, "force": force});
        let request = Request::post(permit, self.api(&["flow_runs", id, "set_state"])?, body);
        self.sender.json(request).await
    }

    /// How many runs there were of each state in intervals of so many seconds.
    pub async fn history(&self, body: Value) -> Result<Vec<Value>> {
        let answer = self
            .sender
            .send(Request::ask(self.api(&["flow_runs", "history"])?, body))
            .await?;
        match answer.json()? {
            Value::Array(intervals) if intervals.iter().all(is_interval) => Ok(intervals),
            _ => Err(answer.fault("something else than a list of intervals")),
        }
    }

    /// How many flow runs with all of these tags have not ended.
    pub async fn under_way(&self, tags: &[String]) -> Result<usize> {
        self.count(
            &json!({"flow_runs": {"tags": {"all_": tags}, "state": {"type": {"any_": UNDER_WAY}}}}),
        )
        .await
    }

    /// How many flow runs fit filters.
    pub async fn count(&self, filters: &Value) -> Result<usize> {
        let answer = self
            .sender
            .send(Request::ask(
                self.api(&["flow_runs", "count"])?,
                filters.clone(),
            ))
            .await?;
        let count = answer
            .json()?
            .as_u64()
            .and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| answer.fault("something else than a number"))
    }

    /// Work pools.
    pub fn work_pools(&self) -> Result<Pages> {
        self.filtered(&["work_pools", "filter"], json!({}))
    }

    /// One page of flow runs, by the whole body of a question.
    pub(super) async fn some_runs(&self, body: Value) -> Result<Vec<Value>> {
        page(
            &self.sender,
            Request::ask(self.api(&["flow_runs", "filter"])?, body),
        )
        .await
    }

    /// One page of log lines.
    pub(super) async fn some_logs(&self, body: Value) -> Result<Vec<Value>> {
        page(
            &self.sender,
            Request::ask(self.api(&["logs", "filter"])?, body),
        )
        .await
    }

    /// The page of a flow run in Prefect's own web interface.
    #[must_use]
    pub fn page_of(&self, id: &str) -> String {
        let url = self.sender.settings().url.as_str();
        let root = url.trim_end_matches('/').trim_end_matches("/api");
        format!("{root}/runs/flow-run/{id}")
    }

    fn api(&self, segments: &[&str]) -> Result<String> {
        let below = if self
            .sender
            .settings()
            .url
            .path()
            .trim_end_matches('/')
            .ends_with("/api")
        {
            ""
        } else {
            "/api"
        };
        Ok(format!("{below}{}", path(segments)?))
    }

    /// A filter endpoint, read to its end by offset.
    fn filtered(&self, segments: &[&str], body: Value) -> Result<Pages> {
        let (sender, path) = (self.sender.clone(), self.api(segments)?);
        let pages = stream::unfold(Some(0), move |offset| {
            let (sender, path, mut body) = (sender.clone(), path.clone(), body.clone());
            async move {
                let offset = offset?;
                body["limit"] = PAGE.into();
                body["offset"] = offset.into();
                let page = page(&sender, Request::ask(path, body)).await;
                let next = page
                    .as_ref()
                    .ok()
                    .filter(|page| page.len() == PAGE)
                    .map(|_| offset + PAGE);
                Some((page, next))
            }
        })
        .filter(|page| std::future::ready(!page.as_ref().is_ok_and(Vec::is_empty)));
        Ok(pages.boxed())
    }
}

/// A list of flow runs on its way.
struct Listing {
    sender: Sender,
    path: String,
    body: Value,
    seen: HashSet<String>,
    /// The ids of the page before.
    last: Vec<String>,
}

impl Listing {
    /// The runs of a page that were not given yet, and whether it is the last.
    async fn page(&mut self, offset: usize) -> Result<(Vec<Value>, bool)> {
        let mut body = self.body.clone();
        body["limit"] = PAGE.into();
        body["offset"] = offset.into();
        let runs = page(&self.sender, Request::ask(self.path.clone(), body)).await?;
        let ids = runs.iter().filter_map(|run| run["id"].as_str());
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        // Where none of the page before is here, more have left than overlap, and some may have been passed over.
        if !self.last.is_empty() && !ids.iter().any(|id| self.last.contains(id)) {
            return Err(Error::new(
                Kind::Conflict,
                "the flow runs changed faster than they could be read",
            )
            .request("prefect", "POST", self.sender.settings().url.as_str())
            .hint("run it again"));
        }
        let is_last = ids.len() < PAGE;
        let fresh = runs.into_iter().zip(&ids);
        let fresh = fresh.filter(|(_, id)| self.seen.insert((*id).clone()));
        let fresh = fresh.map(|(run, _)| run).collect();
        self.last = ids;
        Ok((fresh, is_last))
    }
}

async fn page(sender: &Sender, request: Request) -> Result<Vec<Value>> {
    let answer = sender.send(request).await?;
    match answer.json()? {
        Value::Array(records) if records.len() > PAGE => {
            Err(answer.fault(&format!("more than {PAGE} records at once")))
        }
        Value::Array(records) if records.iter().any(|record| !record["id"].is_string()) => {
            Err(answer.fault("a record without an id"))
        }
        Value::Array(records) => Ok(records),
        _ => Err(answer.fault("something else than a list")),
    }
}

/// A record, if it is what it should be.
fn record(answer: &Answer, fault: &str, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
    let record = answer.json()?;
    if is_it(&record) {
        Ok(record)
    } else {
        Err(answer.fault(fault))
    }
}

fn is_interval(interval: &Value) -> bool {
    interval["interval_start"].is_string() && interval["states"].is_array()
}
