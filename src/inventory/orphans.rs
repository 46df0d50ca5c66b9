//! The orphans of a bucket, found and kept on disk. What is an orphan is `sweep`'s to say, how all its objects are accounted
//! for is `summary`'s.

use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::knowledge::{KNOWN_FOR, Knowledge, Services};
use super::referenced::Referenced;
use super::summary::Summary;
use super::sweep::{Judge, Reason, Sweep};
use crate::clients::s3_list::{Listed, Part};
use crate::clients::s3_split::Stop;
use crate::error::{Error, Result};
use crate::scratch;

const WHAT: &str = "the orphans of this bucket";
const TABLES: &str = "CREATE TABLE orphan (key TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT, modified TEXT, written INTEGER)";

/// Rows of one page.
const PAGE: usize = 1000;

/// The orphans that were found.
pub struct Orphans {
    sweep: Sweep,
    table: Mutex<Connection>,
    known: Knowledge,
    /// The account of the bucket.
    pub summary: Summary,
}

impl Orphans {
    /// Reads what must be known, lists the whole bucket, and judges every object.
    pub async fn find(services: &Services, sweep: Sweep) -> Result<Orphans> {
        let known = Knowledge::read(services, &sweep).await?;
        let (found, resolved) = match Found::of_all(services, &sweep, &known).await {
            Ok(found) => found,
            // What came is not known to be all, so it begins anew, in one go.
            Err(Stop::Disorder) => Found::in_one_go(services, &sweep, &known).await?,
            Err(Stop::Failed(error)) => return Err(error),
        };
        let (table, mut summary) = found.end()?;
        summary.end(&sweep, &known, resolved);
        Ok(Orphans {
            sweep,
            table: Mutex::new(table),
            known,
            summary,
        })
    }

    /// What the catalogue refers to.
    #[must_use]
    pub fn referenced(&self) -> Arc<Referenced> {
        Arc::clone(&self.known.referenced)
    }

    /// The uploads that have been open so long that nobody may still be at them.
    #[must_use]
    pub fn stale_uploads(&self) -> Vec<Value> {
        let bucket = &self.sweep.bucket;
        let uploads = self.known.stale_uploads();
        uploads.map(|upload| upload.row(bucket)).collect()
    }

    /// The orphans, page by page.
    #[must_use]
    pub fn reading(self, services: Services) -> Reading {
        Reading {
            orphans: self,
            services,
            last: 0,
            fresh: None,
        }
    }
}

/// Orphans that are being found.
struct Found {
    table: Connection,
    summary: Summary,
}

impl Found {
    fn new(sweep: &Sweep) -> Result<Found> {
        let table = scratch::database(TABLES, WHAT)?;
        table.execute_batch("BEGIN").map_err(unkept)?;
        Ok(Found {
            table,
            summary: Summary::new(&sweep.bucket),
        })
    }

    /// Lists the bucket in several places at once. Gives how many of its references led to an object as well.
    async fn of_all(
        services: &Services,
        sweep: &Sweep,
        known: &Knowledge,
    ) -> std::result::Result<(Found, (u64, u64)), Stop> {
        let mut found = Found::new(sweep).map_err(Stop::Failed)?;
        let mut judge = known.judge(sweep);
        let cuts = known.referenced.cuts();
        let mut told = services.s3.everything(&sweep.bucket, cuts);
        while let Some(objects) = told.next().await {
            let objects = objects?;
            found.take(&mut judge, &objects).map_err(Stop::Failed)?;
        }
        Ok((found, judge.resolved()))
    }

    /// The same, one page after the other, in whatever order.
    async fn in_one_go(
        services: &Services,
        sweep: &Sweep,
        known: &Knowledge,
    ) -> Result<(Found, (u64, u64))> {
        let mut found = Found::new(sweep)?;
        let mut judge = known.judge(sweep);
        let mut pages = services.s3.pages(Part {
            bucket: sweep.bucket.clone(),
            ..Part::default()
        });
        while let Some(page) = pages.next().await {
            found.take(&mut judge, &page?.objects)?;
        }
        Ok((found, judge.resolved()))
    }

