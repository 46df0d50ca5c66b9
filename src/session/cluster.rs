//! The run's way into a cluster: the client of its API server, and the tunnels to services inside it.

use url::Url;

use super::{Session, once};
use crate::clients::cluster::Cluster;
use crate::clients::tunnel::Tunnels;
use crate::config::{S3Settings, Transport};
use crate::error::{Error, Result};

impl Session {
    /// The client of the cluster.
    pub fn cluster(&self) -> Result<&Cluster> {
        once(&self.0.cluster, || {
            if self.config().is_sandbox() {
                return Err(Error::config("the embedded lake has no Kubernetes")
                    .hint("another context has: --context"));
            }
            let kubeconfigs = self.environment().kubeconfigs();
            let settings = self.config().cluster()?;
            self.wait(Cluster::of(&settings, &kubeconfigs, self.tracer()))
        })
    }

    /// What a client of the store needs, with the tunnel to it.
    pub(super) fn store(&self) -> Result<S3Settings> {
        let mut settings = self.endpoints()?.s3()?;
        self.dig(&settings.endpoint, &mut settings.transport)?;
        Ok(settings)
    }

    /// Digs the tunnel to a service inside a cluster; in a pod of that cluster none is needed. Fails at once where there is
    /// no such Service, or no right to it.
    pub(super) fn dig(&self, url: &Url, transport: &mut Transport) -> Result<()> {
        let Some(tunnel) = &mut transport.tunnel else {
            return Ok(());
        };
        let why = |error: Error| error.hint(format!("a tunnel is to lead to {}", tunnel.endpoint));
        let cluster = self.cluster().map_err(why)?;
        if cluster.is_own() {
            transport.tunnel = None;
            return Ok(());
        }
        let tunnels = once(&self.0.tunnels, || {
            self.wait(Tunnels::open(cluster.clone()))
        });
        let tunnels = tunnels.map_err(why)?;
        tunnel.entrance = Some(tunnels.entrance().clone());
        let port = url.port_or_known_default().unwrap_or_default();
        self.wait(tunnels.look(url.host_str().unwrap_or_default(), port))
    }
}
