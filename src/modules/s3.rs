//! `s3::` — the object store: buckets, listings, objects, versioning.

use futures::StreamExt;
use rhai::{Dynamic, ImmutableString};
use serde_json::json;

use crate::engine::registry::{Namespace, native};
use crate::error::{Error, Kind};
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
        /// `bucket`, `key`, `size` (bytes), `etag` and `last_modified` (RFC 3339).
        ///
        /// ```rhai
        /// s3::list("s3://processed/gelaende-umwelt/").all(|o| o.key.starts_with("gelaende-umwelt/"))
        /// //=> true
        /// ```
        read fn list(call, uri: ImmutableString) -> "Stream"
            options as options {
                /// Only keys after this one.
                start_after: Text,
                /// A bound on the call for each page.
                timeout: Duration = "as configured"
            }
            {
                let at = call.session().lake()?.locate_prefix(&uri)?;
                let s3 = call.session().s3()?.within(options.duration("timeout")?);
                let start_after = options.text("start_after");
                call.stream("objects", s3.list(&at.bucket, &at.prefix, start_after.as_deref()))
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
