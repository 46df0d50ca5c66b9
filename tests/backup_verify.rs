//! `backup verify`: what is old, small, empty, missing or no archive is told, and nothing else.

use serde_json::{Value, json};

use super::lakes::{Lake, Served, on_both_lakes};
use super::operator::{Operator, Ran};

const HOUR: i64 = 3600;

/// A folder of backups of a test's own.
struct Shelf {
    operator: Operator,
    url: String,
    began: jiff::Timestamp,
    _served: Served,
}

impl Shelf {
    fn new(lake: Lake) -> Shelf {
        let served = lake.served();
        Shelf {
            operator: served.operator(),
            url: format!("s3://backups/{}/", Lake::name("shelf")),
            began: jiff::Timestamp::now(),
            _served: served,
        }
    }

    /// The stamp of so many hours before the shelf was there: the same one however often it is asked for.
    fn stamp(&self, hours: i64) -> String {
        let at = jiff::Timestamp::from_second(self.began.as_second() - hours * HOUR).unwrap();
        at.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// Puts an archive that begins like one and has so many bytes.
    fn put(&self, key: &str, size: usize) {
        self.put_bytes(key, "PGDMP", size);
    }

    fn put_bytes(&self, key: &str, beginning: &str, size: usize) {
        let script = format!(
            "let bytes = {}.to_blob(); bytes.pad({size}, 7); bytes.truncate({size}); s3::write(\"{}{key}\", bytes)",
            json!(beginning),
            self.url
        );
        let line = ["eval", "--effect", "write", &script];
        let _ = self.operator.run(&line).success();
    }

    /// Puts one archive a day for so many days, the newest so many hours old.
    fn put_days(&self, label: &str, hours: i64, days: i64, size: usize) {
        for day in 0..days {
            self.put(
                &format!("{label}/{}.dump", self.stamp(hours + 24 * day)),
                size,
            );
        }
    }

    fn verify(&self, flags: &[&str]) -> Ran {
        let variables = [
            ("DASHI_BACKUP_URL", self.url.clone()),
            ("DASHI_BACKUP_LABELS", "pgstac".to_owned()),
        ];
        let line = [&["backup", "verify"], flags].concat();
        self.operator.run_in(&variables, &line)
    }

    /// The reasons of the label `pgstac`, each of which ends the run with 3.
    fn reasons(&self, flags: &[&str]) -> Vec<String> {
        let ran = self.verify(&[&["--json"], flags].concat());
        let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
        let row = rows
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["label"] == "pgstac")
            .unwrap();
        let reasons: Vec<String> = serde_json::from_value(row["reasons"].clone()).unwrap();
        assert_eq!(row["status"] == "failed", !reasons.is_empty(), "{ran}");
        if !reasons.is_empty() {
            assert_eq!(ran.code, Some(3), "{ran}");
        }
        reasons
    }
}

on_both_lakes! {
    fn young_backups_of_one_size_in_either_layout_are_as_they_must_be(lake) {
        let shelf = Shelf::new(lake);
        shelf.put_days("pgstac", 2, 8, 1000);
        shelf.put(&format!("other/{}/other.dump", shelf.stamp(3)), 900);
        shelf.put_bytes(&format!("other/{}/other.dump.sha256", shelf.stamp(3)), "0f0f", 64);
        let ran = shelf.verify(&[]);
        let shown = ran.success();
        assert!(shown.contains("pgstac") && shown.contains("other.dump ") && !shown.contains("failed"), "{shown}");
        let rows = shelf.verify(&["--json"]).json();
        assert_eq!((&rows[0]["sets"], &rows[0]["median"], &rows[0]["format"]), (&json!(8), &json!(1000), &json!("a PostgreSQL archive")));
        assert_eq!((&rows[1]["label"], &rows[1]["bytes"], &rows[1]["median"]), (&json!("other"), &json!(900), &Value::Null));
    }

    fn each_fault_of_a_backup_is_told(lake) {
        let shelf = Shelf::new(lake);
        assert_eq!(shelf.reasons(&[]), ["there is none"]);
        shelf.put_days("pgstac", 30, 4, 1000);
        assert_eq!(shelf.reasons(&[]), ["it is 1d6h old, and may be 1d2h"]);
        assert!(shelf.reasons(&["--max-age", "31h"]).is_empty());
        shelf.put(&format!("pgstac/{}.dump", shelf.stamp(5)), 400);
        assert_eq!(shelf.reasons(&[]), ["it has 400 B, less than 0.5 of 1000 B, the median of those before it"]);
        assert!(shelf.reasons(&["--min-size-ratio", "0.3"]).is_empty());
        shelf.put_bytes(&format!("pgstac/{}.dump", shelf.stamp(4)), "no archive", 1000);
        assert_eq!(shelf.reasons(&[]), ["its first bytes are those of no archive (by its name it is a PostgreSQL archive)"]);
        shelf.put_bytes(&format!("pgstac/{}.dump", shelf.stamp(3)), "--\n-- PostgreSQL database dump", 1000);
        assert_eq!(shelf.reasons(&[]), ["it is SQL, and by its name a PostgreSQL archive"]);
        shelf.put(&format!("pgstac/{}.dump", shelf.stamp(2)), 0);
        let reasons = shelf.reasons(&[]);
        assert_eq!(reasons.last().unwrap(), "it is empty");
        shelf.put(&format!("pgstac/{}.dump", shelf.stamp(1)), 1000);
        assert!(shelf.reasons(&[]).is_empty());
    }

    fn a_day_without_a_backup_is_told_while_it_is_recent(lake) {
        let shelf = Shelf::new(lake);
        shelf.put_days("pgstac", 2, 2, 1000);
        shelf.put_days("pgstac", 2 + 24 * 4, 2, 1000);
        let missing: Vec<String> = [3, 2].iter().map(|days| {
            let stamp = shelf.stamp(2 + 24 * days);
            format!("{}-{}-{}", &stamp[..4], &stamp[4..6], &stamp[6..8])
        }).collect();
        assert_eq!(shelf.reasons(&[]), [format!("there is none of {}", missing.join(", "))]);
        assert!(shelf.reasons(&["--days", "1"]).is_empty());
    }

    fn a_label_that_is_asked_for_and_missing_is_no_success(lake) {
        let shelf = Shelf::new(lake);
        shelf.put_days("pgstac", 2, 2, 1000);
        let ran = shelf.verify(&["--label", "pgstac", "--label", "nope"]);
        assert_eq!(ran.code, Some(3), "{ran}");
        assert!(ran.stdout.contains("there is none") && ran.stderr.contains("1 of 2 backups"), "{ran}");
        let _ = shelf.verify(&["--label", "pgstac"]).success();
    }
}

#[test]
fn the_embedded_lake_has_backups_that_are_as_they_must_be() {
    let operator = Lake::Sandbox.operator();
    let shown = operator.run(&["backup", "verify"]).success();
    assert!(shown.contains("serving-postgis.dump"), "{shown}");
    assert!(
        operator
            .run(&["backup", "verify", "--days", "-1"])
            .failure(2)
            .contains("from 0 up")
    );
}
