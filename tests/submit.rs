//! `submit`: shares of one plan by pods of the test cluster. Together they do what one run would, judged once; one that is killed
//! goes on.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::bucket::Bucket;
use super::cluster::{Namespace, image, viewer};
use super::deletes::deletes_many;
use super::gc::fill;
use super::interrupt::stopped;
use super::lakes::{Lake, on_both_lakes};
use super::operator::{Operator, Ran};
use super::wire::Hook;

/// A bucket of a lake, and a namespace whose Secret leads to it.
struct Site {
    bucket: Bucket,
    namespace: Namespace,
}

impl Site {
    fn new(lake: Lake, domains: usize) -> Site {
        let site = Site {
            bucket: Bucket::new(lake, domains),
            namespace: Namespace::new(),
        };
        let kubeconfig = site.namespace.kubeconfig();
        site.bucket.operator.home_file(".kube/config", &kubeconfig);
        site.lead_to(&site.bucket.tapped.served.addresses.s3);
        site
    }

    /// Has the pods reach the store at a URL.
    fn lead_to(&self, s3: &str) {
        let (name, plain) = (&self.bucket.name, &self.bucket.tapped.served.addresses.s3);
        let served = &self.bucket.tapped.served;
        let config = served
            .addresses
            .configuration()
            .replace("[s3]\n", &format!("[s3]\nprocessed_bucket = {name:?}\n"))
            .replace(
                &format!("endpoint = {plain:?}"),
                &format!("endpoint = {s3:?}"),
            )
            .replace("aliases = []", &format!("aliases = [{plain:?}]"));
        let config = format!("{config}[state]\nurl = \"s3://curated/.state/{name}/\"\n");
        self.namespace.apply(
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "dashictl-config"},
            "stringData": {"config.toml": config}}),
        );
    }

    fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("DASHI_KUBERNETES_NAMESPACE", self.namespace.name.clone()),
            ("DASHI_KUBERNETES_IMAGE", image().to_owned()),
        ]
    }

    fn submit(&self, flags: &[&str], command: &[&str]) -> Ran {
        let line = [&["submit", "--shards", "8"], flags, &["--"], command].concat();
        self.bucket.operator.run_in(&self.variables(), &line)
    }

    fn gc<'a>(&'a self, flags: &[&'a str]) -> Vec<&'a str> {
        [
            &[
                "gc",
                "--bucket",
                self.bucket.name.as_str(),
                "--min-age-hours",
                "0",
            ],
            flags,
        ]
        .concat()
    }
}

fn rows(ran: &Ran) -> Vec<Value> {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran}"))
}

/// Each shard ended at its first try. On the real lake other tests change the catalogue: a shard that could not read it whole
/// because of that says so, and is tried again.
fn assert_at_once(lake: Lake, ran: &Ran) {
    for row in rows(ran) {
        let unread = format!(
            "shard {} (try 1): error: the catalogue could not be read",
            row["shard"]
        );
        let is_excused = lake == Lake::Real && ran.stderr.contains(&unread);
        assert!(row["tries"] == 1 || is_excused, "{ran}");
    }
}

on_both_lakes! {
    fn k8s_shards_delete_together_what_one_run_would_and_each_is_undone(lake) {
        let site = Site::new(lake, 6);
        let orphans = fill(&site.bucket);
        let before = site.bucket.keys();
        let count = orphans.len();
        let preview = site.submit(&["--json"], &site.gc(&[]));
        assert_eq!(preview.code, Some(0), "{preview}");
        let told: Value = serde_json::from_str(&preview.stdout).unwrap();
        assert_eq!(told["steps"][0]["targets"], count, "{preview}");
        assert_eq!(site.bucket.keys(), before);

        let too_few = (count - 1).to_string();
        let refused = site
            .submit(
                &[],
                &site.gc(&["--apply", "--yes", "--max-delete", &too_few]),
            )
            .failure(2);
        assert!(
            refused.contains(&format!(
                "destroy {count} things, and --max-delete is {too_few}"
            )),
            "{refused}"
        );
        assert_eq!(site.bucket.keys(), before);

        let ran = site.submit(
            &["--json"],
            &site.gc(&["--apply", "--yes", "--max-delete", &count.to_string()]),
        );
        assert_eq!(ran.code, Some(0), "{ran}");
        let rows = rows(&ran);
        assert_eq!(rows.len(), 8);
        assert!(rows.iter().all(|row| row["state"] == "succeeded"), "{ran}");
        assert_at_once(lake, &ran);
        assert_eq!(
            rows.iter()
                .map(|row| row["targets"].as_u64().unwrap())
                .sum::<u64>(),
            count as u64
        );
        let kept: BTreeSet<String> = before.difference(&orphans).cloned().collect();
        assert_eq!(site.bucket.keys(), kept);
        let runs = site.bucket.run(&["log", "list", "--json"]).json();
        for run in runs
            .as_array()
            .unwrap()
            .iter()
            .filter(|run| run["command"].as_str().unwrap().contains("--shard"))
        {
            let undo = [
                "undo",
                run["run"].as_str().unwrap(),
                "--yes",
                "--env-override",
            ];
            let _ = site.bucket.run(&undo).success();
        }
        let after = site.bucket.keys().into_iter();
        assert_eq!(
            after
                .filter(|key| !key.starts_with(".dashi-"))
                .collect::<BTreeSet<_>>(),
            before
        );
    }

    fn k8s_shards_of_a_runbook_that_destroys_are_not_in_each_others_way(lake) {
        let site = Site::new(lake, 1);
        let keys: Vec<String> = (1..=6).map(|n| format!("own/{n}.txt")).collect();
        site.bucket.put(&keys);
        site.bucket.operator.work_file(
            "sweep.rhai",
            &format!(
                "//! Sweeps.\n//! ```toml\n//! effect = \"destroy\"\n//! [options.shard]\n//! required = true\n//! ```\n\
                 fn main(args) {{ let n = parse_int(args.shard.split(\"/\")[0]); s3::delete(`s3://{}/own/${{if n == 0 {{ 6 }} else {{ n }}}}.txt`) }}\n",
                site.bucket.name
            ),
        );
        let line = [
            "submit",
            "--shards",
            "6",
            "--json",
            "--",
            "run",
            "sweep.rhai",
            "--apply",
            "--yes",
            "--max-delete",
            "6",
        ];
        let ran = site.bucket.operator.run_in(&site.variables(), &line);
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_at_once(lake, &ran);
        let rows = rows(&ran);
        assert!(
            rows.iter()
                .all(|row| row["done"] == 1 && row["outcome"] == "done"),
            "{ran}"
        );
        assert!(
            site.bucket
                .keys()
                .iter()
                .all(|key| !key.starts_with("own/")),
            "{ran}"
        );
        assert!(ran.stderr.contains("take it back: dashictl undo "), "{ran}");
    }
}

