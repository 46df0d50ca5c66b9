//! DeleteObject and DeleteObjects.

use std::sync::Arc;

use rusqlite::Transaction;
use s3s::S3ErrorCode;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    ETagCondition, Error, ObjectIdentifier,
};

use super::blob;
use super::condition::Conditions;
use super::failure::{Answer, Failure, named};
use super::version;
use crate::sandbox::state::State;

/// More keys than this in one request are refused.
const MOST: usize = 1000;

/// DeleteObject; a key that is not there is fine.
pub(crate) async fn one(
    state: &Arc<State>,
    input: DeleteObjectInput,
) -> Answer<DeleteObjectOutput> {
    let wanted = ObjectIdentifier {
        key: input.key,
        version_id: input.version_id,
        ..ObjectIdentifier::default()
    };
    let bucket = input.bucket;
    let matching = input.if_match;
    let done = state
        .write(move |database| remove(database, &bucket, &wanted, matching))
        .await?;
    blob::bury(state).await?;
    Ok(DeleteObjectOutput {
        delete_marker: done.delete_marker,
        version_id: done.delete_marker_version_id.or(done.version_id),
        ..DeleteObjectOutput::default()
    })
}

/// DeleteObjects: one transaction, an answer for every key.
pub(crate) async fn many(
    state: &Arc<State>,
    input: DeleteObjectsInput,
) -> Answer<DeleteObjectsOutput> {
    let listed = input.delete.objects;
    if listed.is_empty() || listed.len() > MOST {
        return Err(named(
            S3ErrorCode::MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema",
        ));
    }
    let quiet = input.delete.quiet.unwrap_or(false);
    let bucket = input.bucket;
    let (deleted, errors) = state
        .write(move |database| {
            version::versioning(database, &bucket)?;
            let (mut deleted, mut errors) = (Vec::new(), Vec::new());
            for wanted in &listed {
                let matching = wanted.e_tag.clone().map(ETagCondition::ETag);
                match remove(database, &bucket, wanted, matching) {
                    Ok(done) => deleted.push(done),
                    Err(Failure::S3(error)) => errors.push(Error {
                        code: Some(error.code().as_str().to_owned()),
                        key: Some(wanted.key.clone()),
                        message: error.message().map(str::to_owned),
                        version_id: wanted.version_id.clone(),
                    }),
                    Err(broken) => return Err(broken),
                }
            }
            Ok((deleted, errors))
        })
        .await?;
    blob::bury(state).await?;
    Ok(DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..DeleteObjectsOutput::default()
    })
}

fn remove(
    database: &Transaction<'_>,
    bucket: &str,
    wanted: &ObjectIdentifier,
    matching: Option<ETagCondition>,
) -> Answer<DeletedObject> {
    let key = wanted.key.as_str();
    if matching.is_some() {
        let there = version::live(database, bucket, key)?;
        let conditions = Conditions {
            matching,
            ..Conditions::default()
        };
        conditions.check_write(there.as_ref())?;
    }
    let mut done = DeletedObject {
        key: Some(wanted.key.clone()),
        version_id: wanted.version_id.clone(),
        ..DeletedObject::default()
    };
    if let Some(id) = &wanted.version_id {
        version::versioning(database, bucket)?;
        if version::remove_version(database, bucket, key, id)? == Some(true) {
            done.delete_marker = Some(true);
            done.delete_marker_version_id = Some(id.clone());
        }
    } else if let Some(marker) = version::remove(database, bucket, key)? {
        done.delete_marker = Some(true);
        done.delete_marker_version_id = Some(marker);
    }
    Ok(done)
}
