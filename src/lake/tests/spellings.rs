//! Spellings and their best reading, in tables grouped by behaviour.

use crate::lake::{Lake, Place};

use super::{lake, lake_of};

/// An AWS store.
fn aws() -> Lake {
    lake_of("https://s3.eu-central-1.amazonaws.com", &[], &[]).unwrap()
}

/// Asserts that each href has this best reading (empty for none), and that its references begin with it.
fn assert_means(lake: &Lake, expected: &str, hrefs: &[&str]) {
    for href in hrefs {
        let place = lake.place(href);
        let shown = place.as_ref().map(Place::to_string).unwrap_or_default();
        assert_eq!(shown, expected, "{href}");
        let references = lake.references(href);
        assert_eq!(references.places().first(), place.as_ref(), "{href}");
        assert!(references.is_complete(), "{href}");
    }
}

/// Asserts that each URL is at a host that is not known.
fn assert_foreign(lake: &Lake, urls: &[&str]) {
    for url in urls {
        let (_, shown) = url.split_once(':').unwrap();
        assert_means(lake, shown, &[url]);
    }
}

#[test]
fn an_s3_scheme_of_any_case_is_bucket_and_raw_key() {
    assert_means(
        &lake(),
        "s3://processed/d/x.tif",
        &[
            "s3://processed/d/x.tif",
            "s3a://processed/d/x.tif",
            "s3n://processed/d/x.tif",
            "S3://processed/d/x.tif",
            "  s3://processed/d/x.tif",
            "s3:/processed/d/x.tif",
            "s3:///processed/d/x.tif",
            "s3://AKIA:secret@processed/d/x.tif",
            "arn:aws:s3:::processed/d/x.tif",
            "arn:aws-cn:s3:::processed/d/x.tif",
        ],
    );
    assert_means(
        &lake(),
        "s3://Processed/D/x.tif",
        &["S3A://Processed/D/x.tif"],
    );
    assert_means(&lake(), "s3://processed/", &["arn:aws:s3:::processed"]);
}

#[test]
fn an_s3_key_is_neither_decoded_nor_cut_nor_resolved() {
    for href in [
        "s3://processed/d/a%20b.tif",
        "s3://processed/d/a+b.tif",
        "s3://processed/d/a?b#c.tif",
        "s3://processed//d//x.tif",
        "s3://processed/d/../x.tif",
        "s3://processed/./x.tif",
        "s3://processed/d/a\u{308}.tif",
        "s3://processed/d/x ",
        "s3://Processed/D/x.tif",
        "s3://elsewhere/d/x.tif",
    ] {
        assert_means(&lake(), href, &[href]);
    }
}

#[test]
fn the_endpoint_and_its_aliases_are_the_store_path_style() {
    let lake = lake_of(
        "https://dashi.example.org/s3",
        &["rustfs.example.org:9000", "[2001:db8::1]:9000"],
        &[],
    )
    .unwrap();
    assert_means(
        &lake,
        "s3://processed/d/x.tif",
        &[
            "https://dashi.example.org/s3/processed/d/x.tif",
            "http://dashi.example.org/s3/processed/d/x.tif",
            "https://dashi.example.org:443/s3/processed/d/x.tif",
            "http://rustfs.example.org:9000/processed/d/x.tif",
            "http://rustfs.example.org.:9000/processed/d/x.tif",
            "http://user:pw@rustfs.example.org:9000/processed/d/x.tif",
            "http://[2001:DB8:0::1]:9000/processed/d/x.tif",
            "//rustfs.example.org:9000/processed/d/x.tif",
            "rustfs.example.org:9000/processed/d/x.tif",
            "s3://rustfs.example.org:9000/processed/d/x.tif",
            "http:/rustfs.example.org:9000/processed/d/x.tif",
        ],
    );
    assert_foreign(
        &lake,
        &[
            "https://dashi.example.org/processed/d/x.tif",
            "https://dashi.example.org/s3x/d/x.tif",
            "http://rustfs.example.org:9001/processed/d/x.tif",
        ],
    );

    assert_means(
        &lake,
        "s3://processed/d/X.tif",
        &["HTTP://RustFS.Example.org:9000/processed/d/X.tif"],
    );
}

#[test]
fn the_in_cluster_name_is_always_the_store_in_each_of_its_lengths() {
    let object = "s3://processed/d/x.tif";
    assert_means(
        &lake(),
        object,
        &[
            "http://rustfs.dashi-platform.svc.cluster.local:9000/processed/d/x.tif",
            "http://rustfs.dashi-platform.svc.cluster.local.:9000/processed/d/x.tif",
            "http://rustfs.dashi-platform.svc:9000/processed/d/x.tif",
            "http://rustfs.dashi-platform:9000/processed/d/x.tif",
            "http://rustfs:9000/processed/d/x.tif",
            "http://processed.rustfs.dashi-platform.svc.cluster.local:9000/d/x.tif",
        ],
    );
}

