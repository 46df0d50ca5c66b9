//! The object store on both lakes, and stores that misbehave.

use super::fake::{Answer, FakeService};
use super::lakes::on_both_lakes;
use super::operator::{Operator, Ran};

on_both_lakes! {
    fn objects_are_listed_read_and_counted_the_same_by_every_spelling(lake) {
        let script = "
            let rasters = stac::items(\"gelaende-umwelt\").filter(|i| i.assets.values().some(|a| a.href.ends_with(\".tif\"))).collect();
            let href = rasters[0].assets.values().find(|a| a.href.ends_with(\".tif\")).href;
            let place = lake::place(href);
            let head = s3::head(href);
            [href.starts_with(\"http://rustfs.dashi-platform.svc.cluster.local:9000/processed/\"), place.kind,
             head.uri == place.uri, s3::read(href, #{blob: true}).len() == head.size,
             s3::read(place.uri, #{range: \"0-3\", blob: true}).len(), s3::list(place.uri).count()]";
        let value = lake.operator().run(&["eval", "--json", script]).json();
        assert_eq!(value, serde_json::json!([true, "object", true, true, 4, 1]));
    }

    fn a_missing_object_bucket_or_host_is_told_apart(lake) {
        let operator = lake.operator();
        let says = |expression: &str| operator.run(&["eval", expression]);
        assert!(says("s3::head(\"s3://processed/no/such\")").failure(1).contains("s3://processed/no/such does not exist"));
        assert_eq!(says("s3::try_head(\"s3://processed/no/such\")").success(), "");
        assert!(says("s3::try_head(\"s3://no-such-bucket/x\")").failure(1).contains("no-such-bucket"));
        assert!(says("s3::list(\"s3://no-such-bucket/\").count()").failure(1).contains("there is no bucket for s3://no-such-bucket/"));
        let stderr = says("s3::head(\"http://minio.example:9000/processed/x\")").failure(2);
        assert!(stderr.contains("minio.example:9000") && stderr.contains("s3.aliases"), "{stderr}");
    }
}

fn listing(service: &FakeService) -> Ran {
    Operator::new()
        .with("DASHI_S3_ENDPOINT", service.url())
        .with("DASHI_S3_ACCESS_KEY", "key")
        .with("DASHI_S3_SECRET_KEY", "made-up-for-a-test")
        .run(&["eval", "s3::list(\"s3://b/\").map(|o| o.key).collect()"])
}

fn page(keys: &[&str], truncated: bool, token: Option<&str>) -> Answer {
    let contents: String = keys
        .iter()
        .map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"))
        .collect();
    let token = token
        .map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>"))
        .unwrap_or_default();
    let body = format!(
        "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name><IsTruncated>{truncated}</IsTruncated>{token}{contents}</ListBucketResult>"
    );
    Answer::status(200, &body).header("content-type", "application/xml")
}

fn refusal(status: u16, code: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>said the store</Message></Error>"
    );
    Answer::status(status, &body).header("content-type", "application/xml")
}

#[test]
fn a_listing_is_followed_to_its_end() {
    let service = FakeService::start(vec![
        page(&["a", "b"], true, Some("t1")),
        page(&["c&amp;d"], false, None),
    ]);
    assert_eq!(listing(&service).success(), "a\nb\nc&d\n");
    assert!(
        service.lines()[1].contains("continuation-token=t1"),
        "{:?}",
        service.lines()
    );
}

#[test]
fn a_truncated_page_without_a_token_is_an_error() {
    let service = FakeService::start(vec![page(&["a"], true, None)]);
    assert!(
        listing(&service)
            .failure(1)
            .contains("s3 gave a truncated page without a token for the next")
    );
}

#[test]
fn a_token_that_comes_again_is_an_error() {
    let service = FakeService::start(vec![
        page(&["a"], true, Some("t1")),
        page(&["b"], true, Some("t1")),
    ]);
    assert!(
        listing(&service)
            .failure(1)
            .contains("s3 gave the token of a page that was read already")
    );
}

#[test]
fn a_busy_store_is_asked_again() {
    let service = FakeService::start(vec![
        refusal(503, "SlowDown"),
        refusal(500, "InternalError"),
        page(&["a"], false, None),
    ]);
    assert_eq!(listing(&service).success(), "a\n");
    assert_eq!(service.lines().len(), 3);
}

#[test]
fn refused_keys_name_the_settings_and_quote_the_store() {
    let service = FakeService::start(vec![refusal(403, "SignatureDoesNotMatch")]);
    let stderr = listing(&service).failure(1);
    assert!(
        stderr.contains("s3 does not allow ListObjectsV2 of s3://b/"),
        "{stderr}"
    );
    assert!(
        stderr.contains("because SignatureDoesNotMatch: said the store"),
        "{stderr}"
    );
    assert!(
        stderr.contains("check s3.access_key and s3.secret_key"),
        "{stderr}"
    );
    assert_eq!(service.lines().len(), 1);
}

#[test]
fn an_answer_that_breaks_off_or_is_no_listing_is_an_error() {
    let cut = page(
        &["a-long-key-to-cut", "another-long-key-to-cut"],
        false,
        None,
    )
    .cut();
    let operator = |service: &FakeService| {
        Operator::new()
            .with("DASHI_S3_ENDPOINT", service.url())
            .with("DASHI_S3_ACCESS_KEY", "key")
            .with("DASHI_S3_SECRET_KEY", "made-up-for-a-test")
            .with("DASHI_HTTP_RETRIES", "0")
    };
    for answer in [cut, Answer::status(200, "<html>login</html>")] {
        let service = FakeService::start(vec![answer]);
        let ran = operator(&service).run(&["eval", "s3::list(\"s3://b/\").count()"]);
        assert_eq!(ran.code, Some(1), "{ran}");
    }
}

#[test]
fn without_credentials_nothing_is_sent() {
    let service = super::listener::SilentListener::start();
    let stderr = Operator::new()
        .with("DASHI_S3_ENDPOINT", service.url())
        .run(&["eval", "s3::buckets()"])
        .failure(2);
    assert!(
        stderr.contains("there are no credentials for s3: s3.access_key is not set"),
        "{stderr}"
    );
    assert_eq!(service.visits(), 0);
}
