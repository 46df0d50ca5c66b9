//! `ingest::` — dashi's ingest-api: files and objects that become items of the lake. The steps are functions here; what
//! follows what is the `ingest` script's.

use std::fs::File;
use std::path::Path;

use rhai::{Dynamic, ImmutableString};
use serde_json::{Value, json};

use super::paths::local;
use super::transfers::media_type_of;
use crate::clients::ingest::Ingest;
use crate::config::quoted;
use crate::effects::{
    Change, IN_PARTS_FROM, Landing, Stage, landed_before, landings, open_landing, parts_of,
    submitted_before,
};
use crate::engine::call::Call;
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::engine::value::from_json;
use crate::error::{Error, Kind, Result, nearest};
use crate::lake::ObjectRef;
use crate::local_file::LocalFile;
use crate::session::Session;

/// The largest file that the API takes: 50 GiB.
const LARGEST: u64 = 50 << 30;
/// The longest name that the API takes.
const LONGEST_NAME: usize = 200;
/// The media type of what has none.
const ANY: &str = "application/octet-stream";

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(
        session,
        "ingest",
        "dashi's ingest-api: files and objects that become items of the lake.",
    );
    questions(&mut namespace);
    landed(&mut namespace);
    changes(&mut namespace);
    uploads(&mut namespace);
    namespace
}

