//! Many objects deleted by few requests, with an account of every key: what the store does not say of one is found out.
//!
//! A request carries up to 1,000 keys; where the store cannot cope it is asked with fewer, in the end one by one. What was
//! looked at before and kept for later is the gate's business.

use std::collections::BTreeMap;

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::operation::delete_objects::DeleteObjectsOutput;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use md5::{Digest, Md5};

use super::s3::S3;
use crate::effects::Permit;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;

/// Keys that are deleted one by one, so many at a time; how many requests go at once is the pace's business.
const SINGLES: usize = 16;

/// An object that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    /// Its raw key.
    pub key: String,
    /// The ETag that it must have, on stores that look at it.
    pub etag: Option<String>,
}

/// What became of one object.
#[derive(Debug)]
pub enum Fate {
    /// It is gone by this request; with the delete marker that stands there now, where the bucket keeps versions.
    Deleted(Option<String>),
    /// It was not what it had to be, and is there still.
    Changed,
    /// It could not be deleted.
    Failed(Error),
}

impl S3 {
    /// Deletes objects of one bucket. Gives what became of each, in their order; nothing is left open.
    pub async fn delete_many(&self, permit: Permit, bucket: &str, all: &[Doomed]) -> Vec<Fate> {
        let mut fates: BTreeMap<usize, Fate> = BTreeMap::new();
        let (fit, odd): (Vec<usize>, Vec<usize>) =
            (0..all.len()).partition(|at| fits_xml(&all[*at].key) && !has_dots(&all[*at].key));
        let mut rest = fit;
        while rest.len() > 1 {
            let size = self.habits().keys();
            if size == 1 {
                break;
            }
            let later = rest.split_off(size.min(rest.len()));
            match self.delete_batch(permit, bucket, all, &rest).await {
                Ok(some) => fates.extend(some),
                Err(error) if may_be_smaller(&error) => {
                    self.habits().take_fewer(size);
                    if may_be_done(&error) {
                        let settled = self.settled_of(bucket, all, &rest).await;
                        rest.retain(|at| !settled.contains_key(at));
                        fates.extend(settled);
                    }
                    rest.extend(later);
                    continue;
                }
                Err(error) => {
                    fates.extend(rest.iter().map(|at| (*at, Fate::Failed(error.clone()))));
                }
            }
            rest = later;
        }
        let singly = odd.into_iter().chain(rest);
        let singles = futures::stream::iter(singly)
            .map(async |at| (at, self.delete_one(permit, bucket, &all[at]).await))
            .buffer_unordered(SINGLES);
        fates.extend(singles.collect::<Vec<_>>().await);
        fates.into_values().collect()
    }

    /// One request. What it leaves open is settled.
    async fn delete_batch(
        &self,
        permit: Permit,
        bucket: &str,
        all: &[Doomed],
        some: &[usize],
    ) -> Result<Vec<(usize, Fate)>> {
        let answer = self.ask_to_delete(bucket, all, some).await?;
        let said = Said::of(&answer);
        let settled = futures::stream::iter(some.iter().copied())
            .map(async |at| {
                let doomed = &all[at];
                let fate = match said.of_key(&doomed.key) {
                    Some(Saying::Deleted(marker)) => Fate::Deleted(marker.clone()),
                    // So says a store also of what is gone.
                    Some(Saying::Refused { code, .. }) if *code == "PreconditionFailed" => {
                        let settled = self.settled(bucket, doomed).await;
                        settled.unwrap_or(Fate::Changed)
                    }
                    Some(Saying::Refused { code, message }) if !is_passing(code) => {
                        Fate::Failed(self.refused_one(bucket, &doomed.key, code, message))
                    }
                    // Not told, or not now: asked for alone, which tells what is so.
                    _ => self.delete_one(permit, bucket, doomed).await,
                };
                (at, fate)
            })
            .buffer_unordered(SINGLES);
        Ok(settled.collect().await)
    }

