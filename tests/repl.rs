//! The prompt without a terminal: entries from a pipe, one after the other, and what they leave.

use std::io::Write;

use super::lakes::{Lake, on_both_lakes};
use super::operator::{Operator, Ran};

/// What comes of some entries. The first that fails ends it.
fn typed(operator: &Operator, flags: &[&str], entries: &str) -> Ran {
    let mut child = operator.start(&[&["repl"], flags].concat());
    let mut stdin = child.stdin.take().unwrap();
    // One that ends early reads no more.
    let _ = stdin.write_all(entries.as_bytes());
    drop(stdin);
    operator.ended(child)
}

on_both_lakes! {
    fn a_change_is_asked_about_and_yes_can_be_said_beforehand(lake) {
        let (operator, id) = (lake.operator(), Lake::name("prompted"));
        operator.run(&["domain", "create", &id, "--title", "Before"]).success();
        let entries = format!("let it = stac::collection(\"{id}\");\nit.title = \"After\";\nstac::put_collection(it).title\n");
        let refused = typed(&operator, &[], &entries).failure(2);
        let message = format!("stac::put_collection would change collection {id}, and there is no terminal to ask on");
        assert!(refused.contains(&message) && refused.contains("repl --yes"), "{refused}");
        let title = || operator.run(&["domain", "show", &id, "--json"]).json()["title"].as_str().unwrap().to_owned();
        assert_eq!(title(), "Before");
        let planned = typed(&operator, &["--dry-run"], &entries).success();
        assert!(planned.contains(&format!("collection {id}")), "{planned}");
        assert_eq!(title(), "Before");
        assert_eq!(typed(&operator, &["--yes"], &entries).success(), "After\n");
        assert_eq!(title(), "After");
    }

    fn what_destroys_is_planned_and_done_with_what_came_before_it(lake) {
        let (operator, id) = (lake.operator(), Lake::name("gone"));
        operator.run(&["domain", "create", &id]).success();
        let entries = format!("let id = \"{id}\";\nfn away(id) {{\n    stac::delete_collection(id)\n}}\nlet n = 1;\n n += 1; away(id);\n");
        let there = || operator.run(&["eval", &format!("stac::try_collection(\"{id}\") != ()")]).success();
        let refused = typed(&operator, &[], &entries).failure(2);
        assert!(refused.contains("there is no terminal to ask on") && refused.contains("--dry-run"), "{refused}");
        let planned = typed(&operator, &["--dry-run"], &entries);
        assert!(planned.stdout.contains(&format!("collection {id}")), "{planned}");
        assert!(planned.stderr.contains("nothing was changed. To do this: :apply"), "{planned}");
        assert_eq!((planned.code, there().as_str()), (Some(0), "true\n"));
        let refused = typed(&operator, &["--dry-run"], &format!("{entries}:apply\n")).failure(2);
        assert!(refused.contains("--yes"), "{refused}");
        // The variables are as one run of the entry leaves them, though it goes twice over it.
        let done = typed(&operator, &["--yes"], &format!("{entries}n\n"));
        assert!(done.stdout.ends_with("2\n"), "{done}");
        assert_eq!(there(), "false\n");
        let undo = done.told("Take it back: ", "\n");
        operator.copied(&format!("{undo} --yes")).success();
        assert_eq!(there(), "true\n");
    }

    fn a_list_is_shown_in_part_and_is_whole_again(lake) {
        let (operator, stem) = (lake.operator(), Lake::name("long"));
        let entries = format!("let n = 0;\nlet all = [];\nwhile n < 60 {{ all.push(`{stem}-${{n}}`); n += 1; }}\n");
        let table = typed(&operator, &[], &format!("{entries}stac::collections().map(|it| it.id)\nall.len()\n_ + 1\n"));
        assert!(table.stdout.ends_with("60\n61\n"), "{table}");
        for id in 0..55 {
            operator.run(&["domain", "create", &format!("{stem}-{id}")]).success();
        }
        let mine = format!("stac::collections().map(|it| it.id).filter(|id| id.starts_with(\"{stem}\"))");
        let ran = typed(&operator, &[], &format!("{mine}\n_.count()\n"));
        assert!(ran.stderr.contains("these are the first 50: _ is the whole list"), "{ran}");
        assert_eq!(ran.stdout.lines().count(), 51, "{ran}");
        assert!(ran.stdout.ends_with("\n55\n"), "{ran}");
        let whole = typed(&operator, &[], &format!("{mine}.take(3)\n_.len()\n"));
        assert!(whole.stdout.ends_with("\n3\n") && whole.stderr.is_empty(), "{whole}");
    }
}

