//! One run: its configuration, the runtime, the gate, how it is stopped, and the clients, each built when it is first
//! asked for. Everything that a native function needs and that is not its argument hangs here.

mod cluster;
mod iceberg;
mod identity;
mod sandbox;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;

use tokio::runtime::Handle;

use crate::clients::cluster::Cluster;
use crate::clients::http::{Sender, Tracer};
use crate::clients::iceberg::Tables;
use crate::clients::identity::Identity;
use crate::clients::ingest::Ingest;
use crate::clients::loki::Loki;
use crate::clients::prefect::Prefect;
use crate::clients::presigned::Presigned;
use crate::clients::s3::S3;
use crate::clients::stac::Stac;
use crate::clients::tunnel::Tunnels;
use crate::clients::web::Web;
use crate::config::{Config, Environment, Secret, Service, ServiceSettings};
use crate::effects::{Gate, Journals};
use crate::engine::callback::Callback;
use crate::engine::interrupt::Interrupt;
use crate::error::{Error, Result};
use crate::inventory::{self, Referenced, Wanted};
use crate::lake::{self, Lake};
use crate::named_paths::NamedPaths;
use crate::output::Console;
use crate::sandbox::Sandbox;
use crate::sources::Sources;

/// One run. Clones are the same run.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

/// What a run is made of.
pub struct Setup {
    /// The resolved configuration.
    pub config: Config,
    /// The environment variables.
    pub environment: Environment,
    /// The working folder: where `fs::` and relative imports of unnamed scripts look.
    pub folder: PathBuf,
    /// What it may change.
    pub gate: Gate,
    /// Where it prints.
    pub console: Console,
    /// Where its waiting work runs.
    pub runtime: Handle,
    /// How it is stopped.
    pub interrupt: Interrupt,
    /// Traces of requests: 0 none, 1 lines, 2 with headers and bodies.
    pub verbosity: u8,
}

struct Inner {
    setup: Setup,
    engine: OnceLock<Weak<rhai::Engine>>,
    sources: Sources,
    sandbox: Mutex<Option<Sandbox>>,
    endpoints: OnceLock<Config>,
    tracer: OnceLock<Tracer>,
    stac: OnceLock<Stac>,
    s3: OnceLock<S3>,
    prefect: OnceLock<Prefect>,
    loki: OnceLock<Loki>,
    ingest: OnceLock<Ingest>,
    presigned: OnceLock<Presigned>,
    web: OnceLock<Web>,
    cluster: OnceLock<Cluster>,
    identity: OnceLock<Identity>,
    iceberg: OnceLock<Tables>,
    tunnels: OnceLock<Tunnels>,
    lake: OnceLock<Lake>,
    referenced: Mutex<Option<(Arc<Referenced>, Instant)>>,
    tables: iceberg::Known,
    deferred: Mutex<Vec<Callback>>,
    named_paths: NamedPaths,
}

impl Session {
    /// A run that has touched nothing yet.
    #[must_use]
    pub fn new(setup: Setup) -> Session {
        Session(Arc::new(Inner {
            setup,
            engine: OnceLock::new(),
            sources: Sources::default(),
            sandbox: Mutex::new(None),
            endpoints: OnceLock::new(),
            tracer: OnceLock::new(),
            stac: OnceLock::new(),
            s3: OnceLock::new(),
            prefect: OnceLock::new(),
            loki: OnceLock::new(),
            ingest: OnceLock::new(),
            presigned: OnceLock::new(),
            web: OnceLock::new(),
            cluster: OnceLock::new(),
            identity: OnceLock::new(),
            iceberg: OnceLock::new(),
            tunnels: OnceLock::new(),
            lake: OnceLock::new(),
            referenced: Mutex::new(None),
            tables: iceberg::Known::default(),
            deferred: Mutex::new(Vec::new()),
            named_paths: NamedPaths::default(),
        }))
    }

    /// The configuration as it was resolved; a sandbox that has not been asked yet has no endpoints in it.
    #[must_use]
    pub fn config(&self) -> &Config {
        self.0.endpoints.get().unwrap_or(&self.0.setup.config)
    }

