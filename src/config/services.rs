//! What a client needs to know about its service, taken out of the settings and typed.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use super::Config;
use super::origin::Origin;
use super::secret::Secret;
use super::setting::Setting;
use super::value::Value;
use crate::error::{Error, Result};

/// The services that speak JSON over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// The STAC API.
    Stac,
    /// Prefect.
    Prefect,
    /// Loki; a lake can do without.
    Loki,
    /// The ingest-api; a lake can do without.
    Ingest,
    /// Keycloak; a lake can do without.
    Identity,
    /// The Iceberg REST catalogue; a lake can do without.
    Iceberg,
}

impl Service {
    /// All of them, in the order of the configuration.
    pub const ALL: [Service; 6] = [
        Service::Stac,
        Service::Prefect,
        Service::Loki,
        Service::Ingest,
        Service::Identity,
        Service::Iceberg,
    ];

    /// Its name in the configuration and in errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Service::Stac => "stac",
            Service::Prefect => "prefect",
            Service::Loki => "loki",
            Service::Ingest => "ingest",
            Service::Identity => "identity",
            Service::Iceberg => "iceberg",
        }
    }

    /// The key that says where it is.
    #[must_use]
    pub fn url_key(self) -> &'static str {
        match self {
            Service::Stac => "stac_url",
            Service::Prefect => "prefect_url",
            Service::Loki => "loki_url",
            Service::Ingest => "ingest_url",
            Service::Identity => "identity_url",
            Service::Iceberg => "iceberg_url",
        }
    }
}

/// How to talk to a service: time limits, retries, certificates, proxy.
#[derive(Debug, Clone)]
pub struct Transport {
    /// How long a request may take.
    pub timeout: Duration,
    /// The key that `timeout` comes from, to name in errors.
    pub timeout_setting: &'static str,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// The key that `connect_timeout` comes from, to name in errors.
    pub connect_timeout_setting: &'static str,
    /// How often a request that can be repeated is tried again after the first time.
    pub retries: u32,
    /// Certificates (PEM) to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The client certificate (PEM); it holds its key too when `client_key` is none.
    pub client_cert: Option<PathBuf>,
    /// The key (PEM) of `client_cert`.
    pub client_key: Option<PathBuf>,
    /// The proxy.
    pub proxy: Option<Url>,
    /// Whether a proxy of the system (`HTTPS_PROXY` and its like) may be used where `proxy` is none: not when the proxy
    /// is `off`, and not in the sandbox.
    pub system_proxy: bool,
    /// The tunnel that leads to it, for a service inside a cluster.
    pub tunnel: Option<Tunnel>,
}

/// The way to a service inside a cluster, through its API server.
#[derive(Debug, Clone)]
pub struct Tunnel {
    /// `k8s://<namespace>/<service>:<port>`
    pub endpoint: String,
    /// Where it begins on this machine; none until it is dug.
    pub entrance: Option<Entrance>,
}

/// Where tunnels begin: a SOCKS proxy of this process.
#[derive(Clone)]
pub struct Entrance {
    /// The proxy, with the password without which it serves nobody.
    pub proxy: Url,
    /// What went wrong last behind it, in words.
    pub trouble: Arc<Mutex<Option<String>>>,
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entrance({:?})", self.proxy.port())
    }
}

impl Entrance {
    /// What went wrong last behind it.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }
}

/// What a client of a JSON service needs.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// The service.
    pub service: Service,
    /// Where it is; the path ends in no slash (but an empty path is `/`).
    pub url: Url,
    /// The key that `url` comes from, to name in errors.
    pub setting: &'static str,
    /// Where `url` came from.
    pub origin: Origin,
    /// A bearer token.
    pub token: Option<Secret>,
    /// Further headers.
    pub headers: Vec<(String, Secret)>,
    /// Who asks, for a service that takes a proxy's word for it (`Remote-User`).
    pub user: Option<String>,
    /// How to talk to it.
    pub transport: Transport,
}

/// What a client of the S3 store needs.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// Where it is; the path ends in no slash (but an empty path is `/`).
    pub endpoint: Url,
    /// The key that `endpoint` comes from, to name in errors.
    pub setting: &'static str,
    /// Where `endpoint` came from.
    pub origin: Origin,
    /// The region that requests are signed for.
    pub region: String,
    /// The access key; there is a secret key exactly when there is an access key.
    pub access_key: Option<Secret>,
    /// The secret key.
    pub secret_key: Option<Secret>,
    /// The session token of temporary keys.
    pub session_token: Option<Secret>,
    /// Other names of the store in hrefs.
    pub aliases: Vec<Url>,
    /// The bucket of raw uploads.
    pub landing_bucket: String,
    /// The bucket of processed assets.
    pub processed_bucket: String,
    /// The bucket of curated data.
    pub curated_bucket: String,
    /// How to talk to it.
    pub transport: Transport,
}

