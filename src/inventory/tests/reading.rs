//! Orphans that are worked off while the catalogue goes on: what is known of it is read again, and counts from then on.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::config::{Config, Environment, Flags, Service};
use crate::effects::{Effect, Gate};
use crate::engine::interrupt::Interrupt;
use crate::inventory::{Granularity, Orphans, Services, Sweep};
use crate::lake::Role;
use crate::output::{Colour, Console};
use crate::session::{Session, Setup};

/// A sandbox of the test's own.
struct Lake {
    session: Session,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Lake {
    fn new() -> Lake {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_string_lossy().into_owned();
        let environment: Environment = [("HOME".to_owned(), home)].into_iter().collect();
        let flags = Flags {
            context: Some("sandbox".to_owned()),
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
            gate: Gate::performing(Effect::Read),
            console: Console::of_process(true, Colour::Never, true),
            runtime: runtime.handle().clone(),
            interrupt: Interrupt::default(),
            verbosity: 0,
        });
        Lake {
            session,
            _runtime: runtime,
            _folder: folder,
        }
    }

    fn services(&self) -> Services {
        let session = &self.session;
        Services {
            stac: session.stac().unwrap().clone(),
            s3: session.s3().unwrap().clone(),
            prefect: session.prefect().unwrap().clone(),
            lake: session.lake().unwrap().clone(),
        }
    }

    /// Registers an item of that href, past the program.
    fn register(&self, href: &str) {
        let stac = self.session.config().service(Service::Stac).unwrap();
        let stac = stac.url.as_str().trim_end_matches('/').to_owned();
        let item = json!({
            "type": "Feature", "stac_version": "1.0.0", "id": "late", "collection": "gelaende-umwelt", "links": [],
            "geometry": {"type": "Point", "coordinates": [8.0, 50.0]}, "bbox": [8.0, 50.0, 8.0, 50.0],
            "properties": {"datetime": "2026-04-27T00:00:00Z"}, "assets": {"data": {"href": href}},
        });
        let posting = async {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let url = format!("{stac}/collections/gelaende-umwelt/items");
            let answer = http.post(url).json(&item).send().await.unwrap();
            assert!(answer.status().is_success(), "{answer:?}");
            Ok(())
        };
        self.session.wait(posting).unwrap();
    }

    /// The orphans that are found, and those that are read after the first of them was registered.
    fn read(&self, known_for: Duration) -> (Vec<Value>, Vec<Value>) {
        let sweep = Sweep {
            bucket: "processed".to_owned(),
            role: Role::Processed,
            granularity: Granularity::Object,
            min_age: SignedDuration::ZERO,
            since: Timestamp::now() + SignedDuration::from_hours(1),
            protect: Vec::new(),
            share: None,
            known_for,
        };
        let services = self.services();
        let found = self.session.wait(Orphans::find(&services, sweep)).unwrap();
        let samples: Vec<Value> = found.summary.samples.iter().map(|uri| json!(uri)).collect();
        self.register(samples[0].as_str().unwrap());
        let mut reading = found.reading(services);
        let rows = self.session.wait(reading.page()).unwrap().unwrap();
        (
            samples,
            rows.into_iter().map(|row| row["uri"].clone()).collect(),
        )
    }
}

#[test]
fn what_is_registered_while_orphans_are_worked_off_is_left_out_of_the_rest() {
    let (found, left) = Lake::new().read(Duration::ZERO);
    assert!(found.len() > 1);
    assert_eq!(left, found[1..]);
}

#[test]
fn what_was_read_just_now_is_not_read_again() {
    let (found, left) = Lake::new().read(Duration::from_mins(5));
    assert_eq!(left, found);
}
