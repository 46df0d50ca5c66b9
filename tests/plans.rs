//! Plans as files: written and not done, done once and exactly, and refused where they do not hold any more.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::folder::{Folder, destroying};
use super::lakes::{Lake, on_both_lakes};
use super::operator::{Operator, Ran};

/// Somebody with a folder that holds `a` and `b`.
fn with_two(lake: Lake, stem: &str) -> (Folder, Operator) {
    let folder = Folder::new(stem);
    let operator = folder.apart(lake.operator());
    folder.put_all(&operator, &["a", "b"], "text");
    (folder, operator)
}

/// Plans the end of the folder into `plan.jsonl`.
fn plan(folder: &Folder, operator: &Operator) -> Ran {
    let script = folder.delete_all();
    operator.run(&[
        "eval",
        "--effect",
        "destroy",
        "--plan-out",
        "plan.jsonl",
        &script,
    ])
}

fn apply(operator: &Operator) -> Ran {
    operator.run(&["apply", "plan.jsonl", "--yes"])
}

/// Changes the lines of a plan, and makes its digest fit again.
fn edit(plan: &Path, change: impl FnOnce(&mut Vec<Value>)) {
    let text = std::fs::read_to_string(plan).unwrap();
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    change(&mut lines);
    let mut trailer = lines.pop().unwrap();
    let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    trailer["digest"] = json!(format!("sha256:{}", hex::encode(Sha256::digest(&text))));
    text.push_str(&format!("{trailer}\n"));
    std::fs::write(plan, text).unwrap();
}

on_both_lakes! {
    fn a_plan_that_is_written_does_nothing_and_applied_does_just_what_it_says(lake) {
        let (folder, operator) = with_two(lake, "written");
        let ran = plan(&folder, &operator);
        assert!(ran.stderr.contains("nothing was changed. The plan is in plan.jsonl"), "{ran}");
        let shown = ran.success();
        assert!(shown.contains(&folder.uri("a")) && shown.contains(&folder.uri("b")), "{shown}");
        assert_eq!(folder.names(&operator), ["a", "b"]);
        let ran = apply(&operator);
        let undo = ran.told("2 done. Take it back: ", "\n");
        let _ = ran.success();
        assert_eq!(folder.names(&operator), [""; 0]);
        let ran = operator.copied(&undo);
        assert_eq!(folder.names(&operator), ["a", "b"], "{undo}\n{ran}");
    }

    fn what_is_said_to_be_typed_next_can_be_typed_as_it_stands(lake) {
        let (folder, operator) = with_two(lake, "typed");
        let script = folder.delete_all();
        let ran = operator.run(&["eval", "--effect", "destroy", "--plan-out", "a plan.jsonl", &script]);
        let apply = ran.told("is in a plan.jsonl: `", "`");
        let ran = operator.copied(&format!("{apply} --yes"));
        assert_eq!(folder.names(&operator), [""; 0], "{apply}\n{ran}");
        folder.put(&operator, "a", "somebody else's");
        // What somebody put there since is in the way of the undo.
        let ran = operator.copied(&ran.told("Take it back: ", "\n"));
        let log = ran.told("what was done: ", "\n");
        let anew = ran.told("plan it anew: ", "\n");
        let stderr = ran.failure(4);
        assert!(!stderr.contains("do what is left"), "{stderr}");
        let shown = operator.copied(&log).success();
        assert!(shown.contains(&folder.uri("a")), "{shown}");
        folder.remove(&operator, "a");
        operator.copied(&anew).success();
        assert_eq!(folder.names(&operator), ["a", "b"]);
    }

    fn a_plan_is_good_once_also_for_somebody_else(lake) {
        let (served, folder) = (lake.served(), Folder::new("once"));
        let (one, other) = (folder.apart(served.operator()), folder.apart(served.operator()));
        folder.put_all(&one, &["a", "b"], "text");
        plan(&folder, &one).success();
        let file = std::fs::read_to_string(one.work().join("plan.jsonl")).unwrap();
        other.work_file("plan.jsonl", &file);
        apply(&one).success();
        folder.put_all(&one, &["a", "b"], "text");
        for operator in [&one, &other] {
            let stderr = apply(operator).failure(5);
            assert!(stderr.contains("this plan was used already by run "), "{stderr}");
            let log = operator.run(&["log", "list", "--json"]).json();
            assert!(log.as_array().unwrap().iter().all(|run| run["outcome"] != "unfinished"), "{log}");
        }
        assert_eq!(folder.names(&one), ["a", "b"]);
        assert!(one.run(&["lock", "list", "--json"]).json().as_array().unwrap().is_empty());
    }
}

