//! `ingest` of small files and of what has landed already: what is sent, what is told, what is not done twice.

use serde_json::{Value, json};

use super::interrupt::stopped;
use super::lakes::{Lake, on_both_lakes};
use super::pier::{Pier, digest};
use super::wire::{Hook, Request, lines, reply};

const GEOJSON: &str = r#"{"type": "FeatureCollection", "features": []}"#;

fn is(path: &str) -> impl Fn(&Request) -> bool + Send + Sync + use<> {
    let line = format!("POST {path}");
    move |request| request.line() == line
}

/// A pier with a file on it.
fn with_file(lake: Lake) -> Pier {
    let pier = Pier::new(lake);
    pier.operator.work_file("points.geojson", GEOJSON);
    pier.api.forget();
    pier.s3.forget();
    pier
}

on_both_lakes! {
    fn a_small_file_lands_and_is_submitted_once(lake) {
        let pier = with_file(lake);
        let ran = pier.ingest(&["points.geojson", "--json"]);
        assert!(ran.stderr.contains("points.geojson: points.geojson vector GeoJSON points"), "{ran}");
        let row = ran.json();
        assert_eq!((&row["source"], &row["state"]), (&json!("points.geojson"), &json!("SCHEDULED")));
        let uri = row["uri"].as_str().unwrap();
        assert_eq!(pier.object(uri).1, GEOJSON.len() as u64);
        let runs = pier.runs();
        assert_eq!((runs.len(), &runs[0]["id"], &runs[0]["name"]), (1, &row["flow_run_id"], &row["name"]));
        let wanted = json!({"source_path": uri, "domain": pier.domain, "classification": "int"});
        assert_eq!(runs[0]["parameters"], wanted);
        assert!(row["ui_url"].as_str().unwrap().ends_with(row["flow_run_id"].as_str().unwrap()));
        let put = pier.s3.changes();
        assert_eq!((put.len(), put[0].header("content-type")), (1, Some("application/geo+json")));
        assert!(put[0].header("content-md5").is_some());

        pier.s3.forget();
        let again = pier.ingest(&["points.geojson", "--json"]);
        assert!(again.stderr.contains("has landed before: not sent again") && again.stderr.contains("--again starts another"), "{again}");
        assert_eq!(again.json()["flow_run_id"], row["flow_run_id"]);
        assert_eq!((lines(&pier.s3.changes()), pier.runs().len()), (vec![], 1));
        let another = pier.ingest(&["points.geojson", "--again", "--json"]).json();
        assert_ne!(another["flow_run_id"], row["flow_run_id"]);
        assert_ne!(another["uri"], row["uri"]);
    }

    fn a_file_that_changed_is_another_and_one_whose_run_failed_is_submitted_again(lake) {
        let pier = with_file(lake);
        let first = pier.ingest(&["points.geojson", "--json"]).json();
        pier.end(first["flow_run_id"].as_str().unwrap(), "FAILED");
        let second = pier.ingest(&["points.geojson", "--json"]).json();
        assert_eq!(second["uri"], first["uri"], "it has landed already");
        assert_ne!(second["flow_run_id"], first["flow_run_id"]);
        pier.operator.work_file("points.geojson", &GEOJSON.replace("[]", "[ ]"));
        let third = pier.ingest(&["points.geojson", "--json"]).json();
        assert_ne!(third["uri"], first["uri"]);
        pier.remove(third["uri"].as_str().unwrap());
        let fourth = pier.ingest(&["points.geojson", "--json"]).json();
        assert_ne!(fourth["uri"], third["uri"], "it is not there any more");
    }

    fn what_has_landed_is_submitted_as_it_is(lake) {
        let pier = with_file(lake);
        let uri = format!("s3://landing/{}/pre.geojson", pier.domain);
        pier.operator.run(&["s3", "cp", "points.geojson", &uri]).success();
        pier.s3.forget();
        let planned = pier.ingest(&[&uri, "--dry-run", "--json"]);
        assert!(planned.stdout.contains("\"way\":\"register\"") && planned.stderr.contains("vector GeoJSON"), "{planned}");
        assert_eq!(pier.runs().len(), 0);
        let row = pier.ingest(&[&uri, "--classification", "pub", "--json"]).json();
        assert_eq!(row["uri"], uri.as_str());
        assert_eq!(pier.runs()[0]["parameters"]["classification"], "pub");
        assert_eq!(lines(&pier.s3.changes()), [""; 0]);
        let _ = pier.ingest(&[&uri]).success();
        assert_eq!(pier.runs().len(), 2, "another classification is another ingest");
        let _ = pier.ingest(&[&uri]).success();
        assert_eq!(pier.runs().len(), 2);
    }

    fn a_folder_is_ingested_file_by_file_and_one_that_is_nothing_stops_no_other(lake) {
        let pier = Pier::new(lake);
        pier.small_files();
        assert!(pier.ingest(&["tiles"]).failure(2).contains("say --recursive"));
        let planned = pier.ingest(&["-r", "tiles", "--dry-run", "--json"]);
        assert!(planned.stdout.contains("tiles/deep/scene.tif"), "{planned}");
        assert_eq!((pier.keys().len(), pier.runs().len()), (0, 0));
        let ran = pier.ingest(&["-r", "tiles", "--json"]);
        assert_eq!(ran.code, Some(4), "{ran}");
        let landed = pier.keys().into_iter().find(|key| key.ends_with("notes.txt")).unwrap();
        assert!(ran.stderr.contains(&format!("it has landed at s3://landing/{landed}, and no flow was started")), "{ran}");
        let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((rows.as_array().unwrap().len(), pier.runs().len()), (2, 2));
        pier.s3.forget();
        let again = pier.ingest(&["-r", "tiles", "--json"]);
        assert_eq!((again.code, lines(&pier.s3.changes()), pier.runs().len()), (Some(4), vec![], 2));
    }

    fn what_nothing_can_be_made_of_is_not_submitted(lake) {
        let pier = Pier::new(lake);
        pier.small_files();
        let ran = pier.ingest(&["tiles/notes.txt"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran}");
        assert!(ran.stderr.contains("rasterio refused"), "{ran}");
        assert!(ran.stderr.contains(&format!("it has landed at s3://landing/{}/incoming/", pier.domain)), "{ran}");
        assert_eq!(pier.runs().len(), 0);
        let file = pier.operator.work().join("tiles/points.geojson");
        let only = pier.ingest(&["tiles/points.geojson", "--no-trigger", "--json"]).json();
        assert_eq!(pier.object(only["uri"].as_str().unwrap()), digest(&file));
        assert_eq!(pier.runs().len(), 0);
    }

    fn what_cannot_be_ingested_is_told_before_anything_is_sent(lake) {
        let pier = with_file(lake);
        pier.operator.work_file("Gelände 1.tif", "II*\0");
        pier.operator.work_file("empty.tif", "");
        std::fs::File::create(pier.operator.work().join("huge.laz")).unwrap().set_len((50 << 30) + 1).unwrap();
        let near = format!("{}x", pier.domain);
        let classified = pier.ingest(&["points.geojson", "-c", "cnf"]).failure(1);
        assert!(classified.contains(&format!("'cnf' is above the ceiling of domain '{}', which is 'int'", pier.domain)), "{classified}");
        let unknown = pier.operator.run(&["ingest", "points.geojson", "--domain", &near]).failure(1);
        assert!(unknown.contains(&format!("did you mean '{}'?", pier.domain)), "{unknown}");
        for (source, said) in [
            ("Gelände 1.tif", "rename it, as in: mv 'Gelände 1.tif' Gel-nde-1.tif"),
            ("empty.tif", "empty.tif is empty"),
            ("huge.laz", "takes at most 50 GiB"),
            ("none.tif", "none.tif"),
            ("s3://landing/none/such.tif", "nothing has landed at s3://landing/none/such.tif"),
            ("s3://processed/none/such.tif", "is not in the bucket that is ingested from"),
        ] {
            for flags in [&[][..], &["--dry-run"]] {
                let stderr = pier.ingest(&[&[source], flags].concat()).failure(1);
                assert!(stderr.contains(said), "{source}: {stderr}");
            }
        }
        assert_eq!((lines(&pier.s3.changes()), lines(&pier.api.changes())), (vec![], vec![]));
    }

    fn waiting_ends_with_the_run_and_its_state_is_the_exit_code(lake) {
        let pier = with_file(lake);
        for (state, code) in [("COMPLETED", 0), ("FAILED", 1)] {
            let line = pier.line(&["points.geojson", "--wait", "--again", "--json"]);
            let before = pier.runs();
            let child = pier.operator.start(&line);
            let run = pier.run_beside(&before);
            pier.end(&run, state);
            let ran = pier.operator.ended(child);
            assert_eq!(ran.code, Some(code), "{ran}");
            let row: Value = serde_json::from_str(&ran.stdout).unwrap();
            assert_eq!((row["flow_run_id"].as_str(), row["state"].as_str()), (Some(run.as_str()), Some(state)));
            assert_eq!(ran.stderr.contains("FAILED by the test"), code == 1, "{ran}");
        }
    }

    fn a_run_whose_start_nobody_told_is_found_and_not_started_again(lake) {
        let pier = with_file(lake);
        pier.api.counting(is("/trigger")).at_change(0, Hook::ForwardThenDrop);
        let row = pier.ingest(&["points.geojson", "--json"]).json();
        let runs = pier.runs();
        assert_eq!((runs.len(), &runs[0]["id"]), (1, &row["flow_run_id"]));
        let _ = pier.ingest(&["points.geojson"]).success();
        assert_eq!(pier.runs().len(), 1);
    }

    fn a_start_that_failed_is_not_taken_for_an_older_run(lake) {
        let pier = with_file(lake);
        let uri = format!("s3://landing/{}/x.geojson", pier.domain);
        pier.operator.run(&["s3", "cp", "points.geojson", &uri]).success();
        let first = pier.ingest(&[&uri, "--json"]).json();
        pier.operator.work_file("points.geojson", &GEOJSON.replace("[]", "[  ]"));
        pier.operator.run(&["s3", "cp", "points.geojson", &uri]).success();
        pier.api.answering(|request| is("/trigger")(request).then(|| reply("502 Bad Gateway", "{}")));
        for flags in [&[][..], &["--again"]] {
            let stderr = pier.ingest(&[&[uri.as_str()], flags].concat()).failure(1);
            assert!(stderr.contains("nobody knows whether the flow run was started"), "{stderr}");
        }
        pier.api.answering(|_| None);
        let second = pier.ingest(&[&uri, "--json"]).json();
        assert_ne!(second["flow_run_id"], first["flow_run_id"]);
        assert_eq!(pier.runs().len(), 2);
    }

    fn what_was_submitted_in_turns_is_known_of_each(lake) {
        let pier = with_file(lake);
        for class in ["int", "pub", "int", "pub"] {
            let _ = pier.ingest(&["points.geojson", "-c", class]).success();
        }
        assert_eq!((pier.runs().len(), pier.keys().len()), (2, 1));
    }

    fn of_many_files_one_that_fails_stops_no_other_and_what_was_done_is_shown(lake) {
        let pier = Pier::new(lake);
        for at in 0..6 {
            pier.operator.work_file(&format!("many/p{at}.geojson"), &format!("{GEOJSON}{}", " ".repeat(at)));
        }
        pier.api.answering(|request| {
            let is_third = request.line() == "POST /presign" && request.text().contains("p3.geojson");
            is_third.then(|| reply("500 Internal Server Error", "{}"))
        });
        let ran = pier.ingest(&["-r", "many", "--jobs", "1", "--json"]);
        assert_eq!(ran.code, Some(4), "{ran}");
        assert!(ran.stderr.contains("many/p3.geojson: ingest answered 500") && ran.stderr.contains("1 of 6 could not be ingested"), "{ran}");
        let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((rows.as_array().unwrap().len(), pier.runs().len()), (5, 5));
    }

    fn a_program_that_is_killed_once_it_has_submitted_does_not_submit_again(lake) {
        let pier = with_file(lake);
        pier.api.counting(is("/trigger")).at_change(0, Hook::Hold);
        let child = pier.operator.start(&pier.line(&["points.geojson"]));
        let _ = stopped("-KILL", child, || pier.api.is_held());
        pier.api.release();
        pier.api.wait_until_settled();
        let runs = pier.runs();
        assert_eq!(runs.len(), 1);
        pier.s3.forget();
        let row = pier.ingest(&["points.geojson", "--json"]).json();
        assert_eq!((&row["flow_run_id"], pier.runs().len()), (&runs[0]["id"], 1));
        assert_eq!(lines(&pier.s3.changes()), [""; 0], "it had landed");
    }

    fn without_keys_for_the_store_a_small_file_lands_all_the_same(lake) {
        let pier = with_file(lake);
        let operator = pier.without_keys();
        operator.work_file("points.geojson", GEOJSON);
        let row = operator.run(&pier.line(&["points.geojson", "--json"])).json();
        assert_eq!(pier.object(row["uri"].as_str().unwrap()).1, GEOJSON.len() as u64);
        assert_eq!(pier.runs().len(), 1);
    }

    fn what_only_landed_is_taken_back_and_what_was_submitted_is_not(lake) {
        let pier = with_file(lake);
        let undo = |pier: &Pier| {
            let runs = pier.operator.run(&["log", "list", "--json"]).json();
            let run = runs[0]["run"].as_str().unwrap().to_owned();
            pier.operator.run(&["undo", &run, "--yes"])
        };
        let _ = pier.ingest(&["points.geojson", "--no-trigger"]).success();
        let _ = undo(&pier).success();
        assert!(pier.keys().iter().all(|key| !key.ends_with("points.geojson")), "{:?}", pier.keys());
        let row = pier.ingest(&["points.geojson", "--json"]).json();
        let stderr = undo(&pier).failure(4);
        assert!(stderr.contains("a flow run was started of it") && stderr.contains("`item delete`"), "{stderr}");
        assert_eq!(pier.object(row["uri"].as_str().unwrap()).1, GEOJSON.len() as u64);
    }
}

#[test]
fn an_answer_of_another_form_starts_nothing() {
    let pier = with_file(Lake::Sandbox);
    for scan in [
        "{}",
        r#"{"rows": []}"#,
        r#"{"rows": [], "primary_count": 1, "blocking_errors": "3"}"#,
    ] {
        pier.api
            .answering(move |request| is("/scan")(request).then(|| reply("200 OK", scan)));
        let ran = pier.ingest(&["points.geojson"]);
        assert!(matches!(ran.code, Some(1 | 4)), "{ran}");
        let stderr = ran.stderr;
        assert!(
            stderr.contains("ingest gave an answer of another form to POST"),
            "{stderr}"
        );
        assert!(
            stderr.contains("points.geojson has landed at s3://landing/"),
            "{stderr}"
        );
    }
    assert_eq!(pier.runs().len(), 0);
}

#[test]
fn a_store_that_took_other_bytes_is_found_out() {
    let pier = with_file(Lake::Sandbox);
    let wrong = format!(
        "HTTP/1.1 200 OK\r\netag: \"{}\"\r\ncontent-length: 0\r\n\r\n",
        "0c".repeat(16)
    );
    pier.s3
        .answering(move |request| (request.method == "PUT").then(|| wrong.clone()));
    let stderr = pier.ingest(&["points.geojson"]).failure(1);
    assert!(
        stderr.contains("was answered with the ETag 0c0c"),
        "{stderr}"
    );
    assert_eq!(pier.runs().len(), 0);
}

#[test]
fn a_file_in_the_place_of_another_is_another_also_of_the_same_size_and_time() {
    let pier = with_file(Lake::Sandbox);
    let path = pier.operator.work().join("points.geojson");
    let first = pier.ingest(&["points.geojson", "--json"]).json();
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    pier.operator.work_file(
        "other",
        &GEOJSON.replace("features\": []", "features\":[ ]"),
    );
    let other = std::fs::File::options()
        .append(true)
        .open(pier.operator.work().join("other"))
        .unwrap();
    other.set_modified(time).unwrap();
    std::fs::rename(pier.operator.work().join("other"), &path).unwrap();
    let second = pier.ingest(&["points.geojson", "--json"]).json();
    assert_ne!(second["uri"], first["uri"]);
}

#[test]
fn a_link_lands_by_its_own_name_and_a_file_once_however_it_is_named() {
    let pier = with_file(Lake::Sandbox);
    let work = pier.operator.work();
    std::fs::rename(work.join("points.geojson"), work.join("store v1.geojson")).unwrap();
    std::os::unix::fs::symlink("store v1.geojson", work.join("good.geojson")).unwrap();
    let ran = pier.ingest(&["good.geojson", "./good.geojson", "--json"]);
    let rows = ran.json();
    assert_eq!(
        rows.as_array().map(Vec::len),
        None,
        "one source, one result: {rows}"
    );
    assert!(
        rows["uri"].as_str().unwrap().ends_with("/good.geojson"),
        "{rows}"
    );
}

#[test]
fn a_result_comes_after_another_in_a_runbook() {
    let pier = with_file(Lake::Sandbox);
    let script = format!(
        "let landed = ingest::upload(\"points.geojson\", \"{0}\"); ingest::trigger(landed.uri, \"{0}\", #{{after: landed}}).state",
        pier.domain
    );
    let ran = pier.operator.run(&["eval", "--effect", "write", &script]);
    assert_eq!(ran.success(), "SCHEDULED\n");
    assert_eq!(pier.runs().len(), 1);
}

#[test]
fn what_a_later_run_has_submitted_is_not_taken_back_with_the_run_that_landed_it() {
    let pier = with_file(Lake::Sandbox);
    let _ = pier.ingest(&["points.geojson", "--no-trigger"]).success();
    let runs = pier.operator.run(&["log", "list", "--json"]).json();
    let row = pier.ingest(&["points.geojson", "--json"]).json();
    let undo = pier
        .operator
        .run(&["undo", runs[0]["run"].as_str().unwrap(), "--yes"]);
    assert!(undo.failure(4).contains("a flow run was started of it"));
    assert_eq!(
        pier.object(row["uri"].as_str().unwrap()).1,
        GEOJSON.len() as u64
    );
}

#[test]
fn a_result_is_shown_also_where_its_end_cannot_be_waited_for() {
    let pier = with_file(Lake::Sandbox);
    let variables = [
        ("DASHI_PREFECT_URL", "http://127.0.0.1:9".to_owned()),
        ("DASHI_PREFECT_RETRIES", "0".to_owned()),
    ];
    let line = pier.line(&["points.geojson", "--wait", "--json"]);
    let ran = pier.operator.run_in(&variables, &line);
    assert!(ran.stderr.contains("it is asked again"), "{ran}");
    assert!(ran.stderr.contains("could not be waited for"), "{ran}");
    assert_eq!(ran.code, Some(1));
    let row: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&row["state"], &row["flow_run_id"]),
        (&json!("UNKNOWN"), &pier.runs()[0]["id"])
    );
}

