//! The prompt on a terminal: what helps to type, what is asked, and what stays in the history.

use super::canary;
use super::lakes::{Lake, on_both_lakes};
use super::listener::SilentListener;
use super::operator::Operator;

on_both_lakes! {
    fn names_are_completed_also_those_of_the_lake(lake) {
        let (operator, stem) = (lake.operator(), Lake::name("tabbed"));
        operator.run(&["domain", "create", &format!("{stem}-a")]).success();
        let tmux = operator.in_tmux(&[]);
        tmux.expect("> ", 1);
        tmux.type_text("stac::colle");
        tmux.press(&["Tab"]);
        tmux.expect("stac::collection", 1);
        tmux.press(&["C-u"]);
        tmux.type_text(&format!("stac::collection(\"{stem}"));
        tmux.press(&["Tab"]);
        // A lake that is slow to answer at first has answered by the next time.
        tmux.until("the name of the domain", |screen| {
            let is_there = screen.contains(&format!("stac::collection(\"{stem}-a"));
            if !is_there { tmux.press(&["Tab"]); }
            is_there
        });
        tmux.enter("\").id + \" is it\"");
        tmux.expect(&format!("{stem}-a is it"), 1);
        tmux.entry("let record = #{name: 1, nested: #{inner: 2}};");
        tmux.type_text("record.nested.in");
        tmux.press(&["Tab"]);
        tmux.expect("record.nested.inner", 1);
        tmux.press(&["C-u"]);
        tmux.type_text("s3::list(\"s3://x\", #{by_");
        tmux.press(&["Tab"]);
        tmux.expect("#{by_folder: ", 1);
        tmux.expect("s3::list(uri: string, #{start_after, by_folder, timeout}) -> Stream", 1);
    }

    fn a_change_is_asked_about_and_a_loss_wants_the_name(lake) {
        let (operator, id) = (lake.operator(), Lake::name("asked"));
        operator.run(&["domain", "create", &id, "--title", "Before"]).success();
        let tmux = operator.in_tmux(&[]);
        tmux.expect("> ", 1);
        tmux.entry(&format!("let it = stac::collection(\"{id}\"); it.title = \"After\"; ()"));
        let question = format!("stac::put_collection: collection {id} in ");
        let show = || operator.run(&["domain", "show", &id, "--json"]).json()["title"].clone();
        for (times, (answer, title)) in [("n", "Before"), ("", "Before"), ("y", "After")].into_iter().enumerate() {
            tmux.entry("stac::put_collection(it); \"do\" + \"ne\"");
            tmux.expect(&question, times + 1);
            tmux.enter(answer);
            tmux.expect(if title == "After" { "done" } else { "was left as it is" }, if title == "After" { 1 } else { times + 1 });
            assert_eq!(show(), title);
        }
        tmux.entry(&format!("stac::delete_collection(\"{id}\")"));
        tmux.expect(&format!("Type '{id}' to do this:"), 1);
        tmux.enter("something else");
        tmux.expect("nothing was done", 1);
        assert_eq!(show(), "After");
        // What was planned and declined can be done without being typed again.
        tmux.entry(":apply");
        tmux.expect(&format!("Type '{id}' to do this:"), 2);
        tmux.enter(&id);
        tmux.expect("Take it back: ", 2);
        operator.run(&["domain", "show", &id]).failure(1);
    }

    fn ctrl_c_stops_what_hangs_and_keeps_the_session(lake) {
        let silent = SilentListener::start();
        let lake = lake.served();
        let operator = lake.operator().with("DASHI_LOKI_URL", silent.url());
        let tmux = operator.in_tmux(&[]);
        tmux.expect("> ", 1);
        tmux.entry("let kept = stac::count() >= 0;");
        tmux.entry("loki::query(\"{job=\\\"x\\\"}\")");
        tmux.until("the question at Loki", |_| silent.visits() > 0);
        tmux.press(&["C-c"]);
        tmux.expect("interrupted", 1);
        tmux.entry("out::note(\"at \" + \"it\"); loop { }");
        tmux.expect("at it", 1);
        tmux.press(&["C-c"]);
        tmux.expect("interrupted", 2);
        // What was begun and not entered is given up.
        tmux.ready();
        tmux.type_text("let half =");
        tmux.press(&["C-c"]);
        tmux.entry("`it is ${kept}`");
        tmux.expect("it is true", 1);
        // At a question too: what is typed next is no answer to it.
        tmux.entry("fs::write(\"here.txt\", \"x\")");
        tmux.expect("[y/N/a]", 1);
        tmux.press(&["C-c"]);
        tmux.expect("interrupted", 3);
        tmux.entry("`it was ${kept}`");
        tmux.expect("it was true", 1);
        assert!(!operator.work().join("here.txt").exists());
        tmux.ready();
        tmux.press(&["C-d"]);
        tmux.expect("ended with 0", 1);
    }
}

