//! The functions of `k8s::` that change objects of the cluster. Each asks for the rights that it needs before it comes to the
//! gate, so that nothing is begun that cannot be ended.

use std::time::Duration;

use rhai::{Array, Dynamic, ImmutableString, Map};
use serde_json::{Value, json};

use super::k8s::namespace_of;
use crate::clients::cluster::Cluster;
use crate::clients::k8s_changes::{Propagation, rehearse, rehearse_creation};
use crate::clients::k8s_job::{JobOf, of_cron_job};
use crate::clients::k8s_kind::KindOf;
use crate::clients::k8s_logs::selected;
use crate::clients::k8s_objects::{get, is_secret};
use crate::clients::k8s_place::Place;
use crate::clients::k8s_right::{Right, demand};
use crate::effects::{Act, Change, ClusterChange, Facts, Input, Manifest, Payload};
use crate::engine::call::Call;
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::engine::value::{reveal_json, to_json};
use crate::error::{Error, Kind, Result};

/// A Job that is over stays so long.
const TTL: Duration = Duration::from_hours(1);

/// A pod may take so long until it runs.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) fn add(ns: &mut Namespace) {
    manifests(ns);
    pods(ns);
    jobs(ns);
}

fn manifests(ns: &mut Namespace) {
    native! { ns,
        /// Makes an object what a manifest says, and leaves alone what the manifest does not name (server-side apply, as the
        /// field manager `dashictl`); gives it as it is then. A field that somebody else has set is a conflict. A secret may
        /// stand in a Secret's `stringData`, and nowhere else.
        ///
        /// ```rhai
        /// let manifest = #{apiVersion: "v1", kind: "ConfigMap", metadata: #{name: "example"}, data: #{colour: "blue"}};
        /// let colour = k8s::apply(manifest).data.colour;
        /// k8s::delete("configmap/example");
        /// colour
        /// //=> "blue"
        /// ```
        write fn apply(call, manifest: Map) -> "map"
            options as options {
                /// The namespace, where the manifest names none. Default: that of the kubeconfig's context.
                namespace: Text,
                /// Also the fields that somebody else has set.
                force: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let whole = of_manifest(manifest)?;
                let force = options.flag("force");
                let cluster = call.session().cluster()?;
                let namespace = namespace_of(&options)?;
                let at = call.wait(async {
                    let at = Place::described(cluster, &whole, namespace.as_deref()).await?;
                    may(cluster, &at, &["get", "create", "patch"], "").await?;
                    Ok(at)
                })?;
                if call.session().gate().is_planning() && !is_planned(call, cluster, &at)? {
                    call.wait(would_be_taken(cluster, &at, &whole, force))?;
                }
                changed(call, at, Act::Apply { manifest: Manifest::new(whole), force }, &options)?
            }

        /// Has the API server look at a manifest as if it were applied, and gives what it would become; nothing is changed. Throws
        /// what would be thrown then: a field that is wrong, a right that is missing, a conflict.
        ///
        /// ```rhai
        /// k8s::rehearse(#{apiVersion: "v1", kind: "ConfigMap", metadata: #{name: "never"}}).metadata.name
        /// //=> "never"
        /// ```
        read fn rehearse(call, manifest: Map) -> "map"
            options as options {
                /// The namespace, where the manifest names none. Default: that of the kubeconfig's context.
                namespace: Text,
                /// Also the fields that somebody else has set.
                force: Bool = "false"
            }
            {
                let whole = of_manifest(manifest)?;
                let force = options.flag("force");
                let cluster = call.session().cluster()?;
                let namespace = namespace_of(&options)?;
                call.wait(async {
                    let at = Place::described(cluster, &whole, namespace.as_deref()).await?;
                    may(cluster, &at, &["get", "create", "patch"], "").await?;
                    rehearse(cluster, &at, &whole, force).await
                })?
            }

        /// Deletes an object, `kind/name`, if it is still the one that was looked at. What it owns is deleted after it. Throws
        /// `not_found` where there is none.
        ///
        /// ```rhai
        /// k8s::apply(#{apiVersion: "v1", kind: "ConfigMap", metadata: #{name: "gone"}});
        /// k8s::delete("configmap/gone");
        /// k8s::try_get("configmap/gone")
        /// //=> ()
        /// ```
        destroy fn delete(call, target: ImmutableString) -> "()"
            options as options {
                /// The namespace. Default: that of the kubeconfig's context.
                namespace: Text,
                /// What becomes of what it owns: `background` (deleted after it), `foreground` (before), `orphan` (stays).
                propagation: Text = "background",
                /// Only where this run made it.
                own: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let propagation = options.text("propagation");
                let propagation = Propagation::named(propagation.as_deref().unwrap_or("background"))?;
                let at = allowed(call, &target, &options, &["get", "delete"], "")?;
                changed(call, at, Act::Delete { propagation }, &options)?
            }
    }
}

