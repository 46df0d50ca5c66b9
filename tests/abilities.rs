//! What a store can be trusted with is tried out once, and remembered on this machine.

use super::folder::Folder;
use super::lakes::{Lake, Tapped, on_both_lakes};
use super::wire::{Request, Wire, reply};

fn probes(wire: &Wire) -> usize {
    let requests = wire.requests().into_iter();
    requests
        .filter(|request| request.target.contains("/probes/"))
        .count()
}

fn in_bulk(request: &Request) -> bool {
    request.method == "POST" && request.target.contains("?delete")
}

/// Deletes two objects, as one run. Gives how many requests deleted several at once.
fn delete_two(tapped: &Tapped, folder: &Folder) -> usize {
    folder.put_all(&tapped.served.operator(), &["a", "b"], "text");
    tapped.s3.forget();
    let script = folder.delete(&["a", "b"]);
    let ran = tapped
        .operator
        .run(&["eval", "--effect", "destroy", "--apply", "--yes", &script]);
    let _ = ran.success();
    assert_eq!(folder.names(&tapped.served.operator()), [""; 0]);
    tapped.s3.requests().into_iter().filter(in_bulk).count()
}

fn tapped(lake: Lake, stem: &str) -> (Tapped, Folder) {
    let (mut tapped, folder) = (lake.tapped(), Folder::new(stem));
    tapped.operator = folder.apart(tapped.operator);
    (tapped, folder)
}

on_both_lakes! {
    fn a_store_is_tried_out_before_the_first_run_and_not_before_the_next(lake) {
        let (mut tapped, folder) = tapped(lake, "tried");
        delete_two(&tapped, &folder);
        assert!(probes(&tapped.s3) > 4, "{}", probes(&tapped.s3));
        delete_two(&tapped, &folder);
        assert_eq!(probes(&tapped.s3), 0);
        // Another state folder is another store, for all that is known.
        tapped.operator = tapped.operator.with("DASHI_STATE_URL", "s3://curated/.state/other-tried/");
        delete_two(&tapped, &folder);
        assert!(probes(&tapped.s3) > 4);
    }

    fn a_store_that_deletes_only_one_by_one_is_not_asked_again_for_more(lake) {
        let (tapped, folder) = tapped(lake, "singly");
        tapped.s3.answering(|request| in_bulk(request).then(|| reply("501 Not Implemented", "<Error><Code>NotImplemented</Code></Error>")));
        assert!(delete_two(&tapped, &folder) > 0);
        assert_eq!(delete_two(&tapped, &folder), 0);
    }

    fn a_store_that_trips_over_etags_is_asked_without_them(lake) {
        let (tapped, folder) = tapped(lake, "etags");
        let trips = |request: &Request| in_bulk(request) && request.text().contains("<ETag>");
        tapped.s3.answering(move |request| trips(request).then(|| reply("400 Bad Request", "<Error><Code>MalformedXML</Code></Error>")));
        delete_two(&tapped, &folder);
        assert_eq!(delete_two(&tapped, &folder), 1);
    }

    fn the_digest_that_a_store_wants_is_sent_to_it_from_then_on(lake) {
        let (tapped, folder) = tapped(lake, "md5");
        let lacks = |request: &Request| in_bulk(request) && request.header("content-md5").is_none();
        tapped.s3.answering(move |request| lacks(request).then(|| {
            reply("400 Bad Request", "<Error><Code>InvalidRequest</Code><Message>Missing required header for this request: Content-MD5</Message></Error>")
        }));
        delete_two(&tapped, &folder);
        assert_eq!(delete_two(&tapped, &folder), 1);
    }
}
