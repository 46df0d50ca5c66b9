//! A canary in every credential that the tests hand out, and the search for them in whatever the program leaves behind:
//! what it prints, its journals and plans, its state, and what the embedded lake holds of it (Loki's lines, objects).

use std::path::Path;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The bearer tokens of the services. None of them asks for one, so any will do.
pub const STAC: &str = "canary+stac/b7e1=token";
pub const PREFECT: &str = "canary+prefect/0c94=token";
pub const LOKI: &str = "canary+loki/55d2=token";
pub const INGEST: &str = "canary+ingest/e83a=token";
/// A header's value.
pub const HEADER: &str = "canary+header/91fb=value";
/// The part of a webhook's URL that opens it.
pub const HOOK: &str = "canary-hook-7c1d-hush";
/// The secret of the client of a realm.
pub const KEYCLOAK: &str = "canary+keycloak/4ad7=secret";
/// The secret key of every sandbox, and that of its Keycloak's client.
pub const SANDBOX: &str = "sandbox-secret-that-opens-nothing-else-0001";
pub const SANDBOX_KEYCLOAK: &str = "sandbox-secret-that-opens-nothing-else-0002";

/// Every spelling of every canary: raw, percent-encoded, and base64 at each of the three places it can begin.
fn spellings() -> &'static AhoCorasick {
    static SPELLINGS: OnceLock<AhoCorasick> = OnceLock::new();
    SPELLINGS.get_or_init(|| {
        let all = [
            STAC,
            PREFECT,
            LOKI,
            INGEST,
            HEADER,
            HOOK,
            KEYCLOAK,
            SANDBOX,
            SANDBOX_KEYCLOAK,
        ];
        let all = all.into_iter().map(str::to_owned);
        let real = super::lakes::real_secret_key();
        AhoCorasick::new(all.chain(real).flat_map(|secret| spelt(&secret))).unwrap()
    })
}

fn spelt(secret: &str) -> Vec<String> {
    let mut spellings = vec![
        secret.to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
    ];
    for before in 0..3 {
        let encoded = STANDARD.encode([&vec![b'x'; before][..], secret.as_bytes()].concat());
        // The first and last letters depend on what stands beside the secret.
        let end = encoded.len() - 4;
        spellings.push(encoded[(before * 8).div_ceil(6)..end].to_owned());
    }
    spellings
}

/// Fails where a text holds a canary.
pub fn assert_none(text: &[u8], place: &str) {
    if let Some(found) = spellings().find(text) {
        let shown = String::from_utf8_lossy(&text[found.range()]);
        panic!("a secret ('{shown}') was left in {place}");
    }
}

/// Fails where a file below a folder holds a canary; configuration files are where they come from.
pub fn assert_none_below(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.ends_with(".config") {
            continue;
        }
        if path.is_dir() {
            assert_none_below(&path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            assert_none(&bytes, &path.display().to_string());
        }
    }
}

#[test]
fn a_canary_is_found_in_every_spelling() {
    for before in ["", "a", "ab", "abc"] {
        let text = STANDARD.encode(format!("{before}{STAC} and more"));
        let found = std::panic::catch_unwind(|| assert_none(text.as_bytes(), "a test"));
        assert!(found.is_err(), "{text}");
    }
    assert_none(b"canary+stac", "a test");
}
