//! `lake::orphans` and `lake::why`: what nothing refers to, for scripts. How that is found out is `inventory`'s.

use std::time::Duration;

use rhai::Dynamic;
use serde_json::Value;

use crate::config::Service;
use crate::engine::call::Call;
use crate::engine::options::Options;
use crate::engine::raise::{Raised, raise_unplaced};
use crate::engine::stream::Stream;
use crate::engine::value::from_json;
use crate::error::{Error, Kind, Result, nearest};
use crate::inventory::{
    Granularity, KNOWN_FOR, Orphans, Reading, Services, Sweep, Tabled, Verdict,
};
#[cfg(feature = "iceberg")]
use crate::lake::ObjectRef;
use crate::lake::{Lake, Role};
use crate::session::Session;

/// Younger objects are left alone, where nothing else is said.
const MIN_AGE: Duration = Duration::from_hours(1);

/// Finds the orphans of a bucket. Gives a map: the account, and `objects`, a stream of them.
pub(super) fn find(call: &Call, options: &Options) -> Result<Dynamic> {
    let session = call.session();
    let services = services(session)?;
    let bucket = options.text("bucket").map(|bucket| bucket.to_string());
    let bucket = bucket.unwrap_or_else(|| services.lake.bucket(Role::Landing).to_owned());
    let bucket = of_role(&services.lake, bucket);
    let sweep = sweep(call, &bucket, options)?;
    let found = call.wait(Orphans::find(&services, sweep))?;
    if session.gate().may_destroy() && !session.gate().is_judged() {
        let summary = &found.summary;
        let of = format!("'{}'", summary.bucket);
        refuse_guarded(
            (&format!("objects of {of}"), &of),
            (summary.orphans().objects, &summary.guards),
            options.int("expect_delete"),
        )?;
    }
    // What is deleted is held against the same references.
    session.know(found.referenced());
    let uploads = Value::from(found.stale_uploads());
    let account = serde_json::to_value(&found.summary);
    let account = account.map_err(|error| Error::internal(error.to_string()))?;
    let rows = Rows {
        session: session.clone(),
        reading: found.reading(services),
        page: Vec::new().into_iter(),
    };
    let mut map = rhai::Map::new();
    map.insert("account".into(), from_json(account));
    map.insert("uploads".into(), from_json(uploads));
    map.insert(
        "objects".into(),
        Dynamic::from(Stream::of_values("orphans", rows)),
    );
    Ok(Dynamic::from_map(map))
}

/// The verdict on one object.
pub(super) fn why(call: &Call, uri: &str, options: &Options) -> Result<Value> {
    let session = call.session();
    let services = services(session)?;
    let at = services.lake.locate(uri)?;
    let sweep = sweep(call, &at.bucket, options)?;
    let verdict = call.wait(Verdict::of(&services, &sweep, &at))?;
    serde_json::to_value(verdict).map_err(|error| Error::internal(error.to_string()))
}

fn services(session: &Session) -> Result<Services> {
    Ok(Services {
        stac: session.stac()?.clone(),
        s3: session.s3()?.clone(),
        prefect: session.prefect()?.clone(),
        lake: session.lake()?.clone(),
    })
}

fn sweep(call: &Call, bucket: &str, options: &Options) -> Result<Sweep> {
    let session = call.session();
    let lake = session.lake()?;
    let role = role(lake, bucket)?;
    let min_age = options.duration("min_age")?.unwrap_or(MIN_AGE);
    let min_age = jiff::SignedDuration::try_from(min_age)
        .map_err(|error| Error::usage(format!("min_age is too long: {error}")))?;
    let mut protect = Vec::new();
    for text in session.config().gc_protected() {
        protect.extend(protected(lake, bucket, &text)?);
    }
    let state = lake.locate_prefix(&session.config().state_url()?)?;
    if state.bucket == bucket {
        protect.push(state.prefix);
    }
    // Of the files of tables no item speaks, wherever they are.
    if session.endpoints()?.has(Service::Iceberg) {
        let folders = session.table_folders()?;
        protect.extend(folders.within(bucket).map(str::to_owned));
    }
    Ok(Sweep {
        bucket: bucket.to_owned(),
        role,
        granularity: granularity(options.text("granularity").as_deref())?,
        min_age,
        since: session.gate().order().began,
        protect,
        tabled: tabled(session)?,
        known_for: KNOWN_FOR,
        share: options
            .text("shard")
            .map(|share| share.parse())
            .transpose()?,
    })
}

/// What keys begin with that nobody deletes as an orphan: what the configuration protects, and the program's own state.
#[cfg(feature = "iceberg")]
pub(super) struct KeptPrefix {
    bucket: Option<String>,
    prefix: String,
}

#[cfg(feature = "iceberg")]
impl KeptPrefix {
    /// Whether it keeps an object.
    pub(super) fn keeps(&self, at: &ObjectRef) -> bool {
        let is_there = self
            .bucket
            .as_ref()
            .is_none_or(|bucket| *bucket == at.bucket);
        is_there && at.key.starts_with(&self.prefix)
    }
}

/// All of them, in whatever bucket.
#[cfg(feature = "iceberg")]
pub(super) fn kept_prefixes(session: &Session) -> Result<Vec<KeptPrefix>> {
    let lake = session.lake()?;
    let state = lake.locate_prefix(&session.config().state_url()?)?;
    let mut kept = vec![KeptPrefix {
        bucket: Some(state.bucket),
        prefix: state.prefix,
    }];
    for text in session.config().gc_protected() {
        let bucket = if text.contains("://") {
            Some(lake.locate_prefix(&text)?.bucket)
        } else {
            None
        };
        let prefix = protected(lake, bucket.as_deref().unwrap_or_default(), &text)?;
        kept.extend(prefix.map(|prefix| KeptPrefix { bucket, prefix }));
    }
    Ok(kept)
}

