//! What a snapshot is made of: its manifests, and the files that they name with where each came from.

use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt};
use iceberg::io::FileIO;
use iceberg::spec::{
    DataContentType, FormatVersion, Manifest, ManifestContentType, ManifestEntry, ManifestFile,
    ManifestList, ManifestStatus, Snapshot,
};

use super::fault::fault;
use super::store::bytes_of;
use crate::clients::s3::S3;
use crate::error::{Error, Kind, Result};

/// So many manifests are read at once.
const AT_ONCE: usize = 8;

/// The manifests of one snapshot.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) manifests: Vec<Held>,
}

/// A manifest as the list names it, and what is in it.
pub(super) struct Held {
    pub(super) listed: ManifestFile,
    pub(super) manifest: Manifest,
}

/// A file that a snapshot reads.
#[derive(Clone)]
pub(super) struct Live {
    /// Its entry, with what it takes over from the list.
    pub(super) entry: Arc<ManifestEntry>,
    /// Which of the manifests names it.
    pub(super) manifest: usize,
}

impl Contents {
    /// What a snapshot is made of. None has nothing in it.
    pub(super) async fn of(
        (s3, io): (&S3, &FileIO),
        snapshot: Option<&Snapshot>,
        version: FormatVersion,
    ) -> Result<Contents> {
        let Some(snapshot) = snapshot else {
            return Ok(Contents::default());
        };
        let manifests = held(io, listed(s3, snapshot, version).await?);
        Ok(Contents {
            manifests: manifests.try_collect().await?,
        })
    }

    /// The files that it reads rows from.
    pub(super) fn live(&self) -> impl Iterator<Item = Live> {
        self.data().flat_map(|(manifest, held)| {
            let alive = held
                .manifest
                .entries()
                .iter()
                .filter(|entry| entry.is_alive());
            alive.map(move |entry| Live {
                entry: entry.clone(),
                manifest,
            })
        })
    }

    /// The files that this very snapshot took away.
    pub(super) fn taken_by(&self, snapshot: i64) -> impl Iterator<Item = Live> {
        self.data().flat_map(move |(manifest, held)| {
            let entries = held.manifest.entries().iter();
            let gone = entries.filter(move |entry| {
                entry.status == ManifestStatus::Deleted && entry.snapshot_id == Some(snapshot)
            });
            gone.map(move |entry| Live {
                entry: entry.clone(),
                manifest,
            })
        })
    }

    fn data(&self) -> impl Iterator<Item = (usize, &Held)> {
        let manifests = self.manifests.iter().enumerate();
        manifests.filter(|(_, held)| held.listed.content == ManifestContentType::Data)
    }

    /// The files that say which rows of others are gone.
    pub(super) fn deletes(&self) -> impl Iterator<Item = &Arc<ManifestEntry>> {
        let manifests = self.manifests.iter();
        manifests
            .filter(|held| held.listed.content == ManifestContentType::Deletes)
            .flat_map(|held| held.manifest.entries())
            .filter(|entry| entry.is_alive())
    }

    /// Refuses what is not all in the files that rows are read from.
    pub(super) fn refuse_deletes(&self) -> Result<()> {
        let Some(found) = self.deletes().next() else {
            return Ok(());
        };
        let what = match found.content_type() {
            DataContentType::EqualityDeletes => "equality deletes",
            _ => "position deletes",
        };
        Err(Error::new(
            Kind::Invalid,
            format!("the table has {what}: files that say which rows of other files are gone"),
        )
        .hint("have whoever writes it compact it (Spark: rewrite_data_files), then plan again"))
    }
}

/// The manifests that a snapshot lists.
pub(super) async fn listed(
    s3: &S3,
    snapshot: &Snapshot,
    version: FormatVersion,
) -> Result<Vec<ManifestFile>> {
    let location = snapshot.manifest_list();
    if location.is_empty() {
        let message =
            "its snapshots name no list of manifests: it was written in the first days of Iceberg";
        return Err(Error::new(Kind::Invalid, message)
            .hint("rewrite its manifests first, for example with Spark's rewrite_manifests"));
    }
    let bytes = bytes_of(s3, location).await?;
    let list = ManifestList::parse_with_version(&bytes, version);
    let list = list.map_err(|error| fault(location, &error))?;
    Ok(list.consume_entries().into_iter().collect())
}

/// Manifests with what is in them, in their order.
pub(super) fn held(
    io: &FileIO,
    listed: Vec<ManifestFile>,
) -> impl Stream<Item = Result<Held>> + '_ {
    let loads = listed.into_iter().map(async move |listed| {
        let manifest = listed.load_manifest(io).await;
        let manifest = manifest.map_err(|error| fault(&listed.manifest_path, &error))?;
        Ok(Held { listed, manifest })
    });
    futures::stream::iter(loads).buffered(AT_ONCE)
}

impl Live {
    pub(super) fn path(&self) -> &str {
        self.entry.file_path()
    }
}
