//! Items whose rows in an Iceberg table go with them: rows, objects and record, in three services; killed between each two,
//! taken back, and refused where it is not sure whose the rows are.

use serde_json::{Value, json};

use super::lakes::{Lake, on_both_lakes};
use super::operator::{Operator, Ran};
use super::realm::last_run;
use super::warehouse::Warehouse;
use super::wire::{Hook, Request, Wire};

/// A domain, the ways to the three services, and a namespace of tables.
struct Site {
    warehouse: Warehouse,
    s3: Wire,
    stac: Wire,
    domain: String,
}

impl Site {
    fn of(lake: Lake) -> Site {
        let warehouse = Warehouse::alone(lake);
        let site = Site {
            s3: Wire::before(warehouse.store()),
            stac: Wire::before(warehouse.stac()),
            domain: Lake::name("rows"),
            warehouse,
        };
        let domain = site.domain.clone();
        site.s3.counting(move |request: &Request| {
            let names = |text: &str| text.contains(&domain) && !text.contains(".state");
            let deletes = request.target.contains("?delete") && names(&request.text());
            request.is_change() && (names(&request.target) || deletes)
        });
        site.stac
            .counting(|request: &Request| request.method == "DELETE");
        let catalogue = &site.warehouse.catalogue;
        catalogue.counting(|request: &Request| {
            request.method == "POST" && request.target.contains("/tables/")
        });
        let operator = site.operator();
        operator.run(&["domain", "create", &site.domain]).success();
        site
    }

    fn operator(&self) -> Operator {
        self.warehouse
            .operator()
            .with("DASHI_S3_ENDPOINT", self.s3.url())
            .with("DASHI_STAC_URL", self.stac.url())
            .with(
                "DASHI_STATE_URL",
                format!("s3://curated/.state/{}/", self.domain),
            )
    }

    /// A table of two files: `n` from 0 to 5 of `a`, and from 6 to 9 of `b`.
    fn table(&self, name: &str) -> String {
        self.warehouse.python(&format!(
            "
schema = pa.schema([('dataset', pa.string()), ('n', pa.int64())])
table = catalog.create_table(f'{{space}}.{name}', schema)
table.append(pa.table({{'dataset': ['a'] * 6, 'n': list(range(6))}}, schema=schema))
table.append(pa.table({{'dataset': ['b'] * 4, 'n': list(range(6, 10))}}, schema=schema))"
        ));
        self.warehouse.table(name)
    }

