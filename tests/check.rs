//! What is found before anything is sent: typos, wrong counts, wrong keys, each with its place and the nearest word.

use std::path::{Path, PathBuf};

use super::listener::SilentListener;
use super::operator::{Operator, Ran};

/// Runs a script against services that must not be asked, and gives what was said.
fn refused(text: &str) -> Ran {
    let service = SilentListener::start();
    let operator = Operator::new()
        .with("DASHI_STAC_URL", service.url())
        .with("DASHI_S3_ENDPOINT", service.url());
    operator.work_file("x.rhai", text);
    let ran = operator.run(&["run", "x.rhai"]);
    assert_eq!(service.visits(), 0, "something was sent:\n{ran}");
    assert_eq!(ran.code, Some(2), "{ran}");
    assert_eq!(ran.stdout, "", "{ran}");
    ran
}

#[test]
fn a_mistyped_function_names_its_place_and_the_nearest() {
    let ran = refused("let all = stac::collections();\nstac::colection(\"a\");\n");
    expect_test::expect![[r#"
        ------- stderr -------
        usage error: there is no function 'stac::colection'
          --> x.rhai:2:1
          2 | stac::colection("a");
            | ^^^^^^^^^^^^^^^
          hint did you mean 'stac::collection'?
          hint `dashictl doc stac` lists what there is
        [exit status: 2]"#]]
    .assert_eq(&ran.to_string());
}

#[test]
fn a_mistyped_option_names_its_place_and_the_nearest() {
    let ran = refused("let items = stac::items(\"raw\", #{ pag: 3 });");
    assert!(
        ran.stderr
            .contains("unknown option 'pag' of stac::items\n  --> x.rhai:1:35\n"),
        "{ran}"
    );
    assert!(ran.stderr.contains("did you mean 'page'?"), "{ran}");
}

#[test]
fn a_mistyped_namespace_or_variable_names_the_nearest() {
    let ran = refused("stc::items(\"raw\")");
    assert!(
        ran.stderr.contains("there is no namespace or import 'stc'"),
        "{ran}"
    );
    assert!(ran.stderr.contains("did you mean 'stac'?"), "{ran}");
    let ran = refused("let domain = 1;\nprint(domian);");
    assert!(
        ran.stderr
            .contains("there is no variable 'domian'\n  --> x.rhai:2:7"),
        "{ran}"
    );
}

#[test]
fn a_wrong_argument_count_shows_the_signature() {
    let ran = refused("if false { stac::item(\"only-a-collection\") }");
    assert!(
        ran.stderr.contains("'stac::item' takes 2 arguments, not 1"),
        "{ran}"
    );
    assert!(
        ran.stderr
            .contains("stac::item(collection: string, id: string) -> map"),
        "{ran}"
    );
}

#[test]
fn typos_are_found_in_branches_and_closures_that_would_not_run() {
    for text in [
        "let f = |x| stac::itmes(x); 1",
        "switch 1 { 2 => stac::itmes(\"a\"), _ => 1 }",
        "fn never() { stac::itmes(\"a\") } 1",
        "let t = `${if false { stac::itmes(\"a\") }}`; 1",
    ] {
        let ran = refused(text);
        assert!(
            ran.stderr.contains("did you mean 'stac::items'?"),
            "{text}:\n{ran}"
        );
    }
}

#[test]
fn an_effect_beyond_the_header_is_refused() {
    let ran = refused("stac::delete_item(\"raw\", \"a\")");
    assert!(
        ran.stderr.contains(
            "stac::delete_item has the effect 'destroy', and this script is declared 'read'"
        ),
        "{ran}"
    );
    assert!(ran.stderr.contains("effect = \"destroy\""), "{ran}");
}

#[test]
fn a_missing_library_names_the_nearest() {
    let ran = refused("import \"std/domian\" as domain;\ndomain::row(#{})");
    assert!(
        ran.stderr
            .contains("there is no library 'std/domian'\n  --> x.rhai:1:1"),
        "{ran}"
    );
    assert!(ran.stderr.contains("did you mean 'std/domain'?"), "{ran}");
}

#[test]
fn a_function_missing_in_an_imported_library_is_found() {
    let ran = refused("import \"std/domain\" as domain;\ndomain::rwo(#{})");
    assert!(
        ran.stderr.contains("there is no function 'domain::rwo'"),
        "{ran}"
    );
    assert!(ran.stderr.contains("did you mean 'domain::row'?"), "{ran}");
}

#[test]
fn an_import_cycle_names_its_way() {
    let operator = Operator::new();
    operator.work_file("a.rhai", "import \"./b\" as b;\nfn one() { 1 }");
    operator.work_file("b.rhai", "import \"./a\" as a;\nfn two() { 2 }");
    operator.work_file("x.rhai", "import \"./a\" as a;\na::one()");
    for line in [["run", "x.rhai"], ["check", "x.rhai"]] {
        let stderr = operator.run(&line).to_string();
        assert!(
            stderr.contains("import cycle: a.rhai → b.rhai → a.rhai\n  --> b.rhai:1:1\n"),
            "{stderr}"
        );
    }
}

#[test]
fn what_is_wrong_in_what_is_imported_is_found_before_anything_is_sent() {
    let service = SilentListener::start();
    let operator = Operator::new().with("DASHI_STAC_URL", service.url());
    operator.work_file(
        "x.rhai",
        "import \"./a\" as a;\nfn main(args) { let all = stac::collections().collect(); a::one() }",
    );
    operator.work_file("a.rhai", "import \"./b\" as b;\nfn one() { b::two() }");
    for (wrong, told) in [
        ("stac::itmes(1)", "there is no function 'stac::itmes'"),
        ("other", "there is no variable 'other'"),
        (
            "for x in stac::collections() { }",
            "nothing is done with it",
        ),
    ] {
        operator.work_file("b.rhai", &format!("fn two() {{\n    {wrong}\n}}"));
        for (command, code) in [("run", 2), ("check", 1)] {
            let stderr = operator.run(&[command, "x.rhai"]).failure(code);
            let place = format!("{told}\n  --> b.rhai:2:5\n");
            assert!(stderr.contains(&place), "{stderr}");
        }
    }
    assert_eq!(service.visits(), 0);
    // What an imported function does is for its caller to declare.
    operator.work_file("b.rhai", "fn two() { stac::delete_item(\"a\", \"b\") }");
    let ran = operator.run(&["check", "x.rhai"]);
    assert_eq!(ran.code, Some(0), "{ran}");
}

#[test]
fn check_lists_every_finding_and_exits_1() {
    let operator = Operator::new();
    operator.work_file("bad/one.rhai", "stac::itmes(\"a\"); stac::colections()");
    operator.work_file(
        "bad/two.rhai",
        "//! Says.\n//!\n//! ```toml\n//! efect = \"read\"\n//! ```\n",
    );
    operator.work_file("bad/good.rhai", "stac::items(\"a\").count()");
    let ran = operator.run(&["check", "bad"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert_eq!(
        ran.stdout,
        "3 script(s) checked, 3 error(s), 0 warning(s)\n"
    );
    assert!(ran.stderr.contains("bad/two.rhai:4:5"), "{ran}");
    let rows: serde_json::Value =
        serde_json::from_str(&operator.run(&["check", "bad", "--json"]).stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert_eq!(rows[0]["at"], "bad/one.rhai:1:1");
}

#[test]
fn checking_nothing_is_no_success() {
    let operator = Operator::new();
    operator.work_file("empty/readme.txt", "");
    assert!(
        operator
            .run(&["check", "empty"])
            .failure(1)
            .contains("there are no scripts in empty")
    );
    assert!(
        operator
            .run(&["check", "nowhere.rhai"])
            .failure(1)
            .contains("cannot read nowhere.rhai")
    );
}

#[test]
fn an_unknown_method_is_a_warning() {
    let operator = Operator::in_context("sandbox");
    let ran = operator.run(&[
        "eval",
        "let m = #{}; let name = \"f\"; m[name] = |x| x + 1; m.f(2) + 0",
    ]);
    assert!(
        ran.stderr.contains("no type is known to have a method 'f'"),
        "{ran}"
    );
    assert_eq!(ran.success(), "3\n");
}

#[test]
fn a_chain_that_uses_its_own_variable_in_a_closure_is_found() {
    for chain in [
        "let a = [1]; a.map(|x| x + a.len())",
        "let a = #{ b: [1] }; a.b.map(|x| x + a.b.len())",
        "let a = #{ b: [1] }; a.keys().filter(|x| x != \"\").map(|x| a[x])",
        "let a = [[1]]; a[0].map(|x| a.len())",
    ] {
        let ran = refused(chain);
        let column = chain
            .find("a.")
            .unwrap()
            .min(chain.find("a[0]").unwrap_or(99))
            + 1;
        assert!(
            ran.stderr.contains("and a closure in it uses 'a' as well"),
            "{chain}: {ran}"
        );
        assert!(
            ran.stderr.contains(&format!("x.rhai:1:{column}\n")),
            "{chain}: {ran}"
        );
    }
    // Shadowed, handed to another function, or of another variable: these run.
    for (fine, value) in [
        ("let a = [1]; a.map(|a| a + 1)", "2\n"),
        (
            "let a = #{ b: [1] }; let keys = a.keys(); keys.map(|x| a[x].len())",
            "1\n",
        ),
        (
            "let a = [1]; let b = [2]; b.map(|x| a.map(|y| x + y)[0])",
            "3\n",
        ),
        (
            "fn same(x) { x } let a = [1]; same(a).map(|x| x + a.len())",
            "2\n",
        ),
    ] {
        let ran = Operator::new().run(&["eval", fine]);
        assert_eq!(ran.success(), value, "{fine}");
    }
}

#[test]
fn literal_arguments_and_options_of_a_wrong_type_are_found() {
    let ran = refused("stac::collections().count(); stac::items(5)");
    assert!(
        ran.stderr
            .contains("'collection' of stac::items takes string, got int\n  --> x.rhai:1:42"),
        "{ran}"
    );
    let ran = refused("stac::items(\"a\", #{ page: \"x\" })");
    assert!(
        ran.stderr
            .contains("option 'page' of stac::items takes int, got string"),
        "{ran}"
    );
}

#[test]
fn a_wrong_type_at_run_time_shows_the_signature() {
    let stderr = Operator::new()
        .run(&["eval", "let id = 5; stac::items(id)"])
        .failure(1);
    assert!(
        stderr.contains("there is no function stac::items (int)"),
        "{stderr}"
    );
    assert!(
        stderr.contains("it is stac::items(collection: string, #{datetime, bbox, page}) -> Stream"),
        "{stderr}"
    );
}

#[test]
fn a_look_into_a_planned_result_that_no_plan_can_tell_is_refused() {
    let operator = Operator::new();
    let script = |body: &str| {
        format!(
            "//! X.\n//! ```toml\n//! effect = \"destroy\"\n//! ```\n\
             fn gone(uri) {{ out::note(uri); if uri == \"\" {{ return s3::delete([uri]); }} () }}\n\
             fn gone(uri, only_ask) {{ uri != \"\" && only_ask }}\n\
             fn two(uri) {{ let all = gone(uri); all }}\n\
             fn uploaded() {{ s3::write(\"s3://landing/z\", \"1\"); true }}\n\
             fn main() {{\n    let r = s3::write(\"s3://landing/x\", \"1\");\n    {body}\n}}\n"
        )
    };
    for (body, how) in [
        ("switch r { 1 => 2, _ => 3 }", "switch"),
        ("let x = r ?? 1;", "??"),
        ("let x = s3::write(\"s3://landing/y\", \"1\") ?? 1;", "??"),
        ("let t = type_of(r);", "type_of"),
        ("let t = r.type_of();", "type_of"),
        ("switch gone(\"a\") { () => 2, _ => 3 }", "switch"),
        ("let all = two(\"a\"); let x = all ?? 3;", "??"),
        (
            "let x = loop { break gone(\"a\"); }; switch x { () => 2, _ => 3 }",
            "switch",
        ),
        ("let x = if true { gone(\"a\") } else { 1 }; if x { }", "if"),
        ("let x; x = gone(\"a\"); if x { }", "if"),
        ("loop { break r ?? 1; }", "??"),
        (
            "try { if r { s3::delete(\"s3://landing/z\"); } } catch { }",
            "if",
        ),
    ] {
        operator.work_file("x.rhai", &script(body));
        let ran = operator.run(&["check", "x.rhai"]);
        assert!(
            ran.to_string()
                .contains(&format!("`{how}` of what a change gives back")),
            "{body}: {ran}"
        );
        assert_eq!(ran.code, Some(1), "{body}: {ran}");
    }
    // Another function's variable of the same name is another variable.
    operator.work_file(
        "y.rhai",
        "//! Y.\n//! ```toml\n//! effect = \"destroy\"\n//! ```\nfn main() { kind(1) }\nfn kind(r) { type_of(r) }\n\
         fn other() { let r = fs::write(\"x\", \"\"); r }\n",
    );
    let _ = operator.run(&["check", "y.rhai"]).success();
    for body in [
        "if true { let r = fs::exists(\"x\"); if r { } }",
        "for r in [1] { switch r { 1 => 2, _ => 3 } }",
        "let r = 1; let x = r ?? 2;",
        "let rows = [(), \"x\"]; rows.filter(|r| [1, 2].all(|n| (r ?? \"\").len() < n && (r ?? \"\") != \"z\")).len()",
        "if uploaded() { }",
        "let done = s3::delete([\"s3://landing/none\"]); done = done == (); if done { }",
        "r = 5; switch r { 5 => 1, _ => 2 }",
        "if gone(\"a\", true) { }",
        "[\"a\"].map(|r| (r ?? \"none\") + \"!\"); [1].filter(|r| type_of(r) == \"i64\")",
        "let x = [1].map(|r| r ?? 2);",
        "try { throw 1 } catch (r) { if r == 1 { out::note(type_of(r)); } }",
        "r.etag",
        "let x = s3::try_head(\"s3://landing/y\") ?? 1;",
        "if r == () { }",
    ] {
        operator.work_file("x.rhai", &script(body));
        let _ = operator.run(&["check", "x.rhai"]).success();
    }
}

/// The corpus of faults: a script each, and beside it what is said of it. `UPDATE_EXPECT=1` writes that anew.
fn faulty() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faulty");
    let files = std::fs::read_dir(folder).unwrap();
    let mut scripts: Vec<PathBuf> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().unwrap() == "rhai")
        .collect();
    scripts.sort();
    scripts
}

#[test]
fn each_fault_of_a_script_is_found_with_its_place_and_a_hint() {
    let scripts = faulty();
    assert!(!scripts.is_empty());
    for script in scripts {
        let name = script.file_name().unwrap().to_str().unwrap();
        let operator = Operator::new();
        operator.work_file(name, &std::fs::read_to_string(&script).unwrap());
        let ran = operator.run(&["check", name]);
        assert_eq!(
            ran.stderr.matches(&format!("  --> {name}:")).count(),
            1,
            "{ran}"
        );
        assert!(ran.stderr.contains("\n  hint "), "{ran}");
        let is_fatal = !ran.stdout.contains(" 0 error(s)");
        assert_eq!(ran.code, Some(i32::from(is_fatal)), "{ran}");
        expect_test::expect_file![script.with_extension("txt")].assert_eq(&ran.to_string());
    }
}

#[test]
fn what_is_right_is_not_complained_about() {
    let read = "//! X.\n//! ```toml\n//! [options.domain]\n//! help = \"D\"\n//! ```\n";
    for right in [
        "import \"std/pod\" as pods;\nfn main(args) { pods::last_of([args.domain]) }",
        "fn main(args) { args.other = 1; for id in [1] { } args.other }",
        "import \"std/pod\" as pods;\nfn main(args) { [[\"a\"]].map(|all| pods::last_of(all)) }",
        "fn main(args) { for args in [\"a\"] { args.len() } }",
        "fn main(args) { [#{foo: 1}].map(|args| args.foo) }",
        "fn main(args) { [1].map(|x| args.domain) }",
        "fn main(args) { stac::collections().map(|it| it.id).collect().join(\",\") }",
        "fn main(args) { stac::collections().first().id.len() }",
        "fn longest() { this.count() }\nfn main(args) { stac::collections().longest() }",
        "fn main(args) { try { return args.domain; } catch (args) { return args.message; } }",
        "fn main(args) { if args.domain == () { let args = #{x: 1}; args.x } }",
        "fn one() { import \"std/time\" as it; it::day(\"2026-01-01\") }\nfn two() { import \"std/lake\" as it; it::domains() }\n\
         fn main(args) { [one(), two()] }",
        "fn main(args) { let t = #{run: |x| x * 2}; t.run(4) }",
        "fn main(args) { let t = #{}; t.next = || 1; t[\"last\"] = || 2; [t.next(), t.last()] }",
        // A body that is one expression begins with what stands left of its operator.
        "fn main(args) { [#{size: 3}].filter(|args| args.size > 2).map(|args| (args.size + 1).to_string()) }",
        "fn main(args) { [#{foo: 1}].filter(|args| args.foo in [1]).map(|args| args.foo.len() + 1) }",
        "fn main(args) { if args.contains(\"deep\") { return args.deep; } args.keys().contains(\"x\") }",
        "fn main(args) { let bad = 0; [#{}].for_each(|| { try { this.a.b } catch (e) { bad += 1; } }); bad }",
        "fn touch(row) { try { row.a + row.b } catch { out::warn(\"no sum\"); } }\nfn main(args) { touch(#{}) }",
        "fn main(args) { [#{id: 1, n: 2}].map(|args| [1, 2].map(|k| k + args.n + args.n)) }",
        "fn main(args) { let rows = [1, 2]; let best = [0, 1]; rows[best.filter(|i| rows[i] > 1)[0]] }",
        "fn main(args) { try { 5 } catch { out::warn(\"never\"); } }",
        "let f = 3; fn helper(x) { x } helper(f)",
        "fn mail(x) { x } mail(3)",
        "fn main(args) { args[\"extra\"] = 1; args.extra + 1 }",
        "fn main(args) { args.mixin(#{extra: 1}); args.extra }",
        "fn main(args) { if \"extra\" in args { return args.extra; } }",
        "fn main(args) { let all = 0..3; for i in all {} }",
        "import \"std/table\" as table;\nfn main(args) { loop { break table::at(#{a: 1}, \"a\"); } }",
        "fn later(x) { x }\nfn main(args) { [1].map(later) }",
        "fn main(args) { let all = stac::items(args.domain).map(|item| item.id); all }",
        "fn main(args) { if true { stac::items(\"a\") } else { stac::items(\"b\").map(|it| { it.id }) } }",
        "fn main(args) { [1].map(|x| stac::items(\"a\")).map(|all| { let n = 1; all.take(n) }) }",
        "fn main(args) { let all = { stac::items(\"a\") }; stac::items(\"a\").drain(); all.count() }",
        "fn all() { switch 1 { 1 => stac::items(\"a\"), _ => stac::items(\"b\") } }\nfn main(args) { all() }",
        "fn helper(args) { args.anything }\nfn main(options) { helper(#{anything: options.domain}) }",
    ] {
        let operator = Operator::new();
        operator.work_file("x.rhai", &format!("{read}{right}\n"));
        let ran = operator.run(&["check", "x.rhai"]);
        assert_eq!(
            (ran.code, ran.stderr.as_str()),
            (Some(0), ""),
            "{right}: {ran}"
        );
    }
}

#[test]
fn what_may_be_allowed_is_left_to_the_gate() {
    let operator = Operator::new();
    let wrong = |text: &str| {
        operator.work_file("x.rhai", text);
        let ran = operator.run(&["check", "x.rhai"]);
        (ran.code, ran.stderr.contains("has the effect 'destroy'"))
    };
    let writes = "//! X.\n//! ```toml\n//! effect = \"write\"\n//! ```\nfn main() {\n    let here = #{namespace: \"a\"};\n    ";
    for (options, allowed) in [
        ("#{own: true}", true),
        ("here + #{own: true}", true),
        ("#{own: true} + #{namespace: \"a\"}", true),
        ("#{namespace: \"a\"}", false),
        ("#{own: true} + #{own: false}", false),
    ] {
        let told = wrong(&format!("{writes}k8s::delete(\"job/x\", {options});\n}}\n"));
        let expected = if allowed {
            (Some(0), false)
        } else {
            (Some(1), true)
        };
        assert_eq!(told, expected, "{options}");
    }
    // Of what is known only at run time, `check` alone says that it may be too much.
    let told = wrong(&format!("{writes}k8s::delete(\"job/x\", here);\n}}\n"));
    assert_eq!(told, (Some(0), true));
    // What only tests call is theirs.
    let text = "private fn clear() { stac::delete_item(\"a\", \"b\") }\nfn test_it() { clear() }\n";
    assert_eq!(wrong(text), (Some(0), false));
    let public = text.replace("private ", "");
    assert_eq!(wrong(&public), (Some(1), true));
    operator.work_file("x_test.rhai", &public);
    let _ = operator.run(&["check", "x_test.rhai"]).success();
}

#[test]
fn what_cannot_be_read_hides_no_other_finding() {
    let operator = Operator::new();
    operator.work_file("bad/one.rhai", "stac::itmes(\"a\")");
    std::fs::write(operator.work().join("bad/two.rhai"), b"let x = \"\xff\";").unwrap();
    let ran = operator.run(&["check", "bad"]);
    assert!(
        ran.stderr.contains("'stac::itmes'") && ran.stderr.contains("bad/two.rhai"),
        "{ran}"
    );
    assert_eq!(
        ran.stdout,
        "2 script(s) checked, 2 error(s), 0 warning(s)\n"
    );
}

#[test]
fn a_loop_over_what_fails_ends() {
    let operator = Operator::in_context("sandbox");
    let script = "fn all(list) { let n = 0; for x in list { n += 1; } n } all(s3::list(\"s3://no-such-bucket/\"))";
    let stderr = operator.run(&["eval", script]).failure(1);
    assert!(stderr.contains("no-such-bucket"), "{stderr}");
    let ran = operator.run(&[
        "eval",
        "let l = s3::list(\"s3://no-such-bucket/\"); for x in l { }",
    ]);
    assert!(ran.failure(2).contains("nothing is done with it"));
}

#[test]
fn what_fails_when_it_runs_is_told_in_words() {
    for (script, told) in [
        ("let x = 5; x.foo", "int has no property 'foo'"),
        ("let x = (); x.foo", "where it may not be there: ?.foo"),
        (
            "let f = |a, b| a; f.call(1)",
            "a closure that takes other arguments was called with (int)",
        ),
        (
            "let f = stac::collections; f",
            "a function is called with brackets: stac::collections()",
        ),
        ("const N = #{a: 1}; N.a = 2;", "'N' is a constant"),
    ] {
        let ran = Operator::new().run(&["eval", script]);
        assert!(
            ran.code != Some(0) && ran.stderr.contains(told),
            "{script}: {ran}"
        );
    }
}

#[test]
fn what_is_found_is_the_same_each_time() {
    let operator = Operator::new();
    operator.work_file(
        "x.rhai",
        "//! X.\n//! ```toml\n//! effect = \"destroy\"\n//! ```\nfn put(u) { let r = s3::write(u, \"x\"); [1].for_each(|| { r = \"done\"; }); r }\n\
         fn main(args) { switch put(\"s3://landing/zz\") { \"done\" => 1, _ => 2 } }\n",
    );
    let first = operator.run(&["check", "x.rhai"]).to_string();
    for _ in 0..10 {
        assert_eq!(operator.run(&["check", "x.rhai"]).to_string(), first);
    }
}
