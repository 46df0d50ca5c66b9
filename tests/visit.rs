//! A run of the library without a script: a session on a lake, for tests of what no command shows alone.

use dashictl::config::{Config, Environment, Flags};
use dashictl::effects::{Change, Effect, Gate};
use dashictl::engine::interrupt::Interrupt;
use dashictl::output::{Colour, Console};
use dashictl::session::{Session, Setup};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::fake::FakeService;

/// A run without a script, which may do anything.
pub struct Visit {
    pub session: Session,
    _runtime: Runtime,
    _folder: TempDir,
}

impl Visit {
    /// On a sandbox of its own.
    pub fn of_sandbox() -> Visit {
        Visit::new(Some("sandbox"), &[])
    }

    /// On a catalogue that misbehaves.
    pub fn of_catalogue(service: &FakeService) -> Visit {
        Visit::new(None, &[("DASHI_STAC_URL", service.url())])
    }

    fn new(context: Option<&str>, variables: &[(&str, &str)]) -> Visit {
        let at_once = [("DASHI_HTTP_RETRIES", "0")];
        let folder = tempfile::tempdir().unwrap();
        Visit::from(folder, context, &[&at_once, variables].concat())
    }

    /// Of somebody whose HOME and working folder this is.
    pub fn from(folder: TempDir, context: Option<&str>, variables: &[(&str, &str)]) -> Visit {
        let home = folder.path().to_string_lossy().into_owned();
        let environment: Environment = [("HOME", home.as_str())]
            .iter()
            .chain(variables)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let flags = Flags {
            context: context.map(str::to_owned),
            values: Vec::new(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let session = Session::new(Setup {
            config: Config::load(&flags, &environment).unwrap(),
            environment,
            folder: folder.path().to_path_buf(),
            gate: Gate::performing(Effect::Destroy),
            console: Console::of_process(true, Colour::Never, true),
            runtime: runtime.handle().clone(),
            interrupt: Interrupt::default(),
            verbosity: 0,
        });
        Visit {
            session,
            _runtime: runtime,
            _folder: folder,
        }
    }

    /// Puts an item into the catalogue.
    pub fn put(&self, item: &Value) {
        let change = Change::PutItem {
            record: item.clone(),
        };
        let gate = self.session.gate();
        gate.ask(
            &self.session,
            ("stac::put_item", Effect::Write),
            change.into(),
            Vec::new(),
        )
        .unwrap();
    }
}
