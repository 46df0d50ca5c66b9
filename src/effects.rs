//! The gate that every change to a service passes: what a function does to the world, and whether this run may do it.
//!
//! Here is the decision alone. What is changed is the function's own business (`modules`), and who registers a
//! function cannot avoid the question: `native!` puts the gate in front of every body that is not `read`.

use std::sync::Mutex;

use crate::error::{Error, Kind, Result};

/// What a function, at most, does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Effect {
    /// Changes nothing.
    #[default]
    Read,
    /// Creates or updates; nothing is lost, and doing it again does no harm.
    Write,
    /// Loses something.
    Destroy,
}

impl Effect {
    /// The name in headers and in the reference.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Effect::Read => "read",
            Effect::Write => "write",
            Effect::Destroy => "destroy",
        }
    }

    /// The effect of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Effect> {
        [Effect::Read, Effect::Write, Effect::Destroy]
            .into_iter()
            .find(|effect| effect.name() == name)
    }
}

/// One change that a run would make, or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number in the plan, from 1.
    pub number: usize,
    /// The function that was called, as in `stac::put_collection`.
    pub function: String,
    /// What it does to the world.
    pub effect: Effect,
    /// What it is done to, as in `collection raw`.
    pub target: String,
}

/// What the gate says to one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Do it.
    Perform,
    /// It is noted as this step of the plan; don't do it.
    Planned(Step),
}

/// The gate of one run: the most it may do, and whether it only plans.
#[derive(Debug)]
pub struct Gate {
    most: Effect,
    planning: bool,
    steps: Mutex<Vec<Step>>,
}

impl Gate {
    /// A gate that lets through what is at most `most`, and performs it.
    #[must_use]
    pub fn performing(most: Effect) -> Gate {
        Gate {
            most,
            planning: false,
            steps: Mutex::new(Vec::new()),
        }
    }

    /// A gate that lets through what is at most `most`, and only notes it.
    #[must_use]
    pub fn planning(most: Effect) -> Gate {
        Gate {
            most,
            planning: true,
            steps: Mutex::new(Vec::new()),
        }
    }

    /// Whether changes are only noted.
    #[must_use]
    pub fn is_planning(&self) -> bool {
        self.planning
    }

    /// Asks for one change. Refuses what is beyond the run's effect with [`Kind::EffectRefused`].
    pub fn ask(&self, function: &str, effect: Effect, target: &str) -> Result<Verdict> {
        if effect > self.most {
            return Err(self.refusal(function, effect, target));
        }
        let mut steps = self
            .steps
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let step = Step {
            number: steps.len() + 1,
            function: function.to_owned(),
            effect,
            target: target.to_owned(),
        };
        steps.push(step.clone());
        Ok(if self.planning {
            Verdict::Planned(step)
        } else {
            Verdict::Perform
        })
    }

    /// The changes asked for so far, in order.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.steps
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    fn refusal(&self, function: &str, effect: Effect, target: &str) -> Error {
        Error::new(
            Kind::EffectRefused,
            format!(
                "{function} would {} {target}, and this run may only {}",
                if effect == Effect::Destroy {
                    "destroy"
                } else {
                    "change"
                },
                if self.most == Effect::Read {
                    "read"
                } else {
                    "create or update"
                },
            ),
        )
        .hint(format!(
            "say so in the script's header: effect = \"{}\" (for `dashictl eval`: --effect {})",
            effect.name(),
            effect.name()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_run_may_not_change_anything() {
        let gate = Gate::performing(Effect::Read);
        let error = gate
            .ask("stac::put_item", Effect::Write, "item raw/a")
            .unwrap_err();
        assert_eq!(error.kind(), Kind::EffectRefused);
        assert_eq!(
            error.to_string(),
            "stac::put_item would change item raw/a, and this run may only read"
        );
        assert!(gate.steps().is_empty());
    }

    #[test]
    fn a_planning_run_notes_what_it_would_do() {
        let gate = Gate::planning(Effect::Destroy);
        let verdict = gate
            .ask("stac::delete_item", Effect::Destroy, "item raw/a")
            .unwrap();
        assert!(matches!(verdict, Verdict::Planned(Step { number: 1, .. })));
        assert_eq!(gate.steps().len(), 1);
    }

    #[test]
    fn a_writing_run_may_not_destroy() {
        let gate = Gate::performing(Effect::Write);
        assert!(
            gate.ask("stac::delete_item", Effect::Destroy, "item raw/a")
                .is_err()
        );
        assert_eq!(
            gate.ask("stac::put_item", Effect::Write, "item raw/a")
                .unwrap(),
            Verdict::Perform
        );
    }
}
