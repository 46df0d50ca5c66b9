//! Garbage collection: exactly what nothing refers to goes, and nothing goes where anything is not known.

use std::collections::BTreeSet;

use serde_json::Value;

use super::bucket::Bucket;
use super::lakes::{Lake, on_both_lakes};
use super::wire::reply;

/// Items in an ordinary run of the tests, and in a full one; each has three objects.
const ITEMS: [usize; 2] = [600, 5000];

/// The store's name inside the cluster.
const IN_CLUSTER: &str = "http://rustfs.dashi-platform.svc.cluster.local:9000";

on_both_lakes! {
    fn exactly_the_orphans_of_a_large_catalogue_are_found_deleted_and_brought_back(lake) {
        let bucket = Bucket::new(lake, 12);
        let orphans = fill(&bucket);
        let before = bucket.objects();
        assert_eq!(planned(&bucket.gc(&["--json"]).json()), orphans);

        let ran = bucket.gc(&["--apply", "--yes"]);
        assert!(ran.stderr.contains(&format!("{} done.", orphans.len())), "{}", ran.stderr);
        let undo = ran.told("Take it back: ", "\n");
        let _ = ran.success();
        let kept = before.iter().map(|(key, _)| key.clone());
        assert_eq!(bucket.keys(), kept.filter(|key| !orphans.contains(key)).collect());

        bucket.operator.copied(&undo).success();
        let after = bucket.objects().into_iter();
        assert_eq!(after.filter(|(key, _)| !key.starts_with(".dashi-")).collect::<BTreeSet<_>>(), before);
    }

    fn a_bucket_that_is_listed_in_several_places_at_once_is_listed_whole(lake) {
        let bucket = Bucket::new(lake, 0);
        // Names that a listing by bytes and one folder by folder see in different orders.
        let folders = ["a/", "a-/", "a.b/", "a0/", "", "ä/", "a/b/", "a/b-/"];
        let keys: Vec<String> = (0..4500).map(|n| format!("{}{n:05}", folders[n % folders.len()])).collect();
        bucket.put(&keys);
        let shown = bucket.gc(&["--json"]).json();
        assert_eq!(planned(&shown), keys.into_iter().collect());
        assert_eq!(shown["result"]["reasons"]["orphan"]["objects"], 4500);
    }

    fn what_is_registered_or_written_over_between_plan_and_apply_stays(lake) {
        let bucket = Bucket::new(lake, 1);
        let orphans: Vec<String> = ["registered", "rewritten", "left"].iter().map(|set| format!("{}/{set}/a.tif", bucket.domains[0])).collect();
        bucket.put(&orphans);
        keep_some(&bucket, 20);
        let planning = bucket.gc(&["--plan-out", "plan.jsonl", "--json"]);
        assert_eq!(planned(&planning.json()).len(), 3);
        bucket.put_items(&bucket.domains[0], &[("late".to_owned(), vec![bucket.uri(&orphans[0])])]);
        bucket.put(&orphans[1..2]);
        let ran = bucket.run(&["apply", "plan.jsonl", "--yes"]);
        let keys = bucket.keys();
        let is_there = |at: usize| keys.contains(&orphans[at]);
        assert_eq!((is_there(0), is_there(1), is_there(2)), (true, true, false), "{ran}\n{keys:?}");
    }

    fn what_the_configuration_protects_stays(lake) {
        let bucket = Bucket::new(lake, 1);
        keep_some(&bucket, 20);
        let keys = ["models/a", "other/b", "free/c"].map(str::to_owned);
        bucket.put(&keys);
        let protect = |text: String| bucket.operator.run_in(&[("DASHI_GC_PROTECT", text)], &["gc", "--bucket", &bucket.name, "--min-age-hours", "0", "--json"]);
        let planned = planned(&protect(format!("models/, s3://{}/other/", bucket.name)).json());
        assert_eq!(planned.into_iter().collect::<Vec<_>>(), ["free/c"]);
        let stderr = protect("/models/".to_owned()).failure(2);
        assert!(stderr.contains("gc.protect") && stderr.contains("begins with a slash"), "{stderr}");
    }

    fn without_a_whole_catalogue_or_the_flow_runs_there_is_no_plan(lake) {
        let bucket = Bucket::new(lake, 1);
        bucket.put(&[format!("{}/x/a.tif", bucket.domains[0])]);
        let tapped = &bucket.tapped;
        let operator = tapped.served.operator()
            .with("DASHI_PROCESSED_BUCKET", &bucket.name)
            .with("DASHI_HTTP_RETRIES", "0");
        let gc = ["gc", "--bucket", &bucket.name, "--min-age-hours", "0", "--apply", "--yes", "--expect-delete", "1"];
        let stac = [("DASHI_STAC_URL", tapped.stac.url().to_owned())];
        tapped.stac.answering(|request| {
            let is_page = request.method == "POST" && request.target.contains("/search");
            is_page.then(|| reply("500 Internal Server Error", "{}"))
        });
        let stderr = operator.run_in(&stac, &gc).failure(1);
        assert!(stderr.contains("the catalogue could not be read completely, so nothing was planned"), "{stderr}");
        let nobody = [("DASHI_PREFECT_URL", "http://127.0.0.1:9".to_owned())];
        let stderr = operator.run_in(&nobody, &gc).failure(1);
        assert!(stderr.contains("it cannot be told what flow runs work on, so nothing was planned"), "{stderr}");
        assert_eq!(bucket.keys().len(), 1);
    }

    fn what_does_not_look_right_is_shown_and_not_deleted_until_the_count_is_said(lake) {
        let bucket = Bucket::new(lake, 1);
        let domain = &bucket.domains[0];
        let keys: Vec<String> = (0..3).map(|n| format!("{domain}/orphan-{n}/a.tif")).collect();
        bucket.put(&keys);
        let ran = bucket.gc(&[]);
        assert!(ran.stderr.contains("no record of the catalogue refers to anything"), "{ran}");
        let _ = ran.success();
        let stderr = bucket.gc(&["--apply", "--yes"]).failure(1);
        assert!(stderr.contains("--expect-delete 3") && stderr.contains("more than 20 %"), "{stderr}");
        let stderr = bucket.gc(&["--apply", "--yes", "--expect-delete", "2"]).failure(1);
        assert!(stderr.contains("3 objects") && stderr.contains("2 were expected"), "{stderr}");
        assert_eq!(bucket.keys().len(), 3);
        // References that lead nowhere: the listing or the catalogue is not whole.
        bucket.put_items(domain, &[("lost".to_owned(), vec![bucket.uri(&format!("{domain}/lost/a.tif"))])]);
        let stderr = bucket.gc(&["--apply", "--yes"]).failure(1);
        assert!(stderr.contains("of 1 references") && stderr.contains("only 0 lead to an object"), "{stderr}");
        bucket.gc(&["--apply", "--yes", "--expect-delete", "3"]).success();
        assert_eq!(bucket.keys().len(), 0);
    }
}

