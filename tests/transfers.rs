//! `s3 cp`, `mv` and `presign`: files and folders there and back, and what is refused.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::{Value, json};

use super::corner::Corner;
use super::lakes::on_both_lakes;
use super::large_file::{below, downloaded};

on_both_lakes! {
    fn a_file_comes_back_as_it_went(lake) {
        let corner = Corner::of(lake);
        let work = corner.operator.work();
        for (name, content) in [("a ä+%.TIF", &b"tiff"[..]), ("empty", b""), ("roads.parquet", &[0, 255, 10])] {
            fs::create_dir_all(&work).unwrap();
            fs::write(work.join(name), content).unwrap();
            let made = corner.run(&["s3", "cp", name, &corner.uri("in/"), "--json"]).json();
            assert_eq!((&made["uri"], &made["size"]), (&json!(corner.uri(&format!("in/{name}"))), &json!(content.len())));
            assert_eq!(downloaded(&corner, &format!("in/{name}")), content);
        }
        let kinds = corner.read(&format!("s3::list(\"{}\").map(|o| s3::head(o.uri).content_type).collect()", corner.uri("in/")));
        let kinds: Vec<&str> = kinds.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(kinds.contains(&"image/tiff") && kinds.contains(&"application/vnd.apache.parquet"), "{kinds:?}");
    }

    fn folders_go_there_and_back_and_what_is_the_same_is_left_alone(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        for name in ["a.txt", "deep/er/b ä.csv", "deep/c"] {
            corner.operator.work_file(&format!("tree/{name}"), name);
        }
        let done = corner.run(&["s3", "cp", "-r", "tree", &corner.uri("tree"), "--json"]).json();
        assert_eq!((&done["objects"], &done["bytes"]), (&json!(3), &json!(27)));
        assert_eq!(corner.keys("tree/"), ["a.txt", "deep/c", "deep/er/b ä.csv"]);
        corner.run(&["s3", "cp", "-r", &corner.uri("tree/"), &corner.uri("copy/")]).success();
        corner.run(&["s3", "cp", "-r", &corner.uri("copy/"), "back/"]).success();
        let work = corner.operator.work();
        assert_eq!(below(&work.join("back")), below(&work.join("tree")));
        s3.forget();
        corner.run(&["s3", "cp", "-r", "tree", &corner.uri("tree")]).success();
        corner.run(&["s3", "cp", "-r", &corner.uri("tree/"), &corner.uri("copy/")]).success();
        corner.run(&["s3", "cp", "-r", &corner.uri("copy/"), "back/"]).success();
        assert_eq!(s3.changes().len(), 0);
    }

    fn one_that_cannot_be_copied_does_not_stop_the_others(lake) {
        let corner = Corner::of(lake);
        corner.put_objects(&["t/1", "t/2", "t/3/x", "t/4"]);
        corner.operator.work_file("got/2", "mine");
        corner.operator.work_file("got/4/folder", "mine");
        let get = ["s3", "cp", "-r", &corner.uri("t/"), "got"];
        let stderr = corner.run(&get).failure(4);
        assert!(stderr.contains("2 of 4 could not be copied"), "{stderr}");
        assert!(stderr.contains("t/2: ") && stderr.contains("t/4: ") && stderr.contains("exists already"), "{stderr}");
        assert_eq!(below(&corner.operator.work().join("got")), ["1", "2", "3/x", "4/folder"]);
        // Names that are no text, and links that lead elsewhere.
        let work = corner.operator.work();
        let up = work.join("up");
        corner.operator.work_file("up/good", "good");
        fs::write(up.join(std::ffi::OsStr::from_bytes(b"bad\xff")), "bad").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", up.join("out")).unwrap();
        std::os::unix::fs::symlink("/nonexistent", up.join("dangling")).unwrap();
        std::os::unix::fs::symlink(&work, up.join("around")).unwrap();
        let stderr = corner.run(&["s3", "cp", "-r", "up", &corner.uri("up/")]).failure(4);
        assert!(stderr.contains("4 of 5 could not be copied") && stderr.contains("outside the working folder"), "{stderr}");
        assert!(stderr.contains("around is a link to a folder"), "{stderr}");
        assert_eq!(corner.keys("up/"), ["good"]);
    }

    fn a_dry_run_transfers_nothing(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        corner.put_objects(&["a.tif"]);
        corner.operator.work_file("b.tif", "b");
        s3.forget();
        for (from, to) in [("b.tif", corner.uri("b.tif")), (&corner.uri("a.tif"), "c.tif".to_owned()), (&corner.uri("a.tif"), corner.uri("d.tif"))] {
            let shown = corner.run(&["s3", "cp", from, &to, "--dry-run"]).success();
            assert!(shown.contains("1     write"), "{shown}");
        }
        assert_eq!(s3.changes().len(), 0);
        assert!(!corner.operator.work().join("c.tif").exists());
    }

    fn an_object_is_moved_and_back_and_one_that_is_referred_to_is_not(lake) {
        let corner = Corner::of(lake);
        corner.put_objects(&["a.tif", "b.tif"]);
        corner.put_item("eins", &json!({"data": corner.uri("b.tif")}));
        let before = corner.objects("");
        let mv = |from: &str, flags: &[&str]| corner.run(&[&["s3", "mv", &corner.uri(from), &corner.uri("done/")], flags].concat());
        mv("a.tif", &[]).success();
        assert_eq!(corner.objects(""), before, "nothing is moved without --apply");
        let ran = mv("a.tif", &["--apply", "--yes"]);
        let undo = ran.told("Take it back: ", "\n");
        ran.success();
        assert_eq!(corner.keys(""), ["b.tif", "done/a.tif"]);
        corner.operator.copied(&undo).success();
        assert_eq!(corner.objects(""), before);
        assert!(mv("b.tif", &["--apply", "--yes"]).failure(1).contains("the catalogue refers to"));
        assert!(mv("none", &["--apply", "--yes"]).failure(1).contains("none does not exist"));
        assert_eq!(corner.objects(""), before);
    }

    fn what_was_moved_in_one_part_of_a_plan_is_not_asked_for_in_the_next(lake) {
        let corner = Corner::of(lake);
        corner.put_objects(&["a.tif", "b.tif"]);
        let script = format!(
            "s3::move(\"{a}\", \"{a}.done\"); let made = s3::write(\"{m}\", \"1\"); if made.size == 1 {{ s3::move(\"{b}\", \"{b}.done\"); }}",
            a = corner.uri("a.tif"), b = corner.uri("b.tif"), m = corner.uri("made"),
        );
        corner.run(&["eval", "--effect", "destroy", "--apply", "--yes", "--max-delete", "9", &script]).success();
        assert_eq!(corner.keys(""), ["a.tif.done", "b.tif.done", "made"]);
    }

    fn a_signed_url_reads_the_object_without_credentials(lake) {
        let corner = Corner::of(lake);
        corner.put_objects(&["a ä+%.tif"]);
        let url = corner.run(&["s3", "presign", &corner.uri("a ä+%.tif")]).success();
        dashictl::clients::tls::install_provider();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let body = runtime.block_on(async { http.get(url.trim()).send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap() });
        assert!(body.starts_with(b"bytes of s3://"), "{body:?}");
        assert!(corner.run(&["s3", "presign", &corner.uri("none")]).failure(1).contains("does not exist"));
        assert!(corner.run(&["s3", "presign", &corner.uri("a ä+%.tif"), "--expires", "8d"]).failure(2).contains("at most 7 days"));
    }

    fn a_script_touches_the_files_that_were_typed_and_no_others(lake) {
        let corner = Corner::of(lake);
        let outside = corner.operator.home_file("outside/a.txt", "a");
        let path = outside.to_str().unwrap();
        corner.run(&["s3", "cp", path, &corner.uri("")]).success();
        corner.run(&["s3", "cp", "-r", outside.parent().unwrap().to_str().unwrap(), &corner.uri("all/")]).success();
        assert_eq!(corner.keys(""), ["a.txt", "all/a.txt"]);
        let script = format!("s3::upload(\"{path}\", \"{}\")", corner.uri("x"));
        assert!(corner.run(&["eval", "--effect", "write", &script]).failure(1).contains("is outside the working folder"));
        let script = format!("s3::download(\"{}\", \"{path}.new\")", corner.uri("a.txt"));
        assert!(corner.run(&["eval", "--effect", "write", &script]).failure(1).contains("is outside the working folder"));
    }

    fn wrong_places_are_usage_errors(lake) {
        let corner = Corner::of(lake);
        let cp = |line: &[&str]| corner.run(&[&["s3", "cp"], line].concat());
        assert!(cp(&["a", "b"]).failure(2).contains("are both on this machine"));
        assert!(cp(&["s3://landing/x/", "b"]).failure(2).contains("--recursive"));
        assert!(cp(&["none.tif", &corner.uri("")]).failure(1).contains("none.tif"));
        corner.operator.work_file("folder/a", "a");
        assert!(cp(&["folder", &corner.uri("x")]).failure(2).contains("hint say --recursive"));
        assert!(cp(&["-r", &corner.uri("none/"), "x"]).failure(1).contains("nothing lies below"));
        assert!(cp(&["-r", "folder", &corner.uri("x"), "--jobs", "0"]).failure(2).contains("from 1 to 64"));
        assert!(cp(&[&corner.uri("x"), &corner.uri("y"), "--content-type", "a/b"]).failure(2).contains("is for uploads"));
        let small = "s3::upload(\"folder/a\", \"s3://landing/a\", #{part_size: 1000})";
        assert!(corner.run(&["eval", "--effect", "write", small]).failure(2).contains("at least 5242880"));
    }
}