fn pods(ns: &mut Namespace) {
    native! { ns,
        /// Sets how many pods a Deployment, `StatefulSet` or the like is to have; gives it as it is then.
        ///
        /// ```rhai
        /// let pods = #{metadata: #{labels: #{app: "scaled"}}, spec: #{containers: [#{name: "main", image: "debian:12"}]}};
        /// let spec = #{replicas: 0, selector: #{matchLabels: #{app: "scaled"}}, template: pods};
        /// k8s::apply(#{apiVersion: "apps/v1", kind: "Deployment", metadata: #{name: "scaled"}, spec: spec});
        /// let replicas = k8s::scale("deployment/scaled", 0).spec.replicas;
        /// k8s::delete("deployment/scaled");
        /// replicas
        /// //=> 0
        /// ```
        write fn scale(call, target: ImmutableString, replicas: i64) -> "map"
            options as options {
                /// The namespace. Default: that of the kubeconfig's context.
                namespace: Text,
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                if !(0..=10_000).contains(&replicas) {
                    return Err(Error::usage(format!("{replicas} is no number of pods")).hint("it is 0 to 10000").into());
                }
                allowed(call, &target, &options, &["get"], "")?;
                let at = allowed(call, &target, &options, &["patch"], "/scale")?;
                changed(call, at, Act::Scale { replicas }, &options)?
            }

        /// Has the pods of a Deployment, `StatefulSet` or `DaemonSet` made anew, as many at a time as it says itself.
        ///
        /// ```rhai
        /// let pods = #{metadata: #{labels: #{app: "again"}}, spec: #{containers: [#{name: "main", image: "debian:12"}]}};
        /// let spec = #{replicas: 0, selector: #{matchLabels: #{app: "again"}}, template: pods};
        /// k8s::apply(#{apiVersion: "apps/v1", kind: "Deployment", metadata: #{name: "again"}, spec: spec});
        /// let generation = k8s::restart("deployment/again").metadata.generation;
        /// k8s::delete("deployment/again");
        /// generation
        /// //=> 2
        /// ```
        write fn restart(call, target: ImmutableString) -> "map"
            options as options {
                /// The namespace. Default: that of the kubeconfig's context.
                namespace: Text,
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let moment = call.session().gate().order().began.to_string();
                let at = allowed(call, &target, &options, &["get", "patch"], "")?;
                if !["deployment.apps", "statefulset.apps", "daemonset.apps"].contains(&at.kind.as_str()) {
                    return Err(Error::usage(format!("a {} is not restarted", at.kind))
                        .hint("a deployment, statefulset or daemonset is; a pod is deleted, and its owner makes another")
                        .into());
                }
                changed(call, at, Act::Restart { moment }, &options)?
            }

        /// Runs a command in a pod, or in a running pod of a Job, Deployment and the like; gives `pod`, `code`, `stdout`,
        /// `stderr`. An exit code other than 0 is an error.
        ///
        /// ```rhai
        /// k8s::job("shell", #{image: "debian:12", command: ["sleep", "60"], pod: #{terminationGracePeriodSeconds: 0}});
        /// let read = k8s::exec("job/shell", ["tr", "a-z", "A-Z"], #{input: "moin"});
        /// k8s::delete("job/shell");
        /// read.stdout
        /// //=> "MOIN"
        /// ```
        destroy fn exec(call, target: ImmutableString, command: Array) -> "map"
            options as options {
                /// The namespace. Default: that of the kubeconfig's context.
                namespace: Text,
                /// The container. Default: the pod's first.
                container: Text,
                /// What the command reads.
                input: Text,
                /// The object of the store that the command reads, as it comes.
                input_from: Text,
                /// How long a pod may take until it runs.
                timeout: Duration = "1m",
                /// An exit code other than 0 is an answer like any other.
                any_code: Bool = "false",
                /// Only where this run made the object: then a script that may only write may do so too.
                own: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                if command.is_empty() {
                    return Err(Error::usage("there is no command to run").hint("it is a program and its arguments: [\"df\", \"-h\"]").into());
                }
                let act = Act::Exec {
                    container: options.text("container").map(|name| name.to_string()),
                    command: words(command)?,
                    input: input(call, &options)?,
                    patience: options.duration("timeout")?.unwrap_or(PATIENCE).as_secs(),
                    any_code: options.flag("any_code"),
                };
                let cluster = call.session().cluster()?;
                let namespace = namespace_of(&options)?;
                let at = call.wait(async {
                    let at = Place::meant(cluster, &target, namespace.as_deref()).await?;
                    let place = at.namespace.as_deref().unwrap_or_default();
                    let verbs = ["create", "get"].map(|verb| Right::within(place, verb, "pods/exec"));
                    demand(cluster, &verbs).await?;
                    Ok(at)
                })?;
                if !is_planned(call, cluster, &at)? {
                    let object = call.wait(get(cluster, &at.target(), at.namespace.as_deref()))?;
                    // What has no pods is told now.
                    selected(&object)?;
                }
                changed(call, at, act, &options)?
            }
    }
}

