//! A bucket that several machines sweep together, each a share of it: together they delete what one alone would, and
//! nobody sweeps what somebody else does.

use std::collections::BTreeSet;

use super::bucket::Bucket;
use super::deletes::deletes_many;
use super::gc::{fill, planned};
use super::lakes::on_both_lakes;
use super::wire::Hook;

const SHARES: [&str; 3] = ["1/3", "2/3", "3/3"];

on_both_lakes! {
    fn shares_at_once_delete_what_a_whole_sweep_would_and_each_is_undone(lake) {
        let bucket = Bucket::new(lake, 12);
        let orphans = fill(&bucket);
        let before = bucket.objects();
        let mut told = BTreeSet::new();
        for share in SHARES {
            let shown = bucket.gc(&["--shard", share, "--json"]).json();
            assert_eq!(shown["result"]["share"], share);
            let mine = planned(&shown);
            // How evenly many datasets are shared is tested where names are not chance.
            assert!(!mine.is_empty(), "{share}");
            assert!(mine.is_disjoint(&told), "{share}");
            told.extend(mine);
        }
        assert_eq!(told, orphans);

        let line = |share| ["gc", "--bucket", bucket.name.as_str(), "--min-age-hours", "0", "--apply", "--yes", "--shard", share];
        let children = SHARES.map(|share| bucket.operator.start(&line(share)));
        let undos = children.map(|child| {
            let ran = bucket.operator.ended(child);
            let undo = ran.told("Take it back: ", "\n");
            ran.success();
            undo
        });
        let kept = before.iter().map(|(key, _)| key.clone());
        assert_eq!(bucket.keys(), kept.filter(|key| !orphans.contains(key)).collect());
        for undo in undos {
            bucket.operator.copied(&undo).success();
        }
        let after = bucket.objects().into_iter();
        assert_eq!(after.filter(|(key, _)| !key.starts_with(".dashi-")).collect::<BTreeSet<_>>(), before);
    }

    fn who_sweeps_the_whole_bucket_waits_for_who_sweeps_a_share_and_the_other_way_round(lake) {
        let bucket = Bucket::new(lake, 1);
        let keys: Vec<String> = (0..30).map(|n| format!("{}/set-{n}/a.tif", bucket.domains[0])).collect();
        bucket.put(&keys);
        let count = |share: &str| planned(&bucket.gc(&["--shard", share, "--json"]).json()).len().to_string();
        let counts = [count("1/2"), count("2/2")];
        let through = [("DASHI_S3_ENDPOINT", bucket.tapped.s3.url().to_owned())];
        bucket.tapped.s3.counting(|request| deletes_many(request, "/set-")).at_change(0, Hook::Hold);
        let first = ["gc", "--bucket", &bucket.name, "--min-age-hours", "0", "--apply", "--yes", "--shard", "1/2", "--expect-delete", &counts[0]];
        let mut command = bucket.operator.command(&first);
        command.envs(through.iter().map(|(name, value)| (*name, value)));
        let mut child = command.spawn().unwrap();
        // It reads a catalogue that other tests change meanwhile, and that may take a while.
        assert!(bucket.tapped.s3.is_held_before_end(&mut child));
        let lock = format!("{}.1-of-2", bucket.name);
        for flags in [&["--expect-delete", "30"][..], &["--shard", "1/3", "--expect-delete", &count("1/3")]] {
            let stderr = bucket.gc(&[&["--apply", "--yes"], flags].concat()).failure(1);
            assert!(stderr.contains(&format!("'{lock}' is locked by run")) && stderr.contains(&format!("lock break {lock}")), "{stderr}");
        }
        bucket.gc(&["--apply", "--yes", "--shard", "2/2", "--expect-delete", &counts[1]]).success();
        bucket.tapped.s3.release();
        let _ = bucket.operator.ended(child).success();
        assert_eq!(bucket.keys().len(), 0);
    }

    fn a_run_that_deletes_in_a_share_and_beside_it_is_not_in_its_own_way(lake) {
        let bucket = Bucket::new(lake, 1);
        let keys = ["a", "b"].map(|set| format!("{}/{set}/x.tif", bucket.domains[0]));
        bucket.put(&keys);
        bucket.put(&[".other/x".to_owned()]);
        let script = format!(
            "let found = lake::orphans(#{{bucket: \"{}\", shard: \"1/1\", min_age: \"0s\", expect_delete: 3}});
             s3::delete(found.objects.filter(|o| !o.key.starts_with(\".other\"))); s3::delete(\"{}\")",
            bucket.name, bucket.uri(".other/x"),
        );
        bucket.run(&["eval", "--effect", "destroy", "--apply", "--yes", &script]).success();
        assert_eq!(bucket.keys().len(), 0);
    }
}

#[test]
fn what_is_no_share_is_told_before_anything_is_read() {
    let operator = super::lakes::Lake::Sandbox.operator();
    for share in ["0/0", "5/4", "x"] {
        let stderr = operator.run(&["gc", "--shard", share]).failure(2);
        assert!(
            stderr.contains(&format!("'{share}' is no share")) && stderr.contains("write i/n"),
            "{stderr}"
        );
    }
}