#[test]
fn entries_stand_on_those_before_them() {
    let operator = Operator::in_context("sandbox");
    let entries = "1 + 1\n_ * 21\nfn twice(x) {\n    x * 2\n}\ntwice(_)\nlet f = |x| x + twice(1);\nf.call(1)\nimport \"std/pod\" as pods;\n\
        pods::last_of([\"a\", \"  b\"])\nswitch _ { \"a\" => 1, _ => 2 }\nfn twice(x) { x * 20 }\nf.call(_)\nlet text = `a\nb`;\ntext.len()\n()\n_\n/* all\n of it */ 7\n";
    assert_eq!(
        typed(&operator, &[], entries).success(),
        "2\n42\n84\n3\na\n1\n21\n3\n3\n7\n"
    );
    let json = typed(&operator, &["--json"], "#{a: [1]}\n").json();
    assert_eq!(json["a"][0], 1);
    let switched = ":json #{a: [1]}\n:json\n\"x\"\n:json\n\"x\"\n";
    assert_eq!(
        typed(&operator, &[], switched).success(),
        "{\n  \"a\": [\n    1\n  ]\n}\n\"x\"\nx\n"
    );
}

#[test]
fn the_first_entry_that_fails_is_told_with_its_place_and_ends_it() {
    let operator = Operator::in_context("sandbox");
    for (entries, code, told) in [
        ("1\nlet x = 5 5\n3\n", 2, "<repl>:2:11"),
        (
            "1\nstac::colection(\"a\")\n3\n",
            2,
            "did you mean 'stac::collection'?",
        ),
        ("1\nitmes.len()\n3\n", 2, "there is no variable 'itmes'"),
        ("1\nstac::collection(\"no-such\")\n3\n", 1, "no-such"),
        ("1\nfn f() {\n  g()\n}\n3\n", 2, "<repl>:3:3"),
        ("1\nfn f(x) {\n  x.y.z\n}\nf(#{y: 1})\n3\n", 1, "<repl>:3:7"),
        ("1\n:nonsense\n3\n", 2, "there is no command ':nonsense'"),
        ("1\n:typ 1\n:ex\n3\n", 2, "there is no command ':ex'"),
        ("1\nexit(7)\n3\n", 7, ""),
        ("1\n\"open\n3\n", 2, "<repl>:2:1"),
    ] {
        let ran = typed(&operator, &[], entries);
        assert_eq!(ran.code, Some(code), "{ran}");
        assert!(
            ran.stdout.starts_with("1\n") && !ran.stdout.contains('3'),
            "{ran}"
        );
        assert!(ran.stderr.contains(told), "{ran}");
    }
    let ran = typed(&operator, &[], "view([], #{exit: 3})\n");
    assert_eq!(ran.code, Some(3), "{ran}");
}

