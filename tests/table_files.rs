//! Files of tables that nobody needs any more: of snapshots that are expired, and of nobody. What pyiceberg knows of a table
//! stays, whatever happens in between, and what was planted goes.

use serde_json::{Value, json};

use super::lakes::{Lake, on_both_lakes};
use super::operator::{Operator, Ran};
use super::realm::last_run;
use super::warehouse::{FILES, Warehouse};
use super::wire::{Hook, Request, Wire};

/// Random tables of an ordinary run of the tests on each lake, and of a full one.
const TABLES: (usize, usize) = (6, 100);
const RANDOM: &str = include_str!("random_tables.py");

/// Tables to which as much has happened as happens: deletes, overwrites, tags, branches, statistics. `plant` puts files there that
/// nobody names, `whole` tells what each snapshot reads.
const LIVED: &str = r#"
from pyiceberg.table.statistics import BlobMetadata, StatisticsFile

def live(seed):
    known = make(seed)
    draw = random.Random(seed)
    table = catalog.load_table(known["table"])
    for number in range(draw.randrange(4)):
        ids = [row["id"] for row in table.scan().to_arrow().to_pylist()]
        kind = draw.randrange(3)
        if kind == 0 and len(ids) > 1:
            table.delete(f"id = {draw.choice(ids)}")
        elif kind == 1:
            table.overwrite(pa.Table.from_pylist([row(draw, 1000 + number)], schema=SCHEMA.as_arrow()), f"id >= {max(ids)}")
        else:
            table.append(pa.Table.from_pylist([row(draw, 2000 + number)], schema=SCHEMA.as_arrow()))
        table = catalog.load_table(known["table"])
    snapshots = [snapshot.snapshot_id for snapshot in table.snapshots()]
    if draw.random() < 0.5:
        table.manage_snapshots().create_tag(draw.choice(snapshots), "kept").commit()
    if draw.random() < 0.3:
        table.manage_snapshots().create_branch(draw.choice(snapshots), "beside").commit()
    if draw.random() < 0.5:
        snapshot = draw.choice(snapshots)
        path = f"{table.location()}/metadata/{snapshot}.stats"
        store.pipe(path, b"PFA1")
        kept = StatisticsFile(**{"snapshot-id": snapshot, "statistics-path": path, "file-size-in-bytes": 4,
                                 "file-footer-size-in-bytes": 4, "blob-metadata": []})
        with table.update_statistics() as update:
            update.set_statistics(kept)
    return known["table"]

def plant(name):
    location = catalog.load_table(name).location()
    paths = [f"{location}/data/left-over.parquet", f"{location}/data/s=a/deep/left over+%20.parquet",
             f"{location}/metadata/left-over.avro", f"{location}/metadata/00000-left-over.metadata.json"]
    for path in paths:
        store.pipe(path, b"nobody's")
    return paths

def whole(name):
    table = catalog.load_table(name)
    return {str(made.snapshot_id): read(table, snapshot_id=made.snapshot_id) for made in table.snapshots()}

def refs(name):
    return sorted((ref, found.snapshot_id) for ref, found in catalog.load_table(name).metadata.refs.items())
"#;

/// Four snapshots of a table: three appends, and a delete of the first file.
const PLAIN: &str = "
schema = pa.schema([('n', pa.int64())])
table = catalog.create_table(f'{space}.plain', schema)
for n in range(3):
    table.append(pa.table({'n': [2 * n, 2 * n + 1]}, schema=schema))
table.delete('n < 2')
";

fn count() -> usize {
    let is_full = std::env::var_os("DASHICTL_TEST_FULL").is_some();
    if is_full { TABLES.1 } else { TABLES.0 }
}

fn python(warehouse: &Warehouse, script: &str) -> Value {
    warehouse.python(&format!("{RANDOM}{FILES}{LIVED}{script}"))
}

/// Waits until what was written is before the second that a run begins in.
fn a_second() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

/// The targets of a plan by the function.
fn planned(ran: Ran, function: &str) -> Vec<String> {
    let plan = ran.json();
    let effects = plan["plan"]["effects"].as_array().unwrap().iter();
    let of = effects.filter(|effect| effect["function"] == function);
    of.map(|effect| effect["target"].as_str().unwrap().to_owned())
        .collect()
}

