//! A catalogue whose answers cannot be relied on: there is no plan, and it is said which service gave what.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::catalogue::{Ask, Catalogue, What, plain};
use super::swept::Swept;
use super::wire::{Hook, cut, reply};

/// Sweeps a bucket by a catalogue whose answers become what goes over the wire by this; there must be no plan.
fn refused(after: impl Fn(&Ask, Value) -> String + Send + Sync + 'static, why: &[&str]) {
    let swept = Swept::new();
    Catalogue::of(&swept, |_, _| (), after);
    check_refused(&swept, why);
}

fn check_refused(swept: &Swept, why: &[&str]) {
    let ran = swept.gc(&["--expect-delete", "2"]);
    let url = swept.bucket.tapped.stac.url();
    let all = ["so nothing was planned", "stac", url];
    swept.refused(ran, &[&all[..], why].concat());
}

/// The same, with pages of items that become something else by this.
fn refused_pages(change: impl Fn(usize, Value) -> Value + Send + Sync + 'static, why: &str) {
    refused(
        move |ask, answer| {
            let is_page = ask.what == What::Items;
            let answer = if is_page {
                change(ask.page, answer)
            } else {
                answer
            };
            plain(ask, answer)
        },
        &[why],
    );
}

#[test]
fn a_catalogue_of_small_pages_is_read_to_its_end() {
    let swept = Swept::new();
    let catalogue = Catalogue::of(&swept, |_, _| (), plain);
    swept.done(swept.gc(&[]));
    assert_eq!(catalogue.holding().items.len(), 8);
}

#[test]
fn a_page_that_is_skipped_is_noticed() {
    // The token of the first page is that of the second.
    refused_pages(
        |page, mut answer| {
            if page == 0 {
                let token = answer["links"][0]["body"]["token"].clone();
                let token = token.as_str().unwrap().replace("item-03", "item-06");
                answer["links"][0]["body"]["token"] = token.into();
            }
            answer
        },
        "counts 8 items, and 5 were read",
    );
}

#[test]
fn a_page_that_comes_again_is_noticed() {
    let first = std::sync::Mutex::new(Value::Null);
    refused_pages(
        move |page, mut answer| {
            let mut first = first.lock().unwrap();
            match page {
                0 => *first = answer["features"].clone(),
                1 => answer["features"] = first.clone(),
                _ => {}
            }
            answer
        },
        "of 8 items of collection",
    );
}

#[test]
fn an_answer_without_content_is_no_catalogue() {
    for body in ["", "{}", "null", "[]", "<html>welcome</html>"] {
        refused(move |_, _| reply("200 OK", body), &["stac gave"]);
    }
    let empty = |_, answer: Value| json!({"features": [], "links": [], "was": answer["type"]});
    refused_pages(empty, "counts 8 items, and 0 were read");
}

#[test]
fn a_page_that_leads_nowhere_is_noticed() {
    refused_pages(
        |_, mut answer| {
            answer["links"] = json!([]);
            answer
        },
        "counts 8 items, and 3 were read",
    );
}

#[test]
fn a_page_that_leads_to_itself_is_noticed() {
    let last = std::sync::Mutex::new(Value::Null);
    refused_pages(
        move |page, mut answer| {
            let mut last = last.lock().unwrap();
            match page {
                0 => *last = answer["links"].clone(),
                _ => answer["links"] = last.clone(),
            }
            answer
        },
        "a 'next' link that leads back to a page already read",
    );
}

#[test]
fn a_catalogue_that_fails_on_the_third_page_is_refused() {
    refused(
        |ask, answer| match (ask.what, ask.page) {
            (What::Items, 2) => reply(
                "500 Internal Server Error",
                r#"{"detail": "out of memory"}"#,
            ),
            _ => plain(ask, answer),
        },
        &["500", "out of memory"],
    );
}

