//! `dashictl doc`: what scripts may call, as the engine itself knows it.

use super::operator::Operator;

#[test]
fn a_function_is_explained_with_options_and_examples() {
    let text = Operator::new().run(&["doc", "stac::items"]).success();
    expect_test::expect![[r#"
        stac::items(collection: string, #{datetime, bbox, page}) -> Stream
        effect: read

        The items of one collection, newest first, read page by page.

        ```rhai
        stac::items("gelaende-umwelt").count() > 0
        //=> true
        ```

        Options:
          datetime: string
              Only items in this time or interval, as in `2026-01-01T00:00:00Z/..`.
          bbox: array
              Only items that touch `[west, south, east, north]`.
          page: int (default: 250)
              How many to ask for at once.
    "#]]
    .assert_eq(&text);
}

#[test]
fn namespaces_methods_and_commands_are_explained() {
    let operator = Operator::new();
    let all = operator.run(&["doc"]).success();
    assert!(
        all.contains("stac:: The STAC catalogue")
            && all.contains("Methods of streams and of sets of objects."),
        "{all}"
    );
    let namespace = operator.run(&["doc", "stac"]).success();
    assert!(namespace.contains("stac::delete_item(collection: string, id: string, #{own, after}) -> () [destroy]\n    Removes the record of an item."), "{namespace}");
    assert!(
        operator
            .run(&["doc", "filter"])
            .success()
            .contains("Stream.filter(keep: function) -> Stream")
    );
    let command = operator.run(&["doc", "domain", "create"]).success();
    assert!(
        command.starts_with("Create a domain, or update it\n")
            && command.contains("\neffect: write\nneeds: stac: transactions\n")
            && command.contains("--max-classification"),
        "{command}"
    );
    assert!(
        operator
            .run(&["doc", "--source", "domain", "list"])
            .success()
            .starts_with("//! List the domains.\n")
    );
}

#[test]
fn an_unknown_name_names_the_nearest() {
    let stderr = Operator::new().run(&["doc", "stac::itmes"]).failure(1);
    assert!(
        stderr.contains("there is no documentation of 'stac::itmes'")
            && stderr.contains("did you mean 'stac::items'?"),
        "{stderr}"
    );
}

#[test]
fn the_reference_is_data_where_json_is_asked_for() {
    let rows = Operator::new()
        .run(&["doc", "stac::items", "--json"])
        .json();
    assert_eq!(
        rows[0]["parameters"][0],
        serde_json::json!({"name": "collection", "type": "string"})
    );
    assert_eq!(rows[0]["options"][2]["default"], "250");
    assert!(
        Operator::new()
            .run(&["doc", "--json"])
            .json()
            .as_array()
            .unwrap()
            .len()
            > 50
    );
}

#[test]
fn every_setting_is_explained() {
    let operator = Operator::new();
    expect_test::expect![[r#"
        s3.secret_key

        Secret key.

          it is: a secret: text in quotes, { file = "path" } or { command = ["program", "argument"] }
          default: none
          variable: DASHI_S3_SECRET_KEY, DASHI_S3_SECRET_KEY_FILE, DASHI_S3_SECRET_KEY_COMMAND

        `dashictl config --origin` says what holds, and why; `dashictl doc contexts` where it is written.
    "#]]
    .assert_eq(&operator.run(&["doc", "s3.secret_key"]).success());
    let all = operator.run(&["doc", "settings"]).success();
    assert!(
        all.contains("| `loki_url` | Where Loki is; off: this lake has none"),
        "{all}"
    );
}

#[test]
fn a_name_of_several_things_says_how_to_get_to_each() {
    let operator = Operator::new();
    let ran = operator.run(&["doc", "ingest"]);
    assert!(
        ran.stderr
            .contains("see also `dashictl doc ingest::`, the namespace"),
        "{ran}"
    );
    let space = operator.run(&["doc", "ingest::"]).success();
    assert!(space.contains("ingest::me("), "{space}");
    let ran = operator.run(&["doc", "s3"]);
    assert!(
        ran.stderr
            .contains("see also `dashictl s3 --help`, the commands"),
        "{ran}"
    );
    let typed = operator
        .run(&["doc", "dashictl", "domain", "list"])
        .success();
    assert!(typed.contains("effect: read"), "{typed}");
    let chapter = operator.run(&["doc", "cookbook/retention-sweep"]).success();
    assert!(chapter.starts_with("# Retention sweep\n"), "{chapter}");
}

#[test]
fn a_word_that_is_no_name_is_looked_for() {
    let operator = Operator::new();
    for (word, told) in [
        ("itmes", "did you mean 'stac::items'?"),
        ("by_folder", "the word is in s3::list"),
        ("retries", "http.retries"),
        ("webhook", "std/notify"),
    ] {
        let stderr = operator.run(&["doc", word]).failure(1);
        assert!(stderr.contains(told), "{word}: {stderr}");
    }
}

#[test]
fn whatever_is_documented_is_data_too() {
    let operator = Operator::new();
    let command = operator.run(&["doc", "gc", "--json"]).json();
    assert_eq!(command["kind"], "command");
    assert_eq!(command["effect"], "destroy");
    assert!(
        command["options"]
            .as_array()
            .unwrap()
            .iter()
            .any(|option| option["name"] == "bucket"),
        "{command}"
    );
    let chapter = operator.run(&["doc", "safety", "--json"]).json();
    assert_eq!(chapter["kind"], "chapter");
    assert!(chapter["text"].as_str().unwrap().starts_with("# Safety"));
}

#[test]
fn a_terminal_gets_lines_that_fit() {
    let operator = Operator::new();
    let tmux = operator.in_tmux(&["doc", "safety"]);
    let screen = tmux.expect("ended with 0", 1);
    assert!(
        !screen.contains("```console") && !screen.contains("# Safety"),
        "{screen}"
    );
}

#[test]
fn pages_of_something_else_are_not_written_over() {
    let operator = Operator::new();
    operator.work_file("site/index.html", "<p>mine</p>");
    let stderr = operator.run(&["doc", "--html", "site"]).failure(2);
    assert!(
        stderr.contains("is no page of this documentation"),
        "{stderr}"
    );
    let _ = operator.run(&["doc", "--html", "pages"]);
    let again = operator.run(&["doc", "--html", "pages"]);
    assert_eq!(again.code, Some(0), "{again}");
    let index = std::fs::read_to_string(operator.work().join("pages/search.js")).unwrap();
    assert!(
        index.contains("[\"s3::list\",\"reference/s3.html#s3--list\""),
        "{}",
        &index[..500]
    );
}

#[test]
fn options_of_commands_types_and_all_libraries_are_explained() {
    let operator = Operator::new();
    for name in [
        &["gc", "--", "--max-delete"][..],
        &["gc", "max_delete"],
        &["gc.max-delete"],
        &["item delete max-delete"],
    ] {
        let told = operator.run(&[&["doc"][..], name].concat()).success();
        assert!(
            told.contains("--max-delete <N>") && told.contains("dashictl "),
            "{name:?}: {told}"
        );
    }
    let told = operator.run(&["doc", "Stream"]).success();
    assert!(told.contains(".take(") && told.contains("Stream"), "{told}");
    let told = operator.run(&["doc", "std"]).success();
    assert!(
        told.contains("std/retry") && told.contains("std/assert"),
        "{told}"
    );
    let stderr = operator.run(&["doc", "--source"]).failure(2);
    assert!(stderr.contains("dashictl doc --source gc"), "{stderr}");
}

#[test]
fn a_chapter_with_a_section_on_a_word_comes_first() {
    let stderr = Operator::new().run(&["doc", "words"]).failure(1);
    assert!(stderr.contains("the word is in introduction, "), "{stderr}");
}

#[test]
fn a_commands_help_begins_with_what_it_is() {
    let operator = Operator::new();
    for command in ["undo", "check", "item delete"] {
        let line: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = operator.run(&line).success();
        let (what, examples) = (
            help.find("Usage:").unwrap(),
            help.find("Examples:").unwrap(),
        );
        assert!(examples > 0 && examples < what, "{help}");
        assert!(!help.starts_with("Examples:"), "{help}");
    }
}
