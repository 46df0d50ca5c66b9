//! What is typed at: the sandbox, a new one for every operator, and the real lake of `tests/lake/lake`, which all tests
//! share. A test that runs on both takes a `Lake` and keeps to names of its own. Where it needs more than one operator, or
//! taps on the wire, it has the lake served or tapped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use dashictl::sandbox::{IngestApi, IngestLake, Ports, Sandbox};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::canary;
use super::cluster::Namespace;
use super::operator::Operator;
use super::wire::Wire;

/// One of the two lakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lake {
    /// The embedded one.
    Sandbox,
    /// stac-fastapi-pgstac, Prefect and SeaweedFS, with an ingest-api in front of them and the sandbox's Loki.
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
            Lake::Real => Addresses::of_the_real_lake().operator(),
        }
    }

    /// This lake for any number of operators: a sandbox of the test's own, or the real lake.
    pub fn served(self) -> Served {
        match self {
            Lake::Sandbox => {
                let sandbox = Running::start();
                Served {
                    addresses: Addresses::of(&sandbox.sandbox),
                    _sandbox: Some(sandbox),
                }
            }
            Lake::Real => Served {
                addresses: Addresses::of_the_real_lake(),
                _sandbox: None,
            },
        }
    }

    /// This lake behind taps.
    pub fn tapped(self) -> Tapped {
        let served = self.served();
        let plain = &served.addresses;
        let (s3, stac) = (Wire::before(&plain.s3), Wire::before(&plain.stac));
        let loki = Wire::before(&plain.loki);
        let addresses = Addresses {
            s3: s3.url().to_owned(),
            stac: stac.url().to_owned(),
            loki: loki.url().to_owned(),
            aliases: vec![plain.s3.clone()],
            ..plain.clone()
        };
        Tapped {
            operator: addresses.operator(),
            s3,
            stac,
            loki,
            served,
        }
    }

    /// A name that no other test has used on this lake, in this run or an earlier one.
    pub fn name(stem: &str) -> String {
        let digits = uuid::Uuid::now_v7().simple().to_string();
        // The last digits are chance; those before are a clock, and count within a millisecond.
        format!("{stem}-{}{}", &digits[4..12], &digits[24..])
    }
}

/// A lake that several operators can work on, each with a HOME of their own.
pub struct Served {
    pub addresses: Addresses,
    _sandbox: Option<Running>,
}

impl Served {
    /// One more operator, whose configuration leads here.
    pub fn operator(&self) -> Operator {
        self.addresses.operator()
    }
}

/// A lake whose services are reached through taps, and an operator whose configuration leads to these.
pub struct Tapped {
    pub operator: Operator,
    pub s3: Wire,
    pub stac: Wire,
    pub loki: Wire,
    /// The same lake without the taps.
    pub served: Served,
}

/// Where the services of a lake are, and the keys of its store.
#[derive(Debug, Clone)]
pub struct Addresses {
    pub stac: String,
    pub prefect: String,
    pub loki: String,
    pub ingest: String,
    /// The sandbox's Keycloak, also beside the real lake, where a test has a realm of its own instead.
    pub identity: String,
    /// The Iceberg REST catalogue, and its warehouse.
    pub iceberg: (String, Option<String>),
    pub s3: String,
    pub region: String,
    pub access_key: String,
    pub secret_key: String,
    /// Other names of the store in hrefs.
    pub aliases: Vec<String>,
    /// The kubeconfig of who works there, for services inside a cluster.
    pub kubeconfig: Option<PathBuf>,
}

impl Addresses {
    fn of(sandbox: &Sandbox) -> Addresses {
        Addresses {
            stac: sandbox.stac_url().to_owned(),
            prefect: sandbox.prefect_url().to_owned(),
            loki: sandbox.loki_url().to_owned(),
            ingest: sandbox.ingest_url().to_owned(),
            identity: sandbox.identity_url().to_owned(),
            iceberg: (sandbox.iceberg_url().to_owned(), None),
            s3: sandbox.s3_endpoint().to_owned(),
            region: sandbox.region().to_owned(),
            access_key: sandbox.access_key().to_owned(),
            secret_key: sandbox.secret_key().to_owned(),
            aliases: Vec::new(),
            kubeconfig: None,
        }
    }