fn questions(ns: &mut Namespace) {
    native! { ns,
        /// What the ingest-api says of itself: `status`, `service`, `version`. Throws where it cannot be reached.
        ///
        /// ```rhai
        /// ingest::health(#{timeout: "5s"}).status
        /// //=> "ok"
        /// ```
        read fn health(call) -> "map"
            options as options {
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            {
                call.wait(within(call, &options)?.health())?
            }

        /// Who the ingest-api takes the caller for: `user` and `groups`. It asks the proxy in front of it, or, past that,
        /// the setting `ingest.user`.
        ///
        /// ```rhai
        /// ingest::me().user
        /// //=> "operator"
        /// ```
        read fn me(call) -> "map"
            options as options {
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            { call.wait(within(call, &options)?.me())? }

        /// The domains that can be ingested into: `id`, `title`, `description`, `max_classification`, `retention`.
        ///
        /// ```rhai
        /// ingest::domains().map(|d| d.id)
        /// //=> ["gelaende-umwelt", "klima-historisch"]
        /// ```
        read fn domains(call) -> "array" {
            call.wait(call.session().ingest()?.domains())?
        }

        /// One of `domains`. Throws `not_found` with the nearest where there is none.
        ///
        /// ```rhai
        /// ingest::domain("klima-historisch").max_classification
        /// //=> "pub"
        /// ```
        read fn domain(call, id: ImmutableString) -> "map" {
            let domains = call.wait(call.session().ingest()?.domains())?;
            let found = domains.iter().find(|domain| domain["id"] == id.as_str()).cloned();
            found.ok_or_else(|| no_domain(&id, &domains))?
        }

        /// What a local file would land as, if the ingest-api takes it: `file`, `name`, `size`, `content_type`, `way` (`put`
        /// or `parts`), `parts`, `part_size`. Throws `invalid` for what it does not take: another name than
        /// `[A-Za-z0-9._-]{1,200}`, nothing in it, over 50 GiB.
        ///
        /// ```rhai
        /// fs::write("measured.csv", "a,b\n1,2\n");
        /// let seen = ingest::look("measured.csv");
        /// [seen.name, seen.size, seen.way, seen.parts]
        /// //=> ["measured.csv", 8, "put", 1]
        /// ```
        read fn look(call, path: ImmutableString) -> "map" {
            let (file, name) = file(call, &path)?;
            let (parts, part_size) = parts_of(file.size).unwrap_or((1, file.size));
            json!({
                "file": file.path,
                "name": name,
                "size": file.size,
                "content_type": content_type(&name),
                "way": if file.size < IN_PARTS_FROM { "put" } else { "parts" },
                "parts": parts,
                "part_size": part_size,
            })
        }
    }
}

fn landed(ns: &mut Namespace) {
    native! { ns,
        /// What has landed at an `s3://` place: `s3_uri`, `bucket`, `key`, `content_length`, `content_type`,
        /// `last_modified`. Throws `not_found` where nothing has, `invalid` for another bucket than the landing one.
        ///
        /// ```rhai
        /// s3::write("s3://landing/notes/pre.geojson", `{"type": "FeatureCollection", "features": []}`);
        /// ingest::register("s3://landing/notes/pre.geojson").content_length
        /// //=> 45
        /// ```
        read fn register(call, uri: ImmutableString) -> "map" {
            call.reads(&uri)?;
            let uri = call.session().lake()?.locate(&uri)?.to_string();
            call.wait(call.session().ingest()?.register(&uri)).map_err(|error| not_landed(&uri, error))?
        }

        /// What the ingest-api makes of what has landed: `rows` (`path`, `kind`, `driver`, `layer`, `reason`, `ok`,
        /// `warnings`, `errors`), `primary_count`, `blocking_errors`. It opens the object, which may take a while.
        ///
        /// ```rhai
        /// s3::write("s3://landing/notes/pre.geojson", `{"type": "FeatureCollection", "features": []}`);
        /// let scan = ingest::scan("s3://landing/notes/pre.geojson");
        /// [scan.primary_count, scan.rows[0].driver]
        /// //=> [1, "GeoJSON"]
        /// ```
        read fn scan(call, uri: ImmutableString) -> "map"
            options as options {
                /// A bound on the whole call, retries included.
                timeout: Duration = "as configured"
            }
            {
                call.reads(&uri)?;
                let uri = call.session().lake()?.locate(&uri)?.to_string();
                call.wait(within(call, &options)?.scan(&uri)).map_err(|error| not_landed(&uri, error))?
            }
    }
}

fn changes(ns: &mut Namespace) {
    native! { ns,
        /// Uploads a local file into the landing bucket, where the ingest-api says, read as it is sent: in parts from
        /// 500 MiB on, each to the URL that is signed for it, and by keys of one's own where those have expired. One that
        /// breaks off is gone on with by the next call with the same file. A file that has landed already and is still
        /// there is not sent again. A file that changes while it is read is refused. Gives back `uri`, `bucket`, `key`,
        /// `size`, `etag`, `file`, and `earlier: true` where it had landed before.
        ///
        /// ```rhai
        /// fs::write("points.geojson", `{"type": "FeatureCollection", "features": []}`);
        /// let landed = ingest::upload("points.geojson", "gelaende-umwelt");
        /// [landed.bucket, landed.size, landed.key.contains("gelaende-umwelt/incoming/")]
        /// //=> ["landing", 45, true]
        /// ```
        write fn upload(call, path: ImmutableString, domain: ImmutableString) -> "map"
            options as options {
                /// The classification that it is to have, for who goes on with an upload that breaks off.
                classification: Text = "int",
                /// The media type.
                content_type: Text = "by the file's name",
                /// Upload also what has landed already.
                again: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let (file, name) = file(call, &path)?;
                call.reads(&format!("file {}", file.path.display()))?;
                let content_type = options.text("content_type").map_or_else(|| content_type(&name), |kind| kind.to_string());
                let (classification, again) = (classification(&options), options.flag("again"));
                let change = Change::LandFile { file, name, domain: domain.to_string(), classification, content_type, again };
                match earlier(&options, || landed_before(call.session(), &change))? {
                    Some(landed) => landed,
                    None => call.change(change, &options)?,
                }
            }

        /// Starts the flow run that ingests what has landed. Gives back `flow_run_id`, `flow_run_name`, `state`, `ui_url`.
        /// Where this machine has started one of the very same object before, and it has not failed, that one is given
        /// back, with `earlier: true`; where nobody knows whether it has, Prefect is asked.
        ///
        /// ```rhai
        /// s3::write("s3://landing/notes/pre.geojson", `{"type": "FeatureCollection", "features": []}`);
        /// let run = ingest::trigger("s3://landing/notes/pre.geojson", "gelaende-umwelt");
        /// [run.state, ingest::trigger("s3://landing/notes/pre.geojson", "gelaende-umwelt").flow_run_id == run.flow_run_id]
        /// //=> ["SCHEDULED", true]
        /// ```
        write fn trigger(call, uri: ImmutableString, domain: ImmutableString) -> "map"
            options as options {
                /// The classification: `pub`, `int`, `rst` or `cnf`.
                classification: Text = "int",
                /// Start one also where there is one already.
                again: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let at = call.session().lake()?.locate(&uri)?;
                call.reads(&at.to_string())?;
                let there = call.wait(call.session().ingest()?.register(&at.to_string()));
                let there = there.map_err(|error| not_landed(&at.to_string(), error))?;
                let object = json!({"size": there["content_length"], "modified": there["last_modified"]});
                let (classification, again) = (classification(&options), options.flag("again"));
                let change = Change::TriggerIngest { at, domain: domain.to_string(), classification, object, again };
                match earlier(&options, || submitted_before(call.session(), &change))? {
                    Some(run) => run,
                    None => call.change(change, &options)?,
                }
            }
    }
}

fn uploads(ns: &mut Namespace) {
    native! { ns,
        /// The uploads through the ingest-api that this machine has begun and not completed: `id`, `file`, `domain`,
        /// `classification`, `uri`, `size`, `begun`, `urls_valid_until`.
        ///
        /// ```rhai
        /// ingest::uploads()
        /// //=> []
        /// ```
        read fn uploads(call) -> "array" {
            let session = call.session();
            let all = landings(session)?;
            let rows: Vec<Value> = all.iter().filter_map(row).collect();
            // They were typed when the uploads began.
            for row in &rows {
                session.named_paths().add(row.get("file"));
            }
            rows
        }

        /// Gives an upload up, by its id as of `ingest::uploads`, or, where there are keys for the store, as of
        /// `s3::uploads` of the landing bucket. What the store has of it is gone; the file stays where it is.
        ///
        /// ```rhai
        /// ingest::abort(s3::uploads("landing")[0].upload_id);
        /// s3::uploads("landing").len()
        /// //=> 0
        /// ```
        write fn abort(call, id: ImmutableString) -> "map"
            options as options {
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let at = match open_landing(call.session(), &id)? {
                    Some((_, open)) => open.at,
                    None => begun_elsewhere(call, &id)?,
                };
                call.change(Change::AbortLanding { at, upload: id.to_string() }, &options)?
            }
    }
}

fn within(call: &Call, options: &Options) -> Result<Ingest> {
    Ok(call
        .session()
        .ingest()?
        .within(options.duration("timeout")?))
}

/// The file that a script names, and the name it lands by, if the API takes it. A link has a name of its own.
fn file(call: &Call, path: &str) -> Result<(LocalFile, String)> {
    let at = local(call.session(), path)?;
    let file = LocalFile::look(&at)?;
    let named = Path::new(path).file_name().or(at.file_name());
    let name = named.unwrap_or_default().to_string_lossy().into_owned();
    refuse_name(path, &name)?;
    let invalid = |what: String| Error::new(Kind::Invalid, what);
    if file.size == 0 {
        return Err(invalid(format!("{path} is empty")).hint("there is nothing in it to ingest"));
    }
    if file.size > LARGEST {
        let size = crate::table::size(i64::try_from(file.size).unwrap_or(i64::MAX));
        return Err(invalid(format!("{path} has {size}, and the ingest-api takes at most 50 GiB")).hint(
            "upload it with `dashictl s3 cp` to the landing bucket, and ingest the object: dashictl ingest s3://landing/…",
        ));
    }
    File::open(&at).map_err(|error| Error::io("read", &at, &error))?;
    Ok((file, name))
}

fn is_taken(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "._-".contains(letter)
}

/// What the API does not take as a name is told before anything is sent, with a name that it takes.
fn refuse_name(path: &str, name: &str) -> Result<()> {
    let has_letters = !name.trim_matches('.').is_empty();
    if name.chars().all(is_taken) && has_letters && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    let better: String = name
        .chars()
        .map(|letter| if is_taken(letter) { letter } else { '-' })
        .take(LONGEST_NAME)
        .collect();
    let better = better.trim_start_matches('-');
    let beside = Path::new(path).with_file_name(better).display().to_string();
    Err(Error::new(
        Kind::Invalid,
        format!("the ingest-api does not take '{path}': a file's name is made of A-Z, a-z, 0-9, '.', '_' and '-', at most 200 of them"),
    )
    .hint(format!("rename it, as in: mv {} {}", quoted(path), quoted(&beside))))
}

fn content_type(name: &str) -> String {
    media_type_of(Path::new(name)).unwrap_or_else(|| ANY.to_owned())
}

fn classification(options: &Options) -> String {
    options
        .text("classification")
        .map_or_else(|| "int".to_owned(), |class| class.to_string())
}

/// What was done before, unless it is to be done again.
fn earlier(
    options: &Options,
    look: impl FnOnce() -> Result<Option<Value>>,
) -> Result<Option<Dynamic>> {
    if options.flag("again") {
        return Ok(None);
    }
    Ok(look()?.map(|mut found| {
        found["earlier"] = true.into();
        from_json(found)
    }))
}

fn no_domain(id: &str, domains: &[Value]) -> Error {
    let known = domains.iter().filter_map(|domain| domain["id"].as_str());
    let nearest = nearest(id, known);
    Error::new(Kind::NotFound, format!("there is no domain '{id}'"))
        .suggest(nearest)
        .hint("see them with `dashictl domain list`; make one with `dashictl domain create`")
}

fn not_landed(uri: &str, mut error: Error) -> Error {
    if error.detail().status == Some(400) {
        error.detail_mut().message = format!("{uri} is not in the bucket that is ingested from");
        return error.hint(format!(
            "copy it there first: dashictl s3 cp '{uri}' s3://landing/…"
        ));
    }
    if error.kind() == Kind::NotFound {
        error.detail_mut().message = format!("nothing has landed at {uri}");
        return error.hint("see what is there: dashictl s3 ls s3://landing/");
    }
    error
}

/// What an upload makes that the store knows of; who has no keys is not told of those.
fn begun_elsewhere(call: &Call, id: &str) -> Result<ObjectRef> {
    let config = call.session().endpoints()?;
    let bucket = config.s3()?.landing_bucket;
    let there = if config.has_s3_keys() {
        call.wait(call.session().s3()?.uploads(&bucket))?
    } else {
        Vec::new()
    };
    let found = there.into_iter().find(|upload| upload.id == id);
    let found = found.map(|upload| ObjectRef {
        bucket,
        key: upload.key,
    });
    found.ok_or_else(|| {
        let list = config.command_line("ingest uploads");
        Error::new(Kind::NotFound, format!("no upload '{id}' is open"))
            .hint(format!("what this machine has begun: {list}"))
            .hint(format!(
                "what the store has: {}",
                config.command_line("s3 uploads landing")
            ))
    })
}

/// What is told of a file on its way, where it has not arrived.
fn row(landing: &Landing) -> Option<Value> {
    let Stage::Open(open) = &landing.stage else {
        return None;
    };
    Some(json!({
        "id": open.id,
        "file": landing.file.path,
        "domain": landing.domain,
        "classification": landing.classification,
        "uri": open.at.to_string(),
        "size": landing.file.size,
        "begun": landing.began.to_string(),
        "urls_valid_until": open.expires.to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_api_does_not_take_is_refused_with_one_that_it_takes() {
        assert!(refuse_name("a/dgm_1-x.TIF", "dgm_1-x.TIF").is_ok());
        for name in ["Gelände 1.tif", "...", "a:b", &"x".repeat(201)] {
            let error = refuse_name(name, name).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid, "{name}");
        }
        let error = refuse_name("Gelände 1.tif", "Gelände 1.tif").unwrap_err();
        assert!(error.detail().hints[0].ends_with("mv 'Gelände 1.tif' Gel-nde-1.tif"));
        let error = refuse_name("sub/it's.tif", "it's.tif").unwrap_err();
        assert!(error.detail().hints[0].ends_with("mv 'sub/it'\\''s.tif' sub/it-s.tif"));
    }
}
