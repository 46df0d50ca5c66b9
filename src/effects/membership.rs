//! Memberships as targets: a user who is put into a group, or taken out of it, and the catalogue that is told. Whoever keeps
//! the groups, what a plan and a journal hold is the user and the group.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::{is_unclear, publish};
use super::hands::{Done, Hands, Seen};
use super::inverse::Inverse;
use super::payload::digest;
use super::{Change, Effect, Facts, Permit};
use crate::clients::identity::Identity;
use crate::error::{Error, Result};

/// A user is in a group from now on, or no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// The user's name.
    pub user: String,
    /// The group's path.
    pub group: String,
    /// Whether the user is to be in it.
    pub joins: bool,
    /// The domain of which the catalogue is told who has access.
    pub domain: String,
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
        self.told(self.joins)
    }

    fn told(&self, is_member: bool) -> Value {
        json!({"user": self.user, "group": self.group, "member": is_member})
    }

    /// What the user's being in the group is known by.
    fn facts(&self) -> Facts {
        Facts::Record {
            sha256: digest(self.told(true).to_string().as_bytes()),
        }
    }
}

/// Whether the user is in the group.
pub(super) async fn look(identity: &Identity, membership: &Membership) -> Result<Seen> {
    let Membership { user, group, .. } = membership;
    if !identity.is_member(user, group).await? {
        return Ok(Seen::default());
    }
    Ok(Seen {
        facts: membership.facts(),
        image: Some(membership.told(true)),
        ..Seen::default()
    })
}

/// Makes the change, and has the catalogue told of it. What it does not take is not granted; what was revoked stays so.
pub(super) async fn perform(
    hands: &Hands,
    permit: Permit,
    membership: &Membership,
    seen: &Seen,
) -> Result<Done> {
    set(hands, permit, membership, membership.joins).await?;
    if let Err(error) = complete(hands, permit, membership).await {
        let was_in = seen.facts != Facts::Absent;
        return Err(untold(hands, permit, membership, (error, was_in)).await);
    }
    Ok(Done {
        value: membership.value(),
        after: if membership.joins {
            membership.facts()
        } else {
            Facts::Absent
        },
        ..Done::default()
    })
}

/// Tells the catalogue of a change that was made.
pub(super) async fn complete(hands: &Hands, permit: Permit, membership: &Membership) -> Result<()> {
    publish(hands.keepers()?, permit, &membership.domain).await
}

/// Puts the user into the group or takes them out of it, and waits until that holds. Where no answer came, it is looked
/// whether it was done.
async fn set(hands: &Hands, permit: Permit, membership: &Membership, is: bool) -> Result<()> {
    let Membership { user, group, .. } = membership;
    let (_, identity) = hands.keepers()?;
    if let Err(error) = identity.set(permit, user, group, is).await {
        if !is_unclear(&error) {
            return Err(error);
        }
        match identity.is_member(user, group).await {
            Ok(found) if found == is => {}
            Ok(_) => return Err(error),
            Err(_) => {
                let hint = format!("nobody knows whether it was done: dashictl user show {user}");
                return Err(error.hint(hint));
            }
        }
    }
    // Who stops the run does not wait for others to have read what is written.
    let session = hands.session();
    tokio::select! {
        biased;
        settled = identity.settle(permit) => settled,
        () = session.interrupt().stopped() => {
            session.warn("the groups are changed, and Authelia has not read them yet");
            Ok(())
        }
    }
}

/// What is to be said where the catalogue was not told: a grant is taken back then.
async fn untold(
    hands: &Hands,
    permit: Permit,
    membership: &Membership,
    (mut error, was_in): (Error, bool),
) -> Error {
    let Membership {
        user,
        group,
        domain,
        joins,
    } = membership;
    let why = error.to_string();
    let repair = format!("dashictl user drift --domain {domain} --repair");
    let (message, hint) = if *joins && !was_in {
        match set(hands, permit, membership, false).await {
            Ok(()) => (
                format!(
                    "the catalogue could not be told, so the grant was taken back: {user} is not in {group}"
                ),
                None,
            ),
            Err(failed) => (
                format!(
                    "{user} is in {group}, and the catalogue does not say so: taking the grant back failed too ({failed})"
                ),
                Some(format!(
                    "make the catalogue say so ({repair}), or take it back: dashictl user revoke"
                )),
            ),
        }
    } else {
        let is = if *joins { "is in" } else { "is no more in" };
        (
            format!("{user} {is} {group}, and the catalogue does not say so"),
            Some(repair),
        )
    };
    error.detail_mut().message = message;
    let error = error.cause(why);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
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
