//! Which source wins, for every key of the table.

use super::*;

/// A sample value of a key: as TOML, as a variable or flag holds it, as it is shown. `name` has four letters, `number`
/// tells the samples of numbers apart.
struct Sample {
    toml: String,
    text: String,
    shown: String,
}

fn sample(key: &Key, name: &str, number: u32) -> Sample {
    let same = |text: String| Sample {
        toml: format!("\"{text}\""),
        text: text.clone(),
        shown: text,
    };
    match key.shape {
        Shape::Endpoint | Shape::OptionalEndpoint => same(format!("https://{name}.example/api")),
        Shape::Proxy => same(format!("http://{name}.example:3128")),
        Shape::Text => same(name.to_owned()),
        Shape::Duration => same(format!("{number}s")),
        Shape::Path => same(format!("/etc/{name}.pem")),
        Shape::Switch => {
            let on = number.is_multiple_of(2);
            Sample {
                toml: on.to_string(),
                text: if on { "on" } else { "0" }.to_owned(),
                shown: on.to_string(),
            }
        }
        Shape::Integer => Sample {
            toml: number.to_string(),
            text: number.to_string(),
            shown: number.to_string(),
        },
        Shape::Urls => Sample {
            toml: format!("[\"https://{name}.example\", \"http://{name}:9000\"]"),
            text: format!("https://{name}.example, http://{name}:9000/"),
            shown: format!("https://{name}.example, http://{name}:9000"),
        },
        Shape::Texts => Sample {
            toml: format!("[\"{name}/\", \"b {name}\"]"),
            text: format!("{name}/, b {name}"),
            shown: format!("{name}/, b {name}"),
        },
        Shape::Secret => Sample {
            toml: format!("\"{name}-long-secret\""),
            text: format!("{name}-long-secret"),
            shown: format!("{name}…"),
        },
        Shape::Headers => Sample {
            toml: format!("{{ X-Key = \"{name}-long-secret\" }}"),
            text: format!("X-Key: {name}-long-secret"),
            shown: format!("X-Key: {name}…"),
        },
    }
}

/// A machine on which the sources of this set (bits: file, block, variable, flag) each set the key to a value of their
/// own, and what must come out.
fn machine(key: &'static Key, set: u32) -> (Machine, Option<(String, String)>) {
    let [top, block, variable, flag] = ["file", "ctxt", "vari", "flag"].map(str::to_owned);
    let has = |bit: u32| set & (1 << bit) != 0;
    let mut text = String::from("# a comment\n");
    let mut expected = key.default.map(|_| "default".to_owned());
    let mut shown = None;
    if has(0) {
        let sample = sample(key, &top, 11);
        text.extend([key.path, " = ", &sample.toml, "\n"]);
        shown = Some(sample.shown);
        expected = Some("config.toml:2".to_owned());
    }
    text += "[contexts.prod]\n";
    if has(1) {
        let sample = sample(key, &block, 12);
        let line = text.lines().count() + 1;
        text.extend([key.path, " = ", &sample.toml, "\n"]);
        shown = Some(sample.shown);
        expected = Some(format!("config.toml:{line}"));
    }
    let mut machine = Machine::with_file(&text).context("prod");
    if has(2) {
        let sample = sample(key, &variable, 13);
        machine = machine.set(key.variable, &sample.text);
        shown = Some(sample.shown);
        expected = Some(key.variable.to_owned());
    }
    if let (true, Some(name)) = (has(3), key.flag) {
        let sample = sample(key, &flag, 14);
        machine = machine.flag(key.path, &sample.text);
        shown = Some(sample.shown);
        expected = Some(format!("--{name}"));
    }
    let shown = shown.or(key.default.map(str::to_owned));
    (machine, shown.zip(expected))
}

#[test]
fn of_any_sources_the_later_one_wins_for_every_key() {
    for key in KEYS {
        for set in 0..16 {
            let (machine, expected) = machine(key, set);
            let config = machine.load();
            let setting = config.setting(key.path).unwrap();
            let dir = format!("{}/", machine.dir.path().display());
            let origin = setting.origin().to_string().replace(&dir, "");
            let found = setting.is_set().then(|| (setting.display(), origin));
            assert_eq!(found, expected, "{} from sources {set:04b}", key.path);
        }
    }
}

