//! The shipped scripts and libraries as a set: all parse, all pass the check, all are what the program carries.

use std::path::{Path, PathBuf};

use dashictl::script::header::Header;
use dashictl::script::library::{embedded, files};

use super::operator::Operator;

fn root(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

#[test]
fn what_the_program_carries_is_what_is_on_disk() {
    for folder in ["scripts", "stdlib"] {
        let root = root(folder);
        let on_disk: Vec<_> = files(&root)
            .into_iter()
            .map(|path| {
                (
                    path.strip_prefix(&root).unwrap().to_path_buf(),
                    std::fs::read_to_string(&path).unwrap(),
                )
            })
            .collect();
        let carried: Vec<_> = embedded(folder)
            .into_iter()
            .map(|(path, text)| (path, text.into_owned()))
            .collect();
        assert_eq!(on_disk, carried);
        assert!(!carried.is_empty());
    }
}

#[test]
fn every_shipped_script_and_library_passes_the_check_without_a_warning() {
    for folder in ["scripts", "stdlib", "examples"] {
        let ran = Operator::new().run(&["check", root(folder).to_str().unwrap()]);
        assert!(ran.stdout.ends_with(" 0 error(s), 0 warning(s)\n"), "{ran}");
        let _ = ran.success();
    }
}

#[test]
fn every_shipped_command_describes_itself() {
    for path in files(&root("scripts")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let header = Header::parse(&path.to_string_lossy(), &text).unwrap();
        let name = path.display();
        assert!(!header.summary.is_empty(), "{name} has no summary");
        assert!(!header.examples.is_empty(), "{name} has no example");
        assert!(
            !header.needs.is_empty() || text.contains("ctx::"),
            "{name} says nothing of what it needs"
        );
        assert!(
            header
                .parameters()
                .all(|parameter| !parameter.help.is_empty()),
            "{name} has an argument without help"
        );
        assert!(text.contains("fn main("), "{name} has no main");
        assert!(
            !text.contains("print("),
            "{name} prints its result instead of returning it"
        );
    }
}

#[test]
fn every_function_of_a_shipped_library_has_a_text_and_an_example() {
    for path in files(&root("stdlib")) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//! "),
            "{} does not say what belongs in it",
            path.display()
        );
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.starts_with("fn "))
        {
            let documented = lines[index - 1].starts_with("///");
            let internal = lines[index - 1].starts_with("//") && !documented;
            let listed = index > 0 && !lines[index - 1].trim().is_empty();
            // A function that is only used inside its library has no docstring, or an ordinary comment.
            assert!(
                documented || internal || !listed,
                "{}: {line}",
                path.display()
            );
        }
        assert!(
            text.contains("/// ```rhai"),
            "{} has no example",
            path.display()
        );
    }
}

/// What the libraries that are not of dashi promise beyond their examples.
const LIBRARIES: &str = r##"//! The libraries.
import "std/assert" as assert;
import "std/report" as report;
import "std/retry" as retry;
import "std/table" as table;
import "std/time" as times;

fn says(part, work) { assert::contains(assert::throws("usage", work).message, part) }

