//! `backup restore-test` with dumps of the real lake's databases, in a Job of the test cluster and on this machine: what
//! restores is told with what is in it, and each fault by its own name; nothing is left of it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::cluster::{Namespace, image, viewer};
use super::flows::in_time;
use super::interrupt::stopped;
use super::lakes::{Lake, Served, real_configuration, real_lake};
use super::operator::{Operator, Ran};
use super::wire::{Hook, Request, Wire};

/// Somebody with a folder of backups of their own in the real lake, and a namespace for the Jobs.
struct Vault {
    operator: Operator,
    served: Served,
    url: String,
    files: TempDir,
}

impl Vault {
    fn new() -> Vault {
        let served = Lake::Real.served();
        let operator = served.operator();
        let _ = operator.run(&["eval", "--effect", "write", ITEM]).success();
        Vault {
            operator,
            url: format!("s3://backups/{}/", Lake::name("vault")),
            served,
            files: tempfile::tempdir().unwrap(),
        }
    }

    /// A dump of a database of the lake's PostgreSQL.
    fn dump(&self, database: &str) -> Vec<u8> {
        let path = self.files.path().join("dump");
        let path = path.to_str().unwrap();
        pg("pg_dump", database, &["-Fc", "-f", path]);
        std::fs::read(path).unwrap()
    }

