//! A run that is killed between any two effects, and what can be done about it: `resume` brings it to the end that it
//! would have had, `undo` to where it began, and nothing is deleted twice.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use serde_json::Value;

use super::deletes::deletes_many;
use super::lakes::{Lake, on_both_lakes};
use super::operator::{Operator, Ran};
use super::stage::{Point, Service, Stage, assert_same, runs, sampled};
use super::wire::Hook;

on_both_lakes! {
    fn a_run_that_is_killed_anywhere_is_resumed_to_the_same_end(lake) {
        let show = Whole::of(lake);
        let points = sampled(&show.points, 6);
        at_each(&points, &show.stage, |point, name| show.kill_and_resume(point, name));
    }

    fn a_run_that_is_killed_anywhere_is_taken_back_whole(lake) {
        let show = Whole::of(lake);
        let points = sampled(&show.points, 6);
        at_each(&points, &show.stage, |point, name| show.kill_and_undo(point, name));
    }

    fn a_lock_that_a_run_could_not_let_go_any_more_goes_when_it_is_resumed(lake) {
        let show = Whole::of(lake);
        let name = show.stage.data(1).remove(0);
        let released = show.points.iter().rfind(|point| point.service == Service::Store && point.swallowed);
        let run = show.kill(*released.unwrap(), &name).unwrap();
        let locks = || show.operator().run(&["lock", "list", "--json"]).json();
        assert_eq!(locks()[0]["run"], run);
        let _ = show.resumed(&run).success();
        assert_eq!(locks(), serde_json::json!([]));
        let again = show.resumed(&run);
        assert!(again.stderr.contains("nothing is left to do"), "{again}");
        let _ = again.success();
    }

    fn a_run_whose_plan_has_parts_is_resumed_to_the_same_end(lake) {
        let stage = Stage::new(lake);
        let name = stage.data(1).remove(0);
        stage.forget();
        stage.tapped.operator.run(&stage.chained(&name)).success();
        let after = stage.snapshot(&name);
        let points = sampled(&stage.points(), 4);
        at_each(&points, &stage, |point, name| {
            let operator = &stage.tapped.operator;
            let earlier = runs(operator);
            stage.kill(point, || operator.start(&stage.chained(name)));
            if !stage.is_planned() {
                return;
            }
            let run = runs(operator).difference(&earlier).next().unwrap().clone();
            let at = format!("{point:?}, {name}, {run}:\n{}", stage.told());
            let ran = operator.run(&["resume", &run, "--yes", "--max-delete", "5"]);
            assert_eq!(ran.code, Some(0), "{at}\n{ran}");
            assert_same(&stage.snapshot(name), &after, &at);
            assert!(stage.deletes().values().all(|times| *times == 1), "{at}");
            let ran = operator.run(&["undo", &run]);
            assert_eq!(ran.code, Some(0), "{at}\n{ran}");
        });
    }

    fn a_run_that_ended_between_two_parts_of_its_plan_is_gone_on_with(lake) {
        let stage = Stage::new(lake);
        let names = stage.data(2);
        let operator = &stage.tapped.operator;
        operator.run(&stage.chained(&names[0])).success();
        let (order, bound) = (stage.chained(&names[1]), ["--max-delete", "0"]);
        let stderr = operator.run(&[&order[..5], &bound].concat()).failure(4);
        assert!(stderr.contains("--max-delete"), "{stderr}");
        let run = runs(operator).pop_last().unwrap();
        let resumed = operator.run(&["resume", &run, "--yes", "--max-delete", "5"]);
        assert!(resumed.stderr.contains(&format!("[audit] dashictl resume {run}")), "{resumed}");
        let _ = resumed.success();
        assert_same(&stage.snapshot(&names[1]), &stage.snapshot(&names[0]), &run);
    }

    fn after_ctrl_c_the_batch_in_flight_is_finished_and_the_rest_resumed(lake) {
        let show = Whole::of(lake);
        let name = show.stage.data(1).remove(0);
        let store = &show.stage.tapped.s3;
        store.forget();
        store
            .counting(|request| deletes_many(request, "/batch/"))
            .at_change(0, Hook::Hold);
        let child = show.operator().start(&show.stage.order(&name));
        store.wait_until_held();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        // It hears of it before the store's answer.
        thread::sleep(Duration::from_millis(500));
        store.release();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        let run = runs(show.operator()).pop_last().unwrap();
        for hint in ["log show", "resume", "undo"] {
            assert!(stderr.contains(&format!("dashictl {hint} {run}")), "{stderr}");
        }
        let shown = show.operator().run(&["log", "show", &run, "--json"]).json();
        let outcome = |target: &str| {
            let step = shown["steps"].as_array().unwrap().iter().find(|step| step["target"].as_str().unwrap().ends_with(target));
            step.map(|step| step["outcome"].as_str().unwrap().to_owned())
        };
        assert_eq!(shown["outcome"], "interrupted");
        assert!((0..5).all(|n| outcome(&format!("/batch/{n}.bin")).as_deref() == Some("done")), "{shown:#}");
        assert_eq!(outcome("/single.bin"), None);
        let _ = show.resumed(&run).success();
        assert_same(&show.stage.snapshot(&name), &show.after, &run);
    }

    fn a_change_whose_answer_is_lost_is_found_again(lake) {
        let show = Whole::of(lake);
        let names = show.stage.data(2);
        let failed = |name: &str| {
            let store = &show.stage.tapped.s3;
            store.forget();
            let line = format!("PUT /killed-runs/{name}/old.txt");
            store
                .counting(move |request| request.line().starts_with(&line))
                .at_change(0, Hook::ForwardThenDrop);
            let ran = show.stage.run(name);
            assert_eq!(ran.code, Some(4), "{ran}");
            runs(show.operator()).pop_last().unwrap()
        };
        let run = failed(&names[0]);
        let _ = show.operator().run(&["undo", &run]).success();
        assert_same(&show.stage.snapshot(&names[0]), &show.before, &run);

        let run = failed(&names[1]);
        let _ = show.resumed(&run).success();
        assert_same(&show.stage.snapshot(&names[1]), &show.after, &run);
        let _ = show.operator().run(&["undo", &run]).success();
        assert_same(&show.stage.snapshot(&names[1]), &show.before, &run);
    }

    fn a_resume_that_is_killed_is_resumed(lake) {
        let show = Whole::of(lake);
        // The run is killed where the second of its records was about to be written.
        let first = Point { service: Service::Catalogue, n: 1, swallowed: true };
        let resume = |name: &str| {
            let run = show.kill(first, name).unwrap();
            show.stage.forget();
            run
        };
        let name = show.stage.data(1).remove(0);
        let run = resume(&name);
        let _ = show.resumed(&run).success();
        let points = sampled(&show.stage.points(), 3);
        at_each(&points, &show.stage, |point, name| {
            let run = resume(name);
            show.stage.kill(point, || show.operator().start(&["resume", &run]));
            let at = format!("{point:?}, {name}, {run}:\n{}", show.stage.told());
            let ran = show.resumed(&run);
            assert_eq!(ran.code, Some(0), "{at}\n{ran}");
            assert_same(&show.stage.snapshot(name), &show.after, &at);
            assert!(show.stage.deletes().values().all(|times| *times == 1), "{at}");
        });
    }

    fn an_undo_that_is_killed_is_done_again_or_resumed(lake) {
        let show = Whole::of(lake);
        show.stage.forget();
        let ran = show.operator().run(&["undo", &show.run]);
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_same(&show.stage.snapshot(&show.name), &show.before, "an undo that is not killed");
        let points = sampled(&show.stage.points(), 3);
        at_each(&points, &show.stage, |point, name| {
            let _ = show.stage.run(name).success();
            let earlier = runs(show.operator());
            let run = earlier.last().unwrap().clone();
            show.stage.kill(point, || show.operator().start(&["undo", &run]));
            let at = format!("{point:?}, {name}, {run}:\n{}", show.stage.told());
            let new = runs(show.operator()).difference(&earlier).next().cloned();
            // Every other one is resumed, where there is something to resume.
            let ran = match new {
                Some(undo) if show.stage.is_planned() && point.n % 2 == 0 => show.resumed(&undo),
                _ => show.operator().run(&["undo", &run]),
            };
            assert_eq!(ran.code, Some(0), "{at}\n{ran}");
            assert_same(&show.stage.snapshot(name), &show.before, &at);
        });
    }
}

