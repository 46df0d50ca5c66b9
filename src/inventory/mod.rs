//! What is really there: the catalogue and the buckets, read completely and joined by what the lake knows.
//!
//! `catalogue` reads every record, or fails. `belongings` answers what goes with an item: `names` is what the item says,
//! `found` what the store holds of it, `rows` what of tables is its own, `claims` what other records keep. `referenced` is what the catalogue refers to, as
//! a set for any key (`gathering` makes it), and `keeper` asks it for very many. `orphans` are the objects of a bucket that
//! nothing keeps: `sweep` decides, `knowledge` is what must be known before (`in_flight` what is being worked on), `summary`
//! the account, `verdict` what is to be said of one object. Reading and deciding are apart, so that the deciding is tested without a service. Nothing is changed here, no script type is known, and what an href means is
//! `lake`'s to say.

mod belongings;
mod catalogue;
mod claims;
mod found;
mod gathering;
mod in_flight;
mod keeper;
mod knowledge;
mod names;
mod orphans;
mod referenced;
mod rows;
mod summary;
mod sweep;
mod verdict;

#[cfg(test)]
pub(crate) mod tests;

pub use belongings::{Belongings, Kept, belongings};
pub use catalogue::{Record, Walked, walk};
pub use found::{Left, Missing, Object};
pub use in_flight::InFlight;
pub use keeper::{Keeper, Keeps};
pub use knowledge::{KNOWN_FOR, Knowledge, Services, store_clock};
pub use names::Outside;
pub use orphans::{Orphans, Reading};
pub use referenced::{Granularity, Referenced, Wanted};
pub use rows::{OtherRows, TableRows};
pub use summary::{Count, Summary};
#[cfg(feature = "iceberg")]
pub(crate) use summary::{RESOLVED, too_many};
pub use sweep::{Judge, Reason, Sweep, Tabled};
pub use verdict::Verdict;