    /// The environment variables.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.0.setup.environment
    }

    /// The working folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.setup.folder
    }

    /// The local paths that the operator typed.
    #[must_use]
    pub fn named_paths(&self) -> &NamedPaths {
        &self.0.named_paths
    }

    /// What this run may change.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.0.setup.gate
    }

    /// Where it prints.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.0.setup.console
    }

    /// Where its waiting work runs.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        &self.0.setup.runtime
    }

    /// How it is stopped.
    #[must_use]
    pub fn interrupt(&self) -> &Interrupt {
        &self.0.setup.interrupt
    }

    /// The journals of this machine.
    pub fn journals(&self) -> Result<Journals> {
        Ok(Journals::below(&self.environment().state_dir()?))
    }

    /// The texts of the scripts of this run, for excerpts.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.0.sources
    }

    /// Waits for work on the runtime, on a thread that is not of the runtime. A stop of the run ends the wait.
    pub fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime().block_on(self.stoppable(work))
    }

    /// The same within work that is waited for.
    pub async fn stoppable<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.interrupt().stopped() => Err(Error::interrupted()),
            result = work => result,
        }
    }

    /// Waits for work that must not be left half done: a stop of the run does not end the wait. What is waited for has
    /// its own time limits.
    pub fn finish<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime().block_on(work)
    }

    /// Makes the engine known, for closures that outlive the call they were handed to.
    pub(crate) fn set_engine(&self, engine: &Arc<rhai::Engine>) {
        let _ = self.0.engine.set(Arc::downgrade(engine));
    }

    /// The engine, while it lives.
    pub(crate) fn engine(&self) -> Option<Arc<rhai::Engine>> {
        self.0.engine.get().and_then(Weak::upgrade)
    }

    /// Keeps a secret that a script took out of every trace and error.
    pub(crate) fn hide(&self, secret: &Secret) {
        self.tracer().hide(secret.clone());
    }

    /// An error without any secret that this run has used, wherever its words come from.
    #[must_use]
    pub fn redacted(&self, error: Error) -> Error {
        error.reworded(|text| self.tracer().redacted(text))
    }

    /// A text without any secret that this run has used.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.tracer().redacted(text)
    }

    /// A line that `-v` shows.
    pub fn trace(&self, line: &str) {
        self.tracer().line(line);
    }

    /// Warns, without any secret that this run has used.
    pub fn warn(&self, text: &str) {
        self.console().warn(&self.redact(text));
    }

    fn tracer(&self) -> &Tracer {
        self.0.tracer.get_or_init(|| {
            let console = self.console().clone();
            let say = move |line: &str| console.say(line);
            Tracer::new(
                say,
                self.0.setup.verbosity,
                self.config()
                    .secrets()
                    .chain(self.config().held_secrets())
                    .cloned()
                    .collect(),
            )
        })
    }

    /// Reads secrets where they are: a file, or a command, which may take its time and must not hold Ctrl-C up.
    fn reveal<'a>(&self, secrets: impl Iterator<Item = &'a Secret>) -> Result<()> {
        for secret in secrets.filter(|secret| secret.known().is_none()) {
            let secret = secret.clone();
            let reading = self
                .runtime()
                .spawn_blocking(move || secret.expose().map(drop));
            self.wait(async {
                reading
                    .await
                    .map_err(|_| Error::internal("a secret could not be read"))?
            })?;
        }
        Ok(())
    }

    fn sender(&self, service: Service) -> Result<Sender> {
        let mut settings = self.endpoints()?.service(service)?;
        self.reach(&mut settings, [])?;
        Ok(Sender::new(settings, self.tracer().clone()))
    }

    /// Makes a service reachable: digs the tunnel to it, and reads its secrets and these.
    fn reach<'a>(
        &self,
        settings: &mut ServiceSettings,
        more: impl IntoIterator<Item = &'a Secret>,
    ) -> Result<()> {
        self.dig(&settings.url, &mut settings.transport)?;
        let headers = settings.headers.iter().map(|(_, secret)| secret);
        self.reveal(settings.token.iter().chain(headers))?;
        self.reveal(more.into_iter())
    }

    /// The client of the STAC catalogue.
    pub fn stac(&self) -> Result<&Stac> {
        once(&self.0.stac, || Ok(Stac::new(self.sender(Service::Stac)?)))
    }

    /// The client of Prefect.
    pub fn prefect(&self) -> Result<&Prefect> {
        once(&self.0.prefect, || {
            Ok(Prefect::new(self.sender(Service::Prefect)?))
        })
    }

    /// The client of Loki.
    pub fn loki(&self) -> Result<&Loki> {
        once(&self.0.loki, || Ok(Loki::new(self.sender(Service::Loki)?)))
    }

    /// The client of the ingest-api.
    pub fn ingest(&self) -> Result<&Ingest> {
        once(&self.0.ingest, || {
            Ok(Ingest::new(self.sender(Service::Ingest)?))
        })
    }

    /// The client of the store by URLs that somebody else has signed.
    pub fn presigned(&self) -> Result<&Presigned> {
        once(&self.0.presigned, || {
            Ok(Presigned::new(self.store()?, self.tracer().clone()))
        })
    }

    /// The client of servers that are no service of the lake.
    pub fn web(&self) -> Result<&Web> {
        once(&self.0.web, || {
            Ok(Web::new(self.config().web()?, self.tracer().clone()))
        })
    }

    /// The client of the object store.
    pub fn s3(&self) -> Result<&S3> {
        once(&self.0.s3, || {
            let settings = self.store()?;
            self.reveal(
                [
                    &settings.access_key,
                    &settings.secret_key,
                    &settings.session_token,
                ]
                .into_iter()
                .flatten(),
            )?;
            S3::new(settings, self.tracer().clone())
        })
    }

    /// What the configuration says of the lake: where its objects are and how they are spelt.
    pub fn lake(&self) -> Result<&Lake> {
        once(&self.0.lake, || {
            let config = self.endpoints()?;
            let s3 = config.s3()?;
            let services = service_urls(config);
            let services: Vec<(&str, &str)> = services
                .iter()
                .map(|(setting, url)| (*setting, url.as_str()))
                .collect();
            let aliases: Vec<String> = s3.aliases.iter().map(ToString::to_string).collect();
            Lake::new(&lake::Settings {
                endpoint: s3.endpoint.as_str(),
                aliases: &aliases,
                landing: &s3.landing_bucket,
                processed: &s3.processed_bucket,
                curated: &s3.curated_bucket,
                others: &[],
                services: &services,
            })
        })
    }

    /// What the catalogue refers to: read whole when it is first asked for in a pass of the script, and again where that
    /// is long ago.
    pub fn referenced(&self) -> Result<Arc<Referenced>> {
        let mut referenced = self
            .0
            .referenced
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((known, read)) = &*referenced
            && read.elapsed() < inventory::KNOWN_FOR
        {
            return Ok(Arc::clone(known));
        }
        let (stac, lake) = (self.stac()?, self.lake()?);
        let read = Arc::new(self.wait(Referenced::read(stac, lake, Wanted::default()))?);
        *referenced = Some((Arc::clone(&read), Instant::now()));
        Ok(read)
    }

    /// Takes over what the catalogue refers to, as it was just read for something else.
    pub fn know(&self, read: Arc<Referenced>) {
        *self
            .0
            .referenced
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((read, Instant::now()));
    }

    /// Begins a pass of the script: what was known of the lake is forgotten, so that it is looked at anew.
    pub fn begin_pass(&self) {
        *self
            .0
            .referenced
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
        self.forget_tables();
        self.0
            .deferred
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.interrupt().begin_pass();
    }

    /// Keeps a closure for the end of the run.
    pub(crate) fn defer(&self, work: Callback) {
        self.0
            .deferred
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(work);
    }

    /// Runs what was deferred, the last first, each once, also when the run was stopped. Gives the first failure.
    pub fn run_deferred(&self) -> Result<()> {
        // A pass that ended where its plan did goes on later; what was deferred is for the end.
        if self.interrupt().part_end().is_some() {
            return Ok(());
        }
        let mut failed = Ok(());
        loop {
            let next = self
                .0
                .deferred
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let Some(work) = next else { break };
            // One that calls `exit`, or is itself stopped, keeps none of the others.
            let resume_stop = self.interrupt().suspend();
            let done = work.call::<rhai::Dynamic>(()).map(drop);
            resume_stop();
            let done = done.map_err(|error| crate::engine::raise::caught(&error, work.source()));
            failed = failed.and(done);
        }
        failed
    }
}

/// Where the services are that hold no objects, by their setting; one that is switched off or cannot be reached from
/// here has no links.
fn service_urls(config: &Config) -> Vec<(&'static str, String)> {
    let reachable = Service::ALL
        .into_iter()
        .filter_map(|service| config.service(service).ok());
    reachable
        .map(|settings| (settings.setting, settings.url.to_string()))
        .collect()
}

/// The value of a cell that is filled when it is first asked for; a failure is not kept.
fn once<T>(cell: &OnceLock<T>, build: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let built = build()?;
    Ok(cell.get_or_init(|| built))
}
