//! Orphans that are worked off while the catalogue goes on: what is known of it is read again, and counts from then on.

use std::time::Duration;

use dashictl::inventory::{Granularity, Orphans, Services, Sweep, Tabled};
use dashictl::lake::Role;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::visit::Visit;

fn services(visit: &Visit) -> Services {
    let session = &visit.session;
    Services {
        stac: session.stac().unwrap().clone(),
        s3: session.s3().unwrap().clone(),
        prefect: session.prefect().unwrap().clone(),
        lake: session.lake().unwrap().clone(),
    }
}

/// Registers an item of that href.
fn register(visit: &Visit, href: &Value) {
    visit.put(&json!({
        "type": "Feature", "stac_version": "1.0.0", "id": "late", "collection": "gelaende-umwelt", "links": [],
        "geometry": {"type": "Point", "coordinates": [8.0, 50.0]}, "bbox": [8.0, 50.0, 8.0, 50.0],
        "properties": {"datetime": "2026-04-27T00:00:00Z"}, "assets": {"data": {"href": href}},
    }));
}

/// The orphans that are found, and those that are read after the first of them was registered.
fn read(known_for: Duration) -> (Vec<Value>, Vec<Value>) {
    let visit = Visit::of_sandbox();
    let sweep = Sweep {
        bucket: "processed".to_owned(),
        role: Role::Processed,
        granularity: Granularity::Object,
        min_age: SignedDuration::ZERO,
        since: Timestamp::now() + SignedDuration::from_hours(1),
        protect: Vec::new(),
        share: None,
        tabled: Tabled::default(),
        known_for,
    };
    let services = services(&visit);
    let found = visit.session.wait(Orphans::find(&services, sweep)).unwrap();
    let samples: Vec<Value> = found.summary.samples.iter().map(|uri| json!(uri)).collect();
    register(&visit, &samples[0]);
    let mut reading = found.reading(services);
    let rows = visit.session.wait(reading.page()).unwrap().unwrap();
    (
        samples,
        rows.into_iter().map(|row| row["uri"].clone()).collect(),
    )
}

#[test]
fn what_is_registered_while_orphans_are_worked_off_is_left_out_of_the_rest() {
    let (found, left) = read(Duration::ZERO);
    assert!(found.len() > 1);
    assert_eq!(left, found[1..]);
}

#[test]
fn what_was_read_just_now_is_not_read_again() {
    let (found, left) = read(Duration::from_mins(5));
    assert_eq!(left, found);
}
