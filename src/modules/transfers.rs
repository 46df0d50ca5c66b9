//! Part of `s3::` — objects that come from files, become files, or go elsewhere: upload, download, move, presign.

use std::path::{Path, PathBuf};

use rhai::{Dynamic, ImmutableString};
use serde_json::json;

use super::paths::local;
use super::targets::{Refusal, unreferenced, untabled};
use crate::clients::s3_upload::{LARGEST_PART, SMALLEST_PART, part_size};
use crate::effects::{Asked, Change, Facts};
use crate::engine::call::Call;
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::engine::unknown::Unknown;
use crate::engine::value::{from_json, one_line};
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::local_file::LocalFile;
use crate::time;

/// A URL is valid for so long where nobody says otherwise.
const VALID: &str = "15m";
/// The longest that S3 signs for.
const LONGEST: std::time::Duration = std::time::Duration::from_hours(7 * 24);

pub(super) fn register(ns: &mut Namespace) {
    transfers(ns);
    moving(ns);
}

fn transfers(ns: &mut Namespace) {
    native! { ns,
        /// Uploads a local file, which is read as it is sent: in parts where it is larger than one. A URI that ends in a
        /// slash is a folder: the object gets the file's name. One that is in the way is put aside, and `undo` brings it
        /// back. An upload that breaks off is gone on with by the next call with the same file. A file that changes while
        /// it is read is refused. Gives back what `write` does.
        ///
        /// ```rhai
        /// fs::write("measured.csv", "a,b\n1,2\n");
        /// s3::upload("measured.csv", "s3://landing/in/").uri
        /// //=> "s3://landing/in/measured.csv"
        /// ```
        write fn upload(call, path: ImmutableString, uri: ImmutableString) -> "map"
            options as options {
                /// The media type.
                content_type: Text = "by the file's name",
                /// The user metadata: names and texts.
                metadata: Map,
                /// Fail where there is an object already.
                only_new: Bool = "false",
                /// Do nothing where the object has these bytes, and the media type if one is given, already.
                unless_same: Bool = "false",
                /// The bytes of a part, at least 5242880.
                part_size: Int = "16777216, more where that would make over 10,000 parts",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let path = local(call.session(), &path)?;
                call.reads(&format!("file {}", path.display()))?;
                let change = upload(call, &path, &uri, &options)?;
                match same(call, &change, &options)? {
                    Some(there) => there,
                    None => call.change(change, &options)?,
                }
            }

        /// Downloads an object to a local file, in several ranges at a time. A path that ends in a slash, or is a folder,
        /// gets the object's name. A file that is there already is an error. What is read is one and the same object,
        /// checked against its ETag where that tells; a download that breaks off is gone on with by the next call. Gives
        /// back `path`, `uri`, `size` and `etag`.
        ///
        /// ```rhai
        /// s3::write("s3://landing/notes/today.txt", "seen");
        /// s3::download("s3://landing/notes/today.txt", "notes/");
        /// fs::read("notes/today.txt")
        /// //=> "seen"
        /// ```
        write fn download(call, uri: ImmutableString, path: ImmutableString) -> "map"
            options as options {
                /// The path is the file's, also where a folder has its name (which is an error then).
                as_file: Bool = "false",
                /// Do nothing where the file has the object's bytes already.
                unless_same: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let from = call.session().lake()?.locate(&uri)?;
                call.reads(&from.to_string())?;
                let path = if options.flag("as_file") { local(call.session(), &path)? } else { place(call, &path, &from)? };
                let head = call.wait(call.session().s3()?.head(&from.bucket, &from.key))?;
                let change = Change::DownloadObject { from, was: Facts::of_object(&head), path };
                match same(call, &change, &options)? {
                    Some(there) => there,
                    None => call.change(change, &options)?,
                }
            }

        /// A URL by which anybody who has it may read an object, for a while. It is a key to that object: keep it as one.
        ///
        /// ```rhai
        /// s3::presign("s3://processed/a/b.tif", #{expires: "1h"}).contains("X-Amz-Expires=3600")
        /// //=> true
        /// ```
        read fn presign(call, uri: ImmutableString) -> "string"
            options as options {
                /// For how long, at most 7 days.
                expires: Duration = "15m"
            }
            {
                let at = call.session().lake()?.locate(&uri)?;
                let expires = options.duration("expires")?;
                let expires = expires.map_or_else(|| time::duration(VALID), Ok)?;
                if expires > LONGEST || expires.as_secs() == 0 {
                    return Err(Error::usage("a URL is signed for at least a second and at most 7 days").into());
                }
                call.wait(call.session().s3()?.presign(&at, expires))?
            }
    }
}