#[test]
fn a_protected_context_is_only_read_until_it_is_armed() {
    let lake = Lake::Sandbox.served();
    let operator = lake.operator().with("DASHI_PROTECTED", "true");
    let change = "stac::put_collection(stac::collection(\"klima-historisch\")).id\n";
    assert_eq!(
        typed(&operator, &["--yes"], "stac::count() > 0\n").success(),
        "true\n"
    );
    for entries in [
        change.to_owned(),
        format!("let f = || {change};\nf.call()\n"),
    ] {
        let refused = typed(&operator, &["--yes"], &entries).failure(2);
        assert!(
            refused.contains("is protected, and here it is only read"),
            "{refused}"
        );
        assert!(refused.contains(":arm default"), "{refused}");
    }
    // What only holds a change, or catches its refusal, changes nothing.
    let held = format!(
        "let f = || {change};\n1 + 1\ntry {{ {change} }} catch {{ out::note(\"caught\"); }}\n_\n"
    );
    let ran = typed(&operator, &["--yes"], &held);
    assert_eq!(ran.stdout, "2\n2\n", "{ran}");
    // A function that only reads is called beside one that does not.
    let beside = format!("fn put() {{ {change} }}\nfn look() {{ 41 + 1 }}\nlook()\n");
    assert_eq!(typed(&operator, &["--yes"], &beside).success(), "42\n");
    let other = typed(&operator, &["--yes"], ":arm prod\n").failure(2);
    assert!(
        other.contains("this is 'default', and not 'prod'"),
        "{other}"
    );
    let armed = typed(&operator, &["--yes"], &format!(":arm default\n{change}"));
    assert_eq!(armed.success(), "klima-historisch\n");
}

#[test]
fn a_session_is_saved_as_a_runbook_that_passes_the_check_and_runs() {
    let operator = Operator::in_context("sandbox");
    let entries = "import \"std/pod\" as pods;\nlet domains = stac::collections().map(|it| it.id).collect();\n/// Says.\nfn most(names) {\n    names.len()\n}\n\
        domains\nmost(_)\nlet kept = 7; nope.nope\n";
    let failing = typed(&operator, &[], entries);
    assert_eq!(failing.code, Some(2), "{failing}");
    let entries = entries.replace("let kept = 7; nope.nope\n", ":save mine.rhai\n");
    let saved = typed(&operator, &[], &entries);
    assert!(saved.stderr.contains("dashictl check mine.rhai"), "{saved}");
    let checked = operator.run(&["check", "mine.rhai"]).success();
    assert!(
        checked.ends_with(" 0 error(s), 0 warning(s)\n"),
        "{checked}"
    );
    assert_eq!(operator.run(&["run", "mine.rhai"]).success(), "2\n");
    let again = typed(&operator, &[], &entries).failure(2);
    assert!(again.contains("mine.rhai is there already"), "{again}");
    let loaded = typed(&operator, &[], ":load mine.rhai\nmain(#{})\n");
    assert!(loaded.stderr.contains("main is defined"), "{loaded}");
    assert_eq!(loaded.success(), "2\n");
}

#[test]
fn another_context_has_the_functions_and_values_of_the_first() {
    let lake = Lake::Sandbox.served();
    let operator = lake.operator();
    let entries = "let n = 41;\nlet list = stac::collections();\nfn more(x) { x + 1 }\n:ctx sandbox\nctx::name()\nmore(n)\nlist\n";
    let ran = typed(&operator, &[], entries);
    assert_eq!(ran.stdout, "sandbox\n42\n", "{ran}");
    assert!(ran.stderr.contains("there is no variable 'list'"), "{ran}");
    let unknown = typed(&operator, &[], ":ctx nowhere\n").failure(2);
    assert!(unknown.contains("nowhere"), "{unknown}");
}

#[test]
fn commands_of_the_prompt_say_what_there_is() {
    let operator = Operator::in_context("sandbox");
    let help = typed(&operator, &[], ":help\n").success();
    assert!(
        [":doc NAME", ":save FILE", ":arm CONTEXT"]
            .iter()
            .all(|it| help.contains(it)),
        "{help}"
    );
    let doc = typed(&operator, &[], ":doc s3::list\n").success();
    assert_eq!(doc, operator.run(&["doc", "s3::list"]).success());
    let told = typed(
        &operator,
        &[],
        "let m = #{a: 1};\n:vars\n:type m\n:type stac::collections()\n:clear\nm\n",
    );
    assert!(
        told.stdout.contains("{\"a\":1}") && told.stdout.ends_with("map\nStream\n"),
        "{told}"
    );
    assert!(told.stderr.contains("there is no variable 'm'"), "{told}");
    let listed = typed(&operator, &[], "stac::items(\"gelaende-umwelt\").take(1)\n");
    assert!(listed.stderr.contains("(:json shows them)"), "{listed}");
    let timed = typed(&operator, &[], ":time 1 + 1\n");
    assert_eq!(timed.stdout, "2\n");
    assert!(timed.stderr.ends_with(" s\n"), "{timed}");
    assert_eq!(typed(&operator, &[], ":quit\n1\n").success(), "");
}

