//! Runs that were made elsewhere: another HOME on the same lake lists, shows, resumes and takes back what is kept in the
//! lake's state, and without that state nothing is changed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::deletes::{deleted, deletes_many};
use super::lakes::{Lake, on_both_lakes};
use super::operator::{Operator, Ran};
use super::stage::{Point, Service, Stage, assert_same, journals, runs};
use super::wire::{Hook, lines, reply};

on_both_lakes! {
    fn a_run_made_elsewhere_is_listed_shown_and_taken_back(lake) {
        let (stage, name) = staged(lake);
        let before = stage.snapshot(&name);
        stage.run(&name).success();
        let run = runs(&stage.tapped.operator).pop_last().unwrap();
        let other = stage.somebody_else();
        let listed = other.run(&["log", "list", "--json"]).json();
        assert_eq!((&listed[0]["run"], &listed[0]["here"]), (&run.as_str().into(), &false.into()), "{listed:#}");
        let shown = |operator: &Operator| {
            let ran = operator.run(&["log", "show", &run, "--json"]);
            let stdout = stage.tapped.operator.anonymous(ran.success().as_bytes());
            let mut shown: serde_json::Value = serde_json::from_str(&stdout).unwrap();
            shown.as_object_mut().unwrap().remove("here");
            shown
        };
        let (there, here) = (shown(&other), shown(&stage.tapped.operator));
        assert!(there == here, "{there:#}\n{here:#}");
        assert_eq!(shown(&other)["steps"].as_array().unwrap().len(), 19);
        other.run(&["undo", &run]).success();
        assert_same(&stage.snapshot(&name), &before, &run);
        // The undo is known here in turn, and can be taken back from here.
        let listed = stage.tapped.operator.run(&["log", "list", "--json"]).json();
        assert_eq!((&listed[0]["undoes"], &listed[0]["here"]), (&run.as_str().into(), &false.into()), "{listed:#}");
    }

    fn a_run_killed_elsewhere_is_resumed_from_here_and_taken_back_from_there(lake) {
        let (stage, name) = staged(lake);
        let before = stage.snapshot(&name);
        let first = &stage.tapped.operator;
        let (other, third) = (stage.somebody_else(), stage.somebody_else());
        let in_the_middle = Point { service: Service::Catalogue, n: 1, swallowed: false };
        stage.kill(in_the_middle, || first.start(&stage.order(&name)));
        let run = runs(first).pop_last().unwrap();
        // Killed here as well, at its first delete.
        stage.tapped.s3.counting(|request| deletes_many(request, "/batch/"));
        let at_a_delete = Point { service: Service::Store, n: 0, swallowed: true };
        stage.kill(at_a_delete, || other.start(&["resume", &run]));
        let _ = third.run(&["resume", &run]).success();
        for operator in [first, &other, &third] {
            let shown = operator.run(&["log", "show", &run, "--json"]).json();
            let [outcome, done] = ["outcome", "done"].map(|part| &shown[part]);
            assert_eq!((outcome, done), (&"done".into(), &19.into()), "{shown:#}");
            assert_eq!(operator.run(&["log", "list", "--json"]).json()[0]["outcome"], "done");
            assert!(operator.run(&["resume", &run]).success().is_empty());
        }
        // Whose machine saw but a part of it takes back all of it.
        let _ = other.run(&["undo", &run]).success();
        assert_same(&stage.snapshot(&name), &before, &run);
    }

    fn a_run_that_is_still_at_it_is_neither_resumed_nor_taken_back(lake) {
        let (stage, name) = staged(lake);
        let first = &stage.tapped.operator;
        stage.forget();
        stage.tapped.stac.at_change(1, Hook::Hold);
        let child = first.start(&stage.order(&name));
        stage.tapped.stac.wait_until_held();
        let run = runs(first).pop_last().unwrap();
        for (operator, verb) in [(first, "resume"), (&stage.somebody_else(), "undo")] {
            let stderr = operator.run(&[verb, &run]).failure(1);
            assert!(stderr.contains(&format!("'killed-runs' is locked by run {run} (dashictl mixed")), "{stderr}");
        }
        stage.tapped.stac.release();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn a_run_that_comes_to_its_end_while_another_resumes_it_is_left_to_itself(lake) {
        let (stage, name) = staged(lake);
        let before = stage.snapshot(&name);
        let (first, other) = (&stage.tapped.operator, stage.somebody_else());
        stage.forget();
        stage.tapped.stac.at_change(1, Hook::Hold);
        let child = first.start(&stage.order(&name));
        stage.tapped.stac.wait_until_held();
        let run = runs(first).pop_last().unwrap();
        // The other has read the journal and is about to take the lock.
        let store = &stage.tapped.s3;
        store.forget();
        store.counting(|request| request.target.contains("/probes/")).at_change(0, Hook::Hold);
        let resuming = other.start(&["resume", &run]);
        store.wait_until_held();
        stage.tapped.stac.release();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        store.release();
        let output = resuming.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && stderr.contains("went on while it was read"), "{stderr}");
        assert!(other.run(&["resume", &run]).success().is_empty());
        let _ = other.run(&["undo", &run]).success();
        assert_same(&stage.snapshot(&name), &before, &run);
    }

    fn state_is_kept_where_the_configuration_says_for_its_owner_alone(lake) {
        let (stage, name) = staged(lake);
        stage.forget();
        stage.run(&name).success();
        let run = runs(&stage.tapped.operator).pop_last().unwrap();
        let (state, trash) = (format!("/killed-runs/{}/", stage.state), format!("/killed-runs/.dashi-trash/{run}/"));
        let data = format!("/killed-runs/{name}/");
        for change in stage.changes(Service::Store) {
            let many = deleted(&change);
            let targets = if many.is_empty() { vec![change.target.clone()] } else { many };
            for target in targets {
                let is_known = [&state, &trash, &data].iter().any(|place| target.starts_with(place.as_str()));
                assert!(is_known, "{}", change.line());
            }
        }
        let other = stage.somebody_else();
        let _ = other.run(&["undo", &run, "--dry-run"]).success();
        let _ = other.run(&["undo", &run]).success();
        for operator in [&stage.tapped.operator, &other] {
            assert_private(&journals(operator));
        }
    }

    fn without_a_journal_on_this_machine_nothing_is_changed(lake) {
        let (stage, name) = staged(lake);
        stage.tapped.operator.home_file(".local/state/dashi", "no folder");
        assert_nothing_is_changed(&stage, &name, |ran| {
            let stderr = ran.failure(1);
            assert!(stderr.contains("~/.local/state/dashi") && stderr.contains("XDG_STATE_HOME"), "{stderr}");
        });
    }

    fn without_a_journal_in_the_lake_nothing_is_changed(lake) {
        let (stage, name) = staged(lake);
        for refused in ["", "/probes/", "/locks/", "/runs/", "/nonces/", "/plans/"] {
            let below = format!("/killed-runs/{}{refused}", stage.state);
            stage.tapped.s3.answering(move |request| {
                let is_refused = request.method == "PUT" && request.target.starts_with(&below);
                is_refused.then(denied)
            });
            assert_nothing_is_changed(&stage, &name, |ran| {
                let stderr = ran.failure(1);
                assert!(stderr.contains("AccessDenied") && stderr.contains("state.url"), "{refused}: {stderr}");
            });
        }
    }

    fn a_journal_that_breaks_off_ends_the_run(lake) {
        let (stage, name) = staged(lake);
        let before = stage.snapshot(&name);
        let runs_folder = format!("/killed-runs/{}/runs/", stage.state);
        // Of the journal's pieces, so many are taken: the run, the audit line, what is begun and ended.
        for taken in 2..8 {
            let (below, count) = (runs_folder.clone(), std::sync::atomic::AtomicUsize::new(0));
            stage.tapped.s3.answering(move |request| {
                let is_piece = request.method == "PUT" && request.target.starts_with(&below);
                let is_over = is_piece && count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= taken;
                is_over.then(denied)
            });
            stage.forget();
            let ran = stage.run(&name);
            assert!(matches!(ran.code, Some(1 | 4)) && ran.stderr.contains("AccessDenied"), "{taken}: {ran}");
            let changes = stage.data_changes().len();
            assert_eq!(changes, (taken - 1) / 2, "{taken}: {}", stage.told());
            stage.tapped.s3.answering(|_| None);
            let run = runs(&stage.tapped.operator).pop_last().unwrap();
            let ran = stage.tapped.operator.run(&["undo", &run]);
            assert_eq!(ran.code, Some(0), "{taken}: {ran}");
            assert_same(&stage.snapshot(&name), &before, &format!("{taken}"));
        }
    }
}

fn staged(lake: Lake) -> (Stage, String) {
    let stage = Stage::new(lake);
    let name = stage.data(1).remove(0);
    (stage, name)
}

fn denied() -> String {
    reply(
        "403 Forbidden",
        "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>",
    )
}

/// Tries a run, and sees that nothing of its data has been asked to change.
fn assert_nothing_is_changed(stage: &Stage, name: &str, ended: impl Fn(Ran)) {
    stage.forget();
    ended(stage.run(name));
    assert_eq!(lines(&stage.data_changes()), [""; 0]);
}

/// Everything below a folder is its owner's alone.
fn assert_private(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_private(&path);
        } else {
            assert_eq!(mode, 0o600, "{}: {mode:o}", path.display());
        }
    }
    let mode = folder.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "{}: {mode:o}", folder.display());
}