    async fn ask_to_delete(
        &self,
        bucket: &str,
        all: &[Doomed],
        some: &[usize],
    ) -> Result<DeleteObjectsOutput> {
        let first = self.ask_with(bucket, all, some).await;
        match first {
            Err(error) if wants_md5(&error) && !self.habits().wants_md5() => {
                self.habits().use_md5();
                self.ask_with(bucket, all, some).await
            }
            other => other,
        }
    }

    async fn ask_with(
        &self,
        bucket: &str,
        all: &[Doomed],
        some: &[usize],
    ) -> Result<DeleteObjectsOutput> {
        let asked = self.asked(
            "DeleteObjects",
            format!("{} objects of s3://{bucket}", some.len()),
        );
        let with_etags = self.habits().looks_at_etags();
        let identifiers = some.iter().map(|at| identifier(&all[*at], with_etags));
        let identifiers: Vec<ObjectIdentifier> = identifiers
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| Error::internal("a key to delete").cause(error.to_string()))?;
        let delete = Delete::builder()
            .set_objects(Some(identifiers))
            // The list of what was deleted is the account.
            .quiet(false)
            .build()
            .map_err(|error| Error::internal("keys to delete").cause(error.to_string()))?;
        let with_md5 = self.habits().wants_md5();
        let ask = || {
            let many = self.client().delete_objects();
            let many = many.bucket(bucket).delete(delete.clone()).customize();
            let many = if with_md5 {
                many.mutate_request(use_md5)
            } else {
                many
            };
            many.send()
        };
        self.changing(&asked, ask).await
    }

    /// Deletes one object. After an answer that leaves it open, a look decides.
    pub async fn delete_one(&self, permit: Permit, bucket: &str, doomed: &Doomed) -> Fate {
        let at = ObjectRef {
            bucket: bucket.to_owned(),
            key: doomed.key.clone(),
        };
        let deleted = self.delete(permit, &at, None, doomed.etag.as_deref()).await;
        let error = match deleted {
            Ok(deleted) => return Fate::Deleted(deleted.marker),
            Err(error) => error,
        };
        let is_changed = error.detail().status == Some(412);
        let is_open = matches!(
            error.kind(),
            Kind::Unavailable | Kind::Timeout | Kind::NotFound
        );
        if (is_open || is_changed)
            && let Some(fate) = self.settled(bucket, doomed).await
        {
            return fate;
        }
        if is_changed {
            Fate::Changed
        } else {
            Fate::Failed(error)
        }
    }

    /// What became of an object that may have been deleted without a word, where a look tells: it is gone, or is another by
    /// now. Nothing where it is still to be deleted.
    async fn settled(&self, bucket: &str, doomed: &Doomed) -> Option<Fate> {
        let at = ObjectRef {
            bucket: bucket.to_owned(),
            key: doomed.key.clone(),
        };
        match self.head(bucket, &at.key).await {
            Ok(head) => {
                let is_another =
                    doomed.etag.is_some() && head["etag"].as_str() != doomed.etag.as_deref();
                return is_another.then_some(Fate::Changed);
            }
            Err(look) if look.kind() != Kind::NotFound => return None,
            Err(_) => {}
        }
        self.check_bucket(bucket).await.ok()?;
        // Without its marker nobody could bring it back: who looks again finds it deleted, and the marker.
        let marker = self.marker_of(&at).await;
        Some(marker.map_or_else(Fate::Failed, Fate::Deleted))
    }

    /// Those of some objects of which a look tells what became. What is asked for a second time where the first was done has two delete
    /// markers, of which an undo would take one.
    async fn settled_of(
        &self,
        bucket: &str,
        all: &[Doomed],
        some: &[usize],
    ) -> BTreeMap<usize, Fate> {
        let first = match some.first() {
            Some(first) => self.head(bucket, &all[*first].key).await.map(drop),
            None => Ok(()),
        };
        // A store that answers nothing is not asked a thousand times.
        if first.is_err_and(|error| error.kind() != Kind::NotFound) {
            return BTreeMap::new();
        }
        let looks = futures::stream::iter(some.iter().copied())
            .map(async |at| Some((at, self.settled(bucket, &all[at]).await?)));
        let settled = looks.buffer_unordered(SINGLES);
        settled.filter_map(std::future::ready).collect().await
    }

    fn refused_one(&self, bucket: &str, key: &str, code: &str, message: &str) -> Error {
        self.asked("DeleteObjects", format!("s3://{bucket}/{key}"))
            .said(code, message)
    }
}

