//! What a file may hold, and how its mistakes are reported.

use super::*;

#[test]
fn the_runbooks_file_is_read_with_the_line_of_each_value() {
    let machine = Machine::with_file(
        r#"# ~/.config/dashi/config.toml
stac_url = "http://localhost:8081/"
prefect_url = "http://localhost:4201"
loki_url = "http://localhost:3101"
ingest_url = "http://localhost:8089"

[s3]
endpoint        = "http://localhost:9001"
region          = "eu-central-1"
access_key      = "rustfsadmin"
secret_key      = "rustfssecret"
aliases         = [
    "https://s3.lake.example",
    "http://rustfs:9000",
]
landing_bucket  = "l"
processed_bucket = "p"
curated_bucket  = "c"

[contexts.prod]
stac_url    = "https://stac.lake.example"

[contexts.prod.s3]
endpoint = "https://s3.lake.example"
"#,
    )
    .context("prod");
    let config = machine.load();
    let expected = [
        ("stac_url", "https://stac.lake.example", 21),
        ("prefect_url", "http://localhost:4201", 3),
        ("loki_url", "http://localhost:3101", 4),
        ("ingest_url", "http://localhost:8089", 5),
        ("s3.endpoint", "https://s3.lake.example", 24),
        ("s3.region", "eu-central-1", 9),
        ("s3.access_key", "rust…", 10),
        ("s3.secret_key", "rust…", 11),
        (
            "s3.aliases",
            "https://s3.lake.example, http://rustfs:9000",
            12,
        ),
        ("s3.landing_bucket", "l", 16),
        ("s3.processed_bucket", "p", 17),
        ("s3.curated_bucket", "c", 18),
    ];
    for (path, display, line) in expected {
        let expected = (display.to_owned(), machine.line(line));
        assert_eq!(shown(&config, path), expected, "{path}");
    }
    assert_eq!(config.file(), Some(machine.path().as_path()));
    assert_eq!(
        config.setting("s3.endpoint").unwrap().origin(),
        &Origin::File {
            path: machine.path(),
            line: 24,
            context: Some("prod".to_owned())
        }
    );
}

#[test]
fn dotted_keys_inline_tables_and_windows_line_ends_are_the_same_file() {
    let machine = Machine::with_file(
        "s3.region = \"a\"\r\nstac = { timeout = \"5s\", \"headers\" = { X-A = \"b\" } }\r\n",
    );
    let config = machine.load();
    assert_eq!(
        shown(&config, "s3.region"),
        ("a".to_owned(), machine.line(1))
    );
    assert_eq!(
        shown(&config, "stac.timeout"),
        ("5s".to_owned(), machine.line(2))
    );
    assert_eq!(
        shown(&config, "stac.headers"),
        ("X-A: …".to_owned(), machine.line(2))
    );
}

#[test]
fn paths_are_relative_to_the_files_folder_and_know_home() {
    let machine = Machine::with_file(
        "[http]\nca_file = \"certs/ca.pem\"\nclient_cert = \"~/me.pem\"\nclient_key = \"/etc/me.key\"\n",
    );
    let config = machine.load();
    let dir = machine.dir.path().display();
    assert_eq!(
        shown(&config, "http.ca_file").0,
        format!("{dir}/certs/ca.pem")
    );
    assert_eq!(
        shown(&config, "http.client_cert").0,
        format!("{dir}/me.pem")
    );
    assert_eq!(shown(&config, "http.client_key").0, "/etc/me.key");
}

#[test]
fn an_unknown_key_is_an_error_with_place_and_nearest_name() {
    let cases = [
        (
            "stac_ulr = \"x\"",
            "unknown key 'stac_ulr' at config.toml:1:1",
            "stac_url",
        ),
        (
            "\n\n  [s3]\n  regoin = 1",
            "unknown key 'regoin' in [s3] at config.toml:4:3",
            "region",
        ),
        (
            "[htpt]\ntimeout = 1",
            "unknown key 'htpt' at config.toml:1:2",
            "http",
        ),
        (
            "[context.prod]",
            "unknown key 'context' at config.toml:1:2",
            "contexts",
        ),
        (
            "[contexts.prod]\nprefct_url = 1",
            "unknown key 'prefct_url' in [contexts.prod] at config.toml:2:1",
            "prefect_url",
        ),
        (
            "[contexts.prod.loki]\nheadres = 1",
            "unknown key 'headres' in [contexts.prod.loki] at config.toml:2:1",
            "headers",
        ),
        // A character is one column, however many bytes it has.
        (
            "s3 = { region = \"äöü\", keey = 1 }",
            "unknown key 'keey' in [s3] at config.toml:1:24",
            "",
        ),
        // Keys in the wrong table.
        (
            "endpoint = \"x\"",
            "unknown key 'endpoint' at config.toml:1:1",
            "s3.endpoint",
        ),
        (
            "s3_endpoint = \"x\"",
            "unknown key 's3_endpoint' at config.toml:1:1",
            "s3.endpoint",
        ),
        (
            "timeout = \"x\"",
            "unknown key 'timeout' at config.toml:1:1",
            "http.timeout",
        ),
        (
            "[stac]\nurl = \"x\"",
            "unknown key 'url' in [stac] at config.toml:2:1",
            "stac_url",
        ),
        (
            "[s3]\nloki_url = \"x\"",
            "unknown key 'loki_url' in [s3] at config.toml:2:1",
            "loki_url",
        ),
    ];
    for (text, message, near) in cases {
        let error = Machine::with_file(text).error();
        assert_eq!(error.kind, Kind::Config);
        assert_eq!(error.message, message);
        if near.is_empty() {
            assert!(error.hints[0].starts_with("known here: endpoint, region, "));
        } else {
            assert_eq!(error.hints, [format!("did you mean '{near}'?")], "{text}");
        }
    }
}