    /// Puts a dump below the vault's URL.
    fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.files.path().join("put");
        std::fs::write(&path, bytes).unwrap();
        let uri = format!("{}{key}", self.url);
        let line = ["s3", "cp", path.to_str().unwrap(), &uri];
        let _ = self.operator.run(&line).success();
    }

    fn variables(&self, more: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
        let own = [("DASHI_BACKUP_URL", self.url.clone())];
        [&own[..], more].concat()
    }

    /// What is told of a dump that is tried out on this machine.
    fn locally(&self, key: &str, flags: &[&str]) -> (Option<i32>, Value) {
        let flags = [&["--key", key], flags].concat();
        verdict(&self.run_locally(&self.variables(&[]), &flags))
    }

    fn run_locally(&self, variables: &[(&'static str, String)], flags: &[&str]) -> Ran {
        let line = [
            "backup",
            "restore-test",
            "--json",
            "--local",
            "--no-compare",
        ];
        self.operator.run_in(variables, &[&line, flags].concat())
    }
}

/// A catalogue that is compared needs an item.
const ITEM: &str = "let id = \"restored\"; if stac::try_collection(id) == () { stac::put_collection(#{type: \"Collection\", id: id, stac_version: \"1.0.0\", \
    title: id, description: id, license: \"various\", links: [], extent: #{spatial: #{bbox: [[-180.0, -90.0, 180.0, 90.0]]}, temporal: #{interval: [[(), ()]]}}}); } \
    stac::put_item(#{type: \"Feature\", stac_version: \"1.0.0\", id: \"one\", collection: id, geometry: #{type: \"Point\", coordinates: [8.0, 50.0]}, \
    bbox: [8.0, 50.0, 8.0, 50.0], properties: #{datetime: \"2026-01-01T00:00:00Z\"}, links: [], assets: #{}});";

fn verdict(ran: &Ran) -> (Option<i32>, Value) {
    let verdict = serde_json::from_str(&ran.stdout);
    (ran.code, verdict.unwrap_or_else(|_| panic!("{ran}")))
}

/// Runs a program of PostgreSQL at a database of the lake.
fn pg(program: &str, database: &str, arguments: &[&str]) {
    let lake = real_lake();
    let dsn = &lake["LAKE_PG_DSN"];
    let server = dsn.rsplit_once('/').unwrap().0;
    let output = Command::new(Path::new(&lake["LAKE_PG_BIN"]).join(program))
        .args(["-d", &format!("{server}/{database}")])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A database of the lake's PostgreSQL that a script fills, as a dump.
fn dump_of(vault: &Vault, script: &str) -> Vec<u8> {
    let name = Lake::name("d").replace('-', "_");
    pg(
        "psql",
        "postgres",
        &["-qc", &format!("CREATE DATABASE {name}")],
    );
    pg("psql", &name, &["-qc", script]);
    let dump = vault.dump(&name);
    pg(
        "psql",
        "postgres",
        &["-qc", &format!("DROP DATABASE {name}")],
    );
    dump
}

/// Flips a byte that PostgreSQL's archive notices: one in the compressed contents of a table.
fn flipped(dump: &[u8], folder: &Path) -> Vec<u8> {
    let path = folder.join("flipped");
    let program = PathBuf::from(&real_lake()["LAKE_PG_BIN"]).join("pg_restore");
    let places = (1..200).map(|step| dump.len() - step * (dump.len() / 400) - 20);
    for place in places {
        let mut bytes = dump.to_vec();
        bytes[place] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let read = Command::new(&program)
            .args(["-f", "/dev/null"])
            .arg(&path)
            .output()
            .unwrap();
        if !read.status.success() {
            return bytes;
        }
    }
    panic!("no byte of the dump matters");
}

#[test]
fn real_dumps_restore_on_this_machine_and_are_told_with_what_is_in_them() {
    let vault = Vault::new();
    vault.put("pgstac/20260101T000000Z.dump", &vault.dump("postgres"));
    let (code, told) = vault.locally("pgstac/20260101T000000Z.dump", &[]);
    assert_eq!(
        (code, &told["verdict"]),
        (Some(0), &json!("restores")),
        "{told:#}"
    );
    let collections = told["collections"].as_array().unwrap();
    let own = collections
        .iter()
        .find(|known| known["id"] == "restored")
        .unwrap();
    assert_eq!(own["items"], 1);
    assert!(
        told["items"].as_i64().unwrap() >= 1 && told["database_bytes"].as_i64().unwrap() > 1 << 20
    );
    assert!(
        told["pgstac"].is_string() && told["server"].is_string() && told["postgis"].is_string(),
        "{told:#}"
    );
    assert!(told["recipe"].as_str().unwrap().contains("pgstac, public"));
    // As SQL with its owners, as tar, and in gzip.
    for (name, format) in [("a.sql", "-Fp"), ("a.tar", "-Ft")] {
        let path = vault.files.path().join(name);
        let path = path.to_str().unwrap();
        pg("pg_dump", "postgres", &[format, "-f", path]);
        assert!(
            Command::new("gzip")
                .args(["-k", path])
                .status()
                .unwrap()
                .success()
        );
        for name in [name.to_owned(), format!("{name}.gz")] {
            vault.put(
                &format!("pgstac/{name}"),
                &std::fs::read(vault.files.path().join(&name)).unwrap(),
            );
            let (code, told) = vault.locally(&format!("pgstac/{name}"), &[]);
            assert_eq!(
                (code, &told["verdict"]),
                (Some(0), &json!("restores")),
                "{name}: {told:#}"
            );
        }
    }
    // The label is that of the folder, and asks other questions.
    vault.put("prefect/20260101T000000Z.dump", &vault.dump("prefect"));
    let (code, told) = vault.locally("prefect/20260101T000000Z.dump", &[]);
    assert_eq!(code, Some(0), "{told:#}");
    let rows = told["rows"].as_array().unwrap();
    assert!(
        rows.iter().any(|table| table["name"] == "public.flow_run"),
        "{told:#}"
    );
}

#[test]
fn each_fault_of_a_real_dump_is_told_by_its_own_name() {
    let vault = Vault::new();
    let dump = vault.dump("postgres");
    let without_data = dump_of(&vault, "CREATE TABLE a (x int)");
    let sql = b"-- PostgreSQL database dump\nCREATE TABLE a (x int);\nCREATE TABLE a (x int);\n";
    for (name, bytes, reason) in [
        ("truncated", &dump[..dump.len() * 2 / 3], "truncated"),
        ("flipped", &flipped(&dump, vault.files.path()), "damaged"),
        ("empty", &dump_of(&vault, "SELECT 1"), "empty"),
        ("nothing", b"", "truncated"),
        ("strange", b"this is no dump at all", "no_archive"),
        ("errors", sql, "restore_error"),
        ("other", &without_data, "wrong_content"),
        ("prefect", &vault.dump("prefect"), "wrong_content"),
        (
            "half",
            b"-- PostgreSQL database dump\nCREATE TABLE a (x int);\n",
            "truncated",
        ),
    ] {
        let key = format!("pgstac/{name}.dump");
        vault.put(&key, bytes);
        let (code, told) = vault.locally(&key, &[]);
        let expected = (Some(3), json!("does_not_restore"), json!(reason));
        assert_eq!(
            (code, told["verdict"].clone(), told["reason"].clone()),
            expected,
            "{name}: {told:#}"
        );
        assert!(!told["message"].as_str().unwrap().is_empty());
    }
    vault.put("prefect/pgstac.dump", &dump);
    let (code, told) = vault.locally("prefect/pgstac.dump", &[]);
    assert_eq!(
        (code, &told["reason"]),
        (Some(3), &json!("wrong_content")),
        "{told:#}"
    );
    let (code, told) = vault.locally("pgstac/truncated.dump", &["--timeout", "0s"]);
    assert_eq!(
        (code, &told["reason"]),
        (Some(1), &json!("timeout")),
        "{told:#}"
    );
    vault.put("pgstac/beside.dump", &dump);
    vault.put(
        "pgstac/beside.dump.sha256",
        format!("{}  beside.dump\n", "0".repeat(64)).as_bytes(),
    );
    let (code, told) = vault.locally("pgstac/beside.dump", &[]);
    assert_eq!(
        (code, &told["reason"]),
        (Some(3), &json!("checksum")),
        "{told:#}"
    );
    let (code, told) = vault.locally("pgstac/missing.dump", &[]);
    assert_eq!(
        (code, &told["reason"]),
        (Some(3), &json!("no_dump")),
        "{told:#}"
    );
    let nowhere = [("DASHI_BACKUP_POSTGRES_BIN", "/nowhere".to_owned())];
    let ran = vault.operator.run_in(
        &vault.variables(&nowhere),
        &[
            "backup",
            "restore-test",
            "--local",
            "--json",
            "--key",
            "pgstac/beside.dump",
        ],
    );
    let (code, told) = verdict(&ran);
    assert_eq!(
        (code, &told["verdict"], &told["reason"]),
        (Some(1), &json!("not_tried"), &json!("no_postgres")),
        "{told:#}"
    );
}

/// A vault whose Jobs are in a namespace of the test's own.
struct Stage {
    vault: Vault,
    namespace: Namespace,
}

impl Stage {
    fn new() -> Stage {
        let (vault, namespace) = (Vault::new(), Namespace::new());
        vault
            .operator
            .home_file(".kube/config", &namespace.kubeconfig());
        vault.put("pgstac/20260101T000000Z.dump", &vault.dump("postgres"));
        Stage { vault, namespace }
    }

    fn variables(&self, more: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
        let own = [("DASHI_BACKUP_NAMESPACE", self.namespace.name.clone())];
        self.vault.variables(&[&own[..], more].concat())
    }

    fn run(&self, more: &[(&'static str, String)], flags: &[&str]) -> Ran {
        let line = [&["backup", "restore-test", "--json", "--no-compare"], flags].concat();
        self.vault.operator.run_in(&self.variables(more), &line)
    }

    /// How many Jobs and pods there are.
    fn left(&self) -> usize {
        self.namespace.count("jobs") + self.namespace.count("pods")
    }
}

#[test]
fn k8s_a_real_dump_restores_in_a_job_that_is_gone_afterwards() {
    let stage = Stage::new();
    let dry = stage.run(&[], &["--dry-run"]);
    assert!(
        dry.stdout.contains("k8s::job") && dry.stdout.contains("k8s::exec"),
        "{dry}"
    );
    assert_eq!(stage.left(), 0);
    let ran = stage.run(&[], &[]);
    assert!(ran.stderr.contains("restored and looked at"), "{ran}");
    let (code, told) = verdict(&ran);
    assert_eq!(
        (code, &told["verdict"]),
        (Some(0), &json!("restores")),
        "{told:#}"
    );
    assert!(
        told["collections"]
            .as_array()
            .unwrap()
            .iter()
            .any(|known| known["id"] == "restored"),
        "{told:#}"
    );
    assert_eq!(stage.left(), 0);
    let cut = stage.vault.dump("postgres");
    stage
        .vault
        .put("pgstac/20260102T000000Z.dump", &cut[..cut.len() / 2]);
    let (code, told) = verdict(&stage.run(&[], &[]));
    assert_eq!(
        (code, &told["reason"]),
        (Some(3), &json!("truncated")),
        "{told:#}"
    );
    assert_eq!(stage.left(), 0);
}

#[test]
fn k8s_what_keeps_it_from_being_tried_is_told_by_its_own_name() {
    let stage = Stage::new();
    let own = stage.vault.files.path().join("viewer");
    std::fs::write(&own, stage.namespace.kubeconfig_of(&viewer())).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    for (name, value, flags, reason) in [
        (
            "DASHI_BACKUP_IMAGE",
            "no-such-image".to_owned(),
            &[][..],
            "image_missing",
        ),
        (
            "DASHI_BACKUP_PULL_SECRET",
            "no-such-secret".to_owned(),
            &[],
            "secret_missing",
        ),
        ("KUBECONFIG", text(&own), &[], "forbidden"),
        (
            "DASHI_S3_ENDPOINT",
            "http://127.0.0.1:9".to_owned(),
            &[],
            "store_unreachable",
        ),
        (
            "DASHI_BACKUP_TTL",
            "5m".to_owned(),
            &["--timeout", "1s"],
            "timeout",
        ),
    ] {
        let ran = stage.run(&[(name, value)], flags);
        let (code, told) = verdict(&ran);
        let expected = (Some(1), json!("not_tried"), json!(reason));
        assert_eq!(
            (code, told["verdict"].clone(), told["reason"].clone()),
            expected,
            "{name}: {ran}"
        );
        assert_eq!(stage.left(), 0, "{name}");
    }
}

#[test]
fn k8s_wherever_it_is_stopped_nothing_is_left() {
    let stage = Stage::new();
    let started = |url: &str| {
        let mut command = stage
            .vault
            .operator
            .command(&["backup", "restore-test", "--no-compare"]);
        command.envs(stage.variables(&[
            ("DASHI_S3_ENDPOINT", url.to_owned()),
            ("DASHI_BACKUP_TTL", "1s".to_owned()),
        ]));
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let plain = &stage.vault.served.addresses.s3;
    // While the Job is made, and while its pod is at work.
    for stage_of in ["jobs", "pods"] {
        let (code, stderr, _) = stopped("-INT", started(plain), || {
            stage.namespace.count(stage_of) > 0
        });
        assert_eq!(code, Some(130), "{stage_of}: {stderr}");
        // What it made is gone: there is nothing that could be taken back.
        assert!(!stderr.contains("dashictl undo"), "{stderr}");
        assert_eq!(stage.left(), 0, "{stage_of}: {stderr}");
    }
    // While the dump is on its way: by Ctrl-C, and by a kill, after which the Job goes by itself.
    for (signal, code) in [("-INT", Some(130)), ("-KILL", None)] {
        let s3 = Wire::before(plain).counting(|request| {
            request.method == "GET" && request.target.contains("20260101T000000Z.dump?")
        });
        s3.at_change(0, Hook::Hold);
        let (ended, stderr, _) = stopped(signal, started(s3.url()), || s3.is_held());
        s3.release();
        assert_eq!(ended, code, "{stderr}");
        in_time("nothing is left", || (stage.left() == 0).then_some(()));
        assert!(
            signal == "-KILL" || stderr.contains("interrupted"),
            "{stderr}"
        );
    }
}

#[test]
fn a_real_restore_on_this_machine_that_is_killed_leaves_no_server_and_no_folder() {
    let vault = Vault::new();
    vault.put("pgstac/20260101T000000Z.dump", &vault.dump("postgres"));
    let temporary = tempfile::tempdir().unwrap();
    // PostgreSQL runs as another user where this is root's.
    Command::new("chmod")
        .args(["711", temporary.path().to_str().unwrap()])
        .status()
        .unwrap();
    for signal in ["-INT", "-KILL"] {
        let mut command =
            vault
                .operator
                .command(&["backup", "restore-test", "--local", "--no-compare"]);
        command.envs(vault.variables(&[("TMPDIR", temporary.path().to_str().unwrap().to_owned())]));
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let folders = || std::fs::read_dir(temporary.path()).unwrap().count();
        let (_, stderr, took) = stopped(signal, command.spawn().unwrap(), || folders() > 0);
        assert!(took < Duration::from_secs(30), "{stderr}");
        in_time("the folder is gone", || (folders() == 0).then_some(()));
    }
}

#[test]
fn a_real_restore_whose_programs_are_killed_or_lose_the_server_says_nothing_of_the_dump() {
    let vault = Vault::new();
    let key = "pgstac/20260101T000000Z.dump";
    vault.put(key, &vault.dump("postgres"));
    let own = tempfile::tempdir().unwrap();
    let open = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    open(own.path());
    for (at, does, reason) in [
        ("-f -", "kill -TERM $$", "ended"),
        (
            "-f -",
            "echo 'psql: error: the server closed the connection' >&2; exit 2",
            "no_server",
        ),
        (
            "to_regclass",
            "kill -QUIT $(head -n 1 \"$WORK/data/postmaster.pid\"); sleep 1; exit 2",
            "no_server",
        ),
    ] {
        for program in ["initdb", "postgres", "pg_restore", "psql"] {
            let real = Path::new(&real_lake()["LAKE_PG_BIN"]).join(program);
            let turn = match program {
                "psql" => format!("case \"$*\" in *'{at}'*) {does} ;; esac\n"),
                _ => String::new(),
            };
            let text = format!("#!/bin/sh\n{turn}exec {} \"$@\"\n", real.display());
            let path = own.path().join(program);
            std::fs::write(&path, text).unwrap();
            open(&path);
        }
        let bin = own.path().to_str().unwrap().to_owned();
        let variables = vault.variables(&[("DASHI_BACKUP_POSTGRES_BIN", bin)]);
        let (code, told) = verdict(&vault.run_locally(&variables, &[]));
        let expected = (Some(1), &json!("not_tried"), &json!(reason));
        assert_eq!(
            (code, &told["verdict"], &told["reason"]),
            expected,
            "{told:#}"
        );
    }
}

#[test]
fn k8s_a_scheduled_restore_test_has_the_rights_that_its_header_names_and_needs_no_more() {
    let stage = Stage::new();
    let config = format!(
        "{}[backup]\nurl = {:?}\nnamespace = {:?}\n",
        real_configuration(),
        stage.vault.url,
        stage.namespace.name
    );
    stage.namespace.apply(
        &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "dashictl-config"},
        "stringData": {"config.toml": config}}),
    );
    let own = [
        ("DASHI_KUBERNETES_NAMESPACE", stage.namespace.name.clone()),
        ("DASHI_KUBERNETES_IMAGE", image().to_owned()),
    ];
    let variables = stage.variables(&own);
    let run = |line: &[&str]| stage.vault.operator.run_in(&variables, line);
    let line = [
        "schedule",
        "add",
        "restore-weekly",
        "--cron",
        "0 3 * * 1",
        "--",
    ];
    let command = ["backup", "restore-test", "--no-compare"];
    let _ = run(&[&line[..], &command].concat()).success();
    let ran = run(&["schedule", "run", "restore-weekly"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.stderr.contains("restores"), "{ran}");
}

#[test]
fn a_byte_of_a_real_dump_that_is_another_when_it_comes_is_told() {
    let vault = Vault::new();
    vault.put("pgstac/20260101T000000Z.dump", &vault.dump("postgres"));
    let s3 = Wire::before(&vault.served.addresses.s3);
    let of_the_dump =
        |request: &Request| request.method == "GET" && request.target.contains(".dump?");
    s3.counting(of_the_dump).at_change(0, Hook::Flip);
    let through = [("DASHI_S3_ENDPOINT", s3.url().to_owned())];
    let run = || vault.run_locally(&vault.variables(&through), &[]);
    let ran = run();
    let (code, told) = verdict(&ran);
    assert_eq!(
        (code, &told["verdict"]),
        (Some(3), &json!("does_not_restore")),
        "{ran}"
    );
    assert_eq!(told["reason"], "checksum", "{ran}");
    // The same through nothing that flips.
    let (code, told) = verdict(&run());
    assert_eq!(
        (code, &told["verdict"]),
        (Some(0), &json!("restores")),
        "{told:#}"
    );
}