fn moving(ns: &mut Namespace) {
    native! { ns,
        /// Moves an object inside the store: copies it, and deletes it when its copy is there. In the lake's buckets, what
        /// the catalogue refers to is refused. One that is in the way is put aside. Gives back what `s3::delete` does.
        ///
        /// ```rhai
        /// s3::write("s3://landing/a.txt", "1");
        /// s3::move("s3://landing/a.txt", "s3://landing/done/a.txt");
        /// [s3::try_head("s3://landing/a.txt"), s3::read("s3://landing/done/a.txt")]
        /// //=> [(), "1"]
        /// ```
        destroy fn move(call, from: ImmutableString, to: ImmutableString) -> "map"
            options as options {
                /// Move also what the catalogue refers to.
                referenced: Bool = "false",
                /// Fail where there is an object already.
                only_new: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                moved(call, &from, &to, &options)?
            }
    }
}

/// What a transfer would give back that is not needed: file and object have the same bytes already.
fn same(call: &Call, change: &Change, options: &Options) -> Result<Option<Dynamic>> {
    if !options.flag("unless_same") {
        return Ok(None);
    }
    let (file, there, value) = match change {
        Change::UploadFile {
            file,
            at,
            content_type,
            ..
        } => {
            call.reads(&at.to_string())?;
            let head = match call.wait(call.session().s3()?.head(&at.bucket, &at.key)) {
                Err(error) if error.kind() == Kind::NotFound => return Ok(None),
                head => head?,
            };
            // One that is only guessed is no reason to upload anything again.
            let wanted = content_type
                .as_deref()
                .filter(|_| options.text("content_type").is_some());
            if wanted.is_some() && head["content_type"].as_str() != wanted {
                return Ok(None);
            }
            let value = json!({"uri": at.to_string()});
            (file.clone(), Facts::of_object(&head), value)
        }
        Change::DownloadObject { from, was, path } if path.is_file() => {
            let value = json!({"uri": from.to_string(), "path": path});
            (LocalFile::look(path)?, was.clone(), value)
        }
        _ => return Ok(None),
    };
    let (Some(size), Some(etag)) = (there.size(), there.etag()) else {
        return Ok(None);
    };
    let is_same = file.is_object(size, etag)?;
    Ok(is_same.then(|| {
        let mut value = value;
        (value["size"], value["etag"]) = (size.into(), etag.into());
        from_json(value)
    }))
}

/// What a copy would give back that is not needed: both objects have the same size and ETag already.
pub(super) fn same_object(
    call: &Call,
    from: &ObjectRef,
    to: &ObjectRef,
) -> Result<Option<Dynamic>> {
    call.reads(&to.to_string())?;
    let s3 = call.session().s3()?;
    let heads = async {
        let there = match s3.head(&to.bucket, &to.key).await {
            Ok(there) => there,
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some((s3.head(&from.bucket, &from.key).await?, there)))
    };
    let Some((here, there)) = call.wait(heads)? else {
        return Ok(None);
    };
    let is_same = here["size"] == there["size"] && here["etag"] == there["etag"];
    Ok(is_same.then(|| {
        from_json(json!({"uri": to.to_string(), "size": there["size"], "etag": there["etag"]}))
    }))
}

