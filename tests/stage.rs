//! The stage for runs that are killed, resumed and taken back: a tapped lake with a bucket, a domain and a state prefix of
//! the test's own, so that no other test's lock or journal is in the way, and an operator with a runbook of every effect.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Child;

use serde_json::Value;

use super::deletes::deleted;
use super::lakes::{Lake, Tapped};
use super::operator::{Operator, Ran};
use super::taps::store;
use super::wire::{Hook, Request, Wire, lines, reply};

/// No bucket of the lake: no walk of a catalogue that other tests change stands before a delete. All tests share it.
pub const BUCKET: &str = "killed-runs";

/// The status that a request is answered with which never reaches the service.
const SWALLOWED: u16 = 599;

/// Creates, replaces, copies and deletes, one by one and as a batch. Two targets are changed twice.
const MIXED: &str = include_str!("stage/mixed.rhai");

/// The plan of this one has three parts, each of which depends on results of the one before.
const CHAINED: &str = include_str!("stage/chained.rhai");

/// What a run of the runbook finds. What it replaces has content of its own, what it copies is not small.
const SETUP: &str = include_str!("stage/setup.rhai");

/// Everything of one name: objects with their content, records without their links.
const SNAPSHOT: &str = include_str!("stage/snapshot.rhai");

/// The tapped lake with what a test needs there.
pub struct Stage {
    pub tapped: Tapped,
    domain: String,
    /// The prefix in the store that lock, plan and journal are kept under.
    pub state: String,
}

/// The point on the wire where a run is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub service: Service,
    /// The change, from 0.
    pub n: usize,
    /// Whether the service never hears of that change; else only the run never hears of its end.
    pub swallowed: bool,
}

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Store,
    Catalogue,
}

/// Whether a request only finds out what a store can do.
fn is_probe(request: &Request) -> bool {
    let is_below = |target: &str| target.contains("/probes/");
    is_below(&request.target) || deleted(request).iter().any(|target| is_below(target))
}

impl Stage {
    pub fn new(lake: Lake) -> Stage {
        let tapped = lake.tapped();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let make = store(&tapped).create_bucket().bucket(BUCKET).send();
        // Another test may have been faster.
        let _ = runtime.block_on(make);
        // A store is tried out by who does not know it yet: other runs do not make these requests.
        tapped
            .s3
            .counting(|request| request.is_change() && !is_probe(request));
        let (domain, state) = (Lake::name("killed"), Lake::name(".state"));
        let stage = Stage {
            tapped,
            domain,
            state,
        };
        stage.keep_state_at(&stage.tapped.operator);
        let operator = &stage.tapped.operator;
        operator.home_file(".config/dashi/scripts/mixed.rhai", MIXED);
        operator.home_file(".config/dashi/scripts/chained.rhai", CHAINED);
        let ran = stage
            .plain()
            .run(&["domain", "create", &stage.domain])
            .success();
        assert!(ran.contains(&stage.domain), "{ran}");
        stage
    }

    fn keep_state_at(&self, operator: &Operator) {
        let path = operator.home().join(".config/dashi/config.toml");
        let text = std::fs::read_to_string(path).unwrap();
        operator.config(&format!(
            "{text}[state]\nurl = \"s3://{BUCKET}/{}/\"\n",
            self.state
        ));
    }

    /// Somebody with another HOME, to whom the same addresses lead through the same taps.
    pub fn somebody_else(&self) -> Operator {
        let here = self
            .tapped
            .operator
            .home()
            .join(".config/dashi/config.toml");
        let other = Operator::new();
        other.config(&std::fs::read_to_string(here).unwrap());
        other
    }

    /// Somebody who goes past the taps.
    fn plain(&self) -> Operator {
        self.tapped.served.operator()
    }

    /// Data of their own for so many runs.
    pub fn data(&self, count: usize) -> Vec<String> {
        let names: Vec<String> = (0..count).map(|_| Lake::name("run")).collect();
        let script = SETUP
            .replace("DOMAIN", &format!("{:?}", self.domain))
            .replace("NAMES", &format!("{names:?}"));
        self.plain()
            .run(&["eval", "--effect", "write", &script])
            .success();
        for name in &names {
            let old = format!("{name}/old.txt");
            self.tapped.operator.work_file(&old, "the original old.txt");
        }
        names
    }

    /// All that there is of one name, under the name that every other has as well.
    pub fn snapshot(&self, name: &str) -> Value {
        let script = SNAPSHOT
            .replace("NAME", &format!("{name:?}"))
            .replace("DOMAIN", &format!("{:?}", self.domain));
        let ran = self.plain().run(&["eval", "--json", &script]);
        let mut all = ran.json();
        let files: BTreeMap<&str, Option<String>> = ["new.txt", "old.txt"]
            .map(|file| {
                let path = self.tapped.operator.work().join(name).join(file);
                (file, std::fs::read_to_string(path).ok())
            })
            .into();
        all["files"] = serde_json::json!(files);
        serde_json::from_str(&all.to_string().replace(name, "NAME")).unwrap()
    }