#[test]
fn what_could_destroy_and_does_not_is_an_entry_like_any_other() {
    let operator = Operator::in_context("sandbox");
    let gone = "s3::delete(\"s3://landing/no-such\")";
    for (entries, shown) in [
        (
            format!("let c = || {gone};\nlet k = 5;\nk\nlet m = 6;\nm\n"),
            "5\n6\n",
        ),
        (format!("fn wipe() {{ {gone} }}\nlet k = 7;\nk\n"), "7\n"),
        (format!("let d = {gone};\nd.gone\n"), "1\n"),
        (
            format!("let u = if false {{ {gone} }} else {{ 8 }};\nu\n"),
            "8\n",
        ),
        (
            format!(
                "let c = || {gone}; stac::items(\"gelaende-umwelt\").map(|it| it.id).take(1)\n_.len()\n"
            ),
            "gewaessernetz-eifel\n1\n",
        ),
    ] {
        let ran = typed(&operator, &["--yes"], &entries);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), shown), "{ran}");
        let unasked = typed(&operator, &[], &entries);
        assert_eq!(
            (unasked.code, unasked.stdout.as_str()),
            (Some(0), shown),
            "{unasked}"
        );
        let dry = typed(&operator, &["--dry-run"], &entries);
        assert_eq!((dry.code, dry.stdout.as_str()), (Some(0), shown), "{dry}");
    }
}

#[test]
fn what_closures_share_is_as_one_run_of_an_entry_leaves_it() {
    let operator = Operator::in_context("sandbox");
    operator
        .run(&[
            "eval",
            "--effect",
            "write",
            "s3::write(\"s3://landing/k1\", \"x\")",
        ])
        .success();
    let entries = "let n = 0;\nlet next = || { n += 1; n };\ns3::delete(`s3://landing/k${next.call()}`).deleted\nn\n";
    let done = typed(&operator, &["--yes"], entries);
    assert_eq!(done.stdout, "1\n1\n", "{done}");
    operator
        .run(&[
            "eval",
            "--effect",
            "write",
            "s3::write(\"s3://landing/k1\", \"x\")",
        ])
        .success();
    let planned = typed(&operator, &["--dry-run"], entries);
    assert!(planned.stdout.ends_with("\n0\n"), "{planned}");
}

