//! The lake's store, as the library of Iceberg reads from it: ranges of objects. It writes nothing; what is written goes
//! through the gate.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use iceberg::io::{
    FileIO, FileIOBuilder, FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage,
    StorageConfig, StorageFactory,
};
use serde::{Deserialize, Serialize};

use super::fault::within;
use crate::clients::s3::S3;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;

/// The most bytes that are read at once: a footer, a manifest, a column of a row group.
const MOST: usize = 1 << 30;

/// The store, for reading.
#[derive(Clone, Serialize, Deserialize)]
struct Readable {
    #[serde(skip)]
    s3: Option<S3>,
}

/// How the library reads the files of tables in this store.
pub(super) fn readable(s3: &S3) -> FileIO {
    FileIOBuilder::new(Arc::new(Readable {
        s3: Some(s3.clone()),
    }))
    .build()
}

/// The object that a location of a table names. `s3a` and `s3n` are what Hadoop calls the same store.
pub(super) fn object_at(location: &str) -> Result<ObjectRef> {
    let rest = ["s3://", "s3a://", "s3n://"]
        .iter()
        .find_map(|scheme| location.strip_prefix(scheme));
    match rest.and_then(|rest| rest.split_once('/')) {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok(ObjectRef {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        }),
        _ => Err(Error::new(
            Kind::Invalid,
            format!("'{location}' is no object of the lake's store"),
        )
        .hint("the files of the table must be in the store of s3_endpoint, with s3:// locations")),
    }
}

/// All bytes of the file at a location.
pub(super) async fn bytes_of(s3: &S3, location: &str) -> Result<Bytes> {
    let at = object_at(location)?;
    let bytes = s3.read(&at.bucket, &at.key, None, MOST).await?;
    Ok(Bytes::from(bytes))
}

impl std::fmt::Debug for Readable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readable")
    }
}

impl Readable {
    fn s3(&self) -> iceberg::Result<&S3> {
        self.s3
            .as_ref()
            .ok_or_else(|| within(Error::internal("tables are read without a store")))
    }
}

#[typetag::serde]
impl StorageFactory for Readable {
    fn build(&self, _: &StorageConfig) -> iceberg::Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
#[typetag::serde]
impl Storage for Readable {
    async fn exists(&self, path: &str) -> iceberg::Result<bool> {
        match self.metadata(path).await {
            Ok(_) => Ok(true),
            Err(error) => match super::fault::fault(path, &error) {
                error if error.kind() == Kind::NotFound => Ok(false),
                _ => Err(error),
            },
        }
    }

    async fn metadata(&self, path: &str) -> iceberg::Result<FileMetadata> {
        let at = object_at(path).map_err(within)?;
        let head = self.s3()?.head(&at.bucket, &at.key).await;
        let head = head.map_err(within)?;
        let size = head["size"].as_u64().unwrap_or_default();
        Ok(FileMetadata { size })
    }

    async fn read(&self, path: &str) -> iceberg::Result<Bytes> {
        bytes_of(self.s3()?, path).await.map_err(within)
    }

    async fn reader(&self, path: &str) -> iceberg::Result<Box<dyn FileRead>> {
        let at = object_at(path).map_err(within)?;
        let s3 = self.s3()?.clone();
        Ok(Box::new(Ranges { s3, at }))
    }

    async fn write(&self, path: &str, _: Bytes) -> iceberg::Result<()> {
        Err(only_read(path))
    }

    async fn writer(&self, path: &str) -> iceberg::Result<Box<dyn FileWrite>> {
        Err(only_read(path))
    }

    async fn delete(&self, path: &str) -> iceberg::Result<()> {
        Err(only_read(path))
    }

    async fn delete_prefix(&self, path: &str) -> iceberg::Result<()> {
        Err(only_read(path))
    }

    async fn delete_stream(&self, _: BoxStream<'static, String>) -> iceberg::Result<()> {
        Err(only_read("a file"))
    }

    fn new_input(&self, path: &str) -> iceberg::Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    fn new_output(&self, path: &str) -> iceberg::Result<OutputFile> {
        Err(only_read(path))
    }
}

fn only_read(path: &str) -> iceberg::Error {
    within(Error::internal(format!(
        "{path} would be changed by who only reads"
    )))
}

/// An object that is read a range at a time.
struct Ranges {
    s3: S3,
    at: ObjectRef,
}

#[async_trait]
impl FileRead for Ranges {
    async fn read(&self, range: Range<u64>) -> iceberg::Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let (first, last) = (range.start, range.end - 1);
        let ObjectRef { bucket, key } = &self.at;
        let asked = format!("{first}-{last}");
        let bytes = self.s3.read(bucket, key, Some(&asked), MOST).await;
        let bytes = bytes.map_err(within)?;
        if bytes.len() as u64 != range.end - range.start {
            let message = format!(
                "bytes {asked} of {} were asked for, and {} came",
                self.at,
                bytes.len()
            );
            return Err(within(
                Error::new(Kind::Protocol, message).hint("was the file cut off?"),
            ));
        }
        Ok(Bytes::from(bytes))
    }
}
