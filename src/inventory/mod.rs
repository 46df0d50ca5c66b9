//! What is really there: the catalogue and the buckets, read completely and joined by what the lake knows.
//!
//! `catalogue` reads every record, or fails. Nothing is changed here, no script type is known, and what an href means is
//! `lake`'s to say.

mod catalogue;

pub use catalogue::{Record, Walked, walk};