    /// An item with two objects.
    fn item(&self, id: &str, properties: &Value) {
        let domain = &self.domain;
        let assets: Value = ["one", "two"]
            .map(|name| {
                (
                    name.to_owned(),
                    json!({"href": format!("s3://processed/{domain}/{id}/{name}.tif")}),
                )
            })
            .into_iter()
            .collect();
        let mut record = json!({
            "type": "Feature", "stac_version": "1.0.0", "id": id, "collection": domain, "assets": assets, "links": [],
            "geometry": {"type": "Point", "coordinates": [8.25, 50.0]}, "bbox": [8.25, 50.0, 8.25, 50.0],
            "properties": {"datetime": "2026-04-27T00:00:00Z"},
        });
        let more = properties.as_object().unwrap().clone();
        record["properties"].as_object_mut().unwrap().extend(more);
        let script = format!("for name in [\"one\", \"two\"] {{ s3::write(`s3://processed/{domain}/{id}/${{name}}.tif`, name); }}
            stac::put_item(json::parse(`{record}`))");
        self.operator()
            .run(&["eval", "--effect", "write", &script])
            .success();
    }

    /// The rows, the objects, and whether the record is there.
    fn is(&self, table: &str, id: &str) -> Value {
        let domain = &self.domain;
        let script = format!(
            "[s3::list(\"s3://processed/{domain}/{id}/\").count(), stac::try_item(\"{domain}\", \"{id}\") != ()]"
        );
        let found = self.operator().run(&["eval", "--json", &script]).json();
        json!([self.rows(table), found[0], found[1]])
    }

    fn rows(&self, table: &str) -> Value {
        self.warehouse.python(&format!(
            "told(sorted(catalog.load_table('{table}').scan().to_arrow()['n'].to_pylist()))"
        ))
    }

    fn delete(&self, operator: &Operator, id: &str, flags: &[&str]) -> Ran {
        let at = format!("{}/{id}", self.domain);
        operator.run(&[&["item", "delete", at.as_str()], flags].concat())
    }

    fn named(table: &str, how: &str, which: &str) -> Value {
        let mut said = json!({"dashi:iceberg_table": table});
        if !how.is_empty() {
            said[format!("dashi:iceberg_{how}")] = json!(which);
        }
        said
    }
}

const APPLY: [&str; 2] = ["--apply", "--yes"];
const ALL: [i64; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/// What becomes of each kind of thing, in order.
fn fates(ran: Ran) -> Vec<(String, String)> {
    let rows = ran.json();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| (text(row, "what"), text(row, "fate")))
        .collect()
}

/// The points at which a run is killed: at the snapshot, the first copy of an object, the deletion of the objects, that of the
/// record, and when the last answer is lost.
const POINTS: usize = 5;

impl Site {
    /// Kills a deletion at one of the points. Gives the run.
    fn kill(&self, operator: &Operator, id: &str, point: usize) -> String {
        let catalogue = &self.warehouse.catalogue;
        let points = [
            (catalogue, 0),
            (&self.s3, 0),
            (&self.s3, 2),
            (&self.stac, 0),
            (&self.stac, 0),
        ];
        let (wire, at) = points[point];
        for wire in [catalogue, &self.s3, &self.stac] {
            wire.forget();
        }
        wire.at_change(at, Hook::Hold);
        let line = format!("{}/{id}", self.domain);
        let mut child = operator.start(&["item", "delete", &line, "--apply", "--yes"]);
        assert!(
            wire.is_held_before_end(&mut child),
            "{point}: {}",
            operator.ended(child)
        );
        if point + 1 < POINTS {
            child.kill().unwrap();
            child.wait().unwrap();
            // What is under way reaches the service.
            wire.release();
        } else {
            wire.release();
            child.kill().unwrap();
            child.wait().unwrap();
        }
        wire.wait_until_settled();
        last_run(operator)
    }
}

on_both_lakes! {
    fn an_items_rows_go_first_and_all_of_it_comes_back(lake) {
        let site = Site::of(lake);
        let named = |table: &str, how: &str| {
            let snapshots = site.operator().run(&["table", "snapshots", table, "--json"]).json();
            match how {
                "where" => "dataset = 'a' AND n >= 4".to_owned(),
                _ => snapshots[0]["snapshot"].as_str().unwrap().to_owned(),
            }
        };
        for (how, counts, left) in [
            ("where", "2 rows: 1 file is written anew", json!([0, 1, 2, 3, 6, 7, 8, 9])),
            ("snapshot", "4 rows: 1 file goes whole", json!([0, 1, 2, 3, 4, 5])),
        ] {
            let table = site.table(&format!("by_{how}"));
            let which = named(&table, how);
            let operator = site.operator();
            site.item(how, &Site::named(&table, how, &which));
            let preview = site.delete(&operator, how, &[]);
            assert_eq!(preview.code, Some(0), "{preview}");
            assert!(preview.stdout.contains(&which) && preview.stdout.contains(counts), "{preview}");
            assert_eq!(site.is(&table, how), json!([ALL, 2, true]), "{how}");
            let done = site.delete(&operator, how, &[&APPLY[..], &["--json"]].concat());
            let all = ["rows", "one", "two", "record"].map(|what| (what.to_owned(), "deleted".to_owned()));
            assert_eq!(fates(done), all, "{how}");
            assert_eq!(site.is(&table, how), json!([left, 0, false]), "{how}");
            let undone = operator.run(&["undo", &last_run(&operator), "--yes"]);
            assert_eq!(undone.code, Some(0), "{undone}");
            assert_eq!(site.is(&table, how), json!([ALL, 2, true]), "{how}");
        }
    }

    fn a_deletion_that_is_killed_between_two_services_is_resumed_or_taken_back(lake) {
        let site = Site::of(lake);
        for point in 0..POINTS {
            for resumes in [true, false] {
                let id = format!("t{point}_{resumes}");
                let table = site.table(&id);
                site.item(&id, &Site::named(&table, "where", "n >= 4"));
                let operator = site.operator();
                let run = site.kill(&operator, &id, point);
                if resumes {
                    let resumed = operator.run(&["resume", &run, "--yes"]);
                    assert_eq!(resumed.code, Some(0), "killed at {point}: {resumed}");
                    assert_eq!(site.is(&table, &id), json!([[0, 1, 2, 3], 0, false]), "killed at {point}");
                }
                let undone = operator.run(&["undo", &run, "--yes"]);
                assert_eq!(undone.code, Some(0), "killed at {point}: {undone}");
                assert_eq!(site.is(&table, &id), json!([ALL, 2, true]), "killed at {point}");
            }
        }
    }

    fn rows_that_are_another_items_as_well_are_refused(lake) {
        let site = Site::of(lake);
        let operator = site.operator();
        let table = site.table("plain");
        let snapshots = operator.run(&["table", "snapshots", &table, "--json"]).json();
        let second = snapshots[0]["snapshot"].as_str().unwrap();
        site.item("mine", &Site::named(&table, "where", "n >= 4 AND n < 8"));
        site.item("unclear", &Site::named(&table, "", ""));
        let unclear = site.delete(&operator, "mine", &[]);
        assert!(unclear.code == Some(0) && unclear.stderr.contains("1 more item has rows in"), "{unclear}");
        for (how, which, said) in [
            ("where", "n = 7", "1 of these rows"),
            ("snapshot", second, "2 of these rows"),
            ("where", "nothing = 7", "cannot be read, so it is not known which rows are its own"),
        ] {
            site.item("other", &Site::named(&table, how, which));
            for flags in [&[][..], &APPLY[..]] {
                let refused = site.delete(&operator, "mine", flags).failure(1);
                assert!(refused.contains(said) && refused.contains(&format!("item {}/other", site.domain)), "{refused}");
            }
            let theirs = site.delete(&operator, "other", &[]).failure(if which.starts_with("nothing") { 2 } else { 1 });
            assert!(theirs.contains(&format!("item {}/mine", site.domain)) || theirs.contains("nothing"), "{theirs}");
        }
        // Rows of another table, or none in common, are in nobody's way.
        site.item("other", &Site::named(&table, "where", "n >= 8 OR n < 4"));
        assert_eq!(site.is(&table, "mine"), json!([ALL, 2, true]));
        site.item("all", &Site::named(&site.table("single"), "where", "n >= 0"));
        let emptied = site.delete(&operator, "all", &APPLY).failure(1);
        assert!(emptied.contains("would have no row left"), "{emptied}");
        assert_eq!(site.is(&site.warehouse.table("single"), "all"), json!([ALL, 2, true]));
        let done = site.delete(&operator, "mine", &APPLY);
        assert_eq!(done.code, Some(0), "{done}");
        assert_eq!(site.is(&table, "mine"), json!([[0, 1, 2, 3, 8, 9], 0, false]));
    }

    fn where_somebody_changed_the_rows_since_the_plan_nothing_goes(lake) {
        let site = Site::of(lake);
        let operator = site.operator();
        let table = site.table("plain");
        site.item("mine", &Site::named(&table, "where", "n >= 4"));
        let plan = operator.work().join("item.plan");
        let plan = plan.to_str().unwrap();
        site.delete(&operator, "mine", &["--plan-out", plan]).success();
        site.warehouse.python(&format!("catalog.load_table('{table}').append(pa.table({{'dataset': ['c'], 'n': [77]}}))"));
        let applied = operator.run(&["apply", plan, "--yes"]);
        assert!(matches!(applied.code, Some(4 | 5)), "{applied}");
        assert!(applied.stderr.contains("was changed since the plan"), "{applied}");
        let all: Vec<i64> = ALL.into_iter().chain([77]).collect();
        assert_eq!(site.is(&table, "mine"), json!([all, 2, true]), "{applied}");
    }

    fn where_an_item_does_not_say_which_rows_the_exact_command_is_told(lake) {
        let site = Site::of(lake);
        let operator = site.operator();
        let table = site.table("plain");
        site.item("mine", &Site::named(&table, "", ""));
        let ran = site.delete(&operator, "mine", &[&APPLY[..], &["--json"]].concat());
        let told: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("table delete")).collect();
        assert_eq!(told.len(), 3, "{ran}");
        assert!(told[0].contains("--snapshot") && told[0].contains(" rows of 2"), "{ran}");
        let command = told[0].split("   (").next().unwrap().trim().to_owned();
        assert_eq!(fates(ran).last().unwrap(), &("record".to_owned(), "deleted".to_owned()));
        assert_eq!(site.is(&table, "mine"), json!([ALL, 0, false]));
        let by_hand = operator.copied(&format!("{command} --yes --env-override"));
        assert_eq!(by_hand.code, Some(0), "{by_hand}");
        assert_ne!(site.rows(&table), json!(ALL));
        // A table that was dropped has no rows; a namespace that is not there may be another catalogue's.
        site.item("dropped", &Site::named(&site.warehouse.table("none"), "where", "n = 1"));
        let gone = site.delete(&operator, "dropped", &[&APPLY[..], &["--json"]].concat());
        assert_eq!(fates(gone)[0], ("rows".to_owned(), "missing".to_owned()));
        site.item("strange", &Site::named("nowhere_at_all.none", "where", "n = 1"));
        let strange = site.delete(&operator, "strange", &APPLY).failure(1);
        assert!(strange.contains("nowhere_at_all"), "{strange}");
    }

