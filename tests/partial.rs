//! Scripts that decide on the result of a change: planned up to there, done, planned on, part by part. And what a script
//! could make of a result that nobody knows yet.

use super::folder::{Folder, destroying};
use super::lakes::{Lake, Tapped, on_both_lakes};
use super::operator::Operator;

/// A script that writes `new`, and where that has five bytes, deletes `a` and `b`.
fn deciding(folder: &Folder) -> String {
    destroying(&format!(
        "    let r = s3::write(\"{}\", \"hello\");\n    if r.size == 5 {{ {}; }}\n    \"the end\"",
        folder.uri("new"),
        folder.delete(&["a", "b"]),
    ))
}

/// A lake with a folder that holds `a` and `b`, and that script.
fn decided(lake: Lake) -> (Tapped, Folder) {
    let (mut tapped, folder) = (lake.tapped(), Folder::new("parts"));
    tapped.operator = folder.apart(tapped.operator);
    tapped.operator.work_file("x.rhai", &deciding(&folder));
    folder.put_all(&tapped.served.operator(), &["a", "b"], "text");
    (tapped, folder)
}

/// How often an object was written.
fn writes(tapped: &Tapped, folder: &Folder, name: &str) -> usize {
    let path = folder.uri(name).replace("s3:/", "");
    let changes = tapped.s3.changes();
    let puts = changes.iter().filter(|request| {
        request.method == "PUT" && request.target.split('?').next() == Some(path.as_str())
    });
    puts.count()
}

const NOT_WHOLE: &str =
    "this is not the whole plan: the rest depends on the result of step 1, s3::write of ";

on_both_lakes! {
    fn each_part_is_asked_for_and_nothing_is_done_twice(lake) {
        let (tapped, folder) = decided(lake);
        let operator = &tapped.operator;
        let planned = operator.run(&["run", "x.rhai"]);
        let why = format!("{NOT_WHOLE}{}: the script looks into it at x.rhai:8", folder.uri("new"));
        assert!(planned.stderr.contains(&why) && !planned.stdout.contains("s3::delete"), "{planned}");
        assert_eq!(tapped.s3.changes(), []);
        let mut terminal = operator.on_terminal(&["run", "x.rhai", "--apply"]);
        terminal.expect("1  s3::write (write");
        terminal.expect("Type 'default' to do this:");
        assert_eq!(writes(&tapped, &folder, "new"), 0);
        terminal.type_line("default");
        terminal.expect("2  s3::delete (destroy");
        terminal.expect("context default: 2 targets");
        terminal.expect("Type 'default' to do this:");
        assert_eq!(folder.names(operator), ["a", "b", "new"]);
        terminal.type_line("default");
        let shown = terminal.finish().success();
        assert!(shown.contains("the end\n") && shown.contains("outcome=done done=3 left=0 failed=0"), "{shown}");
        assert!(shown.contains("objects=2") && shown.contains("part=2"), "what is destroyed is announced: {shown}");
        assert_eq!(writes(&tapped, &folder, "new"), 1);
        assert_eq!(folder.names(operator), ["new"]);
    }

    fn a_part_that_nobody_could_see_needs_a_bound(lake) {
        let (tapped, folder) = decided(lake);
        let operator = &tapped.operator;
        let line = ["run", "x.rhai", "--apply", "--yes"];
        let stderr = operator.run(&line).failure(4);
        assert!(stderr.contains("the next part of the plan could not be seen when --yes was said"), "{stderr}");
        assert!(stderr.contains("hint bound it: --max-delete N"), "{stderr}");
        assert_eq!(writes(&tapped, &folder, "new"), 1);
        let stderr = operator.run(&[&line[..], &["--max-delete", "1"]].concat()).failure(4);
        assert!(stderr.contains("the plan destroys 2 things, and --max-delete is 1"), "{stderr}");
        assert_eq!(folder.names(operator), ["a", "b", "new"]);
        operator.run(&[&line[..], &["--max-delete", "2"]].concat()).success();
        assert_eq!(folder.names(operator), ["new"]);
        assert_eq!(operator.run(&["lock", "list", "--json"]).json(), serde_json::json!([]));
    }

    fn applying_a_partial_plan_ends_with_the_file_of_the_next(lake) {
        let (tapped, folder) = decided(lake);
        let operator = &tapped.operator;
        operator.run(&["run", "x.rhai", "--plan-out", "plan.jsonl"]).success();
        let ran = operator.run(&["apply", "plan.jsonl", "--yes", "--max-delete", "9"]);
        assert!(ran.stderr.contains("this plan is done, and the rest could only be planned now"), "{ran}");
        assert!(ran.stderr.contains("dashictl apply plan.part-2.jsonl"), "{ran}");
        let _ = ran.failure(4);
        assert_eq!(folder.names(operator), ["a", "b", "new"]);
        assert!(operator.run(&["apply", "plan.jsonl", "--yes"]).failure(5).contains("used already"));
        operator.run(&["apply", "plan.part-2.jsonl", "--yes"]).success();
        assert_eq!(folder.names(operator), ["new"]);
        assert_eq!(writes(&tapped, &folder, "new"), 1);
        assert!(operator.run(&["apply", "plan.part-2.jsonl", "--yes"]).failure(5).contains("used already"));
    }

    fn what_appears_within_a_part_keeps_none_of_it_from_being_done(lake) {
        let folder = Folder::new("within");
        let operator = folder.apart(lake.operator());
        folder.put_all(&operator, &["a", "b"], "text");
        let script = format!("{}; let r = s3::write(\"{}\", \"x\"); r.size", folder.delete_all(), folder.uri("z"));
        operator.run(&["eval", "--effect", "destroy", "--plan-out", "plan.jsonl", &script]).success();
        folder.put_all(&operator, &["0", "aa"], "text");
        let ran = operator.run(&["apply", "plan.jsonl", "--yes"]);
        assert_eq!(folder.names(&operator), ["0", "aa", "z"], "{ran}");
    }

    fn what_a_listing_shows_only_after_a_planned_write_is_not_deleted(lake) {
        let folder = Folder::new("listed");
        let operator = folder.apart(lake.operator());
        folder.put(&operator, "a", "text");
        let script = format!("s3::write(\"{}\", \"x\"); {}", folder.uri("new"), folder.delete_all());
        let ran = operator.run(&["eval", "--effect", "destroy", "--apply", "--yes", &script]);
        assert!(ran.stderr.contains("2 done. 1 that are not in the plan were not touched: "), "{ran}");
        let _ = ran.success();
        assert_eq!(folder.names(&operator), ["new"]);
    }
}

