//! `schedule` elsewhere than in the cluster: units for systemd, workflows for GitHub, deployments of Prefect; and what cannot be
//! scheduled anywhere.

use std::process::Command;

use serde_json::{Value, json};

use super::lakes::{Lake, real_lake};
use super::operator::{Operator, program};
use super::schedule::{adding, row};

#[test]
fn units_of_systemd_are_sound_and_go_again() {
    let operator = Operator::in_context("sandbox");
    let command = ["eval", "`50% of ${1 + 1} \"x\"`"];
    let flags = ["--zone", "Europe/Berlin", "--to", "systemd"];
    let told = operator.run(&adding("check", "*/30 2 1 * 1", &flags, &command));
    assert!(
        told.stderr
            .contains("systemctl --user enable --now dashictl-check.timer"),
        "{told}"
    );
    let units = operator.home().join(".config/systemd/user");
    let timer = std::fs::read_to_string(units.join("dashictl-check.timer")).unwrap();
    assert!(timer.contains("OnCalendar=*-*-01 02:00,30:00 Europe/Berlin\nOnCalendar=Mon *-*-* 02:00,30:00 Europe/Berlin\n"), "{timer}");
    for name in ["dashictl-check.timer", "dashictl-check.service"] {
        let mut verify = Command::new("systemd-analyze");
        verify
            .args(["verify", "--user"])
            .arg(units.join(name))
            .env("XDG_RUNTIME_DIR", operator.home());
        let output = verify.output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{name}: {output:?}"
        );
    }
    let listed = operator
        .run(&["schedule", "list", "--to", "systemd"])
        .success();
    assert!(
        listed.contains("check") && listed.contains("*/30 2 1 * 1"),
        "{listed}"
    );
    let _ = operator
        .run(&[
            "schedule", "remove", "check", "--to", "systemd", "--apply", "--yes",
        ])
        .success();
    assert!(
        !units.join("dashictl-check.timer").exists()
            && !units.join("dashictl-check.service").exists()
    );
}

#[test]
fn a_run_has_its_variables_from_where_it_is_said() {
    let operator = Operator::in_context("sandbox");
    operator.work_file(
        "tell.rhai",
        "//! Tells.\nfn main(args) { env::get(\"CHAT_HOOK\") }\n",
    );
    operator.work_file("chat.env", "CHAT_HOOK=x\n");
    let file = operator.work().join("chat.env").display().to_string();
    let script = operator.work().join("tell.rhai").display().to_string();
    let printed = |flags: &[&str]| {
        let flags = [flags, &["--print"]].concat();
        operator.run(&adding("tell", "0 6 * * *", &flags, &["run", &script]))
    };
    let unit = printed(&["--to", "systemd", "--env-from", &file]).success();
    assert!(
        unit.contains("\nEnvironmentFile=$WORK/chat.env\n"),
        "{unit}"
    );
    let github = ["--to", "github", "--image", "i", "--env-from", "CHAT_HOOK"];
    let workflow = printed(&github).success();
    assert!(
        workflow.contains("CHAT_HOOK: ${{ secrets.CHAT_HOOK }}")
            && workflow.contains(" -e CHAT_HOOK i "),
        "{workflow}"
    );
    for (flags, why) in [
        (
            ["--to", "systemd", "--env-from", "chat.env"],
            "write its whole path",
        ),
        (
            ["--to", "systemd", "--env-from", "/no/such"],
            "there is no file /no/such",
        ),
        (["--to", "prefect", "--env-from", "x"], "work pool"),
    ] {
        let ran = printed(&[&flags[..], &["--pool", "p"]].concat());
        assert!(ran.code != Some(0) && ran.stderr.contains(why), "{ran}");
    }
    let silent = printed(&["--to", "systemd"]);
    assert!(silent.stderr.contains("it reads variables"), "{silent}");
}