fn expire(operator: &Operator, table: &str, flags: &[&str]) -> Ran {
    operator.run(
        &[
            &["table", "expire", table, "--older-than", "0s", "--json"],
            flags,
        ]
        .concat(),
    )
}

const SWEEP: [&str; 5] = ["gc", "--tables", "--tables-min-age-hours", "0", "--json"];

on_both_lakes! {
    fn gc_never_plans_a_file_that_pyiceberg_names_and_finds_every_planted_one(lake) {
        let warehouse = Warehouse::alone(lake);
        let operator = warehouse.operator();
        let seeds: Vec<usize> = (0..count()).collect();
        let tables = python(&warehouse, &format!("told([live(seed) for seed in {seeds:?}])"));
        let before = python(&warehouse, &format!("told([whole(name) for name in {tables}])"));
        let mut planted: Vec<String> = serde_json::from_value(python(&warehouse, &format!(
            "told(sorted(path for name in {tables} for path in plant(name)))"
        ))).unwrap();
        planted.sort_unstable();
        a_second();
        let plan = planned(operator.run(&SWEEP), "iceberg::delete_files");
        let named: Vec<String> = serde_json::from_value(python(&warehouse, &format!(
            "told(sorted(path for name in {tables} for path in named(catalog.load_table(name))))"
        ))).unwrap();
        let wrong: Vec<&String> = plan.iter().filter(|uri| named.contains(uri)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let missed: Vec<&String> = planted.iter().filter(|uri| !plan.contains(uri)).collect();
        assert!(missed.is_empty(), "{missed:#?}");
        let many = plan.len().to_string();
        let done = operator.run(&[&SWEEP[..], &["--apply", "--yes", "--expect-delete", &many]].concat()).json();
        assert_eq!((&done["deleted"], &done["left"], &done["failed"]), (&json!(plan.len()), &json!(0), &json!(0)), "{done:#}");
        assert_eq!(python(&warehouse, &format!("told([whole(name) for name in {tables}])")), before);
        let run = last_run(&operator);
        let undone = operator.run(&["undo", &run, "--yes"]);
        assert_eq!(undone.code, Some(0), "{undone}");
        a_second();
        assert_eq!(planned(operator.run(&SWEEP), "iceberg::delete_files"), plan);
    }

    fn what_is_expired_goes_with_its_files_and_all_else_is_read_as_before(lake) {
        let warehouse = Warehouse::alone(lake);
        let operator = warehouse.operator();
        for seed in 0..count() {
            let table = python(&warehouse, &format!("told(live({seed}))"));
            let name = table.as_str().unwrap();
            let before = python(&warehouse, &format!("told([whole({table}), refs({table}), sorted(files(catalog.load_table({table})) - named(catalog.load_table({table})))])"));
            let kept = (seed % 3 + 1).to_string();
            let history: Vec<String> = serde_json::from_value(python(&warehouse, &format!(
                "told([str(made.snapshot_id) for made in reversed(catalog.load_table({table}).metadata.snapshots)])"
            ))).unwrap();
            let plan = planned(expire(&operator, name, &["--keep-last", &kept]), "iceberg::delete_files");
            let done = expire(&operator, name, &["--keep-last", &kept, "--apply", "--yes"]).json();
            assert_eq!(done["deleted"].as_u64().unwrap_or_default(), plan.len() as u64, "{name}: {done:#}");
            let after = python(&warehouse, &format!("told([whole({table}), refs({table}), sorted(files(catalog.load_table({table})) - named(catalog.load_table({table}))), sorted(named(catalog.load_table({table})) - files(catalog.load_table({table})))])"));
            assert_eq!(after[1], before[1], "{name}: the branches and tags");
            let (then, now) = (before[0].as_object().unwrap(), after[0].as_object().unwrap());
            for (snapshot, rows) in now {
                assert_eq!(Some(rows), then.get(snapshot), "{name}: {snapshot}");
            }
            assert_eq!((then.len() - now.len()) as u64, done["snapshots"], "{name}");
            let pointed: Vec<String> = before[1].as_array().unwrap().iter().map(|found| found[1].to_string()).collect();
            assert!(history[..history.len().min(seed % 3 + 1)].iter().chain(&pointed).all(|id| now.contains_key(id)), "{name}: {now:?}");
            // Nothing is left over that was not before, and what is named is there, but metadata that a catalogue took away itself.
            let left: Vec<&Value> = after[2].as_array().unwrap().iter().filter(|path| !before[2].as_array().unwrap().contains(path)).collect();
            let left: Vec<&&Value> = left.iter().filter(|path| !path.as_str().unwrap().contains(".metadata.json")).collect();
            assert!(left.is_empty(), "{name}: {left:#?}");
            assert_eq!(after[3], json!([]), "{name}");
            // There is nothing more to expire, and pyiceberg goes on.
            let again = expire(&operator, name, &["--keep-last", &kept]);
            assert_eq!(planned(again, "iceberg::expire"), [""; 0], "{name}");
            python(&warehouse, &format!("catalog.load_table({table}).append(pa.Table.from_pylist([row(random.Random(0), 9000)], schema=SCHEMA.as_arrow()))"));
        }
    }

    fn an_expiry_that_is_killed_is_ended_by_resume(lake) {
        let warehouse = Warehouse::alone(lake);
        let s3 = Wire::before(warehouse.store());
        let namespace = warehouse.namespace.clone();
        s3.counting(move |request: &Request| {
            let is_of_delete = request.target.contains("?delete") && request.text().contains(&namespace);
            request.is_change() && (request.target.contains(&namespace) || is_of_delete)
        });
        warehouse.catalogue.counting(|request: &Request| request.method == "POST" && request.target.contains("/tables/"));
        let operator = warehouse.operator().with("DASHI_S3_ENDPOINT", s3.url());
        warehouse.python(PLAIN);
        let plan = planned(expire(&operator, &warehouse.table("plain"), &[]), "iceberg::delete_files");
        assert!(plan.iter().any(|uri| uri.ends_with(".parquet")), "{plan:#?}");
        // The commit; the first copy to the trash; the deletion of all.
        for (number, (wire, at)) in (0..).zip([(&warehouse.catalogue, 0), (&s3, 0), (&s3, plan.len())]) {
            let name = format!("t{number}");
            let table = warehouse.table(&name);
            warehouse.python(&PLAIN.replace("plain", &name));
            let operator = warehouse.operator().with("DASHI_S3_ENDPOINT", s3.url());
            s3.forget();
            warehouse.catalogue.forget();
            wire.at_change(at, Hook::Hold);
            let mut child = operator.start(&["table", "expire", &table, "--older-than", "0s", "--apply", "--yes"]);
            assert!(wire.is_held_before_end(&mut child), "{at}: {}", operator.ended(child));
            child.kill().unwrap();
            child.wait().unwrap();
            wire.release();
            wire.wait_until_settled();
            let resumed = operator.run(&["resume", &last_run(&operator), "--yes"]);
            assert_eq!(resumed.code, Some(0), "killed at {at}: {resumed}");
            let left = warehouse.python(&format!("{FILES}
table = catalog.load_table('{table}')
told([sorted(table.scan().to_arrow()['n'].to_pylist()), len(table.snapshots()),
      sorted(path for path in files(table) - named(table) if not path.endswith('.json'))])"));
            assert_eq!(left, json!([[2, 3, 4, 5], 1, []]), "killed at {at}");
        }
    }

    fn a_file_that_a_table_names_again_is_left_alone_also_when_the_run_is_resumed(lake) {
        let warehouse = Warehouse::alone(lake);
        let s3 = Wire::before(warehouse.store());
        s3.counting(|request: &Request| request.is_change() && request.target.contains("left-over"));
        let operator = warehouse.operator().with("DASHI_S3_ENDPOINT", s3.url());
        let planted = warehouse.python(&format!("{PLAIN}{FILES}
path = next(iter(table.inspect.files()['file_path'].to_pylist()))
paths = [f'{{table.location()}}/data/left-over-{{n}}.parquet' for n in range(2)]
for to in paths:
    store.copy(path, to)
told(paths)"));
        a_second();
        s3.at_change(0, Hook::Hold);
        let mut child = operator.start(&[&SWEEP[..], &["--apply", "--yes"]].concat());
        assert!(s3.is_held_before_end(&mut child), "{}", operator.ended(child));
        child.kill().unwrap();
        child.wait().unwrap();
        s3.release();
        s3.wait_until_settled();
        warehouse.python(&format!("catalog.load_table(f'{{space}}.plain').add_files([{}])", planted[1]));
        let resumed = operator.run(&["resume", &last_run(&operator), "--yes"]);
        assert_eq!(resumed.code, Some(4), "{resumed}");
        assert!(resumed.stderr.contains("a table reads it by now"), "{resumed}");
        let files = warehouse.files(&warehouse.table("plain"));
        let files = files.as_array().unwrap();
        assert!(files.contains(&planted[1]) && !files.contains(&planted[0]), "{files:#?}");
    }

    fn who_commits_meanwhile_is_not_in_the_way_of_an_expiry_but_who_goes_back_is(lake) {
        let warehouse = Warehouse::alone(lake);
        warehouse.catalogue.counting(|request: &Request| request.method == "POST" && request.target.contains("/tables/"));
        for (name, meanwhile, code, snapshots) in [
            ("first", "table.append(pa.table({'n': [77]}, schema=table.schema().as_arrow()))", 0, 2),
            ("second", "table.manage_snapshots().rollback_to_snapshot(table.snapshots()[0].snapshot_id).commit()", 4, 4),
        ] {
            let table = warehouse.table(name);
            warehouse.python(&PLAIN.replace("plain", name));
            let operator = warehouse.operator();
            warehouse.catalogue.forget();
            warehouse.catalogue.at_change(0, Hook::Hold);
            // The answer is held as long as Python takes, which on a busy machine is long.
            let expire = ["--http-timeout", "5m", "table", "expire", &table, "--older-than", "0s", "--apply", "--yes"];
            let mut child = operator.start(&expire);
            assert!(warehouse.catalogue.is_held_before_end(&mut child), "{}", operator.ended(child));
            warehouse.python(&format!("table = catalog.load_table('{table}')\n{meanwhile}"));
            warehouse.catalogue.release();
            let ran = operator.ended(child);
            assert_eq!(ran.code, Some(code), "{meanwhile}: {ran}");
            let now = warehouse.python(&format!("{FILES}
table = catalog.load_table('{table}')
for made in table.snapshots():
    table.scan(snapshot_id=made.snapshot_id).to_arrow()
told([len(table.snapshots()), sorted(named(table) - files(table))])"));
            assert_eq!(now, json!([snapshots, []]), "{meanwhile}: {ran}");
            if code == 4 {
                assert!(ran.stderr.contains("'main'") && ran.stderr.contains("points to snapshot"), "{ran}");
            }
        }
    }

    fn what_does_not_look_right_is_not_swept_and_shared_files_are_nobodys_to_delete(lake) {
        let warehouse = Warehouse::alone(lake);
        let operator = warehouse.operator();
        let table = warehouse.table("plain");
        warehouse.python(&format!("{PLAIN}{FILES}
for n in range(20):
    store.pipe(f'{{table.location()}}/data/left-over-{{n}}.parquet', b'x')
    store.pipe(f'{{table.location()}}/data/_temporary/{{n}}.parquet', b'x')"));
        a_second();
        let preview = operator.run(&SWEEP[..4]);
        assert_eq!(preview.code, Some(0), "{preview}");
        assert!(preview.stderr.contains("more than 20 %") && preview.stderr.contains("--expect-delete 20"), "{preview}");
        let refused = operator.run(&[&SWEEP[..], &["--apply", "--yes"]].concat()).failure(1);
        assert!(refused.contains("does not look right") && refused.contains("--expect-delete 20"), "{refused}");
        let other = operator.run(&[&SWEEP[..], &["--apply", "--yes", "--expect-delete", "19"]].concat()).failure(1);
        assert!(other.contains("20 files") && other.contains("19 were expected"), "{other}");
        // Young files stay where nobody says otherwise.
        let young = operator.run(&["gc", "--tables"]);
        assert!(young.stdout.contains("young") && young.stderr.contains("nothing would be changed"), "{young}");
        let bucket = operator.run(&["gc", "--tables", "--bucket", "curated"]).failure(2);
        assert!(bucket.contains("not with what is said of a bucket"), "{bucket}");
        warehouse.python("
with catalog.load_table(f'{space}.plain').transaction() as change:
    change.set_properties({'gc.enabled': 'false'})");
        let shared = expire(&operator, &table, &[]).failure(1);
        assert!(shared.contains("gc.enabled") && shared.contains("another table's"), "{shared}");
        assert_eq!(planned(operator.run(&SWEEP), "iceberg::delete_files"), [""; 0]);
        let strange = operator.run(&["eval", "--effect", "destroy", "iceberg::delete_files([\"s3://landing/a\"])"]).failure(2);
        assert!(strange.contains("in no table's folder") && strange.contains("s3::delete"), "{strange}");
    }

    fn a_plan_of_an_expiry_is_carried_out_as_it_was_seen(lake) {
        let warehouse = Warehouse::alone(lake);
        let operator = warehouse.operator();
        let table = warehouse.table("plain");
        warehouse.python(PLAIN);
        let plan = operator.work().join("expire.plan");
        let plan = plan.to_str().unwrap();
        let seen = expire(&operator, &table, &["--plan-out", plan]);
        assert_eq!(seen.code, Some(0), "{seen}");
        assert_eq!(seen.stderr.lines().filter(|line| line.starts_with("snapshot ")).count(), 3, "{seen}");
        // Somebody goes on: by now another snapshot is old as well.
        warehouse.python("
table = catalog.load_table(f'{space}.plain')
for n in [77, 78]:
    table.append(pa.table({'n': [n]}, schema=table.schema().as_arrow()))");
        let applied = operator.run(&["apply", plan, "--yes", "--json"]);
        assert_eq!(applied.code, Some(0), "{applied}");
        assert!(!applied.stderr.contains("undo"), "{applied}");
        let done = applied.json();
        assert_eq!((&done["snapshots"], &done["left"]), (&json!(3), &json!(0)), "{done:#}");
        let left = warehouse.python(&format!("{FILES}
table = catalog.load_table(f'{{space}}.plain')
told([len(table.snapshots()), sorted(table.scan().to_arrow()['n'].to_pylist()), sorted(named(table) - files(table))])"));
        assert_eq!(left, json!([3, [2, 3, 4, 5, 77, 78], []]));
    }

    fn nothing_is_forgotten_while_another_table_cannot_be_read(lake) {
        let warehouse = Warehouse::alone(lake);
        let operator = warehouse.operator();
        let table = warehouse.table("plain");
        warehouse.python(&format!("{PLAIN}{FILES}{}
broken = catalog.load_table(f'{{space}}.broken')
store.rm(broken.current_snapshot().manifest_list)", PLAIN.replace("plain", "broken")));
        for flags in [&[][..], &["--apply", "--yes"]] {
            let refused = expire(&operator, &table, flags).failure(1);
            assert!(refused.contains("a file of the table") && refused.contains("broken"), "{refused}");
        }
        let sweep = operator.run(&SWEEP).failure(1);
        assert!(sweep.contains("broken"), "{sweep}");
        assert_eq!(operator.run(&["table", "show", &table, "--json"]).json()["snapshots"], 4);
        let head = operator.run(&["table", "show", &table, "--json"]).json()["snapshot"].as_str().unwrap().to_owned();
        let script = format!("iceberg::expire(\"{table}\", [\"{head}\"])");
        let pointed = operator.run(&["eval", "--effect", "destroy", &script]).failure(1);
        assert!(pointed.contains("'main'") && pointed.contains(&head), "{pointed}");
    }
}

/// A table at a place of its own in the processed bucket, and one that names an object elsewhere in it.
const ELSEWHERE: &str = "
schema = pa.schema([('n', pa.int64())])
table = catalog.create_table(f'{space}.plain', schema, location='s3://processed/tables/plain')
table.append(pa.table({'n': [1]}))
other = catalog.create_table(f'{space}.other', schema)
store.copy(table.inspect.files()['file_path'].to_pylist()[0], 's3://processed/klima-historisch/added/part.parquet')
other.add_files(['s3://processed/klima-historisch/added/part.parquet'])
";
const ADDED: &str = "s3://processed/klima-historisch/added/part.parquet";

#[test]
fn what_a_table_names_or_has_in_its_folder_stays_whoever_deletes() {
    let warehouse = Warehouse::alone(Lake::Sandbox);
    let operator = warehouse.operator();
    let table = warehouse.table("plain");
    warehouse.python(&format!("{FILES}{ELSEWHERE}"));
    a_second();
    let line = [
        "gc",
        "--bucket",
        "processed",
        "--min-age-hours",
        "0",
        "--json",
    ];
    let plan = planned(operator.run(&line), "s3::delete");
    assert!(!plan.is_empty(), "the seeded orphans");
    let is_of_table = |uri: &&String| uri.contains("/tables/") || *uri == ADDED;
    assert!(!plan.iter().any(|uri| is_of_table(&uri)), "{plan:#?}");
    let file = warehouse.files(&table)[0].as_str().unwrap().to_owned();
    for (uri, verdict) in [(file.as_str(), "protected"), (ADDED, "referenced")] {
        let why = operator.run(&["why", uri, "--json"]).json();
        assert_eq!(why["verdict"], verdict, "{why:#}");
        let refused = operator
            .run(&["s3", "rm", uri, "--apply", "--yes"])
            .failure(1);
        assert!(refused.contains("an Iceberg table names"), "{refused}");
    }
    // An item's assets are not all the item's.
    let record = json!({
        "type": "Feature", "stac_version": "1.0.0", "id": "added", "collection": "klima-historisch", "links": [],
        "geometry": {"type": "Point", "coordinates": [8.25, 50.0]}, "bbox": [8.25, 50.0, 8.25, 50.0],
        "properties": {"datetime": "2026-04-27T00:00:00Z"},
        "assets": {"part": {"href": ADDED}, "all": {"href": "s3://processed/tables/plain/"}},
    });
    let script = format!("stac::put_item(json::parse(`{record}`))");
    operator
        .run(&["eval", "--effect", "write", &script])
        .success();
    let deleted = operator
        .run(&[
            "item",
            "delete",
            "klima-historisch/added",
            "--apply",
            "--yes",
            "--json",
        ])
        .json();
    let fates: Vec<&str> = deleted
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["fate"].as_str().unwrap())
        .collect();
    assert!(
        fates.len() > 3 && fates[..fates.len() - 1].iter().all(|fate| *fate == "kept"),
        "{deleted:#}"
    );
    let read = "told([len(catalog.load_table(f'{space}.{name}').scan().to_arrow()) for name in ['plain', 'other']])";
    assert_eq!(warehouse.python(read), json!([1, 1]));
    // Where the catalogue of tables does not answer, it is not known which files are a table's.
    let alone = warehouse
        .operator()
        .with("DASHI_ICEBERG_URL", "http://127.0.0.1:1");
    let dead = alone.run(&line).failure(1);
    assert!(dead.contains("iceberg"), "{dead}");
}

#[test]
fn a_table_whose_name_has_a_dot_is_not_taken_for_another() {
    let warehouse = Warehouse::alone(Lake::Sandbox);
    let operator = warehouse.operator();
    warehouse.python(
        "
schema = pa.schema([('n', pa.int64())])
catalog.create_namespace((space, 'x'))
for name in [(space, 'x', 'y'), (space, 'x.y')]:
    table = catalog.create_table(name, schema, location='s3://curated/coll/y' + ('/other' if len(name) == 2 else ''))
    table.append(pa.table({'n': [1]}))",
    );
    a_second();
    assert_eq!(
        planned(operator.run(&SWEEP), "iceberg::delete_files"),
        [""; 0]
    );
}

#[test]
fn options_that_go_with_tables_are_refused_without_them() {
    let operator = Operator::in_context("sandbox");
    for (line, said) in [
        (
            vec!["gc", "--tables-min-age-hours", "0"],
            "goes with --tables",
        ),
        (
            vec!["gc", "--tables", "--granularity", "object"],
            "not with what is said of a bucket",
        ),
        (vec!["gc", "--tables", "--expect-delete", "-1"], "from 0 up"),
        (
            vec!["table", "expire", "klima.stationen", "--keep-last", "0"],
            "from 1 up",
        ),
    ] {
        let refused = operator.run(&line).failure(2);
        assert!(refused.contains(said), "{refused}");
    }
}
