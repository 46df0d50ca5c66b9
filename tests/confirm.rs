//! Nothing is destroyed before somebody has typed the thing's name, or has said yes beforehand.

use serde_json::json;

use super::corner::Corner;
use super::lakes::{Lake, on_both_lakes};
use super::listener::SilentListener;
use super::operator::{Operator, Ran};
use super::terminal::Terminal;

/// A corner with one item of one object.
fn furnished(lake: Lake) -> Corner {
    let corner = Corner::of(lake);
    corner.put_objects(&["eins/own.tif"]);
    corner.put_item("eins", &json!({"own": corner.uri("eins/own.tif")}));
    corner
}

/// The program at the question whether the item is to be deleted.
fn asked(corner: &Corner) -> Terminal<'_> {
    let at = format!("{}/eins", corner.domain);
    let line = ["item", "delete", &at, "--apply"];
    let mut terminal = corner.operator.on_terminal(&line);
    terminal.expect("stac::delete_item");
    terminal.expect("2 targets, ");
    terminal.expect(&corner.served.addresses.stac);
    terminal.expect("Type 'eins' to do this: ");
    terminal
}

fn answered(corner: &Corner, line: &str) -> Ran {
    let mut terminal = asked(corner);
    terminal.type_line(line);
    terminal.finish()
}

fn assert_untouched(corner: &Corner) {
    assert!(!corner.item("eins").is_null());
    assert_eq!(corner.keys(""), ["eins/own.tif"]);
    assert_eq!(corner.locks(), json!([]));
    // Creating the domain, an object, an item.
    assert_eq!(corner.runs(), 3, "no journal was begun");
}

fn assert_gone(corner: &Corner) {
    assert!(corner.item("eins").is_null());
    assert_eq!(corner.keys(""), [""; 0]);
    assert_eq!(corner.locks(), json!([]));
}

on_both_lakes! {
    fn the_items_id_is_asked_for_and_does_it(lake) {
        let corner = furnished(lake);
        let ran = answered(&corner, "eins");
        assert_eq!(ran.code, Some(0), "{ran}");
        let audit = ran.stdout.find("[audit] ").unwrap_or_else(|| panic!("{ran}"));
        assert!(ran.stdout.find("Type 'eins'").is_some_and(|question| question < audit), "{ran}");
        assert_gone(&corner);
    }

    fn ctrl_c_at_the_question_leaves_everything_as_it_is(lake) {
        let corner = furnished(lake);
        let mut terminal = asked(&corner);
        terminal.press_ctrl_c();
        let ran = terminal.finish();
        assert_eq!(ran.code, Some(130), "{ran}");
        assert!(ran.stdout.contains("stopped: interrupted") && !ran.stdout.contains("[audit]"), "{ran}");
        assert_untouched(&corner);
    }
}

#[test]
fn the_domain_with_the_id_is_a_name_too() {
    let corner = furnished(Lake::Sandbox);
    let ran = answered(&corner, &format!("  {}/eins ", corner.domain));
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_gone(&corner);
}

#[test]
fn anything_else_is_no_yes() {
    let corner = furnished(Lake::Sandbox);
    for wrong in ["", "y", "yes", "EINS", "ein", "eins zwei", &corner.domain] {
        let ran = answered(&corner, wrong);
        assert_eq!(ran.code, Some(2), "{wrong}: {ran}");
        let said = format!("'{wrong}' is not 'eins': nothing was done");
        assert!(ran.stdout.contains(&said), "{ran}");
    }
    let mut terminal = asked(&corner);
    terminal.type_end();
    let ran = terminal.finish();
    assert_eq!(ran.code, Some(2), "{ran}");
    assert_untouched(&corner);
}

#[test]
fn a_yes_beforehand_skips_the_question() {
    let corner = furnished(Lake::Sandbox);
    let at = format!("{}/eins", corner.domain);
    let yes = |value: &str| [("DASHICTL_YES", value.to_owned())];
    let line = ["item", "delete", &at, "--apply"];
    for no in ["0", "", "no"] {
        let ran = corner.operator.run_in(&yes(no), &line);
        assert_eq!(ran.code, Some(2), "{no}: {ran}");
    }
    assert_untouched(&corner);
    let ran = corner.operator.run_in(&yes("1"), &line);
    assert!(
        ran.stderr.contains("2 targets") && !ran.stderr.contains("Type '"),
        "{ran}"
    );
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_gone(&corner);
}

