//! Deployments of Prefect as targets: put under a flow and a name, and deleted. What a deployment is, is what a client may set of
//! it; what the server adds (ids, times, whether a worker is there) is none of it.

use serde_json::{Map, Value, json};

use super::hands::{Done, Seen};
use super::inverse::Inverse;
use super::record::{holds, settled};
use super::{Change, Facts, Permit};
use crate::clients::prefect::Prefect;
use crate::error::{Error, Result};

/// What a client may set (Prefect 3.9, `DeploymentCreate`), beside flow and name.
const SET: [&str; 12] = [
    "concurrency_limit",
    "concurrency_options",
    "description",
    "enforce_parameter_schema",
    "entrypoint",
    "job_variables",
    "parameters",
    "paused",
    "schedules",
    "tags",
    "version",
    "work_pool_name",
];
/// The same of a schedule.
const SCHEDULE: [&str; 3] = ["schedule", "active", "parameters"];

/// What the deployment is that a change is about.
pub(super) async fn look(prefect: &Prefect, change: &Change) -> Result<Seen> {
    let (flow, name) = named(change)?;
    let found = prefect.deployment(&format!("{flow}/{name}")).await;
    Seen::of(found.map(|found| settable(&found)), Facts::of_record)
}

/// Makes the change.
pub(super) async fn perform(prefect: &Prefect, permit: Permit, change: &Change) -> Result<Done> {
    let (flow, name) = named(change)?;
    let Change::PutDeployment { deployment, .. } = change else {
        let found = prefect.deployment(&format!("{flow}/{name}")).await?;
        let id = found["id"].as_str().unwrap_or_default();
        settled(prefect.delete_deployment(permit, id).await)?;
        return Ok(Done::default());
    };
    let flow_id = prefect.ensure_flow(Permit::granted(), flow).await?;
    let mut body = deployment.clone();
    body["name"] = json!(name);
    body["flow_id"] = json!(flow_id);
    let made = prefect.put_deployment(permit, body).await?;
    Ok(Done {
        after: Facts::of_record(&settable(&made)),
        value: made,
        ..Done::default()
    })
}

/// Whether a deployment is what a change would make of it.
pub(super) fn is_made(change: &Change, found: &Value) -> bool {
    matches!(change, Change::PutDeployment { deployment, .. } if holds(found, deployment))
}

/// What takes a change back.
pub(super) fn inverse(change: &Change, image: Option<&Value>, now: Facts) -> Inverse {
    let back = match (change, image) {
        (
            Change::PutDeployment { flow, name, .. } | Change::DeleteDeployment { flow, name },
            Some(image),
        ) => Change::PutDeployment {
            flow: flow.clone(),
            name: name.clone(),
            deployment: image.clone(),
        },
        (Change::PutDeployment { flow, name, .. }, None) => Change::DeleteDeployment {
            flow: flow.clone(),
            name: name.clone(),
        },
        _ => return Inverse::Lost("what was there before is not in the journal".to_owned()),
    };
    Inverse::Change(Box::new(back), now)
}

fn named(change: &Change) -> Result<(&str, &str)> {
    match change {
        Change::PutDeployment { flow, name, .. } | Change::DeleteDeployment { flow, name } => {
            Ok((flow, name))
        }
        _ => Err(Error::internal("this is no change of a deployment")),
    }
}

/// What a client may set of a deployment.
fn settable(found: &Value) -> Value {
    let kept = |value: &Value, names: &[&str]| {
        let fields = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), value.get(*name)?.clone())));
        Value::Object(fields.collect::<Map<String, Value>>())
    };
    let mut image = kept(found, &SET);
    if let Some(schedules) = image["schedules"].as_array() {
        image["schedules"] = schedules
            .iter()
            .map(|schedule| kept(schedule, &SCHEDULE))
            .collect();
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_adds_is_no_part_of_a_deployment() {
        let found = json!({"id": "1", "name": "a", "updated": "x", "status": "READY", "tags": ["t"],
            "schedules": [{"id": "2", "active": true, "schedule": {"cron": "0 3 * * *", "timezone": "UTC", "day_or": true}}]});
        let image = settable(&found);
        assert_eq!(
            image,
            json!({"tags": ["t"], "schedules": [{"active": true, "schedule": {"cron": "0 3 * * *", "timezone": "UTC", "day_or": true}}]})
        );
        let wanted = json!({"schedules": [{"schedule": {"cron": "0 3 * * *", "timezone": "UTC"}}]});
        let put = Change::PutDeployment {
            flow: "f".to_owned(),
            name: "a".to_owned(),
            deployment: wanted,
        };
        assert!(is_made(&put, &image));
    }
}