#[test]
fn the_bound_holds_for_all_parts_together() {
    let folder = Folder::new("bound");
    let operator = Operator::in_context("sandbox");
    folder.put_all(&operator, &["a", "b"], "text");
    let script = format!(
        "let r = {}; if r.deleted == 1 {{ {}; }}",
        folder.delete(&["a"]),
        folder.delete(&["b"])
    );
    let line = [
        "eval",
        "--effect",
        "destroy",
        "--apply",
        "--yes",
        &script,
        "--max-delete",
    ];
    let stderr = operator.run(&[&line[..], &["1"]].concat()).failure(4);
    assert!(
        stderr.contains("the plan destroys 2 things, and --max-delete is 1"),
        "{stderr}"
    );
    assert_eq!(folder.names(&operator), ["b"]);
}

#[test]
fn a_no_at_the_second_question_leaves_the_second_part_undone() {
    let (tapped, folder) = decided(Lake::Sandbox);
    let mut terminal = tapped.operator.on_terminal(&["run", "x.rhai", "--apply"]);
    terminal.expect("Type 'default' to do this:");
    terminal.type_line("default");
    terminal.expect("2  s3::delete (destroy");
    terminal.expect("Type 'default' to do this:");
    terminal.type_line("no");
    let ran = terminal.finish();
    assert!(
        ran.stdout
            .contains("'no' is not 'default': nothing was done"),
        "{ran}"
    );
    assert_eq!(ran.code, Some(4), "{ran}");
    assert_eq!(folder.names(&tapped.operator), ["a", "b", "new"]);
}