#[test]
fn k8s_what_looks_wrong_is_judged_over_all_shards() {
    let site = Site::new(Lake::Real, 1);
    let domain = &site.bucket.domains[0];
    let keys: Vec<String> = (0..12).map(|n| format!("{domain}/set-{n}/a.tif")).collect();
    site.bucket.put_items(
        domain,
        &[("kept".to_owned(), vec![site.bucket.uri(&keys[0])])],
    );
    site.bucket.put(&keys);
    let refused = site
        .submit(&[], &site.gc(&["--apply", "--yes", "--max-delete", "100"]))
        .failure(1);
    assert!(
        refused.contains("11 of 12 objects") && refused.contains("--expect-delete 11"),
        "{refused}"
    );
    assert_eq!(site.bucket.keys().len(), 12);
    // The pods would sweep another bucket than is meant here.
    let another = [("DASHI_PROCESSED_BUCKET", "another".to_owned())];
    let elsewhere = [&site.variables()[..], &another].concat();
    let line = [
        "submit",
        "--shards",
        "2",
        "--",
        "gc",
        "--bucket",
        "processed",
        "--min-age-hours",
        "0",
        "--apply",
        "--yes",
        "--max-delete",
        "100",
    ];
    let refused = site.bucket.operator.run_in(&elsewhere, &line).failure(1);
    assert!(
        refused.contains(&format!(
            "the pods sweep '{}', and 'another' is meant",
            site.bucket.name
        )),
        "{refused}"
    );
    let ran = site.submit(
        &[],
        &site.gc(&[
            "--apply",
            "--yes",
            "--max-delete",
            "100",
            "--expect-delete",
            "11",
        ]),
    );
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(site.bucket.keys(), [keys[0].clone()].into());
}

#[test]
fn k8s_a_shard_that_is_killed_goes_on_to_the_same_end() {
    let site = Site::new(Lake::Real, 4);
    let orphans = fill(&site.bucket);
    let before = site.bucket.keys();
    site.lead_to(site.bucket.tapped.s3.url());
    site.bucket
        .tapped
        .s3
        .counting(|request| deletes_many(request, "orphan"))
        .at_change(1, Hook::Hold);
    let line = [
        &["submit", "--shards", "3", "--json", "--"],
        &site.gc(&["--apply", "--yes", "--max-delete", "1000"])[..],
    ]
    .concat();
    let mut command = site.bucket.operator.command(&line);
    command.envs(site.variables());
    let mut child = command.spawn().unwrap();
    assert!(site.bucket.tapped.s3.is_held_before_end(&mut child));
    // Of those that are not over, one waits for the answer.
    let victims = site.namespace.running("dashi.io/submission");
    for pod in &victims {
        site.namespace.delete(&format!("pod/{pod}"));
    }
    site.bucket.tapped.s3.release();
    let ran = site.bucket.operator.ended(child);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(
        !victims.is_empty() && ran.stderr.contains(" failed"),
        "{ran}"
    );
    assert_eq!(rows(&ran).len(), 3);
    let kept: BTreeSet<String> = before.difference(&orphans).cloned().collect();
    assert_eq!(site.bucket.keys(), kept, "{ran}");
}