/// A runbook of sixty lines, with an open bracket at many of their ends.
#[test]
fn members_are_completed_wherever_the_value_can_be_told() {
    let operator = Operator::in_context("sandbox");
    let tmux = operator.in_tmux(&[]);
    tmux.expect("> ", 1);
    tmux.entry("let items = [#{title: \"a\", size_of_it: 1}]; let all = #{inner: items};");
    for (typed, whole) in [
        ("items[0].si", "items[0].size_of_it"),
        ("items.map(|it| it.ti", "items.map(|it| it.title"),
        (
            "for each in all.inner.filter(|x| true) { each.ti",
            "{ each.title",
        ),
        ("[2, 1].sorted_", "[2, 1].sorted_by("),
        ("stac::items(\"x\").filter(|x| true).chu", ".chunks("),
        ("\"a,b\".split(\",\").sorted_", "(\",\").sorted_by("),
        ("items.filter(|x| true).group_", "group_by("),
        ("items.first().siz", "items.first().size_of_it"),
        ("stac::collections().chu", "stac::collections().chunks("),
    ] {
        tmux.type_text(typed);
        tmux.press(&["Tab"]);
        tmux.expect(whole, 1);
        tmux.press(&["C-u"]);
    }
}

#[test]
fn the_files_that_can_be_loaded_are_completed() {
    let operator = Operator::in_context("sandbox");
    operator.work_file("books/sweep.rhai", "let swept = 41;");
    operator.work_file("books/notes.txt", "");
    let tmux = operator.in_tmux(&[]);
    tmux.expect("> ", 1);
    tmux.type_text(":load bo");
    tmux.press(&["Tab"]);
    tmux.expect(":load books/", 1);
    tmux.press(&["Tab"]);
    tmux.expect(":load books/sweep.rhai", 1);
    tmux.press(&["Enter"]);
    tmux.entry("swept + 1");
    tmux.expect("42", 1);
}

fn runbook() -> String {
    let mut text = "#!/usr/bin/env -S dashictl run\n//! Adds.\n//!\n//! ```toml\n//! effect = \"read\"\n//! ```\n\nfn main(args) {\n    let sum = 0;\n".to_owned();
    for n in 0..26 {
        text.push_str(&format!("    sum += [\n        {n}].len();\n"));
    }
    text.push_str("    `the sum is ${sum}`\n}\n");
    assert!(text.lines().count() >= 60, "{}", text.lines().count());
    text
}

#[test]
fn a_runbook_that_is_pasted_is_one_entry() {
    let operator = Operator::in_context("sandbox");
    let tmux = operator.in_tmux(&[]);
    tmux.expect("sandbox> ", 1);
    tmux.paste(&runbook());
    tmux.press(&["Enter"]);
    tmux.entry("main(#{})");
    tmux.expect("the sum is 26", 1);
    // A terminal that does not say that something is pasted sends it as if it were typed.
    tmux.ready();
    for line in "fn typed(x) {\nx +\n1\n}\ntyped(40)".lines() {
        tmux.enter(line);
    }
    tmux.until("the result", |screen| {
        screen.lines().any(|line| line.trim() == "41")
    });
}

#[test]
fn a_table_fits_the_terminal_as_it_is_now() {
    let operator = Operator::in_context("sandbox");
    let tmux = operator.in_tmux(&[]);
    tmux.expect("sandbox> ", 1);
    let widest = |screen: &str, word: &str| {
        let lines = screen.lines().filter(|line| line.contains(word));
        lines
            .map(|line| line.trim_end().chars().count())
            .max()
            .unwrap_or(0)
    };
    let entry = |word: &str| format!("[#{{a: \"{word}\", b: \"word \".repeated()}}]");
    tmux.entry("fn repeated() { let all = \"\"; for n in 0..18 { all += this; } all }");
    tmux.entry(&entry("first"));
    let wide = tmux.until("the table", |screen| screen.matches("first").count() == 2);
    assert!(widest(&wide, "word word") > 70, "{wide}");
    tmux.resize(60);
    tmux.entry(&entry("second"));
    let narrow = tmux.until("the table", |screen| screen.matches("second").count() == 2);
    let below = narrow.rsplit_once("second").unwrap().1;
    assert!(widest(below, "word word") <= 60, "{narrow}");
}