/// What a client of the cluster needs.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The context of the kubeconfig, where one is named.
    pub context: Option<String>,
    /// How long a request may take.
    pub timeout: Duration,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
}

impl Config {
    /// What a client of this service needs. Fails when the lake has no such service, and for an endpoint that cannot be
    /// reached from here.
    pub fn service(&self, service: Service) -> Result<ServiceSettings> {
        let setting = service.url_key();
        let name = service.name();
        Ok(ServiceSettings {
            service,
            url: self.endpoint(setting)?,
            setting,
            origin: self.known(setting)?.origin.clone(),
            token: self.secret(&format!("{name}.token"))?,
            headers: self.headers(&format!("{name}.headers"))?,
            user: (service == Service::Ingest)
                .then(|| self.text("ingest.user").ok())
                .flatten(),
            transport: self.transport_to(setting, name)?,
        })
    }

    /// How to talk to servers that are no service of the lake: `[http]`, without its client certificate, which is not
    /// for strangers.
    pub fn web(&self) -> Result<Transport> {
        Ok(Transport {
            client_cert: None,
            client_key: None,
            ..self.transport("http")?
        })
    }

    /// Who acts, where the configuration says so.
    #[must_use]
    pub fn actor(&self) -> Option<String> {
        self.text("audit.actor").ok()
    }

    /// Where destructive runs keep their journals and locks, as an S3 URI that ends in a slash.
    pub fn state_url(&self) -> Result<String> {
        match self.text("state.url") {
            Ok(url) => Ok(format!("{}/", url.trim_end_matches('/'))),
            Err(_) => Ok(format!(
                "s3://{}/.dashi-state/",
                self.text("s3.curated_bucket")?
            )),
        }
    }

    /// What keys begin with that garbage collection never touches.
    #[must_use]
    pub fn gc_protected(&self) -> Vec<String> {
        self.texts("gc.protect")
    }

    /// Whether deleted objects of a bucket are put aside before they go.
    #[must_use]
    pub fn has_trash(&self, bucket: &str) -> bool {
        let is = |name: &str| self.text(name).is_ok_and(|name| name == bucket);
        let roles: Vec<&str> = ["landing", "processed", "curated"]
            .into_iter()
            .filter(|role| is(&format!("s3.{role}_bucket")))
            .collect();
        let on = |role: &str| {
            let setting = self.setting(&format!("trash.{role}"));
            !setting.is_some_and(|setting| matches!(setting.value, Some(Value::Switch(false))))
        };
        // A bucket of two roles is kept as carefully as the more careful of them.
        if roles.is_empty() {
            on("other")
        } else {
            roles.into_iter().any(on)
        }
    }

    /// Whether the lake has this service.
    #[must_use]
    pub fn has(&self, service: Service) -> bool {
        self.setting(service.url_key())
            .is_some_and(|setting| setting.is_set() && !setting.is_off())
    }

    /// Whether the lake is, or has services, in a Kubernetes cluster that is named.
    #[must_use]
    pub fn has_cluster(&self) -> bool {
        self.settings().any(|setting| match &setting.value {
            Some(Value::Endpoint(endpoint)) => endpoint.is_in_cluster(),
            Some(_) => setting.key.path == "kube_context",
            None => false,
        })
    }

    /// Whether there are keys for the store.
    #[must_use]
    pub fn has_s3_keys(&self) -> bool {
        self.s3()
            .is_ok_and(|settings| settings.access_key.is_some())
    }

    /// What a client of the S3 store needs.
    pub fn s3(&self) -> Result<S3Settings> {
        let setting = "s3.endpoint";
        let (access_key, secret_key) = self.secret_pair("s3.access_key", "s3.secret_key")?.unzip();
        Ok(S3Settings {
            endpoint: self.endpoint(setting)?,
            setting,
            origin: self.known(setting)?.origin.clone(),
            region: self.text("s3.region")?,
            access_key,
            secret_key,
            session_token: self.secret("s3.session_token")?,
            aliases: self.aliases()?,
            landing_bucket: self.text("s3.landing_bucket")?,
            processed_bucket: self.text("s3.processed_bucket")?,
            curated_bucket: self.text("s3.curated_bucket")?,
            transport: self.transport_to(setting, "s3")?,
        })
    }

    /// How to talk to what a setting says, through a tunnel where that is inside a cluster.
    fn transport_to(&self, setting: &str, section: &str) -> Result<Transport> {
        let tunnel = match &self.known(setting)?.value {
            Some(Value::Endpoint(endpoint)) if endpoint.is_in_cluster() => Some(Tunnel {
                endpoint: endpoint.to_string(),
                entrance: None,
            }),
            _ => None,
        };
        Ok(Transport {
            tunnel,
            ..self.transport(section)?
        })
    }