#[test]
fn a_session_of_any_kind_is_saved_so_that_it_runs() {
    for (entries, shown) in [
        ("let m = #{a: 1}\nm.a\n", "1\n"),
        ("let y = if true { 2 } else { 3 }\ny\n", "2\n"),
        ("let f = || { 4 }\nf.call()\n", "4\n"),
        ("\"a\" // tail\n_.len()\n", "1\n"),
        ("fn a(x) { x + 1 }\na(1)\nfn a(x) { x + 2 }\na(1)\n", "3\n"),
        ("let x = 3\nlet y = if x > 5 { _ } else { 0 }\ny\n", "0\n"),
        ("let last = 9;\n5\n_ + last\n", "14\n"),
        ("let t = `l1\n    l2`;\nt.len()\n", "9\n"),
        ("stac::items(\"gelaende-umwelt\")\n_.len()\n", "7\n"),
        ("`a\n${1 + 2}\nb`\n", "a\n3\nb\n"),
        ("`a\n// b`\n", "a\n// b\n"),
        ("1 /* one */ + // and\n2\n", "3\n"),
        ("switch 3 { 1 => 1, _ => 2 }\n_ + 1\n", "3\n"),
        ("let a = 1; a + 1\nlet b = _ * 2;\na + b\n", "5\n"),
        (
            "let c = \"gelaende-umwelt\"; stac::items(c)\n_.len()\nc.len()\n",
            "15\n",
        ),
        ("let n = 0; for x in [1, 2] { n += x } n\n_ + n\n", "6\n"),
        ("return 1;\n2 + 2\n", "4\n"),
        ("let a = [1];\na\na[0]\n", "1\n"),
        ("stac::collections().map(|it| it.id)\n5\n", "5\n"),
        (
            "let items = stac::items(\"gelaende-umwelt\")\nitems\nitems.len()\n",
            "7\n",
        ),
        (
            "let l = []\nif l.is_empty() { return \"none\"; }\n1 + 1\n",
            "2\n",
        ),
        ("return 1; fs::write(\"never\", \"\");\n3\n", "3\n"),
        ("let t = \"say \"\"hi\"\" now\";\nt\n", "say \"hi\" now\n"),
        ("let t = #\"a # b\"#;\nt\n", "a # b\n"),
        ("if true { return \"there\"; } 1\n_.len()\n", "5\n"),
        ("let a = 1\na + 1\n[a, a]\na == 1\n\"done\"\n", "done\n"),
    ] {
        let operator = Operator::in_context("sandbox");
        let saved = typed(&operator, &[], &format!("{entries}:save s.rhai\n"));
        assert!(
            saved.code == Some(0) && saved.stdout.ends_with(shown),
            "{entries}: {saved}"
        );
        let text = std::fs::read_to_string(operator.work().join("s.rhai")).unwrap();
        let checked = operator.run(&["check", "s.rhai"]);
        assert!(
            checked.stdout.ends_with(" 0 error(s), 0 warning(s)\n"),
            "{text}\n{checked}"
        );
        assert_eq!(operator.run(&["run", "s.rhai"]).stdout, shown, "{text}");
    }
}

#[test]
fn what_is_not_there_is_told_with_what_may_be_meant() {
    let operator = Operator::in_context("sandbox");
    for (entries, told) in [
        ("let items = 1;\nitmes\n", "did you mean 'items'?"),
        ("x = 5\n", "let x = … makes one"),
        ("let f = |a| a + 1;\nf(4)\n", "'f' is a closure: f.call(…)"),
        (
            "[1].chunks(2)\n",
            "'chunks' is a method of Stream, and this is array",
        ),
        ("\n\n// c\n\n1\n:type 3\n\nfoo()\n", "--> <repl>:8:1"),
    ] {
        let ran = typed(&operator, &[], entries);
        assert!(ran.code != Some(0) && ran.stderr.contains(told), "{ran}");
    }
    let entries = "let st = stac::collections();\n:ctx sandbox\n";
    let moved = typed(&operator, &[], entries);
    assert!(
        moved
            .stderr
            .contains("left behind, being of the other lake: st"),
        "{moved}"
    );
}

#[test]
fn a_secret_that_is_typed_stays_out_of_journal_and_audit_line() {
    let operator = Operator::in_context("sandbox");
    let entry = "s3::write(\"s3://landing/sec\", \"a password=swordfish99\").size\n";
    let ran = typed(&operator, &["--yes"], entry);
    assert_eq!(ran.stdout, "22\n", "{ran}");
    assert!(!ran.stderr.contains("swordfish99"), "{ran}");
    let runs = operator.run(&["log", "list", "--json"]).json();
    let command = runs[0]["command"].as_str().unwrap();
    assert_eq!(
        command,
        "dashictl eval --effect write 's3::write(\"s3://landing/sec\", \"…\").size'"
    );
    let saved = typed(
        &operator,
        &[],
        "let password = \"hunter2\";\n:save p.rhai\n",
    );
    assert!(
        saved.stderr.contains("looks as if it held a secret"),
        "{saved}"
    );
}

