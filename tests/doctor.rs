//! `doctor` on both lakes, and on lakes where something is wrong.

use super::lakes::{Lake, on_both_lakes};
use super::listener::SilentListener;
use super::operator::Operator;

on_both_lakes! {
    fn a_lake_that_is_well_passes_every_check(lake) {
        let operator = lake.operator();
        let rows = operator.run(&["doctor", "--json"]).json();
        let rows = rows.as_array().unwrap();
        // The sandbox has users and tables as well.
        let checks = if lake == Lake::Sandbox { 16 } else { 14 };
        assert_eq!(rows.len(), checks);
        assert!(rows.iter().all(|row| row["status"] == "ok" || row["status"] == "info"), "{rows:#?}");
        let ran = operator.run(&["doctor"]);
        assert_eq!(ran.stderr, "the lake is well, 0 warning(s)\n", "{ran}");
        let table = ran.success();
        assert!(table.starts_with("CHECK  "), "{table}");
        assert_eq!(table.lines().count(), checks + 1, "{table}");
    }

    fn deployments_are_listed_and_found_by_name(lake) {
        let script = "[prefect::deployments().some(|d| d.name == \"main\"), prefect::deployment(\"dashi-ingest/main\").name,
            prefect::try_deployment(\"dashi-ingest/nope\"), prefect::health().healthy]";
        let value = lake.operator().run(&["eval", "--json", script]).json();
        assert_eq!(value, serde_json::json!([true, "main", null, true]));
        let stderr = lake.operator().run(&["eval", "prefect::deployment(\"dashi-ingest/nope\")"]).failure(1);
        assert!(stderr.contains("there is no deployment 'dashi-ingest/nope'"), "{stderr}");
    }

    fn a_missing_bucket_fails_with_the_way_to_make_it(lake) {
        // The sandbox takes no setting from outside: its bucket is looked for by name.
        if lake == Lake::Sandbox {
            let ran = lake.operator().run(&["eval", "s3::bucket_exists(\"no-such-bucket\")"]);
            assert_eq!(ran.success(), "false\n");
            return;
        }
        let operator = lake.operator().with("DASHI_CURATED_BUCKET", "no-such-bucket");
        let ran = operator.run(&["doctor", "--json"]);
        assert_eq!(ran.code, Some(3), "{ran}");
        let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let failed: Vec<_> = rows.as_array().unwrap().iter().filter(|row| row["status"] == "failed").collect();
        assert_eq!(failed.len(), 1, "{rows:#}");
        assert_eq!(failed[0]["check"], "bucket curated");
        assert_eq!(failed[0]["hint"], "make -C poc storage-deploy");
    }
}

#[test]
fn wrong_credentials_fail_the_buckets() {
    let operator = Lake::Real
        .operator()
        .with("DASHI_S3_SECRET_KEY", "not-the-secret-key");
    let ran = operator.run(&["doctor", "--json"]);
    assert_eq!(ran.code, Some(3), "{ran}");
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let bucket = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["check"] == "bucket landing")
        .unwrap();
    assert_eq!(bucket["status"], "failed");
    assert!(
        bucket["hint"].as_str().unwrap().contains("s3.secret_key"),
        "{bucket}"
    );
}

#[test]
fn a_lake_whose_services_do_not_answer_is_judged_within_the_time_given() {
    let service = SilentListener::start();
    let mut operator = Operator::new()
        .with("DASHI_S3_ACCESS_KEY", "key")
        .with("DASHI_S3_SECRET_KEY", "made-up-for-a-test");
    for variable in [
        "DASHI_STAC_URL",
        "DASHI_PREFECT_URL",
        "DASHI_LOKI_URL",
        "DASHI_INGEST_URL",
        "DASHI_S3_ENDPOINT",
    ] {
        operator = operator.with(variable, service.url());
    }
    let ran = operator.run(&["doctor", "--timeout", "500ms", "--json"]);
    assert_eq!(ran.code, Some(3), "{ran}");
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    for row in rows.as_array().unwrap() {
        let soft =
            ["loki reachable", "ingest-api reachable"].contains(&row["check"].as_str().unwrap());
        let soft = soft || row["check"].as_str().unwrap().starts_with("versioning");
        assert_eq!(
            row["status"],
            if soft { "warning" } else { "failed" },
            "{row}"
        );
        assert!(
            row["detail"].as_str().unwrap().contains("within 500ms"),
            "{row}"
        );
    }
}
