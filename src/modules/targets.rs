//! The objects that a call of `s3::delete` or `s3::move` is about: URIs, rows of a listing, or a stream of either; and
//! the refusal of those that the catalogue refers to.

use std::collections::BTreeSet;

use rhai::{Array, Dynamic, ImmutableString};

use crate::effects::{Asked, Change, Facts};
use crate::engine::call::Call;
use crate::engine::raise::caught;
use crate::engine::stream::{Stream, Values};
use crate::engine::value::{to_json, type_name};
use crate::error::{Error, Kind, Result};
use crate::lake::{Lake, ObjectRef};

/// How what the catalogue refers to is refused.
pub(super) struct Refusal {
    /// What is not done to it.
    pub(super) what: &'static str,
    /// What to do instead.
    pub(super) hint: &'static str,
    /// How it is done all the same.
    pub(super) all_the_same: &'static str,
}

/// What a deletion of what the catalogue refers to is told.
pub(super) const DELETED: Refusal = Refusal {
    what: "deleted",
    hint: "`item delete` removes an item with all that belongs to it",
    all_the_same: "to delete it all the same: s3::delete(…, #{referenced: true})",
};

/// Refuses an object of the lake that the catalogue refers to.
pub(super) fn unreferenced(call: &Call, asked: Asked, refusal: &Refusal) -> Result<Asked> {
    let Change::DeleteObject { at, .. } = &asked.change else {
        return Ok(asked);
    };
    let session = call.session();
    if session.lake()?.has_bucket(&at.bucket) && session.referenced()?.has(&at.bucket, &at.key) {
        return Err(Error::new(
            Kind::Conflict,
            format!("the catalogue refers to {at}: it is not {}", refusal.what),
        )
        .hint(refusal.hint)
        .hint(refusal.all_the_same));
    }
    Ok(asked)
}

/// Refuses an object that an Iceberg table names, in whatever bucket.
pub(super) fn untabled(call: &Call, asked: Asked, refusal: &Refusal) -> Result<Asked> {
    let Change::DeleteObject { at, .. } = &asked.change else {
        return Ok(asked);
    };
    if super::orphans::tabled(call.session())?.has(&at.bucket, &at.key) {
        return Err(Error::new(
            Kind::Conflict,
            format!("an Iceberg table names {at}: it is not {}", refusal.what),
        )
        .hint("`table delete` takes rows out of a table, `table expire` deletes the files that no snapshot reads any more")
        .hint(refusal.all_the_same));
    }
    Ok(asked)
}

/// The objects that are to be deleted, as they come.
pub(super) enum Targets<'a> {
    Some(&'a Lake, std::vec::IntoIter<Dynamic>, BTreeSet<ObjectRef>),
    Stream(&'a Lake, Box<Values>),
}

impl<'a> Targets<'a> {
    pub(super) fn of(call: &'a Call<'_>, objects: Dynamic) -> Result<Targets<'a>> {
        call.refuse_unknown(&objects)?;
        let lake = call.session().lake()?;
        if let Some(stream) = objects.read_lock::<Stream>() {
            return Ok(Targets::Stream(lake, Box::new(stream.clone().into_iter())));
        }
        let all = match objects.read_lock::<Array>() {
            Some(all) => all.clone(),
            None => vec![objects.clone()],
        };
        Ok(Targets::Some(lake, all.into_iter(), BTreeSet::new()))
    }
}

impl Iterator for Targets<'_> {
    type Item = Result<Asked>;

    fn next(&mut self) -> Option<Result<Asked>> {
        match self {
            // One that is named twice is deleted once.
            Targets::Some(lake, all, seen) => all.find_map(|object| match target(lake, &object) {
                Ok(asked) => {
                    let is_new = asked
                        .change
                        .object()
                        .is_none_or(|at| seen.insert(at.clone()));
                    is_new.then_some(Ok(asked))
                }
                Err(error) => Some(Err(error)),
            }),
            Targets::Stream(lake, values) => values.next().map(|value| {
                let object = value.map_err(|error| caught(&error, ""))?;
                target(lake, &object)
            }),
        }
    }
}

/// One object: its URI, or a row of a listing, which knows what the object is.
fn target(lake: &Lake, object: &Dynamic) -> Result<Asked> {
    if let Some(uri) = object.read_lock::<ImmutableString>() {
        let at = lake.locate(&uri)?;
        return Ok(Change::delete(at).into());
    }
    let row = to_json(object)?;
    let uri = row["uri"].as_str().ok_or_else(|| {
        Error::usage(format!(
            "s3::delete takes URIs or rows of s3::list, not {}",
            type_name(object)
        ))
    })?;
    let at = lake.locate(uri)?;
    let share = row["share"].as_str().map(str::parse).transpose()?;
    let is_whole = ["size", "etag", "last_modified"]
        .iter()
        .all(|field| !row[*field].is_null());
    Ok(Asked {
        change: Change::DeleteObject {
            at,
            share,
            trash: None,
        },
        facts: is_whole.then(|| Facts::of_object(&row)),
    })
}
