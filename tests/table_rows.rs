//! Rows that are taken out of tables and brought back, and tables that are rolled back: what pyiceberg reads then.

use serde_json::{Value, json};

use super::lakes::{Lake, on_both_lakes};
use super::operator::{Operator, Ran};
use super::realm::last_run;
use super::warehouse::Warehouse;

/// Random tables of an ordinary run of the tests on each lake, and of a full one.
const TABLES: (usize, usize) = (12, 200);
const RANDOM: &str = include_str!("random_tables.py");

/// A table of two files: `n` from 0 to 5 of `a`, and from 6 to 9 of `b`.
const PLAIN: &str = "
schema = pa.schema([('dataset', pa.string()), ('n', pa.int64())])
table = catalog.create_table(f'{space}.plain', schema)
table.append(pa.table({'dataset': ['a'] * 6, 'n': list(range(6))}, schema=schema))
table.append(pa.table({'dataset': ['b'] * 4, 'n': list(range(6, 10))}, schema=schema))
";
const READ: &str = "
table = catalog.load_table(f'{space}.plain')
told({'n': sorted(table.scan().to_arrow()['n'].to_pylist()), 'snapshots': len(table.snapshots()),
      'operation': table.current_snapshot().summary.operation.value})
";

/// Deletes where the condition is true, as a runbook does.
fn delete(operator: &Operator, table: &str, condition: &str, flags: &[&str]) -> Ran {
    let script = format!("iceberg::delete_where(\"{table}\", `{condition}`)");
    let line = ["eval", "--effect", "destroy", "--json", &script];
    operator.run(&[&line, flags].concat())
}

fn deleted(operator: &Operator, table: &str, condition: &str) -> Value {
    delete(operator, table, condition, &["--apply", "--yes"]).json()
}

fn tables() -> usize {
    let is_full = std::env::var_os("DASHICTL_TEST_FULL").is_some();
    if is_full { TABLES.1 } else { TABLES.0 }
}