#[test]
fn what_nobody_sets_has_its_compiled_default() {
    let config = Machine::new().load();
    let set: Vec<_> = config
        .settings()
        .filter(|setting| setting.is_set())
        .map(|setting| format!("{} {}", setting.key().path, setting.display()))
        .collect();
    let expected = [
        "stac_url http://localhost:8080",
        "prefect_url http://localhost:4200",
        "loki_url http://localhost:3100",
        "ingest_url http://localhost:8088",
        "identity_url off",
        "iceberg_url off",
        "protected false",
        "http.timeout 30s",
        "http.connect_timeout 3s",
        "http.retries 4",
        "trash.landing true",
        "trash.processed true",
        "trash.curated true",
        "trash.other true",
        "backup.url s3://backups/",
        "backup.labels pgstac, prefect, serving-postgis",
        "backup.max_age 26h",
        "backup.namespace dashi-backup",
        "backup.image postgis/postgis:16-3.4",
        "backup.user 999",
        "backup.room 50Gi",
        "backup.ttl 10m",
        "kubernetes.namespace dashi-ops",
        "kubernetes.config_secret dashictl-config",
        "s3.endpoint http://localhost:9000",
        "s3.region us-east-1",
        "s3.aliases http://rustfs.dashi-platform.svc.cluster.local:9000",
        "s3.landing_bucket landing",
        "s3.processed_bucket processed",
        "s3.curated_bucket curated",
        "identity.realm dashi",
        "identity.client_id dashictl",
        "identity.users_key users.yml",
        "identity.deployment authelia",
        "identity.group /dashi/{domain}/{role}",
        "identity.roles reader, writer, admin",
        "iceberg.scope catalog",
    ];
    assert_eq!(set, expected);
    assert!(config.settings().all(|s| *s.origin() == Origin::Default));
    assert!(config.warnings().is_empty());
    assert_eq!(config.file(), None);
}

#[test]
fn the_settings_come_in_the_order_of_the_table() {
    let config = Machine::new().load();
    let found: Vec<_> = config
        .settings()
        .map(|setting| setting.key().path)
        .collect();
    let expected: Vec<_> = KEYS.iter().map(|key| key.path).collect();
    assert_eq!(found, expected);
}

#[test]
fn of_two_flags_for_one_key_the_later_holds() {
    let machine = Machine::new()
        .flag("stac_url", "http://one")
        .flag("stac_url", "http://two");
    assert_eq!(
        shown(&machine.load(), "stac_url"),
        pair("http://two", "--stac-url")
    );
}

#[test]
fn a_program_sees_numbers_lists_and_null() {
    let config = Machine::with_file(
        "loki_url = \"off\"\n[s3]\naliases = [\"http://a\"]\nsecret_key = \"rustfssecret\"\n[stac.headers]\nX-Key = \"0123456789\"\n",
    )
    .load();
    let json = |path: &str| config.setting(path).unwrap().json();
    assert_eq!(json("loki_url"), serde_json::Value::Null);
    assert_eq!(json("http.retries"), 4);
    assert_eq!(json("http.timeout"), "30s");
    assert_eq!(json("http.proxy"), serde_json::Value::Null);
    assert_eq!(json("s3.aliases"), serde_json::json!(["http://a"]));
    assert_eq!(json("s3.secret_key"), "rust…");
    assert_eq!(json("stac.headers"), serde_json::json!({"X-Key": "0123…"}));
}

#[test]
fn an_empty_value_hides_what_lower_sources_say() {
    let machine = Machine::with_file(
        "[http]\nproxy = \"http://proxy:1\"\nca_file = \"a.pem\"\n[s3]\nsecret_key = \"rustfssecret\"\n\
         [contexts.dev]\nhttp.proxy = \"\"\nhttp.ca_file = \"\"\ns3.secret_key = \"\"\n",
    )
    .context("dev");
    let config = machine.load();
    for (path, line) in [("http.proxy", 7), ("http.ca_file", 8), ("s3.secret_key", 9)] {
        assert_eq!(shown(&config, path), ("off".to_owned(), machine.line(line)));
    }
    assert_eq!(config.secrets().count(), 0);
}
