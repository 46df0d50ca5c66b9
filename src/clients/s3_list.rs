//! The pager of ListObjectsV2: every object of a part of a bucket, page by page, or an error where what the store gives
//! cannot be all.
//!
//! The library's own pager ends without a word where a truncated page has no token or the same one again, and a listing
//! that is cut off looks whole. Which objects matter is nobody's business here, nor is their order: see [`Order`].

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{EncodingType, Object};
use aws_smithy_types::date_time::DateTime;
use futures::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::Pages;
use super::s3::{S3, rfc3339, unquoted};
use super::s3_error::Asked;
use super::s3_order::Order;
use crate::error::Result;

/// Keys asked for a page; some stores give one more where they are asked for more, and then no token.
const PAGE: i32 = 1000;

/// What a part of a bucket is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// The bucket.
    pub bucket: String,
    /// What keys begin with.
    pub prefix: String,
    /// What keys come after in the store's order; below the prefix.
    pub after: Option<String>,
    /// Whether what lies in a folder below the prefix is one folder.
    pub by_folder: bool,
}

/// An object as a listing describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The raw key.
    pub key: String,
    /// Its bytes.
    pub size: u64,
    /// Its ETag, without quotes.
    pub etag: Option<String>,
    /// When it was last written.
    pub modified: Option<DateTime>,
}

impl Listed {
    /// When it was last written, if the store says so in a way that can be read.
    #[must_use]
    pub fn written(&self) -> Option<Timestamp> {
        self.modified.as_ref().and_then(timestamp)
    }

    /// The row that a script sees: `uri`, `bucket`, `key`, `size`, `etag`, `last_modified` (RFC 3339).
    #[must_use]
    pub fn row(&self, bucket: &str) -> Value {
        json!({
            "uri": format!("s3://{bucket}/{}", self.key),
            "bucket": bucket,
            "key": self.key,
            "size": self.size,
            "etag": self.etag,
            "last_modified": self.modified.as_ref().and_then(rfc3339),
        })
    }
}

/// One page, and what the order of all keys so far was.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its objects.
    pub objects: Vec<Listed>,
    /// Its folders, each the prefix of what lies in it.
    pub folders: Vec<String>,
    /// In which orders all keys of this listing stand so far.
    pub order: Order,
}

impl S3 {
    /// The objects whose keys begin with a prefix, page by page, as rows.
    #[must_use]
    pub fn list(&self, bucket: &str, prefix: &str, after: Option<&str>) -> Pages {
        self.rows(Part {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            by_folder: false,
        })
    }

    /// The objects of a part of a bucket, page by page, as rows. A folder is a row without size, ETag and time.
    #[must_use]
    pub fn rows(&self, part: Part) -> Pages {
        let bucket = part.bucket.clone();
        let rows = move |page: Page| {
            let folders = page
                .folders
                .iter()
                .map(|folder| folder_row(&bucket, folder));
            let objects = page.objects.iter().map(|object| object.row(&bucket));
            folders.chain(objects).collect()
        };
        self.pages(part).map(move |page| page.map(&rows)).boxed()
    }

    /// The objects of a part of a bucket, page by page.
    #[must_use]
    pub fn pages(&self, part: Part) -> BoxStream<'static, Result<Page>> {
        let pager = Pager {
            s3: self.clone(),
            walk: Walk::new(part),
        };
        stream::unfold(Some(pager), |pager| async move {
            let mut pager = pager?;
            let page = pager.page().await.transpose()?;
            let next = page.is_ok().then_some(pager);
            Some((page, next))
        })
        .boxed()
    }
}

struct Pager {
    s3: S3,
    walk: Walk,
}

impl Pager {
    async fn page(&mut self) -> Result<Option<Page>> {
        let token = match &self.walk.next {
            Next::None => return Ok(None),
            Next::First => None,
            Next::Token(token) => Some(token.clone()),
        };
        let Part {
            bucket,
            prefix,
            after,
            by_folder,
        } = &self.walk.part;
        let asked = self
            .s3
            .asked("ListObjectsV2", format!("s3://{bucket}/{prefix}"));
        let ask = || {
            self.s3
                .client()
                .list_objects_v2()
                .bucket(bucket)
                .max_keys(PAGE)
                // A key may hold what XML cannot.
                .encoding_type(EncodingType::Url)
                .set_delimiter(by_folder.then(|| "/".to_owned()))
                .set_prefix(Some(prefix.clone()).filter(|prefix| !prefix.is_empty()))
                .set_start_after(after.clone().filter(|_| token.is_none()))
                .set_continuation_token(token.clone())
                .send()
        };
        let answer = self.s3.reading(&asked, ask).await?;
        let given = given(answer, &asked)?;
        self.walk
            .take(given)
            .map(Some)
            .map_err(|fault| asked.fault(&fault))
    }
}