/// What tables name, where there are any.
#[cfg(feature = "iceberg")]
pub(super) fn tabled(session: &Session) -> Result<Tabled> {
    if !session.endpoints()?.has(Service::Iceberg) {
        return Ok(Tabled::default());
    }
    let names = session.table_names().map_err(|error| {
        error.hint("it is not known which objects are tables' before all tables are read; to do without, where no table has such objects: --iceberg-url off")
    })?;
    Ok(Tabled::by(move |at| names.know(at).is_some()))
}

/// A build without the files of tables knows their folders only.
#[cfg(not(feature = "iceberg"))]
#[allow(clippy::unnecessary_wraps)]
pub(super) fn tabled(_: &Session) -> Result<Tabled> {
    Ok(Tabled::default())
}

/// What keys of this bucket begin with that the configuration protects; an S3 URI is meant for its own bucket alone.
fn protected(lake: &Lake, bucket: &str, text: &str) -> Result<Option<String>> {
    if text.contains("://") {
        let at = lake
            .locate_prefix(text)
            .map_err(|error| error.hint("this is gc.protect in the configuration"))?;
        return Ok((at.bucket == bucket).then_some(at.prefix));
    }
    if text.starts_with('/') {
        return Err(Error::config(format!(
            "gc.protect: no key begins with a slash, and '{text}' does"
        ))
        .hint(format!("write '{}'", text.trim_start_matches('/'))));
    }
    Ok(Some(text.to_owned()))
}

pub(super) fn granularity(text: Option<&str>) -> Result<Granularity> {
    match text {
        None | Some("dataset") => Ok(Granularity::Dataset),
        Some("object") => Ok(Granularity::Object),
        Some(other) => Err(Error::usage(format!("'{other}' is no granularity"))
            .suggest(nearest(other, ["dataset", "object"]))
            .hint("dataset keeps the folder of a dataset whole, object tells its objects apart")),
    }
}

/// The bucket of that role, where no bucket of the lake has that name.
fn of_role(lake: &Lake, name: String) -> String {
    let role = Role::ALL.into_iter().find(|role| role.name() == name);
    match role.filter(|_| !lake.has_bucket(&name)) {
        Some(role) => lake.bucket(role).to_owned(),
        None => name,
    }
}

/// The one role of a bucket: what may be garbage in it depends on that.
fn role(lake: &Lake, bucket: &str) -> Result<Role> {
    let roles: Vec<Role> = lake.roles(bucket).collect();
    match roles[..] {
        [role] => Ok(role),
        [] => {
            let known = Role::ALL.map(|role| lake.bucket(role));
            let hint = format!("the buckets of the lake are {}", known.join(", "));
            Err(Error::usage(format!(
                "'{bucket}' is none of the lake's buckets, so it is not known what may be garbage in it"
            ))
            .suggest(nearest(bucket, known))
            .hint(hint))
        }
        _ => {
            let settings: Vec<&str> = roles.iter().map(|role| role.setting()).collect();
            Err(Error::usage(format!(
                "'{bucket}' has several roles ({}), so it is not known what may be garbage in it",
                settings.join(", ")
            ))
            .hint("give each role a bucket of its own"))
        }
    }
}

/// Stops a run that would change something where anything speaks against it, unless the exact count was said. `things` are the
/// orphans, as in `objects of 'landing'`, `of` is what is whole.
pub(super) fn refuse_guarded(
    (things, of): (&str, &str),
    (count, guards): (u64, &[String]),
    expected: Option<i64>,
) -> Result<()> {
    if let Some(expected) = expected {
        if u64::try_from(expected) == Ok(count) {
            return Ok(());
        }
        return Err(Error::new(
            Kind::Conflict,
            format!(
                "{count} {things} are orphans, and {expected} were expected: nothing was deleted"
            ),
        )
        .hint("look at them again, without --apply"));
    }
    if guards.is_empty() {
        return Ok(());
    }
    let message = format!("nothing of {of} was deleted: what was found does not look right");
    let error = guards
        .iter()
        .fold(Error::new(Kind::Conflict, message), |error, guard| {
            error.cause(guard.clone())
        });
    Err(error.hint(format!(
        "look at it without --apply; if it is all meant to go: --expect-delete {count}"
    )))
}

/// The orphans as a script reads them. Waits on the script's own thread, since what is known may be read again.
struct Rows {
    session: Session,
    reading: Reading,
    page: std::vec::IntoIter<Value>,
}

impl Iterator for Rows {
    type Item = Raised<Dynamic>;

    fn next(&mut self) -> Option<Raised<Dynamic>> {
        loop {
            if let Some(row) = self.page.next() {
                return Some(Ok(from_json(row)));
            }
            let page = self.session.wait(self.reading.page());
            match page.and_then(|page| page.map(|page| self.untabled(page)).transpose()) {
                Ok(Some(page)) => self.page = page.into_iter(),
                Ok(None) => return None,
                Err(error) => return Some(Err(raise_unplaced(&error))),
            }
        }
    }
}

impl Rows {
    /// Those that no table names by now.
    fn untabled(&self, mut page: Vec<Value>) -> Result<Vec<Value>> {
        let tabled = tabled(&self.session)?;
        page.retain(|row| {
            let text = |field: &str| row[field].as_str().unwrap_or_default();
            !tabled.has(text("bucket"), text("key"))
        });
        Ok(page)
    }
}
