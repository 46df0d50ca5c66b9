//! One step on one target, how far it has come, and the sum of the steps of a call. Where they are kept is `ledger`'s and
//! `journal`'s business.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::Fingerprint;
use super::lock::{CATALOGUE, TABLES};
use super::{Change, Effect, Facts};

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Planned.
    Open,
    /// Begun; whether it was done is not known.
    Begun,
    /// Done.
    Done,
    /// Nothing was left to do: the target was gone already.
    Gone,
    /// Left alone: it was not as planned.
    Left,
    /// Held back: what must come before it was not wholly done. When that is, it can be done.
    Held,
    /// Tried in vain.
    Failed,
}

impl State {
    /// Its name in plans, journals and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Begun => "begun",
            State::Done => "done",
            State::Gone => "gone",
            State::Left => "left",
            State::Held => "held",
            State::Failed => "failed",
        }
    }

    /// The state of that name.
    pub(super) fn from_name(name: &str) -> State {
        [
            State::Begun,
            State::Done,
            State::Gone,
            State::Left,
            State::Held,
            State::Failed,
        ]
        .into_iter()
        .find(|state| state.name() == name)
        .unwrap_or(State::Open)
    }

    /// Whether it has come as far as it comes in this run.
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, State::Open | State::Begun)
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, State::Done | State::Gone)
    }
}

/// One step on one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its number in the run, from 1.
    pub number: i64,
    /// The call of the script that asked for it, from 1. A call with many targets is one step.
    pub step: usize,
    /// The function that was called.
    pub function: String,
    /// What it does to the world.
    pub effect: Effect,
    /// What it is done to.
    pub target: String,
    /// The change.
    pub change: Change,
    /// What the target was seen to be when it was planned.
    pub facts: Facts,
    /// The steps that must be wholly done before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<usize>,
    /// How far it has come.
    #[serde(skip, default = "open")]
    pub state: State,
    /// Why it was left alone or failed.
    #[serde(skip)]
    pub why: Option<String>,
    /// What it gave back.
    #[serde(skip)]
    pub value: Value,
}

fn open() -> State {
    State::Open
}

impl Row {
    /// A step that is planned for a target that was seen to be this.
    #[must_use]
    pub fn planned(step: usize, change: Change, facts: Facts) -> Row {
        Row {
            number: 0,
            step,
            function: change.function().to_owned(),
            effect: change.effect(),
            target: change.target(),
            change,
            facts,
            after: Vec::new(),
            state: State::Open,
            why: None,
            value: Value::Null,
        }
    }

    /// What its call is known by.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.change.fingerprint(&self.function)
    }

    /// The bytes at stake: what is written, or what the target holds.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.change.writes().or(self.facts.size())
    }

    /// Where its target is: a bucket or a share of it, the catalogue, or this machine.
    #[must_use]
    pub fn place(&self) -> String {
        if let Change::DeleteObject {
            at,
            share: Some(share),
            ..
        } = &self.change
        {
            return share.lock(&at.bucket);
        }
        match self.change.object() {
            Some(at) => at.bucket.clone(),
            None if self.change.is_record() => CATALOGUE.to_owned(),
            // What is expired is not brought back at the same time. Rows are deleted side by side.
            None if self.change.needs_files_to_stay() => TABLES.to_owned(),
            None => String::new(),
        }
    }
}

/// The steps of one call, added up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// The call of the script.
    pub step: usize,
    /// The function.
    pub function: String,
    /// What it does to the world.
    pub effect: String,
    /// How many targets.
    pub targets: u64,
    /// How many bytes they hold, or are written.
    pub bytes: u64,
    /// The first target.
    pub first: String,
    /// The last target.
    pub last: String,
    /// What there is to be said of the one target that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
    /// How many are settled, left and failed.
    pub done: u64,
    /// How many were left alone.
    pub left: u64,
    /// How many failed.
    pub failed: u64,
}
