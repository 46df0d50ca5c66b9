//! What a gate is at: how it acts in this pass, what was asked of it, and what it was told of the run.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::gate::Consent;
use super::run::Order;
use super::standing::Standing;
use super::{Effect, Facts, Ledger, Recorder};
use crate::error::{Error, Result};

/// How the gate acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Performs.
    Performing,
    /// Notes.
    Planning,
    /// Performs what is noted.
    Guarded,
}

pub(super) struct GateState {
    pub(super) most: Effect,
    pub(super) mode: Mode,
    /// Who is asked before a change that is done as it comes.
    pub(super) consent: Option<Arc<dyn Consent>>,
    pub(super) steps: usize,
    pub(super) ledger: Option<Ledger>,
    pub(super) recorder: Option<Arc<Recorder>>,
    pub(super) order: Order,
    /// Whether the plan that guards this pass is whole. Beyond one that is not, nothing is left alone: the pass ends.
    pub(super) partial: bool,
    /// The digests of the scripts that the plan was made by, where they were read by another process.
    pub(super) scripts: Option<BTreeSet<String>>,
    pub(super) standing: Standing,
    /// Whether another script was read since.
    pub(super) is_stale: bool,
    /// The latest second that a planned object was written in.
    pub(super) newest: Option<String>,
    /// What was asked for beyond the plan.
    pub(super) beyond: Vec<String>,
    pub(super) beyond_count: u64,
}

impl GateState {
    pub(super) fn new(most: Effect, mode: Mode) -> GateState {
        GateState {
            most,
            mode,
            consent: None,
            steps: 0,
            ledger: None,
            recorder: None,
            order: Order::default(),
            partial: false,
            scripts: None,
            standing: Standing::Open,
            is_stale: false,
            newest: None,
            beyond: Vec::new(),
            beyond_count: 0,
        }
    }

    pub(super) fn begin_pass(&mut self) -> Result<()> {
        self.beyond.clear();
        self.beyond_count = 0;
        let ledger = self.ledger()?;
        ledger.begin_pass();
        self.steps = ledger.last_step()?;
        Ok(())
    }

    pub(super) fn ledger(&mut self) -> Result<&mut Ledger> {
        if self.ledger.is_none() {
            let mut ledger = Ledger::new()?;
            ledger.begin_pass();
            self.ledger = Some(ledger);
        }
        self.ledger
            .as_mut()
            .ok_or_else(|| Error::internal("a run without steps"))
    }

    pub(super) fn next_step(&mut self) -> usize {
        self.steps += 1;
        self.steps
    }

    pub(super) fn see(&mut self, facts: &Facts) {
        if let Facts::Object {
            modified: Some(modified),
            ..
        } = facts
            && self.newest.as_ref().is_none_or(|newest| newest < modified)
        {
            self.newest = Some(modified.clone());
        }
    }
}
