//! The Kubernetes API server: which cluster is meant, the client of it, and its refusals as errors.
//!
//! Which cluster is never what happens to be current in a kubeconfig: a context is named (`kube_context`), or the only
//! one there is, or the cluster whose pod this is. What is asked of it belongs to the files of what is asked for.

use std::path::PathBuf;
use std::time::Duration;

use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::time::timeout;
use tower::{BoxError, ServiceBuilder};

use super::k8s_kind::Kinds;
use super::k8s_trace::Traced;
use super::tls;
use super::trace::Tracer;
use crate::config::ClusterSettings;
use crate::error::{Error, Kind, Result};

/// The name of the service in errors.
const K8S: &str = "k8s";

/// A client of one cluster. Clones share connections.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    name: String,
    url: String,
    timeout: Duration,
    is_own: bool,
    kinds: Kinds,
}

impl Cluster {
    /// A client of the cluster that the settings mean; it connects when it is first asked. `kubeconfigs` are the files to
    /// read, the first that says something wins; without any the pod's own service account is used.
    pub async fn of(
        settings: &ClusterSettings,
        kubeconfigs: &[PathBuf],
        tracer: &Tracer,
    ) -> Result<Cluster> {
        tls::install_provider();
        let kubeconfig = merged(kubeconfigs)?;
        let is_own = kubeconfig.is_none();
        let (name, mut config) = match kubeconfig {
            Some(kubeconfig) => in_context(kubeconfig, settings.context.as_deref()).await?,
            None => ("the pod's own".to_owned(), of_pod(settings)?),
        };
        config.connect_timeout = Some(settings.connect_timeout);
        // A stream that is silent is no stream that is dead: whoever reads one has a limit of its own.
        config.read_timeout = None;
        Ok(Cluster {
            url: config.cluster_url.to_string(),
            client: client(config, Traced(tracer.clone()))
                .map_err(|error| unusable(&name).caused_by(&error))?,
            name,
            timeout: settings.timeout,
            is_own,
            kinds: Kinds::default(),
        })
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The kinds of objects that it has, as far as they are known.
    #[must_use]
    pub(super) fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// The name of the kubeconfig's context that it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this process runs in a pod of it: its Services are reached by their names then.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// The address of its API server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits for an answer of the API server, no longer than a request may take. `what` says what was asked for, as
    /// `the Service dashi-catalog/stac-fastapi`.
    pub async fn answer<T>(
        &self,
        what: &str,
        work: impl Future<Output = kube::Result<T>>,
    ) -> Result<T> {
        match timeout(self.timeout, work).await {
            Ok(answer) => answer.map_err(|error| self.refused(what, &error)),
            Err(_) => Err(self
                .at(Error::new(
                    Kind::Timeout,
                    format!(
                        "the API server of {} did not answer for {what} within {}",
                        self.name,
                        crate::time::spell(self.timeout)
                    ),
                ))
                .hint("look whether it is well, or raise http.timeout")),
        }
    }

    /// The error for what the API server said, or for its silence.
    #[must_use]
    pub fn refused(&self, what: &str, error: &kube::Error) -> Error {
        let kube::Error::Api(status) = error else {
            let message = format!("the API server of {} cannot be asked for {what}", self.name);
            return self
                .at(Error::new(Kind::Unavailable, message).caused_by(error))
                .hint(format!(
                    "does it answer? kube_context says which cluster is meant, now {}",
                    self.name
                ));
        };
        let kind = Kind::of_status(status.code);
        let message = match kind {
            Kind::NotFound => format!("there is no {}", what.trim_start_matches("the ")),
            Kind::Forbidden => format!("{} may not be asked for {what}", self.name),
            _ => format!("{} refused {what}", self.name),
        };
        self.at(Error::new(kind, message).cause(status.message.clone()))
            .status(status.code)
    }

    /// An error about this cluster.
    #[must_use]
    pub fn at(&self, error: Error) -> Error {
        error.request(K8S, "GET", &self.url)
    }
}

/// All files as one, where there is any.
fn merged(paths: &[PathBuf]) -> Result<Option<Kubeconfig>> {
    let mut whole: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|path| path.exists()) {
        let wrong = |error: kube::config::KubeconfigError| {
            Error::config(format!("the kubeconfig {} cannot be used", path.display()))
                .caused_by(&error)
        };
        let read = Kubeconfig::read_from(path).map_err(wrong)?;
        whole = Some(match whole {
            Some(before) => before.merge(read).map_err(wrong)?,
            None => read,
        });
    }
    Ok(whole)
}

async fn in_context(kubeconfig: Kubeconfig, named: Option<&str>) -> Result<(String, Config)> {
    let contexts: Vec<String> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.clone())
        .collect();
    let name = match (named, &contexts[..]) {
        (Some(name), _) if contexts.iter().any(|known| known == name) => name.to_owned(),
        (Some(name), _) => {
            let near = crate::error::nearest(name, contexts.iter().map(String::as_str));
            return Err(
                Error::config(format!("the kubeconfig has no context '{name}'"))
                    .suggest(near)
                    .hint(known(&contexts)),
            );
        }
        (None, [only]) => only.clone(),
        (None, _) => {
            return Err(
                Error::config("which cluster is meant is not said").hint(format!(
                    "set kube_context, or --kube-context; {}",
                    known(&contexts)
                )),
            );
        }
    };
    let options = KubeConfigOptions {
        context: Some(name.clone()),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let config = config.map_err(|error| unusable(&name).caused_by(&error))?;
    Ok((name, config))
}

fn known(contexts: &[String]) -> String {
    if contexts.is_empty() {
        "the kubeconfig has no context".to_owned()
    } else {
        format!("the kubeconfig has {}", contexts.join(", "))
    }
}

fn of_pod(settings: &ClusterSettings) -> Result<Config> {
    if let Some(name) = &settings.context {
        return Err(Error::config(format!(
            "kube_context is {name}, and there is no kubeconfig"
        ))
        .hint("KUBECONFIG names one; without it ~/.kube/config is read"));
    }
    Config::incluster_env().map_err(|error| {
        Error::config("there is no kubeconfig, and this is no pod with a service account")
            .caused_by(&error)
            .hint("KUBECONFIG names one; without it ~/.kube/config is read")
    })
}

fn unusable(name: &str) -> Error {
    Error::config(format!("the kube context {name} cannot be used"))
}

/// Small frames go at once where no proxy is between: Nagle's wait costs a new connection of a tunnel 50 ms.
fn client(config: Config, traced: Traced) -> kube::Result<Client> {
    if config.proxy_url.is_some() {
        return Ok(ClientBuilder::try_from(config)?.with_layer(&traced).build());
    }
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(config.connect_timeout);
    let https = config.rustls_https_connector_with_connector(connector)?;
    let stack = ServiceBuilder::new()
        .layer(traced)
        .layer(config.base_uri_layer())
        .layer(config.extra_headers_layer()?)
        .option_layer(config.auth_layer()?)
        .map_err(BoxError::from)
        .service(HyperClient::builder(TokioExecutor::new()).build::<_, Body>(https));
    Ok(Client::new(stack, config.default_namespace))
}
