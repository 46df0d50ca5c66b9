//! Prefect's REST API (server 3): health, deployments. Lists come 200 at a time, by offset.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use serde_json::{Value, json};

use super::Pages;
use super::http::{Request, Sender, path};
use crate::error::{Error, Kind, Result};

/// The most records that Prefect gives at once; more is refused with 422.
const PAGE: usize = 200;

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
        let Some((flow, deployment)) = name.split_once('/') else {
            return Err(Error::usage(format!("'{name}' is no deployment"))
                .hint("a deployment is named flow/deployment, as in dashi-ingest/main"));
        };
        self.sender
            .json(Request::get(self.api(&[
                "deployments",
                "name",
                flow,
                deployment,
            ])?))
            .await
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

async fn page(sender: &Sender, request: Request) -> Result<Vec<Value>> {
    let answer = sender.send(request).await?;
    match answer.json()? {
        Value::Array(records) if records.len() <= PAGE => Ok(records),
        Value::Array(_) => Err(Error::new(
            Kind::Protocol,
            format!("prefect gave more than {PAGE} records at once"),
        )),
        _ => Err(answer.fault("something else than a list")),
    }
}
