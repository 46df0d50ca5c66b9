//! The table of configuration keys: the one place that knows what can be set, under which names, and what holds when
//! nobody sets it.
//!
//! The check of the file, the environment, the flags, the display and the reference all read [`KEYS`]. A new key is one
//! line here; what its text may look like is its [`Shape`], read in `value`.

/// What a key's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Where a service is: an `http://`, `https://` or `k8s://` URL.
    Endpoint,
    /// Where a service is that a lake can do without: as [`Shape::Endpoint`], or `off`.
    OptionalEndpoint,
    /// An HTTP or SOCKS proxy, or `off`.
    Proxy,
    /// Text that is not empty.
    Text,
    /// A whole number from 0 up.
    Integer,
    /// `true` or `false`; in a variable also `on`, `off`, `1`, `0`.
    Switch,
    /// A time span such as `30s`, `500ms` or `2m`.
    Duration,
    /// A list of `http://` or `https://` URLs; in a variable separated by commas.
    Urls,
    /// A list of texts; in a variable separated by commas.
    Texts,
    /// A secret: text, `{ file = ".." }` or `{ command = [..] }`; variables with `_FILE` and `_COMMAND` behind the name.
    Secret,
    /// A file; in the configuration file relative to its folder, elsewhere to the working folder.
    Path,
    /// HTTP headers, name to secret; in a variable one `Name: value` a line.
    Headers,
}

impl Shape {
    /// What is expected, as it ends the sentence "must be ..".
    #[must_use]
    pub fn expectation(self) -> &'static str {
        match self {
            Shape::Endpoint => {
                "a URL in quotes (http://host, https://host or k8s://namespace/service:port)"
            }
            Shape::OptionalEndpoint => {
                "a URL in quotes (http://host, https://host or k8s://namespace/service:port) or \"off\""
            }
            Shape::Proxy => "the URL of a proxy in quotes (http://host:port) or \"off\"",
            Shape::Text => "text in quotes",
            Shape::Integer => "a whole number from 0 up",
            Shape::Switch => "true or false",
            Shape::Duration => "a duration in quotes such as \"30s\", \"500ms\" or \"2m\"",
            Shape::Texts => "a list of texts such as [\"models/\"]",
            Shape::Urls => "a list of URLs such as [\"https://s3.example.org\"]",
            Shape::Secret => {
                "a secret: text in quotes, { file = \"path\" } or { command = [\"program\", \"argument\"] }"
            }
            Shape::Path => "a path in quotes",
            Shape::Headers => "a table of header names and values",
        }
    }
}

/// One configuration key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its place in the file, table and name joined by a dot: `s3.secret_key`, `stac_url`.
    pub path: &'static str,
    /// The environment variable that sets it.
    pub variable: &'static str,
    /// The global flag that sets it, without its dashes.
    pub flag: Option<&'static str>,
    /// Another name of that flag.
    pub alias: Option<&'static str>,
    /// What its value looks like.
    pub shape: Shape,
    /// The compiled default, written as a variable would hold it.
    pub default: Option<&'static str>,
    /// What it is, in one line.
    pub about: &'static str,
}

impl Key {
    /// Whether an environment variable sets a secret.
    #[must_use]
    pub fn is_secret_variable(name: &str) -> bool {
        let secret =
            |key: &Key| key.variable == name && matches!(key.shape, Shape::Secret | Shape::Headers);
        KEYS.iter().any(secret)
    }

    const fn new(
        path: &'static str,
        variable: &'static str,
        shape: Shape,
        about: &'static str,
    ) -> Key {
        Key {
            path,
            variable,
            flag: None,
            alias: None,
            shape,
            default: None,
            about,
        }
    }

    const fn or(self, default: &'static str) -> Key {
        Key {
            default: Some(default),
            ..self
        }
    }

    const fn flag(self, flag: &'static str) -> Key {
        Key {
            flag: Some(flag),
            ..self
        }
    }

    const fn alias(self, alias: &'static str) -> Key {
        Key {
            alias: Some(alias),
            ..self
        }
    }