    /// How to talk to the API server of the cluster, where it has limits of its own.
    pub fn cluster(&self) -> Result<ClusterSettings> {
        let transport = self.transport("http")?;
        Ok(ClusterSettings {
            context: self.text("kube_context").ok(),
            timeout: transport.timeout,
            connect_timeout: transport.connect_timeout,
        })
    }

    fn transport(&self, section: &str) -> Result<Transport> {
        let timeout = self.shared(section, "timeout")?;
        let connect_timeout = self.shared(section, "connect_timeout")?;
        let (client_cert, client_key) = self.identity(section)?;
        let proxy = self.shared(section, "proxy")?;
        Ok(Transport {
            timeout: duration(timeout)?,
            timeout_setting: timeout.key.path,
            connect_timeout: duration(connect_timeout)?,
            connect_timeout_setting: connect_timeout.key.path,
            retries: match self.shared(section, "retries")?.value {
                Some(Value::Integer(number)) => number,
                _ => return Err(missing("http.retries")),
            },
            ca_file: path(self.shared(section, "ca_file")?),
            client_cert,
            client_key,
            proxy: match &proxy.value {
                Some(Value::Proxy(url)) => Some(url.clone()),
                _ => None,
            },
            system_proxy: !proxy.is_set() && !self.is_sandbox(),
            tunnel: None,
        })
    }

    /// A service's own setting or that of `[http]`: the one of the stronger origin, on a tie the service's own. So a flag
    /// or variable for all services beats a file's word for one.
    fn shared(&self, section: &str, name: &str) -> Result<&Setting> {
        let shared = self.known(&format!("http.{name}"))?;
        let own = self.known(&format!("{section}.{name}"))?;
        let own_wins = own.is_set() && own.origin.rank() >= shared.origin.rank();
        Ok(if own_wins { own } else { shared })
    }

    /// The client certificate and its key. The key is taken from the certificate's own table: one service's certificate
    /// never meets another's key.
    fn identity(&self, section: &str) -> Result<(Option<PathBuf>, Option<PathBuf>)> {
        let certificate = self.shared(section, "client_cert")?;
        match path(certificate) {
            Some(file) => {
                let table = certificate.key.section().unwrap_or(section);
                let key = self.known(&format!("{table}.client_key"))?;
                Ok((Some(file), path(key)))
            }
            None => match path(self.known(&format!("{section}.client_key"))?) {
                Some(_) => Err(self.half_a_pair(
                    &format!("{section}.client_cert"),
                    &format!("{section}.client_key"),
                )),
                None => Ok((None, None)),
            },
        }
    }

    fn endpoint(&self, path: &'static str) -> Result<Url> {
        let setting = self.known(path)?;
        match &setting.value {
            Some(Value::Endpoint(endpoint)) => endpoint.url(),
            Some(Value::Off) => Err(Error::config(format!(
                "this lake has no such service: {path} is off ({})",
                setting.origin
            ))
            .hint(format!(
                "set {path} to its URL, or {} for one run",
                setting.key.variable
            ))),
            _ if self.is_sandbox() => Err(Error::internal(format!(
                "the sandbox has not been started: {path} is unset"
            ))),
            _ => Err(missing(path)),
        }
    }

    pub(super) fn text(&self, path: &str) -> Result<String> {
        match &self.known(path)?.value {
            Some(Value::Text(text)) => Ok(text.clone()),
            _ => Err(missing(path)),
        }
    }

    pub(super) fn texts(&self, path: &str) -> Vec<String> {
        let value = self.setting(path);
        match value.and_then(|setting| setting.value.as_ref()) {
            Some(Value::Texts(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }

    pub(super) fn secret(&self, path: &str) -> Result<Option<Secret>> {
        Ok(match &self.known(path)?.value {
            Some(Value::Secret(secret)) => Some(secret.clone()),
            _ => None,
        })
    }

    fn headers(&self, path: &str) -> Result<Vec<(String, Secret)>> {
        Ok(match &self.known(path)?.value {
            Some(Value::Headers(headers)) => headers.clone(),
            _ => Vec::new(),
        })
    }

    fn aliases(&self) -> Result<Vec<Url>> {
        Ok(match &self.known("s3.aliases")?.value {
            Some(Value::Urls(urls)) => urls.clone(),
            _ => Vec::new(),
        })
    }

    pub(super) fn known(&self, path: &str) -> Result<&Setting> {
        self.setting(path)
            .ok_or_else(|| Error::internal(format!("the table of keys has no {path}")))
    }
}

fn duration(setting: &Setting) -> Result<Duration> {
    match setting.value {
        Some(Value::Duration(span)) => Ok(span),
        _ => Err(missing(setting.key.path)),
    }
}

pub(super) fn path(setting: &Setting) -> Option<PathBuf> {
    match &setting.value {
        Some(Value::Path(path)) => Some(path.clone()),
        _ => None,
    }
}

fn missing(path: &str) -> Error {
    Error::internal(format!("{path} has no compiled default"))
}
