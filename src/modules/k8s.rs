//! `k8s::` — the Kubernetes cluster that the lake runs on, asked through its API server.

use std::time::Duration;

use rhai::{Array, Dynamic, ImmutableString};

use super::k8s_changes;
use crate::clients::k8s_events;
use crate::clients::k8s_kind::KindOf;
use crate::clients::k8s_logs::{self, Wanted};
use crate::clients::k8s_objects::{self, Selection};
use crate::clients::k8s_place::Place;
use crate::clients::k8s_right::{Right, demand};
use crate::clients::k8s_secret;
use crate::clients::k8s_wait::{self, Wish};
use crate::clients::k8s_watch;
use crate::effects::known_as;
use crate::engine::call::Call;
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::engine::secret::SecretValue;
use crate::engine::value::{one_line, to_json};
use crate::error::{Error, Kind, Result};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(
        session,
        "k8s",
        "The Kubernetes cluster that the lake runs on.",
    );
    objects(&mut namespace);
    logs(&mut namespace);
    waiting(&mut namespace);
    rights(&mut namespace);
    k8s_changes::add(&mut namespace);
    namespace
}

fn logs(ns: &mut Namespace) {
    native! { ns,
        /// The lines of all containers of a pod, job, deployment and the like, each as `pod`, `container`, `time`, `line`;
        /// those of one container in order. Followed, they come as they are written, also of pods that are made meanwhile,
        /// until the pod or job is over; a stream that breaks off is gone on with, no line twice and none lost.
        ///
        /// ```rhai
        /// try { k8s::logs("job/no-such-job").count() } catch (e) { return e.kind; }
        /// //=> "not_found"
        /// ```
        read fn logs(call, target: ImmutableString) -> "Stream"
            options as options {
                /// The namespace. Default: that of the kubeconfig's context.
                namespace: Text,
                /// Only of this container.
                container: Text,
                /// As they come.
                follow: Bool = "false",
                /// So many of each container, the last ones. Default: all.
                tail: Int,
                /// Those of the run of each container before its last restart; of one that was never restarted, none.
                previous: Bool = "false"
            }
            {
                k8s_logs::check(&target)?;
                reads(call, &target, &options)?;
                let text = |name: &str| options.text(name).map(|text| text.to_string());
                let wanted = Wanted {
                    target: target.to_string(),
                    namespace: namespace_of(&options)?,
                    container: text("container"),
                    follow: options.flag("follow"),
                    tail: options.int("tail").map(|count| count.max(0)),
                    previous: options.flag("previous"),
                };
                call.stream("log lines", k8s_logs::logs(call.session().cluster()?, wanted))
            }
    }
}

fn waiting(ns: &mut Namespace) {
    native! { ns,
        /// Waits until an object has come to something, and gives it as it is then: a condition that is true (`complete`,
        /// `ready`, `available`, any other), `running` (one of its pods runs), or `deleted`, which gives `()`. Ends at the first answer, also where that is
        /// no: a Job that failed, an image that cannot be pulled, a Secret that is missing, a crash loop, a quota. The error
        /// then has the events and the last lines of the log.
        ///
        /// ```rhai
        /// k8s::wait("job/no-such-job", #{condition: "deleted"})
        /// //=> ()
        /// ```
        read fn wait(call, target: ImmutableString) -> "map or ()"
            options as options {
                /// The condition that is to be true, or `running`, or `deleted`.
                condition: Text = "complete",
                /// The namespace. Default: that of the kubeconfig's context.
                namespace: Text,
                /// How long at most.
                timeout: Duration = "10m",
                /// So long a pod may fit nowhere, or may not be made: a machine for it may be on its way.
                patience: Duration = "15s"
            }
            {
                let wish = Wish {
                    target: target.to_string(),
                    namespace: namespace_of(&options)?,
                    condition: options.text("condition").map_or_else(|| "complete".to_owned(), |text| text.to_lowercase()),
                    timeout: options.duration("timeout")?.unwrap_or(Duration::from_mins(10)),
                    patience: options.duration("patience")?.unwrap_or(Duration::from_secs(15)),
                };
                reads(call, &target, &options)?;
                let found = call.wait(k8s_wait::wait(call.session().cluster()?, &wish))?;
                (!found.is_null()).then_some(found)
            }

        /// What the cluster says of an object, the oldest first: `time`, `type` (`Normal`, `Warning`), `reason`, `message`,
        /// `count`.
        ///
        /// ```rhai
        /// k8s::events("job/no-such-job")
        /// //=> []
        /// ```
        read fn events(call, target: ImmutableString) -> "array"
            options as options {
                /// The namespace. Default: that of the kubeconfig's context.
                namespace: Text
            }
            {
                let (kind, name) = k8s_objects::split(&target)?;
                let cluster = call.session().cluster()?;
                let place = namespace_of(&options)?;
                let place = place.as_deref().unwrap_or_else(|| cluster.client().default_namespace());
                let events = async {
                    let kind = KindOf::meant(cluster, kind).await?.resource.kind;
                    k8s_events::events(cluster, place, &kind, name).await
                };
                call.wait(events)?
            }
    }
}

