//! The gate that every change to a service passes, and what it takes to make changes safe: plan, guard, journal, trash,
//! undo, lock, audit.
//!
//! | file | what it knows |
//! |---|---|
//! | `permit` | the leave that every changing method of a client demands, and that only this room can give |
//! | `change`, `payload`, `facts` | a change as data; what it writes; what its target was seen to be |
//! | `record`, `object`, `deletion`, `local` | how each kind of target is looked at and changed; many objects at once |
//! | `upload`, `open_upload`, `download` | files that become objects, and objects that become files |
//! | `ingestion`, `landing`, `landing_parts`, `landing_round`, `landings`, `pressure`, `submission` | files through the ingest-api, and their flow runs |
//! | `flow_run`, `log_line` | runs that are started, cancelled, tried again; a line that is pushed |
//! | `cluster_change`, `cluster_object`, `manifest` | objects of the cluster; commands in its pods |
//! | `membership`, `access` | users who are put into groups, and taken out; what the catalogue says of it |
//! | `rehearsal` | a backup that is restored on this machine and thrown away |
//! | `memory` | what is remembered of what is not complete |
//! | `gate`, `call`, `many`, `batch`, `judge`, `hands` | what happens to a change: refused, noted, performed, left alone |
//! | `row`, `ledger` | one step; the steps of a run, on disk: the plan that guards the second pass, what is done and left |
//! | `plan` | the plan as a file |
//! | `run`, `journal`, `store`, `recorder`, `account` | who runs what; its journal here and in the lake, written and read |
//! | `audit`, `lock`, `lease` | the audit line; one run at a time |
//! | `abilities` | what the store can be trusted with |
//! | `inverse`, `unknown` | how a change is taken back; what came of one whose end nobody told |
//!
//! Who prints a plan or asks the operator is `host`; which function does what is `modules`.

mod abilities;
mod access;
mod account;
mod audit;
mod batch;
mod board;
mod call;
mod change;
mod cluster_change;
mod cluster_object;
mod deletion;
mod deployment;
mod download;
mod facts;
mod flow_run;
mod gate;
mod gate_state;
mod hands;
mod ingestion;
mod inverse;
mod journal;
mod judge;
mod kind;
mod landing;
mod landing_parts;
mod landing_round;
mod landings;
mod lease;
mod ledger;
mod local;
mod lock;
mod log_line;
mod manifest;
mod many;
mod membership;
mod memory;
mod object;
mod open_upload;
mod outgoing;
mod payload;
mod permit;
mod plan;
mod pressure;
mod record;
mod recorder;
mod rehearsal;
mod row;
mod run;
mod standing;
mod store;
mod submission;
#[cfg(not(feature = "iceberg"))]
mod table_absent;
mod table_branch;
#[cfg(feature = "iceberg")]
mod table_commit;
mod table_files;
mod table_rows;
mod table_snapshots;
#[cfg(not(feature = "iceberg"))]
use table_absent as table_commit;
mod unknown;
mod upload;

pub use account::{Account, Effected};
pub use audit::Audit;
pub use change::{Change, FOR_GOOD};
pub use cluster_change::{Act, ClusterChange, Input, known_as};
pub use facts::Facts;
pub use flow_run::report_flow_run;
pub use gate::{Answer, Asked, Consent, Gate, Step};
pub use inverse::{Inverse, inverse};
pub use journal::{Begun, Ended, Journals};
#[cfg(test)]
pub(crate) use judge::is_done;
pub use landing::{IN_PARTS_FROM, landed_before, parts_of};
pub use landings::{Landing, Stage, all as landings, open as open_landing};
pub use ledger::Ledger;
pub use lock::{CATALOGUE, Holder, Locks, break_lock, held, holder_of};
pub use manifest::Manifest;
pub use membership::Membership;
pub use object::TRASH;
pub use outgoing::Outgoing;
pub use payload::Payload;
pub use permit::Permit;
pub use plan::{Plan, PlanHeader, sums, write as write_plan};
pub use recorder::Recorder;
pub use row::{Row, State, Totals};
pub use run::{Order, Origin, Run, RunId, Scene, script_digest};
pub use store::Store;
pub use submission::{is_submitted, submitted_before};
pub use table_branch::TableBranch;
pub(crate) use table_files::{DELETE_FILES, EXPIRE};
pub use table_rows::TableRows;
pub use table_snapshots::TableSnapshots;
pub use unknown::find_out;

/// What a function, at most, does to the world.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
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
