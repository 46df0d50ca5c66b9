//! Files that become objects, and objects that become files: `s3::upload`, `download`, `move`, `presign`, and `s3 cp`, also
//! where they break off in the middle.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::corner::Corner;
use super::interrupt::stopped;
use super::lakes::on_both_lakes;
use super::operator::Ran;
use super::wire::{Hook, Request, Wire, reply};

const PART: usize = 5 << 20;

/// Bytes that are not the same anywhere.
fn bytes(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(count).collect()
}

/// A file of two whole parts and a bit.
fn large(corner: &Corner) -> Vec<u8> {
    let bytes = bytes(2 * PART + 77);
    fs::create_dir_all(corner.operator.work()).unwrap();
    fs::write(corner.operator.work().join("large.bin"), &bytes).unwrap();
    bytes
}

fn upload_line(corner: &Corner) -> [String; 5] {
    let script = format!(
        "s3::upload(\"large.bin\", \"{}\", #{{part_size: {PART}}})",
        corner.uri("large.bin")
    );
    ["eval", "--effect", "write", "--json", &script].map(str::to_owned)
}

fn upload(corner: &Corner) -> Ran {
    let line = upload_line(corner);
    corner.run(&line.each_ref().map(String::as_str))
}

fn is_part(request: &Request) -> bool {
    request.method == "PUT" && request.target.contains("partNumber=")
}

