//! Secrets in every form, from the file and from the environment.

use super::*;

/// The secret that holds at a path.
fn secret<'a>(config: &'a Config, path: &str) -> &'a Secret {
    config.setting(path).unwrap().secrets().next().unwrap()
}

fn secret_keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(|key| key.shape == Shape::Secret)
}

#[test]
fn every_secret_can_be_text_in_the_file_and_in_a_variable() {
    for key in secret_keys() {
        let machine = Machine::with_file(&format!("{} = \"file-secret\"\n", key.path));
        assert_eq!(
            secret(&machine.load(), key.path).expose().unwrap(),
            "file-secret"
        );
        let config = machine.set(key.variable, "variable-secret\n").load();
        assert_eq!(
            secret(&config, key.path).expose().unwrap(),
            "variable-secret"
        );
        assert_eq!(shown(&config, key.path), pair("vari…", key.variable));
    }
}

#[test]
fn every_secret_can_be_a_file_of_the_file_and_of_a_variable() {
    for key in secret_keys() {
        let machine = Machine::with_file(&format!("{} = {{ file = \"keys/a\" }}\n", key.path));
        let keys = machine.dir.path().join("keys");
        let path = keys.join("a").display().to_string();
        let config = machine.load();
        assert_eq!(
            shown(&config, key.path),
            (format!("from file {path}"), machine.line(1))
        );

        std::fs::create_dir(&keys).unwrap();
        std::fs::write(&path, "kept secret\n").unwrap();
        assert_eq!(secret(&config, key.path).expose().unwrap(), "kept secret");

        let variable = format!("{}_FILE", key.variable);
        let config = Machine::new().set(&variable, &path).load();
        assert_eq!(
            shown(&config, key.path),
            (format!("from file {path}"), variable)
        );
        assert_eq!(secret(&config, key.path).expose().unwrap(), "kept secret");
    }
}

#[cfg(unix)]
#[test]
fn every_secret_can_be_a_command_of_the_file_and_of_a_variable() {
    for key in secret_keys() {
        let machine = Machine::with_file(&format!(
            "{} = {{ command = [\"printf\", \"%s\", \"a b\"] }}\n",
            key.path
        ));
        let config = machine.load();
        let expected = ("from command printf %s a b".to_owned(), machine.line(1));
        assert_eq!(shown(&config, key.path), expected);
        assert_eq!(secret(&config, key.path).expose().unwrap(), "a b");

        let variable = format!("{}_COMMAND", key.variable);
        let config = Machine::new().set(&variable, "printf %s 'c d'").load();
        assert_eq!(
            shown(&config, key.path),
            pair("from command printf %s c d", &variable)
        );
        assert_eq!(secret(&config, key.path).expose().unwrap(), "c d");
    }
}

#[test]
fn headers_hold_secrets_in_every_form() {
    let machine = Machine::with_file(
        "[loki.headers]\nX-Scope-OrgID = \"dashi-tenant\"\nX-A = { file = \"a\" }\nX-B = { command = [\"pass\", \"b\"] }\n",
    );
    let config = machine.load();
    let path = machine.dir.path().join("a").display().to_string();
    let expected = format!("X-A: from file {path}, X-B: from command pass b, X-Scope-OrgID: dash…");
    assert_eq!(shown(&config, "loki.headers"), (expected, machine.line(1)));
    let headers = config.service(Service::Loki).unwrap().headers;
    let error = headers[0].1.expose().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot read loki.headers.X-A from file {path}")
    );
}

#[test]
fn headers_of_a_variable_stand_one_a_line() {
    let config = Machine::new()
        .set("DASHI_STAC_HEADERS", "X-A: one:two \n\nX-B:three\n")
        .load();
    let headers = config.service(Service::Stac).unwrap().headers;
    let found: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose().unwrap()))
        .collect();
    assert_eq!(found, [("X-A", "one:two"), ("X-B", "three")]);
    for text in ["hunter2", "X-A:", ": hunter2", "X A: hunter2"] {
        let error = Machine::new()
            .set("DASHI_STAC_HEADERS", text)
            .try_load()
            .unwrap_err();
        assert!(
            error.to_string().starts_with("DASHI_STAC_HEADERS "),
            "{error}"
        );
        assert!(!everything(&error).contains("hunter2"), "{error}");
    }
}

#[test]
fn loading_reads_no_secret() {
    let machine = Machine::with_file(
        "[s3]\naccess_key = { file = \"/no/such/file\" }\nsecret_key = { command = [\"/no/such/program\"] }\n",
    );
    let config = machine.load();
    assert!(config.secrets().all(|secret| secret.known().is_none()));
    let s3 = config.s3().unwrap();
    assert!(s3.access_key.unwrap().expose().is_err());
    assert!(s3.secret_key.unwrap().expose().is_err());
}

