//! What holds for every bucket and key, on random ones: no spelling of an object loses it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use url::Url;

use crate::lake::href::{resolved, unescaped};
use crate::lake::{Foreign, IN_CLUSTER, Lake, ObjectRef, Place, Settings};

const CASES: usize = 20_000;

/// What RFC 3986 lets stand in a path: unreserved characters and the slash.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// What a form's value is encoded by, but for the space.
const FORM: &AsciiSet = &STRICT.add(b'/').remove(b' ');

const PIECES: [&str; 58] = [
    "a", "b", "z", "0", "9", "raster", "scene", ".tif", " ", " ", "+", "%", "&", "?", "#", "ä",
    "é", "a\u{308}", "日本", "😀", "\u{1}", "\u{7f}", "\t", "\n", "\r", "/", "/", "//", "..", ".",
    "/../", "/./", "%41", "%20", "%2F", "%2f", "%zz", "%FF", "=", ":", "'", "\"", "~", "*", "(",
    ")", "{", "}", "\\", ",", ";", "@", "[", "]", "!", "$", "s3://", "http://",
];

fn lake() -> Lake {
    Lake::new(&Settings {
        endpoint: "http://localhost:9000",
        aliases: &["https://s3.example.org".to_owned()],
        landing: "landing",
        processed: "processed",
        curated: "curated",
        others: &[],
        services: &[("stac_url", "http://stac.example.org")],
    })
    .unwrap()
}

fn bucket(rng: &mut StdRng) -> String {
    if rng.random_bool(0.5) {
        return ["landing", "processed", "curated"]
            .choose(rng)
            .map(|name| (*name).to_owned())
            .unwrap();
    }
    let inner: String = (0..rng.random_range(1..10))
        .map(|_| *b"abcxyz0189-.".choose(rng).unwrap() as char)
        .collect();
    format!("b{inner}9").replace("..", ".")
}

fn key(rng: &mut StdRng) -> String {
    let pieces = rng.random_range(1..10);
    (0..pieces).map(|_| *PIECES.choose(rng).unwrap()).collect()
}

/// An object whose key is no directory.
fn object(rng: &mut StdRng) -> ObjectRef {
    let bucket = bucket(rng);
    loop {
        let key = key(rng).trim_end_matches('/').to_owned();
        if !key.is_empty() {
            return ObjectRef { bucket, key };
        }
    }
}

fn strict(text: &str) -> String {
    utf8_percent_encode(text, STRICT).to_string()
}

fn form(text: &str) -> String {
    utf8_percent_encode(text, FORM)
        .to_string()
        .replace(' ', "+")
}

/// The href as the `url` crate writes it; `None` where it cannot write this key: dots are resolved, line breaks
/// dropped, backslashes turned, and escapes that are the key's own look like the crate's.
fn parser_written(object: &ObjectRef) -> Option<String> {
    let mut url = Url::parse("http://localhost:9000").unwrap();
    let path = format!("/{}/{}", object.bucket, object.key);
    url.set_path(&path);
    (unescaped(url.path())? == path).then(|| url.to_string())
}

/// How a flow inside the cluster writes it, encoded as RFC 3986 has it.
fn url(object: &ObjectRef) -> String {
    format!(
        "http://{IN_CLUSTER}/{}/{}",
        object.bucket,
        strict(&object.key)
    )
}

fn signed(url: &str) -> String {
    let credential = "X-Amz-Credential=AK%2F20261124%2Feu%2Fs3%2Faws4_request";
    format!("{url}?X-Amz-Algorithm=AWS4-HMAC-SHA256&{credential}&X-Amz-Signature=0af1")
}

fn own_host(object: &ObjectRef) -> String {
    format!(
        "https://{}.s3.example.org/{}",
        object.bucket,
        strict(&object.key)
    )
}

/// Every way in which some writer spells an object.
const WRITERS: &[fn(&ObjectRef) -> String] = &[
    ObjectRef::to_string,
    |object| format!("s3a://{}/{}", object.bucket, object.key),
    |object| format!("S3N://{}/{}", object.bucket, object.key),
    |object| format!("s3://{}/{}", object.bucket, strict(&object.key)),
    |object| format!("arn:aws:s3:::{}/{}", object.bucket, object.key),
    |object| format!("http://localhost:9000/{}/{}", object.bucket, object.key),
    |object| {
        format!(
            "HTTP://[::1]:9000/{}/{}",
            object.bucket,
            strict(&object.key)
        )
    },
    |object| url(object),
    |object| url(object).replace("%20", "+"),
    |object| parser_written(object).unwrap_or_else(|| url(object)),
    |object| own_host(object),
    |object| signed(&own_host(object)),
    |object| signed(&url(object)),
    |object| format!("{}#fragment", url(object)),
    |object| format!("  {}  ", url(object)),
    |object| format!("/vsis3/{}/{}", object.bucket, object.key),
    |object| format!("/vsizip//vsis3/{}/{}", object.bucket, object.key),
    |object| format!("/vsicurl/{}", url(object)),
    |object| {
        format!(
            "/vsicurl?max_retry=3&url={}&use_head=no",
            form(&url(object))
        )
    },
    |object| {
        format!(
            "https://tiles.example.org/cog/info?url={}&rescale=0,1",
            form(&url(object))
        )
    },
    |object| {
        format!(
            "https://tiles.example.org/cog/info?url={}",
            form(&object.to_string())
        )
    },
    |object| {
        format!(
            "https://tiles.example.org/cog/info?url={}&rescale=0,1",
            url(object)
        )
    },
    |object| {
        format!(
            "http://stac.example.org/tiles?url={}",
            form(&own_host(object))
        )
    },
    |object| format!("copied from \"{}\", see there", url(object)),
    |object| form(&object.to_string()),
];