#[test]
fn every_look_into_what_is_not_known_yet_ends_the_plan() {
    let operator = Operator::in_context("sandbox");
    for look in [
        "let q = [r]; if q[0] { }",
        "if !r { }",
        "let q = [r]; while q[0] { break; }",
        "for x in r { x }",
        "for n in 0..r { }",
        "r && true",
        "r || true",
        "-r",
        "r += 1",
        "let n = 1; n += r",
        "r.len()",
        "r.keys()",
        "r.contains(\"size\")",
        "\"size\" in r",
        "r.size = 3",
        "r[\"size\"]",
        "r.tag",
        "r.foo()",
        "r ** 2",
        "r | 1",
        "r <= 3",
        "3 >= r",
        "() == r",
        "'c' == r",
        "[r].contains(1)",
        "[r].index_of(1)",
        "#{ a: r } == #{ a: 1 }",
        "#{ a: r }.a.size",
        "[1, 2][r]",
        "\"abc\"[r]",
        "max(1, r)",
        "throw r",
        "debug([r])",
        "`${[r]}`",
        "#{ a: r }.to_json()",
        "csv::text([#{ a: r }])",
        "fail(`${r}`)",
        "parallel([r], 2, |x| x.size)",
        "let f = |x| x.size; f.call(r)",
        "[r].filter(|x| x == 3)",
        "s3::write(r.uri, \"x\")",
        "s3::write(\"s3://landing/q\", r)",
        "stac::put_item(#{ id: r, collection: \"raw\" })",
        "s3::read(\"s3://landing/r\")",
        "s3::head(\"s3://landing/r\")",
        "s3::try_head(\"s3://landing/r\")",
        "s3::copy(\"s3://landing/r\", \"s3://landing/q\")",
        "try { r.len() } catch { }",
        "try { for x in r { x } } catch { }",
        "try { #{ a: r }.to_json() } catch { }",
    ] {
        let script = format!(
            "let r = s3::write(\"s3://landing/r\", \"x\"); {look}; fs::write(\"z\", \"y\")"
        );
        let ran = operator.run(&["eval", "--effect", "write", "--dry-run", &script]);
        assert!(
            ran.stderr
                .contains("this is not the whole plan: the rest depends on"),
            "{look}: {ran}"
        );
        assert!(!ran.success().contains("$WORK/z"), "{look}");
    }
}

#[test]
fn who_reads_a_record_that_the_plan_changes_ends_the_plan() {
    let operator = Operator::in_context("sandbox");
    let item = "let item = stac::items(\"gelaende-umwelt\").first(); let id = item.id;";
    for look in [
        "stac::put_item(item); stac::item(\"gelaende-umwelt\", id)",
        "stac::put_item(item); stac::try_item(\"gelaende-umwelt\", id)",
        "stac::delete_item(\"gelaende-umwelt\", id); stac::try_item(\"gelaende-umwelt\", id)",
        "let c = stac::collection(\"gelaende-umwelt\"); stac::put_collection(c); stac::collection(c.id)",
    ] {
        let script = format!("{item} {look}; fs::write(\"z\", \"y\")");
        let ran = operator.run(&["eval", "--effect", "destroy", &script]);
        assert!(
            ran.stderr.contains("this is not the whole plan"),
            "{look}: {ran}"
        );
        assert!(!ran.success().contains("$WORK/z"), "{look}");
    }
}

/// What neither the check nor the host can see: the plan goes on as if it knew. The guard keeps to it.
#[test]
fn what_only_the_real_result_leads_to_is_not_done() {
    let operator = Operator::in_context("sandbox");
    for (n, look) in [
        "type_of(x) == \"map\"",
        "switch type_of(x) { \"map\" => true, _ => false }",
        "[x].map(|x| x.type_of())[0] == \"map\"",
    ]
    .into_iter()
    .enumerate()
    {
        let folder = Folder::new("unseen");
        folder.put_all(&operator, &["a", "b"], "text");
        let script = format!(
            "fn sees(x) {{ {look} }} let r = s3::write(\"{}\", \"{n}\"); if sees(r) {{ {}; }} else {{ {}; }}",
            folder.uri("new"),
            folder.delete(&["a"]),
            folder.delete(&["b"]),
        );
        let line = ["eval", "--effect", "destroy", &script];
        let planned = operator.run(&line);
        assert!(
            planned.stdout.contains(&folder.uri("b")) && !planned.stdout.contains(&folder.uri("a")),
            "{look}: {planned}"
        );
        let ran = operator.run(&[&line[..], &["--apply", "--yes"]].concat());
        let told = format!(
            "1 that are not in the plan were not touched: {}. 1 of the plan were not asked for again",
            folder.uri("a")
        );
        assert!(ran.stderr.contains(&told), "{look}: {ran}");
        let _ = ran.success();
        assert_eq!(folder.names(&operator), ["a", "b", "new"], "{look}");
    }
}
