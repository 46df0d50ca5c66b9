//! The hosts that are the store: the configured endpoint, its aliases and what else those names are called.
//!
//! Here a URL's authority (`user@HOST:9000`) becomes "the store, path style", "the store, this bucket's own host",
//! "a service that holds no objects" or "unknown". What stands behind the authority is read elsewhere.

use url::Url;

use crate::config::CLUSTER_DOMAIN;
use crate::error::{Error, Result};

use super::authority::{Authority, aws_bucket};
use super::href::without_secrets;
use super::{IN_CLUSTER, Settings};

/// One place of the store or of a service: an authority and the path below which it answers (empty or `/base`).
#[derive(Debug, Clone)]
struct Endpoint {
    authority: Authority,
    base: String,
}

/// One way in which an authority is the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreHost<'a> {
    /// The bucket, where the host names it (virtual-host style).
    pub(crate) bucket: Option<String>,
    /// The path below which buckets (or keys) begin: empty or `/base`.
    pub(crate) base: &'a str,
}

/// What is known of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known<'a> {
    /// It is in the store, in each of these ways (at least one).
    Store(Vec<StoreHost<'a>>),
    /// It is in a service that holds no objects.
    Service,
    /// Its host was not declared.
    Nothing,
}

/// Every host this program knows.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    stores: Vec<Endpoint>,
    services: Vec<Endpoint>,
    /// The store is AWS S3, where bucket names are global: every S3 host of AWS then is the store.
    aws: bool,
    names: Vec<String>,
}

impl Endpoints {
    /// The hosts of this configuration.
    pub(crate) fn new(settings: &Settings<'_>) -> Result<Endpoints> {
        let mut stores = vec![Endpoint::parse("s3.endpoint", settings.endpoint)?];
        let mut names = vec![settings.endpoint.trim().to_owned()];
        for alias in settings.aliases {
            stores.push(Endpoint::parse("s3.aliases", alias)?);
            names.push(alias.trim().to_owned());
        }
        stores.push(Endpoint::parse("s3.aliases", IN_CLUSTER)?);
        if !names.iter().any(|name| name.ends_with(IN_CLUSTER)) {
            names.push(IN_CLUSTER.to_owned());
        }
        let services = settings.services.iter();
        let services = services.map(|(setting, url)| Endpoint::parse(setting, url));
        Ok(Endpoints {
            aws: stores
                .iter()
                .any(|store| aws_bucket(&store.authority.host).is_some()),
            stores: stores.into_iter().flat_map(Endpoint::in_cluster).collect(),
            services: services.collect::<Result<_>>()?,
            names,
        })
    }

    /// The endpoint and its aliases as they were written, for messages.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The ways in which this authority is the store, path style first; empty where it is not.
    pub(crate) fn stores(&self, authority: &str) -> Vec<StoreHost<'_>> {
        let mut found = Vec::new();
        let Some(authority) = Authority::parse(authority) else {
            return found;
        };
        self.push_stores(&mut found, &authority, None);
        for (bucket, parent) in authority.parents() {
            self.push_stores(&mut found, &parent, Some(bucket));
        }
        if self.aws
            && let Some(bucket) = aws_bucket(&authority.host)
        {
            let bucket = Some(bucket.to_owned()).filter(|bucket| !bucket.is_empty());
            push_new(&mut found, StoreHost { bucket, base: "" });
        }
        found
    }

    fn push_stores<'a>(
        &'a self,
        found: &mut Vec<StoreHost<'a>>,
        authority: &Authority,
        bucket: Option<&str>,
    ) {
        let same = self.stores.iter();
        for store in same.filter(|store| store.authority == *authority) {
            let bucket = bucket.map(str::to_owned);
            let base = store.base.as_str();
            // A host of a bucket's own under a store that answers below a path: nobody serves that.
            if bucket.is_none() || base.is_empty() {
                push_new(found, StoreHost { bucket, base });
            }
        }
    }

    /// What this program knows of the URL with this authority and path.
    pub(crate) fn known(&self, authority: &str, path: &str) -> Known<'_> {
        let mut stores = self.stores(authority);
        if let Some(base) = self.service_base(authority, path) {
            // Behind one ingress the store and the services are told apart by their paths.
            stores.retain(|store| store.bucket.is_none() && store.base.len() >= base.len());
            if stores.is_empty() {
                return Known::Service;
            }
        }
        if stores.is_empty() {
            Known::Nothing
        } else {
            Known::Store(stores)
        }
    }

    fn service_base(&self, authority: &str, path: &str) -> Option<&str> {
        let authority = Authority::parse(authority)?;
        let services = self.services.iter();
        services
            .filter(|service| service.authority == authority)
            .map(|service| service.base.as_str())
            .filter(|base| below_base(path, base).is_some())
            .max_by_key(|base| base.len())
    }
}

/// The path below a base, where it is below it: `/s3` before `/s3/b/k` leaves `/b/k`.
pub(crate) fn below_base<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(base)?;
    (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some(rest)
}

impl Endpoint {
    /// Reads a configured URL or `host[:port]`; `setting` is what an error names.
    fn parse(setting: &str, text: &str) -> Result<Endpoint> {
        let text = text.trim();
        if let Some(service) = text.strip_prefix("k8s://") {
            return Endpoint::of_service(service).ok_or_else(|| {
                let what = format!("{setting}: '{text}' names no Kubernetes service and port");
                Error::config(what).hint("write k8s://<namespace>/<service>:<port>")
            });
        }
        let with_scheme = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let url = Url::parse(&with_scheme).map_err(|error| {
            wrong(setting, text, "is neither a URL nor host[:port]").cause(error.to_string())
        })?;
        Endpoint::of_url(&url).map_err(|why| wrong(setting, text, why))
    }

    fn of_url(url: &Url) -> Result<Endpoint, &'static str> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err("is not an http or https URL");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("carries credentials, which have their own settings");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("has a query or a fragment, which an endpoint cannot have");
        }
        Ok(Endpoint {
            authority: Authority::of(url).ok_or("names no host")?,
            base: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// `<namespace>/<service>:<port>`, reached by a tunnel, is in hrefs what the cluster calls it.
    fn of_service(text: &str) -> Option<Endpoint> {
        let (namespace, service) = text.trim_end_matches('/').split_once('/')?;
        let (service, port) = service.split_once(':')?;
        let port: u16 = port.parse().ok()?;
        let authority = format!("{service}.{namespace}{CLUSTER_DOMAIN}:{port}");
        let named = !namespace.is_empty() && !service.is_empty() && !service.contains('/');
        Some(Endpoint {
            authority: Authority::parse(&authority).filter(|_| named)?,
            base: String::new(),
        })
    }

    /// This endpoint, and the shorter names that pods of the cluster resolve to it.
    fn in_cluster(self) -> Vec<Endpoint> {
        let host = self.authority.host.clone();
        let Some(short) = host.strip_suffix(CLUSTER_DOMAIN) else {
            return vec![self];
        };
        let service = short.split('.').next().unwrap_or(short);
        let names = [&host, &format!("{short}.svc"), short, service];
        let endpoints = names.map(|name| Endpoint {
            authority: self.authority.on(name),
            base: self.base.clone(),
        });
        endpoints.into()
    }
}

fn wrong(setting: &str, text: &str, why: &str) -> Error {
    Error::config(format!("{setting}: '{}' {why}", without_secrets(text)))
        .hint("write it as https://host[:port] or host[:port]")
}

fn push_new<'a>(found: &mut Vec<StoreHost<'a>>, store: StoreHost<'a>) {
    if !found.contains(&store) {
        found.push(store);
    }
}
