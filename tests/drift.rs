//! What changes between the plan and its end is left alone and told: between plan and apply, while the question is
//! open, and between the look and the delete.

use super::folder::Folder;
use super::lakes::{Lake, Tapped, on_both_lakes};
use super::operator::{Operator, Ran};
use super::wire::{Hook, Request};

/// Somebody with a folder that holds `a` and `b`.
fn with_two(lake: Lake, stem: &str) -> (Folder, Operator) {
    let folder = Folder::new(stem);
    let operator = folder.apart(lake.operator());
    folder.put_all(&operator, &["a", "b"], "text");
    (folder, operator)
}

/// Plans into a file.
fn plan(operator: &Operator, script: &str) {
    operator
        .run(&[
            "eval",
            "--effect",
            "destroy",
            "--plan-out",
            "plan.jsonl",
            script,
        ])
        .success();
}

fn apply(operator: &Operator) -> Ran {
    operator.run(&["apply", "plan.jsonl", "--yes"])
}

/// Ends `a` in a tapped lake, whose requests that count are held until somebody else has written this over it.
fn overtaken(
    tapped: &Tapped,
    folder: &Folder,
    text: &str,
    counts: impl Fn(&Request) -> bool + Send + Sync + 'static,
) -> Ran {
    let other = folder.apart(tapped.served.operator());
    folder.put(&other, "a", "text");
    tapped.s3.counting(counts).at_change(0, Hook::Hold);
    let script = folder.delete_all();
    let child = tapped
        .operator
        .start(&["eval", "--effect", "destroy", "--apply", "--yes", &script]);
    tapped.s3.wait_until_held();
    folder.put(&other, "a", text);
    tapped.s3.release();
    tapped.operator.ended(child)
}

/// What stands in the store under this name.
fn text(operator: &Operator, folder: &Folder, name: &str) -> String {
    let script = format!("s3::read(\"{}\")", folder.uri(name));
    operator.run(&["eval", &script]).success()
}

