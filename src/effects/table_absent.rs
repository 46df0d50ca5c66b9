//! What a build without the library of Iceberg says of rows of a table: that it changes none.

use serde_json::Value;

use super::hands::{Done, Hands, Number, Seen};
use super::{Permit, TableRows};
use crate::clients::iceberg::not_built_in;
use crate::error::Result;

/// Nothing is looked for.
pub(super) async fn look(hands: &Hands, _: &TableRows) -> Result<Seen> {
    hands.tables().and(Err(not_built_in()))
}

/// Nothing is changed.
pub(super) async fn perform(
    _: &Hands,
    _: (Permit, Number<'_>),
    _: &TableRows,
    _: &Seen,
) -> Result<Done> {
    Err(not_built_in())
}

/// Nothing was done.
pub(super) async fn found(_: &Hands, _: Number<'_>, _: &TableRows) -> Result<Value> {
    Err(not_built_in())
}
