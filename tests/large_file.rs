//! A file of three parts and what becomes of it: the scene of tests on uploads and downloads that break off.

use std::fs;
use std::path::Path;

use super::corner::Corner;
use super::operator::Ran;
use super::wire::{Request, Wire};

/// The smallest that a part may be.
pub const PART: usize = 5 << 20;

/// Bytes that are not the same anywhere.
pub fn bytes(count: usize) -> Vec<u8> {
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
pub fn large(corner: &Corner) -> Vec<u8> {
    let bytes = bytes(2 * PART + 77);
    fs::create_dir_all(corner.operator.work()).unwrap();
    fs::write(corner.operator.work().join("large.bin"), &bytes).unwrap();
    bytes
}

pub fn upload_line(corner: &Corner) -> [String; 5] {
    let script = format!(
        "s3::upload(\"large.bin\", \"{}\", #{{part_size: {PART}}})",
        corner.uri("large.bin")
    );
    ["eval", "--effect", "write", "--json", &script].map(str::to_owned)
}

pub fn upload(corner: &Corner) -> Ran {
    let line = upload_line(corner);
    corner.run(&line.each_ref().map(String::as_str))
}

pub fn is_part(request: &Request) -> bool {
    request.method == "PUT" && request.target.contains("partNumber=")
}

/// The numbers of the parts that were sent, in order.
pub fn parts(wire: &Wire) -> Vec<u32> {
    let numbers = wire.requests().into_iter().filter(is_part).map(|request| {
        let (_, after) = request.target.split_once("partNumber=").unwrap();
        after.split('&').next().unwrap().parse().unwrap()
    });
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

/// The object as it comes back through a download.
pub fn downloaded(corner: &Corner, name: &str) -> Vec<u8> {
    let back = corner.operator.work().join("back");
    let _ = fs::remove_file(&back);
    corner
        .run(&["s3", "cp", &corner.uri(name), "back"])
        .success();
    fs::read(&back).unwrap()
}

pub fn open_uploads(corner: &Corner) -> usize {
    let uploads = corner.read("s3::uploads(\"processed\").map(|u| u.key)");
    let keys = uploads.as_array().unwrap().iter();
    keys.filter(|key| key.as_str().unwrap().starts_with(&corner.domain))
        .count()
}

pub fn below(folder: &Path) -> Vec<String> {
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