    /// The command line of the runbook.
    pub fn order<'a>(&'a self, name: &'a str) -> [&'a str; 5] {
        ["mixed", &self.domain, name, "--apply", "--yes"]
    }

    /// The same for the one whose plan has parts.
    pub fn chained<'a>(&'a self, name: &'a str) -> [&'a str; 7] {
        let bound = ["--max-delete", "5"];
        let [.., apply, yes] = self.order(name);
        [
            "chained",
            &self.domain,
            name,
            apply,
            yes,
            bound[0],
            bound[1],
        ]
    }

    /// The run in one go.
    pub fn run(&self, name: &str) -> Ran {
        self.tapped.operator.run(&self.order(name))
    }

    /// Kills a program at a point. What has left it by then comes to its end.
    pub fn kill(&self, point: Point, start: impl FnOnce() -> Child) {
        let wire = self.wire(point.service);
        self.forget();
        wire.at_change(point.n, Hook::Hold);
        let mut child = start();
        if !wire.is_held_before_end(&mut child) {
            let output = child.wait_with_output().unwrap();
            panic!("{point:?} never came: {output:?}\n{}", self.told());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if point.swallowed {
            let status = format!("{SWALLOWED} Swallowed");
            wire.answering(move |_| Some(reply(&status, "")));
        }
        wire.release();
        self.tapped.s3.wait_until_settled();
        self.tapped.stac.wait_until_settled();
        wire.answering(|_| None);
    }

    fn wire(&self, service: Service) -> &Wire {
        match service {
            Service::Store => &self.tapped.s3,
            Service::Catalogue => &self.tapped.stac,
        }
    }

    /// Begins to count changes, from here on.
    pub fn forget(&self) {
        self.tapped.s3.forget();
        self.tapped.stac.forget();
    }

    /// The changes that came to a service since `forget`.
    pub fn changes(&self, service: Service) -> Vec<Request> {
        let mut changes = self.wire(service).changes();
        changes.retain(|request| !is_probe(request));
        changes
    }

    /// The changes of data that were asked for since `forget`. What is the program's own (lock, journal, trash) is left out.
    pub fn data_changes(&self) -> Vec<Request> {
        let own = [".dashi-trash", &self.state].map(|own| format!("/{BUCKET}/{own}/"));
        let is_data = |change: &Request| !own.iter().any(|own| change.target.starts_with(own));
        let all = [Service::Store, Service::Catalogue].map(|service| self.changes(service));
        all.concat().into_iter().filter(is_data).collect()
    }

    /// The points where what has just been run could have been killed.
    pub fn points(&self) -> Vec<Point> {
        let of = |service| {
            (0..self.changes(service).len()).flat_map(move |n| {
                [true, false].map(|swallowed| Point {
                    service,
                    n,
                    swallowed,
                })
            })
        };
        of(Service::Store).chain(of(Service::Catalogue)).collect()
    }

    /// Whether a plan was kept since `forget`, so that there is something to go on with.
    pub fn is_planned(&self) -> bool {
        let changes = self.changes(Service::Store);
        changes
            .iter()
            .any(|change| change.target.contains("/plans/"))
    }

    /// How often a delete of each thing has come to a service since `forget`.
    pub fn deletes(&self) -> BTreeMap<String, usize> {
        let mut deletes = BTreeMap::new();
        let came = self.data_changes().into_iter();
        let came = came.filter(|request| request.answer != Some(SWALLOWED));
        for target in came.flat_map(|request| deleted(&request)) {
            *deletes.entry(target).or_default() += 1;
        }
        deletes
    }

    /// The lines of the changes so far, for a message.
    pub fn told(&self) -> String {
        let all =
            [Service::Store, Service::Catalogue].map(|it| lines(&self.changes(it)).join("\n"));
        all.join("\n--\n")
    }
}

/// The ids of the runs whose journals are on an operator's machine.
pub fn runs(operator: &Operator) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(journals(operator)) else {
        return BTreeSet::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned))
        .filter(|stem| !stem.contains('.'))
        .collect()
}

/// The folder of an operator's journals.
pub fn journals(operator: &Operator) -> PathBuf {
    operator.home().join(".local/state/dashi/runs")
}

/// Some of many, spread over all; all when the long matrices are to be whole.
pub fn sampled<T: Copy>(all: &[T], count: usize) -> Vec<T> {
    if std::env::var_os("DASHICTL_TEST_FULL").is_some() || all.len() <= count {
        return all.to_vec();
    }
    let last = all.len() - 1;
    (0..count).map(|n| all[n * last / (count - 1)]).collect()
}

/// Fails with the parts that differ.
pub fn assert_same(is: &Value, should_be: &Value, at: &str) {
    let parts = |value: &Value| -> BTreeSet<String> {
        let lists = ["objects", "items"].map(|list| value[list].as_array().cloned().unwrap());
        let lists = lists.concat().into_iter().chain([value["files"].clone()]);
        lists
            .map(|part| part.to_string().replace("....", ""))
            .collect()
    };
    let (is, should_be) = (parts(is), parts(should_be));
    let (more, fewer): (Vec<_>, Vec<_>) = (
        is.difference(&should_be).collect(),
        should_be.difference(&is).collect(),
    );
    assert!(
        is == should_be,
        "{at}\nis: {more:#?}\nshould be: {fewer:#?}"
    );
}
