//! What a tap on the wire keeps, and what it does to the requests that a test names.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use dashictl::clients::http::Tracer;
use dashictl::clients::s3_transport::Transport;
use dashictl::clients::tls;

use super::fake::{Answer, FakeService};
use super::lakes::{Addresses, Lake, Served, Tapped, on_both_lakes};
use super::operator::Ran;
use super::wire::{Hook, Request, Wire, lines, reply};

on_both_lakes! {
    fn signatures_hold_through_the_tap_and_bodies_are_kept(lake) {
        let (tapped, key) = (lake.tapped(), Lake::name("tapped"));
        put_and_delete(&tapped, &key);
        let changes = tapped.s3.changes();
        assert_eq!(changes.len(), 2, "{changes:?}");
        let (put, delete) = (&changes[0], &changes[1]);
        assert!(put.line().starts_with(&format!("PUT /landing/{key}")), "{put:?}");
        assert_eq!((put.answer, put.text().contains("7777"), put.body.len() >= 64 << 10), (Some(200), true, true));
        assert_eq!(put.header("host").map(|host| format!("http://{host}")).as_deref(), Some(tapped.s3.url()));
        assert!(delete.line().starts_with("POST /landing") && delete.text().contains(&key), "{delete:?}");
        assert!(put.order < delete.order && put.at <= delete.at);
    }

    fn services_are_reached_through_their_taps(lake) {
        let tapped = lake.tapped();
        tapped.operator.run(&["doctor"]).success();
        for wire in [&tapped.s3, &tapped.stac, &tapped.loki] {
            assert!(!wire.requests().is_empty(), "{} was not asked", wire.url());
            assert_eq!(lines(&wire.changes()), [""; 0]);
        }
        let script = "stac::items(\"gelaende-umwelt\", #{page: 2}).map(|i| i.links.find(|l| l.rel == \"self\").href).collect()";
        let hrefs = tapped.operator.run(&["eval", "--json", script]).json();
        assert!(hrefs[2].as_str().unwrap().starts_with(tapped.stac.url()), "{hrefs}");
        let pages = lines(&tapped.stac.requests()).into_iter().filter(|line| line.starts_with("GET /collections/gelaende-umwelt/items?"));
        assert!(pages.count() > 1, "what follows a link comes through the tap");
    }

    fn hrefs_with_the_address_behind_the_tap_are_the_store_too(lake) {
        let tapped = lake.tapped();
        for store in [tapped.s3.url(), &tapped.served.addresses.s3] {
            let script = format!("lake::place(\"{store}/processed/a/b\").uri");
            assert_eq!(tapped.operator.run(&["eval", &script]).success(), "s3://processed/a/b\n");
        }
    }

    fn a_held_change_is_made_when_it_is_released(lake) {
        let (tapped, id) = (lake.tapped(), Lake::name("held"));
        tapped.stac.at_change(0, Hook::Hold);
        let child = creating(&tapped, &id);
        tapped.stac.wait_until_held();
        assert!(!exists(&tapped.served, &id));
        tapped.stac.release();
        assert!(child.wait_with_output().unwrap().status.success());
        assert!(exists(&tapped.served, &id));
    }

    fn a_held_change_is_made_also_when_its_program_is_dead(lake) {
        let (tapped, id) = (lake.tapped(), Lake::name("orphaned"));
        tapped.stac.at_change(0, Hook::Hold);
        let mut child = creating(&tapped, &id);
        tapped.stac.wait_until_held();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!exists(&tapped.served, &id));
        tapped.stac.release();
        tapped.stac.wait_until_settled();
        assert!(exists(&tapped.served, &id));
    }

    fn a_dropped_change_never_reaches_the_service(lake) {
        let (tapped, id) = (lake.tapped(), Lake::name("dropped"));
        tapped.stac.at_change(0, Hook::Drop);
        let _ = create(&tapped, &id).failure(1);
        assert!(!exists(&tapped.served, &id));
        assert_eq!(tapped.stac.changes()[0].answer, None);
    }

    fn a_change_whose_answer_is_lost_has_been_made(lake) {
        let (tapped, id) = (lake.tapped(), Lake::name("unanswered"));
        tapped.stac.at_change(0, Hook::ForwardThenDrop);
        let _ = create(&tapped, &id).failure(1);
        assert!(exists(&tapped.served, &id));
        assert_eq!(lines(&tapped.stac.changes()), ["POST /collections"]);
        assert_eq!(tapped.stac.changes()[0].answer, Some(201));
    }

    fn operators_share_a_served_lake(lake) {
        let (served, id) = (lake.served(), Lake::name("shared"));
        served.operator().run(&["domain", "create", &id]).success();
        assert!(exists(&served, &id));
    }
}

fn create(tapped: &Tapped, id: &str) -> Ran {
    tapped.operator.run(&["domain", "create", id])
}

