//! A store that fails at deleting: what is said to be gone is gone, what is said to be there is there.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::deletes::{deleted, refuse};
use super::lakes::on_both_lakes;
use super::operator::Ran;
use super::swept::{OBJECTS, Swept};
use super::wire::{Hook, Request, cut, reply};

const BUSY: &str = "<Error><Code>SlowDown</Code><Message>reduce your rate</Message></Error>";

/// Whether a request deletes objects of the bucket itself: neither what is in its trash nor what the run keeps.
fn deletes(request: &Request) -> bool {
    deleted(request).iter().any(|target| !target.contains("/."))
}

fn deletes_many(request: &Request) -> bool {
    request.method == "POST" && deletes(request)
}

/// The keys that came to this by the journal of the run.
fn came(swept: &Swept, ran: &Ran, state: &str) -> BTreeSet<String> {
    let run = ran.told("run=", " ");
    let path = format!(".local/state/dashi/runs/{run}.jsonl");
    let journal = std::fs::read_to_string(swept.bucket.operator.home().join(path)).unwrap();
    let lines = journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ended = lines.flat_map(|line| line["ended"].as_array().cloned().unwrap_or_default());
    let those = ended.filter(|ended| ended["state"] == state);
    let key = |ended: Value| {
        ended["target"]
            .as_str()?
            .splitn(4, '/')
            .nth(3)
            .map(str::to_owned)
    };
    those.filter_map(key).collect()
}

/// Nothing was deleted, and the run says so of each.
fn failed(swept: &Swept, ran: Ran) -> String {
    assert_eq!(came(swept, &ran, "failed"), swept.orphans(), "{ran}");
    assert_eq!(came(swept, &ran, "done"), BTreeSet::new(), "{ran}");
    assert_eq!(swept.bucket.keys().len(), OBJECTS);
    let stderr = ran.failure(4);
    assert!(stderr.contains("done=0 left=0 failed=2"), "{stderr}");
    stderr
}

/// Everything that was to go is gone, the run says so, and an undo brings it back.
fn done_and_taken_back(swept: &Swept, ran: Ran) {
    let before = swept.bucket.keys();
    assert_eq!(before, swept.kept(), "{ran}");
    assert_eq!(came(swept, &ran, "done"), swept.orphans(), "{ran}");
    let run = ran.told("Take it back: dashictl undo ", "\n");
    swept.done(ran);
    swept.run_in(&[], &["undo", &run]).success();
    assert_eq!(swept.bucket.keys().len(), OBJECTS);
}

on_both_lakes! {
    fn what_the_store_deleted_without_being_able_to_say_so_is_deleted(lake) {
        let swept = Swept::on(lake);
        swept.bucket.tapped.s3.counting(deletes_many).at_change(0, Hook::ForwardThenDrop);
        done_and_taken_back(&swept, swept.gc(&[]));
    }

    fn what_a_store_that_keeps_versions_deleted_without_saying_so_can_be_taken_back(lake) {
        let swept = Swept::on(lake);
        swept.bucket.keep_versions();
        swept.bucket.tapped.s3.counting(deletes_many).at_change(0, Hook::ForwardThenDrop);
        done_and_taken_back(&swept, swept.gc(&[]));
    }
}

#[test]
fn keys_that_the_store_refuses_are_named_and_the_others_are_deleted() {
    let swept = Swept::new();
    let s3 = &swept.bucket.tapped.s3;
    s3.answering(|request| refuse(request, "/set-09/a.tif", "under legal hold"));
    let ran = swept.gc(&[]);
    let refused: BTreeSet<String> = [swept.keys[9].clone()].into();
    assert_eq!(came(&swept, &ran, "failed"), refused);
    assert_eq!(came(&swept, &ran, "done"), &swept.orphans() - &refused);
    assert_eq!(swept.bucket.keys(), &swept.kept() | &refused);
    let stderr = ran.failure(4);
    assert!(stderr.contains("done=1 left=0 failed=1"), "{stderr}");
    for why in [swept.keys[9].as_str(), "under legal hold"] {
        assert!(stderr.contains(why), "no {why} in: {stderr}");
    }
}