fn rights(ns: &mut Namespace) {
    native! { ns,
        /// A value of a Secret of the cluster, as a secret: it can be handed to a function that sends it, but not printed,
        /// joined to text or turned to JSON. Throws `not_found` where there is none.
        ///
        /// ```rhai
        /// try { k8s::secret("no-such-secret") } catch (e) { return e.kind; }
        /// //=> "not_found"
        /// ```
        read fn secret(call, name: ImmutableString) -> "Secret"
            options as options {
                /// Which of its keys; needed where it has several.
                key: Text,
                /// The namespace. Default: that of the kubeconfig's context.
                namespace: Text
            }
            {
                let cluster = call.session().cluster()?;
                let place = namespace_of(&options)?;
                let place = place.as_deref().unwrap_or_else(|| cluster.client().default_namespace());
                let key = options.text("key");
                let secret = k8s_secret::value(cluster, place, &name, key.as_deref());
                let secret = call.wait(secret)?;
                call.session().hide(&secret);
                SecretValue(secret)
            }

        /// Throws `forbidden` unless you may do all of this, each a verb and a resource as in `k8s::can`; the error has the
        /// rules of a Role that would give you what is missing. Nothing should be begun that cannot be ended.
        ///
        /// ```rhai
        /// k8s::demand([["create", "jobs.batch"], ["delete", "jobs.batch"]], #{namespace: "dashi-backup"})
        /// //=> true
        /// ```
        read fn demand(call, rights: Array) -> "bool"
            options as options {
                /// The namespace; without it the rights must be held in all of them.
                namespace: Text
            }
            {
                let namespace = namespace_of(&options)?;
                let wanted: Result<Vec<Right>> = rights.iter().map(|right| wanted(right, namespace.clone())).collect();
                call.wait(demand(call.session().cluster()?, &wanted?))?;
                true
            }

        /// The version of the API server, as `v1.37.2`. Nobody needs a right for it.
        ///
        /// ```rhai
        /// k8s::version().starts_with("v")
        /// //=> true
        /// ```
        read fn version(call) -> "string" {
            let cluster = call.session().cluster()?;
            let asked = cluster.answer("its version", cluster.client().apiserver_version());
            call.wait(asked)?.git_version
        }

        /// Whether you may do something: a verb (`get`, `create`, …) and a resource with its group, a subresource behind a
        /// slash (`pods/portforward`, `jobs.batch`). The API server itself is asked.
        ///
        /// ```rhai
        /// k8s::can("create", "jobs.batch", #{namespace: "dashi-backup"})
        /// //=> true
        /// ```
        read fn can(call, verb: ImmutableString, resource: ImmutableString) -> "bool"
            options as options {
                /// The namespace; without it the right must hold in all of them.
                namespace: Text
            }
            {
                let right = Right {
                    verb: verb.to_string(),
                    resource: resource.to_string(),
                    namespace: namespace_of(&options)?,
                };
                call.wait(right.is_held(call.session().cluster()?))?
            }
    }
}