#[test]
fn an_unknown_key_near_to_nothing_lists_what_is_known() {
    let top = Machine::with_file("bananas = 1").error();
    let expected = "known here: stac_url, prefect_url, loki_url, ingest_url, identity_url, iceberg_url, kube_context, protected, http, audit, state, trash, backup, kubernetes, gc, s3, stac, prefect, loki, ingest, identity, iceberg, contexts";
    assert_eq!(top.hints, [expected]);
    let block = Machine::with_file("[contexts.prod.contexts.x]\nbananas = 1").error();
    assert_eq!(
        block.message,
        "unknown key 'contexts' in [contexts.prod] at config.toml:1:16"
    );
}

#[test]
fn a_mistake_in_any_block_is_found_whichever_context_is_in_use() {
    let error = Machine::with_file("[contexts.prod]\nstac_ulr = 1\n[contexts.dev]\n")
        .context("dev")
        .error();
    assert_eq!(
        error.message,
        "unknown key 'stac_ulr' in [contexts.prod] at config.toml:2:1"
    );
}

#[test]
fn the_first_mistake_of_the_file_is_the_one_reported() {
    let error = Machine::with_file("[s3]\nzzz = 1\naaa = 1\n[http]\nbbb = 1\n").error();
    assert_eq!(
        error.message,
        "unknown key 'zzz' in [s3] at config.toml:2:1"
    );
}

#[test]
fn every_wrong_type_is_refused_for_every_key() {
    let values = [
        ("\"text\"", "text"),
        ("12", "an integer"),
        ("1.5", "a float"),
        ("true", "a boolean"),
        ("2026-04-27", "a date"),
        ("[1]", "an array"),
        ("{ a = 1 }", "a table"),
    ];
    for key in KEYS {
        for (toml, found) in values {
            let accepted = match key.shape {
                Shape::Integer => "an integer",
                Shape::Switch => "a boolean",
                Shape::Urls | Shape::Texts => "an array",
                Shape::Headers => "a table",
                _ => "text",
            };
            let is_own_form =
                found == accepted || (key.shape == Shape::Secret && found == "a table");
            if is_own_form {
                continue;
            }
            let error = Machine::with_file(&format!("{} = {toml}", key.path)).error();
            let column = key.path.len() + 4;
            let expected = format!(
                "{} at config.toml:1:{column} must be {}, not {found}",
                key.path,
                key.shape.expectation()
            );
            assert_eq!(error.message, expected);
            assert_eq!(error.kind, Kind::Config);
        }
    }
}