#[test]
fn keys_that_fail_by_the_stores_own_fault_are_asked_for_alone() {
    let swept = Swept::new();
    swept.bucket.tapped.s3.answering(|request| {
        let error = "<Code>InternalError</Code><Message>a disk is gone</Message>";
        let key = |target: &String| target.splitn(3, '/').nth(2).unwrap_or_default().to_owned();
        let errors = deleted(request)
            .iter()
            .map(|target| format!("<Error><Key>{}</Key>{error}</Error>", key(target)))
            .collect::<String>();
        deletes_many(request)
            .then(|| reply("200 OK", &format!("<DeleteResult>{errors}</DeleteResult>")))
    });
    done_and_taken_back(&swept, swept.gc(&[]));
}

#[test]
fn a_store_that_is_busy_once_is_waited_for() {
    let (swept, times) = (Swept::new(), AtomicUsize::new(0));
    swept.bucket.tapped.s3.answering(move |request| {
        let is_first = deletes(request) && times.fetch_add(1, Ordering::SeqCst) == 0;
        is_first.then(|| reply("503 Slow Down", BUSY))
    });
    done_and_taken_back(&swept, swept.gc(&[]));
}

#[test]
fn a_store_that_is_busy_for_good_has_deleted_nothing() {
    let swept = Swept::new();
    let s3 = &swept.bucket.tapped.s3;
    s3.answering(|request| deletes(request).then(|| reply("503 Slow Down", BUSY)));
    let stderr = failed(&swept, swept.gc(&[]));
    assert!(stderr.contains("reduce your rate"), "{stderr}");
}

#[test]
fn what_a_silent_store_deletes_only_afterwards_can_be_taken_back() {
    let swept = Swept::new();
    let s3 = swept.bucket.tapped.s3.counting(deletes);
    for n in 0..32 {
        s3.at_change(n, Hook::Hold);
    }
    let ran = swept.gc(&[]);
    let run = ran.told("run=", " ");
    let stderr = failed(&swept, ran);
    for why in ["s3 did not answer", s3.url(), "within 3s"] {
        assert!(stderr.contains(why), "no {why:?} in: {stderr}");
    }
    s3.release();
    s3.wait_until_settled();
    assert_eq!(swept.bucket.keys(), swept.kept());
    s3.counting(|_| false);
    swept.run_in(&[], &["undo", &run]).success();
    assert_eq!(swept.bucket.keys().len(), OBJECTS);
}

#[test]
fn a_store_that_is_silent_once_is_asked_again() {
    let swept = Swept::new();
    swept
        .bucket
        .tapped
        .s3
        .counting(deletes)
        .at_change(0, Hook::Hold);
    done_and_taken_back(&swept, swept.gc(&[]));
}

#[test]
fn an_answer_that_breaks_off_is_no_account() {
    for is_once in [true, false] {
        let (swept, times) = (Swept::new(), AtomicUsize::new(0));
        swept.bucket.tapped.s3.answering(move |request| {
            let targets = deleted(request);
            let said: String = targets
                .iter()
                .map(|target| {
                    format!(
                        "<Deleted><Key>{}</Key></Deleted>",
                        target.splitn(3, '/').nth(2).unwrap()
                    )
                })
                .collect();
            let answer = cut(&reply(
                "200 OK",
                &format!("<DeleteResult>{said}</DeleteResult>"),
            ));
            let is_it = deletes(request) && (times.fetch_add(1, Ordering::SeqCst) == 0 || !is_once);
            is_it.then_some(answer)
        });
        if is_once {
            done_and_taken_back(&swept, swept.gc(&[]));
        } else {
            failed(&swept, swept.gc(&[]));
        }
    }
}

#[test]
fn an_answer_that_names_no_key_is_no_account() {
    for body in ["", "<DeleteResult/>"] {
        let swept = Swept::new();
        swept
            .bucket
            .tapped
            .s3
            .answering(move |request| deletes_many(request).then(|| reply("200 OK", body)));
        done_and_taken_back(&swept, swept.gc(&[]));
    }
}

#[test]
fn a_store_that_claims_to_have_deleted_what_is_there_is_not_believed() {
    let swept = Swept::new();
    swept.bucket.tapped.s3.answering(|request| {
        let said = deleted(request)
            .iter()
            .map(|target| {
                format!(
                    "<Deleted><Key>{}</Key></Deleted>",
                    target.splitn(3, '/').nth(2).unwrap()
                )
            })
            .collect::<String>();
        deletes_many(request)
            .then(|| reply("200 OK", &format!("<DeleteResult>{said}</DeleteResult>")))
    });
    let stderr = failed(&swept, swept.gc(&[]));
    assert!(stderr.contains("and it is there"), "{stderr}");
}