#[test]
fn an_api_that_does_not_know_who_asks_says_what_to_set() {
    let pier = with_file(Lake::Sandbox);
    let operator = pier
        .without_keys()
        .with("DASHI_INGEST_HEADERS", "Remote-User: alice");
    operator.work_file("points.geojson", GEOJSON);
    let _ = operator.run(&pier.line(&["points.geojson"])).success();
    let asked = pier.api.requests();
    assert!(
        asked
            .iter()
            .all(|request| request.header("remote-user") == Some("alice"))
    );
    assert!(
        asked
            .iter()
            .all(|request| request.header("authorization").is_some())
    );
    pier.api
        .answering(|_| Some(reply("401 Unauthorized", r#"{"detail": "who are you?"}"#)));
    let stderr = pier.ingest(&["points.geojson", "--again"]).failure(1);
    assert!(
        stderr.contains("who are you?")
            && stderr.contains("say who you are with ingest.user or DASHI_INGEST_USER"),
        "{stderr}"
    );
}

#[test]
fn a_dead_api_is_named_with_the_flag_that_says_where_it_is() {
    let pier = with_file(Lake::Sandbox);
    let line = pier.line(&["points.geojson", "--api-url", "http://127.0.0.1:9"]);
    let stderr = pier.operator.run(&line).failure(1);
    assert!(
        stderr.contains("ingest cannot be reached at http://127.0.0.1:9")
            && stderr.contains("--ingest-url"),
        "{stderr}"
    );
}

#[test]
fn a_url_that_has_expired_is_signed_anew_with_keys_and_asked_for_without() {
    let pier = with_file(Lake::Sandbox);
    let expired = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
    pier.s3.answering(|request| {
        let is_presigned = request.target.contains("X-Amz-Signature=");
        (is_presigned && request.method == "PUT").then(|| reply("403 Forbidden", expired))
    });
    let row = pier.ingest(&["points.geojson", "--json"]).json();
    assert_eq!(
        pier.object(row["uri"].as_str().unwrap()).1,
        GEOJSON.len() as u64
    );
    let operator = pier.without_keys();
    operator.work_file("points.geojson", GEOJSON);
    let stderr = operator.run(&pier.line(&["points.geojson"])).failure(1);
    assert!(stderr.contains("Request has expired"), "{stderr}");
}

#[test]
fn wrong_flags_are_told_with_what_is_right() {
    let pier = with_file(Lake::Sandbox);
    for (line, said) in [
        (&["ingest"][..], "what is to be ingested?"),
        (&["ingest", "points.geojson"], "say --domain"),
        (&["ingest", "points.geojson", "--resume"], "takes no SOURCE"),
        (
            &[
                "ingest",
                "points.geojson",
                "-d",
                "x",
                "--wait",
                "--no-trigger",
            ],
            "--no-trigger does not start",
        ),
        (
            &["ingest", "points.geojson", "-d", "x", "--jobs", "0"],
            "from 1 to 64",
        ),
    ] {
        let stderr = pier.operator.run(line).failure(2);
        assert!(stderr.contains(said), "{line:?}: {stderr}");
    }
    let stderr = pier.operator.run(&["ingest", "abort", "none"]).failure(1);
    assert!(stderr.contains("no upload 'none' is open"), "{stderr}");
}