#[test]
fn k8s_a_runbook_that_takes_a_shard_is_shared_as_well() {
    let site = Site::new(Lake::Real, 1);
    site.bucket
        .operator
        .work_file("lib/share.rhai", "fn told(share) { `this is ${share}` }");
    site.bucket.operator.work_file(
        "count.rhai",
        "//! Counts.\n//! ```toml\n//! [options.shard]\n//! required = true\n//! ```\nimport \"./lib/share\" as share;\n\
         fn main(args) { if args.shard == \"2/8\" { exit(3); } share::told(args.shard) }\n",
    );
    let ran = site.submit(&["--json", "--parallel", "3"], &["run", "count.rhai"]);
    assert_eq!(ran.code, Some(3), "{ran}");
    let rows = rows(&ran);
    assert_eq!(
        (&rows[0]["last_line"], &rows[0]["exit"]),
        (&json!("this is 0/8"), &json!(0)),
        "{ran}"
    );
    // What said no is not asked again.
    assert_eq!(
        (&rows[2]["exit"], &rows[2]["tries"]),
        (&json!(3), &json!(1)),
        "{ran}"
    );
    assert!(ran.stderr.contains("run: 7 of 8 done, 1 failed"), "{ran}");
}

#[test]
fn k8s_ctrl_c_leaves_the_job_and_says_where_it_is() {
    let site = Site::new(Lake::Real, 1);
    site.bucket.operator.work_file("wait.rhai", "//! Waits.\n//! ```toml\n//! [options.shard]\n//! ```\nfn main(args) { sleep(\"60s\"); }\n");
    let line = ["submit", "--shards", "2", "--", "run", "wait.rhai"];
    let mut command = site.bucket.operator.command(&line);
    command.envs(site.variables());
    let child = command.spawn().unwrap();
    let (code, stderr, _) = stopped("-INT", child, || site.namespace.count("pods") == 2);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(
        stderr.contains("goes on: dashictl k8s logs job/dashictl-submit-"),
        "{stderr}"
    );
    assert_eq!(site.namespace.count("jobs"), 1);
}

#[test]
fn k8s_nothing_is_submitted_that_cannot_be_ended() {
    let site = Site::new(Lake::Real, 1);
    let kubeconfig = site.namespace.kubeconfig_of(&viewer());
    site.bucket.operator.home_file(".kube/config", &kubeconfig);
    let refused = site.submit(&[], &site.gc(&[])).failure(1);
    assert!(
        refused.contains("you may not create jobs.batch")
            && refused.contains("a Role with these rules"),
        "{refused}"
    );
    assert_eq!(site.namespace.count("jobs"), 0);
}

#[test]
fn what_cannot_be_shared_is_refused_with_what_is_right() {
    let operator = Operator::in_context("sandbox");
    let submit = |command: &[&str]| {
        let line = [&["submit", "--shards", "2", "--image", "i", "--"], command].concat();
        operator.run(&line).failure(2)
    };
    assert!(submit(&["domain", "list"]).contains("it takes no --shard"));
    assert!(submit(&["gc", "--shard", "1/2"]).contains("leave it out"));
    let unbounded = submit(&["gc", "--bucket", "processed", "--apply"]);
    assert!(
        unbounded.contains("gc --bucket processed --apply --yes --max-delete N"),
        "{unbounded}"
    );
    // The embedded lake has no Kubernetes, and says so.
    assert!(submit(&["gc"]).contains("the embedded lake has no Kubernetes"));
}

#[test]
fn k8s_what_keeps_shards_from_their_end_is_told_once_and_the_job_goes() {
    let site = Site::new(Lake::Real, 1);
    let unpulled = site.submit(&["--image", "no-such-image"], &site.gc(&[]));
    assert_eq!(unpulled.code, Some(1), "{unpulled}");
    assert!(
        unpulled.stderr.contains("no-such-image") && !unpulled.stderr.contains("goes on"),
        "{unpulled}"
    );
    assert_eq!(site.namespace.count("jobs"), 0);
    site.bucket.operator.work_file("bad.rhai", "//! Fails.\n//! ```toml\n//! [options.shard]\n//! ```\nfn main(args) { fail(\"this one breaks\", #{kind: \"conflict\", hint: \"mend it\"}) }\n");
    let ran = site.submit(&["--timeout", "8s"], &["run", "bad.rhai"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.stderr.contains("(try 1): error: this one breaks")
            && ran.stderr.contains("its time was up (--timeout)"),
        "{ran}"
    );
    for inner in [&["gc", "--plan-out", "x"][..], &["gc", "--shard", "1/2"]] {
        let refused = site.submit(&[], inner).failure(2);
        assert!(refused.contains("leave it out"), "{refused}");
    }
    let nowhere = site
        .submit(&["-n", "no-such-namespace"], &site.gc(&[]))
        .failure(1);
    assert!(
        nowhere.contains("there is no namespace 'no-such-namespace'"),
        "{nowhere}"
    );
}