#[test]
fn words_and_zones_that_would_break_a_unit_do_not_come_into_it() {
    let operator = Operator::in_context("sandbox");
    let command = ["eval", "1;\nExecStartPre=/bin/false\r"];
    let line = adding("odd", "0 3 * * *", &["--to", "systemd"], &command);
    let _ = operator.run(&line).success();
    let service = operator
        .home()
        .join(".config/systemd/user/dashictl-odd.service");
    let text = std::fs::read_to_string(&service).unwrap();
    assert!(
        !text.lines().any(|line| line.starts_with("ExecStartPre")),
        "{text}"
    );
    assert!(
        text.contains(r#""1;\nExecStartPre=/bin/false\r""#),
        "{text}"
    );
    std::fs::write(&service, "[Unit]\n").unwrap();
    assert!(
        operator
            .run(&line)
            .failure(1)
            .contains("it is of no schedule")
    );
    let flags = ["--zone", "europe/berlin", "--print", "--to", "systemd"];
    let zone = adding("odd", "0 3 * * *", &flags, &["domain", "list"]);
    assert!(
        operator
            .run(&zone)
            .failure(2)
            .contains("did you mean 'Europe/Berlin'?")
    );
    // A line that is typed again does the same.
    let command = ["gc", "--apply", "--yes", "--max-delete", "5"];
    let flags = ["--to", "systemd", "--dry-run"];
    let dry = adding("odd2", "0 3 * * *", &flags, &command);
    let shown = operator.run(&dry);
    assert!(
        shown.stderr.contains("-- gc --apply --yes --max-delete 5"),
        "{shown}"
    );
}

#[test]
fn a_workflow_for_github_brings_the_runbook_along() {
    let operator = Operator::in_context("sandbox");
    operator.work_file("fix.rhai", "//! Fixes.\nfn main(args) { 'a' }\n");
    let to_github = ["--to", "github", "--image", "dashictl:1"];
    let line = adding("fix", "0 3 * * 1", &to_github, &["run", "fix.rhai"]);
    let printed = operator.run(&line).success();
    let flow: Value = serde_yaml_ng::from_str(&printed).unwrap();
    assert_eq!(flow["on"]["schedule"], json!([{"cron": "0 3 * * 1"}]));
    let steps = &flow["jobs"]["run"]["steps"];
    assert!(
        steps[0]["run"]
            .as_str()
            .unwrap()
            .contains("fn main(args) { 'a' }\nEND_OF_RUNBOOK"),
        "{printed}"
    );
    assert!(
        steps[1]["run"]
            .as_str()
            .unwrap()
            .ends_with("dashictl:1 --context sandbox run /etc/dashi/runbook/fix.rhai"),
        "{printed}"
    );
    let flags = [&["--zone", "Europe/Berlin"], &to_github[..]].concat();
    let zone = adding("fix", "0 3 * * 1", &flags, &["domain", "list"]);
    assert!(
        operator
            .run(&zone)
            .failure(2)
            .contains("GitHub runs schedules in UTC")
    );
}

#[test]
fn what_cannot_run_by_itself_is_refused_with_what_is_right() {
    let operator = Operator::in_context("sandbox");
    let add = |name: &str, cron: &str, command: &[&str]| {
        let flags = ["--print", "--to", "systemd"];
        operator
            .run(&adding(name, cron, &flags, command))
            .failure(2)
    };
    assert!(
        add("Weekly", "0 3 * * 1", &["domain", "list"])
            .contains("'Weekly' is no name of a schedule")
    );
    assert!(add("weekly", "0 3 * *", &["domain", "list"]).contains("it has not five fields"));
    assert!(add("weekly", "0 0 30 2 *", &["domain", "list"]).contains("never comes"));
    assert!(add("weekly", "0 3 * * 1", &["domian", "list"]).contains("domain"));
    assert!(add("weekly", "0 3 * * 1", &["gc", "--bukket", "landing"]).contains("--bucket"));
    assert!(add("weekly", "0 3 * * 1", &["doc"]).contains("is not run elsewhere"));
    let unbounded = add(
        "weekly",
        "0 3 * * 1",
        &["gc", "--bucket", "landing", "--apply"],
    );
    assert!(
        unbounded.contains("gc --bucket landing --apply --yes --max-delete N"),
        "{unbounded}"
    );
    let unbounded = add(
        "weekly",
        "0 3 * * 1",
        &["gc", "--bucket", "landing", "--apply", "--yes"],
    );
    assert!(unbounded.contains("--max-delete N"), "{unbounded}");
    let elsewhere = add("weekly", "0 3 * * 1", &["ingest", "-d", "raw", "a.geojson"]);
    assert!(elsewhere.contains("write its whole path"), "{elsewhere}");
    let flags = ["--print", "--image", "dashictl"];
    let line = adding(
        "weekly",
        "0 3 * * 1",
        &flags,
        &["ingest", "-d", "raw", "/srv/a.geojson"],
    );
    let refused = operator.run(&line).failure(2);
    assert!(refused.contains("which no pod has"), "{refused}");
    // Without the program's image there is nothing to be run.
    let line = adding("weekly", "0 3 * * 1", &["--print"], &["domain", "list"]);
    assert!(operator.run(&line).failure(2).contains("kubernetes.image"));
}

/// A work pool of the lake's Prefect, and a worker of it.
struct Worker {
    pool: String,
    api: String,
    child: std::process::Child,
}

impl Worker {
    fn start(operator: &Operator) -> Worker {
        let lake = real_lake();
        let api = format!("{}/api", lake["DASHI_PREFECT_URL"]);
        let pool = Lake::name("pool");
        let made = prefect(&api)
            .args(["work-pool", "create", &pool, "--type", "process"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let programs = program().parent().unwrap().display().to_string();
        let mut worker = prefect(&api);
        worker
            .args(["worker", "start", "--pool", &pool, "--type", "process"])
            .current_dir(operator.work())
            .env("HOME", operator.home())
            .env("DASHI_CONFIG_HOME", operator.home().join(".config/dashi"))
            .env(
                "PATH",
                format!("{programs}:{}", std::env::var("PATH").unwrap()),
            )
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        Worker {
            child: worker.spawn().unwrap(),
            pool,
            api,
        }
    }
}

impl Drop for Worker {
    /// A worker that is asked to end may wait for ever.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = prefect(&self.api)
            .args(["--no-prompt", "work-pool", "delete", &self.pool])
            .output();
    }
}

fn prefect(api: &str) -> Command {
    let python = std::path::Path::new(&real_lake()["LAKE_PYTHON_PREFECT"]);
    let mut command = Command::new(python.with_file_name("prefect"));
    command.env("PREFECT_API_URL", api);
    command
}

#[test]
fn a_deployment_of_the_real_prefect_says_how_its_runs_end() {
    let served = Lake::Real.served();
    let operator = served.operator();
    let worker = Worker::start(&operator);
    let (good, bad) = (Lake::name("good"), Lake::name("bad"));
    let add = |pool: &str, name: &str, cron: &str, command: &[&str]| {
        let flags = ["--to", "prefect", "--pool", pool];
        operator.run(&adding(name, cron, &flags, command))
    };
    let pool = worker.pool.as_str();
    let _ = add(
        pool,
        &good,
        "0 3 * * 1",
        &["eval", "stac::collections().count() > 0"],
    )
    .success();
    let _ = add(pool, &bad, "0 3 * * 1", &["eval", "fail(\"so it goes\")"]).success();
    let run = |name: &str| operator.run(&["schedule", "run", name, "--to", "prefect", "--json"]);
    let ran = run(&good);
    assert_eq!(
        (ran.code, ran.json()["state"].as_str()),
        (Some(0), Some("Completed"))
    );
    let ran = run(&bad);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.stdout.contains("so it goes") && ran.stdout.contains("Failed"),
        "{ran}"
    );
    let listed = operator.run(&["schedule", "list", "--to", "prefect", "--json"]);
    assert_eq!(listed.code, Some(3), "{listed}");
    assert_eq!(
        row(&listed.stdout, &bad).unwrap()["last_line"],
        "so it goes"
    );
    assert_eq!(row(&listed.stdout, &good).unwrap()["state"], "completed");
    // Changed, and back; removed, and back.
    let _ = add(pool, &good, "0 4 * * *", &["doctor"]).success();
    let remove = |name: &str| {
        operator.run(&[
            "schedule", "remove", name, "--to", "prefect", "--apply", "--yes",
        ])
    };
    let undo = remove(&good).told("Take it back: ", "\n");
    operator.copied(&undo).success();
    let listed = operator.run(&["schedule", "list", "--to", "prefect", "--json"]);
    assert_eq!(row(&listed.stdout, &good).unwrap()["cron"], "0 4 * * *");
    for name in [&good, &bad] {
        let _ = remove(name).success();
    }
    let nowhere = add("no-such-pool", "x", "0 4 * * *", &["doctor"]);
    assert!(
        nowhere
            .failure(1)
            .contains("prefect work-pool create no-such-pool")
    );
}