/// What the store gave for one page.
#[derive(Debug, Default)]
struct Given {
    objects: Vec<Listed>,
    folders: Vec<String>,
    /// How many it says there are.
    count: Option<i32>,
    truncated: bool,
    token: Option<String>,
}

fn given(answer: ListObjectsV2Output, asked: &Asked) -> Result<Given> {
    let encoded = answer.encoding_type() == Some(&EncodingType::Url);
    let objects = answer.contents().iter();
    let folders = answer.common_prefixes().iter();
    let folders = folders.filter_map(|folder| folder.prefix());
    Ok(Given {
        folders: folders
            .map(|folder| text(folder, encoded, asked))
            .collect::<Result<_>>()?,
        objects: objects
            .map(|object| listed(object, encoded, asked))
            .collect::<Result<_>>()?,
        count: answer.key_count(),
        truncated: answer.is_truncated().unwrap_or(false),
        token: answer
            .next_continuation_token
            .filter(|token| !token.is_empty()),
    })
}

fn folder_row(bucket: &str, folder: &str) -> Value {
    json!({
        "uri": format!("s3://{bucket}/{folder}"),
        "bucket": bucket,
        "key": folder,
        "size": null,
        "etag": null,
        "last_modified": null,
    })
}

/// A key as it is.
fn text(key: &str, encoded: bool, asked: &Asked) -> Result<String> {
    if encoded {
        decoded(key).ok_or_else(|| asked.fault("a key that is no text"))
    } else {
        Ok(key.to_owned())
    }
}

fn listed(object: &Object, encoded: bool, asked: &Asked) -> Result<Listed> {
    let key = object
        .key()
        .ok_or_else(|| asked.fault("an object without a key"))?;
    let key = text(key, encoded, asked)?;
    let size = object.size().and_then(|size| u64::try_from(size).ok());
    Ok(Listed {
        size: size.ok_or_else(|| asked.fault("an object without a size"))?,
        key,
        etag: object.e_tag().map(|etag| unquoted(etag).to_owned()),
        modified: object.last_modified().copied(),
    })
}

/// A moment of the store's.
pub(super) fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), time.subsec_nanos().try_into().ok()?).ok()
}

/// A key as `encoding-type=url` writes it: like a form, where a `+` is a space.
pub(super) fn decoded(key: &str) -> Option<String> {
    if !key.contains(['%', '+']) {
        return Some(key.to_owned());
    }
    let spaced = key.replace('+', " ");
    let text = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(text.into_owned())
}

enum Next {
    First,
    Token(String),
    None,
}

/// A listing on its way: what was given so far, and whether what comes fits it.
struct Walk {
    part: Part,
    next: Next,
    order: Order,
    hasher: RandomState,
    tokens: HashSet<u64>,
    /// The first keys of the pages so far.
    firsts: HashSet<u64>,
}

impl Walk {
    fn new(part: Part) -> Walk {
        Walk {
            part,
            next: Next::First,
            order: Order::default(),
            hasher: RandomState::new(),
            tokens: HashSet::new(),
            firsts: HashSet::new(),
        }
    }

    /// Takes a page over; the error says what the store gave that it must not give.
    fn take(&mut self, given: Given) -> std::result::Result<Page, String> {
        let most = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let count = given.objects.len() + given.folders.len();
        if count > most {
            return Err(format!("{count} keys where {most} were asked for"));
        }
        if let Some(said) = given.count
            && usize::try_from(said) != Ok(count)
        {
            return Err(format!("a page that counts {said} keys and holds {count}"));
        }
        self.next = self.next_of(given.truncated, given.token)?;
        if let Some(first) = given.objects.first() {
            let is_new = self.firsts.insert(self.hasher.hash_one(&first.key));
            if !is_new || self.order.goes_back(&first.key) {
                return Err(format!("the page from '{}' once more", first.key));
            }
        }
        for object in &given.objects {
            self.check(&object.key)?;
            self.order.see(&object.key);
        }
        for folder in &given.folders {
            self.check(folder)?;
        }
        Ok(Page {
            objects: given.objects,
            folders: given.folders,
            order: self.order.clone(),
        })
    }

