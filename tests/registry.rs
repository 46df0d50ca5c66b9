//! The reference as a set: every native function and library function has its parts, and every example runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lakes::{Lake, on_both_lakes, real_configuration};
use super::operator::Operator;
use super::visit::Visit;
use dashictl::effects::Effect;
use dashictl::engine::Engine;
use dashictl::engine::registry::Function;
use dashictl::script::library::files;

/// A run on a sandbox of its own that may do anything.
struct Rehearsal {
    engine: Engine,
    visit: Visit,
}

impl Rehearsal {
    fn new() -> Rehearsal {
        Rehearsal::on(Lake::Sandbox)
    }

    fn on(lake: Lake) -> Rehearsal {
        let folder = tempfile::tempdir().unwrap();
        let context = (lake == Lake::Sandbox).then_some("sandbox");
        if lake == Lake::Real {
            let file = folder.path().join(".config/dashi/config.toml");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, real_configuration()).unwrap();
        }
        let visit = Visit::from(folder, context, &[]);
        Rehearsal {
            engine: Engine::new(&visit.session),
            visit,
        }
    }

    /// One by somebody who may do anything in the cluster of the tests.
    fn in_cluster() -> Rehearsal {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".kube/config");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::copy(super::cluster::admin(), file).unwrap();
        let visit = Visit::from(folder, None, &[]);
        Rehearsal {
            engine: Engine::new(&visit.session),
            visit,
        }
    }

    /// The value of an example as text that is equal for equal values.
    fn value(&self, name: &str, text: &str) -> String {
        let program = dashictl::script::program::Program {
            source: name,
            text,
            effect: Effect::Destroy,
            paths: Vec::new(),
            fields: None,
        };
        let value = dashictl::script::run::evaluate(
            &self.engine,
            &self.visit.session,
            program,
            serde_json::Map::new(),
        );
        match value {
            Ok(value) => format!("{value:?}"),
            Err(error) => panic!("{name}:\n{text}\n{}", dashictl::report::draw(&error, false)),
        }
    }

    /// Runs an example, and compares its value with that after `//=>`.
    fn rehearse(&self, name: &str, example: &str) {
        let (code, expected): (Vec<&str>, Vec<&str>) =
            example.lines().partition(|line| !line.starts_with("//=>"));
        let value = self.value(name, &code.join("\n"));
        if let Some(expected) = expected.first() {
            let expected = expected.trim_start_matches("//=>").trim();
            assert_eq!(value, self.value(name, expected), "{name}:\n{example}");
        }
    }
}

#[test]
fn every_function_has_its_parts() {
    let rehearsal = Rehearsal::new();
    let functions: Vec<&Arc<Function>> = rehearsal.engine.registry.functions().collect();
    assert!(functions.len() > 50);
    for function in functions {
        let name = function.path();
        let summary = function.summary();
        assert!(
            summary.ends_with('.') || summary.contains(". "),
            "{name}: the summary is no sentence: {summary}"
        );
        assert!(!function.examples().is_empty(), "{name} has no example");
        assert!(
            function
                .parameters
                .iter()
                .all(|parameter| !parameter.kind.is_empty()),
            "{name}"
        );
        assert!(!function.returns.is_empty(), "{name}");
        for option in function.options {
            assert!(
                !option.doc.trim().is_empty(),
                "option {} of {name} has no text",
                option.name
            );
        }
    }
}

#[test]
fn every_example_of_a_function_runs_and_gives_what_it_says() {
    let shared = Rehearsal::new();
    let functions: Vec<Arc<Function>> = shared.engine.registry.functions().cloned().collect();
    let changing = functions
        .iter()
        .filter(|function| function.effect != Effect::Read);
    let calls: Vec<String> = changing
        .map(|function| format!("{}(", function.path()))
        .collect();
    let here = |function: &&Arc<Function>| !is_of_cluster(function) && !is_of_sandbox(function);
    for function in functions.iter().filter(here) {
        for example in function.examples() {
            // An example that changes the lake gets one of its own.
            if calls.iter().any(|call| example.contains(call)) {
                Rehearsal::new().rehearse(&function.path(), &example);
            } else {
                shared.rehearse(&function.path(), &example);
            }
        }
    }
}

