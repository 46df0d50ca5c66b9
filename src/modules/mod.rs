//! What scripts may call, one file a namespace. A module knows the engine and the clients; it builds no HTTP request
//! and prints nothing (but the question of `ask`). `ROLL` is the list of all of them, in the order of the reference.

mod backup;
mod chart;
mod command;
mod control;
mod cron;
mod csv;
mod ctx;
mod env;
mod flow_runs;
mod fs;
mod groups;
mod http;
mod iceberg;
mod iceberg_files;
mod identity;
mod ingest;
mod json;
mod k8s;
mod k8s_changes;
mod lake;
mod loki;
mod orphans;
mod out;
mod paths;
mod plans;
mod prefect;
mod s3;
mod sandbox;
mod stac;
mod streams;
mod targets;
mod text;
mod time;
mod toml;
mod transfers;
mod yaml;

use crate::engine::registry::Namespace;
use crate::session::Session;

/// Every namespace.
pub(crate) const ROLL: &[fn(&Session) -> Namespace] = &[
    stac::namespace,
    s3::namespace,
    prefect::namespace,
    loki::namespace,
    k8s::namespace,
    ingest::namespace,
    identity::namespace,
    iceberg::namespace,
    backup::namespace,
    lake::namespace,
    plans::namespace,
    ctx::namespace,
    env::namespace,
    time::namespace,
    cron::namespace,
    command::namespace,
    json::namespace,
    toml::namespace,
    yaml::namespace,
    csv::namespace,
    chart::namespace,
    fs::namespace,
    http::namespace,
    sandbox::namespace,
    out::namespace,
    control::namespace,
    streams::namespace,
    text::namespace,
    groups::namespace,
];