#[test]
fn values_of_the_right_type_that_mean_nothing_are_refused() {
    let cases = [
        (
            "stac_url = \"off\"",
            "stac_url at config.toml:1:12 must be an http:// or https:// URL, not 'off'",
        ),
        (
            "stac_url = \"\"",
            "stac_url at config.toml:1:12 must be an http:// or https:// URL, not ''",
        ),
        (
            "s3.region = \"\"",
            "s3.region at config.toml:1:13 must not be empty",
        ),
        (
            "http.retries = -1",
            "http.retries at config.toml:1:16 must be a whole number from 0 up, not '-1'",
        ),
        (
            "http.timeout = \"30\"",
            "http.timeout at config.toml:1:16 must be a duration like 30s, 500ms or 2m, not '30'",
        ),
        (
            "http.timeout = \"\"",
            "http.timeout at config.toml:1:16 must be a duration like 30s, 500ms or 2m, not ''",
        ),
        (
            "http.timeout = \"0s\"",
            "http.timeout at config.toml:1:16 must be longer than nothing, not '0s'",
        ),
        (
            "http.timeout = \"-3s\"",
            "http.timeout at config.toml:1:16 must be longer than nothing, not '-3s'",
        ),
        (
            "s3.aliases = [\n\"http://a\", 3]",
            "s3.aliases at config.toml:2:13 must be a list of URLs such as [\"https://s3.example.org\"], not an integer",
        ),
        (
            "s3.aliases = [\"ftp://a\"]",
            "s3.aliases at config.toml:1:15 must be an http:// or https:// URL, not 'ftp://a'",
        ),
        (
            "stac.headers = { \"a b\" = \"c\" }",
            "stac.headers at config.toml:1:18 has a header name that HTTP does not allow: 'a b'",
        ),
        (
            "stac.headers = { a = \"\" }",
            "stac.headers at config.toml:1:22 must give the header 'a' a value",
        ),
        (
            "stac.headers = { a = 1 }",
            "stac.headers at config.toml:1:22 must be a secret: text in quotes, { file = \"path\" } or { command = [\"program\", \"argument\"] }, not an integer",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(Machine::with_file(text).error().message, message);
    }
}

#[test]
fn durations_are_read_in_every_unit() {
    for (text, display) in [
        ("500ms", "500ms"),
        ("30s", "30s"),
        ("2m", "2m"),
        ("90s", "1m 30s"),
        ("1h 5m", "1h 5m"),
    ] {
        let machine = Machine::with_file(&format!("http.timeout = \"{text}\""));
        assert_eq!(shown(&machine.load(), "http.timeout").0, display);
    }
}

#[test]
fn a_table_that_is_none_is_refused() {
    let cases = [
        (
            "s3 = \"x\"",
            "s3 at config.toml:1:6 must be a table, as in [s3]",
        ),
        (
            "contexts = 3",
            "contexts at config.toml:1:12 must be a table, as in [contexts]",
        ),
        (
            "[contexts]\nprod = \"x\"",
            "contexts.prod at config.toml:2:8 must be a table, as in [contexts.prod]",
        ),
        (
            "[[contexts]]",
            "contexts at config.toml:1:1 must be a table, as in [contexts]",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(Machine::with_file(text).error().message, message);
    }
}

#[test]
fn broken_toml_is_refused_with_its_place_and_without_its_text() {
    let error = Machine::with_file("[s3]\nsecret_key = hunter2hunter2\n").error();
    assert!(
        error
            .message
            .starts_with("config.toml:2:14 is no valid TOML: "),
        "{}",
        error.message
    );
    assert!(!error.message.contains("hunter2"));
    let twice = Machine::with_file("[s3]\nregion = \"a\"\nregion = \"b\"\n").error();
    assert!(
        twice
            .message
            .starts_with("config.toml:3:1 is no valid TOML: "),
        "{}",
        twice.message
    );
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_not_an_absent_one() {
    let machine = Machine::new();
    std::fs::create_dir(machine.path()).unwrap();
    assert_eq!(machine.error().message, "cannot read config.toml");
    let machine = Machine::new();
    std::fs::write(machine.path(), b"stac_url = \"\xff\"").unwrap();
    assert_eq!(machine.error().message, "cannot read config.toml");
}

#[test]
fn a_missing_home_is_an_error_when_nothing_else_says_where_the_file_is() {
    let error = Config::load(&Flags::default(), &Environment::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot tell where the configuration folder is: HOME is not set"
    );
    assert!(error.detail().hints[1].contains("DASHI_CONFIG_HOME"));
}

#[cfg(unix)]
mod permissions {
    use super::*;

    const SECRETS: &str = "[s3]\naccess_key = \"rustfsadmin\"\nsecret_key = \"x\"\n\
        [contexts.prod.stac.headers]\nX-Key = \"y\"\n";

    #[test]
    fn a_file_with_secrets_that_others_can_read_draws_a_warning() {
        for mode in [0o644, 0o640, 0o604] {
            let machine = Machine::with_file(SECRETS);
            machine.chmod(mode);
            let path = machine.path().display().to_string();
            let expected = format!(
                "{path} holds s3.access_key, s3.secret_key, stac.headers and can be read by others (mode {mode:04o}): chmod 600 {path}"
            );
            assert_eq!(machine.load().warnings(), [expected]);
        }
    }

    #[test]
    fn a_private_file_and_one_without_secrets_draw_none() {
        for mode in [0o600, 0o400, 0o700] {
            let machine = Machine::with_file(SECRETS);
            machine.chmod(mode);
            assert!(machine.load().warnings().is_empty());
        }
        let machine = Machine::with_file(
            "stac_url = \"http://a\"\n[s3]\nsecret_key = { file = \"key\" }\n[stac]\ntoken = { command = [\"pass\"] }\n",
        );
        machine.chmod(0o644);
        assert!(machine.load().warnings().is_empty());
    }
}
