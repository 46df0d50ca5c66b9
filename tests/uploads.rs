//! Uploads of large files: in parts, broken off and gone on with, and what stands in their way.

use std::fs;

use super::corner::Corner;
use super::interrupt::stopped;
use super::lakes::on_both_lakes;
use super::large_file::{
    PART, downloaded, is_part, large, open_uploads, parts, upload, upload_line,
};
use super::wire::{Hook, reply};

on_both_lakes! {
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

    fn a_small_file_whose_answer_is_lost_is_there_and_can_be_taken_back(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        corner.operator.work_file("small", "small");
        s3.forget();
        s3.counting(|request| request.target.ends_with("/small?x-id=PutObject")).at_change(0, Hook::ForwardThenDrop);
        corner.run(&["s3", "cp", "small", &corner.uri("")]).success();
        assert_eq!(downloaded(&corner, "small"), b"small");
        let runs = corner.run(&["log", "list", "--json"]).json();
        let run = runs.as_array().unwrap().iter().find(|run| run["command"].as_str().unwrap().contains("cp small")).unwrap();
        corner.run(&["undo", run["run"].as_str().unwrap(), "--yes"]).success();
        assert_eq!(corner.keys(""), [""; 0]);
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

    fn of_two_uploads_to_one_place_at_once_one_says_that_it_lost(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        corner.operator.work_file("mine", "mine");
        let (other, uri) = (corner.served.operator(), corner.uri("x"));
        other.work_file("theirs", "theirs");
        s3.forget();
        s3.counting(|request| request.method == "PUT" && request.target.ends_with("/x?x-id=PutObject")).at_change(0, Hook::Run(Box::new(move || {
            other.run(&["s3", "cp", "theirs", &uri]).success();
        })));
        let stderr = corner.run(&["s3", "cp", "mine", &corner.uri("x")]).failure(1);
        assert!(stderr.contains("was written in the meantime"), "{stderr}");
        assert_eq!(downloaded(&corner, "x"), b"theirs");
    }

    fn a_second_upload_to_the_same_place_leaves_the_first_alone(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        let bytes = large(&corner);
        s3.counting(is_part).at_change(2, Hook::Hold);
        let line = upload_line(&corner);
        let first = corner.operator.start(&line.each_ref().map(String::as_str));
        s3.wait_until_held();
        fs::write(corner.operator.work().join("other.bin"), vec![7; PART + 1]).unwrap();
        let second = format!("s3::upload(\"other.bin\", \"{}\", #{{part_size: {PART}}})", corner.uri("large.bin"));
        corner.run(&["eval", "--effect", "write", &second]).success();
        assert_eq!(open_uploads(&corner), 1, "the first is open still");
        s3.release();
        let stderr = corner.operator.ended(first).failure(1);
        assert!(stderr.contains("was written in the meantime"), "{stderr}");
        let _ = upload(&corner).success();
        assert_eq!(downloaded(&corner, "large.bin"), bytes);
    }

    fn a_media_type_that_is_given_counts_and_one_that_is_guessed_does_not(lake) {
        let (corner, s3, _) = Corner::tapped(lake);
        corner.operator.work_file("a.txt", "a");
        let cp = |flags: &[&str]| corner.run(&[&["s3", "cp", "a.txt", &corner.uri("")], flags].concat()).success();
        cp(&["--content-type", "text/x"]);
        s3.forget();
        cp(&["--content-type", "text/x"]);
        cp(&[]);
        assert_eq!(s3.changes().len(), 0);
        cp(&["--content-type", "text/y"]);
        assert_eq!(corner.read(&format!("s3::head(\"{}\").content_type", corner.uri("a.txt"))), "text/y");
    }
}
