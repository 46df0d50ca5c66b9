//! What a request to the store deletes, alone or among many, and a store that does not let one object go.

use super::wire::{Request, reply};

/// What a request deletes: `/bucket/key` of each object, or the path of a record.
pub fn deleted(request: &Request) -> Vec<String> {
    let path = request.target.split('?').next().unwrap_or_default();
    if request.method == "DELETE" {
        return vec![path.to_owned()];
    }
    if request.method != "POST" || !request.target.contains("?delete") {
        return Vec::new();
    }
    let text = request.text();
    let keys = text
        .split("<Key>")
        .skip(1)
        .filter_map(|rest| rest.split("</Key>").next());
    let bucket = path.trim_end_matches('/');
    keys.map(|key| format!("{bucket}/{key}")).collect()
}

/// Whether a request deletes many objects, of which one has this in its key.
pub fn deletes_many(request: &Request, part: &str) -> bool {
    request.method == "POST" && deleted(request).iter().any(|target| target.contains(part))
}

/// The answer of a store that lets everything go but the object with this end: among many, it says nothing of the others.
pub fn refuse(request: &Request, end: &str, message: &str) -> Option<String> {
    let target = deleted(request)
        .into_iter()
        .find(|target| target.ends_with(end) && !target.contains("/.dashi-trash/"))?;
    let why = format!("<Code>AccessDenied</Code><Message>{message}</Message>");
    if request.method == "DELETE" {
        return Some(reply("403 Forbidden", &format!("<Error>{why}</Error>")));
    }
    let key = target.splitn(3, '/').nth(2).unwrap_or_default();
    let error = format!("<Error><Key>{key}</Key>{why}</Error>");
    Some(reply(
        "200 OK",
        &format!("<DeleteResult>{error}</DeleteResult>"),
    ))
}
