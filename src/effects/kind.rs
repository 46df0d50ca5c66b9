//! Of what kind a change is: which services it goes through, whether others see it, whether it takes something away. What the
//! changes are is `change`'s list.

use super::{Change, Effect};

impl Change {
    /// Whether it needs the store.
    #[must_use]
    pub fn needs_store(&self) -> bool {
        match self {
            Change::DownloadObject { .. }
            | Change::RehearseRestore { .. }
            | Change::TableRows(_) => true,
            Change::Cluster(change) => change.needs_store(),
            _ => self.object().is_some(),
        }
    }

    /// Whether what it takes away may have been put aside.
    #[must_use]
    pub fn may_be_aside(&self) -> bool {
        !matches!(self, Change::AbortUpload { .. })
    }

    /// Whether it changes a record of the catalogue.
    #[must_use]
    pub fn is_record(&self) -> bool {
        matches!(
            self,
            Change::PutCollection { .. }
                | Change::DeleteCollection { .. }
                | Change::PutItem { .. }
                | Change::DeleteItem { .. }
        )
    }

    /// Whether others than whoever runs it see it: a change of the lake, its cluster or its users.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        let is_elsewhere = matches!(self, Change::Cluster(_) | Change::Membership(_));
        is_elsewhere
            || self.is_of_table()
            || self.is_deployment()
            || self.is_record()
            || self.object().is_some()
            || self.is_ingestion()
    }

    /// Whether it changes a table.
    #[must_use]
    pub fn is_of_table(&self) -> bool {
        matches!(
            self,
            Change::TableRows(_) | Change::TableBranch(_) | Change::TableSnapshots(_)
        )
    }

    /// Whether files of a table go by it, or are wanted that may go.
    #[must_use]
    pub fn needs_files_to_stay(&self) -> bool {
        match self {
            Change::TableSnapshots(_) => true,
            Change::TableRows(change) => change.taken_by.is_some(),
            _ => false,
        }
    }

    /// The target that its run must have made where it may do no more than write.
    #[must_use]
    pub fn owned_with(&self) -> String {
        match self {
            Change::Cluster(change) => change.object(),
            _ => self.target(),
        }
    }

    /// Whether it goes through the ingest-api.
    #[must_use]
    pub fn is_ingestion(&self) -> bool {
        matches!(
            self,
            Change::LandFile { .. } | Change::AbortLanding { .. } | Change::TriggerIngest { .. }
        )
    }

    /// Whether it is a change of a deployment.
    #[must_use]
    pub fn is_deployment(&self) -> bool {
        matches!(
            self,
            Change::PutDeployment { .. } | Change::DeleteDeployment { .. }
        )
    }

    /// Whether it is a change of a flow run.
    #[must_use]
    pub fn is_flow_run(&self) -> bool {
        matches!(
            self,
            Change::StartFlowRun { .. }
                | Change::CancelFlowRun { .. }
                | Change::RetryFlowRun { .. }
        )
    }

    /// Whether it takes its target away: one that is gone already needs no change.
    #[must_use]
    pub fn removes(&self) -> bool {
        match self {
            // A command takes nothing away that could be looked for.
            Change::Cluster(change) if change.is_command() => false,
            _ => self.effect() == Effect::Destroy,
        }
    }

    /// The bytes it writes, or none where the target's own count.
    #[must_use]
    pub fn writes(&self) -> Option<u64> {
        match self {
            Change::WriteObject { content, .. } | Change::WriteFile { content, .. } => {
                Some(content.size())
            }
            Change::UploadFile { file, .. } | Change::LandFile { file, .. } => Some(file.size),
            Change::RestoreObject { was, .. } | Change::DownloadObject { was, .. } => was.size(),
            _ => None,
        }
    }
}
