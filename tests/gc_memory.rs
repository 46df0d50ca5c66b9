//! Garbage collection over a bucket of any size: what it keeps in memory is the references, not the objects.

use std::thread;
use std::time::Duration;

use super::lakes::Lake;
use super::listing_store::listing;
use super::operator::Operator;

/// Objects of the small and of the large bucket, in thousands; in an ordinary run of the tests, and in a full one.
const THOUSANDS: [[usize; 2]; 2] = [[10, 100], [10, 500]];

/// What one may need more than the other: the allocator's doing, and the table's cache.
const SLACK: u64 = 24 << 10;

#[test]
fn memory_does_not_grow_with_the_number_of_objects() {
    let whole = std::env::var_os("DASHICTL_TEST_FULL").is_some();
    let served = Lake::Sandbox.served();
    let [small, large] = THOUSANDS[usize::from(whole)].map(|thousands| {
        let operator = served
            .operator()
            .with("DASHI_S3_ENDPOINT", listing(thousands, Duration::ZERO));
        peak(&operator, thousands * 1000)
    });
    assert!(
        large < small + SLACK,
        "{small} KiB for the small bucket, {large} KiB for the large one"
    );
}

/// The most memory of a run, in KiB. Every object there is is an orphan.
fn peak(operator: &Operator, objects: usize) -> u64 {
    let script = "lake::orphans(#{bucket: \"processed\"}).account.reasons.orphan.objects";
    let mut child = operator.start(&["eval", script]);
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak = peak.max(now.unwrap_or(0));
        thread::sleep(Duration::from_millis(5));
    }
    let ran = operator.ended(child);
    assert_eq!(ran.success(), format!("{objects}\n"));
    peak
}