fn creating(tapped: &Tapped, id: &str) -> Child {
    tapped.operator.start(&["domain", "create", id])
}

/// Whether the lake has this domain, as another operator sees it past the taps.
fn exists(served: &Served, id: &str) -> bool {
    let script = format!("stac::try_collection(\"{id}\") != ()");
    let ran = served.operator().run(&["eval", "--json", &script]);
    ran.json().as_bool().unwrap()
}

/// Puts an object of 3 MiB, streamed from a file, and deletes it.
fn put_and_delete(tapped: &Tapped, key: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let file = tapped.operator.work_file("object", &"7".repeat(3 << 20));
    let client = store(tapped);
    let object = ObjectIdentifier::builder().key(key).build().unwrap();
    let which = Delete::builder().objects(object).build().unwrap();
    runtime.block_on(async {
        let body = ByteStream::from_path(file).await.unwrap();
        let put = client.put_object().bucket("landing").key(key).body(body);
        put.send().await.unwrap();
        let delete = client.delete_objects().bucket("landing").delete(which);
        delete.send().await.unwrap();
    });
}

/// A client of the tapped store that sends all that the SDK sends if left to itself.
pub fn store(tapped: &Tapped) -> aws_sdk_s3::Client {
    store_at(&tapped.served.addresses, tapped.s3.url())
}

/// The same at one of the store's addresses.
pub fn store_at(addresses: &Addresses, url: &str) -> aws_sdk_s3::Client {
    tls::install_provider();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (access_key, secret_key) = (&addresses.access_key, &addresses.secret_key);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(addresses.region.clone()))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .endpoint_url(url)
        .force_path_style(true)
        .http_client(Transport::new(http, Tracer::new(|_| (), 0, Vec::new())))
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

#[test]
fn what_counts_is_the_tests_to_say_and_what_runs_then() {
    let (tapped, ran) = (Lake::Sandbox.tapped(), Arc::new(AtomicBool::new(false)));
    let mark = Arc::clone(&ran);
    tapped
        .stac
        .counting(|request| request.line() == "PUT /collections/x")
        .at_change(
            0,
            Hook::Run(Box::new(move || mark.store(true, Ordering::SeqCst))),
        );
    create(&tapped, "x").success();
    assert!(!ran.load(Ordering::SeqCst));
    tapped.stac.forget();
    let _ = tapped
        .operator
        .run(&["domain", "create", "x", "--title", "X"])
        .success();
    assert!(ran.load(Ordering::SeqCst));
    assert_eq!(
        lines(&tapped.stac.changes()).last().unwrap(),
        "PUT /collections/x"
    );
}

#[test]
fn an_answer_can_be_given_in_the_services_place() {
    let tapped = Lake::Sandbox.tapped();
    let full = |request: &Request| request.is_change().then(|| reply("507 Full", "no room"));
    tapped.stac.answering(full);
    let stderr = create(&tapped, "x").failure(1);
    assert!(
        stderr.contains("507") && stderr.contains("no room"),
        "{stderr}"
    );
    assert_eq!(tapped.stac.changes()[0].answer, Some(507));
    assert!(!exists(&tapped.served, "x"));
}

#[test]
fn a_chunked_push_is_told_from_other_changes() {
    let service = FakeService::start(vec![Answer::status(204, "")]);
    let wire = Wire::before(&format!("{}/prefix/", service.url()));
    assert!(wire.url().ends_with("/prefix"));
    let mut stream = connected(&wire);
    let head = "POST /prefix/loki/api/v1/push HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"2\r\n{}\r\n0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert_eq!(wire.pushes(), wire.requests());
    assert_eq!(wire.pushes()[0].text(), "{}");
}

#[test]
fn a_search_by_post_is_no_change() {
    let tapped = Lake::Sandbox.tapped();
    let count = tapped
        .operator
        .run(&["eval", "stac::search(#{page: 100}).count() > 0"]);
    assert_eq!(count.success(), "true\n");
    assert!(lines(&tapped.stac.requests()).contains(&"POST /search".to_owned()));
    assert_eq!(tapped.stac.changes(), []);
}

#[test]
fn leave_to_send_a_body_comes_from_the_service() {
    let tapped = Lake::Sandbox.tapped();
    let mut stream = connected(&tapped.stac);
    let head = "POST /search HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n\
                content-type: application/json\r\ncontent-length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut leave = [0; 25];
    stream.read_exact(&mut leave).unwrap();
    assert_eq!(leave, *b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(tapped.stac.requests()[0].text(), "");
    stream.write_all(b"{}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let request = &tapped.stac.requests()[0];
    assert_eq!((request.text().as_str(), request.answer), ("{}", Some(200)));
}

/// A connection to a tap that a test speaks on itself.
fn connected(wire: &Wire) -> TcpStream {
    let url = url::Url::parse(wire.url()).unwrap();
    TcpStream::connect(url.socket_addrs(|| None).unwrap()[0]).unwrap()
}
