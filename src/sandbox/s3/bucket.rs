//! Buckets: list, create, delete, look at, and whether they keep versions.

use std::sync::Arc;

use rusqlite::params;
use s3s::S3ErrorCode;
use s3s::dto::{
    Bucket, BucketVersioningStatus, CreateBucketOutput, DeleteBucketOutput,
    GetBucketLocationOutput, GetBucketVersioningOutput, HeadBucketOutput, ListBucketsOutput, Owner,
    PutBucketVersioningOutput, VersioningConfiguration,
};

use super::failure::{Answer, named, no_such_bucket};
use super::headers::{self, timestamp};
use super::version::{self, Versioning};
use crate::sandbox::clock::Clock;
use crate::sandbox::sql;
use crate::sandbox::state::State;

/// The one owner there is.
pub(crate) fn owner() -> Owner {
    Owner {
        display_name: Some("sandbox".to_owned()),
        id: Some("sandbox".to_owned()),
    }
}

/// ListBuckets, in the order of names.
pub(crate) async fn list(state: &Arc<State>) -> Answer<ListBucketsOutput> {
    let buckets = state
        .read(|database| {
            let query = "SELECT name, created FROM bucket ORDER BY name";
            sql::select(database, query, [], |row| {
                Ok(Bucket {
                    name: row.get(0)?,
                    creation_date: Some(timestamp(row.get(1)?)),
                    ..Bucket::default()
                })
            })
        })
        .await?;
    Ok(ListBucketsOutput {
        buckets: Some(buckets),
        owner: Some(owner()),
        ..ListBucketsOutput::default()
    })
}

/// CreateBucket
pub(crate) async fn create(state: &Arc<State>, bucket: String) -> Answer<CreateBucketOutput> {
    let location = format!("/{bucket}");
    state
        .write(move |database| {
            let added = database.execute(
                "INSERT INTO bucket (name, created) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                params![bucket, headers::now(&Clock::beside(database))],
            )?;
            match added {
                0 => Err(named(
                    S3ErrorCode::BucketAlreadyOwnedByYou,
                    "Your previous request to create the named bucket succeeded and you already own it.",
                )),
                _ => Ok(()),
            }
        })
        .await?;
    Ok(CreateBucketOutput {
        location: Some(location),
    })
}

/// DeleteBucket; open uploads go with it, objects and versions keep it.
pub(crate) async fn delete(state: &Arc<State>, bucket: String) -> Answer<DeleteBucketOutput> {
    state
        .write(move |database| {
            version::versioning(database, &bucket)?;
            let held: bool = database.query_row(
                "SELECT EXISTS (SELECT 1 FROM object_version WHERE bucket = ?1)",
                [&bucket],
                |row| row.get(0),
            )?;
            if held {
                return Err(named(
                    S3ErrorCode::BucketNotEmpty,
                    "The bucket you tried to delete is not empty",
                ));
            }
            database.execute("DELETE FROM upload WHERE bucket = ?1", [&bucket])?;
            database.execute("DELETE FROM bucket WHERE name = ?1", [&bucket])?;
            Ok(())
        })
        .await?;
    super::blob::bury(state).await?;
    Ok(DeleteBucketOutput::default())
}

/// HeadBucket
pub(crate) async fn head(state: &Arc<State>, bucket: String) -> Answer<HeadBucketOutput> {
    state
        .read(move |database| version::versioning(database, &bucket))
        .await?;
    Ok(HeadBucketOutput {
        bucket_region: Some(super::REGION.to_owned()),
        ..HeadBucketOutput::default()
    })
}

/// GetBucketLocation; us-east-1 has no name of its own there.
pub(crate) async fn location(
    state: &Arc<State>,
    bucket: String,
) -> Answer<GetBucketLocationOutput> {
    state
        .read(move |database| version::versioning(database, &bucket))
        .await?;
    Ok(GetBucketLocationOutput::default())
}

/// GetBucketVersioning
pub(crate) async fn versioning(
    state: &Arc<State>,
    bucket: String,
) -> Answer<GetBucketVersioningOutput> {
    let how = state
        .read(move |database| version::versioning(database, &bucket))
        .await?;
    let status = match how {
        Versioning::Never => None,
        Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
        Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
    };
    Ok(GetBucketVersioningOutput {
        status: status.map(BucketVersioningStatus::from_static),
        ..GetBucketVersioningOutput::default()
    })
}

/// PutBucketVersioning
pub(crate) async fn set_versioning(
    state: &Arc<State>,
    bucket: String,
    configuration: VersioningConfiguration,
) -> Answer<PutBucketVersioningOutput> {
    let malformed = || {
        named(
            S3ErrorCode::MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema",
        )
    };
    let status = configuration.status.ok_or_else(malformed)?;
    if ![
        BucketVersioningStatus::ENABLED,
        BucketVersioningStatus::SUSPENDED,
    ]
    .contains(&status.as_str())
    {
        return Err(malformed());
    }
    state
        .write(move |database| {
            let changed = database.execute(
                "UPDATE bucket SET versioning = ?2 WHERE name = ?1",
                params![bucket, status.as_str()],
            )?;
            if changed == 0 {
                return Err(no_such_bucket());
            }
            Ok(())
        })
        .await?;
    Ok(PutBucketVersioningOutput::default())
}