#[test]
fn a_plan_is_written_also_where_it_is_applied_at_once_and_is_used_up_then() {
    let (folder, operator) = with_two(Lake::Sandbox, "both");
    let script = folder.delete_all();
    operator
        .run(&[
            "eval",
            "--effect",
            "destroy",
            "--apply",
            "--yes",
            "--plan-out",
            "plan.jsonl",
            &script,
        ])
        .success();
    assert_eq!(folder.names(&operator), [""; 0]);
    assert!(
        apply(&operator)
            .failure(5)
            .contains("this plan was used already")
    );
}

#[test]
fn a_command_that_writes_only_plans_where_its_plan_goes_to_a_file() {
    let operator = Operator::in_context("sandbox");
    let ran = operator.run(&["domain", "create", "geplant", "--plan-out", "plan.jsonl"]);
    assert!(ran.stderr.contains("nothing was changed"), "{ran}");
    let _ = ran.success();
    let stderr = operator.run(&["domain", "show", "geplant"]).failure(1);
    assert!(stderr.contains("there is no collection"), "{stderr}");
    apply(&operator).success();
    operator.run(&["domain", "show", "geplant"]).success();
    assert!(
        apply(&operator)
            .failure(5)
            .contains("this plan was used already")
    );
}

#[test]
fn a_plan_is_for_its_owner_alone_also_where_a_file_was_there_before() {
    let (folder, operator) = with_two(Lake::Sandbox, "mode");
    let file = operator.work_file("plan.jsonl", "older\n");
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    plan(&folder, &operator).success();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    apply(&operator).success();
}

#[test]
fn a_dry_run_of_apply_shows_the_plan_and_leaves_it_unused() {
    let (folder, operator) = with_two(Lake::Sandbox, "dry");
    plan(&folder, &operator).success();
    for flags in [&["--dry-run"][..], &["--dry-run", "--yes"]] {
        let ran = operator.run(&[&["apply", "plan.jsonl"], flags].concat());
        assert!(ran.stdout.contains(&folder.uri("a")), "{ran}");
        assert_eq!(ran.stderr, "dry run: nothing was changed\n");
        let _ = ran.success();
    }
    assert_eq!(folder.names(&operator), ["a", "b"]);
    apply(&operator).success();
}

#[test]
fn an_expired_plan_is_refused() {
    let (folder, operator) = with_two(Lake::Sandbox, "expired");
    plan(&folder, &operator).success();
    let file = operator.work().join("plan.jsonl");
    edit(&file, |_| {});
    edit(&file, |lines| {
        lines[0]["expires"] = json!("2020-01-01T00:00:00Z");
    });
    let stderr = apply(&operator).failure(5);
    assert!(
        stderr.contains("this plan expired at 2020-01-01T00:00:00Z"),
        "{stderr}"
    );
    assert!(stderr.contains("--plan-out FILE"), "{stderr}");
    edit(&file, |lines| {
        lines[0]["expires"] = json!("2999-01-01T00:00:00Z");
    });
    assert_eq!(folder.names(&operator), ["a", "b"]);
    apply(&operator).success();
}

