//! What a person types or configures, and what is said when it is wrong.

use crate::error::Kind;
use crate::lake::{Lake, Role, Settings};

use super::{lake, lake_of};

#[test]
fn what_a_person_types_is_one_object() {
    let lake = lake();
    let located = |text: &str| lake.locate(text).unwrap().to_string();
    assert_eq!(
        located("s3://processed/d/a%20b?#+.tif"),
        "s3://processed/d/a%20b?#+.tif"
    );
    assert_eq!(located("s3://processed/d/"), "s3://processed/d/");
    assert_eq!(
        located("http://127.0.0.1:9000/processed/d/a%20b.tif?x=1"),
        "s3://processed/d/a b.tif"
    );
    assert_eq!(
        located("/vsis3/processed/d/x.tif"),
        "s3://processed/d/x.tif"
    );
}

#[test]
fn what_a_person_types_is_a_prefix_as_it_stands() {
    let lake = lake();
    let prefix = |text: &str| lake.locate_prefix(text).unwrap();
    assert_eq!(prefix("s3://processed").prefix, "");
    assert_eq!(prefix("s3://processed/d/par").prefix, "d/par");
    assert_eq!(
        prefix("http://localhost:9000/processed/d/").to_string(),
        "s3://processed/d/"
    );
    assert_eq!(
        lake.locate_prefix("nowhere").unwrap_err().kind(),
        Kind::Usage
    );
}

#[test]
fn an_error_of_locate_says_what_to_write_or_to_configure() {
    let lake = lake();
    let cases = [
        (
            "https://other.example:9000/processed/x.tif",
            "'other.example:9000'",
            "s3.aliases",
        ),
        (
            "https://other.example:9000/processed/x.tif",
            "not a known host",
            "http://localhost:9000, https://s3.example.org, rustfs",
        ),
        (
            "s3://processed",
            "names the bucket 'processed'",
            "s3://processed/<key>",
        ),
        (
            "http://localhost:9000/",
            "names the store, but no bucket",
            "s3://<bucket>/<key>",
        ),
        (
            "http://localhost:8080/collections",
            "holds no objects",
            "s3://<bucket>/<key>",
        ),
        (
            "processed/d/x.tif",
            "no scheme",
            "did you mean 's3://processed/d/x.tif'?",
        ),
        (
            "x.tif",
            "neither a scheme nor a path",
            "s3://<bucket>/<key>",
        ),
        ("s3://my bucket/x.tif", "names no bucket", "3 to 63"),
        (
            "s3://other.example:9000/processed/x.tif",
            "'other.example:9000'",
            "s3.aliases",
        ),
        ("s3:///", "names no bucket", "s3://<bucket>/<key>"),
        ("", "no place", "s3://<bucket>/<key>"),
    ];
    for (text, message, hint) in cases {
        let error = lake.locate(text).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{text}");
        assert!(error.to_string().contains(message), "{text}: {error}");
        let hints = &error.detail().hints;
        assert!(
            hints.iter().any(|said| said.contains(hint)),
            "{text}: {hints:?}"
        );
    }
}

#[test]
fn a_wrong_setting_is_named() {
    let faults = [
        (lake_of("ftp://localhost", &[], &[]), "s3.endpoint"),
        (lake_of("", &[], &[]), "s3.endpoint"),
        (lake_of("http://", &[], &[]), "s3.endpoint"),
        (
            lake_of("http://key:secret@host:9000", &[], &[]),
            "s3.endpoint",
        ),
        (lake_of("http://host:9000/?x=1", &[], &[]), "s3.endpoint"),
        (lake_of("http://host:90000", &[], &[]), "s3.endpoint"),
        (lake_of("k8s://lake/store", &[], &[]), "s3.endpoint"),
        (lake_of("k8s://lake/store:", &[], &[]), "s3.endpoint"),
        (lake_of("k8s://store:9000", &[], &[]), "s3.endpoint"),
        (lake_of("http://host", &["two words"], &[]), "s3.aliases"),
        (lake_of("http://host", &["host:port"], &[]), "s3.aliases"),
        (lake_of("http://host", &[], &["::"]), "stac_url"),
    ];
    for (made, setting) in faults {
        let error = made.unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().starts_with(setting), "{error}");
    }
}

#[test]
fn a_wrong_bucket_name_is_named_with_its_setting() {
    for bucket in ["", "ab", "a/b", "two words", "s3://processed", "ends."] {
        let made = Lake::new(&Settings {
            endpoint: "http://localhost:9000",
            aliases: &[],
            landing: "landing",
            processed: bucket,
            curated: "curated",
            others: &[],
            services: &[],
        });
        let error = made.unwrap_err();
        assert!(
            error.to_string().starts_with("s3.processed_bucket: "),
            "{error}"
        );
    }
}

#[test]
fn a_bucket_knows_its_roles() {
    let lake = lake();
    assert_eq!(lake.bucket(Role::Processed), "processed");
    assert_eq!(lake.roles("curated").collect::<Vec<_>>(), [Role::Curated]);
    assert_eq!(lake.roles("backups").count(), 0);
    assert!(lake.has_bucket("backups") && !lake.has_bucket("other"));
}

#[test]
fn an_error_shows_no_secret() {
    let lake = lake();
    for text in [
        "https://key:secret@other.example/processed/x.tif",
        "https://other.example/processed/x.tif?X-Amz-Signature=secret",
        "http://localhost:9000/?X-Amz-Signature=secret",
        "s3://key:secret@processed",
    ] {
        let error = lake.locate(text).unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    for endpoint in [
        "http://key:secret@host",
        "http://key:secret@host:90000",
        "ftp://a:secret@b",
    ] {
        let error = lake_of(endpoint, &[], &[]).unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
