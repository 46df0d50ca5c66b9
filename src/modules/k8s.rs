//! `k8s::` — the Kubernetes cluster that the lake runs on, asked through its API server.

use rhai::ImmutableString;

use crate::clients::k8s_objects::{self, Selection};
use crate::clients::k8s_right::Right;
use crate::engine::options::Options;
use crate::engine::registry::{Namespace, native};
use crate::error::Kind;
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(
        session,
        "k8s",
        "The Kubernetes cluster that the lake runs on.",
    );
    objects(&mut namespace);
    rights(&mut namespace);
    namespace
}

fn rights(ns: &mut Namespace) {
    native! { ns,
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
                    namespace: options.text("namespace").map(|text| text.to_string()),
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
                let text = |name: &str| options.text(name).map(|text| text.to_string());
                let wanted = Selection {
                    namespace: text("namespace"),
                    labels: text("labels"),
                    fields: text("fields"),
                };
                call.stream("objects", k8s_objects::list(call.session().cluster()?, kind.to_string(), wanted))
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
                call.reads(&known_as(&target, &options))?;
                let cluster = call.session().cluster()?;
                call.wait(k8s_objects::get(cluster, &target, options.text("namespace").as_deref()))?
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
                call.reads(&known_as(&target, &options))?;
                let cluster = call.session().cluster()?;
                match call.wait(k8s_objects::get(cluster, &target, options.text("namespace").as_deref())) {
                    Ok(object) => Some(object),
                    Err(error) if error.kind() == Kind::NotFound => None,
                    Err(error) => return Err(error.into()),
                }
            }
    }
}

/// What the journal and the gate call an object.
fn known_as(target: &str, options: &Options) -> String {
    match options.text("namespace") {
        Some(namespace) => format!("k8s://{namespace}/{target}"),
        None => format!("k8s:{target}"),
    }
}