#[test]
fn a_plan_whose_bytes_changed_is_refused() {
    let (folder, operator) = with_two(Lake::Sandbox, "damaged");
    plan(&folder, &operator).success();
    let file = operator.work().join("plan.jsonl");
    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let without = |n: usize| [&lines[..n], &lines[n + 1..]].concat().concat();
    let mut damaged = vec![
        String::new(),
        "not a plan\n".to_owned(),
        whole.replace("/a\"", "/c\""),
        whole.replace("\"expires\":\"2", "\"expires\":\"3"),
        whole.replace("\"targets\":2", "\"targets\":1"),
        format!("{whole}{}", lines[1]),
        [lines[0], lines[2], lines[1], lines[3]].concat(),
    ];
    damaged.extend((0..lines.len()).map(without));
    damaged.extend([whole.len() - 2, whole.len() / 2].map(|end| whole[..end].to_owned()));
    for text in damaged {
        assert_ne!(text, whole);
        std::fs::write(&file, &text).unwrap();
        let ran = apply(&operator);
        assert!(
            ran.stderr.contains("the plan plan.jsonl is damaged"),
            "{ran}\n{text}"
        );
        let _ = ran.failure(5);
    }
    std::fs::write(&file, whole).unwrap();
    assert_eq!(folder.names(&operator), ["a", "b"]);
    apply(&operator).success();
}

#[test]
fn a_plan_names_no_file_of_this_machine() {
    let (folder, operator) = with_two(Lake::Sandbox, "nonce");
    plan(&folder, &operator).success();
    let aim = operator.home().join("aim");
    edit(&operator.work().join("plan.jsonl"), |lines| {
        lines[0]["nonce"] = json!(aim);
    });
    assert!(
        apply(&operator)
            .failure(5)
            .contains("this plan has no nonce")
    );
    assert!(!aim.exists());
}

#[test]
fn a_plan_of_another_lake_is_refused() {
    let (served, folder) = (Lake::Sandbox.served(), Folder::new("bound"));
    let operator = served.operator();
    folder.put(&operator, "a", "text");
    plan(&folder, &operator).success();
    let config =
        std::fs::read_to_string(operator.home().join(".config/dashi/config.toml")).unwrap();
    operator.config(&format!("{config}[contexts.other]\n"));
    let stderr = operator
        .run(&["--context", "other", "apply", "plan.jsonl", "--yes"])
        .failure(5);
    assert!(
        stderr.contains("this plan is for the context 'default', and this is 'other'"),
        "{stderr}"
    );
    let elsewhere = Lake::Sandbox.served();
    let endpoint = [("DASHI_S3_ENDPOINT", elsewhere.addresses.s3.clone())];
    let stderr = operator
        .run_in(&endpoint, &["apply", "plan.jsonl", "--yes"])
        .failure(5);
    assert!(
        stderr.contains("this plan was made where s3.endpoint is "),
        "{stderr}"
    );
    assert_eq!(folder.names(&operator), ["a"]);
    apply(&operator).success();
}

#[test]
fn a_plan_is_refused_where_its_script_or_an_import_changed_before_anything_is_sent() {
    let (tapped, folder) = (Lake::Sandbox.tapped(), Folder::new("script"));
    let operator = &tapped.operator;
    folder.put(&tapped.served.operator(), "a", "text");
    let script = destroying(&format!(
        "    import \"./help\" as help;\n    help::drop(\"{}\")",
        folder.uri("a")
    ));
    let help = "import \"./deep\" as deep;\nfn drop(uri) { s3::delete(uri) }\n";
    let write = || {
        operator.work_file("x.rhai", &script);
        operator.work_file("help.rhai", help);
        operator.work_file("deep.rhai", "fn unused() { }\n");
    };
    write();
    operator
        .run(&["run", "x.rhai", "--plan-out", "plan.jsonl"])
        .success();
    for (file, text) in [
        ("x.rhai", format!("{script}// more\n")),
        ("x.rhai", destroying("    1")),
        ("x.rhai", "no script at all (".to_owned()),
        (
            "x.rhai",
            destroying("    try { s3::delete(\"s3://landing/x\") } catch { }"),
        ),
        ("help.rhai", format!("{help}// more\n")),
    ] {
        operator.work_file(file, &text);
        tapped.s3.forget();
        let ran = apply(operator);
        assert!(
            ran.stderr.contains("is not the one that made this plan"),
            "{text}: {ran}"
        );
        assert_eq!(ran.code, Some(5), "{ran}");
        assert_eq!(tapped.s3.requests(), []);
        write();
    }
    // What only the run itself imports is found out before the first change.
    operator.work_file("deep.rhai", "fn unused() { 1 }\n");
    let stderr = apply(operator).failure(5);
    assert!(
        stderr.contains("is not the one that made this plan"),
        "{stderr}"
    );
    std::fs::remove_file(operator.work().join("x.rhai")).unwrap();
    assert!(
        apply(operator)
            .failure(5)
            .contains("the script of this plan is not what it was")
    );
    assert_eq!(folder.names(operator), ["a"]);
}