fn objects(ns: &mut Namespace) {
    native! { ns,
        /// The objects of a kind: its plural, singular, kind or short name, with the group behind a dot where that is
        /// needed (`deployments.apps`). Objects are maps as in `kubectl get -o json`; a Secret's values are `()`.
        ///
        /// ```rhai
        /// k8s::list("ns").find(|namespace| namespace.metadata.name == "dashi-catalog").status.phase
        /// //=> "Active"
        /// ```
        read fn list(call, kind: ImmutableString) -> "Stream"
            options as options {
                /// The namespace; `*` for all. Default: that of the kubeconfig's context.
                namespace: Text,
                /// Only with these labels: `app=stac,tier!=cache`.
                labels: Text,
                /// Only with these fields: `status.phase=Running`.
                fields: Text
            }
            {
                call.stream("objects", k8s_objects::list(call.session().cluster()?, kind.to_string(), selection(&options)?))
            }

        /// The objects of a kind as they come, change and go, without end: maps of `type` (`added`, also for what is there already,
        /// `modified`, `deleted`) and `object`. A stream that breaks off is gone on with. `break` ends it.
        ///
        /// ```rhai
        /// for event in k8s::watch("namespaces", #{fields: "metadata.name=dashi-catalog"}) { return event.type; }
        /// //=> "added"
        /// ```
        read fn watch(call, kind: ImmutableString) -> "Stream"
            options as options {
                /// The namespace; `*` for all. Default: that of the kubeconfig's context.
                namespace: Text,
                /// Only with these labels: `app=stac,tier!=cache`.
                labels: Text,
                /// Only with these fields: `status.phase=Running`.
                fields: Text
            }
            {
                call.stream("events", k8s_watch::watch(call.session().cluster()?, kind.to_string(), selection(&options)?))
            }

        /// One object, `kind/name`. Throws `not_found` where there is none.
        ///
        /// ```rhai
        /// k8s::get("namespace/dashi-catalog").status.phase
        /// //=> "Active"
        /// ```
        read fn get(call, target: ImmutableString) -> "map"
            options as options {
                /// The namespace. Default: that of the kubeconfig's context.
                namespace: Text
            }
            {
                reads(call, &target, &options)?;
                let cluster = call.session().cluster()?;
                call.wait(k8s_objects::get(cluster, &target, namespace_of(&options)?.as_deref()))?
            }

        /// One object, `kind/name`, or `()` where there is none.
        ///
        /// ```rhai
        /// k8s::try_get("configmap/no-such-thing")
        /// //=> ()
        /// ```
        read fn try_get(call, target: ImmutableString) -> "map or ()"
            options as options {
                /// The namespace. Default: that of the kubeconfig's context.
                namespace: Text
            }
            {
                reads(call, &target, &options)?;
                let cluster = call.session().cluster()?;
                match call.wait(k8s_objects::get(cluster, &target, namespace_of(&options)?.as_deref())) {
                    Ok(object) => Some(object),
                    Err(error) if error.kind() == Kind::NotFound => None,
                    Err(error) => return Err(error.into()),
                }
            }
    }
}

/// Which objects are wanted.
fn selection(options: &Options) -> Result<Selection> {
    let text = |name: &str| options.text(name).map(|text| text.to_string());
    Ok(Selection {
        namespace: namespace_of(options)?,
        labels: text("labels"),
        fields: text("fields"),
    })
}

/// Ends the plan where an object is looked at that an earlier step of it is to change.
fn reads(call: &Call, target: &str, options: &Options) -> Result<()> {
    if !call.session().gate().is_planning() {
        return Ok(());
    }
    let cluster = call.session().cluster()?;
    let namespace = namespace_of(options)?;
    let at = call.wait(Place::meant(cluster, target, namespace.as_deref()))?;
    call.reads(&known_as(&at, cluster.name()))
}

/// A right that is written as a pair of texts.
fn wanted(pair: &Dynamic, namespace: Option<String>) -> Result<Right> {
    match to_json(pair)?.as_array().map(Vec::as_slice) {
        Some([verb, resource]) if verb.is_string() && resource.is_string() => Ok(Right {
            verb: verb.as_str().unwrap_or_default().to_owned(),
            resource: resource.as_str().unwrap_or_default().to_owned(),
            namespace,
        }),
        _ => Err(Error::usage(format!("{} is no right", one_line(pair)))
            .hint("a right is a verb and a resource: [\"create\", \"jobs.batch\"]")),
    }
}

/// The namespace that is named; `*` is all of them, where that means something.
pub(super) fn namespace_of(options: &Options) -> Result<Option<String>> {
    let named = options.text("namespace").map(|text| text.to_string());
    match named {
        Some(name) if name != "*" && !k8s_objects::is_name(&name) => {
            Err(Error::usage(format!("'{name}' is no name of a namespace"))
                .hint("leave it out for that of the kubeconfig's context"))
        }
        named => Ok(named),
    }
}