#[test]
fn a_protected_context_is_not_changed_by_what_was_planned_in_a_dry_run() {
    let operator = Operator::new();
    operator.config("[contexts.prod]\nprotected = true\n");
    let entries = ":dry\nfs::write(\"x.txt\", \"1\")\n:apply\n";
    let ran = typed(&operator, &["--context", "prod", "--yes"], entries);
    assert!(
        ran.stderr
            .contains("the context 'prod' is protected, and here it is only read"),
        "{ran}"
    );
    assert!(!operator.work().join("x.txt").exists());
}

#[test]
fn what_a_closure_does_that_a_variable_holds_is_planned_and_asked_about() {
    // In a dry run nothing is done, whoever calls what.
    let operator = Operator::new();
    operator.config("[contexts.prod]\nprotected = true\n[contexts.free]\n");
    for context in ["prod", "free"] {
        let entries = ":dry\nlet f = || fs::write(\"x.txt\", \"1\");\nf.call()\nlet m = #{all: [f]};\nm.all[0].call()\n";
        let ran = typed(&operator, &["--context", context, "--yes"], entries);
        assert!(!operator.work().join("x.txt").exists(), "{ran}");
        assert!(ran.stdout.contains("fs::write"), "{ran}");
    }
    // What destroys is planned, and done once.
    let operator = Operator::in_context("sandbox");
    let entries =
        "let f = |key| s3::delete(`s3://landing/${key}`);\nf.call(\"README.txt\").deleted\n";
    let ran = typed(&operator, &["--yes"], entries);
    assert_eq!(ran.code, Some(0), "{ran}");
    let there = typed(
        &operator,
        &[],
        "s3::try_head(\"s3://landing/README.txt\") == ()\n",
    );
    assert_eq!(there.stdout, "true\n", "{there}");
}

#[test]
fn what_an_entry_defines_stays_whatever_comes_of_it() {
    let operator = Operator::in_context("sandbox");
    let tmux = operator.in_tmux(&[]);
    tmux.expect("> ", 1);
    tmux.entry(
        "let f = |x| x + 4710; import \"std/report\" as rep; fn q() { 4720 } throw \"boom\"",
    );
    tmux.expect("boom", 2);
    tmux.entry("f.call(1)");
    tmux.expect("4711", 1);
    tmux.entry("q() + rep::heading(1, \"x\").len()");
    tmux.expect("4724", 1);
    tmux.entry("import \"std/report\"");
    tmux.expect("import \"std/report\" as report;", 1);
    tmux.entry("4000 + 730");
    tmux.expect("4730", 1);
}

#[test]
fn a_list_is_looked_at_and_is_whole_again() {
    let operator = Operator::in_context("sandbox");
    let entries = "let s = stac::items(\"gelaende-umwelt\");\ns\ns.count() + 4000\n:type s\n_\n";
    let ran = typed(&operator, &[], entries);
    assert_eq!(ran.stdout.matches("4007\n").count(), 2, "{ran}");
    assert_eq!(ran.code, Some(0), "{ran}");
}

#[test]
fn each_entry_looks_at_the_catalogue_anew() {
    let entries = "let at = \"s3://processed/klima-historisch/hyras-probe/raster/scene.tif\";\nlake::references().has(at)\n\
        let it = stac::item(\"gelaende-umwelt\", \"als-harz-2025\");\nit.id = \"probe\";\nit.assets.data.href = at;\nstac::put_item(it).id\n\
        lake::references().has(at)\n";
    let ran = typed(&Operator::in_context("sandbox"), &["--yes"], entries);
    assert_eq!(ran.stdout, "false\nprobe\ntrue\n", "{ran}");
}

#[test]
fn a_saved_session_says_where_a_function_was_another() {
    let operator = Operator::in_context("sandbox");
    let entries = "fn name() { \"a.txt\" }\nfs::write(name(), \"1\");\nfn name() { \"b.txt\" }\nname()\n:save s.rhai\n";
    let saved = typed(&operator, &["--yes"], entries);
    assert!(
        saved
            .stderr
            .contains("name was another function when it was used to change something"),
        "{saved}"
    );
    // Who only tries a function out has the last one.
    let entries = entries
        .replace("fs::write(name(), \"1\");", "name();")
        .replace("s.rhai", "t.rhai");
    let saved = typed(&operator, &["--yes"], &entries);
    assert!(!saved.stderr.contains("another function"), "{saved}");
}