fn jobs(ns: &mut Namespace) {
    native! { ns,
        /// Makes a Job: of one container, or `from` a `CronJob` as that would make it now. It must not be there yet. `k8s::wait`
        /// and `k8s::logs` follow it; when it is over it goes by itself.
        ///
        /// ```rhai
        /// let job = k8s::job("example", #{image: "debian:12", command: ["true"], timeout: "5m"});
        /// k8s::wait("job/example", #{timeout: "5m"});
        /// k8s::delete("job/example");
        /// job.spec.activeDeadlineSeconds
        /// //=> 300
        /// ```
        write fn job(call, name: ImmutableString) -> "map"
            options as options {
                /// The namespace. Default: that of the kubeconfig's context.
                namespace: Text,
                /// The image of its container.
                image: Text,
                /// The program and its arguments. Default: the image's own.
                command: Array,
                /// Variables of the container.
                env: Map,
                /// The `CronJob` that it is to be like, as `cronjob/nightly`; then nothing else is said of it.
                from: Text,
                /// How long it may take. Default: as long as it takes.
                timeout: Duration,
                /// How long it stays when it is over.
                ttl: Duration = "1h",
                /// How often a pod that failed is made anew.
                retries: Int = "0",
                /// Labels of the Job and its pod.
                labels: Map,
                /// Other fields of the container, as in a manifest.
                container: Map,
                /// Other fields of the pod's spec, as in a manifest.
                pod: Map,
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let at = allowed(call, &format!("job.batch/{name}"), &options, &["create", "get"], "")?;
                let manifest = job_manifest(call, &name, &at, &options)?;
                let is_planning = call.session().gate().is_planning();
                call.wait(would_be_made(call.session().cluster()?, &at, &manifest, is_planning))?;
                changed(call, at, Act::Create { manifest: Manifest::new(manifest) }, &options)?
            }
    }
}

fn job_manifest(call: &Call, name: &str, at: &Place, options: &Options) -> Result<Value> {
    let own = [
        "image",
        "command",
        "env",
        "timeout",
        "ttl",
        "retries",
        "labels",
        "container",
        "pod",
    ];
    if let Some(from) = options.text("from") {
        if let Some(other) = own.iter().find(|name| options.any(name).is_some()) {
            return Err(
                Error::usage(format!("'from' and '{other}' cannot go together"))
                    .hint("what is made from a CronJob is as the CronJob says"),
            );
        }
        let cron_job = get(call.session().cluster()?, &from, at.namespace.as_deref());
        return of_cron_job(&call.wait(cron_job)?, name);
    }
    let image = options.text("image").ok_or_else(|| {
        Error::usage("a Job needs an image").hint("#{image: …}, or #{from: \"cronjob/…\"}")
    })?;
    let map = |name: &str| {
        let given = options.map(name).unwrap_or_default();
        match to_json(&Dynamic::from_map(given))? {
            Value::Object(fields) => Ok(fields),
            _ => Err(Error::internal("a map that is none")),
        }
    };
    let command = words(options.array("command").unwrap_or_default())?;
    let job = JobOf {
        name: name.to_owned(),
        image: image.to_string(),
        command: command.into_iter().map(Value::from).collect(),
        env: map("env")?,
        labels: map("labels")?,
        timeout: options.duration("timeout")?,
        ttl: options.duration("ttl")?.unwrap_or(TTL),
        retries: options.int("retries").unwrap_or(0),
        container: map("container")?,
        pod: map("pod")?,
    };
    Ok(job.manifest())
}

