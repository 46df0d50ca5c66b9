//! A deletion that the store refuses in part: the record stays, the journal says what is missing, and the rest can be done
//! later or what was done taken back.

use serde_json::{Value, json};

use super::corner::{Corner, fate};
use super::deletes::{deleted, refuse};
use super::lakes::{Lake, on_both_lakes};
use super::operator::Ran;
use super::wire::{Wire, reply};

const KEYS: [&str; 3] = ["eins/one.tif", "eins/three.tif", "eins/two.tif"];

on_both_lakes! {
    fn what_the_store_refuses_keeps_the_record_and_is_resumed_and_undone(lake) {
        let (corner, s3, stac) = Corner::tapped(lake);
        let (record, objects) = furnish(&corner);
        refuse_two(&s3);
        stac.forget();

        let ran = corner.delete("eins", &["--apply", "--yes", "--json"]);
        assert_eq!(ran.code, Some(4), "{ran}");
        let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(fate(&rows, &corner.uri("eins/one.tif")), "deleted", "{ran}");
        assert_eq!(fate(&rows, &corner.uri("eins/two.tif")), "failed", "{ran}");
        assert_eq!(fate(&rows, &corner.uri("eins/three.tif")), "deleted", "{ran}");
        assert_eq!(fate(&rows, &format!("item {}/eins", corner.domain)), "stays", "{ran}");
        assert!(ran.stderr.contains("outcome=partly done=2 left=1 failed=1"), "{ran}");
        assert_eq!(stac.changes(), [], "the catalogue was not asked to delete anything");
        assert_eq!((corner.item("eins"), corner.keys("eins/")), (record.clone(), vec!["two.tif".to_owned()]));

        let run = corner.last_run();
        let shown = corner.run(&["log", "show", &run, "--json"]).json();
        assert_eq!(shown["outcome"], "partly");
        assert_eq!(outcome(&shown, &corner.uri("eins/two.tif")), "failed", "{shown:#}");
        assert_eq!(outcome(&shown, &corner.uri("eins/one.tif")), "done", "{shown:#}");
        let table = corner.run(&["log", "show", &run]);
        assert!(table.stdout.contains("two.tif") && table.stdout.contains("no leave to delete"), "{table}");

        let _ = still_refused(&corner, &run);
        s3.answering(|_| None);
        corner.run(&["resume", &run]).success();
        assert_eq!((corner.item("eins"), corner.keys("")), (Value::Null, Vec::new()));
        let shown = corner.run(&["log", "show", &run, "--json"]).json();
        assert_eq!((&shown["outcome"], &shown["failed"], &shown["left"]), (&json!("done"), &json!(0), &json!(0)));
        let again = corner.run(&["resume", &run]);
        assert!(again.stderr.contains("nothing is left to do"), "{again}");
        assert_eq!(again.code, Some(0), "{again}");

        corner.run(&["undo", &run]).success();
        assert_eq!((corner.item("eins"), corner.objects("")), (record, objects));
    }

    fn a_part_that_was_done_can_be_taken_back(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let (record, objects) = furnish(&corner);
        refuse_two(&s3);
        let _ = corner.delete("eins", &["--apply", "--yes"]).failure(4);
        let undone = corner.run(&["undo", &corner.last_run()]);
        assert_eq!(undone.code, Some(0), "{undone}");
        assert_eq!((corner.item("eins"), corner.objects("")), (record, objects));
    }

    fn a_record_that_the_catalogue_does_not_give_up_is_told_and_resumed(lake) {
        let (corner, _, stac) = Corner::tapped(lake);
        let _furnished = furnish(&corner);
        stac.answering(|request| (request.method == "DELETE").then(|| reply("403 Forbidden", r#"{"detail": "no leave to delete"}"#)));
        let ran = corner.delete("eins", &["--apply", "--yes"]);
        assert_eq!(ran.code, Some(4), "{ran}");
        assert!(ran.stderr.contains("no leave to delete") && ran.stderr.contains("dashictl resume"), "{ran}");
        assert!(!ran.stdout.contains("record"), "nobody says that the record is gone: {ran}");
        assert!(!corner.item("eins").is_null());
        stac.answering(|_| None);
        corner.run(&["resume", &corner.last_run()]).success();
        assert_eq!((corner.item("eins"), corner.keys("")), (Value::Null, Vec::new()));
    }

    fn an_object_that_changed_since_the_plan_stays_with_its_record(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let _furnished = furnish(&corner);
        let changed = corner.uri("eins/two.tif");
        let (operator, script) = (corner.served.operator(), format!("s3::write(\"{changed}\", \"newer\")"));
        s3.forget();
        // Right when the run takes its lock, after the plan.
        s3.counting(|request| request.method == "PUT" && request.target.contains("/locks/")).at_change(0, super::wire::Hook::Run(Box::new(move || {
            operator.run(&["eval", "--effect", "write", &script]).success();
        })));
        let ran = corner.delete("eins", &["--apply", "--yes"]);
        assert_eq!(ran.code, Some(4), "{ran}");
        assert!(ran.stderr.contains("since the plan"), "{ran}");
        assert_eq!(corner.read(&format!("s3::read(\"{changed}\")")), "newer");
        assert!(!corner.item("eins").is_null());
        assert_eq!(corner.keys(""), ["eins/two.tif"]);
    }
}

/// A store that answers every delete with yes and deletes nothing.
#[test]
fn what_is_said_to_be_deleted_and_is_there_is_no_success() {
    let (corner, s3, _) = Corner::tapped(Lake::Sandbox);
    let (_, objects) = furnish(&corner);
    s3.answering(|request| {
        let all = deleted(request);
        let is_own = |target: &String| target.contains("/.dashi-") || target.contains("/.state/");
        if all.is_empty() || all.iter().any(is_own) {
            return None;
        }
        let keys = all.iter().filter_map(|target| target.splitn(3, '/').nth(2));
        let said: String = keys
            .map(|key| format!("<Deleted><Key>{key}</Key></Deleted>"))
            .collect();
        let body = format!("<DeleteResult>{said}</DeleteResult>");
        Some(match request.method.as_str() {
            "DELETE" => reply("204 No Content", ""),
            _ => reply("200 OK", &body),
        })
    });
    let stderr = corner.delete("eins", &["--apply", "--yes"]).failure(4);
    assert!(
        stderr.contains("the store said that it deleted"),
        "{stderr}"
    );
    assert!(
        stderr.contains("0 done, 1 left alone, 3 failed"),
        "{stderr}"
    );
    s3.answering(|_| None);
    assert_eq!(corner.objects(""), objects);
    assert!(!corner.item("eins").is_null());
}

/// What the store says of one object is none of the others' business.
#[test]
fn an_undo_brings_back_what_it_can_where_one_object_cannot_be_looked_at() {
    let (corner, s3, _) = Corner::tapped(Lake::Sandbox);
    let (_, objects) = furnish(&corner);
    let line = ["--apply", "--yes"];
    let _ = corner.delete("eins", &line).success();
    let run = corner.last_run();
    s3.answering(|request| {
        let path = request.target.split('?').next().unwrap_or_default();
        let is_two = path.ends_with("eins/two.tif") && !path.contains(".dashi-trash");
        (request.method == "HEAD" && is_two).then(|| reply("403 Forbidden", ""))
    });
    let stderr = corner.run(&["undo", &run]).failure(4);
    assert!(stderr.contains("two.tif failed"), "{stderr}");
    assert_eq!(corner.keys("eins/"), ["one.tif", "three.tif"]);
    s3.answering(|_| None);
    corner.run(&["resume", &corner.last_run()]).success();
    assert_eq!(corner.objects(""), objects);
    assert!(!corner.item("eins").is_null());
}

/// Three objects and their item. Gives the record and the objects as they are.
fn furnish(corner: &Corner) -> (Value, Value) {
    corner.put_objects(&KEYS);
    let [one, three, two] = KEYS.map(|key| corner.uri(key));
    corner.put_item("eins", &json!({"one": one, "two": two, "three": three}));
    (corner.item("eins"), corner.objects(""))
}

/// The store gives no leave to delete one of them.
fn refuse_two(s3: &Wire) {
    s3.answering(|request| refuse(request, "eins/two.tif", "no leave to delete"));
}

fn still_refused(corner: &Corner, run: &str) -> Ran {
    let ran = corner.run(&["resume", run]);
    assert_eq!(ran.code, Some(4), "{ran}");
    assert!(ran.stderr.contains("two.tif failed"), "{ran}");
    assert!(!corner.item("eins").is_null());
    ran
}

fn outcome<'a>(shown: &'a Value, target: &str) -> &'a str {
    let steps = shown["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["target"] == target);
    step.map_or("not told", |step| step["outcome"].as_str().unwrap())
}