#[test]
fn what_was_planned_is_done_as_it_was_planned_or_not_at_all() {
    let operator = Operator::in_context("sandbox");
    let files = "fn place(n) { `s3://landing/p${n}.txt` }\nfor n in 1..3 { s3::write(place(n), \"1\"); }\nlet t = place(1);\nlet now = time::parse(\"2000-01-01T00:00:00Z\");\n:dry\n";
    let by_function = format!("{files}s3::delete([place(1)])\n");
    let by_time = format!(
        "{files}s3::delete(s3::list(\"s3://landing/p\").filter(|o| time::parse(o.last_modified) > now).map(|o| o.uri).collect())\n"
    );
    let begin = format!("{files}s3::delete([t])\n");
    for (begin, change, told) in [
        (&begin, "t = place(2);", "'t' is not what it was"),
        (&begin, "let t = place(2);", "'t' is not what it was"),
        (
            &by_function,
            "fn place(n) { n }",
            "'place' is not what it was",
        ),
        (&by_function, ":clear", "nothing is planned"),
        (
            &by_time,
            "now = time::parse(\"2001-01-01T00:00:00Z\");",
            "'now' is not what it was",
        ),
    ] {
        let ran = typed(&operator, &["--yes"], &format!("{begin}{change}\n:apply\n"));
        assert!(ran.code != Some(0) && ran.stderr.contains(told), "{ran}");
        let left = operator.run(&["eval", "s3::list(\"s3://landing/p\").count()"]);
        assert_eq!(left.success(), "2\n");
    }
    let more = ":dry\ns3::delete(s3::list(\"s3://landing/p\").map(|o| o.uri).collect())\n:dry\ns3::write(\"s3://landing/p9.txt\", \"1\");\n:apply\n";
    let ran = typed(&operator, &["--yes"], more);
    assert!(ran.failure(2).contains("the plan destroys 3 things"));
    let _ = operator
        .run(&["s3", "rm", "s3://landing/p9.txt", "--apply", "--yes"])
        .success();
    let ran = typed(
        &operator,
        &["--yes"],
        &format!("{begin}1 + 1\nfn other() {{ 1 }}\n:apply\n"),
    );
    assert_eq!(ran.code, Some(0), "{ran}");
    let left = operator.run(&[
        "eval",
        "s3::list(\"s3://landing/p\").map(|o| o.key).collect()",
    ]);
    assert_eq!(left.success(), "p2.txt\n");
}

#[test]
fn what_was_only_planned_is_not_saved_and_what_failed_is_left_to_a_person() {
    let operator = Operator::in_context("sandbox");
    let entries = ":dry\nfs::write(\"a\", \"1\");\n:dry\n1\n:save s.rhai\n";
    let _ = typed(&operator, &["--yes"], entries);
    let text = std::fs::read_to_string(operator.work().join("s.rhai")).unwrap();
    assert!(!text.contains("fs::write"), "{text}");
    let entries = ":dry\nfs::write(\"a\", \"1\");\n:apply\n:dry\n:save t.rhai\n";
    let _ = typed(&operator, &["--yes"], entries);
    let text = std::fs::read_to_string(operator.work().join("t.rhai")).unwrap();
    assert_eq!(text.matches("fs::write").count(), 1, "{text}");
}