/// Fails where the spelling does not lead back to the object.
fn check(lake: &Lake, object: &ObjectRef, spelled: &str) {
    let references = lake.references(spelled);
    let place = Place::Object(object.clone());
    assert!(
        references.places().contains(&place),
        "{spelled:?} loses {object:?}: {references:?}"
    );
    assert!(references.covers(&object.bucket, &object.key));
    assert!(references.is_placed());
}

#[test]
fn no_spelling_of_an_object_loses_it() {
    let lake = lake();
    let mut rng = StdRng::seed_from_u64(7);
    let mut by_parser = 0;
    for writer in WRITERS.iter().cycle().take(CASES) {
        let object = object(&mut rng);
        by_parser += usize::from(parser_written(&object).is_some());
        check(&lake, &object, &writer(&object));
    }
    assert!(
        by_parser > CASES / 4,
        "{by_parser} keys that the url crate can write"
    );
}

#[test]
fn no_writer_loses_any_object() {
    let lake = lake();
    let mut rng = StdRng::seed_from_u64(12);
    // Every writer for every object takes minutes in a debug build: a sample, and all of it in `make test-full`.
    let cases = if std::env::var_os("DASHICTL_TEST_FULL").is_some() {
        CASES
    } else {
        CASES / 100
    };
    for _ in 0..cases {
        let object = object(&mut rng);
        for writer in WRITERS {
            check(&lake, &object, &writer(&object));
        }
    }
}

#[test]
fn no_spelling_of_a_directory_loses_what_lies_below_it() {
    let lake = lake();
    let mut rng = StdRng::seed_from_u64(8);
    for writer in WRITERS.iter().cycle().take(CASES / 4) {
        let directory = ObjectRef {
            bucket: bucket(&mut rng),
            key: format!("{}/", key(&mut rng)),
        };
        let spelled = writer(&directory);
        let references = lake.references(&spelled);
        let place = Place::stored(directory.bucket.clone(), directory.key.clone());
        assert!(matches!(place, Place::Prefix(_)));
        assert!(
            references.places().contains(&place),
            "{spelled:?} loses {directory:?}: {references:?}"
        );
        let below = format!("{}h3_7=87/part-0.parquet", directory.key);
        assert!(references.covers(&directory.bucket, &below));
    }
}

#[test]
fn an_object_shown_is_the_object_located() {
    let lake = lake();
    let mut rng = StdRng::seed_from_u64(9);
    for _ in 0..CASES {
        let object = ObjectRef {
            bucket: bucket(&mut rng),
            key: key(&mut rng),
        };
        assert_eq!(lake.locate(&object.to_string()).unwrap(), object);
        let url = format!(
            "http://localhost:9000/{}/{}",
            object.bucket,
            strict(&object.key)
        );
        // Dots are not kept by a URL, however they are encoded.
        let path = format!("/{}", strict(&object.key));
        if resolved(&path).is_none() {
            assert_eq!(lake.locate(&url).unwrap(), object, "{url}");
        }
    }
}

#[test]
fn an_undeclared_host_still_keeps_the_object() {
    let lake = lake();
    let mut rng = StdRng::seed_from_u64(10);
    for case in 0..CASES / 10 {
        let object = ObjectRef {
            bucket: ["landing", "processed", "curated"]
                .choose(&mut rng)
                .map(|name| (*name).to_owned())
                .unwrap(),
            key: key(&mut rng),
        };
        let ObjectRef { bucket, key } = &object;
        if key.trim_matches('/').is_empty() {
            continue;
        }
        for spelled in [
            format!("https://cdn.example.net/{bucket}/{}", strict(key)),
            format!("https://cdn.example.net/store/{bucket}/{key}"),
            format!("https://{bucket}.cdn.example.net/{}", strict(key)),
            format!("minio://{bucket}/{key}"),
        ] {
            let references = lake.references(&spelled);
            assert!(
                references.covers(bucket, key),
                "case {case}: {spelled:?}: {references:?}"
            );
            assert!(references.is_complete());
        }
    }
}

#[test]
fn the_set_of_suffixes_answers_like_the_rule() {
    let mut rng = StdRng::seed_from_u64(11);
    let segment = |rng: &mut StdRng| *["a", "b", "c", "", "x.tif"].choose(rng).unwrap();
    for _ in 0..CASES {
        let path = |rng: &mut StdRng| {
            let segments: Vec<&str> = (0..rng.random_range(1..6)).map(|_| segment(rng)).collect();
            segments.join("/")
        };
        let (path, key) = (path(&mut rng), path(&mut rng));
        let foreign = Foreign::new(None, path.clone());
        let named = key.split('/').filter(|segment| !segment.is_empty()).count();
        let equals = path == key
            || path
                .strip_suffix(&key)
                .is_some_and(|rest| rest.ends_with('/'));
        if named >= 2 && equals {
            assert!(foreign.covers(&key), "{path} {key}");
        }
        if foreign.covers(&key) {
            assert!(named >= 2, "{path} {key}");
        }
    }
}