#[test]
fn a_tunnelled_service_is_what_the_cluster_calls_it() {
    let lake = lake_of("k8s://lake/store:8333", &[], &[]).unwrap();
    assert_means(
        &lake,
        "s3://processed/d/x.tif",
        &[
            "http://store.lake.svc.cluster.local:8333/processed/d/x.tif",
            "http://store.lake:8333/processed/d/x.tif",
        ],
    );
    assert_foreign(&lake, &["http://localhost:8333/processed/d/x.tif"]);
}

#[test]
fn every_loopback_name_is_the_port_forward() {
    assert_means(
        &lake(),
        "s3://processed/d/x.tif",
        &[
            "http://localhost:9000/processed/d/x.tif",
            "http://LOCALHOST:9000/processed/d/x.tif",
            "http://127.0.0.1:9000/processed/d/x.tif",
            "http://127.1:9000/processed/d/x.tif",
            "http://0.0.0.0:9000/processed/d/x.tif",
            "http://[::1]:9000/processed/d/x.tif",
            "http://[::ffff:127.0.0.1]:9000/processed/d/x.tif",
            "http://processed.localhost:9000/d/x.tif",
            "http://processed.127.0.0.1:9000/d/x.tif",
        ],
    );
    assert_foreign(&lake(), &["http://localhost:9999/processed/d/x.tif"]);
}

#[test]
fn a_buckets_own_host_is_the_bucket() {
    assert_means(
        &lake(),
        "s3://processed/d/x.tif",
        &["https://processed.s3.example.org/d/x.tif"],
    );
    assert_means(
        &lake(),
        "s3://processed/d/X.tif",
        &["https://PROCESSED.s3.example.org/d/X.tif"],
    );
    assert_means(
        &lake(),
        "s3://my.own.bucket/x.tif",
        &["https://my.own.bucket.s3.example.org/x.tif"],
    );
    assert_means(
        &lake(),
        "s3://processed/",
        &[
            "https://processed.s3.example.org",
            "https://processed.s3.example.org/?list-type=2",
        ],
    );
    assert_means(
        &lake(),
        "s3://processed//d/x.tif",
        &["https://processed.s3.example.org//d/x.tif"],
    );
}

#[test]
fn amazon_hosts_are_the_store_only_where_one_is_configured() {
    let hrefs = [
        "https://processed.s3.amazonaws.com/d/x.tif",
        "https://processed.s3.eu-central-1.amazonaws.com/d/x.tif",
        "https://processed.s3-eu-central-1.amazonaws.com/d/x.tif",
        "https://processed.s3.dualstack.eu-central-1.amazonaws.com/d/x.tif",
        "https://s3.eu-central-1.amazonaws.com/processed/d/x.tif",
        "https://s3.amazonaws.com/processed/d/x.tif",
    ];
    for href in hrefs {
        assert_means(&aws(), "s3://processed/d/x.tif", &[href]);
        assert!(
            matches!(lake().place(href), Some(Place::Foreign(_))),
            "{href}"
        );
        // Nobody declared the host, and still the object is kept.
        assert!(
            lake().references(href).covers("processed", "d/x.tif"),
            "{href}"
        );
    }
    assert_foreign(&aws(), &["https://ec2.amazonaws.com/d/x.tif"]);
}

#[test]
fn a_url_of_the_store_is_read_as_a_url() {
    let x = "s3://processed/d/x.tif";
    assert_means(
        &lake(),
        "s3://processed/d/a b.tif",
        &["http://localhost:9000/processed/d/a%20b.tif"],
    );
    assert_means(
        &lake(),
        "s3://processed/d/a+b.tif",
        &["http://localhost:9000/processed/d/a+b.tif"],
    );
    assert_means(
        &lake(),
        x,
        &[
            "http://localhost:9000/processed/d%2Fx.tif",
            "http://localhost:9000/processed%2Fd%2Fx.tif",
            "http://localhost:9000/processed/d/x.tif?versionId=7",
            "http://localhost:9000/processed/d/x.tif#page=2",
            "http://localhost:9000/processed/e/../d/./x.tif",
            "http://localhost:9000/processed/e/%2e%2e/d/x.tif",
            "http://localhost:9000//processed/d/x.tif",
            " http://localhost:9000/processed/d/x.tif \n",
            "http://localhost:9000/processed/d/x.tif?X-Amz-Credential=AK%2F2026%2Fs3&X-Amz-Signature=ab",
        ],
    );
    assert_means(
        &lake(),
        "s3://processed//d/x.tif",
        &["http://localhost:9000/processed//d/x.tif"],
    );
}