fn test_a_poll_keeps_its_timeout_and_looks_once_more_at_its_end() {
    let looks = 0;
    let begun = time::now();
    assert::throws("timeout", || retry::poll("it", || { looks += 1; () }, #{timeout: "1s", every: "8s"}));
    assert::equal([time::now() - begun, looks], [1, 2]);
    looks = 0;
    assert::throws("timeout", || retry::poll("it", || { looks += 1; false }, #{timeout: 0.35, every: "100ms"}));
    assert::equal([time::show(time::now(), #{utc: true}).sub_string(20, 3), looks], ["350", 5]);
}

fn test_options_of_retry_that_make_no_sense_are_named() {
    for never in ["0s", "0d", "0h0m", 0, 0.0, time::duration("0w")] { says("never ends", || retry::poll("it", || 1, #{every: never})); }
    for wrong in [-1, "soon", [1]] {
        for name in ["every", "timeout"] { says(`'${name}'`, || { let o = #{}; o[name] = wrong; retry::poll("it", || 1, o) }); }
        for name in ["first", "most", "times", "kinds", "when"] {
            if name == "kinds" && wrong == [1] { continue; }
            let part = if name == "times" && wrong == -1 { "never tried" } else { `'${name}'` };
            says(part, || { let o = #{}; o[name] = wrong; retry::attempt(|| 1, o) });
        }
    }
    says("'times' is a whole number, not \"3\"", || retry::attempt(|| 1, #{times: "3"}));
    says("the options are a map", || retry::attempt(|| 1, 3));
    says("a closure", || retry::attempt(1, #{}));
    says("not read yet", || retry::attempt(|| stac::collections(), #{}));
}

fn test_an_attempt_is_tried_again_when_a_closure_says_so() {
    let tries = 0;
    let work = || { tries += 1; if tries < 3 { throw "busy"; } tries };
    assert::equal(retry::attempt(work, #{when: |error| error == "busy"}), 3);
    tries = 0;
    assert::throws("script", || retry::attempt(work, #{}));
    assert::equal(tries, 1);
}

fn test_columns_are_paths_and_one_that_no_row_has_is_told() {
    let rows = [#{id: "a", p: #{size: 2}}, #{id: "b"}, #{id: "c", p: #{size: 3}}];
    assert::equal(table::with_sum(rows, ["p.size"], #{id: "all"}).pop(), #{id: "all", "p.size": 5});
    assert::equal(report::table(rows, ["id", "p.size"]), "| id | p.size |\n|---|---|\n| a | 2 |\n| b |  |\n| c | 3 |\n");
    assert::equal(table::with_sum([], ["size"], #{}), [#{size: 0}]);
    assert::equal(table::with_sum([#{size: ()}], ["size"], #{}).pop(), #{size: 0});
    let asked = [
        |column| table::with_sum(rows, [column], #{}), |column| report::table(rows, [column]), |column| table::sorted(rows, [column]),
        |column| table::summed(rows, "id", [column]), |column| table::across(rows, "id", "id", column),
    ];
    for ask in asked {
        assert::equal(assert::throws("usage", || ask.call("p.siez")).hint, "did you mean 'p.size'?");
        assert::equal(assert::throws("usage", || ask.call("x")).hint, "the columns are id, p");
    }
    says("an array of names, not \"id\"", || report::table(rows, "id"));
    says("'id' cannot be added up: \"a\" is no number", || table::with_sum(rows, ["id"], #{}));
    says("'id' cannot be added up", || table::across(rows, "id", "p", "id"));
}

fn test_rows_are_sorted_and_summed_by_columns() {
    let rows = [#{d: "b", n: 1}, #{d: "a", n: 1}, #{d: "b", n: ()}, #{d: "a", n: 2}];
    assert::equal(table::sorted(rows, ["d", "-n"]).map(|row| row.n), [2, 1, 1, ()]);
    assert::equal(table::sorted(rows, ["-d", "n"]).map(|row| row.n), [(), 1, 1, 2]);
    assert::equal(table::summed(rows, "d", ["n"]), [#{d: "b", count: 2, n: 1}, #{d: "a", count: 2, n: 3}]);
    says("'n' would be two columns", || table::summed(rows, "d", ["n", "n"]));
    says("'count' would be two columns", || table::summed([#{count: 1}], "count", []));
    // The name of a function is a name like another.
    assert::equal(table::summed([#{view: 1, bytes: 2}], "view", ["bytes"]), [#{view: 1, count: 1, bytes: 2}]);
}

fn test_no_column_is_lost_by_a_new_name() {
    let rows = [#{a: 1, b: 2}];
    says("'a' and 'b' would both be 'b'", || table::renamed(rows, #{a: "b"}));
    says("'a' and 'b' would both be 'c'", || table::renamed(rows, #{a: "c", b: "c"}));
    assert::equal(table::renamed(rows, #{a: "b", b: "a"}), [#{a: 2, b: 1}]);
    assert::equal(table::renamed(rows, #{a: "b", b: "c"}), [#{b: 1, c: 2}]);
}

fn test_whatever_is_thrown_is_thrown() {
    assert::equal(assert::throws("script", || throw ()), ());
    says("a closure, not 1", || assert::throws("script", 1));
    assert::contains(assert::throws("script", || assert::throws("usage", || throw ())).message, "the kind 'script', and 'usage' was wanted: ()");
    assert::contains(assert::throws("script", || assert::throws("script", || ())).message, "nothing failed");
}

fn test_what_cannot_be_compared_is_told() {
    says("at a[0]: two values of the type Fn cannot be compared", || assert::equal(#{a: [|| 1]}, #{a: [|| 1]}));
    says("Stream cannot be compared", || assert::equal(stac::collections(), stac::collections()));
    says("ObjectSet cannot be compared", || assert::different(lake::references(), lake::references()));
    says("Fn cannot be compared", || assert::contains([|| 1], || 1));
    says("numbers are compared, not \"a\"", || assert::close("a", 1, 1));
    assert::different(|| 1, 1);
}

fn test_some_fields_of_a_map_are_looked_at() {
    assert::fields(#{id: "a", n: #{x: [1]}, other: 3}, #{id: "a", n: #{x: [1]}});
    let message = |got, wanted| assert::throws("script", || assert::fields(got, wanted)).message;
    assert::equal(message.call(#{a: #{b: 1}}, #{a: #{b: 2}}), "at a.b: got 1, wanted 2");
    assert::equal(message.call(#{}, #{a: 2}), "'a' is missing, and 2 was wanted");
    assert::equal(message.call((), #{a: 2}), "got () (()), wanted a map");
}

fn test_a_week_begins_on_monday_and_a_day_at_midnight() {
    let days = |span| [times::day(span.from), times::day(span.to)];
    assert::equal(days.call(times::week_before("2026-04-27")), ["2026-04-20", "2026-04-27"]);
    assert::equal(days.call(times::week_before("2026-04-26T23:59:59Z")), ["2026-04-13", "2026-04-20"]);
    assert::equal(days.call(times::day_before("2026-01-01T08:00:00+09:00")), ["2025-12-30", "2025-12-31"]);
}

// A closure finds the functions of the library that calls it before these.
fn read(uri) { `read ${uri}` }
fn kind(of) { `kind ${of}` }
fn seconds(of) { `seconds ${of}` }
fn shown(value) { `shown ${value}` }
fn has(row, column) { `has ${row} ${column}` }
fn difference(a, b, c) { a - b - c }

fn test_functions_of_a_script_are_its_own_in_a_closure() {
    let work = || [read("a"), kind("b"), seconds(1), shown(2), has(3, 4), difference(9, 3, 1)];
    let wanted = work.call();
    assert::equal(retry::attempt(work, #{}), wanted);
    assert::equal(retry::poll("it", work, #{}), wanted);
    assert::equal(assert::throws("script", || throw work.call()), wanted);
}
"##;

#[test]
fn the_general_libraries_keep_what_they_promise() {
    let operator = Operator::new();
    operator.work_file("libraries.rhai", LIBRARIES);
    let ran = operator.run(&["test", "libraries.rhai"]);
    assert!(ran.stdout.contains("11 passed; 0 failed"), "{ran}");
    let _ = ran.success();
}

#[test]
fn a_group_without_its_command_is_answered_with_what_there_is() {
    let operator = Operator::new();
    let refused = operator.run(&["--json"]).failure(2);
    assert!(refused.contains("names no command"), "{refused}");
    for group in ["backup", "schedule", "lock"] {
        let asked = operator.run(&[group, "-h"]);
        let ran = operator.run(&[group]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran}");
        assert_eq!(asked.stdout.trim_end(), ran.stderr.trim_end());
        let refused = operator.run(&[group, "--json"]).failure(2);
        assert!(refused.contains("requires a subcommand"), "{refused}");
    }
}