#[test]
fn a_yes_without_apply_changes_nothing() {
    let corner = furnished(Lake::Sandbox);
    let ran = corner.delete("eins", &["--yes"]);
    assert!(ran.stderr.contains("dry run: nothing was changed"), "{ran}");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_untouched(&corner);
}

#[test]
fn without_a_terminal_and_a_yes_nothing_is_sent() {
    let service = SilentListener::start();
    let operator = Operator::new();
    let url = service.url();
    operator.config(&format!(
        "stac_url = {url:?}\nprefect_url = {url:?}\nloki_url = {url:?}\ningest_url = {url:?}\n[s3]\nendpoint = {url:?}\n\
         access_key = \"a\"\nsecret_key = \"b\"\n"
    ));
    for line in [
        &["item", "delete", "a/b", "--apply"][..],
        &[
            "eval",
            "--effect",
            "destroy",
            "--apply",
            "stac::collections().count()",
        ],
        &["trash", "purge", "--apply"],
        &["lock", "break", "processed"],
    ] {
        let stderr = operator.run(line).failure(2);
        assert!(
            stderr.contains("must be confirmed, and there is no terminal to ask on"),
            "{stderr}"
        );
        assert!(stderr.contains("--yes, or DASHICTL_YES=1"), "{stderr}");
    }
    assert_eq!(service.visits(), 0);
}

#[test]
fn what_has_no_name_is_confirmed_with_the_contexts() {
    let operator = Operator::in_context("sandbox");
    let line = [
        "eval",
        "--effect",
        "write",
        "s3::write(\"s3://landing/a\", \"1\")",
    ];
    operator.run(&line).success();
    let delete = [
        "eval",
        "--effect",
        "destroy",
        "--apply",
        "s3::delete(\"s3://landing/a\").deleted",
    ];
    let there = ["eval", "--json", "s3::try_head(\"s3://landing/a\") != ()"];
    for (typed, code) in [("default", 2), ("sandbox", 0)] {
        let mut terminal = operator.on_terminal(&delete);
        terminal.expect("Type 'sandbox' to do this: ");
        terminal.type_line(typed);
        let ran = terminal.finish();
        assert_eq!(ran.code, Some(code), "{ran}");
        assert_eq!(operator.run(&there).json(), code != 0);
    }
    let purge = ["trash", "purge", "--older-than", "0s", "--apply"];
    for (typed, code) in [("trash", 2), ("sandbox", 0)] {
        let mut terminal = operator.on_terminal(&purge);
        terminal.expect("Type 'sandbox' to do this: ");
        terminal.type_line(typed);
        let ran = terminal.finish();
        assert_eq!(ran.code, Some(code), "{ran}");
        let trash = operator.run(&["trash", "list", "--json"]).json();
        assert_eq!(trash.as_array().unwrap().len(), usize::from(code != 0));
    }
}

#[test]
fn a_plan_that_destroys_too_much_is_not_even_asked_about() {
    let corner = furnished(Lake::Sandbox);
    let at = format!("{}/eins", corner.domain);
    let line = ["item", "delete", &at, "--apply", "--max-delete", "1"];
    let terminal = corner.operator.on_terminal(&line);
    let ran = terminal.finish();
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(
        ran.stdout
            .contains("the plan destroys 2 things, and --max-delete is 1"),
        "{ran}"
    );
    assert!(!ran.stdout.contains("Type '"), "{ran}");
    // Who only looks is told as well.
    let ran = corner
        .operator
        .run(&["item", "delete", &at, "--max-delete", "1"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(
        ran.stderr
            .contains("--max-delete is 1: it would be refused"),
        "{ran}"
    );
    assert_untouched(&corner);
}

#[test]
fn there_is_no_question_where_there_is_nothing_to_do() {
    let operator = Operator::in_context("sandbox");
    let line = [
        "eval",
        "--effect",
        "destroy",
        "--apply",
        "s3::delete([\"s3://landing/none\"]).gone",
    ];
    let terminal = operator.on_terminal(&line);
    let ran = terminal.finish();
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(
        ran.stdout.contains("there is nothing to do") && !ran.stdout.contains("Type '"),
        "{ran}"
    );
}
