//! Memberships as targets: a user who is put into a group, or taken out of it. Whoever keeps the groups, what a plan and a
//! journal hold is the user and the group.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::hands::{Done, Seen};
use super::inverse::Inverse;
use super::payload::digest;
use super::{Change, Effect, Facts, Permit};
use crate::clients::identity::Identity;
use crate::error::Result;
use crate::session::Session;

/// A user is in a group from now on, or no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// The user's name.
    pub user: String,
    /// The group's path.
    pub group: String,
    /// Whether the user is to be in it.
    pub joins: bool,
}

impl Membership {
    /// What it does to the world.
    #[must_use]
    pub fn effect(&self) -> Effect {
        if self.joins {
            Effect::Write
        } else {
            Effect::Destroy
        }
    }

    /// The function that an operator would call for it.
    #[must_use]
    pub fn function(&self) -> &'static str {
        if self.joins {
            "identity::grant"
        } else {
            "identity::revoke"
        }
    }

    /// What it is done to.
    #[must_use]
    pub fn target(&self) -> String {
        format!("user {} in group {}", self.user, self.group)
    }

    /// What it comes to: `user`, `group`, `member`.
    #[must_use]
    pub fn value(&self) -> Value {
        json!({"user": self.user, "group": self.group, "member": self.joins})
    }

    /// What the user's being in the group is known by.
    fn facts(&self) -> Facts {
        let words = json!([self.user, self.group]);
        Facts::Record {
            sha256: digest(words.to_string().as_bytes()),
        }
    }
}

/// Whether the user is in the group.
pub(super) async fn look(identity: &Identity, membership: &Membership) -> Result<Seen> {
    if !identity
        .is_member(&membership.user, &membership.group)
        .await?
    {
        return Ok(Seen::default());
    }
    Ok(Seen {
        facts: membership.facts(),
        image: Some(json!({"user": membership.user, "group": membership.group, "member": true})),
        ..Seen::default()
    })
}

/// Makes the change, and waits until it holds; a stop of the run ends the wait.
pub(super) async fn perform(
    session: &Session,
    identity: &Identity,
    permit: Permit,
    membership: &Membership,
) -> Result<Done> {
    let Membership { user, group, joins } = membership;
    identity.set(permit, user, group, *joins).await?;
    session.stoppable(identity.settle(permit)).await?;
    Ok(Done {
        value: membership.value(),
        after: if *joins {
            membership.facts()
        } else {
            Facts::Absent
        },
        ..Done::default()
    })
}

/// What takes the change back that found the membership as `before` and left it as `now`. Who was in the group before
/// stays in it.
pub(super) fn inverse(membership: &Membership, before: &Facts, now: Facts) -> Inverse {
    if *before == now {
        return Inverse::Nothing;
    }
    let back = Membership {
        joins: !membership.joins,
        ..membership.clone()
    };
    Inverse::Change(Box::new(Change::Membership(back)), now)
}
