//! The rows of tables, in the files of Iceberg: which files hold them, which rows a condition means, the snapshots that take
//! rows away or bring them back; which files a table names, and which nobody does. What a table's metadata says without its files is `clients::iceberg_metadata`'s; when
//! something may be changed is the gate's.
//!
//! Format: <https://iceberg.apache.org/spec/>.

mod bounds;
mod condition;
mod contents;
mod draft;
mod expired;
mod fault;
mod footer;
mod literal;
mod named;
mod names;
mod orphans;
mod restored;
mod rewrite;
mod rows;
mod shared;
mod shelf;
mod store;
mod summary;
mod table;
mod touched;

pub use draft::{Draft, Origin, Pen};
pub use expired::Leftover;
pub use names::{Known, Names, Ways};
pub use orphans::{Account, Care, Orphans, Summary, orphans};
pub use shared::Claim;
pub use shelf::Files;
pub use table::Table;
pub use touched::Touched;