    /// The key at a path.
    #[must_use]
    pub fn at(path: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.path == path)
    }

    /// The table it stands in; none for a key at the top of the file.
    #[must_use]
    pub fn section(&self) -> Option<&'static str> {
        self.path.split_once('.').map(|(section, _)| section)
    }

    /// Its name within its table.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path
            .split_once('.')
            .map_or(self.path, |(_, name)| name)
    }

    /// Whether it says where a service is.
    #[must_use]
    pub fn is_endpoint(&self) -> bool {
        matches!(self.shape, Shape::Endpoint | Shape::OptionalEndpoint)
    }

    /// Every variable that sets it: a secret's may also name a file or a command.
    pub(crate) fn variables(&self) -> impl Iterator<Item = String> {
        let suffixes: &[&str] = if self.shape == Shape::Secret {
            &["", "_FILE", "_COMMAND"]
        } else {
            &[""]
        };
        suffixes
            .iter()
            .map(|suffix| format!("{}{suffix}", self.variable))
    }
}

/// The name that dashi's ingest flow writes into hrefs for the S3 endpoint: the service inside the cluster.
pub const IN_CLUSTER_S3: &str = "http://rustfs.dashi-platform.svc.cluster.local:9000";

/// The tables of the file, in the order of [`KEYS`].
pub(crate) fn sections() -> impl Iterator<Item = &'static str> {
    let mut last = None;
    KEYS.iter().filter_map(Key::section).filter(move |section| {
        let is_new = last != Some(*section);
        last = Some(*section);
        is_new
    })
}

/// The keys of one table, or those at the top of the file.
pub(crate) fn keys_of(section: Option<&str>) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section() == section)
}

/// Writes the table: the rows of the top and of `[http]`, then per service its own rows and one for each key of `[http]`
/// that it may override.
macro_rules! keys {
    (
        { $($top:expr,)* }
        $( [$section:literal $UPPER:literal] { $($own:expr,)* } )*
    ) => {
        &[
            $($top,)*
            $(
                $($own,)*
                Key::new(concat!($section, ".timeout"), concat!("DASHI_", $UPPER, "_TIMEOUT"), Shape::Duration, "http.timeout for this service"),
                Key::new(concat!($section, ".connect_timeout"), concat!("DASHI_", $UPPER, "_CONNECT_TIMEOUT"), Shape::Duration, "http.connect_timeout for this service"),
                Key::new(concat!($section, ".retries"), concat!("DASHI_", $UPPER, "_RETRIES"), Shape::Integer, "http.retries for this service"),
                Key::new(concat!($section, ".ca_file"), concat!("DASHI_", $UPPER, "_CA_FILE"), Shape::Path, "http.ca_file for this service"),
                Key::new(concat!($section, ".client_cert"), concat!("DASHI_", $UPPER, "_CLIENT_CERT"), Shape::Path, "http.client_cert for this service"),
                Key::new(concat!($section, ".client_key"), concat!("DASHI_", $UPPER, "_CLIENT_KEY"), Shape::Path, "http.client_key for this service"),
                Key::new(concat!($section, ".proxy"), concat!("DASHI_", $UPPER, "_PROXY"), Shape::Proxy, "http.proxy for this service"),
            )*
        ]
    };
}