fn identifier(
    doomed: &Doomed,
    with_etag: bool,
) -> std::result::Result<ObjectIdentifier, aws_smithy_types::error::operation::BuildError> {
    let etag = doomed.etag.as_ref().filter(|_| with_etag);
    ObjectIdentifier::builder()
        .key(&doomed.key)
        .set_e_tag(etag.map(|etag| format!("\"{etag}\"")))
        .build()
}

/// What the store said of each key.
struct Said<'a>(BTreeMap<&'a str, Saying<'a>>);

enum Saying<'a> {
    Deleted(Option<String>),
    Refused { code: &'a str, message: &'a str },
}

impl<'a> Said<'a> {
    fn of(answer: &'a DeleteObjectsOutput) -> Said<'a> {
        let deleted = answer.deleted().iter().filter_map(|deleted| {
            let marker = deleted
                .delete_marker_version_id()
                .filter(|_| deleted.delete_marker() == Some(true));
            Some((deleted.key()?, Saying::Deleted(marker.map(str::to_owned))))
        });
        let refused = answer.errors().iter().filter_map(|error| {
            let (code, message) = (error.code()?, error.message().unwrap_or_default());
            Some((error.key()?, Saying::Refused { code, message }))
        });
        // What is said to be both was not deleted.
        Said(deleted.chain(refused).collect())
    }

    fn of_key(&self, key: &str) -> Option<&Saying<'a>> {
        self.0.get(key)
    }
}

/// Whether a store may say otherwise when it is asked for this key again.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "InternalError" | "SlowDown" | "ServiceUnavailable" | "RequestTimeout" | "NoSuchKey"
    )
}

/// Whether fewer keys in a request may help: the store broke down under it, or knows no such request.
fn may_be_smaller(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::Unavailable | Kind::Timeout | Kind::Protocol
    ) || matches!(error.detail().status, Some(400 | 405 | 413 | 501))
}

/// Whether a request that failed may have been done all the same.
fn may_be_done(error: &Error) -> bool {
    let refusals = [400, 405, 413, 429, 501, 503];
    let status = error.detail().status;
    status.is_none_or(|status| !refusals.contains(&status))
}

/// Whether the store wants the digest of old.
fn wants_md5(error: &Error) -> bool {
    let said = error.detail().causes.concat().to_lowercase();
    error.detail().status == Some(400) && (said.contains("md5") || said.contains("checksum"))
}

/// Puts a Content-MD5 in the place of a checksum.
fn use_md5(request: &mut HttpRequest) {
    let Some(body) = request.body().bytes() else {
        return;
    };
    let digest = STANDARD.encode(Md5::digest(body));
    let headers = request.headers_mut();
    let checksums: Vec<String> = headers
        .iter()
        .map(|(name, _)| name.to_owned())
        .filter(|name| {
            name.starts_with("x-amz-checksum-") || name == "x-amz-sdk-checksum-algorithm"
        })
        .collect();
    for name in checksums {
        headers.remove(name);
    }
    headers.insert("content-md5", digest);
}

/// Whether a key has a segment that a URL cannot carry. Nobody could look at it or bring it back, so it is not deleted.
#[must_use]
pub fn has_dots(key: &str) -> bool {
    key.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Whether XML can carry a key as it is.
fn fits_xml(key: &str) -> bool {
    key.chars()
        .all(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_xml_would_change_goes_alone() {
        for key in ["a b+c.tif", "ä/%20&<>\"'", "\u{10000}"] {
            assert!(fits_xml(key), "{key:?}");
        }
        for key in [
            "a\u{1}", "a\tb", "a\r", "a\n", "\u{7f}", "\u{85}", "\u{ffff}",
        ] {
            assert!(!fits_xml(key), "{key:?}");
        }
    }
}