#[test]
fn a_window_that_was_resized_shows_an_entry_once() {
    let operator = Operator::new();
    let tmux = operator.in_tmux(&[]);
    tmux.expect("> ", 1);
    tmux.resize(50);
    let long =
        "let marked = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]; marked.len() + 4700";
    for letter in long.chars() {
        tmux.type_text(&letter.to_string());
    }
    tmux.press(&["Enter"]);
    let screen = tmux.expect("4715", 1);
    assert_eq!(screen.matches("let marked").count(), 1, "{screen}");
}

#[test]
fn words_that_people_type_to_leave_or_for_help_are_understood() {
    let operator = Operator::new();
    let tmux = operator.in_tmux(&[]);
    tmux.expect("> ", 1);
    tmux.entry("help");
    tmux.expect("What there is to type", 1);
    tmux.entry("exit");
    tmux.expect("ended with 0", 1);
}

#[test]
fn a_dead_service_is_named_and_names_of_it_do_not_hold_up_who_types() {
    let silent = SilentListener::start();
    let operator = Operator::new()
        .with("DASHI_STAC_URL", silent.url())
        .with("DASHI_PREFECT_URL", "http://127.0.0.1:9");
    let tmux = operator.in_tmux(&[]);
    tmux.expect("default> ", 1);
    tmux.type_text("stac::collection(\"");
    tmux.press(&["Tab", "Tab", "Tab"]);
    tmux.until("the question at the catalogue", |_| silent.visits() > 0);
    tmux.type_text("typed on");
    tmux.expect("stac::collection(\"typed on", 1);
    tmux.press(&["C-c"]);
    tmux.entry("prefect::health()");
    tmux.expect("GET http://127.0.0.1:9/", 1);
    tmux.entry("1 + 41");
    tmux.until("the result", |screen| {
        screen.lines().any(|line| line.trim() == "42")
    });
}

#[test]
fn the_history_has_what_was_typed_and_no_secret() {
    let lake = Lake::Sandbox.served();
    let operator = lake.operator();
    let key = canary::SANDBOX;
    let tmux = operator.in_tmux(&[]);
    tmux.expect("> ", 1);
    tmux.entry("let password = \"hunter-2-canary\"; 1 + 1");
    // Not even where nothing says that it is one.
    tmux.entry(&format!("[\"{key}\"].len() + 4710"));
    tmux.expect_and_forget("4711");
    tmux.entry(" \"typed behind a space\".len()");
    tmux.entry("stac::count() >= 0");
    tmux.expect("true", 1);
    tmux.entry(":history");
    tmux.expect("CONTEXT", 1);
    tmux.press(&["Up", "Up"]);
    tmux.expect("> stac::count() >= 0", 2);
    tmux.press(&["C-u"]);
    tmux.entry(":quit");
    tmux.until("the end", |screen| screen.contains("ended with 0"));
    let file = operator.home().join(".local/state/dashi/history.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let past: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let entries: Vec<&str> = past
        .iter()
        .map(|past| past["entry"].as_str().unwrap())
        .collect();
    assert_eq!(entries[0], "let password = \"…\"; 1 + 1");
    assert_eq!(entries[2..], ["stac::count() >= 0", ":history", ":quit"]);
    assert!(
        past.iter()
            .all(|past| past["context"] == "default" && past["seconds"].is_number())
    );
    assert!(
        !text.contains("hunter-2-canary") && !text.contains(key),
        "{text}"
    );
    canary::assert_none_below(&operator.home().join(".local"));
    // The next session knows it.
    let tmux = operator.in_tmux(&[]);
    tmux.expect("> ", 1);
    tmux.press(&["Up", "Up", "Up", "Enter"]);
    tmux.expect("stac::count() >= 0", 1);
    tmux.expect("true", 1);
}
