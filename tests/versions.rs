//! Buckets that keep versions, that have stopped doing so, and whose trash is switched off: what a delete and a write
//! leave behind, and what an undo makes of it.

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::corner::Corner;
use super::lakes::{Lake, Tapped, on_both_lakes};
use super::operator::Ran;
use super::taps::store;

/// A bucket of a test's own.
struct Bucket {
    name: String,
    tapped: Tapped,
    client: aws_sdk_s3::Client,
    runtime: Runtime,
}

impl Bucket {
    fn new(lake: Lake) -> Bucket {
        let (tapped, name) = (lake.tapped(), Lake::name("versions"));
        let state = format!("s3://curated/.state/{name}/");
        let tapped = Tapped {
            operator: tapped.operator.with("DASHI_STATE_URL", state),
            ..tapped
        };
        let bucket = Bucket {
            client: store(&tapped),
            runtime: Runtime::new().unwrap(),
            tapped,
            name,
        };
        let create = bucket.client.create_bucket().bucket(&bucket.name);
        bucket.runtime.block_on(create.send()).unwrap();
        bucket
    }

    fn with(self, status: BucketVersioningStatus) -> Bucket {
        let configuration = VersioningConfiguration::builder().status(status).build();
        let put = self.client.put_bucket_versioning().bucket(&self.name);
        let put = put.versioning_configuration(configuration);
        self.runtime.block_on(put.send()).unwrap();
        self
    }

    fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    fn eval(&self, effect: &str, script: &str) -> Ran {
        let line = ["--json", "--yes", "eval", "--effect", effect, script];
        let apply = ["--apply"];
        let flags = if effect == "destroy" { &apply[..] } else { &[] };
        self.tapped.operator.run(&[&line[..], flags].concat())
    }

    /// Writes an object, and gives what the store knows of it.
    fn write(&self, key: &str, text: &str) -> Value {
        let uri = self.uri(key);
        let options = format!("#{{content_type: \"x/{text}\", metadata: #{{from: \"{text}\"}}}}");
        self.eval(
            "write",
            &format!("s3::write(\"{uri}\", \"{text}\", {options})"),
        )
        .json();
        self.object(key)
    }

    fn delete(&self, key: &str) {
        let script = format!("s3::delete(\"{}\").deleted", self.uri(key));
        assert_eq!(self.eval("destroy", &script).json(), 1);
        assert!(self.object(key).is_null());
    }