    fn what_an_item_says_that_names_no_rows_is_left_to_people_and_in_nobodys_way_unseen(lake) {
        let site = Site::of(lake);
        let operator = site.operator();
        let table = site.table("plain");
        let snapshots = operator.run(&["table", "snapshots", &table, "--json"]).json();
        let first = snapshots[1]["snapshot"].as_str().unwrap();
        for (said, why) in [
            (json!({"dashi:iceberg_table": [table]}), "names no table"),
            (json!({"dashi:iceberg_where": "n = 1"}), "names no table"),
            (Site::named(&table, "where", ""), "neither"),
            (Site::named(&table, "snapshot", "17"), "no snapshot 17 any more"),
            (Site::named(&table, "snapshot", "last one"), "no id of a snapshot"),
        ] {
            site.item("odd", &said);
            let ran = site.delete(&operator, "odd", &[]);
            assert_eq!(ran.code, Some(0), "{said}: {ran}");
            assert!(ran.stdout.contains("by hand") && ran.stderr.contains(why), "{said}: {ran}");
            assert!(ran.stderr.contains("table delete ") && !ran.stderr.contains("last one' --apply"), "{said}: {ran}");
        }
        site.item("odd", &json!({}));
        // What another item says and nobody can read may mean these rows.
        site.item("mine", &Site::named(&table, "where", "n <= 2"));
        site.item("other", &Site::named(&table, "snapshot", first));
        let theirs = site.delete(&operator, "mine", &[]).failure(1);
        assert!(theirs.contains("3 of these rows"), "{theirs}");
        let refused = |why: &str| {
            let ran = site.delete(&operator, "mine", &APPLY).failure(1);
            assert!(ran.contains(why) && ran.contains(&format!("item {}/other", site.domain)), "{ran}");
        };
        site.item("other", &Site::named(&table, "snapshot", "last one"));
        refused("cannot be read");
        site.item("other", &Site::named(&table, "snapshot", "17"));
        refused("has no snapshot 17 any more");
        // Somebody else has written the file anew that the snapshot brought.
        site.item("other", &Site::named(&table, "snapshot", first));
        site.warehouse.python(&format!("catalog.load_table('{table}').delete('n = 5')"));
        refused("were written anew since");
        assert_eq!(site.is(&table, "mine"), json!([[0, 1, 2, 3, 4, 6, 7, 8, 9], 2, true]));
        // Its table is emptied where that is said.
        site.item("other", &Site::named(&table, "where", "n > 99"));
        site.item("mine", &Site::named(&table, "where", "n <= 9"));
        let emptied = site.delete(&operator, "mine", &["--may-empty", "--apply", "--yes"]);
        assert_eq!(emptied.code, Some(0), "{emptied}");
        assert_eq!(site.is(&table, "mine"), json!([[], 0, false]));
    }
}