#[test]
fn more_than_max_delete_is_refused_and_nothing_is_done() {
    let (tapped, folder) = (Lake::Sandbox.tapped(), Folder::new("most"));
    let operator = &tapped.operator;
    folder.put_all(&tapped.served.operator(), &["a", "b"], "text");
    plan(&folder, operator).success();
    let script = folder.delete_all();
    let at_once = ["eval", "--effect", "destroy", "--apply", &script];
    for line in [&at_once[..], &["apply", "plan.jsonl"]] {
        let ran = operator.run(&[line, &["--yes", "--max-delete", "1"]].concat());
        assert!(
            ran.stderr
                .contains("the plan destroys 2 things, and --max-delete is 1"),
            "{ran}"
        );
        let _ = ran.failure(2);
    }
    assert_eq!(tapped.s3.changes(), []);
    operator
        .run(&["apply", "plan.jsonl", "--yes", "--max-delete", "2"])
        .success();
    assert_eq!(folder.names(operator), [""; 0]);
}

#[test]
fn a_plan_as_json_has_header_totals_effects_and_result() {
    let (folder, operator) = with_two(Lake::Sandbox, "json");
    let script = format!("{}; 7", folder.delete_all());
    let shown = operator
        .run(&["eval", "--effect", "destroy", "--json", &script])
        .json();
    let plan = &shown["plan"];
    assert_eq!(
        (&plan["context"], &plan["effect"], &plan["part"]),
        (&json!("sandbox"), &json!("destroy"), &json!(1))
    );
    for field in ["nonce", "created", "expires", "command", "script"] {
        assert!(plan[field].is_string(), "{plan}");
    }
    assert_eq!(
        (&plan["totals"]["targets"], &plan["totals"]["bytes"]),
        (&json!(2), &json!(8))
    );
    let effects = plan["effects"].as_array().unwrap();
    let targets: Vec<&str> = effects
        .iter()
        .filter_map(|effect| effect["target"].as_str())
        .collect();
    assert_eq!(targets, [folder.uri("a"), folder.uri("b")]);
    assert_eq!(
        (&effects[0]["function"], &effects[0]["bytes"]),
        (&json!("s3::delete"), &json!(4))
    );
    assert_eq!(shown["result"], 7);
    let nothing = operator
        .run(&["eval", "--effect", "destroy", "--json", "()"])
        .json();
    assert_eq!(
        (
            &nothing["plan"]["effects"],
            &nothing["plan"]["totals"]["targets"]
        ),
        (&json!([]), &json!(0))
    );
}

#[test]
fn a_plan_of_many_objects_shows_its_ends_is_applied_and_is_taken_back() {
    const MANY: usize = 520;
    let folder = Folder::new("many");
    let operator = Operator::in_context("sandbox");
    let fill = format!(
        "let all = []; for n in 0..{MANY} {{ all.push(n); }}
         parallel(all, 16, |n| s3::write(`{}${{1000 + n}}`, `${{n}}`)); ()",
        folder.uri("")
    );
    operator
        .run(&["eval", "--effect", "write", &fill])
        .success();
    let shown = plan(&folder, &operator).success();
    assert!(shown.contains("520"), "{shown}");
    for end in ["1000", "1519"] {
        assert!(shown.contains(&folder.uri(end)), "{shown}");
    }
    let ran = apply(&operator);
    assert!(ran.stderr.contains("520 done."), "{ran}");
    let undo = ran.told("Take it back: ", "\n");
    let _ = ran.success();
    assert_eq!(folder.names(&operator), [""; 0]);
    operator.copied(&undo).success();
    assert_eq!(folder.names(&operator).len(), MANY);
    let read = format!("s3::read(\"{}\")", folder.uri("1519"));
    assert_eq!(operator.run(&["eval", &read]).success(), "519\n");
}
