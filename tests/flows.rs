//! A flow of a test's own in a lake's Prefect, with a deployment that no worker serves: its runs enter the states that the
//! test says.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::lakes::{Addresses, Lake, Served};
use super::operator::Operator;
use super::wire::Wire;

/// The flow.
pub struct Flows {
    pub operator: Operator,
    /// The way to Prefect.
    pub prefect: Wire,
    /// The flow's name; its deployment is `main`.
    pub flow: String,
    deployment: String,
    id: String,
    url: String,
    addresses: Addresses,
    runtime: Runtime,
    http: reqwest::Client,
    _served: Served,
}

impl Flows {
    pub fn new(lake: Lake) -> Flows {
        let served = lake.served();
        let prefect = Wire::before(&served.addresses.prefect);
        let addresses = Addresses {
            prefect: prefect.url().to_owned(),
            ..served.addresses.clone()
        };
        let mut flows = Flows {
            operator: addresses.operator(),
            prefect,
            flow: Lake::name("flow"),
            deployment: String::new(),
            id: String::new(),
            url: served.addresses.prefect.clone(),
            addresses,
            runtime: Runtime::new().unwrap(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _served: served,
        };
        let flow = flows.ask("flows/", &json!({"name": flows.flow}));
        // A run that is for no domain would keep `gc` from deleting anything anywhere.
        let deployment = flows.ask(
            "deployments/",
            &json!({"name": "main", "flow_id": flow["id"], "parameters": {"domain": flows.flow}}),
        );
        flows.id = flow["id"].as_str().unwrap_or_default().into();
        flows.deployment = deployment["id"].as_str().unwrap_or_default().into();
        flows
    }

    /// `flow/main`
    pub fn deployment(&self) -> String {
        format!("{}/main", self.flow)
    }

    /// One more operator.
    pub fn another(&self) -> Operator {
        self.addresses.operator()
    }

    /// Starts a run, as somebody else would.
    pub fn start(&self, parameters: &Value) -> String {
        self.create(&json!({"parameters": parameters}))
    }

    /// Starts one that is to begin at a time.
    pub fn start_at(&self, at: &str) -> String {
        let state = json!({"type": "SCHEDULED", "state_details": {"scheduled_time": at}});
        self.create(&json!({"state": state}))
    }

    /// The type of the state of a run.
    pub fn state_of(&self, run: &str) -> String {
        let runs = self.runs();
        let run = runs.iter().find(|known| known["id"] == run).unwrap();
        run["state_type"].as_str().unwrap().to_owned()
    }

    /// Waits until a run is in a state of this type.
    pub fn wait_for(&self, run: &str, state: &str) {
        let what = format!("flow run {run} is {state}");
        in_time(&what, || (self.state_of(run) == state).then_some(()));
    }

    /// The runs of the flow.
    pub fn runs(&self) -> Vec<Value> {
        let mut runs = Vec::new();
        loop {
            let flows = json!({"name": {"any_": [self.flow]}});
            let body =
                json!({"flows": flows, "sort": "ID_DESC", "limit": 200, "offset": runs.len()});
            let page = self.ask("flow_runs/filter", &body);
            let page = page.as_array().unwrap();
            runs.extend(page.clone());
            if page.len() < 200 {
                return runs;
            }
        }
    }

    /// Waits until there are so many runs, or more.
    pub fn wait_for_runs(&self, count: usize) {
        let what = format!("there are {count} flow runs");
        in_time(&what, || (self.runs().len() >= count).then_some(()));
    }

    /// Removes a run from Prefect.
    pub fn remove(&self, run: &str) {
        let url = format!("{}/api/flow_runs/{run}", self.url);
        let answer = self.runtime.block_on(self.http.delete(url).send()).unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// Starts a run with tags.
    pub fn start_tagged(&self, tags: &[&str]) -> String {
        self.create(&json!({"tags": tags}))
    }

    /// Puts a run into a state of a name that the flow has made up.
    pub fn enter_named(&self, run: &str, state: &str, name: &str) {
        let body = json!({"state": {"type": state, "name": name}, "force": true});
        self.ask(&format!("flow_runs/{run}/set_state"), &body);
    }

    /// Puts a run into a state, as its worker would.
    pub fn enter(&self, run: &str, state: &str) {
        let body = json!({"state": {"type": state, "message": format!("{state} by the test")}, "force": true});
        self.ask(&format!("flow_runs/{run}/set_state"), &body);
    }

    /// Writes lines to the log of a run, each with its time.
    pub fn log(&self, run: &str, lines: &[(&str, String)]) {
        for some in lines.chunks(500) {
            let lines: Vec<Value> = some
                .iter()
                .map(|(at, line)| json!({"name": "prefect.flow_runs", "level": 20, "message": line, "timestamp": at, "flow_run_id": run}))
                .collect();
            self.ask("logs/", &json!(lines));
        }
    }

    /// Has a run made.
    fn create(&self, body: &Value) -> String {
        let path = format!("deployments/{}/create_flow_run", self.deployment);
        let run = self.ask(&path, body);
        run["id"].as_str().unwrap().to_owned()
    }

    fn ask(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/api/{path}", self.url);
        self.runtime.block_on(async {
            let answer = self.http.post(url).json(body).send().await.unwrap();
            let status = answer.status();
            let text = answer.text().await.unwrap();
            assert!(status.is_success(), "{path} {body}: {status}: {text}");
            serde_json::from_str(&text).unwrap_or_default()
        })
    }
}

impl Drop for Flows {
    /// Its runs go with it: who reads those that are under way is not to read thousands of them.
    fn drop(&mut self) {
        let url = format!("{}/api/flows/{}", self.url, self.id);
        let _ = self.runtime.block_on(self.http.delete(url).send());
    }
}

/// What comes of looking again and again until there is something; fails where there never is.
pub fn in_time<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("it never came to this: {what}");
}
