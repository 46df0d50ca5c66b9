//! The part of the lake where destructive runs keep their plans, journals and nonces (`[state] url`), so that a run made
//! in a pod can be shown, resumed and undone from anywhere.
//!
//! An object cannot be appended to: a journal is a row of small objects, one for each time it was written.

use std::collections::BTreeMap;
use std::path::Path;

use futures::StreamExt;
use serde_json::json;

use super::{Account, Permit, Plan, RunId};
use crate::clients::s3::S3;
use crate::clients::s3_changes::{Condition, Content};
use crate::clients::s3_upload::Sent;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::local_file::LocalFile;
use crate::session::Session;

/// A plan that is larger is not read back into memory line by line but refused.
const READ_LIMIT: usize = 1 << 30;

/// Where runs are kept in the lake.
#[derive(Clone)]
pub struct Store {
    s3: S3,
    at: ObjectRef,
}

impl Store {
    /// The one that the configuration names.
    pub fn of(session: &Session) -> Result<Store> {
        session.endpoints()?;
        let url = session.config().state_url()?;
        let at = session.lake()?.locate(&url).map_err(|error| {
            error.hint("this is state.url in the configuration: an S3 URI below a bucket, as in s3://curated/.dashi-state/")
        })?;
        Ok(Store {
            s3: session.s3()?.clone(),
            at,
        })
    }

    /// The object of a name below it.
    #[must_use]
    pub fn object(&self, name: &str) -> ObjectRef {
        ObjectRef {
            bucket: self.at.bucket.clone(),
            key: format!("{}/{name}", self.at.key.trim_end_matches('/')),
        }
    }

    /// The client it is reached through.
    #[must_use]
    pub fn s3(&self) -> &S3 {
        &self.s3
    }

    /// Writes one piece of a run's journal.
    pub async fn write_segment(&self, run: &RunId, name: &str, text: &str) -> Result<()> {
        let at = self.object(&format!("runs/{run}/{name}.jsonl"));
        self.put(&at, text, &Condition::None)
            .await
            .map_err(unwritten)
    }

    /// Writes a run's plan.
    pub async fn write_plan(&self, run: &RunId, part: i64, file: &Path) -> Result<()> {
        let at = self.object(&format!("plans/{run}-{part}.jsonl"));
        self.keep_file(&at, file).await.map_err(unwritten)
    }

    /// Marks a plan as used. One that was used is refused.
    pub async fn use_nonce(&self, nonce: &str, run: &RunId) -> Result<()> {
        let at = self.object(&format!("nonces/{nonce}.json"));
        if let Ok(bytes) = self.s3.read(&at.bucket, &at.key, None, 4096).await {
            return Err(used(&bytes));
        }
        let text = json!({"run": run.as_str()}).to_string();
        match self.put(&at, &text, &Condition::Absent).await {
            Err(error) if error.detail().status == Some(412) => Err(used(b"")),
            other => other.map_err(unwritten),
        }
    }

