//! TLS and proxies, the same for JSON services and the object store: own authorities, client certificates, proxies.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use serde_json::json;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::canary;
use super::fake::{Answer, FakeService};
use super::follow::{Follower, Log, now};
use super::lakes::Lake;
use super::operator::Operator;
use super::wire::Wire;

const BODY: &str = r#"{"collections":[{"id":"over-tls"}],"links":[]}"#;

/// An authority, with certificates that it has signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
        }
    }

    /// A certificate for a name, and its key, both in PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem().as_bytes()).unwrap())
            .unwrap();
        roots
    }
}

/// A service behind TLS, whose authority may ask for a client certificate. Gives its URL.
fn serve(authority: &Authority, wants_client: bool) -> String {
    dashictl::clients::tls::install_provider();
    let (certificate, key) = authority.sign("localhost");
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let builder = if wants_client {
        let verifier = WebPkiClientVerifier::builder(Arc::new(authority.roots()))
            .build()
            .unwrap();
        ServerConfig::builder().with_client_cert_verifier(verifier)
    } else {
        ServerConfig::builder().with_no_client_auth()
    };
    let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream =
                StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok_and(|count| count > 0) {
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    BODY.len()
                );
                let _ = stream
                    .write_all(head.as_bytes())
                    .and_then(|()| stream.write_all(BODY.as_bytes()));
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    format!("https://localhost:{port}")
}

/// The way to a service through TLS, for as long as the runtime lives. Gives its URL.
fn before(runtime: &Runtime, authority: &Authority, service: &str) -> String {
    dashictl::clients::tls::install_provider();
    let (certificate, key) = authority.sign("localhost");
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
    let service = service.trim_start_matches("http://").to_owned();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, service) = (acceptor.clone(), service.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else {
                    return;
                };
                let mut service = tokio::net::TcpStream::connect(service).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut service).await;
            });
        }
    });
    format!("https://localhost:{port}")
}

fn file(operator: &Operator, name: &str, text: &str) -> String {
    let path: PathBuf = operator.home_file(name, text);
    path.to_string_lossy().into_owned()
}

const IDS: &str = "stac::collections().map(|c| c.id)";

#[test]
fn an_authority_of_ones_own_is_trusted_once_it_is_named() {
    let authority = Authority::new();
    let url = serve(&authority, false);
    let operator = Operator::new()
        .with("DASHI_STAC_URL", &url)
        .with("DASHI_HTTP_RETRIES", "0");
    let stderr = operator.run(&["eval", IDS]).failure(1);
    assert!(
        stderr.contains(&format!("stac cannot be reached at {url}")),
        "{stderr}"
    );
    assert!(stderr.contains("UnknownIssuer"), "{stderr}");
    assert!(
        stderr.contains(
            "hint the server's certificate is not trusted: name its authority with http.ca_file"
        ),
        "{stderr}"
    );
    let ca = file(&operator, "ca.pem", &authority.pem());
    let operator = operator.with("DASHI_HTTP_CA_FILE", ca);
    assert_eq!(operator.run(&["eval", IDS]).success(), "over-tls\n");
}

#[test]
fn a_client_certificate_is_shown_to_a_service_that_asks_for_it() {
    let authority = Authority::new();
    let url = serve(&authority, true);
    let operator = Operator::new()
        .with("DASHI_STAC_URL", &url)
        .with("DASHI_HTTP_RETRIES", "0");
    let ca = file(&operator, "ca.pem", &authority.pem());
    let operator = operator.with("DASHI_HTTP_CA_FILE", ca);
    assert_eq!(operator.run(&["eval", IDS]).code, Some(1));
    let (certificate, key) = authority.sign("operator");
    let (certificate, key) = (
        file(&operator, "me.pem", &certificate),
        file(&operator, "me.key", &key),
    );
    let operator = operator
        .with("DASHI_STAC_CLIENT_CERT", certificate)
        .with("DASHI_STAC_CLIENT_KEY", key);
    assert_eq!(operator.run(&["eval", IDS]).success(), "over-tls\n");
}

