//! Deletes from tables that others write to at the same time, whose answers are lost, and that are killed at each of their
//! writes: what pyiceberg reads is all of a delete or nothing of it, and what somebody else wrote stays.

use serde_json::{Value, json};

use super::lakes::{Lake, on_both_lakes};
use super::operator::{Operator, Ran};
use super::realm::last_run;
use super::warehouse::Warehouse;
use super::wire::{Hook, Request, Wire, reply};

/// So many tables, each of two files: `n` from 0 to 5, and from 6 to 9.
const MADE: &str = "
schema = pa.schema([('n', pa.int64())])
for number in range(COUNT):
    table = catalog.create_table(f'{space}.t{number}', schema)
    table.append(pa.table({'n': list(range(6))}, schema=schema))
    table.append(pa.table({'n': list(range(6, 10))}, schema=schema))
told(table.location().rsplit('/', 1)[0].removeprefix('s3:/'))
";
/// The writes of a delete that takes a file whole and another in part: the rows that stay, two manifests, their list.
const WRITES: usize = 4;

/// The tables, and the ways to the catalogue and to the store.
struct Site {
    warehouse: Warehouse,
    s3: Wire,
}

impl Site {
    fn of(lake: Lake, tables: usize) -> Site {
        let warehouse = Warehouse::of(lake);
        let place = warehouse.python(&MADE.replace("COUNT", &tables.to_string()));
        let place = place.as_str().unwrap().to_owned();
        let s3 = Wire::before(warehouse.store());
        s3.counting(move |request: &Request| {
            request.method == "PUT" && request.target.starts_with(&place)
        });
        warehouse.catalogue.counting(is_commit);
        Site { warehouse, s3 }
    }

    fn operator(&self) -> Operator {
        self.warehouse
            .operator()
            .with("DASHI_S3_ENDPOINT", self.s3.url())
    }

