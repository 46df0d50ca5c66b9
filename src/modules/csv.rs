//! `csv::` — tables as text, with a header line.

use rhai::{Array, ImmutableString};
use serde_json::{Map, Value};

use crate::engine::registry::{Namespace, native};
use crate::engine::value::to_json;
use crate::error::{Error, Kind, Result};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "csv", "CSV text to maps and back.");
    let ns = &mut namespace;
    native! { ns,
        /// The rows of a CSV text with a header line, each a map of strings.
        ///
        /// ```rhai
        /// csv::parse("id,size\na,1\nb,2\n")[1].size
        /// //=> "2"
        /// ```
        read fn parse(call, text: ImmutableString) -> "array" {
            rows(&text).map_err(|error| Error::new(Kind::Invalid, "this text is no CSV").cause(error.to_string()))?
        }

        /// Maps as CSV text. The columns are the first row's keys, or `columns`.
        ///
        /// ```rhai
        /// csv::text([#{id: "a", size: 1}])
        /// //=> "id,size\na,1\n"
        /// ```
        read fn text(call, rows: Array) -> "string"
            options as options {
                /// The columns in order.
                columns: Array
            }
            {
                let rows = rows.iter().map(to_json).collect::<Result<Vec<_>>>()?;
                let columns = match options.array("columns") {
                    Some(columns) => columns.iter().map(ToString::to_string).collect(),
                    None => rows.first().and_then(Value::as_object).map(|row| row.keys().cloned().collect()).unwrap_or_default(),
                };
                written(&rows, &columns)
                    .map_err(|error| Error::new(Kind::Invalid, "these rows have no CSV form").cause(error))?
            }
    }
    namespace
}

fn rows(text: &str) -> std::result::Result<Vec<Value>, ::csv::Error> {
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let records = reader.deserialize::<std::collections::BTreeMap<String, String>>();
    records
        .map(|record| {
            Ok(Value::Object(
                record?
                    .into_iter()
                    .map(|(key, cell)| (key, cell.into()))
                    .collect(),
            ))
        })
        .collect()
}

fn written(rows: &[Value], columns: &Vec<String>) -> std::result::Result<String, String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let none = Map::new();
    writer
        .write_record(columns)
        .map_err(|error| error.to_string())?;
    for row in rows {
        let row = row.as_object().unwrap_or(&none);
        let cell = |column: &String| match row.get(column) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        writer
            .write_record(columns.iter().map(cell))
            .map_err(|error| error.to_string())?;
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}
