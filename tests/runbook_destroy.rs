//! An operator's own runbook that destroys has all that `item delete` has: it plans by default, asks, says what it does,
//! keeps a journal, and can be taken back. None of it is written in the runbook.

use serde_json::{Value, json};

use super::corner::Corner;
use super::lakes::{Lake, on_both_lakes};

const SWEEP: &str = r#"//! Delete temporary files of a dataset.
//!
//! ```toml
//! effect = "destroy"
//! confirm = "data-set"
//! [args.domain]
//! required = true
//! [args.data-set]
//! required = true
//! help = "The dataset's folder"
//! [[needs]]
//! service = "s3"
//! ```
fn main(args) {
    let all = s3::list(`s3://processed/${args.domain}/${args.data_set}/`);
    let done = s3::delete(all.filter(|o| o.key.ends_with(".tmp")));
    if ctx::is_planning() { "planned" } else { done.deleted }
}
"#;

fn furnished(lake: Lake) -> (Corner, Value) {
    let corner = Corner::of(lake);
    let path = ".config/dashi/scripts/data/sweep.rhai";
    corner.operator.home_file(path, SWEEP);
    corner.put_objects(&["eins/a.tif", "eins/a.tmp", "eins/b/c.tmp"]);
    let objects = corner.objects("");
    (corner, objects)
}

on_both_lakes! {
    fn it_plans_asks_does_tells_and_is_taken_back(lake) {
        let (corner, objects) = furnished(lake);
        let line = ["data", "sweep", &corner.domain, "eins"];
        let planned = corner.run(&line);
        assert!(planned.stdout.contains("planned") && planned.stdout.contains("s3::delete"), "{planned}");
        let how = format!("dry run: nothing was changed. To do this: dashictl data sweep {} eins --apply", corner.domain);
        assert!(planned.stderr.contains(&how), "{planned}");
        assert_eq!((planned.code, corner.objects("")), (Some(0), objects.clone()));

        let apply = [&line[..], &["--apply"]].concat();
        let stderr = corner.run(&apply).failure(2);
        assert!(stderr.contains("must be confirmed, and there is no terminal to ask on"), "{stderr}");
        for (typed, code) in [("a.tmp", 2), ("eins", 0)] {
            let mut terminal = corner.operator.on_terminal(&apply);
            terminal.expect("2 targets");
            terminal.expect("Type 'eins' to do this: ");
            terminal.type_line(typed);
            let ran = terminal.finish();
            assert_eq!(ran.code, Some(code), "{ran}");
            assert_eq!(ran.stdout.contains("[audit] dashictl data sweep"), code == 0, "{ran}");
            assert_eq!(ran.stdout.contains("bucket=processed objects=2 records=0"), code == 0, "{ran}");
            assert_eq!(corner.keys("").len(), if code == 0 { 1 } else { 3 });
        }
        let run = corner.last_run();
        let shown = corner.run(&["log", "show", &run, "--json"]).json();
        assert_eq!((&shown["outcome"], &shown["done"], &shown["steps"][0]["function"]), (&json!("done"), &json!(2), &json!("s3::delete")));
        corner.run(&["undo", &run]).success();
        assert_eq!(corner.objects(""), objects);
    }

    fn what_the_catalogue_refers_to_is_refused(lake) {
        let (corner, objects) = furnished(lake);
        corner.put_item("zwei", &json!({"data": corner.uri("eins/a.tmp")}));
        for flags in [&[][..], &["--apply", "--yes"]] {
            let line = [&["data", "sweep", &corner.domain, "eins"], flags].concat();
            let stderr = corner.run(&line).failure(1);
            assert!(stderr.contains(&format!("the catalogue refers to {}", corner.uri("eins/a.tmp"))), "{stderr}");
        }
        assert_eq!(corner.objects(""), objects);
    }
}

#[test]
fn more_than_was_allowed_is_not_begun() {
    let (corner, objects) = furnished(Lake::Sandbox);
    let line = [
        "data",
        "sweep",
        &corner.domain,
        "eins",
        "--apply",
        "--yes",
        "--max-delete",
    ];
    let stderr = corner.run(&[&line[..], &["1"]].concat()).failure(2);
    assert!(
        stderr.contains("the plan destroys 2 things, and --max-delete is 1"),
        "{stderr}"
    );
    assert_eq!(corner.objects(""), objects);
    let done = corner.run(&[&line[..], &["2"]].concat()).success();
    assert_eq!(
        (done.as_str(), corner.keys("")),
        ("2\n", vec!["eins/a.tif".to_owned()])
    );
}

#[test]
fn the_word_to_type_must_be_an_argument() {
    let corner = Corner::of(Lake::Sandbox);
    let text = SWEEP.replace("confirm = \"data-set\"", "confirm = \"dataset\"");
    corner
        .operator
        .home_file(".config/dashi/scripts/data/sweep.rhai", &text);
    let stderr = corner
        .run(&["data", "sweep", &corner.domain, "eins", "--apply", "--yes"])
        .failure(2);
    assert!(
        stderr.contains("dataset") && stderr.contains("data-set"),
        "{stderr}"
    );
}