/// A stage on which the run was made once without being killed.
struct Whole {
    stage: Stage,
    points: Vec<Point>,
    /// What there is before a run, and after.
    before: Value,
    after: Value,
    /// The run that was not killed, and the name of its data.
    run: String,
    name: String,
}

impl Whole {
    fn of(lake: Lake) -> Whole {
        let stage = Stage::new(lake);
        let name = stage.data(1).remove(0);
        let before = stage.snapshot(&name);
        stage.forget();
        stage.run(&name).success();
        let after = stage.snapshot(&name);
        let run = runs(&stage.tapped.operator).pop_last().unwrap();
        Whole {
            points: stage.points(),
            run,
            name,
            before,
            after,
            stage,
        }
    }

    fn operator(&self) -> &Operator {
        &self.stage.tapped.operator
    }

    /// Kills a run at a point. Gives its id, if it had come to have one.
    fn kill(&self, point: Point, name: &str) -> Option<String> {
        let earlier = runs(self.operator());
        self.stage
            .kill(point, || self.operator().start(&self.stage.order(name)));
        let new: BTreeSet<String> = runs(self.operator())
            .difference(&earlier)
            .cloned()
            .collect();
        assert!(new.len() <= 1, "{new:?}");
        new.into_iter().next()
    }

    fn resumed(&self, run: &str) -> Ran {
        self.operator().run(&["resume", run])
    }

