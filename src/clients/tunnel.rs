//! Tunnels into a cluster: a SOCKS proxy of this process whose connections end at the pods of the Service that was asked
//! for by its name in the cluster.
//!
//! One listener serves all Services. It listens on loopback and asks for a password that only this process knows, so that
//! no other program of this machine can use the operator's rights. How bytes flow is the matter of `pod_stream`; SOCKS is
//! RFC 1928, its password RFC 1929.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::cluster::Cluster;
use super::k8s_right::{Right, demand};
use super::pod_stream::PodStream;
use super::service_pods::ready_pod;
use crate::config::{Endpoint, Entrance};
use crate::error::{Error, Kind, Result};

/// How long a tunnel may take to open: also as long as a pod that is restarted is waited for.
pub const DIG: Duration = Duration::from_secs(10);

/// The pause before a Service without a ready pod is looked at again.
const AGAIN: Duration = Duration::from_millis(250);

/// How long a client may take to say where it wants to go.
const GREETING: Duration = Duration::from_secs(5);

/// What whoever uses a tunnel must be allowed to, in the namespace of the Service.
const RIGHTS: [(&str, &str); 4] = [
    ("get", "services"),
    ("list", "endpointslices.discovery.k8s.io"),
    ("get", "pods/portforward"),
    ("create", "pods/portforward"),
];

const SOCKS: u8 = 5;
const BY_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const BY_NAME: u8 = 3;
const UNREACHABLE: u8 = 4;

/// The listener. The tunnels end with it.
pub struct Tunnels {
    cluster: Cluster,
    entrance: Entrance,
    listening: AbortHandle,
}

impl Drop for Tunnels {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Tunnels {
    /// Opens the listener.
    pub async fn open(cluster: Cluster) -> Result<Tunnels> {
        let failed = |error: std::io::Error| {
            Error::new(
                Kind::Io,
                "no port of this machine could be opened for tunnels",
            )
            .caused_by(&error)
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let password = uuid::Uuid::new_v4().simple().to_string();
        let proxy = Url::parse(&format!("socks5h://dashictl:{password}@127.0.0.1:{port}"));
        let entrance = Entrance {
            proxy: proxy.map_err(|_| Error::internal("the entrance of tunnels has no URL"))?,
            trouble: Arc::new(Mutex::new(None)),
        };
        let host = Arc::new(Host {
            cluster: cluster.clone(),
            password,
            trouble: Arc::clone(&entrance.trouble),
        });
        let listening = tokio::spawn(host.listen(listener)).abort_handle();
        Ok(Tunnels {
            cluster,
            entrance,
            listening,
        })
    }

    /// Whether a Service is there and may be reached: fails where waiting would not help.
    pub async fn look(&self, host: &str, port: u16) -> Result<()> {
        let (namespace, service) = service(host)?;
        let rights = RIGHTS.map(|(verb, resource)| Right::within(namespace, verb, resource));
        demand(&self.cluster, &rights).await?;
        match ready_pod(&self.cluster, namespace, service, port).await {
            Err(error) if error.kind() != Kind::Unavailable => Err(error),
            _ => Ok(()),
        }
    }

    /// Where tunnels begin.
    #[must_use]
    pub fn entrance(&self) -> &Entrance {
        &self.entrance
    }
}

struct Host {
    cluster: Cluster,
    password: String,
    trouble: Arc<Mutex<Option<String>>>,
}

impl Host {
    async fn listen(self: Arc<Self>, listener: TcpListener) {
        let mut guests = JoinSet::new();
        while let Ok((guest, _)) = listener.accept().await {
            while guests.try_join_next().is_some() {}
            let host = Arc::clone(&self);
            guests.spawn(async move { host.serve(guest).await });
        }
    }

    /// One connection, to its end. What goes wrong is kept for the error of the request that it was for.
    async fn serve(&self, mut guest: TcpStream) {
        let _ = guest.set_nodelay(true);
        let Ok(Some((name, port))) = timeout(GREETING, self.greeted(&mut guest)).await else {
            return;
        };
        let carried = match dig(&self.cluster, &name, port).await {
            Ok(stream) => {
                self.told(None);
                match reply(&mut guest, 0).await {
                    Ok(()) => stream.carry(&mut guest).await,
                    Err(_) => return,
                }
            }
            Err(error) => {
                self.told(Some(&error));
                let _ = reply(&mut guest, UNREACHABLE).await;
                return;
            }
        };
        if let Err(error) = carried {
            self.told(Some(&error));
            // A clean end would look like the end of the answer.
            let _ = guest.set_zero_linger();
        }
    }

    fn told(&self, error: Option<&Error>) {
        let words = error.map(|error| {
            let causes = error
                .detail()
                .causes
                .iter()
                .map(|cause| format!(": {cause}"));
            format!("{error}{}", causes.collect::<String>())
        });
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    /// Where a client wants to go, where it knows the password and asks in a way that is understood.
    async fn greeted(&self, guest: &mut TcpStream) -> Option<(String, u16)> {
        let [version, methods] = bytes(guest).await?;
        let methods = some(guest, methods).await?;
        if version != SOCKS || !methods.contains(&BY_PASSWORD) {
            let _ = guest.write_all(&[SOCKS, 0xff]).await;
            return None;
        }
        guest.write_all(&[SOCKS, BY_PASSWORD]).await.ok()?;
        let [_, length] = bytes(guest).await?;
        let _user = some(guest, length).await?;
        let [length] = bytes(guest).await?;
        let is_known = some(guest, length).await? == self.password.as_bytes();
        guest.write_all(&[1, u8::from(!is_known)]).await.ok()?;
        let [_, command, _, kind] = bytes(guest).await.filter(|_| is_known)?;
        if command != CONNECT || kind != BY_NAME {
            let _ = reply(guest, 7).await;
            return None;
        }
        let [length] = bytes(guest).await?;
        let name = String::from_utf8(some(guest, length).await?).ok()?;
        Some((name, u16::from_be_bytes(bytes(guest).await?)))
    }
}

/// Opens a stream to a ready pod of the Service of this name. One that is restarted just now is waited for.
async fn dig(cluster: &Cluster, name: &str, port: u16) -> Result<PodStream> {
    let (namespace, service) = service(name)?;
    let begun = Instant::now();
    loop {
        let failed = match ready_pod(cluster, namespace, service, port).await {
            Ok(pod) => match PodStream::open(cluster, &pod, DIG).await {
                Ok(stream) => return Ok(stream),
                // The pod may have gone since it was listed.
                Err(error) if error.kind() == Kind::NotFound => error,
                Err(error) if error.kind() == Kind::Unavailable => error,
                Err(error) => return Err(error),
            },
            Err(error) if error.kind() == Kind::Unavailable => error,
            Err(error) => return Err(error),
        };
        if begun.elapsed() + AGAIN > DIG {
            return Err(failed);
        }
        sleep(AGAIN).await;
    }
}

/// The Service that a name means, as `(namespace, service)`.
fn service(name: &str) -> Result<(&str, &str)> {
    Endpoint::service_of(name)
        .ok_or_else(|| Error::config(format!("'{name}' is no Service of the cluster")))
}

/// The answer to a wish: it is met (0), or why not.
async fn reply(guest: &mut TcpStream, code: u8) -> std::io::Result<()> {
    guest
        .write_all(&[SOCKS, code, 0, 1, 0, 0, 0, 0, 0, 0])
        .await
}

async fn bytes<const N: usize>(guest: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    guest.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}

async fn some(guest: &mut TcpStream, count: u8) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::from(count)];
    guest.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}
