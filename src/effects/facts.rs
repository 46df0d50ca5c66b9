//! What the target of a change was seen to be: enough to tell, right before the change is made, whether it is still that.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::payload::digest;

/// What a target is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Facts {
    /// Not there.
    Absent,
    /// An object of the store.
    Object {
        /// Its bytes.
        size: u64,
        /// Its ETag.
        etag: Option<String>,
        /// When it was last written, to the second: all that every way of asking tells.
        modified: Option<String>,
        /// Its version, where the bucket keeps them.
        version: Option<String>,
    },
    /// A record of the catalogue.
    Record {
        /// The digest of what is in it, the server's own links left out.
        sha256: String,
    },
    /// A local file.
    File {
        /// The digest of its content.
        sha256: String,
    },
    /// Rows of a table.
    Rows {
        /// How many.
        rows: u64,
        /// How many files hold nothing else.
        files: u64,
        /// How many files hold other rows as well, and are written anew without these.
        rewritten: u64,
        /// The digest of which files hold how many.
        sha256: String,
    },
    /// What an earlier step of the same run makes of it.
    ByStep {
        /// The step.
        step: usize,
    },
}

impl Facts {
    /// Whether a target that was seen as this, and is now seen as `now`, is still the same. A version that only one of
    /// two ways of asking tells (a listing does not) says nothing.
    #[must_use]
    pub fn still(&self, now: &Facts) -> bool {
        match (self, now) {
            (
                Facts::Object {
                    size,
                    etag,
                    modified,
                    version,
                },
                Facts::Object {
                    size: size_now,
                    etag: etag_now,
                    modified: modified_now,
                    version: version_now,
                },
            ) => {
                let same_version =
                    version.is_none() || version_now.is_none() || version == version_now;
                size == size_now && etag == etag_now && modified == modified_now && same_version
            }
            (Facts::ByStep { .. }, _) => true,
            _ => self == now,
        }
    }

    /// What there is to be said of it beside its name.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let Facts::Rows {
            rows,
            files,
            rewritten,
            ..
        } = self
        else {
            return None;
        };
        let count = |count: u64, one: &str, more: &str| match count {
            1 => format!("1 {one}"),
            _ => format!("{count} {more}"),
        };
        let parts = [
            (*files, "goes whole", "go whole"),
            (*rewritten, "is written anew", "are written anew"),
        ];
        let parts = parts.iter().filter(|(of, ..)| *of > 0);
        let parts = parts.map(|(of, one, more)| {
            let files = count(*of, "file", "files");
            format!("{files} {}", if *of == 1 { one } else { more })
        });
        let rows = count(*rows, "row", "rows");
        Some(format!("{rows}: {}", parts.collect::<Vec<_>>().join(", ")))
    }

    /// How many bytes it has, if it is an object.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Facts::Object { size, .. } => Some(*size),
            _ => None,
        }
    }

    /// Its ETag, if it is an object that has one.
    #[must_use]
    pub fn etag(&self) -> Option<&str> {
        match self {
            Facts::Object { etag, .. } => etag.as_deref(),
            _ => None,
        }
    }

    /// An object as HEAD or a listing describes it.
    #[must_use]
    pub fn of_object(row: &Value) -> Facts {
        let text = |name: &str| row[name].as_str().map(str::to_owned);
        Facts::Object {
            size: row["size"].as_u64().unwrap_or(0),
            etag: text("etag"),
            modified: text("last_modified").map(|time| to_the_second(&time)),
            version: text("version_id").filter(|version| version != "null"),
        }
    }

    /// A record of the catalogue.
    #[must_use]
    pub fn of_record(record: &Value) -> Facts {
        Facts::Record {
            sha256: digest(without_server_links(record).to_string().as_bytes()),
        }
    }
}