    fn of_the_real_lake() -> Addresses {
        let lake = real_lake();
        let of = |name: &str| {
            lake.get(name)
                .unwrap_or_else(|| panic!("the real lake's env file lacks {name}"))
                .clone()
        };
        let own = IngestLake {
            stac: of("DASHI_STAC_URL"),
            prefect: of("DASHI_PREFECT_URL"),
            s3: of("DASHI_S3_ENDPOINT"),
            region: of("DASHI_S3_REGION"),
            access_key: of("DASHI_S3_ACCESS_KEY"),
            secret_key: of("DASHI_S3_SECRET_KEY"),
            valid: 900,
        };
        let (sandbox, ingest) = beside(&own);
        Addresses {
            loki: sandbox.loki_url().to_owned(),
            ingest: ingest.url().to_owned(),
            identity: sandbox.identity_url().to_owned(),
            iceberg: (of("LAKE_ICEBERG_URL"), Some(of("LAKE_ICEBERG_WAREHOUSE"))),
            stac: own.stac,
            prefect: own.prefect,
            s3: own.s3,
            region: own.region,
            access_key: own.access_key,
            secret_key: own.secret_key,
            aliases: Vec::new(),
            kubeconfig: None,
        }
    }

    /// The configuration file that leads there. A request may take long: tests hold some, on machines as slow as may be,
    /// and what is given up is asked for again.
    pub fn configuration(&self) -> String {
        let keys = match self.access_key.as_str() {
            "" => String::new(),
            access_key => {
                format!(
                    "access_key = {access_key:?}\nsecret_key = {:?}\n",
                    self.secret_key
                )
            }
        };
        format!(
            "http.timeout = \"10m\"\nstac_url = {:?}\nprefect_url = {:?}\nloki_url = {:?}\ningest_url = {:?}\n[s3]\nendpoint = {:?}\n\
             region = {:?}\n{keys}aliases = {:?}\n[stac]\ntoken = {:?}\n\
             headers = {{ X-Canary = {:?} }}\n[prefect]\ntoken = {:?}\n[loki]\ntoken = {:?}\n[ingest]\ntoken = {:?}\nuser = \"operator\"\n",
            self.stac,
            self.prefect,
            self.loki,
            self.ingest,
            self.s3,
            self.region,
            self.aliases,
            canary::STAC,
            canary::HEADER,
            canary::PREFECT,
            canary::LOKI,
            canary::INGEST,
        )
    }

    /// An operator whose configuration leads there; without keys for the store where there are none here.
    pub fn operator(&self) -> Operator {
        if self.kubeconfig.is_none() && std::env::var_os("DASHICTL_TEST_TUNNELS").is_some() {
            return tunnelled(self).operator();
        }
        let operator = Operator::new();
        operator.config(&self.configuration());
        if let Some(kubeconfig) = &self.kubeconfig {
            let text = std::fs::read_to_string(kubeconfig).unwrap();
            operator.home_file(".kube/config", &text);
        }
        operator
    }
}

/// The same lake through the cluster, taps and all: so `make test-full` runs what is typed at lakes once more.
fn tunnelled(plain: &Addresses) -> Addresses {
    static NAMESPACE: OnceLock<Namespace> = OnceLock::new();
    NAMESPACE.get_or_init(Namespace::new).lake(plain)
}

/// The configuration file that leads to the real lake.
pub fn real_configuration() -> String {
    Addresses::of_the_real_lake().configuration()
}

/// The secret key of the real lake, where that is up.
pub fn real_secret_key() -> Option<String> {
    env_file()
        .exists()
        .then(|| real_lake().get("DASHI_S3_SECRET_KEY").cloned())?
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

/// What the real lake has no program for: the Loki of a sandbox, and an ingest-api in front of the lake's own services.
fn beside(lake: &IngestLake) -> (&'static Sandbox, &'static IngestApi) {
    static BESIDE: OnceLock<(Running, IngestApi)> = OnceLock::new();
    let (running, ingest) = BESIDE.get_or_init(|| {
        let running = Running::start();
        let starting = IngestApi::start(lake.clone(), 0);
        let ingest = running.runtime.block_on(starting).unwrap();
        (running, ingest)
    });
    (&running.sandbox, ingest)
}

/// A sandbox in this process, with a folder of its own. It stops before its runtime, and the folder goes last.
struct Running {
    sandbox: Sandbox,
    runtime: Runtime,
    folder: TempDir,
}

impl Drop for Running {
    /// What the lake was given to keep (objects, lines of Loki) holds no secret.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            canary::assert_none_below(self.folder.path());
        }
    }
}

impl Running {
    fn start() -> Running {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sandbox");
        let starting = Sandbox::start(&path, Ports::default());
        let sandbox = runtime.block_on(starting).unwrap();
        Running {
            sandbox,
            runtime,
            folder,
        }
    }
}
