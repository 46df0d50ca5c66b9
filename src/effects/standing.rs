//! What is known beforehand of what becomes of a plan: nothing, that nothing of it is done, or that it was judged elsewhere.

use crate::lake::Share;

/// What is known beforehand of what becomes of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing yet.
    Open,
    /// Nothing of it is done, whatever is planned.
    Preview,
    /// It was judged with those of other machines, each of which does a share.
    Judged(Option<Share>),
}
