//! `table list|show|snapshots` and `iceberg::`, held against what pyiceberg says of the same tables.

use serde_json::{Value, json};

use super::lakes::{Lake, on_both_lakes};
use super::operator::Operator;
use super::warehouse::Warehouse;
use super::wire::{Wire, reply};

/// A table of three appends, partitioned by a column; tells what pyiceberg knows of its snapshots.
const ROADS: &str = r#"
from pyiceberg.partitioning import PartitionSpec, PartitionField
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType
schema = Schema(NestedField(1, "dataset_id", StringType()), NestedField(2, "n", LongType()))
spec = PartitionSpec(PartitionField(source_id=1, field_id=1000, transform=IdentityTransform(), name="dataset_id"))
table = catalog.create_table(f"{space}.roads", schema=schema, partition_spec=spec)
for number in range(3):
    table.append(pa.table({"dataset_id": ["a", "b", None], "n": [number, None, 7]}, schema=table.schema().as_arrow()))
table.delete("n = 1")
table = catalog.load_table(f"{space}.roads")
told({"location": table.location(), "uuid": str(table.metadata.table_uuid), "rows": table.scan().to_arrow().num_rows,
      "files": table.inspect.files().num_rows,
      "snapshots": [{"snapshot": str(s.snapshot_id), "parent": s.parent_snapshot_id and str(s.parent_snapshot_id),
                     "sequence": s.sequence_number, "operation": s.summary.operation.value,
                     "records": int(s.summary["total-records"])} for s in reversed(table.snapshots())]})
"#;

fn rows(value: &Value, fields: &[&str]) -> Vec<Value> {
    let row = |row: &Value| {
        fields
            .iter()
            .map(|name| ((*name).to_owned(), row[*name].clone()))
            .collect()
    };
    value.as_array().unwrap().iter().map(row).collect()
}

fn asked_for_tokens(wire: &Wire) -> usize {
    wire.that(|request| request.target.ends_with("/oauth/tokens"))
        .len()
}

fn failing(operator: &Operator, name: &'static str, value: &str) -> String {
    let ran = operator.run_in(
        &[(name, value.to_owned())],
        &["eval", "iceberg::namespaces().count()"],
    );
    assert!(matches!(ran.code, Some(1 | 2)), "{ran}");
    ran.stderr
}

