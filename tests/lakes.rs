//! What is typed at: the sandbox, a new one for every operator, and the real lake of `tests/lake/lake`, which all tests
//! share. A test that runs on both takes a `Lake` and keeps to names of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use dashictl::sandbox::{Ports, Sandbox};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::operator::Operator;

/// One of the two lakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lake {
    /// The embedded one.
    Sandbox,
    /// stac-fastapi-pgstac, Prefect and SeaweedFS, with the sandbox's Loki and ingest-api.
    Real,
}

/// Defines each test twice: `sandbox::name` and `real::name`.
macro_rules! on_both_lakes {
    ($($(#[doc = $doc:literal])* fn $name:ident($lake:ident) $body:block)*) => {
        $($(#[doc = $doc])* fn $name($lake: $crate::lakes::Lake) $body)*

        mod sandbox {
            $(#[test] fn $name() { super::$name($crate::lakes::Lake::Sandbox) })*
        }

        mod real {
            $(#[test] fn $name() { super::$name($crate::lakes::Lake::Real) })*
        }
    };
}
pub(crate) use on_both_lakes;

impl Lake {
    /// Somebody whose configuration leads to this lake.
    pub fn operator(self) -> Operator {
        match self {
            Lake::Sandbox => Operator::in_context("sandbox"),
            Lake::Real => real_operator(),
        }
    }

    /// A name that no other test has used on this lake, in this run or an earlier one.
    pub fn name(stem: &str) -> String {
        let digits = uuid::Uuid::now_v7().simple().to_string();
        format!("{stem}-{}", &digits[..16])
    }
}

fn real_operator() -> Operator {
    let operator = Operator::new();
    operator.config(&real_configuration());
    operator
}

/// The configuration file that leads to the real lake.
pub fn real_configuration() -> String {
    let lake = real_lake();
    let beside = beside();
    let of = |name: &str| {
        lake.get(name)
            .unwrap_or_else(|| panic!("the real lake's env file lacks {name}"))
            .clone()
    };
    format!(
        "stac_url = {:?}\nprefect_url = {:?}\nloki_url = {:?}\ningest_url = {:?}\n[s3]\nendpoint = {:?}\nregion = {:?}\n\
         access_key = {:?}\nsecret_key = {:?}\n",
        of("DASHI_STAC_URL"),
        of("DASHI_PREFECT_URL"),
        beside.loki_url(),
        beside.ingest_url(),
        of("DASHI_S3_ENDPOINT"),
        of("DASHI_S3_REGION"),
        of("DASHI_S3_ACCESS_KEY"),
        of("DASHI_S3_SECRET_KEY"),
    )
}

/// The addresses and keys of the real lake, which `make test` has started.
pub fn real_lake() -> &'static BTreeMap<String, String> {
    static LAKE: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    LAKE.get_or_init(|| {
        let file = env_file();
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!(
                "the real lake is not up ({}: {error}): run `tests/lake/lake up`, or `make test`",
                file.display()
            )
        });
        text.lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    })
}

fn env_file() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lake/lake");
    let output = Command::new(script).arg("env").output().unwrap();
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// A sandbox that serves what the real lake has no program for: Loki and the ingest-api.
fn beside() -> &'static Sandbox {
    static BESIDE: OnceLock<(Runtime, TempDir, Sandbox)> = OnceLock::new();
    let (_, _, sandbox) = BESIDE.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let sandbox = runtime
            .block_on(Sandbox::start(
                &folder.path().join("sandbox"),
                Ports::default(),
            ))
            .unwrap();
        (runtime, folder, sandbox)
    });
    sandbox
}
