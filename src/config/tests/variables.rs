//! Variables and flags: what is refused, what is warned of.

use super::*;

#[test]
fn the_names_of_the_old_tool_are_kept() {
    let names = [
        ("DASHI_STAC_URL", "stac_url"),
        ("DASHI_PREFECT_URL", "prefect_url"),
        ("DASHI_LOKI_URL", "loki_url"),
        ("DASHI_S3_ENDPOINT", "s3.endpoint"),
        ("DASHI_S3_REGION", "s3.region"),
        ("DASHI_S3_ACCESS_KEY", "s3.access_key"),
        ("DASHI_S3_SECRET_KEY", "s3.secret_key"),
        ("DASHI_LANDING_BUCKET", "s3.landing_bucket"),
        ("DASHI_PROCESSED_BUCKET", "s3.processed_bucket"),
        ("DASHI_CURATED_BUCKET", "s3.curated_bucket"),
    ];
    for (variable, path) in names {
        assert_eq!(Key::at(path).unwrap().variable, variable);
    }
}

#[test]
fn an_empty_or_blank_variable_counts_as_unset() {
    for key in KEYS {
        for text in ["", " \n"] {
            let config = Machine::new().set(key.variable, text).load();
            let setting = config.setting(key.path).unwrap();
            assert_eq!(*setting.origin(), Origin::Default);
            assert!(config.warnings().is_empty());
        }
    }
}

#[test]
fn blanks_around_a_variable_are_no_part_of_it() {
    let config = Machine::new()
        .set("DASHI_S3_REGION", " eu-central-1\n")
        .load();
    assert_eq!(shown(&config, "s3.region").0, "eu-central-1");
}

#[test]
fn a_wrong_variable_is_a_configuration_error_that_names_it() {
    let cases = [
        (
            "DASHI_STAC_URL",
            "ftp://x",
            "DASHI_STAC_URL must be an http:// or https:// URL, not 'ftp://x'",
        ),
        (
            "DASHI_HTTP_TIMEOUT",
            "soon",
            "DASHI_HTTP_TIMEOUT must be a duration like 30s, 500ms or 2m, not 'soon'",
        ),
        (
            "DASHI_S3_RETRIES",
            "-1",
            "DASHI_S3_RETRIES must be a whole number from 0 up, not '-1'",
        ),
        (
            "DASHI_S3_ALIASES",
            "http://a,b",
            "DASHI_S3_ALIASES must be an http:// or https:// URL, not 'b'",
        ),
        (
            "DASHI_STAC_PROXY",
            "ftp://x",
            "DASHI_STAC_PROXY must be the URL of a proxy (http://host:port), not 'ftp://x'",
        ),
    ];
    for (name, text, message) in cases {
        let error = Machine::new().set(name, text).error();
        assert_eq!(error.kind, Kind::Config);
        assert_eq!(error.message, message);
    }
}

#[test]
fn a_wrong_flag_is_a_usage_error_that_names_it() {
    let error = Machine::new()
        .flag("s3_endpoint", "http://x")
        .try_load()
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    let error = Machine::new().flag("s3.endpoint", "localhost:9000").error();
    assert_eq!(error.kind, Kind::Usage);
    assert_eq!(
        error.message,
        "--s3-endpoint must be an http:// or https:// URL, not 'localhost:9000'"
    );
    assert_eq!(error.hints, ["did you mean 'http://localhost:9000'?"]);
}

#[test]
fn a_variable_that_no_key_knows_draws_a_warning_with_the_nearest_name() {
    let config = Machine::new()
        .set("DASHI_STAC_ULR", "http://x")
        .set("DASHI_S3_SECRET_KEY_FIEL", "x")
        .set("DASHI_CONTEX", "prod")
        .set("DASHI_BANANAS", "x")
        .set("DASHI_NOTHING", "")
        .set("DASHICTL_YES", "1")
        .load();
    let expected = [
        "the variable DASHI_BANANAS means nothing here",
        "the variable DASHI_CONTEX means nothing here; did you mean DASHI_CONTEXT?",
        "the variable DASHI_S3_SECRET_KEY_FIEL means nothing here; did you mean DASHI_S3_SECRET_KEY_FILE?",
        "the variable DASHI_STAC_ULR means nothing here; did you mean DASHI_STAC_URL?",
    ];
    assert_eq!(config.warnings(), expected);
}

#[test]
fn what_kubernetes_sets_for_services_draws_no_warning() {
    let config = Machine::new()
        .set("DASHI_STAC_SERVICE_HOST", "10.0.0.1")
        .set("DASHI_STAC_SERVICE_PORT", "8080")
        .set("DASHI_STAC_SERVICE_PORT_HTTP", "8080")
        .set("DASHI_STAC_PORT", "tcp://10.0.0.1:8080")
        .set("DASHI_STAC_PORT_8080_TCP_ADDR", "10.0.0.1")
        .load();
    assert!(config.warnings().is_empty());
}
