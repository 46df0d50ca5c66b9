//! Tests of the whole room, and the lakes they stand in. What one file does alone is tested in that file.

mod locations;
mod properties;
mod references;
mod spellings;

use crate::error::Result;

use super::{Lake, Settings};

fn lake_of(endpoint: &str, aliases: &[&str], services: &[&str]) -> Result<Lake> {
    let aliases: Vec<String> = aliases.iter().map(ToString::to_string).collect();
    let services: Vec<_> = services.iter().map(|url| ("stac_url", *url)).collect();
    Lake::new(&Settings {
        endpoint,
        aliases: &aliases,
        landing: "landing",
        processed: "processed",
        curated: "curated",
        others: &["backups".to_owned()],
        services: &services,
    })
}

/// A port-forward as the endpoint, a public host as an alias, the catalogue as a service.
fn lake() -> Lake {
    lake_of(
        "http://localhost:9000",
        &["https://s3.example.org"],
        &["http://localhost:8080"],
    )
    .unwrap()
}