#[test]
fn a_final_slash_is_a_directory_and_a_bucket_alone_is_the_bucket() {
    assert_means(
        &lake(),
        "s3://processed/d/set/vector/",
        &[
            "s3://processed/d/set/vector/",
            "http://localhost:9000/processed/d/set/vector/",
        ],
    );
    assert_means(
        &lake(),
        "s3://processed/",
        &[
            "s3://processed",
            "s3://processed/",
            "s3://processed?versions",
            "http://localhost:9000/processed",
            "http://localhost:9000/processed/?list-type=2",
        ],
    );
    let lake = lake();
    assert!(matches!(
        lake.place("s3://processed/d/"),
        Some(Place::Prefix(_))
    ));
    assert!(matches!(
        lake.place("s3://processed/"),
        Some(Place::Bucket(_))
    ));
    let whole = lake.references("http://localhost:9000/processed/");
    assert_eq!(whole.whole_buckets().collect::<Vec<_>>(), ["processed"]);
}

#[test]
fn a_gdal_path_is_what_its_innermost_handler_opens() {
    let x = "s3://processed/d/x.tif";
    let zip = "s3://processed/d/a.zip";
    assert_means(
        &lake(),
        x,
        &[
            "/vsis3/processed/d/x.tif",
            "/vsis3_streaming/processed/d/x.tif",
            "/vsicurl/http://localhost:9000/processed/d/x.tif",
            "/vsicurl_streaming/http://localhost:9000/processed/d/x.tif",
            "/vsicurl?max_retry=3&url=http%3A%2F%2Flocalhost%3A9000%2Fprocessed%2Fd%2Fx.tif",
            "/vsicurl?url=http%3A%2F%2Flocalhost%3A9000%2Fprocessed%2Fd%2Fx.tif&use_head=no",
            "/vsisubfile/0_1000,/vsis3/processed/d/x.tif",
        ],
    );
    assert_means(
        &lake(),
        "s3://processed/d/a%20b?.tif",
        &["/vsis3/processed/d/a%20b?.tif"],
    );
    assert_means(
        &lake(),
        zip,
        &[
            "/vsizip//vsis3/processed/d/a.zip/in/x.shp",
            "/vsizip/vsis3/processed/d/a.zip/in/x.shp",
            "/vsizip//vsicurl/http://localhost:9000/processed/d/a.zip",
        ],
    );
    assert_means(
        &lake(),
        "s3://processed/d/archive.data",
        &["/vsizip/{/vsis3/processed/d/archive.data}/in/x.shp"],
    );
    assert_means(
        &lake(),
        "s3://processed/d/a.tar.gz",
        &["/vsitar//vsigzip//vsis3/processed/d/a.tar.gz/x.shp"],
    );
    assert_means(
        &lake(),
        "/vsizip/d/set/a.zip/x.shp",
        &["/vsizip/d/set/a.zip/x.shp"],
    );
}

#[test]
fn a_tile_servers_link_means_what_it_draws() {
    let x = "s3://processed/d/x.tif";
    assert_means(
        &lake(),
        x,
        &[
            "https://tiles.example.org/cog/{z}/{x}/{y}?url=s3%3A%2F%2Fprocessed%2Fd%2Fx.tif&rescale=0,1",
            "https://tiles.example.org/cog/info?url=s3://processed/d/x.tif",
            "https://tiles.example.org/cog/info?url=http%3A%2F%2Flocalhost%3A9000%2Fprocessed%2Fd%2Fx.tif",
            "http://localhost:8080/cog/info?url=s3://processed/d/x.tif",
            "https://s3.example.org/processed/d/x.tif?url=s3://processed/d/y.tif",
        ],
    );
    assert_means(
        &lake(),
        "//tiles.example.org/cog/info",
        &["https://tiles.example.org/cog/info?url=https://other.example/a/b.tif"],
    );
    // Both readings are kept, and an undeclared tile server is no unknown host.
    let drawn =
        lake().references("https://tiles.example.org/d/set/y.tif?url=s3://processed/d/x.tif");
    assert!(drawn.covers("processed", "d/x.tif") && drawn.covers("curated", "set/y.tif"));
    assert_eq!(drawn.unknown_host(), None);
}

#[test]
fn a_service_behind_the_stores_own_host_is_told_apart_by_its_path() {
    let lake = lake_of(
        "https://dashi.example.org",
        &[],
        &["https://dashi.example.org/stac"],
    )
    .unwrap();
    assert_means(
        &lake,
        "",
        &["https://dashi.example.org/stac/collections/a/items/b"],
    );
    assert_means(
        &lake,
        "s3://processed/d/x.tif",
        &["https://dashi.example.org/processed/d/x.tif"],
    );
    assert_means(
        &lake,
        "s3://stack/d/x.tif",
        &["https://dashi.example.org/stack/d/x.tif"],
    );
}