on_both_lakes! {
    fn what_was_written_since_the_plan_stays_also_with_equal_bytes(lake) {
        let (folder, operator) = with_two(lake, "overwritten");
        folder.put(&operator, "c", "text");
        plan(&operator, &folder.delete_all());
        folder.put(&operator, "a", "other");
        folder.put(&operator, "b", "text");
        let stderr = apply(&operator).failure(4);
        assert!(stderr.contains("partly done: 1 done, 2 left alone, 0 failed"), "{stderr}");
        for name in ["a", "b"] {
            let why = format!("because {}: it was changed since the plan", folder.uri(name));
            assert!(stderr.contains(&why), "{stderr}");
        }
        assert_eq!(folder.names(&operator), ["a", "b"]);
    }

    fn a_script_that_ends_with_exit_leaves_alone_what_was_written_since_as_well(lake) {
        let folder = Folder::new("exit");
        let operator = folder.apart(lake.operator());
        folder.put(&operator, "a", "text");
        let script = format!("{}; exit(0)", folder.delete_all());
        plan(&operator, &script);
        folder.put(&operator, "a", "text");
        let stderr = apply(&operator).failure(4);
        assert!(stderr.contains("it was changed since the plan"), "{stderr}");
        operator.run(&["eval", "--effect", "destroy", "--apply", "--yes", &script]).success();
        assert_eq!(folder.names(&operator), [""; 0]);
    }

    fn what_appeared_since_the_plan_is_told_and_not_touched(lake) {
        let (folder, operator) = with_two(lake, "appeared");
        plan(&operator, &folder.delete_all());
        folder.put_all(&operator, &["aa", "c"], "new");
        let ran = apply(&operator);
        let named = ["aa", "c"].map(|name| folder.uri(name)).join(", ");
        let told = format!("2 done. 2 that are not in the plan were not touched: {named}. Take it back");
        assert!(ran.stderr.contains(&told), "{ran}");
        let _ = ran.success();
        assert_eq!(folder.names(&operator), ["aa", "c"]);
    }

    fn what_was_never_there_is_gone_and_nothing_that_appeared(lake) {
        let (folder, operator) = with_two(lake, "never");
        let script = folder.delete(&["a", "never"]);
        let ran = operator.run(&["eval", "--effect", "destroy", "--apply", "--yes", "--json", &script]);
        assert!(!ran.stderr.contains("appeared"), "{ran}");
        let done = ran.json();
        let counts = ["deleted", "gone", "left", "failed"].map(|count| done[count].as_u64().unwrap());
        assert_eq!(counts, [1, 1, 0, 0], "{done}");
    }

    fn what_is_gone_since_the_plan_is_fine(lake) {
        let (folder, operator) = with_two(lake, "gone");
        plan(&operator, &folder.delete_all());
        let named = folder.delete(&["a", "b"]);
        operator.run(&["eval", "--effect", "destroy", "--plan-out", "named.jsonl", &named]).success();
        folder.remove(&operator, "a");
        let result = operator.run(&["apply", "named.jsonl", "--yes", "--json"]).json();
        assert_eq!((result["deleted"].as_i64(), result["gone"].as_i64()), (Some(1), Some(1)));
        // A listing does not name them any more.
        let ran = apply(&operator);
        assert!(ran.stderr.contains("0 done. 2 of the plan were not asked for again"), "{ran}");
        let _ = ran.success();
    }

    fn a_record_that_was_changed_since_the_plan_stays(lake) {
        let (folder, operator) = with_two(lake, "record");
        let id = Lake::name("record");
        operator.run(&["domain", "create", &id, "--title", "First"]).success();
        plan(&operator, &format!("stac::delete_collection(\"{id}\"); {}", folder.delete_all()));
        operator.run(&["domain", "create", &id, "--title", "Second"]).success();
        let stderr = apply(&operator).failure(4);
        assert!(stderr.contains(&format!("because collection {id}: it was changed since the plan")), "{stderr}");
        assert_eq!(operator.run(&["domain", "show", &id, "--json"]).json()["title"], "Second");
        assert_eq!(folder.names(&operator), [""; 0]);
    }

    fn what_was_written_while_the_question_was_open_stays(lake) {
        let (served, folder) = (lake.served(), Folder::new("asked"));
        let (operator, other) = (folder.apart(served.operator()), folder.apart(served.operator()));
        folder.put_all(&other, &["a", "b"], "text");
        let script = folder.delete_all();
        let mut terminal = operator.on_terminal(&["eval", "--effect", "destroy", "--apply", &script]);
        terminal.expect("Type 'default' to do this:");
        folder.put(&other, "a", "text");
        folder.put(&other, "c", "text");
        terminal.type_line("default");
        let ran = terminal.finish();
        assert_eq!(ran.code, Some(4), "{ran}");
        assert!(ran.stdout.contains("partly done: 1 done, 1 left alone, 0 failed"), "{ran}");
        assert_eq!(folder.names(&other), ["a", "c"]);
    }

    fn what_is_written_before_the_copy_to_the_trash_stays(lake) {
        for text in ["other", "text"] {
            let (mut tapped, folder) = (lake.tapped(), Folder::new("copied"));
            tapped.operator = folder.apart(tapped.operator);
            let ran = overtaken(&tapped, &folder, text, |request| {
                request.method == "PUT" && request.target.contains("/.dashi-trash/")
            });
            assert!(ran.stderr.contains("0 done, 1 left alone, 0 failed"), "{text}: {ran}");
            let _ = ran.failure(4);
            assert_eq!(self::text(&tapped.operator, &folder, "a"), format!("{text}\n"));
        }
    }

    fn what_is_written_between_the_last_look_and_the_delete_stays(lake) {
        let (mut tapped, folder) = (lake.tapped(), Folder::new("late"));
        tapped.operator = folder.apart(tapped.operator);
        let ran = overtaken(&tapped, &folder, "other", |request| request.method == "DELETE" && request.target.contains("/landing/late"));
        assert!(ran.stderr.contains("was written in the meantime"), "{ran}");
        let _ = ran.failure(4);
        assert_eq!(text(&tapped.operator, &folder, "a"), "other\n");
    }
}
