//! What the modules ask: one client a service. They know the services and their protocols, and nothing of scripts;
//! requests are built and answers read by pure functions, and `http` is the only sender.

pub mod advice;
pub mod answer;
pub mod away;
pub mod cluster;
pub mod connection;
pub mod http;
pub mod ingest;
pub mod k8s_changes;
pub mod k8s_events;
pub mod k8s_exec;
pub mod k8s_job;
pub mod k8s_kind;
pub mod k8s_log;
pub mod k8s_logs;
pub mod k8s_objects;
pub mod k8s_place;
pub mod k8s_pods;
pub mod k8s_right;
pub mod k8s_secret;
pub mod k8s_wait;
pub mod loki;
pub mod loki_bell;
pub mod loki_error;
pub mod loki_follow;
pub mod loki_lines;
pub mod loki_seen;
pub mod loki_sweep;
pub mod pace;
pub mod pod_stream;
pub mod prefect;
pub mod prefect_logs;
pub mod prefect_runs;
pub mod presigned;
pub mod request;
pub mod retry;
pub mod s3;
pub mod s3_bulk;
pub mod s3_changes;
pub(crate) mod s3_cut;
pub mod s3_download;
pub(crate) mod s3_error;
pub(crate) mod s3_flow;
pub mod s3_habits;
pub mod s3_list;
pub mod s3_order;
pub mod s3_share;
pub mod s3_split;
pub mod s3_transport;
pub mod s3_upload;
pub mod s3_uploads;
pub mod s3_versions;
pub mod service_pods;
pub mod stac;
pub mod tls;
pub mod trace;
pub mod tunnel;
pub mod web;
pub mod websocket;

use futures::stream::BoxStream;
use serde_json::Value;

use crate::error::Result;

/// What a client hands up of a list: pages of JSON values, the last of which may be an error.
pub type Pages = BoxStream<'static, Result<Vec<Value>>>;