#[test]
fn a_command_at_the_prompt_changes_no_more_than_the_prompt_may() {
    let operator = Operator::in_context("sandbox");
    operator.work_file("f.txt", "1");
    let apply = "eval --effect destroy --apply 'fs::remove(\"f.txt\")'";
    let ran = typed(&operator, &["--yes"], &format!(":dry\n:run {apply}\n"));
    assert!(
        ran.failure(2)
            .contains("--dry-run and --apply do not go together")
    );
    let ran = typed(
        &operator,
        &["--yes"],
        ":dry\n:run trash purge --apply --older-than 0s\n",
    );
    assert!(ran.failure(2).contains("do not go together"));
    let ran = typed(
        &operator,
        &["--yes"],
        ":run domain list --context sandbox\n",
    );
    assert!(ran.failure(2).contains(":ctx NAME"));
    let ran = typed(&operator, &["--yes"], ":dry\n:run --json sandbox reset\n");
    assert!(ran.failure(2).contains("the command comes first"));
    let ran = typed(&operator, &["--yes"], ":dry\n:run sandbox reset\n");
    assert!(ran.failure(2).contains("has no dry run"));
    let ran = operator.run(&[
        "--dry-run",
        "eval",
        "--effect",
        "destroy",
        "--apply",
        "--yes",
        "fs::remove(\"f.txt\")",
    ]);
    assert!(ran.failure(2).contains("do not go together"));
    assert!(operator.work().join("f.txt").exists());
    // A command that fails ends what is read from a pipe.
    let ran = typed(
        &operator,
        &[],
        ":run s3 ls s3://no-such-bucket/\nout::note(\"went on\")\n",
    );
    assert!(!ran.stderr.contains("went on"), "{ran}");
    assert_ne!(ran.code, Some(0), "{ran}");
}

#[test]
fn a_command_of_dashictl_runs_in_the_context_of_the_prompt() {
    let operator = Operator::in_context("sandbox");
    let ran = typed(&operator, &[], ":run domain list --json\n");
    assert!(ran.success().contains("gelaende-umwelt"));
    let ran = typed(&operator, &[], ":run dashictl domain show 'no such'\n");
    assert!(ran.failure(1).contains("no such"));
    let ran = typed(
        &operator,
        &[],
        ":dry\n:run domain create new-one --title N\n",
    );
    assert!(ran.stderr.contains("nothing was changed"), "{ran}");
    let ran = typed(&operator, &[], "domain list\n");
    assert!(ran.failure(2).contains("run by :run domain"));
    let ran = typed(&operator, &[], ":run\n");
    assert!(ran.failure(2).contains("as in :run COMMAND"));
}

#[test]
fn the_secrets_of_every_context_stay_hidden_and_its_endpoints_stay_behind() {
    let operator = Operator::new();
    operator.config("[contexts.one]\nstac_url = \"http://127.0.0.1:9\"\n[contexts.one.s3]\nsecret_key = \"first-secret-value\"\n[contexts.two.s3]\nsecret_key = \"second-secret-value\"\n");
    let entries = "fs::write(\"a\", \"1\"); \"second-secret-value\".len(); out::note(\"first-secret-value\")\n:ctx two\nout::note(\"first-secret-value\");\nctx::settings().stac_url\n";
    let line = [
        "--context",
        "one",
        "--stac-url",
        "http://127.0.0.1:8",
        "--yes",
    ];
    let ran = typed(&operator, &line, entries);
    assert!(
        ran.stderr
            .contains("left behind, being of the other lake: --stac-url"),
        "{ran}"
    );
    assert!(!ran.to_string().contains("127.0.0.1:8"), "{ran}");
    let journals = operator.home().join(".local/state/dashi");
    for name in ["first-secret-value", "second-secret-value"] {
        let found = std::process::Command::new("grep")
            .args(["-r", name])
            .arg(&journals)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    }
}

#[test]
fn a_history_with_lines_that_cannot_be_is_read_and_goes_on() {
    let operator = Operator::in_context("sandbox");
    let odd = "{\"at\":\"2026-11-27T10:00:00Z\",\"context\":\"sandbox\",\"seconds\":-5,\"entry\":\"1+2\"}\n{\"at\":\"cut";
    operator.home_file(".local/state/dashi/history.jsonl", odd);
    let ran = typed(&operator, &[], ":history\n");
    assert!(ran.success().contains("1+2"));
}