fn upload(call: &Call, path: &Path, uri: &str, options: &Options) -> Result<Change> {
    let file = LocalFile::look(path)?;
    let name = path.file_name().and_then(|name| name.to_str());
    let uri = match (uri.ends_with('/'), name) {
        (true, Some(name)) => format!("{uri}{name}"),
        _ => uri.to_owned(),
    };
    let metadata = options.map("metadata").unwrap_or_default();
    let parts_of = match options.count("part_size")? {
        None => part_size(file.size),
        Some(size) if (SMALLEST_PART..=LARGEST_PART).contains(&(size as u64)) => size as u64,
        Some(_) => {
            return Err(Error::usage(
                "a part has at least 5242880 bytes and at most 5368709120 (option 'part_size')",
            ));
        }
    };
    let media_type = options.text("content_type");
    Ok(Change::UploadFile {
        at: call.session().lake()?.locate(&uri)?,
        content_type: media_type
            .map(|kind| kind.to_string())
            .or_else(|| media_type_of(path)),
        metadata: metadata
            .into_iter()
            .map(|(name, value)| (name.to_string(), one_line(&value)))
            .collect(),
        only_new: options.flag("only_new"),
        part_size: parts_of,
        file,
    })
}

/// The media type that a file's name tells, with those of spatial data that no general list has.
pub(super) fn media_type_of(path: &Path) -> Option<String> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    let known = match ending.as_str() {
        "parquet" | "geoparquet" => "application/vnd.apache.parquet",
        "geojson" => "application/geo+json",
        "gpkg" => "application/geopackage+sqlite3",
        "fgb" => "application/vnd.flatgeobuf",
        "las" | "laz" => "application/vnd.las",
        _ => return mime_guess::from_path(path).first_raw().map(str::to_owned),
    };
    Some(known.to_owned())
}

/// Where a download goes.
fn place(call: &Call, path: &str, from: &ObjectRef) -> Result<PathBuf> {
    let given = local(call.session(), path)?;
    if !path.ends_with('/') && !given.is_dir() {
        return Ok(given);
    }
    let name = from
        .key
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    // A name that leads upwards is refused like any other path.
    local(
        call.session(),
        &format!("{}/{name}", path.trim_end_matches('/')),
    )
}

/// What a move of what the catalogue refers to is told.
const MOVED: Refusal = Refusal {
    what: "moved",
    hint: "put the record that refers to it right first: stac::put_item with the new href",
    all_the_same: "to move it all the same: s3::move(…, #{referenced: true})",
};

fn moved(call: &Call, from: &str, to: &str, options: &Options) -> Result<Dynamic> {
    let lake = call.session().lake()?;
    let (from, to) = (lake.locate(from)?, lake.locate(to)?);
    if from == to {
        return Err(Error::usage(format!("{from} cannot be moved to itself")));
    }
    call.reads(&from.to_string())?;
    let mut asked = Asked::from(Change::delete(from.clone()));
    if !options.flag("referenced") {
        asked = untabled(call, unreferenced(call, asked, &MOVED)?, &MOVED)?;
    }
    let copy = Change::CopyObject {
        from: from.clone(),
        to,
        only_new: options.flag("only_new"),
    };
    let copied = call.change(copy, options)?;
    if copied.is::<Unknown>() {
        // Of a delete, what is not there is gone. There is nothing to move, though, unless it was moved already.
        let head = call.wait(call.session().s3()?.head(&from.bucket, &from.key))?;
        asked.facts = Some(Facts::of_object(&head));
    }
    call.change_after(&copied, asked, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spatial_files_have_their_media_types() {
        let of = |name: &str| media_type_of(Path::new(name));
        assert_eq!(of("a/b.TIF").as_deref(), Some("image/tiff"));
        assert_eq!(
            of("roads.parquet").as_deref(),
            Some("application/vnd.apache.parquet")
        );
        assert_eq!(of("a.geojson").as_deref(), Some("application/geo+json"));
        assert_eq!(of("README"), None);
    }
}
