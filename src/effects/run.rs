//! Who runs what, on which lake: what a journal begins with, and what a plan is bound to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Effect;
use super::payload::digest;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::sandbox;
use crate::session::Session;

/// The id of a run: a ULID, so that ids sort by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// A new one.
    #[must_use]
    pub fn new() -> RunId {
        RunId(ulid())
    }

    /// The id that was typed.
    pub fn parse(text: &str) -> Result<RunId> {
        let upper = text.trim().to_uppercase();
        match ulid::Ulid::from_string(&upper) {
            Ok(_) => Ok(RunId(upper)),
            Err(_) => Err(Error::usage(format!("'{text}' is no id of a run"))
                .hint("it has 26 letters and digits; `dashictl log list` shows them")),
        }
    }

    /// It as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A new ULID: the time, then chance.
#[must_use]
pub(super) fn ulid() -> String {
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    ulid::Ulid::from_parts(now, rand::random()).to_string()
}

impl Default for RunId {
    fn default() -> RunId {
        RunId::new()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is run: where its program comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The script of a command.
    Command(Vec<String>),
    /// A script by its absolute path.
    File(String),
    /// An expression.
    Expression(String),
    /// The program itself: undo, purge.
    Host,
}

/// What was typed, as far as it can be told to others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The command line, without secrets and without `--apply` and its like.
    pub command: String,
    /// What is run.
    pub origin: Origin,
    /// The arguments of the script.
    pub arguments: Map<String, Value>,
    /// The most it may do.
    pub effect: Effect,
    /// When it began: the same in every pass, also of a plan that is applied later.
    pub began: Timestamp,
}

impl Default for Order {
    fn default() -> Order {
        Order {
            began: Timestamp::now(),
            command: "dashictl".to_owned(),
            origin: Origin::Host,
            arguments: Map::new(),
            effect: Effect::Read,
        }
    }
}

/// The lake a run or plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// The context's name.
    pub context: String,
    /// Where its services are, by setting; of the sandbox, whose ports change, its folder.
    pub endpoints: BTreeMap<String, String>,
}

impl Scene {
    /// The lake of a session.
    pub fn of(session: &Session) -> Result<Scene> {
        let config = session.config();
        let endpoints = if config.is_sandbox() {
            let folder = sandbox::folder(session.environment())?;
            [("sandbox".to_owned(), folder.display().to_string())].into()
        } else {
            endpoints(config)
        };
        Ok(Scene {
            context: config.context().to_owned(),
            endpoints,
        })
    }

    /// Fails where a run or plan for this lake meets another.
    pub fn check(&self, here: &Scene, what: &str) -> Result<()> {
        if self.context != here.context {
            let message = format!(
                "{what} is for the context '{}', and this is '{}'",
                self.context, here.context
            );
            return Err(Error::new(Kind::Stale, message)
                .hint(format!("name it: --context {}", self.context)));
        }
        let other = self
            .endpoints
            .iter()
            .find(|(setting, url)| here.endpoints.get(*setting) != Some(url));
        match other {
            None => Ok(()),
            Some((setting, url)) => {
                let now = here.endpoints.get(setting).map_or("unset", String::as_str);
                let message = format!("{what} was made where {setting} is {url}; here it is {now}");
                Err(Error::new(Kind::Stale, message)
                    .hint("`dashictl config --origin` says where each value comes from"))
            }
        }
    }
}

fn endpoints(config: &Config) -> BTreeMap<String, String> {
    config
        .settings()
        .filter(|setting| setting.key().is_endpoint() && setting.is_set() && !setting.is_off())
        .map(|setting| (setting.key().path.to_owned(), setting.display()))
        .collect()
}

/// A run, as its journal begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// What was typed.
    #[serde(flatten)]
    pub order: Order,
    /// The lake.
    #[serde(flatten)]
    pub scene: Scene,
    /// The digest of its script and what that imports.
    pub script: String,
    /// Who acts.
    pub actor: String,
    /// On which machine.
    pub host: String,
    /// The process there.
    pub pid: u32,
    /// When it began.
    pub started: Timestamp,
    /// The nonce of its plan, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The run that it takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undoes: Option<RunId>,
}

impl Run {
    /// A run of this session that begins now.
    pub fn begin(session: &Session, order: Order, nonce: Option<String>) -> Result<Run> {
        let host = whoami::hostname().unwrap_or_else(|_| "localhost".to_owned());
        Ok(Run {
            id: RunId::new(),
            order,
            scene: Scene::of(session)?,
            script: script_digest(session),
            actor: actor(session.config(), &host),
            host,
            pid: std::process::id(),
            started: session.now(),
            nonce,
            undoes: None,
        })
    }
}

/// Who acts: as configured, else the user of the operating system (not what `$USER` claims) at this machine.
fn actor(config: &Config, host: &str) -> String {
    config.actor().unwrap_or_else(|| {
        let user = whoami::username().unwrap_or_else(|_| "unknown".to_owned());
        format!("{user}@{host}")
    })
}

/// The digest of all scripts that the session has read.
#[must_use]
pub fn script_digest(session: &Session) -> String {
    let digests: Vec<String> = script_digests(session).into_iter().collect();
    format!("sha256:{}", digest(digests.concat().as_bytes()))
}

/// The digest of each of them. A script goes by the name it was called by, which is not part of what it does.
pub(super) fn script_digests(session: &Session) -> BTreeSet<String> {
    let texts = session.sources().all();
    texts.values().map(|text| digest(text.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_in_either_case_and_nothing_else_is() {
        let id = RunId::new();
        assert_eq!(RunId::parse(&id.as_str().to_lowercase()).unwrap(), id);
        assert_eq!(RunId::parse("../../etc").unwrap_err().kind(), Kind::Usage);
    }

    #[test]
    fn a_plan_for_one_lake_is_refused_at_another() {
        let scene = |context: &str, url: &str| Scene {
            context: context.to_owned(),
            endpoints: [("s3.endpoint".to_owned(), url.to_owned())].into(),
        };
        let here = scene("prod", "http://a");
        assert!(here.check(&here, "the plan").is_ok());
        for other in [scene("test", "http://a"), scene("prod", "http://b")] {
            assert_eq!(
                other.check(&here, "the plan").unwrap_err().kind(),
                Kind::Stale
            );
        }
    }
}