    fn kill_and_resume(&self, point: Point, name: &str) {
        let stage = &self.stage;
        let run = self.kill(point, name);
        let at = format!("{point:?}, {name}, {run:?}:\n{}", stage.told());
        if stage.is_planned() {
            let run = run.unwrap_or_else(|| panic!("no journal: {at}"));
            let ran = self.resumed(&run);
            assert_eq!(ran.code, Some(0), "{at}\n{ran}");
            let shown = self.operator().run(&["log", "show", &run, "--json"]).json();
            let (outcome, unknown) = (&shown["outcome"], &shown["unknown"]);
            assert_eq!(
                (outcome, unknown),
                (&"done".into(), &0.into()),
                "{at}\n{shown:#}"
            );
        } else {
            assert_same(&stage.snapshot(name), &self.before, &at);
            if let Some(run) = run {
                let stderr = self.resumed(&run).failure(1);
                let why = "is neither on this machine nor in the lake";
                assert!(stderr.contains(why), "{stderr}");
            }
            // Nothing of the dead run is in the way of another one.
            let _ = stage.run(name).success();
        }
        assert_same(&stage.snapshot(name), &self.after, &at);
        let deletes = stage.deletes();
        let is_once = deletes.values().all(|times| *times == 1);
        assert!(deletes.len() >= 8 && is_once, "{at}\n{deletes:#?}");
        let locks = self.operator().run(&["lock", "list", "--json"]).json();
        assert_eq!(locks, serde_json::json!([]), "{at}");
    }

    fn kill_and_undo(&self, point: Point, name: &str) {
        let run = self.kill(point, name);
        let at = format!("{point:?}, {name}, {run:?}:\n{}", self.stage.told());
        match run {
            Some(run) => {
                let ran = self.operator().run(&["undo", &run]);
                assert_eq!(ran.code, Some(0), "{at}\n{ran}");
            }
            None => assert!(!self.stage.is_planned(), "no journal: {at}"),
        }
        assert_same(&self.stage.snapshot(name), &self.before, &at);
    }
}

/// Tries each point with data of its own, and tells of all that fail.
fn at_each(points: &[Point], stage: &Stage, each: impl Fn(Point, &str)) {
    let mut failed = Vec::new();
    for (point, name) in points.iter().zip(stage.data(points.len())) {
        let tried = catch_unwind(AssertUnwindSafe(|| each(*point, &name)));
        if tried.is_err() {
            failed.push(point);
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} failed: {failed:#?}",
        failed.len(),
        points.len()
    );
}
