//! Objects of the store as targets: how one is looked at, put aside, written, deleted and brought back.
//!
//! Nothing is lost: what a delete or a write takes away stays as an older version where the bucket keeps versions, else
//! as a copy below `.dashi-trash/<run>/` of the same bucket, verified before the object goes. Where the configuration
//! switches that off for a bucket, it goes for good.

use serde_json::{Value, json};

use super::hands::{Done, Hands, Number, Seen};
use super::{Change, Facts, Permit};
use crate::clients::s3::S3;
use crate::clients::s3_bulk::{Doomed, Fate};
use crate::clients::s3_changes::{Condition, Content, Written};
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;

/// Where objects are put aside, in their own bucket.
pub const TRASH: &str = ".dashi-trash/";
/// The longest key that a store takes, in bytes.
const LONGEST_KEY: usize = 1024;

/// What the object is that a change is about.
pub(super) async fn look(s3: &S3, change: &Change) -> Result<Seen> {
    let at = change
        .object()
        .ok_or_else(|| Error::internal("this is no change of an object"))?;
    if let Change::RemoveVersion { marker: true, .. } = change {
        let newest = s3.newest_version(&at.bucket, &at.key).await?;
        return Ok(Seen {
            facts: newest.map_or(Facts::Absent, |newest| of_version(newest.version_id)),
            ..Seen::default()
        });
    }
    if let Change::AbortUpload { at, upload } = change {
        let bytes = s3.upload_size(at, upload).await?;
        return Ok(Seen {
            facts: bytes.map_or(Facts::Absent, of_upload),
            ..Seen::default()
        });
    }
    seen(s3, at).await
}

/// An upload that is known by what it holds: one that went on since is another.
pub(super) fn of_upload(size: u64) -> Facts {
    Facts::Object {
        size,
        etag: None,
        modified: None,
        version: None,
    }
}

/// A version that is known by its id alone.
pub(super) fn of_version(version: String) -> Facts {
    Facts::Object {
        size: 0,
        etag: None,
        modified: None,
        version: Some(version),
    }
}

/// What an object is; a missing bucket is an error and no absence.
pub(super) async fn seen(s3: &S3, at: &ObjectRef) -> Result<Seen> {
    match s3.head(&at.bucket, &at.key).await {
        Ok(head) => Ok(Seen {
            facts: Facts::of_object(&head),
            ..Seen::default()
        }),
        Err(error) if error.kind() == Kind::NotFound => {
            s3.check_bucket(&at.bucket).await?;
            Ok(Seen {
                missing: Some(error),
                ..Seen::default()
            })
        }
        Err(error) => Err(error),
    }
}

/// Makes the change to what was seen.
pub(super) async fn perform(
    hands: &Hands,
    permit: Permit,
    number: Number<'_>,
    change: &Change,
    seen: &Seen,
) -> Result<Done> {
    let s3 = hands.s3()?;
    match change {
        Change::WriteObject {
            at,
            content,
            content_type,
            metadata,
            only_new,
            if_match,
        } => {
            let condition = condition(at, &seen.facts, *only_new, if_match.as_deref())?;
            let content = Content {
                bytes: content.bytes()?,
                content_type: content_type.clone(),
                metadata: metadata.clone(),
            };
            let aside = make_way(hands, permit, number, at, &seen.facts).await?;
            let written = s3.put(permit, at, &content, &condition).await?;
            let made = made(s3, at, aside).await?;
            whole(at, &made, (content.bytes.len() as u64, &written))?;
            Ok(made)
        }
        Change::CopyObject { from, to, only_new } => {
            condition(to, &seen.facts, *only_new, None)?;
            let aside = make_way(hands, permit, number, to, &seen.facts).await?;
            s3.copy(permit, from, to, None, None).await?;
            made(s3, to, aside).await
        }
        Change::AbortUpload { at, upload } => {
            s3.abort_upload(permit, at, upload).await?;
            Ok(Done::default())
        }
        Change::PurgeObject { at } => {
            let doomed = Doomed {
                key: at.key.clone(),
                etag: None,
            };
            match s3.delete_one(permit, &at.bucket, &doomed).await {
                Fate::Deleted(_) => Ok(Done::default()),
                Fate::Changed => Err(changed(at)),
                Fate::Failed(error) => Err(error),
            }
        }
        Change::RestoreObject { from, to, .. } => {
            restore(hands, permit, number, (from, to), seen).await
        }
        Change::RemoveVersion { at, version, .. } => {
            s3.delete(permit, at, Some(version), None).await?;
            Ok(Done {
                after: self::seen(s3, at).await?.facts,
                ..Done::default()
            })
        }
        _ => Err(Error::internal("this is no change of an object")),
    }
}

/// What the store is asked to hold a write to.
pub(super) fn condition(
    at: &ObjectRef,
    there: &Facts,
    only_new: bool,
    if_match: Option<&str>,
) -> Result<Condition> {
    if only_new {
        return match there {
            Facts::Absent => Ok(Condition::Absent),
            _ => Err(Error::new(Kind::Conflict, format!("{at} exists already"))
                .hint("leave `only_new` out to replace it; the old one is put aside")),
        };
    }
    let Some(wanted) = if_match else {
        return Ok(Condition::None);
    };
    match there {
        Facts::Object {
            etag: Some(etag), ..
        } if etag == wanted => Ok(Condition::Matches(wanted.to_owned())),
        _ => Err(Error::new(
            Kind::Conflict,
            format!("{at} is not the object with the ETag {wanted} any more"),
        )
        .hint("read it again, and decide on what it is now")),
    }
}