/// A manifest as JSON. Only a Secret may hold secrets: the journal knows it for one.
fn of_manifest(map: Map) -> Result<Value> {
    let text = |name: &str| map.get(name).map(ToString::to_string);
    let kind = json!({"kind": text("kind"), "apiVersion": text("apiVersion")});
    let value = Dynamic::from_map(map);
    if is_secret(&kind) {
        reveal_json(&value)
    } else {
        to_json(&value)
    }
}

fn words(command: Array) -> Result<Vec<String>> {
    let words = command.into_iter().map(|word| match to_json(&word)? {
        Value::String(word) => Ok(word),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(Error::usage(format!("{other} is no word of a command"))),
    });
    words.collect()
}

fn input(call: &Call, options: &Options) -> Result<Option<Input>> {
    match (options.text("input"), options.text("input_from")) {
        (Some(_), Some(_)) => Err(Error::usage("'input' and 'input_from' cannot go together")),
        (Some(text), None) => Ok(Some(Input::Text(Payload::new(text.to_string())))),
        (None, Some(uri)) => {
            let at = call.session().lake()?.locate(&uri)?;
            call.reads(&at.to_string())?;
            let head = call.wait(call.session().s3()?.head(&at.bucket, &at.key))?;
            let was = Facts::of_object(&head);
            Ok(Some(Input::Object { at, was }))
        }
        (None, None) => Ok(None),
    }
}

/// The object that a target means, for who may do this to it.
fn allowed(
    call: &Call,
    target: &str,
    options: &Options,
    verbs: &[&str],
    subresource: &str,
) -> Result<Place> {
    let cluster = call.session().cluster()?;
    let namespace = namespace_of(options)?;
    call.wait(async {
        let at = Place::meant(cluster, target, namespace.as_deref()).await?;
        may(cluster, &at, verbs, subresource).await?;
        Ok(at)
    })
}

async fn may(cluster: &Cluster, at: &Place, verbs: &[&str], subresource: &str) -> Result<()> {
    let kind = KindOf::meant(cluster, &at.kind).await?;
    let rights = verbs.iter().map(|verb| Right {
        verb: (*verb).to_owned(),
        resource: format!("{}{subresource}", kind.full_name()),
        namespace: at.namespace.clone(),
    });
    demand(cluster, &rights.collect::<Vec<_>>()).await
}

/// Whether an earlier step of the plan is to make or change it.
fn is_planned(call: &Call, cluster: &Cluster, at: &Place) -> Result<bool> {
    let name = crate::effects::known_as(at, cluster.name());
    Ok(call.session().gate().will_change(&name)?.is_some())
}

/// Has the API server look at a manifest. The namespace may be one that the plan makes first.
async fn would_be_taken(
    cluster: &Cluster,
    at: &Place,
    manifest: &Value,
    force: bool,
) -> Result<()> {
    match rehearse(cluster, at, manifest, force).await {
        Err(error) if error.kind() == Kind::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// The same for what is to be made. One that is there already is the gate's to tell.
async fn would_be_made(
    cluster: &Cluster,
    at: &Place,
    manifest: &Value,
    is_planning: bool,
) -> Result<()> {
    match rehearse_creation(cluster, at, manifest).await {
        Err(error) if error.kind() == Kind::Conflict => Ok(()),
        Err(error) if error.kind() == Kind::NotFound && is_planning => Ok(()),
        other => other.map(drop),
    }
}

fn changed(call: &Call, at: Place, act: Act, options: &Options) -> Result<Dynamic> {
    let cluster = call.session().cluster()?;
    let change = ClusterChange::new(cluster, at, act);
    call.change(Change::Cluster(change), options)
}