#[test]
fn uploads_that_were_given_up_without_a_word_are_told_and_taken_along_when_asked() {
    let operator = Lake::Sandbox.operator();
    let open = || operator.run(&["s3", "uploads", "landing", "--json"]).json();
    assert_eq!(open().as_array().unwrap().len(), 1);
    let shown = operator.run(&["gc"]);
    assert!(
        shown
            .stderr
            .contains("1 uploads have been open for more than seven days"),
        "{shown}"
    );
    let line = ["gc", "--uploads", "--apply", "--yes"];
    let ran = operator.run(&line);
    assert!(
        ran.stderr.contains("s3::abort_uploads") && ran.stderr.contains("5 done."),
        "{ran}"
    );
    let _ = ran.success();
    assert_eq!(open(), serde_json::json!([]));
}

/// What a plan would delete, as keys.
pub fn planned(plan: &Value) -> BTreeSet<String> {
    let effects = plan["plan"]["effects"]
        .as_array()
        .or(plan["effects"].as_array());
    let targets = effects
        .unwrap()
        .iter()
        .map(|effect| effect["target"].as_str().unwrap());
    targets
        .map(|target| target.splitn(4, '/').nth(3).unwrap().to_owned())
        .collect()
}

/// Items with three objects each in every spelling, and 5 % of objects that nothing refers to. Gives those.
pub fn fill(bucket: &Bucket) -> BTreeSet<String> {
    let count = ITEMS[usize::from(std::env::var_os("DASHICTL_TEST_FULL").is_some())];
    let (mut keys, mut orphans) = (Vec::new(), BTreeSet::new());
    for (at, domain) in bucket.domains.iter().enumerate() {
        let mut items = Vec::new();
        for n in (at..count).step_by(bucket.domains.len()) {
            let set = format!("{domain}/set {n}+ä%");
            let scene = format!("{set}/raster/scene.tif");
            let (part, sidecar) = (
                format!("{set}/vector/part-0.parquet"),
                format!("{set}/_metadata.json"),
            );
            items.push((
                format!("item-{n}"),
                vec![
                    spelt(bucket, &scene, n),
                    spelt(bucket, &format!("{set}/vector/"), n + 1),
                ],
            ));
            keys.extend([scene, part, sidecar]);
            if n % 7 < 1 {
                let orphan = format!("{domain}/orphan {n}/a&b.tif");
                keys.push(orphan.clone());
                orphans.insert(orphan);
            }
        }
        bucket.put_items(domain, &items);
    }
    bucket.put(&keys);
    orphans
}

/// Items that keep one object each.
fn keep_some(bucket: &Bucket, count: usize) {
    let domain = &bucket.domains[0];
    let keys: Vec<String> = (0..count)
        .map(|n| format!("{domain}/kept-{n}/a.tif"))
        .collect();
    let items = keys.iter().enumerate();
    let items: Vec<_> = items
        .map(|(n, key)| (format!("kept-{n}"), vec![bucket.uri(key)]))
        .collect();
    bucket.put_items(domain, &items);
    bucket.put(&keys);
}

/// One of the spellings of a key.
fn spelt(bucket: &Bucket, key: &str, n: usize) -> String {
    let name = &bucket.name;
    let encoded = key
        .replace('%', "%25")
        .replace(' ', "%20")
        .replace('+', "%2B")
        .replace('ä', "%C3%A4");
    match n % 6 {
        0 => format!("s3://{name}/{key}"),
        1 => format!("s3a://{name}/{key}"),
        2 => format!("{IN_CLUSTER}/{name}/{encoded}"),
        3 => format!("{}/{name}/{encoded}", bucket.tapped.served.addresses.s3),
        4 => format!("/vsis3/{name}/{key}"),
        _ => format!("{IN_CLUSTER}/{name}/{encoded}?X-Amz-Signature=00"),
    }
}