#[test]
fn a_program_given_as_a_relative_path_lies_beside_the_file() {
    let machine = Machine::with_file("s3.secret_key = { command = [\"./get\", \"./x\"] }");
    let expected = format!("from command {}/./get ./x", machine.dir.path().display());
    assert_eq!(shown(&machine.load(), "s3.secret_key").0, expected);
}

#[test]
fn malformed_secrets_are_refused_where_they_stand_and_not_shown() {
    let cases = [
        (
            "{ fil = \"hunter2\" }",
            "s3.secret_key at config.toml:1:19 has an unknown key 'fil': a secret in a table takes file or command",
        ),
        (
            "{ file = 3 }",
            "s3.secret_key at config.toml:1:26 must name its file as text in quotes",
        ),
        (
            "{ file = \"\" }",
            "s3.secret_key at config.toml:1:26 must name its file as text in quotes",
        ),
        (
            "{ command = \"pass hunter2\" }",
            "s3.secret_key at config.toml:1:29 must give its command as a list of words such as [\"pass\", \"show\", \"dashi/s3\"]",
        ),
        (
            "{ command = [\"hunter2\", 1] }",
            "s3.secret_key at config.toml:1:41 must give its command as a list of words such as [\"pass\", \"show\", \"dashi/s3\"]",
        ),
        (
            "{ command = [] }",
            "s3.secret_key at config.toml:1:29 must name a program",
        ),
        (
            "{ command = [\"\"] }",
            "s3.secret_key at config.toml:1:29 must name a program",
        ),
        (
            "{}",
            "s3.secret_key at config.toml:1:17 must be either { file = .. } or { command = [..] }",
        ),
        (
            "{ file = \"a\", command = [\"b\"] }",
            "s3.secret_key at config.toml:1:17 must be either { file = .. } or { command = [..] }",
        ),
    ];
    for (toml, message) in cases {
        let error = Machine::with_file(&format!("s3.secret_key = {toml}")).error();
        assert_eq!(error.message, message);
        assert!(!format!("{:?}", error.hints).contains("hunter2"));
    }
    let error = Machine::with_file("s3.secret_key = { comand = [\"a\"] }").error();
    assert_eq!(error.hints, ["did you mean 'command'?"]);
}

#[test]
fn two_variables_for_one_secret_are_refused() {
    let error = Machine::new()
        .set("DASHI_S3_SECRET_KEY", "hunter2")
        .set("DASHI_S3_SECRET_KEY_FILE", "/x")
        .error();
    assert_eq!(error.kind, Kind::Config);
    assert_eq!(
        error.message,
        "DASHI_S3_SECRET_KEY and DASHI_S3_SECRET_KEY_FILE both set s3.secret_key"
    );
    let machine = Machine::new()
        .set("DASHI_S3_SECRET_KEY", "")
        .set("DASHI_S3_SECRET_KEY_FILE", "/x");
    assert_eq!(shown(&machine.load(), "s3.secret_key").0, "from file /x");
}

#[test]
fn a_commands_variable_with_an_open_quote_is_refused() {
    let error = Machine::new()
        .set("DASHI_STAC_TOKEN_COMMAND", "pass 'hunter2")
        .error();
    assert_eq!(
        error.message,
        "DASHI_STAC_TOKEN_COMMAND has a ' that is never closed"
    );
}

#[test]
fn the_register_holds_the_secrets_in_use_and_only_those() {
    let machine = Machine::with_file(
        "[s3]\naccess_key = \"a\"\nsecret_key = \"b\"\n[contexts.prod]\ns3.secret_key = \"c\"\nstac.token = { file = \"f\" }\nstac.headers.X = \"h\"\n[contexts.dev]\nloki.token = \"d\"\n",
    )
    .context("prod");
    let config = machine.load();
    let known: Vec<_> = config.secrets().map(Secret::known).collect();
    assert_eq!(known, [Some("a"), Some("c"), None, Some("h")]);
    std::fs::write(machine.dir.path().join("f"), "t").unwrap();
    let token = config.service(Service::Stac).unwrap().token.unwrap();
    token.expose().unwrap();
    assert!(config.secrets().any(|secret| secret.known() == Some("t")));
}

#[test]
fn debugging_the_configuration_shows_no_secret() {
    let config = Machine::with_file("[s3]\naccess_key = \"hunter2access\"\nsecret_key = \"hunter2secret\"\n[stac.headers]\nX = \"hunter2header\"\n")
        .load();
    let all = format!(
        "{config:?} {:?} {:?}",
        config.s3().unwrap(),
        config.service(Service::Stac).unwrap()
    );
    assert!(!all.contains("hunter2"), "{all}");
}