/// Every key, in the order of the display and the reference.
pub static KEYS: &[Key] = keys! {
    {
        Key::new("stac_url", "DASHI_STAC_URL", Shape::Endpoint, "Where the STAC API is").flag("stac-url").or("http://localhost:8080"),
        Key::new("prefect_url", "DASHI_PREFECT_URL", Shape::Endpoint, "Where Prefect is, without /api").flag("prefect-url").or("http://localhost:4200"),
        Key::new("loki_url", "DASHI_LOKI_URL", Shape::OptionalEndpoint, "Where Loki is; off: this lake has none").flag("loki-url").or("http://localhost:3100"),
        Key::new("ingest_url", "DASHI_INGEST_URL", Shape::OptionalEndpoint, "Where the ingest-api is; off: this lake has none").flag("ingest-url").alias("api-url").or("http://localhost:8088"),
        Key::new("identity_url", "DASHI_IDENTITY_URL", Shape::OptionalEndpoint, "Where Keycloak is; off: who may see what is kept elsewhere, or nowhere").flag("identity-url").or("off"),
        Key::new("iceberg_url", "DASHI_ICEBERG_URL", Shape::OptionalEndpoint, "Where the Iceberg REST catalogue is; off: this lake has no tables").flag("iceberg-url").or("off"),
        Key::new("kube_context", "DASHI_KUBE_CONTEXT", Shape::Text, "Context of the kubeconfig (KUBECONFIG, ~/.kube/config) that k8s:// endpoints and k8s:: are in").flag("kube-context"),
        Key::new("protected", "DASHI_PROTECTED", Shape::Switch, "Whether the prompt only reads here, until :arm is typed").or("false"),
        Key::new("http.timeout", "DASHI_HTTP_TIMEOUT", Shape::Duration, "How long a request may take, for every service that sets no other").flag("http-timeout").or("30s"),
        Key::new("http.connect_timeout", "DASHI_HTTP_CONNECT_TIMEOUT", Shape::Duration, "How long a connection may take to open").flag("http-connect-timeout").or("3s"),
        Key::new("http.retries", "DASHI_HTTP_RETRIES", Shape::Integer, "How often a request that can be repeated is tried again").or("4"),
        Key::new("http.ca_file", "DASHI_HTTP_CA_FILE", Shape::Path, "Certificates (PEM) to trust beside the system's"),
        Key::new("http.client_cert", "DASHI_HTTP_CLIENT_CERT", Shape::Path, "Client certificate (PEM); may hold its key"),
        Key::new("http.client_key", "DASHI_HTTP_CLIENT_KEY", Shape::Path, "Key (PEM) of the client certificate of the same table"),
        Key::new("http.proxy", "DASHI_HTTP_PROXY", Shape::Proxy, "Proxy for every service; off: not even the system's"),
        Key::new("audit.actor", "DASHI_AUDIT_ACTOR", Shape::Text, "Who acts, in audit lines and journals; unset: the OS user and host"),
        Key::new("state.url", "DASHI_STATE_URL", Shape::Text, "Prefix in the store for journals and locks of destructive runs; unset: .dashi-state/ in the curated bucket"),
        Key::new("trash.landing", "DASHI_TRASH_LANDING", Shape::Switch, "Whether deleted objects of the landing bucket are put aside first").or("true"),
        Key::new("trash.processed", "DASHI_TRASH_PROCESSED", Shape::Switch, "Whether deleted objects of the processed bucket are put aside first").or("true"),
        Key::new("trash.curated", "DASHI_TRASH_CURATED", Shape::Switch, "Whether deleted objects of the curated bucket are put aside first").or("true"),
        Key::new("trash.other", "DASHI_TRASH_OTHER", Shape::Switch, "Whether deleted objects of any other bucket are put aside first").or("true"),
        Key::new("backup.url", "DASHI_BACKUP_URL", Shape::Text, "Where the backups are: below it one folder a label").or("s3://backups/"),
        Key::new("backup.labels", "DASHI_BACKUP_LABELS", Shape::Texts, "Labels of which there must be a backup").or("pgstac, prefect, serving-postgis"),
        Key::new("backup.max_age", "DASHI_BACKUP_MAX_AGE", Shape::Duration, "How old the newest backup of a label may be").or("26h"),
        Key::new("backup.namespace", "DASHI_BACKUP_NAMESPACE", Shape::Text, "The namespace of the Jobs that try backups out").or("dashi-backup"),
        Key::new("backup.image", "DASHI_BACKUP_IMAGE", Shape::Text, "The image that a backup is tried out in: it needs PostgreSQL, PostGIS and bash").or("postgis/postgis:16-3.4"),
        Key::new("backup.user", "DASHI_BACKUP_USER", Shape::Text, "The number of the user that PostgreSQL runs as in that image").or("999"),
        Key::new("backup.room", "DASHI_BACKUP_ROOM", Shape::Text, "How much disk a restored backup may take in the cluster").or("50Gi"),
        Key::new("backup.ttl", "DASHI_BACKUP_TTL", Shape::Duration, "How long such a Job stays when it is over and nobody has removed it").or("10m"),
        Key::new("backup.postgres_bin", "DASHI_BACKUP_POSTGRES_BIN", Shape::Text, "Where the programs of PostgreSQL are on this machine; found where it is not set"),
        Key::new("backup.pull_secret", "DASHI_BACKUP_PULL_SECRET", Shape::Text, "The Secret that the image is pulled with"),
        Key::new("kubernetes.namespace", "DASHI_KUBERNETES_NAMESPACE", Shape::Text, "The namespace of what dashictl runs in the cluster: schedules, and what is submitted").or("dashi-ops"),
        Key::new("kubernetes.image", "DASHI_KUBERNETES_IMAGE", Shape::Text, "The image of dashictl, for what it runs in the cluster"),
        Key::new("kubernetes.config_secret", "DASHI_KUBERNETES_CONFIG_SECRET", Shape::Text, "The Secret whose key config.toml is the configuration there").or("dashictl-config"),
        Key::new("kubernetes.pull_secret", "DASHI_KUBERNETES_PULL_SECRET", Shape::Text, "The Secret that this image is pulled with"),
    }
    ["gc" "GC"] {
        Key::new("gc.protect", "DASHI_GC_PROTECT", Shape::Texts, "What keys begin with that garbage collection never touches, in every bucket"),
    }
    ["s3" "S3"] {
        Key::new("s3.endpoint", "DASHI_S3_ENDPOINT", Shape::Endpoint, "Where the S3 store is").flag("s3-endpoint").or("http://localhost:9000"),
        Key::new("s3.region", "DASHI_S3_REGION", Shape::Text, "Region that requests are signed for").or("us-east-1"),
        Key::new("s3.access_key", "DASHI_S3_ACCESS_KEY", Shape::Secret, "Access key"),
        Key::new("s3.secret_key", "DASHI_S3_SECRET_KEY", Shape::Secret, "Secret key"),
        Key::new("s3.session_token", "DASHI_S3_SESSION_TOKEN", Shape::Secret, "Session token of temporary keys"),
        Key::new("s3.aliases", "DASHI_S3_ALIASES", Shape::Urls, "Other names of the store in hrefs; its name inside the cluster always counts").or(IN_CLUSTER_S3),
        Key::new("s3.landing_bucket", "DASHI_LANDING_BUCKET", Shape::Text, "Bucket of raw uploads").or("landing"),
        Key::new("s3.processed_bucket", "DASHI_PROCESSED_BUCKET", Shape::Text, "Bucket of processed assets").or("processed"),
        Key::new("s3.curated_bucket", "DASHI_CURATED_BUCKET", Shape::Text, "Bucket of curated data").or("curated"),
    }
    ["stac" "STAC"] {
        Key::new("stac.token", "DASHI_STAC_TOKEN", Shape::Secret, "Bearer token for the STAC API"),
        Key::new("stac.headers", "DASHI_STAC_HEADERS", Shape::Headers, "Headers to send to the STAC API"),
    }
    ["prefect" "PREFECT"] {
        Key::new("prefect.token", "DASHI_PREFECT_TOKEN", Shape::Secret, "Bearer token for Prefect"),
        Key::new("prefect.headers", "DASHI_PREFECT_HEADERS", Shape::Headers, "Headers to send to Prefect"),
    }
    ["loki" "LOKI"] {
        Key::new("loki.token", "DASHI_LOKI_TOKEN", Shape::Secret, "Bearer token for Loki"),
        Key::new("loki.headers", "DASHI_LOKI_HEADERS", Shape::Headers, "Headers to send to Loki, such as X-Scope-OrgID"),
    }
    ["ingest" "INGEST"] {
        Key::new("ingest.user", "DASHI_INGEST_USER", Shape::Text, "Who uploads, sent as Remote-User: for an ingest-api that is reached past its proxy"),
        Key::new("ingest.token", "DASHI_INGEST_TOKEN", Shape::Secret, "Bearer token for the ingest-api"),
        Key::new("ingest.headers", "DASHI_INGEST_HEADERS", Shape::Headers, "Headers to send to the ingest-api"),
    }
    ["identity" "IDENTITY"] {
        Key::new("identity.realm", "DASHI_IDENTITY_REALM", Shape::Text, "The realm of the users").or("dashi"),
        Key::new("identity.login_realm", "DASHI_IDENTITY_LOGIN_REALM", Shape::Text, "The realm that dashictl logs in to; unset: identity.realm"),
        Key::new("identity.client_id", "DASHI_IDENTITY_CLIENT_ID", Shape::Text, "The client that dashictl logs in as").or("dashictl"),
        Key::new("identity.client_secret", "DASHI_IDENTITY_CLIENT_SECRET", Shape::Secret, "That client's secret"),
        Key::new("identity.user", "DASHI_IDENTITY_USER", Shape::Text, "The user that dashictl logs in as, where it is not the client's own account"),
        Key::new("identity.password", "DASHI_IDENTITY_PASSWORD", Shape::Secret, "That user's password"),
        Key::new("identity.token", "DASHI_IDENTITY_TOKEN", Shape::Secret, "Bearer token for Keycloak's admin API, instead of logging in"),
        Key::new("identity.headers", "DASHI_IDENTITY_HEADERS", Shape::Headers, "Headers to send to Keycloak"),
        Key::new("identity.users_file", "DASHI_IDENTITY_USERS_FILE", Shape::Path, "Authelia's file of users, where that keeps who may see what"),
        Key::new("identity.users_configmap", "DASHI_IDENTITY_USERS_CONFIGMAP", Shape::Text, "The ConfigMap with Authelia's users, as namespace/name"),
        Key::new("identity.users_key", "DASHI_IDENTITY_USERS_KEY", Shape::Text, "The key of that ConfigMap").or("users.yml"),
        Key::new("identity.deployment", "DASHI_IDENTITY_DEPLOYMENT", Shape::Text, "Authelia's Deployment beside it, which is restarted when they have changed; none: it need not be").or("authelia"),
        Key::new("identity.group", "DASHI_IDENTITY_GROUP", Shape::Text, "The group whose members have a role in a domain").or("/dashi/{domain}/{role}"),
        Key::new("identity.roles", "DASHI_IDENTITY_ROLES", Shape::Texts, "The roles that somebody can have in a domain").or("reader, writer, admin"),
    }
    ["iceberg" "ICEBERG"] {
        Key::new("iceberg.warehouse", "DASHI_ICEBERG_WAREHOUSE", Shape::Text, "The warehouse of that catalogue, where it has several"),
        Key::new("iceberg.client_id", "DASHI_ICEBERG_CLIENT_ID", Shape::Secret, "The client that dashictl logs in as (OAuth 2.0)"),
        Key::new("iceberg.client_secret", "DASHI_ICEBERG_CLIENT_SECRET", Shape::Secret, "That client's secret"),
        Key::new("iceberg.scope", "DASHI_ICEBERG_SCOPE", Shape::Text, "The scope that is asked for").or("catalog"),
        Key::new("iceberg.token", "DASHI_ICEBERG_TOKEN", Shape::Secret, "Bearer token for the catalogue, instead of logging in"),
        Key::new("iceberg.headers", "DASHI_ICEBERG_HEADERS", Shape::Headers, "Headers to send to the catalogue"),
    }
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_keys_share_a_path_a_variable_or_a_flag() {
        let paths: BTreeSet<_> = KEYS.iter().map(|key| key.path).collect();
        let variables: BTreeSet<_> = KEYS.iter().flat_map(Key::variables).collect();
        let flags: Vec<_> = KEYS.iter().filter_map(|key| key.flag).collect();
        assert_eq!(paths.len(), KEYS.len());
        assert_eq!(
            variables.len(),
            KEYS.iter().flat_map(Key::variables).count()
        );
        assert_eq!(flags.iter().collect::<BTreeSet<_>>().len(), flags.len());
    }

    #[test]
    fn variables_and_flags_are_named_after_the_path() {
        for key in KEYS {
            let words = key.path.replace('.', "_");
            let expected = match key.name() {
                "landing_bucket" | "processed_bucket" | "curated_bucket" => key.name(),
                _ => &words,
            };
            assert_eq!(key.variable, format!("DASHI_{}", expected.to_uppercase()));
            if let Some(flag) = key.flag {
                assert_eq!(flag, words.replace('_', "-"));
            }
        }
    }

    #[test]
    fn every_service_may_override_every_key_of_http() {
        for section in ["s3", "stac", "prefect", "loki", "ingest"] {
            for shared in keys_of(Some("http")) {
                let own = Key::at(&format!("{section}.{}", shared.name()));
                assert_eq!(own.map(|key| key.shape), Some(shared.shape), "{section}");
            }
        }
    }

    #[test]
    fn the_tables_are_named_once_and_in_order() {
        let names: Vec<_> = sections().collect();
        let services = [
            "s3", "stac", "prefect", "loki", "ingest", "identity", "iceberg",
        ];
        assert_eq!(
            names[..7],
            [
                "http",
                "audit",
                "state",
                "trash",
                "backup",
                "kubernetes",
                "gc"
            ]
        );
        assert_eq!(names[7..], services);
    }

    #[test]
    fn every_key_says_what_it_is_in_one_line() {
        for key in KEYS {
            assert!(!key.about.is_empty() && !key.about.ends_with('.'));
            assert!(!key.about.contains('\n'));
        }
    }
}
