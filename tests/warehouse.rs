//! A namespace of tables of a test's own, in a lake's catalogue, which pyiceberg writes and reads as any other program does;
//! and an operator whose way to the catalogue is tapped.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::lakes::{Lake, Served, real_lake};
use super::operator::Operator;
use super::wire::Wire;

/// What each script has: the catalogue, the namespace, and what makes tables.
const PRELUDE: &str = r#"
import json, os
import pyarrow as pa
from pyiceberg.catalog import load_catalog
given = json.loads(os.environ["WAREHOUSE"])
catalog = load_catalog("lake", **given["properties"])
space = given["namespace"]

def told(value):
    print(json.dumps(value))
"#;

/// The files below the location of a table, and those that pyiceberg knows to be its own.
pub const FILES: &str = r#"
import s3fs
store = s3fs.S3FileSystem(key=given["properties"]["s3.access-key-id"], secret=given["properties"]["s3.secret-access-key"],
                          endpoint_url=given["properties"]["s3.endpoint"], use_listings_cache=False)

def files(table):
    return {"s3://" + path for path in store.find(table.location())}

def named(table):
    names = set(table.inspect.all_files()["file_path"].to_pylist()) | set(table.inspect.all_manifests()["path"].to_pylist())
    names |= set(table.inspect.metadata_log_entries()["file"].to_pylist()) | {table.metadata_location}
    names |= {snapshot.manifest_list for snapshot in table.snapshots()}
    return names | {kept.statistics_path for kept in table.metadata.statistics}
"#;

/// The namespace, in its lake.
pub struct Warehouse {
    /// The way to the catalogue.
    pub catalogue: Wire,
    /// The namespace's name.
    pub namespace: String,
    served: Served,
}

impl Warehouse {
    /// A new namespace, without tables.
    pub fn of(lake: Lake) -> Warehouse {
        Warehouse::within(lake.served())
    }

    /// The same in a catalogue of its own, for what looks at all tables there are.
    pub fn alone(lake: Lake) -> Warehouse {
        let mut served = lake.served();
        if served.addresses.iceberg.1.is_some() {
            let bucket = Lake::name("tables");
            table_bucket(&served, &bucket);
            served.addresses.iceberg.1 = Some(format!("s3://{bucket}"));
        }
        Warehouse::within(served)
    }

    fn within(served: Served) -> Warehouse {
        let warehouse = Warehouse {
            catalogue: Wire::before(&served.addresses.iceberg.0),
            namespace: Lake::name("space").replace('-', "_"),
            served,
        };
        warehouse.python("catalog.create_namespace(space)");
        warehouse
    }

    /// The configuration of an operator: everything of the lake, and its catalogue.
    pub fn configuration(&self) -> String {
        let addresses = &self.served.addresses;
        let warehouse = addresses.iceberg.1.as_ref();
        let warehouse = warehouse.map(|name| format!("warehouse = {name:?}\n"));
        format!(
            "iceberg_url = {:?}\n{}[iceberg]\n{}client_id = {:?}\nclient_secret = {:?}\n",
            self.catalogue.url(),
            addresses.configuration(),
            warehouse.unwrap_or_default(),
            addresses.access_key,
            addresses.secret_key
        )
    }

    /// One more operator.
    pub fn operator(&self) -> Operator {
        let operator = Operator::new();
        operator.config(&self.configuration());
        operator
    }

    /// Where the store is.
    pub fn store(&self) -> &str {
        &self.served.addresses.s3
    }

    /// Where the catalogue of items is.
    pub fn stac(&self) -> &str {
        &self.served.addresses.stac
    }

    /// The name of a table of the namespace, as everybody calls it.
    pub fn table(&self, name: &str) -> String {
        format!("{}.{name}", self.namespace)
    }

    /// The files that are below the location of a table.
    pub fn files(&self, table: &str) -> Value {
        self.python(&format!(
            "{FILES}told(sorted(files(catalog.load_table('{table}'))))"
        ))
    }

    /// What a script of pyiceberg tells, or nothing.
    pub fn python(&self, script: &str) -> Value {
        let addresses = &self.served.addresses;
        let mut properties = json!({"uri": addresses.iceberg.0, "credential": format!("{}:{}", addresses.access_key, addresses.secret_key),
            "s3.endpoint": addresses.s3, "s3.access-key-id": addresses.access_key, "s3.secret-access-key": addresses.secret_key,
            "s3.region": addresses.region});
        if let Some(warehouse) = &addresses.iceberg.1 {
            properties["warehouse"] = json!(warehouse);
        }
        let given = json!({"properties": properties, "namespace": self.namespace});
        let mut python = Command::new(&real_lake()["LAKE_PYTHON_ICEBERG"])
            .arg("-")
            .env("WAREHOUSE", given.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let text = format!("{PRELUDE}{script}");
        let mut input = python.stdin.take().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        drop(input);
        let output = python.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let told = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(told.trim()).unwrap_or_default()
    }
}

/// Makes a table bucket in the real lake's store.
fn table_bucket(served: &Served, name: &str) {
    let addresses = &served.addresses;
    let script = "import boto3, os, sys
boto3.client('s3tables', endpoint_url=sys.argv[1], region_name=sys.argv[2]).create_table_bucket(name=sys.argv[3])";
    let made = Command::new(&real_lake()["LAKE_PYTHON_S3"])
        .args(["-c", script, &addresses.s3, &addresses.region, name])
        .env("AWS_ACCESS_KEY_ID", &addresses.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &addresses.secret_key)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
}