/// An RFC 3339 time without its fraction, in UTC however it is spelt.
fn to_the_second(time: &str) -> String {
    // Most are spelt so, and a listing has millions.
    if let Some(time) = time.strip_suffix('Z') {
        let whole = time.split_once('.').map_or(time, |(whole, _)| whole);
        return format!("{whole}Z");
    }
    let parsed: Result<Timestamp, _> = time.parse();
    parsed.map_or_else(
        |_| time.to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// The links that a STAC server makes itself for every answer; they name the way it was asked. Stored ones of these names
/// are never shown.
const SERVER_LINKS: [&str; 6] = ["self", "item", "items", "parent", "collection", "root"];
/// The links that a server may make as well, to itself. One of such a name that leads elsewhere is the record's own.
const LINKS_TO_SERVER: [&str; 3] = [
    "data",
    "http://www.opengis.net/def/rel/ogc/1.0/queryables",
    "aggregate",
];

/// A record without the links that its server makes.
#[must_use]
pub(crate) fn without_server_links(record: &Value) -> Value {
    let mut record = record.clone();
    if let Some(links) = record.get_mut("links").and_then(Value::as_array_mut) {
        let server = links
            .iter()
            .find(|link| link["rel"] == "self")
            .and_then(|link| link["href"].as_str()?.split_once("/collections/"))
            .map(|(server, _)| format!("{server}/"));
        links.retain(|link| {
            let text = |name: &str| link[name].as_str().unwrap_or_default();
            let to_server = || {
                let server = server.as_ref();
                server.is_some_and(|server| text("href").starts_with(server))
            };
            let rel = text("rel");
            let is_servers =
                SERVER_LINKS.contains(&rel) || (LINKS_TO_SERVER.contains(&rel) && to_server());
            !is_servers
        });
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_spelt_in_one_way() {
        for time in [
            "2026-11-24T18:33:36+00:00",
            "2026-11-24T18:33:36.250Z",
            "2026-11-24T19:33:36+01:00",
        ] {
            assert_eq!(to_the_second(time), "2026-11-24T18:33:36Z", "{time}");
        }
        assert_eq!(to_the_second("soon"), "soon");
    }

    #[test]
    fn a_listing_and_a_head_of_one_object_are_the_same() {
        let listed = Facts::of_object(
            &json!({"size": 3, "etag": "e", "last_modified": "2026-01-01T00:00:00.123Z"}),
        );
        let head = json!({"size": 3, "etag": "e", "last_modified": "2026-01-01T00:00:00Z", "version_id": "v"});
        assert!(listed.still(&Facts::of_object(&head)));
        for (field, other) in [
            ("size", json!(4)),
            ("etag", json!("f")),
            ("last_modified", json!("2026-01-01T00:00:01Z")),
        ] {
            let mut changed = head.clone();
            changed[field] = other;
            assert!(!listed.still(&Facts::of_object(&changed)), "{field}");
        }
    }

    #[test]
    fn the_servers_own_links_do_not_count() {
        let asked_one_way = json!({"id": "a", "links": [{"rel": "self", "href": "http://a/x"}, {"rel": "license", "href": "l"}]});
        let asked_another = json!({"id": "a", "links": [{"rel": "license", "href": "l"}, {"rel": "self", "href": "http://b/x"}]});
        assert_eq!(
            Facts::of_record(&asked_one_way),
            Facts::of_record(&asked_another)
        );
        assert_ne!(
            Facts::of_record(&asked_one_way),
            Facts::of_record(&json!({"id": "a", "links": []}))
        );
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_the_records_own() {
        let links = json!([
            {"rel": "self", "href": "http://a/stac/collections/c/items/x"},
            {"rel": "aggregate", "href": "http://a/stac/collections/c/aggregate"},
            {"rel": "aggregate", "href": "http://b/c"},
            {"rel": "data", "href": "http://b/d"},
        ]);
        let record = without_server_links(&json!({"id": "x", "links": links}));
        assert_eq!(record["links"], json!([links[2], links[3]]));
    }
}
