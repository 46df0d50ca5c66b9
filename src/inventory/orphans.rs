//! The orphans of a bucket, found and kept on disk. What is an orphan is `sweep`'s to say, how all its objects are accounted
//! for is `summary`'s.

use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::Value;

use super::knowledge::{Knowledge, Services};
use super::referenced::Referenced;
use super::summary::Summary;
use super::sweep::{Judge, Reason, Sweep};
use crate::clients::s3_list::Listed;
use crate::clients::s3_split::{Stop, Told};
use crate::error::{Error, Result};
use crate::scratch;

const WHAT: &str = "the orphans of this bucket";
const TABLES: &str = "CREATE TABLE orphan (row TEXT NOT NULL, written INTEGER)";

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
        let told = sweep.share.map_or_else(
            || {
                let cuts = known.referenced.cuts();
                services.s3.everything(&sweep.bucket, cuts)
            },
            |share| services.s3.of_share(&sweep.bucket, share),
        );
        let found = match Found::of(&sweep, &known, told).await {
            // What came is not known to be all, so it begins anew, in one go.
            Err(Stop::Disorder) => {
                let told = services.s3.in_one_go(&sweep.bucket);
                Found::of(&sweep, &known, told).await
            }
            other => other,
        };
        let (found, resolved) = found.map_err(Stop::into_error)?;
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
        let uploads = uploads.filter(|upload| self.sweep.covers(&upload.key));
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
            summary: Summary::new(sweep),
        })
    }

    /// Judges what a listing tells. Gives how many of the bucket's references led to an object as well.
    async fn of(
        sweep: &Sweep,
        known: &Knowledge,
        mut told: BoxStream<'static, Told>,
    ) -> std::result::Result<(Found, (u64, u64)), Stop> {
        let mut found = Found::new(sweep).map_err(Stop::Failed)?;
        let mut judge = known.judge(sweep);
        while let Some(objects) = told.next().await {
            found.take(&mut judge, &objects?).map_err(Stop::Failed)?;
        }
        Ok((found, judge.resolved()))
    }

    fn take(&mut self, judge: &mut Judge<'_>, objects: &[Listed]) -> Result<()> {
        let insert = "INSERT INTO orphan (row, written) VALUES (?1, ?2)";
        let mut insert = self.table.prepare_cached(insert).map_err(unkept)?;
        for object in objects {
            let written = object.written();
            let reason = judge.reason(&object.key, written);
            self.summary.add(object, reason);
            if reason == Reason::Orphan {
                let mut row = object.row(&self.summary.bucket);
                if let Some(share) = self.summary.share {
                    row["share"] = share.to_string().into();
                }
                let row = row.to_string();
                let written = written.map(Timestamp::as_nanosecond);
                let written = written.and_then(|written| i64::try_from(written).ok());
                insert.execute(params![row, written]).map_err(unkept)?;
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
        if known.age() > sweep.known_for {
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
        let select =
            "SELECT rowid, row, written FROM orphan WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";
        let mut select = table.prepare_cached(select).map_err(unkept)?;
        let mut last = None;
        let rows = select
            .query_map(params![self.last, PAGE], |row| {
                last = Some(row.get(0)?);
                let written: Option<i64> = row.get(2)?;
                let written =
                    written.and_then(|written| Timestamp::from_nanosecond(written.into()).ok());
                Ok((row.get::<_, String>(1)?, written))
            })
            .map_err(unkept)?;
        let rows = rows.map(|row| {
            let (row, written) = row.map_err(unkept)?;
            let row = serde_json::from_str(&row)
                .map_err(|error| Error::internal("a row of orphans").cause(error.to_string()))?;
            Ok((row, written))
        });
        let rows = rows.collect::<Result<Vec<Row>>>()?;
        Ok((rows, last))
    }
}

fn unkept(error: rusqlite::Error) -> Error {
    scratch::broken(WHAT, &error)
}
