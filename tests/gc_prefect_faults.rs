//! A Prefect that does not tell which runs are at work: there is no plan.

use serde_json::{Value, json};

use super::operator::Ran;
use super::swept::{OBJECTS, Swept};
use super::wire::{Hook, Request, Wire, cut, reply};

/// A page of runs as Prefect gives it.
const PAGE: usize = 200;

/// Runs at work: more than a page.
const RUNS: usize = 250;

/// Sweeps a bucket with a Prefect that gives these runs in its place.
fn swept(runs: impl Fn(&Request) -> String + Send + Sync + 'static) -> (Swept, Ran, String) {
    let swept = Swept::new();
    let wire = Wire::before(&swept.bucket.tapped.served.addresses.prefect);
    wire.answering(move |request| {
        let is_runs = request.target.contains("/flow_runs/filter");
        is_runs.then(|| runs(request))
    });
    let url = wire.url().to_owned();
    let ran = swept.gc_in(&[("DASHI_PREFECT_URL", url.clone())], &[]);
    (swept, ran, url)
}

fn refused(runs: impl Fn(&Request) -> String + Send + Sync + 'static, why: &str) {
    let (swept, ran, url) = swept(runs);
    let all = [
        "it cannot be told what flow runs work on, so nothing was planned",
        "prefect",
    ];
    swept.refused(ran, &[&all[..], &[&url, why]].concat());
}

/// The runs that a request asks for, of 250 that write elsewhere. The last has these parameters.
fn page(request: &Request, last: &Value) -> String {
    let from = usize::try_from(offset(request)).unwrap();
    let runs = (from..RUNS.min(from + PAGE)).map(|n| {
        let id = uuid::Uuid::from_u128((RUNS - n) as u128).to_string();
        let elsewhere = json!({"domain": "elsewhere"});
        let parameters = if n == RUNS - 1 { last } else { &elsewhere };
        json!({"id": id, "created": "2026-01-01T00:00:00Z", "parameters": parameters})
    });
    let runs: Vec<Value> = runs.collect();
    reply("200 OK", &json!(runs).to_string())
}

/// Where the page begins that a request asks for.
fn offset(request: &Request) -> u64 {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    body["offset"].as_u64().unwrap_or(0)
}

fn sound(request: &Request) -> String {
    page(request, &json!({"domain": "elsewhere"}))
}

#[test]
fn runs_are_read_page_by_page_to_the_last() {
    let (elsewhere, ran, _) = swept(sound);
    elsewhere.done(ran);
    // A run that names no domain may have written anything.
    let (swept, ran, _) = swept(|request| page(request, &json!({})));
    let stdout = ran.success();
    assert!(stdout.contains("in_flight"), "{stdout}");
    assert_eq!(swept.bucket.keys().len(), OBJECTS);
}

#[test]
fn runs_that_cannot_be_read_keep_everything() {
    for (answer, why) in [
        (
            reply(
                "500 Internal Server Error",
                "{\"exception_message\": \"no database\"}",
            ),
            "500",
        ),
        (reply("200 OK", ""), "prefect"),
        (reply("200 OK", "{}"), "prefect"),
        (reply("200 OK", "[{\"name\": \"no id\"}]"), "prefect"),
        (
            cut(&reply("200 OK", "[{\"id\": \"a\"}]")),
            "prefect broke off its answer to POST",
        ),
    ] {
        refused(move |_| answer.clone(), why);
    }
}

#[test]
fn runs_that_break_off_after_the_first_page_keep_everything() {
    let bad = reply("500 Internal Server Error", "{}");
    refused(
        move |request| match offset(request) {
            0 => sound(request),
            _ => bad.clone(),
        },
        "500",
    );
    // Pages overlap: one that shares nothing with the one before is not the next.
    refused(
        |request| match offset(request) {
            0 => sound(request),
            _ => reply("200 OK", "[]"),
        },
        "the flow runs changed faster than they could be read",
    );
    refused(
        |request| match offset(request) {
            0 => sound(request),
            _ => cut(&sound(request)),
        },
        "prefect broke off its answer to POST",
    );
}

#[test]
fn a_prefect_that_is_not_there_or_silent_is_named() {
    let swept = Swept::new();
    let nobody = [("DASHI_PREFECT_URL", "http://127.0.0.1:9".to_owned())];
    let why = "it cannot be told what flow runs work on, so nothing was planned";
    swept.refused(
        swept.gc_in(&nobody, &[]),
        &[why, "prefect cannot be reached at http://127.0.0.1:9"],
    );
    let wire = Wire::before(&swept.bucket.tapped.served.addresses.prefect);
    wire.counting(|_| true);
    for n in 0..8 {
        wire.at_change(n, Hook::Hold);
    }
    let silent = [("DASHI_PREFECT_URL", wire.url().to_owned())];
    let ran = swept.gc_in(&silent, &[]);
    swept.refused(
        ran,
        &[
            why,
            "prefect did not answer",
            wire.url(),
            "within 3s",
            "http.timeout",
        ],
    );
}