/// The numbers of the parts that were sent, in order.
fn parts(wire: &Wire) -> Vec<u32> {
    let numbers = wire.requests().into_iter().filter(is_part).map(|request| {
        let (_, after) = request.target.split_once("partNumber=").unwrap();
        after.split('&').next().unwrap().parse().unwrap()
    });
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

/// The object as it comes back through a download.
fn downloaded(corner: &Corner, name: &str) -> Vec<u8> {
    let back = corner.operator.work().join("back");
    let _ = fs::remove_file(&back);
    corner
        .run(&["s3", "cp", &corner.uri(name), "back"])
        .success();
    fs::read(&back).unwrap()
}

fn open_uploads(corner: &Corner) -> usize {
    let uploads = corner.read("s3::uploads(\"processed\").map(|u| u.key)");
    let keys = uploads.as_array().unwrap().iter();
    keys.filter(|key| key.as_str().unwrap().starts_with(&corner.domain))
        .count()
}

fn below(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).unwrap();
            name.to_str().unwrap().to_owned()
        })
        .collect();
    names.sort();
    names
}

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

    fn a_large_file_goes_in_parts_and_comes_back_in_ranges(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let bytes = large(&corner);
        let made = upload(&corner).json();
        assert_eq!(parts(&s3), [1, 2, 3]);
        assert!(made["etag"].as_str().unwrap().ends_with("-3"), "{made}");
        s3.forget();
        assert_eq!(downloaded(&corner, "large.bin"), bytes);
        let ranges = s3.requests().into_iter().filter_map(|request| request.header("range").map(str::to_owned));
        assert_eq!(ranges.count(), 2);
        assert_eq!(open_uploads(&corner), 0);
        // The same command again finds it there, and file and object are the same file and object.
        s3.forget();
        corner.run(&["s3", "cp", "large.bin", &corner.uri("large.bin")]).success();
        corner.run(&["s3", "cp", &corner.uri("large.bin"), "back"]).success();
        assert_eq!(s3.changes().len(), 0);
    }

    fn an_upload_that_breaks_off_goes_on_where_it_was(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let bytes = large(&corner);
        s3.answering(|request| {
            let is_second = is_part(request) && request.target.contains("partNumber=2");
            is_second.then(|| reply("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"))
        });
        let stderr = upload(&corner).failure(1);
        assert!(stderr.contains("the same command again goes on from what the store has (2 of 3 parts)"), "{stderr}");
        assert_eq!(open_uploads(&corner), 1);
        s3.answering(|_| None).forget();
        let _ = upload(&corner).success();
        assert_eq!(parts(&s3), [2]);
        assert_eq!(downloaded(&corner, "large.bin"), bytes);
        assert_eq!(open_uploads(&corner), 0);
    }

    fn a_part_that_is_lost_on_the_way_is_sent_again(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let bytes = large(&corner);
        s3.counting(is_part).at_change(0, Hook::Drop).at_change(2, Hook::ForwardThenDrop);
        let _ = upload(&corner).success();
        assert_eq!(parts(&s3).len(), 5);
        assert_eq!(downloaded(&corner, "large.bin"), bytes);
    }

    fn an_upload_whose_last_answer_is_lost_is_made(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let bytes = large(&corner);
        s3.counting(|request| request.method == "POST" && request.target.contains("uploadId")).at_change(0, Hook::ForwardThenDrop);
        let _ = upload(&corner).success();
        assert_eq!(downloaded(&corner, "large.bin"), bytes);
    }

    fn ctrl_c_leaves_an_upload_that_goes_on(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let bytes = large(&corner);
        s3.counting(|request| is_part(request) && request.target.contains("partNumber=3")).at_change(0, Hook::Hold);
        let line = upload_line(&corner);
        let child = corner.operator.start(&line.each_ref().map(String::as_str));
        let (code, stderr, _) = stopped("-INT", child, || {
            // Two parts are there, the third is on its way.
            s3.is_held() && s3.requests().iter().filter(|request| is_part(request) && request.answer == Some(200)).count() == 2
        });
        assert_eq!(code, Some(130), "{stderr}");
        assert!(stderr.contains("the same command again goes on"), "{stderr}");
        s3.release();
        s3.wait_until_settled();
        s3.forget();
        let _ = upload(&corner).success();
        assert!(parts(&s3).len() <= 1, "{:?}", parts(&s3));
        assert_eq!(downloaded(&corner, "large.bin"), bytes);
    }

    fn a_file_that_is_written_while_it_is_read_is_refused_and_nothing_stays(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let bytes = large(&corner);
        let file = corner.operator.work().join("large.bin");
        s3.counting(is_part).at_change(0, Hook::Run(Box::new(move || fs::write(file, [&bytes[..], b"more"].concat()).unwrap())));
        let stderr = upload(&corner).failure(1);
        assert!(stderr.contains("large.bin was written while it was read"), "{stderr}");
        assert_eq!((corner.keys(""), open_uploads(&corner)), (vec![], 0));
    }

    fn what_an_upload_replaces_is_put_aside_and_brought_back(lake) {
        let corner = Corner::of(lake);
        corner.put_objects(&["large.bin"]);
        let before = corner.objects("");
        let bytes = large(&corner);
        let _ = upload(&corner).success();
        assert_eq!(downloaded(&corner, "large.bin"), bytes);
        let uploading = corner.run(&["log", "list", "--json"]).json();
        let run = uploading.as_array().unwrap().iter().find(|run| run["command"].as_str().unwrap().contains("s3::upload")).unwrap();
        corner.run(&["undo", run["run"].as_str().unwrap(), "--yes"]).success();
        assert_eq!(corner.objects(""), before);
    }

    fn what_is_written_while_a_large_file_is_uploaded_stays(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        large(&corner);
        let (other, uri) = (corner.served.operator(), corner.uri("large.bin"));
        let write = format!("s3::write(\"{uri}\", \"theirs\")");
        s3.counting(is_part).at_change(2, Hook::Run(Box::new(move || {
            other.run(&["eval", "--effect", "write", &write]).success();
        })));
        let stderr = upload(&corner).failure(1);
        assert!(stderr.contains("was written in the meantime"), "{stderr}");
        assert_eq!(downloaded(&corner, "large.bin"), b"theirs");
    }

    fn a_download_that_breaks_off_goes_on_and_is_never_half_there(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let bytes = large(&corner);
        let _ = upload(&corner).success();
        let is_second = |request: &Request| request.header("range").is_some_and(|range| !range.starts_with("bytes=0-"));
        s3.answering(move |request| is_second(request).then(|| reply("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>")));
        let get = ["s3", "cp", &corner.uri("large.bin"), "got/"];
        let stderr = corner.run(&get).failure(1);
        assert!(stderr.contains("the same command again goes on from there"), "{stderr}");
        let file = corner.operator.work().join("got/large.bin");
        assert!(!file.exists());
        s3.answering(|_| None).forget();
        corner.run(&get).success();
        let ranges: Vec<String> = s3.requests().iter().filter_map(|request| request.header("range").map(str::to_owned)).collect();
        assert_eq!(ranges, ["bytes=8388608-10485836"]);
        assert_eq!(fs::read(&file).unwrap(), bytes);
        assert_eq!(below(&corner.operator.work().join("got")), ["large.bin"]);
    }

    fn an_object_that_is_written_while_it_is_downloaded_is_no_file(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        large(&corner);
        let _ = upload(&corner).success();
        let (other, uri) = (corner.served.operator(), corner.uri("large.bin"));
        let write = format!("s3::write(\"{uri}\", \"theirs\")");
        s3.forget();
        s3.counting(|request| request.header("range").is_some()).at_change(0, Hook::Run(Box::new(move || {
            other.run(&["eval", "--effect", "write", &write]).success();
        })));
        let stderr = corner.run(&["s3", "cp", &corner.uri("large.bin"), "back"]).failure(1);
        assert!(stderr.contains("was written while it was downloaded"), "{stderr}");
        assert!(!corner.operator.work().join("back").exists());
    }

    fn a_file_that_is_there_stays(lake) {
        let corner = Corner::of(lake);
        corner.put_objects(&["a.tif"]);
        let file = corner.operator.work_file("mine", "mine");
        let stderr = corner.run(&["s3", "cp", &corner.uri("a.tif"), "mine"]).failure(1);
        assert!(stderr.contains("mine exists already") && stderr.contains("hint give it another name"), "{stderr}");
        assert_eq!(fs::read_to_string(file).unwrap(), "mine");
    }

    fn a_download_is_taken_back_by_undo(lake) {
        let corner = Corner::of(lake);
        corner.put_objects(&["a.tif"]);
        corner.run(&["s3", "cp", &corner.uri("a.tif"), "a.tif"]).success();
        let run = corner.last_run();
        corner.run(&["undo", &run, "--yes"]).success();
        assert!(!corner.operator.work().join("a.tif").exists());
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
        assert!(cp(&["folder", &corner.uri("x")]).failure(1).contains("is a folder"));
        let small = "s3::upload(\"folder/a\", \"s3://landing/a\", #{part_size: 1000})";
        assert!(corner.run(&["eval", "--effect", "write", small]).failure(2).contains("at least 5242880"));
    }
}