    fn take(&mut self, judge: &mut Judge<'_>, objects: &[Listed]) -> Result<()> {
        let insert =
            "INSERT INTO orphan (key, size, etag, modified, written) VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut insert = self.table.prepare_cached(insert).map_err(unkept)?;
        for object in objects {
            let written = object.written();
            let reason = judge.reason(&object.key, written);
            self.summary.add(object, reason);
            if reason == Reason::Orphan {
                let row = object.row(&self.summary.bucket);
                let modified = row["last_modified"].as_str();
                let nanoseconds = written.map(Timestamp::as_nanosecond);
                let nanoseconds = nanoseconds.and_then(|written| i64::try_from(written).ok());
                insert
                    .execute(params![
                        object.key,
                        object.size,
                        object.etag,
                        modified,
                        nanoseconds
                    ])
                    .map_err(unkept)?;
            }
        }
        Ok(())
    }

    fn end(self) -> Result<(Connection, Summary)> {
        self.table.execute_batch("COMMIT").map_err(unkept)?;
        Ok((self.table, self.summary))
    }
}

/// An orphan as a row of a listing, and when it was written.
type Row = (Value, Option<Timestamp>);

/// Orphans that are being read.
pub struct Reading {
    orphans: Orphans,
    services: Services,
    /// The row that was read last.
    last: i64,
    /// What was read since the orphans were found.
    fresh: Option<Knowledge>,
}

impl Reading {
    /// The next orphans as rows of a listing, or nothing after the last. Where working them off takes long, what is known
    /// is read again, and what is kept by then is left out.
    pub async fn page(&mut self) -> Result<Option<Vec<Value>>> {
        let (rows, last) = self.rows()?;
        let Some(last) = last else {
            return Ok(None);
        };
        self.last = last;
        let sweep = &self.orphans.sweep;
        let known = self.fresh.as_ref().unwrap_or(&self.orphans.known);
        if known.age() > KNOWN_FOR {
            self.fresh = Some(Knowledge::read(&self.services, sweep).await?);
        }
        let Some(fresh) = &self.fresh else {
            return Ok(Some(rows.into_iter().map(|(row, _)| row).collect()));
        };
        let mut judge = fresh.judge(sweep);
        let still = rows.into_iter().filter(|(row, written)| {
            let key = row["key"].as_str().unwrap_or_default();
            judge.reason(key, *written) == Reason::Orphan
        });
        Ok(Some(still.map(|(row, _)| row).collect()))
    }

    /// The next rows, and the place of the last of them.
    fn rows(&self) -> Result<(Vec<Row>, Option<i64>)> {
        let table = self
            .orphans
            .table
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let select = "SELECT rowid, key, size, etag, modified, written FROM orphan WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";
        let mut select = table.prepare_cached(select).map_err(unkept)?;
        let bucket = &self.orphans.sweep.bucket;
        let mut last = None;
        let rows = select
            .query_map(params![self.last, PAGE], |row| {
                last = Some(row.get(0)?);
                let key: String = row.get(1)?;
                let written: Option<i64> = row.get(5)?;
                let written =
                    written.and_then(|written| Timestamp::from_nanosecond(written.into()).ok());
                let object = json!({
                    "uri": format!("s3://{bucket}/{key}"),
                    "bucket": bucket,
                    "key": key,
                    "size": row.get::<_, u64>(2)?,
                    "etag": row.get::<_, Option<String>>(3)?,
                    "last_modified": row.get::<_, Option<String>>(4)?,
                });
                Ok((object, written))
            })
            .map_err(unkept)?;
        let rows = rows
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(unkept)?;
        Ok((rows, last))
    }
}

fn unkept(error: rusqlite::Error) -> Error {
    scratch::broken(WHAT, &error)
}
