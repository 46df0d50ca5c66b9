//! The columns of a file, as its footer tells them: whether its rows can be read by the numbers of the table's columns, and
//! written anew in them without a loss.

use iceberg::arrow::{ArrowFileReader, arrow_schema_to_schema};
use iceberg::io::FileMetadata;
use iceberg::spec::{DataFileFormat, NestedFieldRef, Schema, Type};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::contents::Live;
use super::fault::fault;
use super::table::Table;
use crate::error::{Error, Kind, Result};

/// What helps where a file cannot be read or written here.
pub(super) const REWRITE: &str =
    "have whoever writes the table rewrite the file (Spark: rewrite_data_files), then plan again";

impl Table {
    /// The columns of a file; none where they have no numbers, and the table says by their names which is which. Refuses a
    /// file of which that could only be guessed.
    pub(super) async fn columns_of(&self, live: &Live) -> Result<Option<Schema>> {
        let path = live.path();
        let format = live.entry.file_format();
        if format != DataFileFormat::Parquet {
            let message = format!("{path} is a file of {format}");
            return Err(Error::new(Kind::Invalid, message).hint(
                "only Parquet is read here: delete the rows with the engine that writes them",
            ));
        }
        let wrong = |error: &iceberg::Error| fault(path, error);
        let input = self.io.new_input(path).map_err(|error| wrong(&error))?;
        let reader = input.reader().await.map_err(|error| wrong(&error))?;
        let size = live.entry.file_size_in_bytes();
        let mut reader = ArrowFileReader::new(FileMetadata { size }, reader);
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let read = ArrowReaderMetadata::load_async(&mut reader, options).await;
        let read = read.map_err(|error| fault(path, &error))?;
        match arrow_schema_to_schema(read.schema()) {
            Ok(columns) => Ok(Some(columns)),
            Err(_) if self.name_mapping()?.is_some() => Ok(None),
            Err(error) => {
                let message = format!(
                    "the columns of {path} have no numbers, or are of types that tables do not have"
                );
                Err(Error::new(Kind::Invalid, message)
                    .caused_by(&error)
                    .hint(REWRITE))
            }
        }
    }

    /// Refuses a file that cannot be written anew: one with columns of several values that are not now as they were.
    pub(super) fn refuse_unwritable_file(
        &self,
        live: &Live,
        columns: Option<&Schema>,
    ) -> Result<()> {
        for field in self.schema().as_struct().fields() {
            let then = columns.and_then(|columns| columns.as_struct().field_by_id(field.id));
            let is_same =
                then.is_some_and(|then| shape(&then.field_type) == shape(&field.field_type));
            if !is_same && !field.field_type.is_primitive() {
                let message = format!(
                    "the column '{}' holds several values in one, and is another than when {} was written",
                    field.name,
                    live.path()
                );
                return Err(Error::new(Kind::Invalid, message).hint(REWRITE));
            }
        }
        Ok(())
    }
}

/// The numbers, names and types of what is in a type, in their order.
fn shape(kind: &Type) -> String {
    let of = |field: &NestedFieldRef| {
        format!("{} {} {}", field.id, field.name, shape(&field.field_type))
    };
    match kind {
        Type::Primitive(kind) => kind.to_string(),
        Type::Struct(fields) => {
            let fields: Vec<String> = fields.fields().iter().map(of).collect();
            format!("struct<{}>", fields.join(", "))
        }
        // Writers call what is in a list by names of their own.
        Type::List(list) => {
            let element = &list.element_field;
            format!("list<{} {}>", element.id, shape(&element.field_type))
        }
        Type::Map(map) => {
            let [key, value] = [&map.key_field, &map.value_field]
                .map(|field| format!("{} {}", field.id, shape(&field.field_type)));
            format!("map<{key}, {value}>")
        }
    }
}