/// What pgstac answers to a page's token once the item that it names is deleted.
#[test]
fn a_page_whose_token_has_lost_its_place_once_is_read_from_the_start() {
    for items in [0, 5_001] {
        let (swept, times) = (Swept::new(), AtomicUsize::new(0));
        let catalogue = Catalogue::of(
            &swept,
            |_, _| (),
            move |ask, answer| match (ask.what, ask.page) {
                (What::Items, 2) if times.fetch_add(1, Ordering::SeqCst) == 0 => {
                    reply("500 Internal Server Error", r#"{"detail": "token"}"#)
                }
                _ => plain(ask, answer),
            },
        );
        for n in 0..items {
            let mut holding = catalogue.holding();
            holding.page = 1000;
            holding.put("bulk", &format!("{n:05}"), &[]);
        }
        swept.done(swept.gc(&[]));
    }
}

#[test]
fn a_page_that_breaks_off_is_refused() {
    refused(
        |ask, answer| match (ask.what, ask.page) {
            (What::Items, 2) => cut(&plain(ask, answer)),
            _ => plain(ask, answer),
        },
        &["stac broke off its answer to POST"],
    );
}

#[test]
fn a_page_that_breaks_off_once_is_asked_for_again() {
    let (swept, times) = (Swept::new(), AtomicUsize::new(0));
    Catalogue::of(
        &swept,
        |_, _| (),
        move |ask, answer| match (ask.what, ask.page) {
            (What::Items, 2) if times.fetch_add(1, Ordering::SeqCst) == 0 => {
                cut(&plain(ask, answer))
            }
            _ => plain(ask, answer),
        },
    );
    swept.done(swept.gc(&[]));
}

#[test]
fn a_catalogue_that_is_silent_is_named_with_the_setting_of_the_timeout() {
    let swept = Swept::new();
    let stac = &swept.bucket.tapped.stac;
    for n in 0..8 {
        stac.counting(|request| request.target.contains("/search"))
            .at_change(n, Hook::Hold);
    }
    check_refused(
        &swept,
        &["stac did not answer", "within 3s", "raise http.timeout"],
    );
}

#[test]
fn a_count_that_is_not_given_or_not_true_is_noticed() {
    let counted = |count: Option<u64>| {
        move |ask: &Ask, mut answer: Value| {
            if ask.what == What::Count {
                answer["numberMatched"] = json!(count);
            }
            plain(ask, answer)
        }
    };
    refused(counted(None), &["no 'numberMatched'"]);
    refused(counted(Some(7)), &["counts 7 items, and "]);
    refused(counted(Some(9)), &["counts 9 items, and 8 were read"]);
}

#[test]
fn a_page_whose_items_are_no_list_is_refused() {
    for features in [json!({}), json!("none"), Value::Null, json!(8)] {
        refused_pages(
            move |_, mut answer| {
                answer["features"] = features.clone();
                answer
            },
            "a page without a list 'features'",
        );
    }
}

#[test]
fn an_item_that_is_not_whole_is_refused() {
    for (field, value, why) in [
        ("assets", Value::Null, "has no assets"),
        ("assets", json!([]), "has no assets"),
        ("id", Value::Null, "without an id"),
        ("collection", Value::Null, "names no collection"),
    ] {
        refused_pages(
            move |_, mut answer| {
                answer["features"][1][field] = value.clone();
                answer
            },
            why,
        );
    }
}

#[test]
fn collections_that_are_counted_and_not_listed_are_noticed() {
    refused(
        |ask, mut answer| {
            if ask.what == What::CollectionCount {
                answer["numberMatched"] = 2.into();
            }
            plain(ask, answer)
        },
        &["counts 2 collections, and lists 1"],
    );
    refused(
        |ask, mut answer| {
            if ask.what == What::Collections {
                answer["collections"] = json!([]);
            }
            plain(ask, answer)
        },
        &["counts 1 collections, and lists 0"],
    );
}
