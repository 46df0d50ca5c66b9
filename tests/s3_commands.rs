//! The commands that look at the store and take from it: `s3 ls`, `du`, `rm`, `uploads`, and `why`.

use serde_json::{Value, json};

use super::bucket::Bucket;
use super::corner::Corner;
use super::lakes::on_both_lakes;
use super::operator::Ran;

/// A corner with three objects, one of which an item refers to.
fn furnished(lake: super::lakes::Lake) -> Corner {
    let corner = Corner::of(lake);
    corner.put_objects(&["x/deep/a.tif", "x/b c.tif", "y.tif"]);
    corner.put_item("eins", &json!({"data": corner.uri("y.tif")}));
    corner
}

fn column(ran: Ran, name: &str) -> Vec<String> {
    let rows = ran.json();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row[name].as_str().unwrap_or_default().to_owned())
        .collect()
}

on_both_lakes! {
    fn a_listing_shows_folders_or_all_that_lies_below(lake) {
        let corner = furnished(lake);
        let top = corner.uri("");
        let right_below = column(corner.run(&["s3", "ls", &top, "--json"]), "uri");
        assert_eq!(right_below, [corner.uri("x/"), corner.uri("y.tif")]);
        let all = column(corner.run(&["s3", "ls", "-r", &top, "--json"]), "uri");
        assert_eq!(all.len(), 3, "{all:?}");
        let shown = corner.run(&["s3", "ls", &corner.uri("x/")]).success();
        assert!(shown.contains("b c.tif") && shown.contains("x/deep/"), "{shown}");
        assert_eq!(column(corner.run(&["s3", "ls", "--json"]), "name").iter().filter(|name| *name == "processed").count(), 1);
    }

    fn what_is_referred_to_or_named_is_taken_from_a_listing(lake) {
        let corner = furnished(lake);
        let left = |set: &str| -> Vec<String> {
            let script = format!("s3::list(\"{}\").minus({set}).map(|o| o.key).collect()", corner.uri(""));
            let keys = corner.read(&script);
            let mut keys: Vec<String> = keys.as_array().unwrap().iter().map(|key| key.as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect();
            keys.sort();
            keys
        };
        assert_eq!(left("lake::references()"), ["a.tif", "b c.tif"]);
        let http = format!("http://rustfs.dashi-platform.svc.cluster.local:9000/processed/{}/x/b%20c.tif", corner.domain);
        assert_eq!(left(&format!("[\"{}\", \"{http}\"]", corner.uri("y.tif"))), ["a.tif"]);
        assert_eq!(left(&format!("s3::list(\"{}\")", corner.uri("x/"))), ["y.tif"]);
        let wrong = format!("s3::list(\"{}\").map(|o| 1).minus(lake::references()).count()", corner.uri(""));
        assert!(corner.run(&["eval", &wrong]).failure(2).contains("a int is no object"));
        let wrong = format!("s3::list(\"{}\").minus(1).count()", corner.uri(""));
        assert!(corner.run(&["eval", &wrong]).failure(2).contains("minus takes lake::references()"));
    }

    fn how_much_lies_below_is_told_for_each_folder_and_for_all(lake) {
        let corner = furnished(lake);
        let rows = corner.run(&["s3", "du", &corner.uri(""), "--json"]).json();
        let told: Vec<(&str, &str, u64)> = rows.as_array().unwrap().iter()
            .map(|row| (row["kind"].as_str().unwrap(), row["below"].as_str().unwrap(), row["objects"].as_u64().unwrap())).collect();
        let (own, folder) = (corner.uri(""), corner.uri("x/"));
        assert_eq!(told, [("objects", own.as_str(), 1), ("folder", &folder, 2), ("all", &own, 3)]);
        let table = corner.run(&["s3", "du", &own]).success();
        assert!(table.contains(&format!("{own} (in no folder)")) && table.contains("\nall "), "{table}");
    }

    fn what_is_removed_is_seen_first_and_brought_back(lake) {
        let corner = furnished(lake);
        let before = corner.objects("");
        let folder = corner.uri("x/");
        let shown = corner.run(&["s3", "rm", "-r", &folder]).success();
        assert!(shown.contains("s3::delete"), "{shown}");
        assert_eq!(corner.objects(""), before);
        let ran = corner.run(&["s3", "rm", "-r", &folder, "--apply", "--yes"]);
        let undo = ran.told("Take it back: ", "\n");
        assert!(ran.success().contains("deleted"));
        assert_eq!(corner.keys(""), ["y.tif"]);
        corner.operator.copied(&undo).success();
        assert_eq!(corner.objects(""), before);
    }

    fn what_the_catalogue_refers_to_and_what_is_no_folder_is_refused(lake) {
        let corner = furnished(lake);
        let rm = |flags: &[&str]| corner.run(&[&["s3", "rm", "--apply", "--yes"], flags].concat());
        let stderr = rm(&[&corner.uri("y.tif")]).failure(1);
        assert!(stderr.contains("the catalogue refers to") && stderr.contains("item delete"), "{stderr}");
        assert!(rm(&["-r", &corner.uri("x")]).failure(2).contains("is no folder"));
        assert!(rm(&[&corner.uri("x/")]).failure(2).contains("--recursive"));
        assert!(rm(&[&corner.uri("none")]).failure(1).contains("does not exist"));
        assert_eq!(corner.keys("").len(), 3);
    }

    fn uploads_are_listed_and_given_up_unless_they_went_on(lake) {
        let bucket = Bucket::new(lake, 0);
        let ids = ["up/a b.tif", "up/b.tif"].map(|key| bucket.begin_upload(key));
        let rows = bucket.run(&["s3", "uploads", &bucket.name, "--json"]).json();
        assert_eq!(rows.as_array().unwrap().len(), 2);
        assert_eq!((&rows[0]["uri"], &rows[0]["upload_id"]), (&json!(bucket.uri("up/a b.tif")), &json!(ids[0])));
        let script = format!("s3::abort_uploads(s3::uploads(\"{}\"))", bucket.name);
        let line = ["eval", "--effect", "destroy", &script];
        let shown = bucket.run(&[&line[..], &["--plan-out", "plan.jsonl"]].concat()).success();
        assert!(shown.contains("2 targets") || shown.contains("s3::abort_uploads"), "{shown}");
        bucket.go_on_uploading("up/b.tif", &ids[1]);
        let stderr = bucket.run(&["apply", "plan.jsonl", "--yes"]).failure(4);
        assert!(stderr.contains("up/b.tif: it was changed since the plan"), "{stderr}");
        let left = column(bucket.run(&["s3", "uploads", &bucket.name, "--json"]), "upload_id");
        assert_eq!(left, ids[1..]);
        let undo = bucket.run(&["log", "list", "--json"]).json()[0]["run"].as_str().unwrap().to_owned();
        let stderr = bucket.run(&["undo", &undo]).failure(4);
        assert!(stderr.contains("an upload that was given up is gone"), "{stderr}");
    }

    fn why_an_object_stays_is_told_in_whichever_spelling_it_is_asked_for(lake) {
        let corner = furnished(lake);
        let why = |uri: &str| -> Value { corner.run(&["why", uri, "--json", "--min-age-hours", "0"]).json() };
        let http = format!("http://rustfs.dashi-platform.svc.cluster.local:9000/processed/{}/y.tif", corner.domain);
        for uri in [&corner.uri("y.tif"), &http] {
            let found = why(uri);
            assert_eq!(found["verdict"], "referenced", "{found}");
            assert_eq!(found["because"], json!([format!("item {}/eins, assets.data.href", corner.domain)]));
        }
        let missing = why(&corner.uri("none"));
        assert_eq!((&missing["verdict"], &missing["because"]), (&json!("missing"), &json!(["there is no such object"])));
        std::thread::sleep(std::time::Duration::from_millis(1100));
        assert_eq!(why(&corner.uri("x/deep/a.tif"))["verdict"], "orphan");
        let young = corner.run(&["why", &corner.uri("x/b c.tif"), "--json"]).json();
        assert_eq!(young["verdict"], "young", "{young}");
    }
}
