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
        command.contains("dashictl domain create: Create a domain, or update it\neffect: write"),
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
