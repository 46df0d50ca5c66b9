//! The runbooks of the cookbook: their own tests pass, and each does its work on a real lake too.

use super::lakes::{Lake, on_both_lakes};
use super::operator::Operator;

/// Their folder.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// One of them.
fn example(name: &str) -> String {
    format!("{EXAMPLES}/{name}.rhai")
}

#[test]
fn every_example_has_tests_and_they_pass() {
    let ran = Operator::new().run(&["test", EXAMPLES, "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let rows = rows.as_array().unwrap();
    let failed: Vec<_> = rows
        .iter()
        .filter(|row| row["outcome"] != "passed")
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    for entry in std::fs::read_dir(EXAMPLES).unwrap() {
        let path = entry.unwrap().path();
        let tested = rows
            .iter()
            .filter(|row| row["file"] == path.to_str().unwrap())
            .count();
        assert!(tested >= 2, "{} has {tested} tests", path.display());
    }
}

on_both_lakes! {
    fn what_reads_gives_an_answer_on_any_lake(lake) {
        let operator = lake.operator();
        for (name, column) in [("classification-audit", "why"), ("catalogue-consistency", "href"), ("credential-check", "state")] {
            let ran = operator.run(&["run", &example(name), "--json"]);
            // Other tests leave items behind that are not in order.
            assert!(matches!(ran.code, Some(0 | 3)), "{name}: {ran}");
            let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
            assert!(rows.as_array().unwrap().iter().all(|row| !row[column].is_null()), "{name}: {ran}");
        }
    }

    fn what_is_expired_goes_with_its_objects_on_any_lake(lake) {
        let (operator, id) = (lake.operator(), Lake::name("expiring"));
        let ran = operator.run(&["run", &example("onboard-domain"), &id, "--title", "Expiring", "--retention", "30d"]);
        assert!(matches!(ran.code, Some(0 | 3)), "{ran}");
        let fill = format!("
            for age in [10, 40] {{
                let name = `item-${{age}}`;
                let uri = `s3://${{lake::buckets().processed}}/{id}/${{name}}/data.txt`;
                s3::write(uri, name);
                stac::put_item(#{{ type: \"Feature\", stac_version: \"1.0.0\", id: name, collection: \"{id}\", links: [],
                    geometry: #{{ type: \"Point\", coordinates: [8.0, 50.0] }}, bbox: [8.0, 50.0, 8.0, 50.0],
                    properties: #{{ datetime: `${{time::now() - age * 86400}}` }}, assets: #{{ data: #{{ href: uri }} }} }});
            }}");
        operator.run(&["eval", "--effect", "write", &fill]).success();
        let sweep = example("retention-sweep");
        let plan = operator.run(&["run", &sweep, "--domain", &id]);
        assert!(plan.stdout.contains(&format!("{id}/item-40")), "{plan}");
        assert!(!plan.stdout.contains("item-10"), "{plan}");
        operator.run(&["run", &sweep, "--domain", &id, "--apply", "--yes"]).success();
        let left = operator.run(&["eval", "--json", &format!(
            "[stac::items(\"{id}\").map(|it| it.id).collect(), s3::list(`s3://${{lake::buckets().processed}}/{id}/`).map(|it| it.key).collect()]"
        )]).json();
        assert_eq!(left, serde_json::json!([["item-10"], [format!("{id}/item-10/data.txt")]]));
    }

    fn a_bundle_and_a_report_are_written_on_any_lake(lake) {
        let operator = lake.operator();
        let ran = operator.run(&["run", &example("storage-report"), "--out", "storage.md"]);
        assert_eq!(ran.code, Some(0), "{ran}");
        let report = std::fs::read_to_string(operator.work().join("storage.md")).unwrap();
        assert!(report.starts_with("# Storage on 20"), "{report}");
        // The real lake has no Loki: its part is told, and the others are there.
        let ran = operator.run(&["run", &example("incident-bundle"), "bundle", "--since", "30d", "--json"]);
        assert!(matches!(ran.code, Some(0 | 1)), "{ran}");
        for file in ["README.md", "failed-runs.jsonl", "doctor.jsonl", "new-items.jsonl"] {
            assert!(operator.work().join("bundle").join(file).exists(), "{file}: {ran}");
        }
    }
}
