//! The manifest of a Job: of one container, or as a `CronJob` would make it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// What tells that this program made an object.
pub const MADE_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "dashictl");

/// A Job of one container.
#[derive(Debug, Clone, Default)]
pub struct JobOf {
    /// Its name.
    pub name: String,
    /// The image.
    pub image: String,
    /// The program and its arguments; the image's own where there are none.
    pub command: Vec<Value>,
    /// Variables.
    pub env: Map<String, Value>,
    /// Labels of the Job and of its pod.
    pub labels: Map<String, Value>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// How long it stays when it is over.
    pub ttl: Duration,
    /// How often a pod that failed is made anew.
    pub retries: i64,
    /// Fields of the container beside those.
    pub container: Map<String, Value>,
    /// Fields of the pod's spec beside those.
    pub pod: Map<String, Value>,
}

impl JobOf {
    /// Its manifest.
    #[must_use]
    pub fn manifest(&self) -> Value {
        let env = self
            .env
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}));
        let mut container = json!({
            "name": "main", "image": self.image, "env": env.collect::<Vec<_>>(),
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        });
        if !self.command.is_empty() {
            container["command"] = self.command.clone().into();
        }
        set(&mut container, &self.container);
        let mut pod = json!({
            "restartPolicy": "Never", "automountServiceAccountToken": false,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}, "containers": [container],
        });
        set(&mut pod, &self.pod);
        let mut labels = self.labels.clone();
        labels.insert(MADE_BY.0.to_owned(), MADE_BY.1.into());
        let mut spec = json!({
            "backoffLimit": self.retries, "ttlSecondsAfterFinished": self.ttl.as_secs(),
            "template": {"metadata": {"labels": labels}, "spec": pod},
        });
        if let Some(timeout) = self.timeout {
            spec["activeDeadlineSeconds"] = timeout.as_secs().into();
        }
        json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": self.name, "labels": labels}, "spec": spec,
        })
    }
}

fn set(into: &mut Value, fields: &Map<String, Value>) {
    for (name, value) in fields {
        into[name] = value.clone();
    }
}

/// The Job that a `CronJob` would make now, under this name. It belongs to the `CronJob` and goes with it.
pub fn of_cron_job(cron_job: &Value, name: &str) -> Result<Value> {
    let template = &cron_job["spec"]["jobTemplate"];
    let owner = &cron_job["metadata"];
    if !template.is_object() {
        let name = owner["name"].as_str().unwrap_or_default();
        return Err(Error::usage(format!("{name} is no CronJob"))
            .hint("from: names one, as in \"cronjob/nightly\""));
    }
    let mut metadata = template["metadata"].clone();
    metadata["name"] = name.into();
    // As `kubectl create job --from` and the controller's own.
    metadata["annotations"]["cronjob.kubernetes.io/instantiate"] = "manual".into();
    metadata["ownerReferences"] = json!([{
        "apiVersion": "batch/v1", "kind": "CronJob", "name": owner["name"], "uid": owner["uid"],
        "controller": true, "blockOwnerDeletion": true,
    }]);
    Ok(
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_one_container_and_an_end() {
        let job = JobOf {
            name: "a".to_owned(),
            image: "i".to_owned(),
            timeout: Some(Duration::from_mins(1)),
            ttl: Duration::from_mins(2),
            pod: json!({"hostNetwork": true})
                .as_object()
                .cloned()
                .unwrap_or_default(),
            ..JobOf::default()
        };
        let spec = &job.manifest()["spec"];
        assert_eq!(
            (
                &spec["activeDeadlineSeconds"],
                &spec["ttlSecondsAfterFinished"]
            ),
            (&json!(60), &json!(120))
        );
        let pod = &spec["template"]["spec"];
        assert_eq!(pod["hostNetwork"], true);
        assert!(pod["containers"][0].get("command").is_none());
    }

    #[test]
    fn a_job_of_a_cron_job_is_its_template_and_belongs_to_it() {
        let cron_job = json!({"metadata": {"name": "nightly", "uid": "u"},
            "spec": {"jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"backoffLimit": 3}}}});
        let job = of_cron_job(&cron_job, "now").unwrap();
        assert_eq!(job["spec"]["backoffLimit"], 3);
        assert_eq!(job["metadata"]["labels"]["a"], "b");
        assert_eq!(job["metadata"]["ownerReferences"][0]["uid"], "u");
        assert!(of_cron_job(&json!({"metadata": {"name": "x"}}), "now").is_err());
    }
}