#[test]
fn every_example_of_a_function_of_the_cluster_runs_and_gives_what_it_says() {
    let rehearsal = Rehearsal::in_cluster();
    let functions: Vec<Arc<Function>> = rehearsal.engine.registry.functions().cloned().collect();
    let of_cluster: Vec<_> = functions.into_iter().filter(is_of_cluster).collect();
    assert!(of_cluster.len() > 3);
    for function in of_cluster {
        for example in function.examples() {
            rehearsal.rehearse(&function.path(), &example);
        }
    }
}

/// They run the program that they are in, and leave faults behind: each is evaluated by itself.
#[test]
fn every_example_of_a_function_of_the_sandbox_runs_and_gives_what_it_says() {
    let rehearsal = Rehearsal::new();
    let functions = rehearsal
        .engine
        .registry
        .functions()
        .filter(|function| is_of_sandbox(function));
    let mut count = 0;
    for example in functions.flat_map(|function| function.examples()) {
        let operator = Operator::in_context("sandbox");
        let value = |text: &str| operator.run(&["--json", "eval", text]).json();
        let (code, expected) = example.split_once("//=>").unwrap();
        assert_eq!(value(code), value(expected.trim()), "{example}");
        count += 1;
    }
    assert!(count >= 5, "only {count} examples were found");
}

fn is_of_sandbox(function: &Arc<Function>) -> bool {
    function.path().starts_with("sandbox::")
}

/// The sandbox has no Kubernetes.
fn is_of_cluster(function: &Arc<Function>) -> bool {
    function.path().starts_with("k8s::")
}

#[test]
fn every_example_of_a_shipped_library_runs_and_gives_what_it_says() {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib");
    let rehearsal = Rehearsal::new();
    let mut count = 0;
    for path in files(&root) {
        let text = std::fs::read_to_string(&path).unwrap();
        let docs: String = text
            .lines()
            .map(|line| {
                line.strip_prefix("///")
                    .map_or("\u{0}", |line| line.trim_start_matches(' '))
            })
            .collect::<Vec<_>>()
            .join("\n");
        for example in docs.split("```rhai\n").skip(1) {
            rehearsal.rehearse(
                &path.display().to_string(),
                example.split("```").next().unwrap(),
            );
            count += 1;
        }
    }
    assert!(count >= 7, "only {count} examples were found");
}

on_both_lakes! {
    fn records_are_removed_and_a_collection_only_when_it_is_empty(lake) {
        let id = Lake::name("removed");
        let script = format!("
            let collection = stac::collection(\"gelaende-umwelt\");
            collection.id = \"{id}\";
            collection.links = [];
            stac::put_collection(collection);
            stac::put_item(#{{ type: \"Feature\", stac_version: \"1.0.0\", id: \"a-b c\", collection: \"{id}\", links: [],
                geometry: #{{ type: \"Point\", coordinates: [8.0, 50.0] }}, bbox: [8.0, 50.0, 8.0, 50.0],
                properties: #{{ datetime: \"2026-04-27T00:00:00Z\" }}, assets: #{{}} }});
            let refused = ();
            try {{ stac::delete_collection(\"{id}\") }} catch (e) {{ refused = e.message; }}
            let had = stac::count(\"{id}\");
            stac::delete_item(\"{id}\", \"a-b c\");
            let again = ();
            try {{ stac::delete_item(\"{id}\", \"a-b c\") }} catch (e) {{ again = e.kind; }}
            stac::delete_collection(\"{id}\");
            [refused, had, again, stac::try_collection(\"{id}\")]");
        let value = Rehearsal::on(lake).value("removal", &script);
        assert_eq!(value, format!("[\"collection '{id}' holds 1 items\", 1, \"not_found\", ()]"));
    }
}
