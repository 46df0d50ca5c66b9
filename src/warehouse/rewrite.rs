//! A file written anew with some of the rows of another, in the table's current columns: those that stay, or those that are
//! brought back.

use arrow_array::{BooleanArray, RecordBatch};
use futures::TryStreamExt;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::io::FileIO;
use iceberg::spec::{DataFile, DataFileBuilder};
use iceberg::writer::file_writer::{FileWriter, FileWriterBuilder, ParquetWriterBuilder};
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::contents::{Contents, Live};
use super::draft::Pen;
use super::fault::fault;
use super::rows::plain;
use super::table::Table;
use super::touched::MADE_OF;
use crate::error::{Error, Kind, Result};
use crate::local_file::LocalFile;

/// So many rows are kept in memory until they are written.
const GROUP: usize = 1 << 17;
/// The most that one request writes.
const MOST: u64 = 5 << 30;

impl Table {
    /// A file with the rows of another that `keeps` says, written to the store beside it.
    pub(super) async fn rewritten(
        &self,
        pen: &mut Pen,
        (contents, live): (&Contents, &Live),
        keeps: impl Fn(&RecordBatch) -> Result<BooleanArray>,
    ) -> Result<DataFile> {
        let folder = tempfile::tempdir().map_err(|error| no_room(&error))?;
        let local = folder.path().join("rows.parquet");
        let name = local.display().to_string();
        let output = FileIO::new_with_fs().new_output(&name);
        let output = output.map_err(|error| fault(&name, &error))?;
        let properties = WriterProperties::builder()
            .set_compression(self.compression())
            .set_max_row_group_row_count(Some(GROUP))
            .build();
        let writer = ParquetWriterBuilder::new(properties, self.schema().clone());
        let writer = writer.build(output).await;
        let mut writer = writer.map_err(|error| fault(&name, &error))?;
        let columns = self.schema().as_struct().fields();
        let columns = columns.iter().map(|field| field.id).collect();
        let mut batches = self.rows_of(contents, live, columns)?;
        while let Some(batch) = batches.try_next().await? {
            let kept = arrow_select::filter::filter_record_batch(&batch, &keeps(&batch)?);
            let kept = kept.map_err(|error| fault(live.path(), &error))?;
            let kept = self.plain(&kept)?;
            let written = writer.write(&kept).await;
            written.map_err(|error| fault(live.path(), &error))?;
        }
        let written = writer.close().await;
        let mut written = written.map_err(|error| fault(live.path(), &error))?;
        let Some(mut made) = written.pop() else {
            return Err(Error::internal("a file without rows was to be written"));
        };
        let file = LocalFile::look(&local)?;
        if file.size > MOST {
            let message = format!("what is left of {} has more than 5 GiB", live.path());
            return Err(Error::new(Kind::TooLarge, message)
                .hint("have whoever writes the table compact it into smaller files"));
        }
        let location = beside(live.path(), &pen.name());
        pen.put_file(&location, &file).await?;
        named(&mut made, &location, (contents, live))
    }

    /// The rows as the table's schema has them, value by value.
    fn plain(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = batch.columns().iter().map(plain).collect::<Result<_>>()?;
        let schema = schema_to_arrow_schema(self.schema());
        let schema = schema.map_err(|error| fault("the table's schema", &error))?;
        RecordBatch::try_new(schema.into(), columns)
            .map_err(|error| fault("the rows of a file", &error))
    }

    /// How the table has its files compressed: with Zstandard, where it says nothing.
    fn compression(&self) -> Compression {
        let property = self
            .metadata
            .properties()
            .get("write.parquet.compression-codec");
        match property.map(|codec| codec.to_ascii_lowercase()).as_deref() {
            Some("uncompressed" | "none") => Compression::UNCOMPRESSED,
            Some("snappy") => Compression::SNAPPY,
            Some("gzip") => Compression::GZIP(parquet::basic::GzipLevel::default()),
            Some("lz4") => Compression::LZ4_RAW,
            Some("brotli") => Compression::BROTLI(parquet::basic::BrotliLevel::default()),
            _ => Compression::ZSTD(parquet::basic::ZstdLevel::default()),
        }
    }
}

/// The entry of a file that was written, which is of the same partition as the one it was made of.
fn named(
    made: &mut DataFileBuilder,
    location: &str,
    (contents, live): (&Contents, &Live),
) -> Result<DataFile> {
    let was = live.entry.data_file();
    let spec = contents.manifests[live.manifest].listed.partition_spec_id;
    made.file_path(location.to_owned())
        .partition(was.partition().clone())
        .partition_spec_id(spec);
    made.build().map_err(|error| fault(location, &error))
}

/// The location of a file that is made of another: beside it, by the name of the first that it goes back to.
fn beside(path: &str, name: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let first = file.split(MADE_OF).next().unwrap_or(file);
    format!("{folder}/{first}{MADE_OF}{name}.parquet")
}

fn no_room(error: &std::io::Error) -> Error {
    Error::new(Kind::Io, "there is no place for a file while it is written")
        .cause(error.to_string())
        .hint("make room in the folder for temporary files (TMPDIR)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_the_name_of_the_first_that_it_goes_back_to() {
        let once = beside("s3://a/t/data/b=1/x.parquet", "1");
        assert_eq!(once, "s3://a/t/data/b=1/x.parquet~1.parquet");
        assert_eq!(beside(&once, "2"), "s3://a/t/data/b=1/x.parquet~2.parquet");
    }
}
