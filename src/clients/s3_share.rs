//! The objects of some folders of a bucket, told by the folder two deep that they are in: what is not wanted is not listed.
//! Who wants what is `lake::Share`'s.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};

use super::s3::S3;
use super::s3_list::{Listed, Page, Part};
use super::s3_split::{Stop, Told};
use crate::error::Result;
use crate::lake::Share;

/// Folders of one level that are listed at a time; how many requests are under way is the pace's business.
const AT_ONCE: usize = 8;
/// A folder so deep is in one share with all below it.
const DEEP: usize = 2;

impl S3 {
    /// Every object of a share of a bucket, in no order.
    #[must_use]
    pub fn of_share(&self, bucket: &str, share: Share) -> BoxStream<'static, Told> {
        let s3 = self.clone();
        below(
            Arc::new(move |part| s3.pages(part)),
            bucket.to_owned(),
            share,
        )
    }
}

type Fetch = Arc<dyn Fn(Part) -> BoxStream<'static, Result<Page>> + Send + Sync>;

fn below(fetch: Fetch, bucket: String, share: Share) -> BoxStream<'static, Told> {
    Level {
        fetch,
        bucket,
        share,
        prefix: String::new(),
        depth: 0,
    }
    .told()
}

/// A folder that is listed with what is right in it.
#[derive(Clone)]
struct Level {
    fetch: Fetch,
    bucket: String,
    share: Share,
    prefix: String,
    depth: usize,
}

impl Level {
    fn told(self) -> BoxStream<'static, Told> {
        let pages = (self.fetch)(Part {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            after: None,
            by_folder: self.depth < DEEP,
        });
        // Some stores give a folder again on the next page.
        let (hasher, mut seen) = (RandomState::new(), HashSet::new());
        let pages = pages.map(move |page| {
            page.map(|mut page| {
                page.folders
                    .retain(|folder| seen.insert(hasher.hash_one(folder)));
                page
            })
        });
        pages.flat_map(move |page| self.of_page(page)).boxed()
    }

    /// What is right on a page, and what lies in its folders.
    fn of_page(&self, page: Result<Page>) -> BoxStream<'static, Told> {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                return stream::once(std::future::ready(Err(Stop::Failed(error)))).boxed();
            }
        };
        let share = self.share;
        let mut objects = page.objects;
        objects.retain(|object| share.has(&object.key));
        let (markers, objects): (Vec<Listed>, Vec<Listed>) = objects
            .into_iter()
            .partition(|object| object.key == self.prefix);
        let above = self.clone();
        let markers = stream::iter(markers).then(move |marker| above.clone().confirmed(marker));
        let above = self.clone();
        let wanted = page.folders.into_iter().map(move |prefix| Level {
            prefix,
            depth: above.depth + 1,
            ..above.clone()
        });
        let wanted = wanted.filter(move |level| level.depth < DEEP || share.has(&level.prefix));
        let folders = stream::iter(wanted)
            .map(Level::told)
            .flatten_unordered(AT_ONCE);
        stream::once(std::future::ready(Ok(objects)))
            .chain(markers)
            .chain(folders)
            .boxed()
    }

    /// The folder's own marker, if it is there also for who does not ask for folders: some stores (SeaweedFS) show one of
    /// every empty folder to who does.
    async fn confirmed(self, marker: Listed) -> Told {
        let mut pages = (self.fetch)(Part {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            after: None,
            by_folder: false,
        });
        let first = pages.next().await.transpose().map_err(Stop::Failed)?;
        let mut objects = first.map(|page| page.objects).unwrap_or_default();
        objects.retain(|object| object.key == marker.key);
        Ok(objects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::s3_order::Order;
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    fn keys() -> BTreeSet<String> {
        let deep = (0..400).map(|n| format!("d{}/set-{n}/v/{n}.parquet", n % 3));
        let flat = (0..50).map(|n| format!("d{}/flat-{n}", n % 3));
        let odd = [
            "top",
            "top/",
            "d0/",
            "d0//x/y",
            "//",
            "/a/b/c",
            "d0/set-1",
            "d0/set-1/",
        ];
        deep.chain(flat).chain(odd.map(str::to_owned)).collect()
    }

    /// A store that lists these keys in pages of ten, and the prefixes that it was asked for.
    fn store(asked: Arc<Mutex<Vec<String>>>) -> Fetch {
        Arc::new(move |part: Part| {
            asked.lock().unwrap().push(part.prefix.clone());
            let (mut objects, mut folders) = (Vec::new(), BTreeSet::new());
            for key in keys() {
                let Some(rest) = key.strip_prefix(&part.prefix) else {
                    continue;
                };
                match rest.find('/').filter(|_| part.by_folder) {
                    Some(slash) => {
                        folders.insert(key[..=part.prefix.len() + slash].to_owned());
                    }
                    None => objects.push(Listed {
                        key: key.clone(),
                        size: 1,
                        etag: None,
                        modified: None,
                    }),
                }
            }
            let page = |objects: &[Listed]| Page {
                objects: objects.to_vec(),
                // Each page gives them all again.
                folders: folders.iter().cloned().collect(),
                order: Order::default(),
            };
            let mut pages: Vec<Result<Page>> = objects.chunks(10).map(page).map(Ok).collect();
            pages.push(Ok(page(&[])));
            stream::iter(pages).boxed()
        })
    }

    #[tokio::test]
    async fn shares_together_are_all_of_the_bucket_and_each_lists_only_its_own() {
        let mut all = Vec::new();
        for index in 1..=4 {
            let (asked, share) = (Arc::default(), format!("{index}/4").parse().unwrap());
            let told = below(store(Arc::clone(&asked)), "b".to_owned(), share);
            let told: Vec<Told> = told.collect().await;
            let mine = told
                .into_iter()
                .flat_map(Result::unwrap)
                .map(|object| object.key);
            all.extend(mine);
            let asked = asked.lock().unwrap();
            let deep = asked
                .iter()
                .filter(|prefix| prefix.matches('/').count() > 1)
                .count();
            assert!(
                (50..200).contains(&deep),
                "{deep} of 400 datasets were listed"
            );
        }
        all.sort();
        assert_eq!(all, keys().into_iter().collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn the_marker_of_a_folder_that_only_a_listing_of_folders_shows_is_none() {
        let good = store(Arc::default());
        let fetch: Fetch = Arc::new(move |part| {
            let is_shown = part.by_folder && part.prefix == "d1/";
            let pages = good(part);
            pages
                .map(move |page| {
                    page.map(|mut page| {
                        if is_shown {
                            page.objects.push(Listed {
                                key: "d1/".to_owned(),
                                size: 0,
                                etag: None,
                                modified: None,
                            });
                        }
                        page
                    })
                })
                .boxed()
        });
        let told: Vec<Told> = below(fetch, "b".to_owned(), "1/1".parse().unwrap())
            .collect()
            .await;
        let told = told.into_iter().flat_map(Result::unwrap);
        assert_eq!(told.count(), keys().len());
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_listed_ends_it() {
        let good = store(Arc::default());
        let fetch: Fetch = Arc::new(move |part| {
            if part.prefix == "d1/" {
                let error = crate::error::Error::internal("no");
                return stream::once(std::future::ready(Err(error))).boxed();
            }
            good(part)
        });
        let told: Vec<Told> = below(fetch, "b".to_owned(), "1/4".parse().unwrap())
            .collect()
            .await;
        assert!(told.iter().any(|told| matches!(told, Err(Stop::Failed(_)))));
    }
}