    fn next_of(&mut self, truncated: bool, token: Option<String>) -> Result<Next, String> {
        match (truncated, token) {
            (false, _) => Ok(Next::None),
            (true, None) => Err("a truncated page without a token for the next".to_owned()),
            (true, Some(token)) if self.tokens.insert(self.hasher.hash_one(&token)) => {
                Ok(Next::Token(token))
            }
            (true, Some(_)) => Err("the token of a page that was read already".to_owned()),
        }
    }

    fn check(&self, key: &str) -> Result<(), String> {
        let Part { prefix, after, .. } = &self.part;
        if !key.starts_with(prefix.as_str()) {
            return Err(format!(
                "the key '{key}', which does not begin with '{prefix}'"
            ));
        }
        match after {
            Some(after) if Order::is_after_nowhere(key, after) => Err(format!(
                "the key '{key}', which does not come after '{after}'"
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(keys: &[&str], token: Option<&str>) -> Given {
        let object = |key: &&str| Listed {
            key: (*key).to_owned(),
            size: 1,
            etag: None,
            modified: None,
        };
        Given {
            objects: keys.iter().map(object).collect(),
            folders: Vec::new(),
            count: i32::try_from(keys.len()).ok(),
            truncated: token.is_some(),
            token: token.map(str::to_owned),
        }
    }

    fn walk() -> Walk {
        Walk::new(Part {
            prefix: "d/".to_owned(),
            after: Some("d/0".to_owned()),
            ..Part::default()
        })
    }

    #[test]
    fn a_listing_that_is_whole_is_taken_as_it_is() {
        let mut walk = walk();
        for (keys, token) in [
            (&["d/a", "d/b"][..], Some("t1")),
            (&[], Some("t2")),
            (&["d/c"], None),
        ] {
            let page = walk.take(given(keys, token)).unwrap();
            assert!(
                page.objects
                    .iter()
                    .map(|object| object.key.as_str())
                    .eq(keys.iter().copied())
            );
        }
        assert!(matches!(walk.next, Next::None));
    }

    #[test]
    fn what_cannot_be_all_is_a_fault() {
        let fault = |pages: &[Given]| -> String {
            let mut walk = walk();
            let mut last = String::new();
            for page in pages {
                let page = Given {
                    objects: page.objects.clone(),
                    folders: Vec::new(),
                    token: page.token.clone(),
                    ..*page
                };
                match walk.take(page) {
                    Ok(_) => last.clear(),
                    Err(fault) => last = fault,
                }
            }
            last
        };
        let truncated = Given {
            truncated: true,
            ..given(&["d/a"], None)
        };
        let miscounted = Given {
            count: Some(2),
            ..given(&["d/a"], None)
        };
        let many = vec!["d/a"; 1001];
        for (pages, what) in [
            (
                vec![truncated],
                "a truncated page without a token for the next",
            ),
            (vec![miscounted], "a page that counts 2 keys and holds 1"),
            (
                vec![given(&many, None)],
                "1001 keys where 1000 were asked for",
            ),
            (
                vec![
                    given(&["d/a"], Some("t")),
                    given(&["d/b"], Some("u")),
                    given(&["d/c"], Some("t")),
                ],
                "the token of a page that was read already",
            ),
            (
                vec![
                    given(&["d/a", "d/b"], Some("t")),
                    given(&["d/a", "d/b"], Some("u")),
                ],
                "the page from 'd/a' once more",
            ),
            (
                vec![
                    given(&["d/a", "d/c"], Some("t")),
                    given(&["d/b", "d/d"], Some("u")),
                ],
                "the page from 'd/b' once more",
            ),
            (
                vec![given(&["e/a"], None)],
                "the key 'e/a', which does not begin with 'd/'",
            ),
            (
                vec![given(&["d/0"], None)],
                "the key 'd/0', which does not come after 'd/0'",
            ),
            (
                vec![given(&["d/!"], None)],
                "the key 'd/!', which does not come after 'd/0'",
            ),
        ] {
            assert_eq!(fault(&pages), what);
        }
    }

    #[test]
    fn a_store_without_any_order_is_read_to_its_end() {
        let mut walk = walk();
        walk.take(given(&["d/c", "d/a"], Some("t"))).unwrap();
        let page = walk.take(given(&["d/b"], None)).unwrap();
        assert!(!page.order.is_known());
    }

    #[test]
    fn keys_are_decoded_as_a_form_is() {
        for (text, key) in [
            ("a+b%2Bc.tif", "a b+c.tif"),
            ("%C3%A4%2520%26x", "ä%20&x"),
            ("plain/key", "plain/key"),
            ("%01", "\u{1}"),
        ] {
            assert_eq!(decoded(text).as_deref(), Some(key));
        }
        assert_eq!(decoded("%ff"), None);
    }
}
