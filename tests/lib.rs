//! The integration tests: one binary that runs the program as an operator would, each test with a HOME, a working
//! folder and ports of its own.
//!
//! `operator` is who types, on a `terminal` where a test needs one; `lakes` are what is typed at (the sandbox and the real
//! lake), a `corner` of one is a test's own, `wire` taps what goes there, by `framing`, and `stage` sets the scene for runs
//! that are killed, `pier` for what is ingested, `realm` for users, `warehouse` for tables, `swept` for those on faulty services, `large_file` for transfers, `visit`
//! for what the library does without a script, `sessions` for those in Markdown. `listener`, `listing_store`, `fake` and `catalogue` stand for servers that
//! misbehave. Every other file holds tests of one subject.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps in vain")]
#![allow(
    clippy::needless_raw_string_hashes,
    reason = "UPDATE_EXPECT=1 writes them"
)]

mod bucket;
mod canary;
mod catalogue;
mod corner;
mod deletes;
mod fake;
mod flows;
mod folder;
mod follow;
mod framing;
mod lakes;
mod large_file;
mod listener;
mod listing_store;
mod operator;
mod pier;
mod realm;
mod sessions;
mod slow_store;
mod stage;
mod swept;
mod terminal;
mod tmux;
mod visit;
mod warehouse;
mod wire;

mod abilities;
mod audit;
mod audit_tail;
mod authelia;
mod backfill;
mod backup_verify;
mod book;
mod check;
mod cluster;
mod completion;
mod config;
mod confirm;
mod defer;
mod doc;
mod doctor;
mod domain;
mod downloads;
mod drift;
mod elsewhere;
mod endpoints;
mod engine;
mod examples;
mod faults;
mod gate;
mod gc;
mod gc_delete_faults;
mod gc_faults;
mod gc_memory;
mod gc_prefect_faults;
mod gc_shares;
mod gc_stac_changes;
mod gc_stac_faults;
mod ingest;
mod ingest_api;
mod ingest_large;
mod interrupt;
mod inventory;
mod item_delete;
mod item_partly;
mod item_rows;
mod k8s_changes;
mod k8s_commands;
mod k8s_logs;
mod k8s_wait;
mod k8s_watch;
mod kill;
mod large;
mod locks;
mod log;
mod newcomer;
mod output;
mod partial;
mod plans;
mod reading;
mod readme;
mod registry;
mod rehearsal;
mod repl;
mod repl_terminal;
mod restore;
mod runbook_destroy;
mod runbooks;
mod runs;
mod s3_commands;
mod sandbox;
mod schedule;
mod schedule_elsewhere;
mod scissors;
mod scripts;
mod secrets;
mod store;
mod submit;
mod table_commits;
mod table_files;
mod table_rows;
mod tables;
mod taps;
mod testing;
mod tls;
mod transfers;
mod trust;
mod tunnels;
mod uploads;
mod users;
mod users_faults;
mod versions;
mod web_requests;

/// A test file that is not listed above would never run.
#[test]
fn every_test_file_is_listed() {
    let listed = include_str!("lib.rs");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let is_test = path.extension().is_some_and(|end| end == "rs") && stem != "lib";
        assert!(
            !is_test || listed.contains(&format!("mod {stem};")),
            "{} is not listed",
            path.display()
        );
    }
}