/// What is there after a write.
pub(super) async fn made(s3: &S3, at: &ObjectRef, aside: Option<ObjectRef>) -> Result<Done> {
    let after = Facts::of_object(&s3.head(&at.bucket, &at.key).await?);
    Ok(Done {
        value: value(at, &after),
        after,
        aside,
        marker: None,
    })
}

/// Fails where the store kept something else than was written: SeaweedFS drops the bytes of a key that ends in a slash.
pub(super) fn whole(at: &ObjectRef, made: &Done, (size, written): (u64, &Written)) -> Result<()> {
    let etags = (written.etag.as_deref(), made.after.etag());
    let is_other = matches!(etags, (Some(written), Some(there)) if written != there);
    if is_other {
        return Err(Error::new(
            Kind::Conflict,
            format!(
                "{at} was written by somebody else at the same time, and what is there is theirs"
            ),
        )
        .hint("look at it, and decide which of the two is meant"));
    }
    if made.after.size() == Some(size) {
        return Ok(());
    }
    let kept = made.after.size().unwrap_or(0);
    Err(Error::new(
        Kind::Protocol,
        format!("{at} was written with {size} bytes, and the store holds {kept}"),
    )
    .hint("somebody else may have written it at the same time; a key that ends in a slash is a folder to some stores"))
}

/// What a write or copy gives back.
pub(super) fn value(at: &ObjectRef, made: &Facts) -> Value {
    match made {
        Facts::Object {
            size,
            etag,
            version,
            ..
        } => {
            json!({"uri": at.to_string(), "etag": etag, "version_id": version, "size": size})
        }
        _ => Value::Null,
    }
}

/// Puts aside what a write would replace, where nothing else keeps it.
pub(super) async fn make_way(
    hands: &Hands,
    permit: Permit,
    number: Number<'_>,
    at: &ObjectRef,
    there: &Facts,
) -> Result<Option<ObjectRef>> {
    if *there == Facts::Absent || hands.keeps_versions(&at.bucket).await? {
        return Ok(None);
    }
    put_aside(hands, permit, number, at, there).await
}

/// Copies an object to the trash and makes sure of the copy; nothing where the bucket's trash is switched off.
async fn put_aside(
    hands: &Hands,
    permit: Permit,
    number: Number<'_>,
    at: &ObjectRef,
    there: &Facts,
) -> Result<Option<ObjectRef>> {
    if !hands.has_trash(&at.bucket) {
        return Ok(None);
    }
    let aside = place_aside(number, at, &at.bucket)?;
    let s3 = hands.s3()?;
    s3.copy(permit, at, &aside, there.etag(), there.size())
        .await?;
    let (copy, now) = futures::try_join!(seen(s3, &aside), seen(s3, at))?;
    if !is_copy(&copy.facts, there) {
        return Err(unlike(at, &aside));
    }
    // It was copied as it was seen; what was written since must not go.
    if !there.still(&now.facts) {
        return Err(changed(at));
    }
    Ok(Some(aside))
}

/// Where an object is put aside by this step of this run, in the trash of that bucket.
pub(super) fn place_aside(number: Number<'_>, at: &ObjectRef, bucket: &str) -> Result<ObjectRef> {
    // Of one width, so that what was put aside together stands together in a listing.
    let key = format!("{TRASH}{}/{:09}/{}", number.run, number.effect, at.key);
    if key.len() > LONGEST_KEY {
        return Err(Error::new(
            Kind::Invalid,
            format!("{at} cannot be put aside: its key would be too long in the trash"),
        )
        .hint("switch versioning on for the bucket, or its trash off (`[trash]` in the configuration)"));
    }
    Ok(ObjectRef {
        bucket: bucket.to_owned(),
        key,
    })
}

/// Whether a copy has the size and, where both are plain digests, the ETag of what was copied.
pub(super) fn is_copy(copy: &Facts, original: &Facts) -> bool {
    let (
        Facts::Object {
            size: a, etag: x, ..
        },
        Facts::Object {
            size: b, etag: y, ..
        },
    ) = (copy, original)
    else {
        return false;
    };
    // The ETag of an upload in parts depends on the parts; some objects have none.
    let plain = |etag: &Option<String>| {
        let etag = etag.as_deref().unwrap_or_default();
        etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    a == b && (!plain(x) || !plain(y) || x == y)
}

/// That a copy is no copy.
pub(super) fn unlike(at: &ObjectRef, aside: &ObjectRef) -> Error {
    Error::new(
        Kind::Protocol,
        format!("the copy of {at} in the trash, {aside}, is not like it"),
    )
    .hint("the object was left alone")
}

/// That a target is not what it was.
pub(super) fn changed(at: &ObjectRef) -> Error {
    Error::new(Kind::Conflict, format!("{at} was written in the meantime"))
}

async fn restore(
    hands: &Hands,
    permit: Permit,
    number: Number<'_>,
    (from, to): (&ObjectRef, &ObjectRef),
    there: &Seen,
) -> Result<Done> {
    let s3 = hands.s3()?;
    let original = seen(s3, from).await?;
    if original.facts == Facts::Absent {
        return Err(Error::new(
            Kind::NotFound,
            format!("{to} cannot be brought back: {from} is not in the trash any more"),
        ));
    }
    let aside = make_way(hands, permit, number, to, &there.facts).await?;
    s3.copy(permit, from, to, None, original.facts.size())
        .await?;
    let back = made(s3, to, aside).await?;
    if !is_copy(&back.after, &original.facts) {
        return Err(Error::new(
            Kind::Protocol,
            format!("{to} was brought back, but is not like {from}"),
        )
        .hint("the copy in the trash was left there"));
    }
    // What stays in the trash costs space and is listed there: no reason to call the object not restored.
    let _ = s3.delete(permit, from, None, None).await;
    Ok(Done {
        value: Value::Null,
        ..back
    })
}