on_both_lakes! {
    fn tables_are_what_pyiceberg_says_of_them(lake) {
        let warehouse = Warehouse::of(lake);
        let operator = warehouse.operator();
        let known = warehouse.python(ROADS);
        let table = warehouse.table("roads");
        let listed = operator.run(&["table", "list", "--namespace", &warehouse.namespace, "--json"]).json();
        assert_eq!(rows(&listed, &["table", "records", "files", "snapshots"]),
            [json!({"table": table, "records": known["rows"], "files": known["files"], "snapshots": known["snapshots"].as_array().unwrap().len()})]);
        let shown = operator.run(&["table", "show", &table, "--json"]).json();
        for field in ["location", "uuid"] {
            assert_eq!(shown[field], known[field]);
        }
        assert_eq!(shown["snapshot"], known["snapshots"][0]["snapshot"]);
        assert_eq!(rows(&shown["columns"], &["name", "type"]), [json!({"name": "dataset_id", "type": "string"}), json!({"name": "n", "type": "long"})]);
        assert_eq!(rows(&shown["partitions"], &["source", "transform"]), [json!({"source": "dataset_id", "transform": "identity"})]);
        let snapshots = operator.run(&["table", "snapshots", &table, "--json"]).json();
        let fields = ["snapshot", "parent", "sequence", "operation", "records"];
        assert_eq!(rows(&snapshots, &fields), known["snapshots"].as_array().unwrap()[..]);
        assert_eq!(snapshots[0]["refs"], json!(["main"]));
        let table = operator.run(&["table", "snapshots", &table]).success();
        assert!(table.contains(known["snapshots"][3]["snapshot"].as_str().unwrap()), "{table}");
    }

    fn tables_are_listed_over_all_pages(lake) {
        let warehouse = Warehouse::of(lake);
        warehouse.python("
schema = pa.schema([('a', pa.int64())])
for number in range(120):
    catalog.create_table(f'{space}.t{number:03}', schema)
");
        let script = format!("iceberg::tables(\"{}\").map(|found| found.name).collect()", warehouse.namespace);
        let names = warehouse.operator().run(&["eval", "--json", &script]).json();
        let expected: Vec<String> = (0..120).map(|number| format!("t{number:03}")).collect();
        assert_eq!(names, json!(expected));
        let pages = warehouse.catalogue.that(|request| request.target.contains("/tables?"));
        assert!(pages.len() >= 2, "{}", pages.len());
        assert_eq!(asked_for_tokens(&warehouse.catalogue), 1);
    }

    fn what_is_not_there_is_told_with_the_nearest_table(lake) {
        let warehouse = Warehouse::of(lake);
        let operator = warehouse.operator();
        warehouse.python("catalog.create_table(f'{space}.roads', pa.schema([('a', pa.int64())]))");
        let failed = operator.run(&["table", "show", &warehouse.table("raods")]).failure(1);
        assert!(failed.contains(&format!("did you mean '{}'?", warehouse.table("roads"))), "{failed}");
        let tried = format!("iceberg::try_table(\"{}\")", warehouse.table("nothing"));
        assert_eq!(operator.run(&["eval", "--json", &tried]).success(), "null\n");
        let empty = operator.run(&["table", "snapshots", &warehouse.table("roads")]);
        assert!(empty.stderr.contains("nothing was ever written to it"), "{empty}");
        let odd = operator.run(&["table", "show", "roads"]).failure(2);
        assert!(odd.contains("write namespace.table"), "{odd}");
    }

    fn a_catalogue_that_cannot_be_used_is_told_with_its_settings(lake) {
        let warehouse = Warehouse::of(lake);
        let operator = warehouse.operator();
        let wrong = failing(&operator, "DASHI_ICEBERG_CLIENT_SECRET", "not-the-secret");
        assert!(wrong.contains("let its client not in") && wrong.contains("iceberg.client_secret"), "{wrong}");
        assert!(!wrong.contains("not-the-secret"), "{wrong}");
        let away = failing(&operator, "DASHI_ICEBERG_URL", "http://127.0.0.1:9");
        assert!(away.contains("iceberg cannot be reached at") && away.contains("DASHI_ICEBERG_URL"), "{away}");
        let off = failing(&operator, "DASHI_ICEBERG_URL", "off");
        assert!(off.contains("this lake has no such service: iceberg_url is off"), "{off}");
        warehouse.catalogue.answering(|request| request.target.contains("/namespaces").then(|| {
            reply("200 OK", "{\"namespaces\": [[\"a\"]], \"next-page-token\": \"again\"}")
        }));
        let again = operator.run(&["eval", "iceberg::namespaces().count()"]).failure(1);
        assert!(again.contains("a page token that it has given before"), "{again}");
        warehouse.catalogue.answering(|request| request.target.contains("/namespaces").then(|| reply("200 OK", "{\"error\": {\"message\": \"broken\"}}")));
        let odd = operator.run(&["eval", "iceberg::namespaces().count()"]).failure(1);
        assert!(odd.contains("an answer without 'namespaces'"), "{odd}");
        warehouse.catalogue.answering(|request| request.header("authorization").map(|_| reply("401 Unauthorized", "")));
        let refused = operator.run(&["eval", "iceberg::namespaces().count()"]).failure(1);
        assert!(refused.contains("iceberg answered 401"), "{refused}");
    }

    fn no_token_of_the_catalogue_is_in_a_trace(lake) {
        let warehouse = Warehouse::of(lake);
        let ran = warehouse.operator().run(&["-vv", "eval", "iceberg::namespaces().count()"]);
        assert_eq!(ran.code, Some(0), "{ran}");
        let sent = warehouse.catalogue.requests();
        let tokens = sent.iter().filter_map(|request| request.header("authorization"));
        let tokens: Vec<&str> = tokens.filter_map(|value| value.split(' ').nth(1)).collect();
        assert!(!tokens.is_empty() && !tokens.iter().any(|token| ran.stderr.contains(token)), "{ran}");
    }
}

#[test]
fn of_two_commits_at_once_to_the_sandbox_the_second_is_refused() {
    let warehouse = Warehouse::of(Lake::Sandbox);
    let told = warehouse.python(
        "
from pyiceberg.exceptions import CommitFailedException
schema = pa.schema([('a', pa.int64())])
first = catalog.create_table(f'{space}.t', schema)
second = catalog.load_table(f'{space}.t')
rows = pa.table({'a': [1]}, schema=schema)
first.append(rows)
try:
    second.append(rows)
    told('both')
except CommitFailedException as failed:
    told(str(failed))
",
    );
    assert!(
        told.as_str().unwrap().contains("assert-ref-snapshot-id"),
        "{told}"
    );
}