    /// What the store knows of an object, with its text and without when it was written.
    fn object(&self, key: &str) -> Value {
        let uri = self.uri(key);
        let script = format!(
            "let head = s3::try_head(\"{uri}\");
             if head == () {{ return (); }}
             head.text = s3::read(\"{uri}\"); head.remove(\"last_modified\"); head"
        );
        self.eval("read", &script).json()
    }

    /// The keys of all versions and of all delete markers.
    fn versions(&self) -> (Vec<String>, Vec<String>) {
        let list = self.client.list_object_versions().bucket(&self.name);
        let answer = self.runtime.block_on(list.send()).unwrap();
        let versions = answer.versions().iter().filter_map(|version| version.key());
        let markers = answer.delete_markers().iter();
        let markers = markers.filter_map(|marker| marker.key());
        (
            versions.map(str::to_owned).collect(),
            markers.map(str::to_owned).collect(),
        )
    }

    fn undo(&self) -> Ran {
        let runs = self.tapped.operator.run(&["log", "list", "--json"]).json();
        let run = runs[0]["run"].as_str().unwrap();
        self.tapped.operator.run(&["undo", run])
    }
}

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

on_both_lakes! {
    fn where_versions_are_kept_a_delete_is_a_marker_that_undo_takes_away(lake) {
        let bucket = Bucket::new(lake).with(BucketVersioningStatus::Enabled);
        let before = bucket.write("a/ä b", "one");
        bucket.write("a/ä b.txt", "other");
        bucket.delete("a/ä b");
        let (versions, markers) = bucket.versions();
        assert_eq!((versions, markers), (keys(&["a/ä b", "a/ä b.txt"]), keys(&["a/ä b"])), "nothing was put aside");
        bucket.undo().success();
        assert_eq!(bucket.object("a/ä b"), before, "the very version is back");
        assert_eq!(bucket.versions().1, [""; 0]);
    }

    fn where_versions_are_kept_what_was_written_over_is_the_version_before(lake) {
        let bucket = Bucket::new(lake).with(BucketVersioningStatus::Enabled);
        let first = bucket.write("a", "one");
        let second = bucket.write("a", "two");
        assert_ne!(first["version_id"], second["version_id"]);
        assert_eq!(bucket.versions().0, ["a", "a"]);
        bucket.undo().success();
        assert_eq!(bucket.object("a"), first);
        assert_eq!(bucket.versions(), (keys(&["a"]), keys(&[])));
    }

    fn what_was_written_after_a_delete_is_not_lost_to_its_undo(lake) {
        let bucket = Bucket::new(lake).with(BucketVersioningStatus::Enabled);
        bucket.write("a", "one");
        bucket.delete("a");
        let runs = bucket.tapped.operator.run(&["log", "list", "--json"]).json();
        let newer = bucket.write("a", "newer");
        let ran = bucket.tapped.operator.run(&["undo", runs[0]["run"].as_str().unwrap()]);
        assert_eq!(ran.code, Some(4), "{ran}");
        assert!(ran.stderr.contains("left alone"), "{ran}");
        assert_eq!(bucket.object("a"), newer);
    }

    fn where_versions_are_suspended_the_trash_keeps_it(lake) {
        let bucket = Bucket::new(lake).with(BucketVersioningStatus::Enabled);
        bucket.write("old", "one");
        let bucket = bucket.with(BucketVersioningStatus::Suspended);
        bucket.write("new", "two");
        for key in ["old", "new"] {
            let before = bucket.object(key);
            bucket.delete(key);
            let aside = bucket.versions().0.into_iter().filter(|key| key.starts_with(".dashi-trash/"));
            assert_eq!(aside.count(), 1, "{key}");
            bucket.undo().success();
            let mut after = bucket.object(key);
            after["version_id"] = before["version_id"].clone();
            assert_eq!(after, before);
        }
    }

    fn where_no_versions_are_kept_what_was_written_over_comes_back_from_the_trash(lake) {
        let bucket = Bucket::new(lake);
        let before = bucket.write("a", "one");
        bucket.write("a", "two");
        bucket.undo().success();
        assert_eq!(bucket.object("a"), before);
        let left: Vec<String> = bucket.versions().0;
        assert!(left.iter().filter(|key| *key == "a").count() == 1, "{left:?}");
    }

    fn without_trash_an_object_is_gone_for_good_and_undo_says_so(lake) {
        let corner = Corner::of(lake);
        corner.put_objects(&["eins/own.tif"]);
        corner.put_item("eins", &json!({"own": corner.uri("eins/own.tif")}));
        let at = format!("{}/eins", corner.domain);
        let off = [("DASHI_TRASH_PROCESSED", "false".to_owned())];
        corner.operator.run_in(&off, &["item", "delete", &at, "--apply", "--yes"]).success();
        let run = corner.last_run();
        assert_eq!(corner.read(&format!("s3::list(\"s3://processed/.dashi-trash/{run}/\").count()")), 0);
        let ran = corner.run(&["undo", &run]);
        assert_eq!(ran.code, Some(4), "{ran}");
        let said = format!("{} cannot be brought back: it was deleted for good", corner.uri("eins/own.tif"));
        assert!(ran.stderr.contains(&said) && ran.stderr.contains("trash was switched off"), "{ran}");
        assert_eq!(corner.keys(""), [""; 0]);
    }
}
