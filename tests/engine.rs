//! What scripts can rely on: positions, errors as values, streams, parallel work, secrets that stay secret.

use super::operator::Operator;

fn sandbox(expression: &str) -> super::operator::Ran {
    Operator::in_context("sandbox").run(&["eval", expression])
}

#[test]
fn an_error_of_a_service_can_be_caught_by_its_kind() {
    let ran = sandbox(
        "try { stac::collection(\"nope\") } catch (e) { `${e.kind} ${e.status} ${e.service} at ${e.at}` }",
    );
    // A `catch` block's value is not that of the statement.
    assert!(
        ran.stderr
            .contains("a `catch` gives no value: this one is lost")
    );
    assert_eq!(ran.success(), "");
    let ran = sandbox(
        "let r = (); try { stac::collection(\"nope\") } catch (e) { r = `${e.kind} ${e.status} ${e.service} ${e.at}` } r",
    );
    assert_eq!(ran.success(), "not_found 404 stac <eval>:1:25\n");
}

#[test]
fn an_uncaught_error_shows_its_way_through_the_scripts() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(
        "lib/deep.rhai",
        "fn dig(id) {\n    stac::collection(id)\n}\n",
    );
    operator.work_file("x.rhai", "import \"./lib/deep\" as deep;\nfn middle(id) { deep::dig(id) }\nfn main() { middle(\"klima\") }\n");
    let stderr = operator.run(&["run", "x.rhai"]).failure(1);
    assert!(
        stderr.contains("error: there is no collection (domain) 'klima'\n"),
        "{stderr}"
    );
    assert!(
        stderr.contains(
            "  --> lib/deep.rhai:2:11\n  2 |     stac::collection(id)\n    |           ^^^^^^^^^^\n"
        ),
        "{stderr}"
    );
    assert!(stderr.contains("in dig, called at x.rhai:2:"), "{stderr}");
    assert!(
        stderr.contains("in middle, called at x.rhai:3:"),
        "{stderr}"
    );
    assert!(
        stderr.contains("because NotFoundError: Collection klima does not exist."),
        "{stderr}"
    );
    assert!(
        stderr.contains("hint did you mean 'klima-historisch'?"),
        "{stderr}"
    );
}

#[test]
fn a_stream_is_read_once_and_says_so() {
    let stderr = sandbox("let s = stac::collections(); s.count(); s.count()").failure(1);
    assert!(
        stderr.contains("this stream of collections has been read already"),
        "{stderr}"
    );
    assert!(stderr.contains("<eval>:1:"), "{stderr}");
}

#[test]
fn a_stream_goes_on_after_a_break() {
    let ran = sandbox(
        "let s = stac::items(\"gelaende-umwelt\", #{page: 1}); let n = 0; for i in s { n += 1; break; } n + s.count() == stac::count(\"gelaende-umwelt\")",
    );
    assert_eq!(ran.success(), "true\n");
}

#[test]
fn an_error_inside_a_closure_of_a_stream_has_its_place() {
    let stderr = sandbox("stac::collections().map(|c| c.id.nope()).collect()").failure(1);
    assert!(stderr.contains("<eval>:1:"), "{stderr}");
    assert!(
        stderr.contains("there is no function nope (string)"),
        "{stderr}"
    );
}

#[test]
fn parallel_work_keeps_the_order_and_sees_captured_values() {
    let ran = sandbox(
        "let base = #{n: 10}; parallel([1, 2, 3, 4, 5, 6, 7, 8], 8, |x| base.n * x + base.len())",
    );
    assert_eq!(ran.success(), "11\n21\n31\n41\n51\n61\n71\n81\n");
}

#[test]
fn the_first_error_of_parallel_work_ends_it() {
    let stderr =
        sandbox("parallel([1, 2, 3], 2, |x| if x == 2 { fail(\"two is bad\") } else { x })")
            .failure(1);
    assert!(stderr.contains("two is bad"), "{stderr}");
}

