//! The embedded lake's context: nothing from outside reaches it.

use super::*;

/// A file and an environment that set every key there is.
fn crowded() -> Machine {
    let mut machine = Machine::with_file(
        "stac_url = \"https://prod\"\n[s3]\nendpoint = \"https://prod-s3\"\nsecret_key = \"rustfssecret\"\naccess_key = \"a\"\nlanding_bucket = \"l\"\n\
         [http]\nproxy = \"http://proxy:1\"\n[stac]\ntoken = \"prod-token\"\n[stac.headers]\nX-Key = \"prod-header\"\n\
         [contexts.default]\nprefect_url = \"https://prod-prefect\"\n",
    );
    for key in KEYS {
        let text = match key.shape {
            Shape::Integer => "9",
            Shape::Switch => "false",
            Shape::Duration => "9s",
            Shape::Headers => "X-Key: prod-header",
            _ => "https://from-the-environment",
        };
        machine = machine.set(key.variable, text);
    }
    machine
}

#[test]
fn no_variable_and_nothing_of_the_file_applies() {
    for machine in [
        crowded().context("sandbox"),
        crowded().set("DASHI_CONTEXT", "sandbox"),
    ] {
        let config = machine.load();
        assert!(config.is_sandbox() && config.context_is_named());
        for setting in config.settings() {
            assert_eq!(*setting.origin(), Origin::Default, "{}", setting.key().path);
            let expected = setting
                .key()
                .default
                .filter(|_| !setting.key().is_endpoint());
            assert_eq!(setting.display(), expected.unwrap_or_default());
        }
        assert_eq!(config.secrets().count(), 0);
        assert!(config.mixed_endpoints().is_empty());
    }
}

#[test]
fn there_is_no_endpoint_until_the_lake_runs() {
    let config = Machine::new().context("sandbox").load();
    for service in Service::ALL {
        assert!(!config.has(service));
        let error = config.service(service).unwrap_err();
        assert_eq!(error.kind(), Kind::Internal);
        assert!(
            error
                .to_string()
                .starts_with("the sandbox has not been started")
        );
    }
    assert!(config.s3().is_err());
}

#[test]
fn the_running_lake_puts_its_endpoints_and_keys_in() {
    let mut config = crowded().context("sandbox").load();
    config
        .sandbox_endpoints([
            ("stac_url", "http://127.0.0.1:4001".to_owned()),
            ("s3.endpoint", "http://127.0.0.1:4002".to_owned()),
            ("s3.access_key", "sandbox".to_owned()),
            ("s3.secret_key", "sandboxsecret".to_owned()),
        ])
        .unwrap();
    let stac = config.service(Service::Stac).unwrap();
    assert_eq!(stac.url.as_str(), "http://127.0.0.1:4001/");
    assert_eq!(stac.origin, Origin::Sandbox);
    assert!(stac.token.is_none() && stac.headers.is_empty());
    assert!(stac.transport.proxy.is_none() && !stac.transport.system_proxy);
    let s3 = config.s3().unwrap();
    assert_eq!(s3.landing_bucket, "landing");
    assert_eq!(s3.secret_key.unwrap().expose().unwrap(), "sandboxsecret");
}

#[test]
fn another_context_takes_no_sandbox_endpoints() {
    let mut config = Machine::new().load();
    let error = config
        .sandbox_endpoints([("stac_url", "http://127.0.0.1:1".to_owned())])
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    assert_eq!(shown(&config, "stac_url").0, "http://localhost:8080");
}

#[test]
fn endpoint_flags_are_a_usage_error() {
    for key in KEYS.iter().filter(|key| key.is_endpoint()) {
        let machine = Machine::new()
            .set("DASHI_CONTEXT", "sandbox")
            .flag(key.path, "http://x");
        let error = machine.error();
        assert_eq!(error.kind, Kind::Usage);
        let flag = key.flag.unwrap();
        let expected =
            format!("--{flag} cannot go with the context 'sandbox', which brings its own services");
        assert_eq!(error.message, expected);
    }
}

#[test]
fn a_flag_for_the_time_limit_applies() {
    let config = Machine::new()
        .context("sandbox")
        .flag("http.timeout", "5s")
        .load();
    assert_eq!(shown(&config, "http.timeout"), pair("5s", "--http-timeout"));
}

#[test]
fn a_block_of_that_name_is_an_error_in_every_context() {
    for context in ["sandbox", "default"] {
        let error =
            Machine::with_file("[contexts.prod]\n[contexts.sandbox]\nstac_url = \"http://x\"\n")
                .context(context)
                .error();
        assert_eq!(error.kind, Kind::Config);
        assert!(
            error
                .message
                .starts_with("[contexts.sandbox] at config.toml:2:11 cannot be")
        );
    }
}

#[test]
fn no_home_is_needed() {
    let flags = Flags {
        context: Some("sandbox".to_owned()),
        values: Vec::new(),
    };
    assert!(
        Config::load(&flags, &Environment::default())
            .unwrap()
            .is_sandbox()
    );
}
