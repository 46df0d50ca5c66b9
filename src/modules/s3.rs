//! `s3::` — the object store: buckets, listings, objects, versioning.

use futures::StreamExt;
use rhai::{Array, Dynamic, ImmutableString};
use serde_json::json;

use super::targets::{DELETED, Targets, unreferenced, untabled};
use super::transfers;
use crate::clients::s3_list::Part;
use crate::effects::{Asked, Change, Payload};
use crate::engine::call::Call;
use crate::engine::registry::{Namespace, native};
use crate::engine::value::{one_line, to_json, type_name};
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;
use crate::session::Session;

/// Reading more of an object than this into a script must be asked for.
const READ_LIMIT: usize = 16 << 20;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut ns = Namespace::new(
        session,
        "s3",
        "The object store: buckets, listings, objects, versioning.",
    );
    buckets(&mut ns);
    objects(&mut ns);
    changes(&mut ns);
    transfers::register(&mut ns);
    uploads(&mut ns);
    ns
}

fn buckets(ns: &mut Namespace) {
    native! { ns,
        /// The buckets that the credentials may see: `name` and `created`.
        ///
        /// ```rhai
        /// s3::buckets(#{timeout: "5s"}).map(|b| b.name).contains("processed")
        /// //=> true
        /// ```
        read fn buckets(call) -> "array"
            options as options {
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            {
                call.wait(call.session().s3()?.within(options.duration("timeout")?).buckets())?
            }

        /// Whether a bucket exists. Throws where the store cannot be reached or does not let the credentials look.
        ///
        /// ```rhai
        /// [s3::bucket_exists("landing"), s3::bucket_exists("no-such-bucket")]
        /// //=> [true, false]
        /// ```
        read fn bucket_exists(call, bucket: ImmutableString) -> "bool"
            options as options {
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            {
                let s3 = call.session().s3()?.within(options.duration("timeout")?);
                match call.wait(s3.check_bucket(&bucket)) {
                    Ok(()) => true,
                    Err(error) if error.kind() == Kind::NotFound => false,
                    Err(error) => return Err(error.into()),
                }
            }

        /// Whether a bucket keeps versions: `Enabled`, `Suspended`, or `Off` where that was never set.
        ///
        /// ```rhai
        /// s3::versioning("landing")
        /// //=> "Off"
        /// ```
        read fn versioning(call, bucket: ImmutableString) -> "string"
            options as options {
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            {
                call.wait(call.session().s3()?.within(options.duration("timeout")?).versioning(&bucket))?
            }

        /// By how many seconds the store's clock is ahead of this machine's.
        ///
        /// ```rhai
        /// s3::clock_skew(#{timeout: "5s"}) < 5
        /// //=> true
        /// ```
        read fn clock_skew(call) -> "int"
            options as options {
                /// A bound on the whole call.
                timeout: Duration = "as configured"
            }
            {
                let s3 = call.session().s3()?.within(options.duration("timeout")?);
                super::time::skew(call.wait(s3.date())?)
            }
    }
}

fn objects(ns: &mut Namespace) {
    native! { ns,
        /// The objects whose keys begin with a prefix, in the store's order, read page by page. Each has `uri`,
        /// `bucket`, `key`, `size` (bytes), `etag` and `last_modified` (RFC 3339). With `by_folder`, what lies in a folder
        /// right below the prefix is one row, whose `key` ends in a slash and which has no size.
        ///
        /// ```rhai
        /// s3::list("s3://processed/gelaende-umwelt/").all(|o| o.key.starts_with("gelaende-umwelt/"))
        /// //=> true
        /// ```
        read fn list(call, uri: ImmutableString) -> "Stream"
            options as options {
                /// Only keys after this one.
                start_after: Text,
                /// Give folders instead of what is in them.
                by_folder: Bool = "false",
                /// A bound on the call for each page.
                timeout: Duration = "as configured"
            }
            {
                let at = call.session().lake()?.locate_prefix(&uri)?;
                let s3 = call.session().s3()?.within(options.duration("timeout")?);
                let part = Part {
                    bucket: at.bucket,
                    prefix: at.prefix,
                    after: options.text("start_after").map(|after| after.to_string()),
                    by_folder: options.flag("by_folder"),
                };
                call.stream("objects", s3.rows(part))
            }

        /// What the store knows of an object without its bytes: `size`, `etag`, `last_modified`, `content_type`,
        /// `metadata`. Throws `not_found` where there is none.
        ///
        /// ```rhai
        /// let first = s3::list("s3://processed/").first();
        /// s3::head(first.uri).size == first.size
        /// //=> true
        /// ```
        read fn head(call, uri: ImmutableString) -> "map" {
            let at = call.session().lake()?.locate(&uri)?;
            call.reads(&at.to_string())?;
            call.wait(call.session().s3()?.head(&at.bucket, &at.key))?
        }

        /// What the store knows of an object, or `()` where there is none. A missing bucket throws.
        ///
        /// ```rhai
        /// s3::try_head("s3://processed/no/such/object")
        /// //=> ()
        /// ```
        read fn try_head(call, uri: ImmutableString) -> "map or ()" {
            let at = call.session().lake()?.locate(&uri)?;
            call.reads(&at.to_string())?;
            let s3 = call.session().s3()?;
            match call.wait(s3.head(&at.bucket, &at.key)) {
                Ok(head) => Some(head),
                // HEAD answers 404 for a missing bucket as well, and says no more: that is no absent object.
                Err(error) if error.kind() == Kind::NotFound => {
                    call.wait(s3.check_bucket(&at.bucket))?;
                    None
                }
                Err(error) => return Err(error.into()),
            }
        }

        /// The content of an object: text, or bytes with `blob`.
        ///
        /// ```rhai
        /// let metadata = s3::list("s3://processed/").filter(|o| o.key.ends_with("/_metadata.json")).first();
        /// json::parse(s3::read(metadata.uri)).type_of()
        /// //=> "map"
        /// ```
        read fn read(call, uri: ImmutableString) -> "string or blob"
            options as options {
                /// Only these bytes, both ends included: `0-99`, `100-`, `-8`.
                range: Text,
                /// Bytes instead of text.
                blob: Bool = "false",
                /// Larger objects are refused: a script holds them in memory.
                max_bytes: Int = "16777216"
            }
            {
                let at = call.session().lake()?.locate(&uri)?;
                call.reads(&at.to_string())?;
                let limit = options.count("max_bytes")?.unwrap_or(READ_LIMIT);
                let range = options.text("range");
                let bytes = call.wait(call.session().s3()?.read(&at.bucket, &at.key, range.as_deref(), limit))?;
                if options.flag("blob") {
                    Dynamic::from_blob(bytes)
                } else {
                    let text = String::from_utf8(bytes);
                    text.map(Dynamic::from).map_err(|_| {
                        Error::new(Kind::Invalid, format!("{at} is not text")).hint("read it as bytes: #{blob: true}")
                    })?
                }
            }

        /// How much lies below a prefix: `objects` and `bytes`.
        ///
        /// ```rhai
        /// s3::du("s3://processed/").objects == s3::list("s3://processed/").count()
        /// //=> true
        /// ```
        read fn du(call, uri: ImmutableString) -> "map" {
            let at = call.session().lake()?.locate_prefix(&uri)?;
            let mut pages = call.session().s3()?.list(&at.bucket, &at.prefix, None);
            call.wait(async {
                let (mut objects, mut bytes) = (0_u64, 0_u64);
                while let Some(page) = pages.next().await {
                    for object in page? {
                        objects += 1;
                        bytes += object["size"].as_u64().unwrap_or(0);
                    }
                }
                Ok(json!({"objects": objects, "bytes": bytes}))
            })?
        }
    }
}

fn changes(ns: &mut Namespace) {
    native! { ns,
        /// Writes an object, text or a blob. One that is there is put aside, as a delete does, and `undo` brings it back.
        /// Gives back `uri`, `etag`, `size` and, where the bucket keeps versions, `version_id`.
        ///
        /// ```rhai
        /// s3::write("s3://landing/notes/today.txt", "seen", #{content_type: "text/plain"});
        /// s3::read("s3://landing/notes/today.txt")
        /// //=> "seen"
        /// ```
        write fn write(call, uri: ImmutableString, content: Dynamic) -> "map"
            options as options {
                /// The media type.
                content_type: Text,
                /// The user metadata: names and texts.
                metadata: Map,
                /// Fail where there is an object already.
                only_new: Bool = "false",
                /// Fail unless the object that is there has this ETag.
                if_match: Text,
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let at = call.session().lake()?.locate(&uri)?;
                let metadata = options.map("metadata").unwrap_or_default();
                let change = Change::WriteObject {
                    at,
                    content: Payload::new(bytes_of(call, content)?),
                    content_type: options.text("content_type").map(|kind| kind.to_string()),
                    metadata: metadata.into_iter().map(|(name, value)| (name.to_string(), one_line(&value))).collect(),
                    only_new: options.flag("only_new"),
                    if_match: options.text("if_match").map(|etag| etag.trim_matches('"').to_owned()),
                };
                call.change(change, &options)?
            }

        /// Copies an object inside the store, with its media type and metadata, in parts where it is large. One that is
        /// in the way is put aside. Gives back what `write` does.
        ///
        /// ```rhai
        /// let first = s3::list("s3://processed/").first();
        /// s3::copy(first.uri, "s3://landing/copy").size == first.size
        /// //=> true
        /// ```
        write fn copy(call, from: ImmutableString, to: ImmutableString) -> "map"
            options as options {
                /// Fail where there is an object already.
                only_new: Bool = "false",
                /// Do nothing where the object has these bytes already.
                unless_same: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let lake = call.session().lake()?;
                let (from, to) = (lake.locate(&from)?, lake.locate(&to)?);
                call.reads(&from.to_string())?;
                if options.flag("unless_same") && let Some(there) = transfers::same_object(call, &from, &to)? {
                    return Ok(there);
                }
                call.change(Change::CopyObject { from, to, only_new: options.flag("only_new") }, &options)?
            }

        /// Deletes objects: one URI, an array, or a stream as of `s3::list`, which is read as it is worked off. Each is
        /// put aside first (`[trash]` in the configuration), and left alone where it is not what was planned. What is
        /// not there is gone. In the lake's buckets, what the catalogue refers to is refused, and in any what an Iceberg table names. Gives back `deleted`,
        /// `gone`, `left`, `failed` (counts), `bytes`, `step`, and up to 1,000 `targets` with what came of each.
        ///
        /// ```rhai
        /// s3::write("s3://landing/a", "1");
        /// s3::write("s3://landing/b", "22");
        /// let done = s3::delete(["s3://landing/a", "s3://landing/b", "s3://landing/none"]);
        /// [done.deleted, done.gone, done.bytes]
        /// //=> [2, 1, 3]
        /// ```
        destroy fn delete(call, objects: Dynamic) -> "map"
            options as options {
                /// Delete also what the catalogue or a table refers to.
                referenced: Bool = "false",
                /// Take away only what this very run made: then a script that may write may do it.
                own: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let targets = Targets::of(call, objects)?;
                if options.flag("referenced") {
                    call.changes(targets, &options)?
                } else {
                    call.changes(targets.map(|asked| untabled(call, unreferenced(call, asked?, &DELETED)?, &DELETED)), &options)?
                }
            }
    }
}

fn uploads(ns: &mut Namespace) {
    native! { ns,
        /// The uploads in parts of a bucket that were begun and neither completed nor given up: `uri`, `key`,
        /// `upload_id`, `begun`. What they hold costs space and is in no listing.
        ///
        /// ```rhai
        /// s3::uploads("landing").len()
        /// //=> 1
        /// ```
        read fn uploads(call, bucket: ImmutableString) -> "array" {
            let uploads = call.wait(call.session().s3()?.uploads(&bucket))?;
            uploads.iter().map(|upload| upload.row(&bucket)).collect::<Vec<_>>()
        }

        /// Gives uploads up, rows as of `s3::uploads`: what they hold is gone for good. One that went on since it was
        /// planned is left alone. Gives back what `s3::delete` does.
        ///
        /// ```rhai
        /// let done = s3::abort_uploads(s3::uploads("landing"));
        /// [done.deleted, s3::uploads("landing").len()]
        /// //=> [1, 0]
        /// ```
        destroy fn abort_uploads(call, uploads: Array) -> "map"
            options as options {
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                call.changes(uploads.iter().map(upload), &options)?
            }
    }
}

/// An upload that is to be given up, as a row of `s3::uploads` names it.
fn upload(row: &Dynamic) -> Result<Asked> {
    let row = to_json(row)?;
    let text = |name: &str| row[name].as_str().map(str::to_owned);
    let (Some(bucket), Some(key), Some(upload)) = (text("bucket"), text("key"), text("upload_id"))
    else {
        return Err(Error::usage("s3::abort_uploads takes rows of s3::uploads"));
    };
    let at = ObjectRef { bucket, key };
    Ok(Change::AbortUpload { at, upload }.into())
}

/// What is to be written: text, or the bytes of a blob.
fn bytes_of(call: &Call, content: Dynamic) -> Result<Vec<u8>> {
    call.refuse_unknown(&content)?;
    if let Some(text) = content.read_lock::<ImmutableString>() {
        return Ok(text.as_bytes().to_vec());
    }
    let kind = type_name(&content);
    content.into_blob().map_err(|_| {
        Error::usage(format!("s3::write takes text or a blob, not {kind}"))
            .hint("json::text(value) makes text of a map")
    })
}