#[test]
fn exit_ends_the_run_with_its_code_also_inside_closures_and_try() {
    for script in [
        "exit(3)",
        "try { exit(3) } catch { }",
        "[1].map(|x| exit(3)); print(1)",
        "try { parallel([1], 1, |x| exit(3)) } catch { }",
    ] {
        let ran = sandbox(script);
        assert_eq!(ran.code, Some(3), "{script}: {ran}");
        assert_eq!(ran.to_string(), "[exit status: 3]", "{script}");
    }
}

#[test]
fn endless_recursion_is_an_error_and_no_crash() {
    let stderr = sandbox("fn deeper(n) { deeper(n + 1) } deeper(1)").failure(1);
    assert!(
        stderr.contains("functions call each other too deeply"),
        "{stderr}"
    );
}

#[test]
fn a_run_that_reads_cannot_write_by_any_detour() {
    let operator = Operator::in_context("sandbox");
    for script in [
        "let f = Fn(\"stac::delete_item\"); f.call(\"raw\", \"a\")",
        "parallel([1], 1, |x| stac::put_collection(#{ id: \"x\" }))",
        "try { fs::write(\"x\", \"y\") } catch { }",
    ] {
        assert_ne!(operator.run(&["eval", script]).code, Some(0), "{script}");
    }
    assert!(!operator.work().join("x").exists());
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let operator = Operator::in_context("sandbox");
    let ran = operator.run(&[
        "eval",
        "--effect",
        "write",
        "--dry-run",
        "fs::write(\"x\", \"y\"); fs::write(\"z\", \"y\")",
    ]);
    expect_test::expect![[r#"
        STEP  EFFECT  FUNCTION   TARGETS  SIZE  FIRST                        LAST
        1     write   fs::write  1        1 B   file $WORK/x
        2     write   fs::write  1        1 B   file $WORK/z
        ------- stderr -------
        dry run: nothing was changed. To do this: dashictl --context sandbox eval --effect write 'fs::write("x", "y"); fs::write("z", "y")'
    "#]]
    .assert_eq(&ran.to_string());
    assert!(!operator.work().join("x").exists());
}

#[test]
fn looking_into_the_result_of_a_planned_change_ends_the_plan_there() {
    let operator = Operator::in_context("sandbox");
    for look in [
        "r.id",
        "r?.id",
        "r == 3",
        "3 in [r]",
        "[r] == [1]",
        "\"a\" + r",
        "r + 1",
        "r[0]",
        "`${r}`",
        "print(r)",
        "json::text(r)",
        "r.to_string()",
        "try { r.id } catch { }",
        "fs::read(\"x\")",
    ] {
        let script = format!("let r = fs::write(\"x\", \"y\"); {look}; fs::write(\"z\", \"y\")");
        let ran = operator.run(&["eval", "--effect", "write", "--dry-run", &script]);
        assert!(
            ran.stderr.contains(
                "this is not the whole plan: the rest depends on the result of step 1, fs::write of file $WORK/x"
            ),
            "{look}: {ran}"
        );
        assert!(!ran.success().contains("$WORK/z"), "{look}");
    }
}

#[test]
fn files_outside_the_working_folder_are_refused() {
    let operator = Operator::in_context("sandbox");
    std::os::unix::fs::symlink("/etc", operator.work().join("link")).unwrap();
    for path in ["/etc/hostname", "../x", "a/../../x", "link/hostname"] {
        let stderr = operator
            .run(&["eval", &format!("fs::read({path:?})")])
            .failure(1);
        assert!(
            stderr.contains("is outside the working folder"),
            "{path}: {stderr}"
        );
    }
}

#[test]
fn a_script_that_asks_fails_without_a_terminal() {
    let stderr = sandbox("ask(\"Which?\")").failure(2);
    assert!(stderr.contains("there is no terminal"), "{stderr}");
}

#[test]
fn a_value_without_a_json_form_is_an_error() {
    let operator = Operator::in_context("sandbox");
    let stderr = operator
        .run(&["eval", "--json", "#{ f: |x| x }"])
        .failure(1);
    assert!(stderr.contains("a function has no JSON form"), "{stderr}");
}

#[test]
fn a_dry_run_plans_what_happens_only_while_the_result_is_read() {
    let operator = Operator::in_context("sandbox");
    let script = "stac::collections().map(|c| fs::write(`${c.id}.txt`, \"\"))";
    let dry = operator.run(&["eval", "--effect", "write", "--dry-run", script]);
    assert!(
        dry.stdout.contains("$WORK/gelaende-umwelt.txt")
            && dry.stdout.contains("$WORK/klima-historisch.txt"),
        "{dry}"
    );
    assert!(!operator.work().join("gelaende-umwelt.txt").exists());
    assert_eq!(
        operator
            .run(&[
                "eval",
                "--effect",
                "write",
                "--dry-run",
                "fs::write(\"x\", \"\"); exit(3)"
            ])
            .code,
        Some(3)
    );
    let failed = operator.run(&[
        "eval",
        "--effect",
        "write",
        "--dry-run",
        "fs::write(\"x\", \"\"); fail(\"after one\")",
    ]);
    assert!(
        failed.stderr.contains("file $WORK/x") && failed.stderr.contains("after one"),
        "{failed}"
    );
    assert_eq!(failed.code, Some(1));
}

#[test]
fn closures_inside_items_and_captured_maps_work_in_parallel() {
    let script = "
        let bound = #{ n: 2 };
        let checks = [];
        for i in 0..40 { checks.push(#{ run: |x| x * bound.n + bound.len() }); }
        let tools = #{ double: |x| x * 2 };
        let a = parallel(checks, 16, |check| check.run.call(1));
        let b = parallel([1, 2, 3, 4, 5, 6, 7, 8], 8, |x| tools.double.call(x));
        [a.len(), a[39], b[7]]";
    assert_eq!(sandbox(script).success(), "40\n3\n16\n");
}

#[test]
fn what_a_closure_throws_arrives_as_it_was_thrown_and_where() {
    let caught = sandbox(
        "let r = (); try { parallel([1], 1, |x| { throw #{ code: 5 } }) } catch (e) { r = e.code } r",
    );
    assert_eq!(caught.success(), "5\n");
    let operator = Operator::in_context("sandbox");
    operator.work_file(
        "x.rhai",
        "let ids = stac::collections().map(|c| {\n    c.id.nope()\n});\nids.collect()\n",
    );
    let stderr = operator.run(&["run", "x.rhai"]).failure(1);
    assert!(stderr.contains("--> x.rhai:2:10"), "{stderr}");
}

#[test]
fn exit_without_a_code_is_done_and_with_a_reason_failed() {
    assert_eq!(sandbox("[1].map(|x| exit())").to_string(), "");
    assert_eq!(
        sandbox("try { exit(\"enough\") } catch { }").to_string(),
        "------- stderr -------\nenough\n[exit status: 1]"
    );
}

#[test]
fn a_wrong_exit_code_of_a_view_is_an_error_and_no_success() {
    let stderr = sandbox("view([], #{ exit: 256 })").failure(2);
    assert!(
        stderr.contains("an exit code is a number from 0 to 255"),
        "{stderr}"
    );
}

#[test]
fn a_functions_own_name_goes_before_ours() {
    assert_eq!(
        sandbox("fn view(value, about) { about.foo } view(1, #{ foo: 7 })").success(),
        "7\n"
    );
}

#[test]
fn a_text_that_is_looked_for_is_no_function_to_call() {
    let ran = sandbox(
        "fn purge(x) { throw \"called\" } [[\"a\", \"exit\"].index_of(\"exit\"), [\"sleep\"].index_of(\"sleep\"), [\"purge\", 1, \"purge\"].index_of(\"purge\", 1), [1].index_of(\"purge\"), [\"a\", \"b\"].index_of(\"b\", -1)]",
    );
    assert_eq!(ran.success(), "1\n0\n2\n-1\n1\n");
    for name in ["filter", "retain", "map", "some", "drain", "sort"] {
        let ran = sandbox(&format!(
            "fn purge(x) {{ throw \"called\" }} let all = [1, 2]; all.{name}(\"purge\")"
        ));
        assert!(
            ran.failure(2).contains(&format!("{name} takes a closure")),
            "{name}"
        );
    }
}