#[test]
fn a_file_without_certificates_names_the_setting() {
    let operator = Operator::new().with("DASHI_STAC_URL", "https://localhost:1");
    let empty = file(&operator, "empty.pem", "nothing\n");
    let stderr = operator
        .with("DASHI_HTTP_CA_FILE", empty)
        .run(&["eval", IDS])
        .failure(2);
    assert!(
        stderr.contains("ca_file ~/empty.pem holds no PEM certificates"),
        "{stderr}"
    );
    let operator = Operator::new()
        .with("DASHI_STAC_URL", "https://localhost:1")
        .with("DASHI_HTTP_CA_FILE", "/nowhere.pem");
    assert!(
        operator
            .run(&["eval", IDS])
            .failure(2)
            .contains("cannot read /nowhere.pem (setting ca_file)")
    );
}

#[test]
fn the_store_is_reached_over_tls_by_the_same_settings() {
    let authority = Authority::new();
    let url = serve(&authority, false);
    let operator = Operator::new()
        .with("DASHI_S3_ENDPOINT", &url)
        .with("DASHI_S3_ACCESS_KEY", "key")
        .with("DASHI_S3_SECRET_KEY", "made-up-for-a-test")
        .with("DASHI_HTTP_RETRIES", "0");
    assert!(
        operator
            .run(&["eval", "s3::clock_skew()"])
            .failure(1)
            .contains("UnknownIssuer")
    );
    let ca = file(&operator, "ca.pem", &authority.pem());
    let stderr = operator
        .with("DASHI_S3_CA_FILE", ca)
        .run(&["eval", "s3::clock_skew()"])
        .failure(1);
    assert!(
        stderr.contains("s3 gave an answer without a date"),
        "the store was reached: {stderr}"
    );
}

#[test]
fn a_proxy_is_used_where_one_is_set() {
    let page = Answer::json(&json!({"collections": [{"id": "by-proxy"}], "links": []}));
    let proxy = FakeService::start(vec![page]);
    let operator = Operator::new()
        .with("DASHI_STAC_URL", "http://stac.example")
        .with("DASHI_HTTP_PROXY", proxy.url());
    assert_eq!(operator.run(&["eval", IDS]).success(), "by-proxy\n");
    assert_eq!(
        proxy.lines(),
        ["GET http://stac.example/collections?limit=250"]
    );
}

#[test]
fn the_systems_proxy_is_used_but_not_for_loopback() {
    let page = Answer::json(&json!({"collections": [{"id": "a"}], "links": []}));
    let (proxy, service) = (
        FakeService::start(vec![page.clone()]),
        FakeService::start(vec![page]),
    );
    let operator = |url: &str| {
        Operator::new()
            .with("http_proxy", proxy.url())
            .with("DASHI_STAC_URL", url)
    };
    let _ = operator(service.url()).run(&["eval", IDS]).success();
    assert_eq!(proxy.lines().len(), 0);
    let _ = operator("http://stac.example")
        .run(&["eval", IDS])
        .success();
    assert_eq!(proxy.lines().len(), 1);
}

#[test]
fn a_log_is_followed_over_tls_with_the_headers_of_every_request() {
    let (authority, runtime) = (Authority::new(), Runtime::new().unwrap());
    let served = Lake::Sandbox.served();
    let wire = Wire::before(&served.addresses.loki);
    let url = before(&runtime, &authority, wire.url());
    let operator = Operator::new()
        .with("DASHI_LOKI_URL", &url)
        .with("DASHI_LOKI_TOKEN", canary::LOKI);
    let ca = file(&operator, "ca.pem", &authority.pem());
    let operator = operator.with("DASHI_HTTP_CA_FILE", ca);
    let log = Log::new(&served.addresses.loki);
    let words = ["--limit", "0", "--poll", "10m", "--query", &log.query()];
    let follower = Follower::start(&operator, &words);
    follower.at_work(&log);
    log.push(1, &[(now(), "over TLS".to_owned())]);
    assert_eq!(follower.next()["line"], "over TLS");
    follower.end(&operator);
    let requests = wire.requests();
    let tail = requests
        .iter()
        .find(|request| request.target.contains("/tail"))
        .unwrap();
    let token = format!("Bearer {}", canary::LOKI);
    assert_eq!(tail.header("authorization"), Some(token.as_str()));
}