    fn line(&self, table: usize, condition: &str) -> Vec<String> {
        let table = self.warehouse.table(&format!("t{table}"));
        let script = format!("iceberg::delete_where(\"{table}\", \"{condition}\")");
        [
            "eval", "--effect", "destroy", "--json", "--apply", "--yes", &script,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn delete(&self, operator: &Operator, table: usize, condition: &str) -> Ran {
        let line = self.line(table, condition);
        operator.run(&line.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn start(&self, operator: &Operator, table: usize, condition: &str) -> std::process::Child {
        let line = self.line(table, condition);
        operator.start(&line.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn append(&self, table: usize, numbers: &[i64]) {
        self.warehouse.python(&format!(
            "
table = catalog.load_table(f'{{space}}.t{table}')
table.append(pa.table({{'n': {numbers:?}}}, schema=table.schema().as_arrow()))"
        ));
    }

    /// The rows of each table.
    fn rows(&self, tables: usize) -> Value {
        self.warehouse.python(&format!(
            "told([sorted(catalog.load_table(f'{{space}}.t{{n}}').scan().to_arrow()['n'].to_pylist()) for n in range({tables})])"
        ))
    }

    /// The files of the table that no snapshot names.
    fn orphans(&self, table: usize) -> Value {
        self.warehouse.python(&format!("
table = catalog.load_table(f'{{space}}.t{table}')
named = set(table.inspect.all_files()['file_path'].to_pylist()) | set(table.inspect.all_manifests()['path'].to_pylist())
named |= {{snapshot.manifest_list for snapshot in table.snapshots()}}
import s3fs
given = given['properties']
files = s3fs.S3FileSystem(key=given['s3.access-key-id'], secret=given['s3.secret-access-key'], endpoint_url=given['s3.endpoint'])
there = {{'s3://' + path for path in files.find(table.location())}}
told(sorted(path for path in there - named if not path.endswith('.json')))"))
    }
}

fn is_commit(request: &Request) -> bool {
    request.method == "POST" && request.target.contains("/tables/")
}

on_both_lakes! {
    fn a_delete_that_is_killed_anywhere_is_resumed_or_taken_back(lake) {
        let points = WRITES + 1;
        let site = Site::of(lake, 2 * points);
        for table in 0..2 * points {
            let (point, resumes) = (table / 2, table % 2 == 0);
            let operator = site.operator();
            let (wire, at) = if point < WRITES { (&site.s3, point) } else { (&site.warehouse.catalogue, 0) };
            site.s3.forget();
            site.warehouse.catalogue.forget();
            wire.at_change(at, Hook::Hold);
            let mut child = site.start(&operator, table, "n >= 4");
            assert!(wire.is_held_before_end(&mut child), "{point}: {}", operator.ended(child));
            child.kill().unwrap();
            child.wait().unwrap();
            // What is under way reaches the service.
            wire.release();
            wire.wait_until_settled();
            let run = last_run(&operator);
            let rows = if resumes {
                let resumed = operator.run(&["resume", &run, "--yes"]);
                assert_eq!(resumed.code, Some(0), "killed at {point}: {resumed}");
                json!([0, 1, 2, 3])
            } else {
                let undone = operator.run(&["undo", &run, "--yes"]);
                assert_eq!(undone.code, Some(0), "killed at {point}: {undone}");
                json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
            };
            assert_eq!(site.rows(table + 1)[table], rows, "killed at {point}");
            if resumes {
                let undone = operator.run(&["undo", &run, "--yes"]);
                assert_eq!(undone.code, Some(0), "killed at {point}: {undone}");
                assert_eq!(site.rows(table + 1)[table], json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), "killed at {point}");
            }
        }
    }

    fn what_others_commit_meanwhile_stays_and_the_delete_is_made_anew(lake) {
        let site = Site::of(lake, 3);
        let catalogue = &site.warehouse.catalogue;
        // Other rows.
        let operator = site.operator();
        catalogue.at_change(0, Hook::Hold);
        let child = site.start(&operator, 0, "n >= 4 and n < 50");
        catalogue.wait_until_held();
        site.append(0, &[77, 78]);
        catalogue.release();
        let ran = operator.ended(child);
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(catalogue.that(|request| is_commit(request) && request.answer == Some(409)).len(), 1);
        // Another delete, of the same file.
        catalogue.forget();
        catalogue.at_change(0, Hook::Hold);
        let child = site.start(&operator, 1, "n = 4");
        catalogue.wait_until_held();
        let second = site.operator();
        let other = site.delete(&second, 1, "n = 0");
        assert_eq!(other.code, Some(0), "{other}");
        catalogue.release();
        let ran = operator.ended(child);
        assert_eq!(ran.code, Some(0), "{ran}");
        // More rows that are meant: that is not what was confirmed.
        catalogue.forget();
        catalogue.at_change(0, Hook::Hold);
        let child = site.start(&operator, 2, "n >= 4");
        catalogue.wait_until_held();
        site.append(2, &[50]);
        catalogue.release();
        let left = operator.ended(child);
        assert_eq!(left.code, Some(4), "{left}");
        assert!(left.stderr.contains("somebody else changed the rows of"), "{left}");
        let rows = json!([[0, 1, 2, 3, 77, 78], [1, 2, 3, 5, 6, 7, 8, 9], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 50]]);
        assert_eq!(site.rows(3), rows);
        // What was written for snapshots that nobody took is gone.
        for table in 0..3 {
            assert_eq!(site.orphans(table), json!([]), "{table}");
        }
    }

    fn an_answer_that_is_lost_is_looked_for_and_one_that_is_no_yes_is_told(lake) {
        let site = Site::of(lake, 3);
        let catalogue = &site.warehouse.catalogue;
        let operator = site.operator();
        catalogue.at_change(0, Hook::ForwardThenDrop);
        let ran = site.delete(&operator, 0, "n >= 4");
        assert_eq!(ran.code, Some(0), "{ran}");
        catalogue.answering(|request| is_commit(request).then(|| reply("503 Service Unavailable", "")));
        let busy = site.delete(&operator, 1, "n >= 4").failure(1);
        assert!(busy.contains("iceberg answered 503") && busy.contains("table snapshots"), "{busy}");
        catalogue.answering(|request| is_commit(request).then(|| reply("403 Forbidden", "{\"error\": {\"message\": \"not yours\"}}")));
        let refused = site.delete(&operator, 2, "n >= 4").failure(1);
        assert!(refused.contains("not yours"), "{refused}");
        catalogue.answering(|_| None);
        site.s3.answering(|request| (request.method == "PUT" && request.target.contains("/metadata/")).then(|| reply("507 Full", "no room")));
        let full = site.delete(&operator, 2, "n >= 4").failure(1);
        assert!(full.contains("507"), "{full}");
        let all = json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(site.rows(3), json!([[0, 1, 2, 3], all, all]));
        assert_eq!(site.orphans(2), json!([]));
    }
}