    /// The run that used a plan, by its nonce; none where nobody has.
    pub async fn user_of(&self, nonce: &str) -> Result<Option<RunId>> {
        let at = self.object(&format!("nonces/{nonce}.json"));
        match self.s3.read(&at.bucket, &at.key, None, 4096).await {
            Ok(bytes) => {
                let used: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
                RunId::parse(used["run"].as_str().unwrap_or_default()).map(Some)
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fails where an object is not below it: plans are kept nowhere else in the lake.
    pub fn demand_below(&self, at: &ObjectRef) -> Result<()> {
        let folder = format!("{}/", self.at.key.trim_end_matches('/'));
        if at.bucket == self.at.bucket && at.key.starts_with(&folder) {
            return Ok(());
        }
        Err(
            Error::usage(format!("{at} is no place for a plan")).hint(format!(
                "write a file, or what is below state.url: s3://{}/{folder}",
                self.at.bucket
            )),
        )
    }

    /// Writes a file to an object below it.
    pub async fn keep_file(&self, at: &ObjectRef, file: &Path) -> Result<()> {
        self.demand_below(at)?;
        let sent = Sent {
            at,
            file: &LocalFile::look(file)?,
            content_type: None,
            metadata: &BTreeMap::new(),
        };
        self.s3
            .put_file(Permit::granted(), &sent, &Condition::None)
            .await
            .map(drop)
    }

    /// Writes a text to an object below it.
    pub async fn keep_text(&self, at: &ObjectRef, text: &str) -> Result<()> {
        self.demand_below(at)?;
        self.put(at, text, &Condition::None).await
    }

    /// Brings an object below it to a file.
    pub async fn bring(&self, at: &ObjectRef, file: &Path) -> Result<()> {
        self.demand_below(at)?;
        let bytes = self.s3.read(&at.bucket, &at.key, None, READ_LIMIT).await?;
        crate::file::replace(file, &bytes)
    }

    async fn put(&self, at: &ObjectRef, text: &str, condition: &Condition) -> Result<()> {
        let content = Content {
            bytes: text.as_bytes().to_vec().into(),
            content_type: Some("application/x-ndjson".to_owned()),
            ..Content::default()
        };
        self.s3
            .put(Permit::granted(), at, &content, condition)
            .await
            .map(drop)
    }

    /// The runs that are kept, and of how many pieces their journals are.
    pub async fn runs(&self) -> Result<BTreeMap<RunId, usize>> {
        let mut runs = BTreeMap::new();
        for key in self.keys("runs/").await? {
            let Some(run) = key
                .split('/')
                .next_back()
                .and(key.rsplit('/').nth(1))
                .and_then(|run| RunId::parse(run).ok())
            else {
                continue;
            };
            *runs.entry(run).or_default() += 1;
        }
        Ok(runs)
    }

    /// The keys of all objects below a name.
    pub(super) async fn keys(&self, below: &str) -> Result<Vec<String>> {
        let prefix = self.object(below);
        let mut pages = self.s3.list(&prefix.bucket, &prefix.key, None);
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            keys.extend(
                page?
                    .iter()
                    .filter_map(|object| object["key"].as_str().map(str::to_owned)),
            );
        }
        Ok(keys)
    }

    /// Reads the journal of a run.
    pub async fn read(&self, run: &RunId) -> Result<Account> {
        let mut account = Account::new()?;
        self.add(run, &mut account).await?;
        if account.pieces > 0 {
            return account.checked(run);
        }
        Err(Error::new(
            Kind::NotFound,
            format!("there is no run {run}, neither on this machine nor in the lake"),
        )
        .hint("`dashictl log list` shows the runs there are"))
    }

    /// Adds to the account of a run what the lake knows of it.
    pub async fn add(&self, run: &RunId, account: &mut Account) -> Result<()> {
        let mut keys = self.keys(&format!("runs/{run}/")).await?;
        keys.sort();
        account.pieces = keys.len();
        for key in keys {
            let bytes = self
                .s3
                .read(&self.at.bucket, &key, None, READ_LIMIT)
                .await?;
            String::from_utf8_lossy(&bytes)
                .lines()
                .try_for_each(|line| account.take(line))?;
        }
        Ok(())
    }

    /// How many pieces of a run's journal there are.
    pub async fn segments(&self, run: &RunId) -> Result<usize> {
        Ok(self.keys(&format!("runs/{run}/")).await?.len())
    }

    /// The plan in an object below it.
    pub async fn plan(&self, at: &ObjectRef) -> Result<Plan> {
        let folder = tempfile::tempdir();
        let folder = folder
            .map_err(|error| Error::io("make", Path::new("a folder for the plan"), &error))?;
        let file = folder.path().join("plan.jsonl");
        self.bring(at, &file).await?;
        Plan::read(&file)
    }

    /// Makes a plan that is kept elsewhere below it the first part of a run's plan, where that has none.
    pub async fn adopt_plan(&self, run: &RunId, from: &ObjectRef) -> Result<()> {
        let at = self.object(&format!("plans/{run}-1.jsonl"));
        match self.s3.head(&at.bucket, &at.key).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
        let bytes = self
            .s3
            .read(&from.bucket, &from.key, None, READ_LIMIT)
            .await?;
        self.put(&at, &String::from_utf8_lossy(&bytes), &Condition::None)
            .await
            .map_err(unwritten)
    }

    /// Brings a part of a run's plan to a file.
    pub async fn fetch_plan(&self, run: &RunId, part: i64, file: &Path) -> Result<()> {
        let at = self.object(&format!("plans/{run}-{part}.jsonl"));
        self.bring(&at, file).await
    }
}

fn used(bytes: &[u8]) -> Error {
    let by: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let by = by["run"]
        .as_str()
        .map(|run| format!(" by run {run}"))
        .unwrap_or_default();
    Error::new(Kind::Stale, format!("this plan was used already{by}")).hint("make a new one")
}

fn unwritten(error: Error) -> Error {
    error.hint("a destructive run keeps its journal in the lake (state.url), and without it changes nothing")
}
