//! Downloads: in ranges, broken off and gone on with, never half there, never another object than was asked for.

use std::fs;

use super::corner::Corner;
use super::lakes::on_both_lakes;
use super::large_file::{below, downloaded, large, open_uploads, parts, upload};
use super::wire::{Hook, reply};

on_both_lakes! {
    fn a_large_file_goes_in_parts_and_comes_back_in_ranges(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let bytes = large(&corner);
        let made = upload(&corner).json();
        assert_eq!(parts(&s3), [1, 2, 3]);
        assert!(made["etag"].as_str().unwrap().ends_with("-3"), "{made}");
        s3.forget();
        assert_eq!(downloaded(&corner, "large.bin"), bytes);
        let ranges = s3.requests().into_iter().filter_map(|request| request.header("range").map(str::to_owned));
        assert!(ranges.count() >= 2);
        assert_eq!(open_uploads(&corner), 0);
        // The same command again finds it there, and file and object are the same file and object.
        s3.forget();
        corner.run(&["s3", "cp", "large.bin", &corner.uri("large.bin")]).success();
        corner.run(&["s3", "cp", &corner.uri("large.bin"), "back"]).success();
        assert_eq!(s3.changes().len(), 0);
    }

    fn a_download_that_breaks_off_goes_on_and_is_never_half_there(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let bytes = large(&corner);
        let _ = upload(&corner).success();
        // The second range is refused: the first is kept.
        s3.answering(|request| {
            let is_later = request.header("range").is_some_and(|range| !range.starts_with("bytes=0-"));
            is_later.then(|| reply("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"))
        });
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

    fn what_an_earlier_try_left_is_not_trusted_nor_followed_elsewhere(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let bytes = large(&corner);
        let _ = upload(&corner).success();
        let get = ["s3", "cp", &corner.uri("large.bin"), "got/"];
        let refuse = || s3.answering(|request| {
            let is_later = request.header("range").is_some_and(|range| !range.starts_with("bytes=0-"));
            is_later.then(|| reply("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"))
        });
        refuse();
        let _ = corner.run(&get).failure(1);
        let got = corner.operator.work().join("got");
        let part = got.join(&below(&got)[0]);
        let mut torn = fs::read(&part).unwrap();
        torn[1000..2000].fill(0);
        fs::write(&part, torn).unwrap();
        s3.answering(|_| None);
        corner.run(&get).success();
        assert_eq!(fs::read(got.join("large.bin")).unwrap(), bytes);
        fs::remove_file(got.join("large.bin")).unwrap();
        // A link of that name.
        let victim = corner.operator.home_file("victim", "theirs");
        std::os::unix::fs::symlink(&victim, &part).unwrap();
        let _ = corner.run(&get).failure(1);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
        fs::remove_file(&part).unwrap();
        fs::hard_link(&victim, &part).unwrap();
        assert!(corner.run(&get).failure(1).contains("is in the way: it is no file of a download"));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
    }

    fn what_an_earlier_try_left_is_not_used_where_the_etag_tells_nothing(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let text = "0123456789";
        let tries = std::sync::atomic::AtomicUsize::new(0);
        s3.answering(move |request| {
            if !request.target.contains("/opaque") {
                return None;
            }
            let known = "etag: \"opaque.1\"\r\nlast-modified: Mon, 27 Apr 2026 10:00:00 GMT\r\n";
            let Some(range) = request.header("range") else {
                return Some(format!("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n{known}\r\n"));
            };
            let from: usize = range["bytes=".len()..].split('-').next().unwrap().parse().unwrap();
            let length = 10 - from;
            Some(match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => format!("HTTP/1.1 206 Partial Content\r\ncontent-length: 10\r\nconnection: close\r\n{known}\r\n{}", &text[..4]),
                1 => reply("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"),
                _ => format!("HTTP/1.1 206 Partial Content\r\ncontent-length: {length}\r\n{known}\r\n{}", &text[from..]),
            })
        });
        let get = ["s3", "cp", &corner.uri("opaque"), "got/"];
        let _ = corner.run(&get).failure(1);
        let got = corner.operator.work().join("got");
        let part = got.join(&below(&got)[0]);
        assert_eq!(fs::read_to_string(&part).unwrap(), "0123");
        fs::write(&part, "torn").unwrap();
        corner.run(&get).success();
        assert_eq!(fs::read_to_string(got.join("opaque")).unwrap(), text);
    }

    fn what_came_of_a_download_that_broke_off_in_a_range_is_kept_to_the_byte(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let text = "0123456789".repeat(20_000);
        corner.operator.work_file("text", &text);
        corner.run(&["s3", "cp", "text", &corner.uri("text")]).success();
        let etag = corner.read(&format!("s3::head(\"{}\").etag", corner.uri("text")));
        let torn = format!(
            "HTTP/1.1 206 Partial Content\r\ncontent-length: 200000\r\netag: \"{}\"\r\nconnection: close\r\n\r\n{}",
            etag.as_str().unwrap(), &text[..123_456],
        );
        s3.answering(move |request| {
            let is_first = request.header("range")?.starts_with("bytes=0-");
            Some(if is_first { torn.clone() } else { reply("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>") })
        });
        let get = ["s3", "cp", &corner.uri("text"), "got/"];
        let _ = corner.run(&get).failure(1);
        s3.answering(|_| None).forget();
        corner.run(&get).success();
        let ranges: Vec<String> = s3.requests().iter().filter_map(|request| request.header("range").map(str::to_owned)).collect();
        assert_eq!(ranges, ["bytes=123456-199999"]);
        assert_eq!(fs::read_to_string(corner.operator.work().join("got/text")).unwrap(), text);
    }

    fn an_object_with_an_encoding_of_its_own_comes_as_it_is_stored(lake) {
        let corner = Corner::of(lake);
        let stored = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03KL\x04\x00\xc2A$5\x03\x00\x00\x00".to_vec();
        let put = super::taps::store_at(&corner.served.addresses, &corner.served.addresses.s3);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let key = format!("{}/a.json", corner.domain);
        let putting = put.put_object().bucket("processed").key(&key).content_encoding("gzip").body(stored.clone().into());
        runtime.block_on(putting.send()).unwrap();
        assert_eq!(downloaded(&corner, "a.json"), stored);
        assert_eq!(corner.read(&format!("s3::head(\"{}\").size", corner.uri("a.json"))), stored.len());
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
        let file = corner.operator.work().join("a.tif");
        let bytes = fs::read(&file).unwrap();
        let undone = corner.run(&["undo", &run, "--yes"]);
        let back = undone.told("Take it back: ", "\n");
        undone.success();
        assert!(!file.exists());
        corner.operator.copied(&back).success();
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
}