on_both_lakes! {
    fn what_is_left_of_random_tables_is_what_pyiceberg_reads(lake) {
        let warehouse = Warehouse::of(lake);
        let operator = warehouse.operator();
        let seeds: Vec<usize> = (0..tables()).collect();
        for some in seeds.chunks(10) {
            let made = warehouse.python(&format!("{RANDOM}\ntold([make(seed) for seed in {some:?}])"));
            let made = made.as_array().unwrap();
            let deletes: Vec<String> = made.iter().map(|known| format!(
                "iceberg::delete_where({}, {})", known["table"], known["condition"]
            )).collect();
            let script = format!("[{}]", deletes.join(", "));
            let done = operator.run(&["eval", "--effect", "destroy", "--json", &script, "--apply", "--yes"]).json();
            let known = json!({"made": made, "done": done}).to_string();
            let check = format!("{RANDOM}\nknown = json.loads({known:?})
told([fault for made, done in zip(known['made'], known['done']) for fault in wrong(made, done) + goes_on(made)])");
            assert_eq!(warehouse.python(&check), json!([]));
        }
    }

    fn rows_are_deleted_and_brought_back_by_snapshots_of_their_own(lake) {
        let warehouse = Warehouse::of(lake);
        let operator = warehouse.operator();
        let table = warehouse.table("plain");
        warehouse.python(PLAIN);
        let preview = delete(&operator, &table, "n >= 4 and n < 20", &[]);
        assert_eq!(preview.code, Some(0), "{preview}");
        let told: Value = serde_json::from_str(&preview.stdout).unwrap();
        let facts = &told["plan"]["effects"][0]["facts"];
        assert_eq!((&facts["rows"], &facts["files"], &facts["rewritten"]), (&json!(6), &json!(1), &json!(1)), "{told:#}");
        assert!(told["plan"]["totals"]["steps"][0]["told"] == "6 rows: 1 file goes whole, 1 file is written anew", "{told:#}");
        assert_eq!(warehouse.python(READ)["snapshots"], 2);
        let done = deleted(&operator, &table, "n >= 4 and n < 20");
        assert_eq!((&done["rows"], &done["deleted_files"], &done["rewritten_files"]), (&json!(6), &json!(1), &json!(1)), "{done:#}");
        assert_eq!(warehouse.python(READ), json!({"n": [0, 1, 2, 3], "snapshots": 3, "operation": "overwrite"}));
        // Somebody goes on with the table; what they wrote stays.
        warehouse.python("
table = catalog.load_table(f'{space}.plain')
table.append(pa.table({'dataset': ['c'], 'n': [77]}, schema=table.schema().as_arrow()))");
        let undone = operator.run(&["undo", &last_run(&operator), "--yes"]);
        assert_eq!(undone.code, Some(0), "{undone}");
        assert_eq!(warehouse.python(READ), json!({"n": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 77], "snapshots": 5, "operation": "append"}));
        // What brought them back is taken back as well.
        let again = operator.run(&["undo", &last_run(&operator), "--yes"]);
        assert_eq!(again.code, Some(0), "{again}");
        assert_eq!(warehouse.python(READ)["n"], json!([0, 1, 2, 3, 77]));
    }

    fn the_rows_of_a_snapshot_go_with_its_files(lake) {
        let warehouse = Warehouse::of(lake);
        let operator = warehouse.operator();
        let table = warehouse.table("plain");
        warehouse.python(PLAIN);
        let snapshots = operator.run(&["table", "snapshots", &table, "--json"]).json();
        let script = format!("iceberg::delete_snapshot(\"{table}\", {})", snapshots[0]["snapshot"]);
        let line = ["eval", "--effect", "destroy", "--json", &script, "--apply", "--yes"];
        let done = operator.run(&line).json();
        assert_eq!((&done["rows"], &done["rewritten_files"]), (&json!(4), &json!(0)), "{done:#}");
        assert_eq!(warehouse.python(READ), json!({"n": [0, 1, 2, 3, 4, 5], "snapshots": 3, "operation": "delete"}));
        // What it took away as a whole is the same file when it is brought back.
        let run = last_run(&operator);
        let undone = operator.run(&["undo", &run, "--yes"]);
        assert_eq!(undone.code, Some(0), "{undone}");
        assert_eq!(operator.run(&line).json()["rows"], 4);
        // They are gone already.
        assert_eq!(operator.run(&line).json()["rows"], 0);
        let first = format!("iceberg::delete_snapshot(\"{table}\", {})", snapshots[1]["snapshot"]);
        let all = operator.run(&["eval", "--effect", "destroy", &first]).failure(1);
        assert!(all.contains("would have no row left") && all.contains("may_empty"), "{all}");
        let _ = deleted(&operator, &table, "n = 3");
        let partly = operator.run(&["eval", "--effect", "destroy", &first]).failure(1);
        assert!(partly.contains("1 are there no more") && partly.contains("delete_where"), "{partly}");
        // What was written anew was not brought by who did that.
        let newest = operator.run(&["table", "show", &table, "--json"]).json();
        let rewriting = format!("iceberg::delete_snapshot(\"{table}\", {})", newest["snapshot"]);
        let refused = operator.run(&["eval", "--effect", "destroy", &rewriting]).failure(1);
        assert!(refused.contains("took files away as well"), "{refused}");
    }

    fn columns_that_have_changed_since_are_read_and_written_as_they_are_now(lake) {
        let warehouse = Warehouse::of(lake);
        let operator = warehouse.operator();
        let table = warehouse.table("plain");
        warehouse.python("
from pyiceberg.types import LongType, StringType
place = pa.struct([('x', pa.float64()), ('tags', pa.list_(pa.string()))])
schema = pa.schema([('k', pa.int32()), ('n', pa.int64()), ('place', place), ('gone', pa.string())])
table = catalog.create_table(f'{space}.plain', schema)
row = lambda n: {'k': n, 'n': n, 'place': None if n == 1 else {'x': n / 2, 'tags': ['a', None] if n % 2 else None}, 'gone': 'g'}
table.append(pa.Table.from_pylist([row(n) for n in range(6)], schema=schema))
with table.update_schema(allow_incompatible_changes=True) as update:
    update.update_column('k', LongType())
    update.rename_column('n', 'number')
    update.add_column('note', StringType())
    update.delete_column('gone')
table.append(pa.Table.from_pylist([{'k': 5_000_000_000, 'number': 6, 'place': None, 'note': 'new'}], schema=table.schema().as_arrow()))");
        let read = "
rows = catalog.load_table(f'{space}.plain').scan().to_arrow().to_pylist()
told(sorted(rows, key=lambda row: row['number']))";
        let before = warehouse.python(read);
        let without = |gone: &[i64]| -> Value {
            let rows = before.as_array().unwrap().iter();
            rows.filter(|row| !gone.contains(&row["number"].as_i64().unwrap())).cloned().collect()
        };
        let done = deleted(&operator, &table, "k >= 5 OR number = 0");
        assert_eq!((&done["rows"], &done["rewritten_files"]), (&json!(3), &json!(1)), "{done:#}");
        let first = last_run(&operator);
        assert_eq!(warehouse.python(read), without(&[0, 5, 6]));
        // What was written is read again, and so is what was brought back.
        assert_eq!(deleted(&operator, &table, "note IS NULL AND k = 3")["rows"], 1);
        assert_eq!(warehouse.python(read), without(&[0, 3, 5, 6]));
        let undone = operator.run(&["undo", &first, "--yes"]);
        assert_eq!(undone.code, Some(0), "{undone}");
        assert_eq!(warehouse.python(read), without(&[3]));
        assert_eq!(deleted(&operator, &table, "number IN (0, 6)")["rows"], 2);
        assert_eq!(warehouse.python(read), without(&[0, 3, 6]));
    }

    fn rows_are_brought_back_once_and_only_where_they_are_missed(lake) {
        let warehouse = Warehouse::of(lake);
        let operator = warehouse.operator();
        let table = warehouse.table("plain");
        warehouse.python(PLAIN);
        let delete_one = || {
            assert_eq!(deleted(&operator, &table, "n = 3")["rows"], 1);
            last_run(&operator)
        };
        let undo = |run: &str| operator.run(&["undo", run, "--yes"]);
        let all = json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        // At once: one of them does it.
        let first = delete_one();
        let undone: Vec<Ran> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..3).map(|_| scope.spawn(|| undo(&first))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(undone.iter().any(|ran| ran.code == Some(0)), "{}", undone[0]);
        assert_eq!(warehouse.python(READ)["n"], all);
        // Each for its own delete.
        let second = delete_one();
        let _ = undo(&first);
        let back = undo(&second);
        assert_eq!(back.code, Some(0), "{back}");
        assert_eq!(warehouse.python(READ)["n"], all);
        // The table was rolled back to before it: nobody misses them.
        let before = operator.run(&["table", "show", &table, "--json"]).json()["snapshot"].as_str().unwrap().to_owned();
        let third = delete_one();
        let _ = operator.run(&["table", "rollback", &table, &before, "--apply", "--yes"]).success();
        let nothing = undo(&third);
        assert!(nothing.code != Some(0) && nothing.stderr.contains("is no more in the history of"), "{nothing}");
        assert_eq!(warehouse.python(READ)["n"], all);
    }

    fn a_file_whose_columns_cannot_be_told_apart_is_refused(lake) {
        let warehouse = Warehouse::of(lake);
        let operator = warehouse.operator();
        warehouse.python("
import pyarrow.parquet, s3fs
from pyiceberg.types import LongType
given = given['properties']
files = s3fs.S3FileSystem(key=given['s3.access-key-id'], secret=given['s3.secret-access-key'], endpoint_url=given['s3.endpoint'])
def added(name, rows, properties):
    table = catalog.create_table(f'{space}.{name}', rows.schema)
    path = table.location() + '/data/own.parquet'
    pa.parquet.write_table(rows, path.removeprefix('s3://'), filesystem=files)
    table.add_files([path])
    with table.transaction() as changes:
        changes.remove_properties(*properties)
    return table
plain = pa.table({'id': [1, 2, 3], 'v': [10, 20, 30]})
place = pa.table({'id': [1, 2], 'place': [{'x': 1}, {'x': 2}]})
added('mapped', plain, [])
added('bare', plain, ['schema.name-mapping.default'])
added('nested', place, [])
table = catalog.create_table(f'{space}.grown', place.schema)
table.append(place)
with table.update_schema() as update:
    update.add_column(('place', 'y'), LongType())");
        assert_eq!(deleted(&operator, &warehouse.table("mapped"), "v = 20")["rows"], 1);
        let rows = warehouse.python("told(catalog.load_table(f'{space}.mapped').scan().to_arrow().to_pylist())");
        assert_eq!(rows, json!([{"id": 1, "v": 10}, {"id": 3, "v": 30}]));
        let mut refused = vec![
            ("nested", "the column 'place' holds several values in one"),
            ("grown", "the column 'place' holds several values in one"),
        ];
        // SeaweedFS keeps a property that is to be removed.
        if lake == Lake::Sandbox {
            refused.push(("bare", "the columns of"));
        }
        for (table, part) in refused {
            let refused = delete(&operator, &warehouse.table(table), "id = 2 AND id <> 7", &[]).failure(1);
            assert!(refused.contains(part) && refused.contains("rewrite"), "{refused}");
        }
    }

    fn a_table_is_rolled_back_and_forward_again(lake) {
        let warehouse = Warehouse::of(lake);
        let operator = warehouse.operator();
        let table = warehouse.table("plain");
        warehouse.python(PLAIN);
        let snapshots = operator.run(&["table", "snapshots", &table, "--json"]).json();
        let id = |number: usize| snapshots[number]["snapshot"].as_str().unwrap();
        let line = ["table", "rollback", &table, id(1), "--apply", "--yes"];
        let preview = operator.run(&line[..4]).success();
        assert!(preview.contains("branch main of") && preview.contains(id(1)), "{preview}");
        let done = operator.run(&[&line[..], &["--json"]].concat()).json();
        assert_eq!((&done["records"], &done["records_before"]), (&json!(6), &json!(10)), "{done:#}");
        assert_eq!(warehouse.python(READ), json!({"n": [0, 1, 2, 3, 4, 5], "snapshots": 2, "operation": "append"}));
        let run = last_run(&operator);
        // It is there, and what follows it is not before it.
        assert_eq!(operator.run(&line).code, Some(0));
        let odd = operator.run(&["table", "rollback", &table, id(0)]).failure(1);
        assert!(odd.contains("does not come before the current one"), "{odd}");
        let undone = operator.run(&["undo", &run, "--yes"]);
        assert_eq!(undone.code, Some(0), "{undone}");
        assert_eq!(warehouse.python(READ)["n"], json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
        // Nobody's commit is moved over.
        let _ = operator.run(&line).success();
        let run = last_run(&operator);
        warehouse.python("
table = catalog.load_table(f'{space}.plain')
table.append(pa.table({'dataset': ['c'], 'n': [77]}, schema=table.schema().as_arrow()))");
        let left = operator.run(&["undo", &run, "--yes"]);
        assert_eq!(left.code, Some(4), "{left}");
        assert_eq!(warehouse.python(READ)["n"], json!([0, 1, 2, 3, 4, 5, 77]));
    }

    fn what_cannot_be_deleted_is_refused_before_anything_is_written(lake) {
        let warehouse = Warehouse::of(lake);
        let operator = warehouse.operator();
        let table = warehouse.table("plain");
        warehouse.python(PLAIN);
        for (condition, part, code) in [
            ("n >= 0", "would have no row left", 1),
            ("m = 1", "the table has no column 'm'", 2),
            ("n = 'one'", "is no value of the column 'n'", 2),
            ("n = 1 or", "is no condition", 2),
        ] {
            let refused = delete(&operator, &table, condition, &["--apply", "--yes"]).failure(code);
            assert!(refused.contains(part) && refused.contains("hint"), "{refused}");
        }
        assert_eq!(delete(&operator, &table, "n > 100", &["--apply", "--yes"]).json(), json!({"table": table, "rows": 0}));
        assert_eq!(warehouse.python(READ)["snapshots"], 2);
    }
}
