//! A change of an object of a cluster as data.

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use super::{Effect, Facts, Payload};
use crate::clients::cluster::Cluster;
use crate::clients::k8s_changes::Propagation;
use crate::clients::k8s_place::Place;
use crate::error::{Error, Kind, Result};
use crate::lake::ObjectRef;

/// A change of one object of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterChange {
    /// Which object.
    pub at: Place,
    /// The kubeconfig's context of the cluster.
    cluster: String,
    /// The address of its API server, which it is known by.
    api: String,
    /// What is done to it.
    pub act: Act,
}

/// What is done to an object of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Its fields are set as the manifest says, and no others.
    Apply {
        /// The manifest.
        manifest: Manifest,
        /// Also those fields that somebody else has set.
        force: bool,
    },
    /// It is made.
    Create {
        /// The manifest.
        manifest: Manifest,
    },
    /// It is made what it was.
    Replace {
        /// The manifest.
        manifest: Manifest,
    },
    /// It is to have so many pods.
    Scale {
        /// How many.
        replicas: i64,
    },
    /// Its pods are made anew.
    Restart {
        /// The moment that tells this restart from others.
        moment: String,
    },
    /// It is deleted.
    Delete {
        /// What becomes of what it owns.
        propagation: Propagation,
    },
    /// A command is run in one of its pods.
    Exec {
        /// The container; the pod's first where none is named.
        container: Option<String>,
        /// The program and its arguments.
        command: Vec<String>,
        /// Its standard input.
        input: Option<Input>,
        /// So many seconds a pod may take until it runs.
        patience: u64,
        /// Whether an exit code other than 0 is an answer like any other.
        any_code: bool,
    },
}

/// What a command reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// This.
    Text(Payload),
    /// An object of the store.
    Object {
        /// Which.
        at: ObjectRef,
        /// What it was when it was asked for.
        was: Facts,
    },
}

impl ClusterChange {
    /// A change in a cluster.
    #[must_use]
    pub fn new(cluster: &Cluster, at: Place, act: Act) -> ClusterChange {
        ClusterChange {
            at,
            cluster: cluster.name().to_owned(),
            api: cluster.url().to_owned(),
            act,
        }
    }

    /// Another change of the same object.
    pub(super) fn instead(&self, act: Act) -> ClusterChange {
        ClusterChange {
            act,
            ..self.clone()
        }
    }

    /// The object, as `job.batch/nightly in dashi-backup (prod)`.
    #[must_use]
    pub fn object(&self) -> String {
        known_as(&self.at, &self.cluster)
    }

    /// What it is done to. A command is no change of the object that it runs in.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.act {
            Act::Exec { command, .. } => {
                let program = command.first().map_or("nothing", String::as_str);
                format!("{program} in {}", self.object())
            }
            _ => self.object(),
        }
    }

    /// What it does to the world.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self.act {
            Act::Delete { .. } | Act::Exec { .. } => Effect::Destroy,
            _ => Effect::Write,
        }
    }

    /// The function that an operator would call for it.
    #[must_use]
    pub fn function(&self) -> &'static str {
        match self.act {
            Act::Apply { .. } => "k8s::apply",
            Act::Create { .. } => "k8s::job",
            Act::Replace { .. } => "undo",
            Act::Scale { .. } => "k8s::scale",
            Act::Restart { .. } => "k8s::restart",
            Act::Delete { .. } => "k8s::delete",
            Act::Exec { .. } => "k8s::exec",
        }
    }

    /// Whether it is a command, of which nothing tells later whether it was run.
    #[must_use]
    pub fn is_command(&self) -> bool {
        matches!(self.act, Act::Exec { .. })
    }

    /// The manifest that it sets.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.act {
            Act::Apply { manifest, .. } | Act::Create { manifest } | Act::Replace { manifest } => {
                Some(manifest)
            }
            _ => None,
        }
    }

    /// Whether it needs the store.
    #[must_use]
    pub fn needs_store(&self) -> bool {
        matches!(
            &self.act,
            Act::Exec {
                input: Some(Input::Object { .. }),
                ..
            }
        )
    }

    /// Fails where the cluster is another than the one that the change was asked for.
    pub(super) fn check(&self, cluster: &Cluster) -> Result<()> {
        if self.api == cluster.url() {
            return Ok(());
        }
        let message = format!(
            "{} is meant at {}, and here is {}",
            self.target(),
            self.api,
            cluster.url()
        );
        Err(Error::new(Kind::Stale, message)
            .hint(format!("name the cluster: --kube-context {}", self.cluster)))
    }
}

/// What the plan and the journal call an object of a cluster.
#[must_use]
pub fn known_as(at: &Place, cluster: &str) -> String {
    format!("{at} ({cluster})")
}
